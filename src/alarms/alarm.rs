//! Which records of the log the owner is told at once, and what of them. Nothing else makes an [`Alarm`].

use std::ops::Deref;

use proxy::audit::{Allowed, Decision, Seq};
use serde::Serialize;

use crate::store::ledger::{AuditLog, Notice, Recorded};

/// The events besides alarms that the owner is told; all others are only in the log.
const TOLD: [&str; 7] = ["budget", "access_request", "log_lost", "store_gone", "policy_rejected", "disk", "owner_away"];

/// Something that the owner is told at once: a record of the log says so. Its JSON is the command's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Alarm(Raised);

/// What an alarm says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Raised {
    /// The reason's code, `reply_withheld`, or the kind of the event.
    pub kind: String,
    /// The group.
    pub group: String,
    /// The host that was asked.
    pub host: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The path, without the query.
    pub path: Option<String>,
    /// The reason, in plain words.
    pub why: String,
    /// What the leak check found: names and places.
    pub findings: Vec<String>,
    /// The record's number in the audit log.
    pub seq: u64,
    /// Whether a part of the request may have gone out before it was stopped.
    pub cut_off: bool,
    /// How many more of this kind there were since the last message.
    pub more: u64,
}

impl Alarm {
    /// What this record tells the owner, if anything.
    pub(super) fn of(event: &Recorded, log: &AuditLog) -> Option<Self> {
        let raised = match event {
            Recorded::Decision(seq, decision) if decision.alarm => Some(of_decision(*seq, decision)),
            Recorded::Outcome(seq, outcome) if outcome.alarm => {
                let known = log.entry(*seq).inspect_err(|error| tracing::error!(%error, "Alarm without its request"));
                let decision = known.ok().flatten().map(|entry| entry.decision).unwrap_or_default();
                Some(Raised {
                    kind: outcome.code.map_or_else(|| "leak".to_owned(), |code| code.to_string()),
                    group: decision.group,
                    host: decision.host,
                    method: decision.method,
                    path: decision.path,
                    why: outcome.why.clone().unwrap_or_default(),
                    findings: outcome.findings.clone(),
                    seq: seq.0,
                    // Without an address nothing was dialled.
                    cut_off: outcome.address.is_some(),
                    more: 0,
                })
            }
            Recorded::Notice(seq, notice) if notice.alarm || TOLD.contains(&notice.what) => {
                Some(of_notice(*seq, notice))
            }
            _ => None,
        };
        raised.map(Alarm)
    }

    /// It, where there were more of its kind.
    pub(super) fn with_more(self, more: u64) -> Self {
        Alarm(Raised { more, ..self.0 })
    }

    #[cfg(test)]
    pub(super) fn unrecorded(raised: Raised) -> Self {
        Alarm(raised)
    }
}

impl Deref for Alarm {
    type Target = Raised;

    fn deref(&self) -> &Raised {
        &self.0
    }
}

fn of_decision(seq: Seq, decision: &Decision) -> Raised {
    Raised {
        kind: decision.code.map_or_else(|| "leak".to_owned(), |code| code.to_string()),
        group: decision.identity.group.to_string(),
        host: decision.host.clone(),
        method: decision.method.clone(),
        path: decision.path.clone(),
        why: decision.why.clone().unwrap_or_default(),
        findings: decision.findings.clone(),
        seq: seq.0,
        cut_off: decision.verdict == Allowed::Allow,
        more: 0,
    }
}

fn of_notice(seq: Seq, notice: &Notice) -> Raised {
    let group = notice.group.as_ref().map(ToString::to_string).unwrap_or_default();
    Raised { kind: notice.what.to_owned(), group, why: notice.text.clone(), seq: seq.0, ..Raised::default() }
}
