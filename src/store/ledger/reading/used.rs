//! What a group has used of its day, from the log. A day can have a million records: callers read it off the runtime's
//! workers and over a separate connection, so that no other reader waits for it.

use std::collections::BTreeSet;

use policies::GroupName;
use serde::Deserialize;

use super::{AuditReader, Filter};
use crate::store::{Millis, StoreError};

/// What a group has used since a moment: allowed requests, bytes of heads and bodies, and the names asked for under a
/// wildcard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedSince {
    /// Requests that were allowed.
    pub requests: u64,
    /// Bytes that went up.
    pub bytes_up: u64,
    /// Names under a wildcard.
    pub names: BTreeSet<String>,
}

impl AuditReader {
    /// What a group has used since a moment, as far as the index has it.
    pub(in crate::store::ledger) fn used_since(
        &self,
        group: &GroupName,
        since: Millis,
    ) -> Result<UsedSince, StoreError> {
        let (mut used, mut carried) = (UsedSince::default(), Vec::new());
        let of_it = Filter { group: Some(group.clone()), ..Filter::since(since) };
        self.each(&of_it, |entry| {
            if entry.allowed == Some(true) && !entry.operation {
                used.requests += 1;
                used.bytes_up = used.bytes_up.saturating_add(entry.up);
            }
            if entry.allowed == Some(true) && entry.by_wildcard && !used.names.contains(&*entry.names.host) {
                used.names.insert(entry.names.host.to_string());
            }
            if &*entry.names.what == "carried" {
                carried.push((entry.seq, entry.place));
            }
            true
        })?;
        for (seq, place) in carried {
            used.add(serde_json::from_value(self.record(seq, place)?).unwrap_or_default());
        }
        Ok(used)
    }

    /// The groups that did anything since a moment.
    pub(in crate::store::ledger) fn groups_since(&self, since: Millis) -> Result<BTreeSet<String>, StoreError> {
        let mut groups = BTreeSet::new();
        self.each(&Filter::since(since), |entry| {
            if !entry.is_event() && !groups.contains(&*entry.names.group) {
                groups.insert(entry.names.group.to_string());
            }
            true
        })?;
        Ok(groups)
    }
}

/// What was used before the journal started, from an older log: an event of the journal.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Carried {
    count: u64,
    bytes: u64,
    names: BTreeSet<String>,
}

impl UsedSince {
    fn add(&mut self, carried: Carried) {
        self.requests += carried.count;
        self.bytes_up = self.bytes_up.saturating_add(carried.bytes);
        self.names.extend(carried.names);
    }
}
