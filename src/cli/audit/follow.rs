//! Following the log: what to show at each look.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proxy::audit::Seq;

use crate::store::StoreError;
use crate::store::ledger::{AuditEntry, AuditReader, Ending, Filter, Which};

/// Where somebody who follows the log is.
pub(super) struct Follower {
    filter: Filter,
    /// Allowed or denied is known for certain only once a request has ended, so it
    /// is looked at here and not in the query.
    which: Option<Which>,
    /// So is whether it is an alarm.
    alarms: bool,
    /// Requests that are under way: since when we know, and whether that was shown.
    waiting: BTreeMap<Seq, (Instant, bool)>,
    /// What to show first: the newest entries so far.
    first: Vec<AuditEntry>,
}

/// A request that takes longer than this is shown as under way, and again when it ends.
const PATIENCE: Duration = Duration::from_secs(2);

impl Follower {
    /// Starts with the newest entries that the filter allows.
    pub(super) fn start(reader: &AuditReader, filter: Filter) -> Result<Self, StoreError> {
        // Asked first: what comes in between is shown by the first look.
        let last = reader.last()?;
        let mut first = reader.entries(&filter)?;
        first.retain(|entry| entry.seq <= last);
        let Filter { which, alarms, .. } = filter;
        let filter = Filter { which: None, alarms: false, after: Some(last), limit: None, ..filter };
        Ok(Follower { filter, which, alarms, waiting: BTreeMap::new(), first })
    }

    /// Whether a request is under way that has to be looked at again.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What is to be shown now.
    pub(super) fn step(&mut self, reader: &AuditReader) -> Result<Vec<AuditEntry>, StoreError> {
        let mut found = Vec::new();
        for seq in self.waiting.keys() {
            found.extend(reader.entry(*seq)?);
        }
        found.append(&mut self.first);
        let new = reader.entries(&self.filter)?;
        if let Some(newest) = new.last() {
            self.filter.after = Some(newest.seq);
        }
        found.extend(new);
        found.retain(|entry| self.is_due(entry));
        Ok(found)
    }

    fn is_due(&mut self, entry: &AuditEntry) -> bool {
        if entry.ending != Ending::UnderWay {
            self.waiting.remove(&entry.seq);
            return self.wants(entry);
        }
        let (since, shown) = self.waiting.entry(entry.seq).or_insert_with(|| (Instant::now(), false));
        let due = !*shown && since.elapsed() >= PATIENCE;
        *shown |= due;
        due && self.wants(entry)
    }

    fn wants(&self, entry: &AuditEntry) -> bool {
        match self.which {
            _ if self.alarms && !entry.is_alarm() => false,
            None => true,
            Some(Which::Allowed) => !entry.is_refusal() && entry.event.is_none(),
            Some(Which::Denied) => entry.is_refusal(),
        }
    }
}
