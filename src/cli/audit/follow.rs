//! Following the log: what to show at each check.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proxy::audit::Seq;

use crate::store::StoreError;
use crate::store::ledger::{AuditEntry, AuditReader, Ending, Filter, Which};

/// A follower's position in the log.
pub(super) struct Follower {
    filter: Filter,
    /// Only the outcome shows for certain whether a request counts as allowed, so this is checked here and not in the
    /// query.
    which: Option<Which>,
    /// The same for alarms.
    alarms: bool,
    /// Requests in flight: since when we know them, and whether they were shown.
    waiting: BTreeMap<Seq, (Instant, bool)>,
    /// The first entries to show: the newest so far.
    first: Vec<AuditEntry>,
}

/// A request that takes longer is shown as in flight, and again when it ends.
const PATIENCE: Duration = Duration::from_secs(2);

impl Follower {
    /// Starts with the newest matching entries.
    pub(super) fn start(reader: &AuditReader, filter: Filter) -> Result<Self, StoreError> {
        // Read first: entries that arrive in between are shown by the first check.
        let last = reader.last()?;
        let mut first = reader.entries(&filter)?;
        first.retain(|entry| entry.seq <= last);
        let Filter { which, alarms, .. } = filter;
        let filter = Filter { which: None, alarms: false, after: Some(last), limit: None, ..filter };
        Ok(Follower { filter, which, alarms, waiting: BTreeMap::new(), first })
    }

    /// Whether a request in flight has to be checked again.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The entries to show now.
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
