//! Operations asked of the host itself: beside the record of the request that came through the
//! door, each operation has its own, stored before it is performed.

use std::sync::Arc;
use std::time::Instant;

use gate::Gate;
use gate::audit::{Allowed, Decision, Identity, Operation, Outcome, Protocol, Seq};
use policies::{Policy, PolicyAt, Refusal};

/// Who asks for an operation: known from the door, never from the request. Also writes the records
/// of their operations.
pub struct Caller {
    gate: Arc<Gate>,
    policy: Arc<Policy>,
    asked: Decision,
}

/// The proof that an operation is logged. Performing one requires it, and when it is dropped, how
/// the operation ended is logged.
///
/// ```compile_fail
/// let intent = proxy::ports::Intent { seq: proxy::audit::Seq(1) };
/// ```
pub struct Intent {
    gate: Arc<Gate>,
    seq: Seq,
    started: Instant,
    outcome: Outcome,
}

impl Caller {
    /// The caller behind a stored decision, under this policy.
    pub(crate) fn new(gate: &Arc<Gate>, policy: &Arc<Policy>, asked: Decision) -> Self {
        Caller { gate: gate.clone(), policy: policy.clone(), asked }
    }

    /// Who they are.
    pub fn identity(&self) -> &Identity {
        &self.asked.identity
    }

    /// The agent's run in progress when they asked.
    pub fn run(&self) -> Option<u64> {
        self.asked.run
    }

    /// The policy of their group that is in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same policy at the present moment.
    pub fn policy_now(&self) -> PolicyAt<'_> {
        self.policy.at(self.gate.now())
    }

    /// Why nothing may be done for them any more: their door is shut, or the owner has locked the group.
    pub fn lets_nothing(&self) -> Option<Refusal> {
        self.gate.lets_nothing()
    }

    /// Stores that an operation is about to be performed. If this fails, it is not performed.
    pub fn intend(&self, operation: Operation) -> Result<Intent, Refusal> {
        let seq = self.gate.ledger().decided(&self.about(operation)).map_err(|down| {
            tracing::error!(error = %down, "Audit log is down, operations are refused");
            Refusal::from(down)
        })?;
        Ok(Intent { gate: self.gate.clone(), seq, started: Instant::now(), outcome: Outcome::default() })
    }

    /// Stores that an operation was asked for and refused.
    pub fn refuse(&self, operation: Operation, refusal: &Refusal) {
        let decision = Decision {
            verdict: Allowed::Deny,
            code: Some(refusal.code),
            why: Some(refusal.for_log().to_owned()),
            alarm: refusal.code.is_alarm(),
            ..self.about(operation)
        };
        // A refusal that cannot be stored is still a refusal.
        if let Err(error) = self.gate.ledger().decided(&decision) {
            tracing::error!(%error, "Audit log is down, operations are refused");
        }
    }

    fn about(&self, operation: Operation) -> Decision {
        Decision {
            protocol: Protocol::Operation,
            operation: Some(operation),
            scheme: None,
            port: None,
            method: None,
            path: None,
            ..self.asked.clone()
        }
    }
}

impl Intent {
    /// Records that the operation failed.
    pub fn failed(&mut self, refusal: &Refusal) {
        self.outcome.code = Some(refusal.code);
        self.outcome.why = Some(refusal.for_log().to_owned());
        self.outcome.alarm = refusal.code.is_alarm();
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Err(error) = self.gate.ledger().ended(self.seq, &outcome) {
            tracing::error!(%error, seq = self.seq.0, "Outcome could not be stored");
        }
    }
}
