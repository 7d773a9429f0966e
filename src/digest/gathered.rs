//! What a digest is made of.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::OwnersClock;
use crate::config::Prices;
use crate::meters::{Report, report};
use crate::store::ledger::{AuditReader, Digest};
use crate::store::{Millis, Standing, Store, StoreError};

/// Where it comes from.
pub struct Sources<'a> {
    /// What went through the doors.
    pub log: &'a AuditReader,
    /// Groups and runs.
    pub store: &'a Store,
    /// What models cost.
    pub prices: &'a Prices,
    /// By whose clock times are.
    pub clock: &'a OwnersClock,
    /// Where the last drill is kept.
    pub drill: &'a Path,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Since when, as people read it.
    pub since: String,
    /// Where data went, and what happened besides.
    pub digest: Digest,
    /// What models used up.
    pub models: Vec<Report>,
    /// How tasks stand, with what agents made and what failed since then.
    pub tasks: Standing,
    /// The last drill.
    pub drill: Option<LastDrill>,
}

/// A drill that was held, as its file keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDrill {
    /// When.
    pub at: Millis,
    /// Whose sandbox was attacked.
    pub group: String,
    /// Whether nothing got out.
    pub passed: bool,
}

impl Sources<'_> {
    /// What there is since a moment.
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
    /// The last one; `None` before there was any.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}
