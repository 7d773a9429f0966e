//! The audit record of one request: filled while the request is read, stored when
//! it is decided, and the proof that it was. One that is let go of before it was stored
//! is stored as what it is: a request that came to nothing.

use std::sync::Arc;

use http::header::HOST;
use policies::{Authority, Code, Facts, Path, Permit, PolicyHash, Refusal, TunnelPermit};
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::{Allowed, Decision, Protocol};
use crate::gate::{Case, Gate};
use crate::inflight::Permitted;
use crate::streams::Leash;
use crate::tally::Tally;

mod operation;
mod shown;

use shown::{EXCERPT, LONGEST, shortened, without_user};

pub use operation::{Caller, Intent};

/// A decision in the making.
pub(crate) struct Record {
    gate: Arc<Gate>,
    decision: Decision,
    policy: PolicyHash,
    facts: Option<Facts>,
    tally: Option<Arc<Tally>>,
    slot: Option<OwnedSemaphorePermit>,
    leash: Option<Leash>,
    /// Whether there is something to store that is not stored yet.
    owed: bool,
}

/// What is to be known of a head that goes out.
pub(crate) struct Head {
    /// How long it is, without the credential.
    pub(crate) bytes: u64,
    /// The credential that is put on, and where.
    pub(crate) credential: Option<Arc<str>>,
    pub(crate) swap: Option<String>,
    /// What looks like a secret, and what was taken off.
    pub(crate) findings: Vec<String>,
}

/// The proof that an allow is stored: without it nothing upstream is reached.
/// Made by [`Record::allow`] and nowhere else.
pub(crate) struct Audited<P = Permit> {
    permit: Arc<P>,
    tally: Arc<Tally>,
    /// Of the gateway's own, under a permit that no group's policy gave.
    own: bool,
    /// What was stored, for a request that may have to be stored once more.
    decision: Option<Box<Decision>>,
}

/// The same for a connection that goes through unopened.
pub(crate) type AuditedTunnel = Audited<TunnelPermit>;

impl Record {
    /// Of a connection from which no request could be read.
    pub(crate) fn unread(gate: &Arc<Gate>, case: &Case, protocol: Protocol) -> Self {
        let mut record = Record::bare(gate, case, protocol);
        if let Some(within) = &case.within {
            record.decision.sni = within.sni.clone();
            record = record.authority(&within.authority);
        }
        record
    }

    /// Of a request that the gateway makes because of another one.
    pub(crate) fn bare(gate: &Arc<Gate>, case: &Case, protocol: Protocol) -> Self {
        let decision = Decision::bare(gate.who().clone(), gate.run(), case.connection, protocol);
        let (gate, policy) = (gate.clone(), case.policy.hash());
        Record { gate, decision, policy, facts: None, tally: None, slot: None, leash: None, owed: false }
    }

    /// Of a request, as it came.
    pub(crate) fn of<B>(gate: &Arc<Gate>, case: &Case, request: &http::Request<B>) -> Self {
        let protocol = case.within.as_ref().map_or(Protocol::Http, |within| within.protocol());
        let mut record = Record::unread(gate, case, protocol).target(request).owed();
        record.leash = request.extensions().get::<Leash>().cloned();
        record
    }

    /// Something was asked: however it ends, it is stored.
    pub(crate) fn owed(mut self) -> Self {
        self.owed = true;
        self
    }

    /// What was asked goes on, and what becomes of it has records of its own.
    pub(crate) fn goes_on(mut self) {
        self.owed = false;
    }

    /// Takes one of the door's places for requests under way, before anything of it waits.
    pub(crate) fn enter(&mut self) -> Result<(), Refusal> {
        self.slot = Some(self.gate.slot()?);
        Ok(())
    }

    /// Adds what the request line and Host said.
    pub(crate) fn target<B>(mut self, request: &http::Request<B>) -> Self {
        let target = request.uri().to_string();
        let without_query = target.split('?').next().unwrap_or_default();
        self.decision.raw_target = Some(without_user(&self.excerpt(without_query.as_bytes())));
        self.decision.method = Some(self.excerpt(request.method().as_str().as_bytes()));
        let hosts: Vec<_> =
            request.headers().get_all(HOST).iter().map(|host| without_user(&self.excerpt(host.as_bytes()))).collect();
        self.decision.host_header = Some(hosts.join(" | ")).filter(|hosts| !hosts.is_empty());
        self
    }

    /// Adds where the connection was for.
    pub(crate) fn authority(mut self, authority: &Authority) -> Self {
        self.connects_to(authority);
        self
    }

