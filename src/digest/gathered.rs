//! The content of a digest.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::OwnersClock;
use crate::config::Prices;
use crate::meters::{Report, report};
use crate::store::ledger::{AuditReader, Digest};
use crate::store::{Millis, Standing, Store, StoreError};

/// Its sources.
pub struct Sources<'a> {
    /// The audit log.
    pub log: &'a AuditReader,
    /// Groups and runs.
    pub store: &'a Store,
    /// Model prices.
    pub prices: &'a Prices,
    /// The clock for its times.
    pub clock: &'a OwnersClock,
    /// Where the last drill's result is kept.
    pub drill: &'a Path,
}

/// The content.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Its start, for people.
    pub since: String,
    /// Where data went, and other events.
    pub digest: Digest,
    /// Model usage.
    pub models: Vec<Report>,
    /// The tasks, with agents' new ones and failures.
    pub tasks: Standing,
    /// The last drill.
    pub drill: Option<LastDrill>,
}

/// The result of a drill, as its file stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDrill {
    /// The time.
    pub at: Millis,
    /// The group whose sandbox was attacked.
    pub group: String,
    /// Whether nothing got out.
    pub passed: bool,
}

impl Sources<'_> {
    /// Collects everything since a moment.
    pub fn gather(&self, since: Millis) -> Result<Gathered, StoreError> {
        let mut models = report(self.log.tokens_since(None, since)?, self.prices);
        for group in self.store.groups()? {
            let runs = self.store.runs_since(&group.name, since)?;
            let name = group.name.to_string();
            match models.iter_mut().find(|report| report.group == name) {
                Some(report) => report.runs = runs,
                None if runs > 0 => models.push(Report { group: name, runs, ..Report::default() }),
                None => {}
            }
        }
        models.sort_by(|one, other| one.group.cmp(&other.group));
        Ok(Gathered {
            since: self.clock.shown(since),
            digest: self.log.digest(None, Some(since))?,
            models,
            tasks: self.store.standing(since)?,
            drill: LastDrill::read(self.drill),
        })
    }
}

impl LastDrill {
    /// The last one; `None` before the first.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}
