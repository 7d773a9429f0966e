//! The audit record of one request: what the log will say about it, filled while the request is
//! read, and stored here if it is refused. A record dropped before it was decided is stored as a
//! request that came to nothing. What it is not: a stage. Allows are stored by `audited.rs`.

use std::sync::Arc;

use http::header::{HOST, HeaderValue};
use policies::{Authority, Code, Facts, GrantId, Path, Permit, PolicyHash, Refusal, RuleRef, Scheme, TunnelPermit};
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::{Allowed, Decision, Protocol, Tokens};
use crate::case::Case;
use crate::check::Clean;
use crate::gate::Gate;
use crate::request::Intercepted;
use crate::streams::Leash;
use crate::tally::Tally;

mod shown;

use shown::{EXCERPT, LONGEST, shortened, without_user};

/// A decision in the making.
pub struct Record {
    pub(crate) gate: Arc<Gate>,
    decision: Decision,
    /// The request line and Host, until they are parsed.
    target: Option<Target>,
    policy: PolicyHash,
    facts: Option<Facts>,
    /// The path as a rule writes it, if another one is shown.
    withheld: Option<Path>,
    tally: Option<Arc<Tally>>,
    pub(crate) slot: Option<OwnedSemaphorePermit>,
    pub(crate) leash: Option<Leash>,
    /// Whether there is something that still has to be stored.
    owed: bool,
}

/// A request line and its Host, as they came.
type Target = (http::Uri, http::Method, Vec<HeaderValue>);

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

    /// Marks the request as one to the host itself.
    pub fn is_local(&mut self) {
        self.decision.protocol = Protocol::Internal;
    }

    /// The row of a request that is allowed.
    pub(crate) fn allowed(
        &self,
        permit: &Permit,
        clean: &Clean,
        granted: Option<GrantId>,
        findings: Vec<String>,
    ) -> Decision {
        let (credential, swap) = clean.put_on.clone().unzip();
        Decision {
            protocol: if permit.facts().upgrade.is_some() { Protocol::Websocket } else { self.decision.protocol },
            credential,
            swap,
            head_bytes: Some(clean.bytes),
            granted: granted.map(|grant| grant.0),
            observed: permit.observed(),
            by_wildcard: permit.by_wildcard(),
            asks_model: permit.asks_model(),
            findings,
            ..self.allowed_by(permit.rule(), permit.policy())
        }
    }

    /// The same for a request that the gateway makes, or answers, for a credential.
    pub(crate) fn allowed_own(&self, permit: &Permit, credential: &Arc<str>, swap: &str) -> Decision {
        Decision {
            credential: Some(credential.clone()),
            swap: Some(swap.to_owned()),
            ..self.allowed_by(permit.rule(), permit.policy())
        }
    }

    /// The same for a tunnel.
    pub(crate) fn allowed_tunnel(&self, permit: &TunnelPermit) -> Decision {
        Decision {
            protocol: Protocol::Tunnel,
            head_bytes: Some(permit.authority().host.to_string().len() as u64),
            by_wildcard: permit.by_wildcard(),
            ..self.allowed_by(permit.rule(), permit.policy())
        }
    }

    /// The same for a request to the host itself.
    pub(crate) fn allowed_here(&self, case: &Case) -> Decision {
        let policy = Some(case.policy.hash().to_string());
        Decision { protocol: Protocol::Internal, verdict: Allowed::Allow, policy, ..self.stated() }
    }

    fn allowed_by(&self, rule: &RuleRef, policy: PolicyHash) -> Decision {
        Decision {
            verdict: Allowed::Allow,
            rule: Some(rule.clone()),
            policy: Some(policy.to_string()),
            ..self.stated()
        }
    }

    /// From now on the outcome belongs to this allow, and nothing else has to be stored.
    pub(crate) fn ends_with(&mut self, tally: &Arc<Tally>) {
        self.owed = false;
        self.tally = Some(tally.clone());
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

impl Intercepted {
    /// The protocol of the requests that are read inside.
    pub fn protocol(&self) -> Protocol {
        match self.scheme {
            Scheme::Http => Protocol::Http,
            Scheme::Https => Protocol::Https,
        }
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

#[cfg(test)]
mod tests;
