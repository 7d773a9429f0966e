//! What a group has used of its day, read back from the log. A day can be a million records
//! long: whoever asks does so off the workers, and over a connection of its own, so that
//! nobody else who reads the log waits for it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use policies::GroupName;
use serde::Deserialize;

use super::{AuditLog, AuditReader};
use crate::store::{Millis, StoreError};

/// What a group has used since a moment: allowed requests, bytes of heads and bodies,
/// and the names below a wildcard that were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedSince {
    /// Requests that were allowed.
    pub requests: u64,
    /// Bytes that went up.
    pub bytes_up: u64,
    /// Names below a wildcard.
    pub names: BTreeSet<String>,
}

/// What is counted of a decision, and of an outcome.
#[derive(Deserialize)]
struct Counted<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow, default)]
    verdict: Cow<'a, str>,
    #[serde(borrow, default)]
    protocol: Cow<'a, str>,
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    by_wildcard: Option<bool>,
    head_bytes: Option<u64>,
    bytes_up: Option<u64>,
}

/// So many records in a row that are older by [`CLOCKS`] and more say that the rest is, too:
/// a clock that was set back for a while hides nothing.
const STRETCH: u32 = 10_000;
const CLOCKS: Millis = 25 * 3_600_000;

impl AuditLog {
    /// What a group has used since a moment. Takes some microseconds for each record since.
    pub fn used_since(&self, group: &GroupName, since: Millis) -> Result<UsedSince, StoreError> {
        self.shared.catch_up()?;
        AuditReader::open(&self.shared.path)?.used_since(group, since)
    }
}

impl AuditReader {
    /// From the end of the log, so that what it holds of other days costs nothing.
    fn used_since(&self, group: &GroupName, since: Millis) -> Result<UsedSince, StoreError> {
        let (mut used, mut outcomes, mut older) = (UsedSince::default(), HashMap::new(), 0);
        let sql = "SELECT seq, at_ms, about, record FROM events WHERE kind <> 'notice' ORDER BY seq DESC";
        self.each(sql, |row| {
            let (seq, at, about): (i64, Millis, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            older = if at < since - CLOCKS { older + 1 } else { 0 };
            if older >= STRETCH {
                return Ok(false);
            }
            let record = row.get_ref(3)?.as_str()?;
            let record: Counted<'_> =
                serde_json::from_str(record).map_err(|error| super::reader::unreadable(3, error))?;
            if let Some(about) = about {
                outcomes.insert(about, record.bytes_up.unwrap_or(0));
                return Ok(true);
            }
            let up = outcomes.remove(&seq).unwrap_or(0);
            let counts = at >= since && record.group == group.as_str() && record.verdict == "allow";
            if counts && record.protocol != "operation" {
                used.requests += 1;
                used.bytes_up = used.bytes_up.saturating_add(record.head_bytes.unwrap_or(0)).saturating_add(up);
                let name = record.host.filter(|_| record.by_wildcard == Some(true));
                used.names.extend(name.map(Cow::into_owned));
            }
            Ok(true)
        })?;
        Ok(used)
    }
}
