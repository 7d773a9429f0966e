//! The records of what is asked of the host itself: one for the request that came
//! through the door, and one of its own for each operation, before it is performed.

use std::sync::Arc;
use std::time::Instant;

use policies::{Policy, PolicyAt, Refusal};

use super::{Record, Tally};
use crate::audit::{Allowed, Decision, Identity, Operation, Outcome, Protocol, Seq};
use crate::door::Door;
use crate::inflight::Permitted;

/// Who asks something of the host: known from the door, never from the request. Also
/// the pen that writes down what they ask for.
pub struct Caller {
    door: Arc<Door>,
    policy: Arc<Policy>,
    asked: Decision,
}

/// The proof that the log knows of an operation. Whatever performs one wants it, and
/// when it is let go of, the log hears how the operation ended.
///
/// ```compile_fail
/// let intent = proxy::ports::Intent { seq: proxy::audit::Seq(1) };
/// ```
pub struct Intent {
    door: Arc<Door>,
    seq: Seq,
    started: Instant,
    outcome: Outcome,
}

impl Record {
    /// Says that the request is for the host itself.
    pub(crate) fn is_internal(&mut self) {
        self.decision.protocol = Protocol::Internal;
    }

    /// Stores that a request to the host may be answered, and says who asks.
    pub(crate) async fn allow_internal(&mut self) -> Result<(Caller, Arc<Tally>), Refusal> {
        let policy = self.door.policy.load_full();
        let asked =
            Decision { verdict: Allowed::Allow, policy: Some(policy.hash().to_string()), ..self.decision.clone() };
        let tally = self.store(&asked, Permitted::Own).await?;
        Ok((Caller { door: self.door.clone(), policy, asked }, tally))
    }
}

impl Caller {
    /// Who they are.
    pub fn identity(&self) -> &Identity {
        &self.asked.identity
    }

    /// The agent's run that was under way when they asked.
    pub fn run(&self) -> Option<u64> {
        self.asked.run
    }

    /// The policy of their group that is in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same as it judges now.
    pub fn policy_now(&self) -> PolicyAt<'_> {
        self.policy.at((self.door.gateway.now)())
    }

    /// Stores that an operation is about to be performed. Not stored: not performed.
    pub fn intend(&self, operation: Operation) -> Result<Intent, Refusal> {
        let seq = self.door.gateway.ledger.decided(&self.about(operation)).map_err(|down| {
            tracing::error!(error = %down, "Audit log is down, operations are refused");
            Refusal::from(down)
        })?;
        Ok(Intent { door: self.door.clone(), seq, started: Instant::now(), outcome: Outcome::default() })
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
        if let Err(error) = self.door.gateway.ledger.decided(&decision) {
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
    /// Says that the operation came to nothing.
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
        if let Err(error) = self.door.gateway.ledger.ended(self.seq, &outcome) {
            tracing::error!(%error, seq = self.seq.0, "Outcome could not be stored");
        }
    }
}
