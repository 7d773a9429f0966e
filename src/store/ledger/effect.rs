//! What a decision lets happen: the one place that says whether a request may change
//! something outside (invariant 13), before it is sent and of its record.
//! `run_wrote_upstream` in `reader.rs` says the same in SQL, for runs of an older Doorward.

use proxy::audit::{Allowed, Decision, LedgerDown, Protocol};

use super::AuditLog;
use super::record::DecisionRecord;
use crate::store::RunId;

/// Whether a request is let through that is not known to only read.
pub(super) fn may_write(decision: &Decision) -> bool {
    decision.verdict == Allowed::Allow
        && match decision.protocol {
            Protocol::Internal => false,
            Protocol::Operation => decision.operation.is_some_and(|operation| operation.effect),
            Protocol::Websocket => true,
            _ => !decision.asks_model && !reads(decision.method.as_deref()),
        }
}

/// The same of what was recorded.
pub fn may_have_written(record: &DecisionRecord) -> bool {
    record.verdict == "allow"
        && match record.protocol.as_str() {
            "internal" => false,
            "operation" => record.operation.as_ref().is_some_and(|operation| operation.effect),
            "websocket" => true,
            _ => !record.asks_model && !reads(record.method.as_deref()),
        }
}

fn reads(method: Option<&str>) -> bool {
    matches!(method, Some("GET" | "HEAD" | "OPTIONS"))
}

impl AuditLog {
    /// Makes it known that a run writes, durably, once a run and before its decision:
    /// whoever gets a decision back may send.
    pub(super) async fn will_write(&self, decision: &Decision) -> Result<(), LedgerDown> {
        match (&self.runs, writing_run(decision)) {
            (Some(runs), Some(run)) => runs.will_write(run).await.map_err(|error| LedgerDown(error.to_string())),
            _ => Ok(()),
        }
    }

    /// The same, on the caller's thread.
    pub(super) fn will_write_now(&self, decision: &Decision) -> Result<(), LedgerDown> {
        match (&self.runs, writing_run(decision)) {
            (Some(runs), Some(run)) => runs.will_write_now(run).map_err(|error| LedgerDown(error.to_string())),
            _ => Ok(()),
        }
    }
}

fn writing_run(decision: &Decision) -> Option<RunId> {
    decision.run.filter(|_| may_write(decision)).map(RunId)
}
