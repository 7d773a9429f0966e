//! Checkpoints: what the chain was at one record, signed with a key of this
//! installation (`audit.key`, 0600, made at the first start). Whoever has the file but
//! not the key can write no other past for it. What it is not: protection against
//! the daemon's own user, who has the key.

use std::io::Write;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rusqlite::{Connection, OptionalExtension, params};

use super::chain::{BadRecord, Link};
use super::writer::to_row;
use crate::store::{Millis, StoreError};

/// The installation's signing key.
pub(super) struct Key(Ed25519KeyPair);

/// A signed statement: record `seq` has this hash.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    id: u64,
    pub(super) seq: u64,
    pub(super) at_ms: Millis,
    pub(super) hash: [u8; 32],
    /// Whether the records up to it were removed when it was made.
    pub(super) pruned: bool,
    pub(super) key: Vec<u8>,
    signature: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads the key beside a log, or makes it: written aside and linked into place.
    pub(super) fn of(log: &Path) -> Result<Self, StoreError> {
        let path = beside(log);
        let broken = |detail: String| StoreError::Other { path: path.clone(), detail };
        if !path.exists() {
            let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map_err(|_| broken("the system gives no random numbers for a key".to_owned()))?;
            let folder = path.parent().unwrap_or(Path::new("."));
            let write = || {
                let mut aside = tempfile::NamedTempFile::new_in(folder)?;
                aside.write_all(made.as_ref())?;
                aside.as_file().sync_all()?;
                Ok::<_, std::io::Error>(aside)
            };
            let aside = write().map_err(|error| broken(format!("cannot be written: {error}")))?;
            match aside.persist_noclobber(&path) {
                Err(lost) if lost.error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(broken(format!("cannot be written: {}", lost.error)));
                }
                _ => {}
            }
        }
        read(&path).map(Key)
    }

    pub(super) fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

/// Whether the key beside a log, where there is one, is one.
pub fn check_key(log: &Path) -> Result<(), StoreError> {
    let path = beside(log);
    if path.exists() { read(&path).map(drop) } else { Ok(()) }
}

fn read(path: &Path) -> Result<Ed25519KeyPair, StoreError> {
    let broken = |detail: String| StoreError::Other { path: path.to_path_buf(), detail };
    let bytes = std::fs::read(path).map_err(|error| broken(format!("cannot be read: {error}")))?;
    Ed25519KeyPair::from_pkcs8(&bytes)
        .map_err(|_| broken("is no signing key; restore it from a backup, or move it away to get a new one".to_owned()))
}

/// The public half of the key beside a log, where there is one that can be read.
pub(super) fn known_key(log: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(beside(log)).ok()?;
    Some(Ed25519KeyPair::from_pkcs8(&bytes).ok()?.public_key().as_ref().to_vec())
}

fn beside(log: &Path) -> PathBuf {
    log.with_extension("key")
}

impl Checkpoint {
    /// Signs and stores one.
    pub(super) fn add(connection: &Connection, key: &Key, at: Link, pruned: bool, now: Millis) -> rusqlite::Result<()> {
        let id = last(connection)?.map_or(1, |last| last.id + 1);
        let mut made = Checkpoint {
            id,
            seq: at.seq,
            at_ms: now,
            hash: at.hash,
            pruned,
            key: key.public().to_vec(),
            signature: Vec::new(),
        };
        made.signature = key.0.sign(&made.statement()).as_ref().to_vec();
        connection
            .prepare_cached(
                "INSERT INTO checkpoints (id, seq, at_ms, hash, pruned, key, signature) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                to_row(made.id),
                to_row(made.seq),
                made.at_ms,
                made.hash,
                made.pruned,
                made.key,
                made.signature
            ])?;
        Ok(())
    }

    /// What is signed. Every part has a fixed length.
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

/// The last one.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    connection.prepare_cached(&format!("{SELECT} ORDER BY id DESC LIMIT 1"))?.query_row([], from_row).optional()
}

/// All of a log's checkpoints, each looked at: the past that they vouch for.
#[derive(Debug, Default)]
pub(super) struct Vouched {
    all: Vec<Checkpoint>,
}

impl Vouched {
    /// Reads them. With `key` only what was signed with it counts.
    pub(super) fn read(connection: &Connection, key: Option<&[u8]>) -> rusqlite::Result<Result<Self, BadRecord>> {
        let mut select = connection.prepare(&format!("{SELECT} ORDER BY id"))?;
        let all: Vec<Checkpoint> = select.query_map([], from_row)?.collect::<rusqlite::Result<_>>()?;
        let mut before: Option<&Checkpoint> = None;
        for checkpoint in &all {
            let bad = |what| Ok(Err(BadRecord { seq: checkpoint.seq, what }));
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

    /// What the first record that is still there is chained to.
    pub(super) fn base(&self) -> Link {
        self.all.iter().rev().find(|checkpoint| checkpoint.pruned).map_or(Link::FIRST, Checkpoint::link)
    }

    /// Whether a record is not what a checkpoint says it was.
    pub(super) fn deny(&self, at: Link) -> bool {
        self.all.iter().any(|checkpoint| checkpoint.seq == at.seq && checkpoint.hash != at.hash)
    }

    /// The last record that must be there.
    pub(super) fn reach(&self) -> u64 {
        self.all.iter().map(|checkpoint| checkpoint.seq).max().unwrap_or(0)
    }

    /// How many there are, when the last was made, and whose key signed it.
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