    /// The same, in place.
    pub(crate) fn connects_to(&mut self, authority: &Authority) {
        self.decision.host = Some(authority.host.to_string());
        self.decision.port = Some(authority.port);
    }

    /// Adds what the TLS client named.
    pub(crate) fn sni(mut self, sni: Option<String>) -> Self {
        self.decision.sni = sni.map(|sni| self.excerpt(sni.as_bytes()));
        self
    }

    /// Adds the one reading of the request. `shown`: its path, where it may not be written down
    /// as it is.
    pub(crate) fn read(&mut self, facts: &Facts, shown: Option<Path>) {
        let path = shown.unwrap_or_else(|| facts.path.clone());
        let decision = &mut self.decision;
        decision.scheme = Some(facts.scheme.as_str());
        decision.host = Some(facts.authority.host.to_string());
        decision.port = Some(facts.authority.port);
        decision.method = Some(facts.method.as_str().to_owned());
        decision.query_bytes = facts.query.as_ref().map(|query| query.as_str().len());
        // Where they agree with what was judged they say nothing more.
        decision.raw_target = None;
        decision.host_header = None;
        self.decision.path = Some(self.shortened(path.as_str()));
        self.facts = Some(Facts { path, ..facts.clone() });
    }

    /// What was read, for the answer; nothing where it holds what is watched.
    pub(crate) fn facts_to_show(&self) -> Option<Facts> {
        let holds = |text: &str| self.gate.hidden(text.as_bytes()).is_some();
        self.facts.clone().filter(|facts| !holds(facts.path.as_str()) && !holds(&facts.authority.to_string()))
    }

    /// What a sandbox sent, for the log. Where it is cut short it is searched whole:
    /// the beginning of a value could no longer be told.
    fn excerpt(&self, bytes: &[u8]) -> String {
        self.hidden_in(bytes, EXCERPT).unwrap_or_else(|| desk::screen::bytes(bytes, EXCERPT))
    }

    /// The same for what was read: two that differ anywhere still differ.
    fn shortened(&self, text: &str) -> String {
        self.hidden_in(text.as_bytes(), LONGEST).unwrap_or_else(|| shortened(text))
    }

    fn hidden_in(&self, bytes: &[u8], most: usize) -> Option<String> {
        if bytes.len() > most { self.gate.hidden(bytes) } else { None }
    }

