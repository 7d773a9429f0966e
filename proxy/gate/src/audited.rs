//! The stages of a request that need its record, and the proof that it is stored as allowed: made here and nowhere
//! else, so that nothing is sent without a record.

use std::sync::Arc;

use policies::{Code, Facts, Path, Permit, Refusal, TunnelPermit};
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::Decision;
use crate::case::Case;
use crate::check::{BodyJudged, Clean};
use crate::gate::{Admitted, Gate};
use crate::inflight::Permitted;
use crate::judge::{Asked, Judged, JudgedTunnel, Own};
use crate::latch;
use crate::outbound::OutboundHead;
use crate::record::Record;
use crate::request;
use crate::tally::Tally;

/// A place among the door's requests in flight.
pub struct Entered(OwnedSemaphorePermit);

/// The proof that an allow is stored: no upstream is reached without it. Made only by
/// [`Record::allow`].
pub struct Audited<P = Permit> {
    permit: Arc<P>,
    tally: Arc<Tally>,
    /// The stored decision, for a request that may have to be stored again; nothing for the
    /// gateway's own requests, whose permit comes from no group's policy.
    decision: Option<Box<Decision>>,
}

/// The same for a tunnel.
pub type AuditedTunnel = Audited<TunnelPermit>;

impl Record {
    /// Takes one of the door's places for requests in flight, before any part of the request waits.
    pub fn enter(&self) -> Result<Entered, Refusal> {
        self.gate.slot().map(Entered)
    }

    /// Reads a request that came on this case's connection, the only time that it is parsed;
    /// refused if the owner has locked the group. Leaves the headers that concern more than this
    /// connection. `shown`: the path to record if the real one must not be written down.
    pub fn read<B>(
        &mut self,
        entered: Entered,
        case: &Case,
        request: &mut http::Request<B>,
        shown: impl FnOnce(&Facts) -> Option<Path>,
    ) -> Result<Asked, Refusal> {
        self.slot = Some(entered.0);
        let facts = request::read(case.within(), request)?;
        crate::head::drop_nominated(request.headers_mut());
        self.is_about(&facts, shown(&facts));
        if case.locked {
            return Err(latch::refusal());
        }
        Ok(Asked(facts))
    }

    /// Stores an allow. From here on the log knows that the request may have left. `findings`: what
    /// looks like a secret in it, and what was removed.
    pub async fn allow(
        &mut self,
        judged: Judged,
        mut clean: Clean,
        body: BodyJudged,
        _: Admitted,
        findings: Vec<String>,
    ) -> Result<(Audited, OutboundHead), Refusal> {
        let permit = Arc::new(judged.into_permit());
        let granted = body.granted();
        let body = clean.take_body(body)?;
        let decision = self.allowed(&permit, &clean, granted, findings);
        let tally = self.store(&decision, Permitted::Request(permit.clone())).await?;
        let head = OutboundHead::new(&permit, clean, body);
        Ok((Audited { permit, tally, decision: Some(Box::new(decision)) }, head))
    }

    /// The same for a request that the gateway makes, or answers, for a credential.
    pub async fn allow_own(&mut self, own: Own, credential: &Arc<str>, swap: &str) -> Result<Audited, Refusal> {
        let permit = Arc::new(own.into_permit());
        let tally = self.store(&self.allowed_own(&permit, credential, swap), Permitted::Own).await?;
        Ok(Audited { permit, tally, decision: None })
    }

    /// The same for a tunnel.
    pub async fn allow_tunnel(
        &mut self,
        judged: JudgedTunnel,
        entered: Entered,
        _: Admitted,
    ) -> Result<AuditedTunnel, Refusal> {
        self.slot = Some(entered.0);
        let permit = Arc::new(judged.0);
        let tally = self.store(&self.allowed_tunnel(&permit), Permitted::Tunnel(permit.clone())).await?;
        Ok(Audited { permit, tally, decision: None })
    }

    /// The same for a request to the host itself, which is answered here. Returns what was stored.
    pub async fn allow_local(&mut self, case: &Case, _: Admitted) -> Result<(Decision, Arc<Tally>), Refusal> {
        let asked = self.allowed_here(case);
        let tally = self.store(&asked, Permitted::Own).await?;
        Ok((asked, tally))
    }

    /// From now on the outcome belongs to this allow.
    pub fn follows(&mut self, audited: &Audited) {
        self.ends_with(&audited.tally);
    }

    async fn store(&mut self, decision: &Decision, permitted: Permitted) -> Result<Arc<Tally>, Refusal> {
        let slot = self.slot.take().map_or_else(|| self.gate.slot(), Ok)?;
        let seq = self.gate.ledger().decided_together(decision).await.map_err(|down| {
            tracing::error!(error = %down, "Audit log is down, requests are refused");
            Refusal::from(down)
        })?;
        let tally = Tally::begin(&self.gate, seq, slot, self.leash.take(), permitted);
        self.ends_with(&tally);
        Ok(tally)
    }
}

impl Audited {
    /// The same allow again, before the request is resent: counted and stored like the first, with
    /// a note. Nothing if the first was not under a group's policy.
    pub async fn again(&self, gate: &Arc<Gate>, case: &Case) -> Option<Result<Audited, Refusal>> {
        let first = self.decision.as_deref()?;
        let mut decision = Box::new(first.clone());
        decision.findings.push(format!("sent once more, in place of number {}", self.tally.seq().0));
        let by_wildcard = self.permit.by_wildcard().then(|| &self.permit.facts().authority.host);
        if let Err(refusal) = gate.admit_bytes(case, by_wildcard, first.head_bytes.unwrap_or(0)).await {
            return Some(Err(refusal));
        }
        let mut record = Record::bare(gate, case, first.protocol);
        record.leash = self.tally.leash();
        let stored = record.store(&decision, Permitted::Request(self.permit.clone())).await;
        Some(stored.map(|tally| Audited { permit: self.permit.clone(), tally, decision: Some(decision) }))
    }

    /// The head of the gateway's own request, to the endpoint that the owner's policy names.
    pub fn own_head(&self, content_type: &'static str) -> Result<OutboundHead, Refusal> {
        if !self.is_own() {
            return Err(Refusal::new(Code::Unsupported, "this is no request of the gateway's own"));
        }
        OutboundHead::own(&self.permit, content_type)
    }

    /// Whether the permit is the gateway's own, so that no group's policy can revoke it.
    pub(crate) fn is_own(&self) -> bool {
        self.decision.is_none()
    }

    pub(crate) fn shared_permit(&self) -> &Arc<Permit> {
        &self.permit
    }
}

impl<P> Audited<P> {
    /// What was permitted.
    pub fn permit(&self) -> &P {
        &self.permit
    }

    /// The tally of the request.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }
}
