//! Its checkpoints: the chain's state at one record, signed with the installation's key.

use std::path::Path;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rusqlite::Connection;

use super::chain::{Link, OldBadRecord};
use crate::store::Millis;

/// A signed statement: record `seq` has this hash.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    id: u64,
    pub(super) seq: u64,
    pub(super) at_ms: Millis,
    pub(super) hash: [u8; 32],
    /// Whether the records up to it were then removed.
    pub(super) pruned: bool,
    pub(super) key: Vec<u8>,
    signature: Vec<u8>,
}

/// The public half of the key beside a log, if it is readable.
pub(super) fn known_key(log: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(log.with_extension("key")).ok()?;
    Some(Ed25519KeyPair::from_pkcs8(&bytes).ok()?.public_key().as_ref().to_vec())
}

impl Checkpoint {
    /// The signed bytes. Every part has a fixed length.
    fn statement(&self) -> Vec<u8> {
        let mut text = b"doorward audit checkpoint 1\0".to_vec();
        text.extend(self.id.to_be_bytes());
        text.extend(self.seq.to_be_bytes());
        text.extend(self.at_ms.to_be_bytes());
        text.push(u8::from(self.pruned));
        text.extend(self.hash);
        text
    }

    fn link(&self) -> Link {
        Link { seq: self.seq, hash: self.hash }
    }
}

/// All of a log's checkpoints, verified, and what they vouch for.
#[derive(Debug, Default)]
pub(super) struct Vouched {
    all: Vec<Checkpoint>,
}

impl Vouched {
    /// Reads them. With `key`, only its signatures count.
    pub(super) fn read(connection: &Connection, key: Option<&[u8]>) -> rusqlite::Result<Result<Self, OldBadRecord>> {
        if !connection.table_exists(None, "checkpoints")? {
            // The first format had none.
            return Ok(Ok(Vouched::default()));
        }
        let mut select = connection.prepare(&format!("{SELECT} ORDER BY id"))?;
        let all: Vec<Checkpoint> = select.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?;
        let mut before: Option<&Checkpoint> = None;
        for checkpoint in &all {
            let bad = |what| Ok(Err(OldBadRecord { seq: checkpoint.seq, what }));
            if checkpoint.id != before.map_or(1, |before| before.id + 1) {
                return bad("has a checkpoint before which another one is missing");
            }
            if key.is_some_and(|key| key != checkpoint.key) {
                return bad("has a checkpoint that was signed with another key than this installation's");
            }
            let signer = UnparsedPublicKey::new(&ED25519, &checkpoint.key);
            if signer.verify(&checkpoint.statement(), &checkpoint.signature).is_err() {
                return bad("has a checkpoint whose signature is wrong");
            }
            before = Some(checkpoint);
        }
        Ok(Ok(Vouched { all }))
    }

    /// The link to which the first remaining record is chained.
    pub(super) fn base(&self) -> Link {
        self.all.iter().rev().find(|checkpoint| checkpoint.pruned).map_or(Link::FIRST, Checkpoint::link)
    }

    /// Whether a record contradicts a checkpoint.
    pub(super) fn deny(&self, at: Link) -> bool {
        self.all.iter().any(|checkpoint| checkpoint.seq == at.seq && checkpoint.hash != at.hash)
    }

    /// The last record that must exist.
    pub(super) fn reach(&self) -> u64 {
        self.all.iter().map(|checkpoint| checkpoint.seq).max().unwrap_or(0)
    }

    /// How many there are, and the last one.
    pub(super) fn summary(&self) -> (u64, Option<&Checkpoint>) {
        (self.all.len().try_into().unwrap_or(u64::MAX), self.all.last())
    }

    pub(super) fn holds(&self, head: &str) -> bool {
        self.all.iter().any(|checkpoint| super::chain::hex(&checkpoint.hash) == head)
    }
}

const SELECT: &str = "SELECT id, seq, at_ms, hash, pruned, key, signature FROM checkpoints";

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Checkpoint> {
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Checkpoint {
        id: count(0)?,
        seq: count(1)?,
        at_ms: row.get(2)?,
        hash: row.get(3)?,
        pruned: row.get(4)?,
        key: row.get(5)?,
        signature: row.get(6)?,
    })
}
