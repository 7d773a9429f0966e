//! Warnings before a limit is reached: each once a day.

use std::collections::BTreeSet;

use policies::GroupName;

use crate::store::ledger::{AuditLog, Notice};

/// Percent of a limit at which its owner is warned.
const WARNINGS: [u64; 2] = [80, 50];

/// The warnings that were given.
#[derive(Debug, Default)]
pub(crate) struct Warned(BTreeSet<(&'static str, u64)>);

impl Warned {
    /// Warns of a limit that is half used, or almost.
    pub(crate) fn about(
        &mut self,
        log: &AuditLog,
        group: &GroupName,
        what: &'static str,
        value: u64,
        limit: Option<u64>,
    ) {
        let Some(limit) = limit.filter(|limit| *limit > 0) else { return };
        let reached = WARNINGS.into_iter().find(|percent| value.saturating_mul(100) >= limit.saturating_mul(*percent));
        let Some(percent) = reached.filter(|percent| self.0.insert((what, *percent))) else { return };
        let limit = match what.starts_with("money") {
            true => desk::money::in_words(limit),
            false => limit.to_string(),
        };
        let text = format!("group {group} has used {percent} % of its {what} ({limit})");
        tracing::warn!(budget.group = %group, budget.limit = what, budget.percent = percent, "Budget is running out");
        if let Err(error) = log.notice(&Notice::new("budget", Some(group), text)) {
            tracing::error!(%error, "Warning about a budget not stored");
        }
    }
}