    /// Takes out of a record what may not leave: the log is no place for it either.
    fn hide<'a>(&self, texts: impl IntoIterator<Item = &'a mut String>) {
        for text in texts {
            if let Some(hidden) = self.gate.hidden(text.as_bytes()) {
                *text = hidden;
            }
        }
    }

    /// Stores an allow. From here on the log knows that the request may have left.
    pub(crate) async fn allow(&mut self, permit: Permit, head: Head) -> Result<Audited, Refusal> {
        let upgrades = permit.facts().upgrade.is_some();
        let decision = Decision {
            protocol: if upgrades { Protocol::Websocket } else { self.decision.protocol },
            verdict: Allowed::Allow,
            rule: Some(permit.rule().clone()),
            policy: Some(permit.policy().to_string()),
            credential: head.credential,
            swap: head.swap,
            head_bytes: Some(head.bytes),
            observed: permit.observed(),
            by_wildcard: permit.by_wildcard(),
            asks_model: permit.asks_model(),
            findings: head.findings,
            ..self.decision.clone()
        };
        let permit = Arc::new(permit);
        let tally = self.store(&decision, Permitted::Request(permit.clone())).await?;
        Ok(Audited { permit, tally, own: false, decision: Some(Box::new(decision)) })
    }

    /// The same for a request that the gateway makes, or answers, for a credential.
    pub(crate) async fn allow_own(
        &mut self,
        permit: Permit,
        credential: &Arc<str>,
        swap: &str,
    ) -> Result<Audited, Refusal> {
        let decision = Decision {
            verdict: Allowed::Allow,
            rule: Some(permit.rule().clone()),
            policy: Some(permit.policy().to_string()),
            credential: Some(credential.clone()),
            swap: Some(swap.to_owned()),
            ..self.decision.clone()
        };
        let tally = self.store(&decision, Permitted::Own).await?;
        Ok(Audited { permit: Arc::new(permit), tally, own: true, decision: None })
    }

    /// The same for a connection that goes through unopened.
    pub(crate) async fn allow_tunnel(&mut self, permit: TunnelPermit) -> Result<AuditedTunnel, Refusal> {
        let decision = Decision {
            protocol: Protocol::Tunnel,
            verdict: Allowed::Allow,
            rule: Some(permit.rule().clone()),
            policy: Some(permit.policy().to_string()),
            head_bytes: Some(permit.authority().host.to_string().len() as u64),
            by_wildcard: permit.by_wildcard(),
            ..self.decision.clone()
        };
        let permit = Arc::new(permit);
        let tally = self.store(&decision, Permitted::Tunnel(permit.clone())).await?;
        Ok(Audited { permit, tally, own: false, decision: None })
    }

    /// What becomes of the request now is the outcome of this allow.
    pub(crate) fn follows(&mut self, audited: &Audited) {
        self.tally = Some(audited.tally.clone());
    }

    async fn store(&mut self, decision: &Decision, permitted: Permitted) -> Result<Arc<Tally>, Refusal> {
        let slot = self.slot.take().map_or_else(|| self.gate.slot(), Ok)?;
        let seq = self.gate.ledger().decided_together(decision).await.map_err(|down| {
            tracing::error!(error = %down, "Audit log is down, requests are refused");
            Refusal::from(down)
        })?;
        self.owed = false;
        let tally = Tally::begin(&self.gate, seq, slot, self.leash.take(), permitted);
        self.tally = Some(tally.clone());
        Ok(tally)
    }

    /// Stores a refusal: as a decision of its own, or as the outcome of an allow
    /// that came to nothing. Gives back what the client is to be told.
    pub(crate) fn refuse(mut self, refusal: Refusal) -> Refusal {
        self.settle(refusal)
    }

    fn settle(&mut self, mut refusal: Refusal) -> Refusal {
        self.owed = false;
        if let Some(tally) = &self.tally {
            tally.refuse(&refusal);
            return refusal.to_tell();
        }
        for text in [&mut refusal.why].into_iter().chain(&mut refusal.logged) {
            self.hide([&mut *text]);
            *text = shortened(text);
        }
        let unfit = |line: &String| line.len() > LONGEST || self.gate.hidden(line.as_bytes()).is_some();
        if refusal.lift.iter().any(unfit) {
            refusal.lift.clear();
        }
        let mut decision = Decision {
            code: Some(refusal.code),
            why: Some(refusal.for_log().to_owned()),
            rule: refusal.rule.clone(),
            lift: refusal.lift.clone(),
            policy: Some(self.policy.to_string()),
            alarm: refusal.code.is_alarm(),
            ..self.decision.clone()
        };
        let Decision { raw_target, sni, host_header, host, method, path, .. } = &mut decision;
        self.hide([raw_target, sni, host_header, host, method, path].into_iter().flatten());
        // A refusal that cannot be stored is still a refusal.
        if let Err(error) = self.gate.ledger().decided(&decision) {
            tracing::error!(%error, "Audit log is down, requests are refused");
        }
        refusal.to_tell()
    }
}

/// A request that was read and went no further: its client has gone, or its door was shut.
impl Drop for Record {
    fn drop(&mut self) {
        if self.owed {
            let gone = || Refusal::new(Code::Framing, "the client went away before the request was judged");
            self.settle(self.gate.is_shut().unwrap_or_else(gone));
        }
    }
}

impl Audited {
    /// The same allow once more, before the request is sent once more: counted and stored
    /// like the first, with a note. Nothing where the first was not a group's own.
    pub(crate) async fn again(&self, gate: &Arc<Gate>, case: &Case) -> Option<Result<Audited, Refusal>> {
        let first = self.decision.as_deref()?;
        let mut decision = Box::new(first.clone());
        decision.findings.push(format!("sent once more, in place of number {}", self.tally.seq().0));
        let by_wildcard = self.permit.by_wildcard().then(|| &self.permit.facts().authority.host);
        if let Err(refusal) = gate.admit(case, by_wildcard, first.head_bytes.unwrap_or(0)).await {
            return Some(Err(refusal));
        }
        let mut record = Record::bare(gate, case, first.protocol);
        record.leash = self.tally.leash();
        let stored = record.store(&decision, Permitted::Request(self.permit.clone())).await;
        Some(stored.map(|tally| Audited { permit: self.permit.clone(), tally, own: false, decision: Some(decision) }))
    }
}

impl<P> Audited<P> {
    /// Whether no group's policy can take the permit back.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    pub(crate) fn permit(&self) -> &P {
        &self.permit
    }

    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }
}

#[cfg(test)]
mod tests;
