//! The hash chain of rows, and its verification.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::checkpoint::Vouched;
use crate::store::{Millis, StoreError};

/// The last row, to which the next one is chained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
}

impl Link {
    /// Before the first row.
    pub(super) const FIRST: Link = Link { seq: 0, hash: [0; 32] };
}

/// An intact chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldVerified {
    /// How many records there are.
    pub records: u64,
    /// How many older ones were removed after their time.
    pub removed: u64,
    /// How many signed checkpoints agree with it.
    pub checkpoints: u64,
    /// When the last of them was made.
    pub checkpoint_at: Option<Millis>,
    /// The public key of their signatures, in hex.
    pub key: Option<String>,
    /// The hash of the last one, in hex: to be kept elsewhere.
    pub head: String,
    /// Whether the given head is a record of this chain.
    pub holds_head: Option<bool>,
}

/// The first altered record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} {what}; the records before it are as they were written")]
pub struct OldBadRecord {
    /// Its number.
    pub seq: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Why a log is not verified.
#[derive(Debug, thiserror::Error)]
pub enum OldVerifyError {
    /// It was altered.
    #[error(transparent)]
    Bad(#[from] OldBadRecord),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The hash of a row. Every part has a fixed length or its own terminator, so that no two rows hash the same bytes;
/// `about` is 0 for none (rows count from 1).
pub(in crate::store::ledger) fn hash(
    previous: &[u8; 32],
    seq: u64,
    at_ms: i64,
    kind: &str,
    about: Option<u64>,
    record: &str,
) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(seq.to_be_bytes());
    hasher.update(at_ms.to_be_bytes());
    hasher.update(kind.as_bytes());
    hasher.update([0]);
    hasher.update(about.unwrap_or(0).to_be_bytes());
    hasher.update(record.as_bytes());
    hasher.finalize().into()
}

/// Walks the chain from its first row, or from the checkpoint up to which rows were removed. The inner result is about
/// the log, the outer one about reading it.
pub(super) fn verify(
    connection: &Connection,
    head: Option<&str>,
    key: Option<&[u8]>,
) -> rusqlite::Result<Result<OldVerified, OldBadRecord>> {
    // A snapshot, while others write.
    let connection = &*connection.unchecked_transaction()?;
    let vouched = match Vouched::read(connection, key)? {
        Ok(vouched) => vouched,
        Err(bad) => return Ok(Err(bad)),
    };
    let base = vouched.base();
    let mut last = base;
    let head = head.map(str::to_ascii_lowercase);
    let mut holds_head = head.as_ref().map(|head| vouched.holds(head));
    let mut select = connection.prepare("SELECT seq, at_ms, kind, about, record, hash FROM events ORDER BY seq")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?;
        let bad = |what| Ok(Err(OldBadRecord { seq: last.seq + 1, what }));
        if i128::from(seq) != i128::from(last.seq) + 1 {
            return if seq <= i64::try_from(base.seq).unwrap_or(i64::MAX) {
                Ok(Err(OldBadRecord { seq: seq.unsigned_abs(), what: "has a number that no record can have" }))
            } else {
                bad("is missing")
            };
        }
        let seq = seq.unsigned_abs();
        let about = row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs);
        if about.is_some_and(|about| about == 0 || about >= seq) {
            return bad("names a decision that had not been made");
        }
        let kind: String = row.get(2)?;
        let record: String = row.get(4)?;
        let want = hash(&last.hash, seq, row.get(1)?, &kind, about, &record);
        if row.get_ref(5)?.as_blob().ok() != Some(want.as_slice()) {
            return bad("was changed, moved or put in");
        }
        if head.as_ref().is_some_and(|head| hex(&want) == *head) {
            holds_head = Some(true);
        }
        last = Link { seq, hash: want };
        if vouched.deny(last) {
            return Ok(Err(OldBadRecord { seq, what: "is not what its signed checkpoint says" }));
        }
    }
    if last.seq < vouched.reach() {
        return Ok(Err(OldBadRecord { seq: last.seq + 1, what: "is missing" }));
    }
    let (checkpoints, newest) = vouched.summary();
    Ok(Ok(OldVerified {
        records: last.seq - base.seq,
        removed: base.seq,
        checkpoints,
        checkpoint_at: newest.map(|newest| newest.at_ms),
        key: newest.map(|newest| hex(&newest.key)),
        head: hex(&last.hash),
        holds_head,
    }))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
