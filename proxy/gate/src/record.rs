//! The audit record of one request: filled while the request is read, stored when it is decided,
//! and the proof that it was. A record dropped before that is stored as a request that came to
//! nothing.

use std::sync::Arc;

use http::header::{HOST, HeaderValue};
use policies::{Authority, Code, Facts, Path, Permit, PolicyHash, Refusal, RuleRef, TunnelPermit};
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::{Allowed, Decision, Protocol, Tokens};
use crate::case::Case;
use crate::check::{BodyJudged, Clean};
use crate::gate::{Admitted, Gate};
use crate::inflight::Permitted;
use crate::judge::{Asked, Judged, JudgedTunnel, Own};
use crate::latch;
use crate::outbound::OutboundHead;
use crate::request;
use crate::streams::Leash;
use crate::tally::Tally;

mod shown;

use shown::{EXCERPT, LONGEST, shortened, without_user};

/// A decision in the making.
pub struct Record {
    gate: Arc<Gate>,
    decision: Decision,
    /// The request line and Host, until they are parsed.
    target: Option<Target>,
    policy: PolicyHash,
    facts: Option<Facts>,
    /// The path as a rule writes it, if another one is shown.
    withheld: Option<Path>,
    tally: Option<Arc<Tally>>,
    slot: Option<OwnedSemaphorePermit>,
    leash: Option<Leash>,
    /// Whether there is something that still has to be stored.
    owed: bool,
}

