//! What a decision lets happen: the one place that says whether a request may change something outside (invariant 13),
//! both before it is sent and from its record. The index stores the result per record, for runs of older versions.

use proxy::audit::{Allowed, Decision, LedgerDown, Protocol};

use super::log::AuditLog;
use crate::store::RunId;

/// Whether a request is allowed that is not known to only read.
pub(super) fn may_write(decision: &Decision) -> bool {
    decision.verdict == Allowed::Allow
        && match decision.protocol {
            Protocol::Internal => false,
            Protocol::Operation => decision.operation.is_some_and(|operation| operation.effect),
            Protocol::Websocket => true,
            _ => !decision.asks_model && !reads(decision.method.as_deref()),
        }
}

/// The same for a record.
pub(super) fn writes(protocol: &str, effect: bool, asks_model: bool, method: Option<&str>) -> bool {
    match protocol {
        "internal" => false,
        "operation" => effect,
        "websocket" => true,
        _ => !asks_model && !reads(method),
    }
}

fn reads(method: Option<&str>) -> bool {
    matches!(method, Some("GET" | "HEAD" | "OPTIONS"))
}

impl AuditLog {
    /// Records durably that a run writes, once per run and before its decision: whoever gets a decision back may send.
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