/// A request line and its Host, as they came.
type Target = (http::Uri, http::Method, Vec<HeaderValue>);

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
    /// For a connection from which no request could be read.
    pub fn unread(gate: &Arc<Gate>, case: &Case, protocol: Protocol) -> Self {
        let mut record = Record::bare(gate, case, protocol);
        if let Some(within) = &case.within {
            record.decision.sni = within.sni.clone();
            record = record.authority(&within.authority);
        }
        record
    }

    /// For a request that the gateway makes because of another one.
    pub fn bare(gate: &Arc<Gate>, case: &Case, protocol: Protocol) -> Self {
        let decision = Decision::bare(gate.who().clone(), gate.run(), case.connection, protocol);
        let (gate, policy) = (gate.clone(), case.policy.hash());
        Record {
            gate,
            decision,
            target: None,
            policy,
            facts: None,
            withheld: None,
            tally: None,
            slot: None,
            leash: None,
            owed: false,
        }
    }

    /// For a request as it arrived.
    pub fn of<B>(gate: &Arc<Gate>, case: &Case, request: &http::Request<B>) -> Self {
        let protocol = case.within.as_ref().map_or(Protocol::Http, |within| within.protocol());
        let mut record = Record::unread(gate, case, protocol).target(request).owed();
        record.leash = request.extensions().get::<Leash>().cloned();
        record
    }

    /// Something was asked: it is stored, however it ends.
    pub fn owed(mut self) -> Self {
        self.owed = true;
        self
    }

    /// The request goes on, and its further course has records of its own.
    pub fn goes_on(mut self) {
        self.owed = false;
    }

    /// Takes one of the door's places for requests in flight, before any part of the request waits.
    pub fn enter(&self) -> Result<Entered, Refusal> {
        self.gate.slot().map(Entered)
    }

    /// Adds the request line and Host.
    pub fn target<B>(mut self, request: &http::Request<B>) -> Self {
        let hosts = request.headers().get_all(HOST).iter().cloned().collect();
        self.target = Some((request.uri().clone(), request.method().clone(), hosts));
        self
    }

    /// The decision with the request line and Host, unless they were parsed.
    fn stated(&self) -> Decision {
        let mut decision = self.decision.clone();
        if let Some((uri, method, hosts)) = &self.target {
            let target = uri.to_string();
            let without_query = target.split('?').next().unwrap_or_default();
            decision.raw_target = Some(without_user(&self.excerpt(without_query.as_bytes())));
            decision.method = Some(self.excerpt(method.as_str().as_bytes()));
            let hosts: Vec<_> = hosts.iter().map(|host| without_user(&self.excerpt(host.as_bytes()))).collect();
            decision.host_header = Some(hosts.join(" | ")).filter(|hosts| !hosts.is_empty());
        }
        decision
    }

    /// Adds the authority that the connection is for.
    pub fn authority(mut self, authority: &Authority) -> Self {
        self.connects_to(authority);
        self
    }

    /// The same, in place.
    pub fn connects_to(&mut self, authority: &Authority) {
        self.decision.host = Some(authority.host.to_string());
        self.decision.port = Some(authority.port);
    }

    /// Adds the name in the TLS handshake.
    pub fn sni(mut self, sni: Option<String>) -> Self {
        self.decision.sni = sni.map(|sni| self.excerpt(sni.as_bytes()));
        self
    }

    /// Reads a request that came on this case's connection, the only time that it is parsed;
    /// refused if the owner has locked the group. `shown`: the path to record if the real one must
    /// not be written down.
    pub fn read<B>(
        &mut self,
        entered: Entered,
        case: &Case,
        request: &http::Request<B>,
        shown: impl FnOnce(&Facts) -> Option<Path>,
    ) -> Result<Asked, Refusal> {
        self.slot = Some(entered.0);
        let facts = request::read(case.within(), request)?;
        self.is_about(&facts, shown(&facts));
        if case.locked {
            return Err(latch::refusal());
        }
        Ok(Asked(facts))
    }

    /// Adds the facts of a request.
    pub fn is_about(&mut self, facts: &Facts, shown: Option<Path>) {
        self.withheld = shown.as_ref().map(|_| facts.path.spelt());
        let path = shown.unwrap_or_else(|| facts.path.without_stars());
        let decision = &mut self.decision;
        decision.scheme = Some(facts.scheme.as_str());
        decision.host = Some(facts.authority.host.to_string());
        decision.port = Some(facts.authority.port);
        decision.method = Some(facts.method.as_str().to_owned());
        decision.query_bytes = facts.query.as_ref().map(|query| query.as_str().len());
        // If it agrees with what was judged, it adds nothing.
        self.target = None;
        self.decision.path = Some(self.shortened(path.as_str()));
        self.facts = Some(Facts { path, ..facts.clone() });
    }

    /// Adds the most that a model may use for it.
    pub fn reserves(&mut self, tokens: &Tokens) {
        self.decision.reserves = Some(tokens.clone());
    }

    /// The owner was asked, and the request is judged by what is in force now.
    pub fn is_judged_by(&mut self, case: &Case) {
        self.policy = case.policy.hash();
    }

    /// The facts, for the answer; nothing if they contain a watched secret.
    pub fn facts_to_show(&self) -> Option<Facts> {
        let holds = |text: &str| self.gate.hidden(text.as_bytes()).is_some();
        self.facts.clone().filter(|facts| !holds(facts.path.as_str()) && !holds(&facts.authority.to_string()))
    }

    /// A text from a sandbox, for the log. If it is cut short, the whole text is searched: the
    /// beginning of a secret could not be recognised any more.
    fn excerpt(&self, bytes: &[u8]) -> String {
        self.hidden_in(bytes, EXCERPT).unwrap_or_else(|| desk::screen::bytes(bytes, EXCERPT))
    }

    /// The same for text that was parsed: two that differ anywhere still differ.
    fn shortened(&self, text: &str) -> String {
        self.hidden_in(text.as_bytes(), LONGEST).unwrap_or_else(|| shortened(text))
    }

    fn hidden_in(&self, bytes: &[u8], most: usize) -> Option<String> {
        if bytes.len() > most { self.gate.hidden(bytes) } else { None }
    }

    /// Removes from a record what must not leave: it must not reach the log either.
    fn hide<'a>(&self, texts: impl IntoIterator<Item = &'a mut String>) {
        for text in texts {
            if let Some(hidden) = self.gate.hidden(text.as_bytes()) {
                *text = hidden;
            }
        }
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
        let granted = body.granted().map(|grant| grant.0);
        let body = clean.take_body(body)?;
        let (credential, swap) = clean.put_on.clone().unzip();
        let decision = Decision {
            protocol: if permit.facts().upgrade.is_some() { Protocol::Websocket } else { self.decision.protocol },
            credential,
            swap,
            head_bytes: Some(clean.bytes),
            granted,
            observed: permit.observed(),
            by_wildcard: permit.by_wildcard(),
            asks_model: permit.asks_model(),
            findings,
            ..self.allowed(permit.rule(), permit.policy())
        };
        let tally = self.store(&decision, Permitted::Request(permit.clone())).await?;
        let head = OutboundHead::new(&permit, clean, body);
        Ok((Audited { permit, tally, decision: Some(Box::new(decision)) }, head))
    }

    /// The same for a request that the gateway makes, or answers, for a credential.
    pub async fn allow_own(&mut self, own: Own, credential: &Arc<str>, swap: &str) -> Result<Audited, Refusal> {
        let permit = Arc::new(own.into_permit());
        let decision = Decision {
            credential: Some(credential.clone()),
            swap: Some(swap.to_owned()),
            ..self.allowed(permit.rule(), permit.policy())
        };
        let tally = self.store(&decision, Permitted::Own).await?;
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
        let permit = judged.0;
        let decision = Decision {
            protocol: Protocol::Tunnel,
            head_bytes: Some(permit.authority().host.to_string().len() as u64),
            by_wildcard: permit.by_wildcard(),
            ..self.allowed(permit.rule(), permit.policy())
        };
        let permit = Arc::new(permit);
        let tally = self.store(&decision, Permitted::Tunnel(permit.clone())).await?;
        Ok(Audited { permit, tally, decision: None })
    }

    /// The same for a request to the host itself, which is answered here. Returns what was stored.
    pub async fn allow_local(&mut self, case: &Case, _: Admitted) -> Result<(Decision, Arc<Tally>), Refusal> {
        let policy = Some(case.policy.hash().to_string());
        let (protocol, verdict) = (Protocol::Internal, Allowed::Allow);
        let asked = Decision { protocol, verdict, policy, ..self.stated() };
        let tally = self.store(&asked, Permitted::Own).await?;
        Ok((asked, tally))
    }

    /// Marks the request as one to the host itself.
    pub fn is_local(&mut self) {
        self.decision.protocol = Protocol::Internal;
    }

    fn allowed(&self, rule: &RuleRef, policy: PolicyHash) -> Decision {
        Decision {
            verdict: Allowed::Allow,
            rule: Some(rule.clone()),
            policy: Some(policy.to_string()),
            ..self.stated()
        }
    }

    /// From now on the outcome belongs to this allow.
    pub fn follows(&mut self, audited: &Audited) {
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

    /// Stores a refusal: as a decision of its own, or as the outcome of an allow that came to
    /// nothing. Returns the refusal as the client may hear it.
    pub fn refuse(mut self, refusal: Refusal) -> Refusal {
        self.settle(refusal)
    }

    fn settle(&mut self, mut refusal: Refusal) -> Refusal {
        self.owed = false;
        // The suggested lines name no surrogate: tomorrow it is another one.
        if let (Some(path), Some(facts)) = (&self.withheld, &self.facts) {
            for line in &mut refusal.lift {
                *line = line.replace(path.as_str(), facts.path.as_str());
            }
        }
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
            ..self.stated()
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

/// A request that was read and got no further: its client has gone, or its door was shut.
impl Drop for Record {
    fn drop(&mut self) {
        if self.owed {
            let gone = || Refusal::new(Code::Framing, "the client went away before the request was judged");
            self.settle(self.gate.is_shut().unwrap_or_else(gone));
        }
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

#[cfg(test)]
mod tests;
