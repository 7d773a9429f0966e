//! The decision: the only place where a permit is made.

use std::sync::{Arc, OnceLock};

use crate::ask::Ask;
use crate::ask_rule::AskRule;
use crate::asking::AskedBy;
use crate::body::BodyConditions;
use crate::host_pattern::is_reserved;
use crate::narrow::Narrow;
use crate::observe::Observe;
use crate::rules::{AllowRule, Asks, DenyRule, Fit, Leave, Origin, Reading};
use crate::terms::Terms;
use crate::{
    Authority, Code, Facts, Fingerprint, Grant, Host, Method, Permit, PolicyAt, Refusal, Refused, RuleRef,
    TunnelPermit, TunnelRule, Verdict,
};

impl PolicyAt<'_> {
    /// Judges a request. Consumes the facts: an allow returns them inside the permit, an ask inside
    /// the question, a deny beside the refusal.
    ///
    /// Allows add up: the permit gets the private networks, the `model` mark and `opaque` of every
    /// allow that covers the request, and the credential of those that name one. Two that name
    /// different credentials refuse the request. The permit names the most specific rule: first one
    /// with a credential, then by host, then by path.
    ///
    /// If there are allows with `json`, one of them must hold, unless an allow without `json`
    /// covers the request too. Allows without the credential that is put on do not count here: they
    /// were not written for requests that carry one.
    ///
    /// An ask opens like an allow, but after a yes, and it binds what allows open, unless one of
    /// them says `unasked`: deny beats ask beats allow. A yes already given
    /// ([`PolicyAt::with_grants`]) answers the question about exactly its request. If the body
    /// decides whether to ask, or which yes applies, the permit's conditions say so.
    pub fn decide(&self, facts: Facts) -> Verdict {
        let judged = self.judge_within(&Reading::new(&facts));
        let given = match judged {
            Ok(given) => given,
            Err(refusal) => return Verdict::Deny(facts, refusal),
        };
        let mut body = given.body;
        if body.asked_by().is_some() {
            body.granted(self.granted(&facts, given.credential.as_deref()));
        }
        let asks = body.surely_asks().cloned();
        let terms = Terms {
            facts,
            group: self.policy().group.clone(),
            rule: given.at.clone(),
            policy: self.policy().hash,
            now: self.now(),
            credential: given.credential,
            head: self.head(),
            private: given.private,
            model: given.model,
            asks_model: given.asks_model,
            opaque: given.opaque,
            observed: given.observed,
            by_wildcard: given.by_wildcard,
            body: body.non_empty().map(Box::new),
            takes_private: given.takes_private,
            adviser: self.policy().adviser,
        };
        match asks {
            Some(by) => Verdict::Ask(Ask::new(terms, by)),
            None => Verdict::Allow(Permit { terms, reached: Vec::new(), searched: OnceLock::new() }),
        }
    }

    /// A helper's policy lets through what lies within its part, and questions to a model under a rule for one. It
    /// asks nobody.
    fn judge_within(&self, request: &Reading<'_>) -> Result<Given<'_>, Refusal> {
        let mut given = self.judge(request, self.observing())?;
        let Some(narrow) = self.policy().narrow() else { return Ok(given) };
        if !narrow.covers(request) {
            if !given.model {
                return Err(Narrow::refuses(request.facts));
            }
            given.body.bind_to_models();
        }
        match given.body.asked_by() {
            Some(_) => Err(Narrow::asks_nobody(request.facts)),
            None => Ok(given),
        }
    }

    /// The yeses to exactly this request.
    fn granted(&self, facts: &Facts, credential: Option<&str>) -> Vec<Grant> {
        if self.grants().is_empty() {
            return Vec::new();
        }
        let what = Fingerprint::of(&self.policy().group, facts, credential, self.head());
        self.grants().iter().filter(|grant| grant.what() == what).cloned().collect()
    }

    /// Judges a connection that has only named its host: whether it goes through unopened. `None`
    /// means that it is opened as usual and each request is judged. A deny that forbids anything
    /// there, an ask, or a credential for the host has it opened; so does a helper's policy.
    pub fn decide_tunnel(&self, authority: &Authority) -> Option<TunnelPermit> {
        if self.policy().is_narrowed() {
            return None;
        }
        let (host, port) = (&authority.host, authority.port);
        let holds = |rule: &&TunnelRule| rule.ports.contains(&port) && rule.holds(self.now());
        let rules: Vec<_> = self.policy().tunnels_of(host).filter(holds).collect();
        let rule = rules.iter().max_by(|a, b| (a.host.weight(), &b.at).cmp(&(b.host.weight(), &a.at)))?;
        (!self.policy().wants_opening(authority)).then(|| TunnelPermit {
            authority: authority.clone(),
            rule: rule.at.clone(),
            policy: self.policy().hash,
            now: self.now(),
            private: rules.iter().flat_map(|rule| rule.private.iter().copied()).collect(),
            by_wildcard: !rule.host.is_exact(),
            takes_private: rule.origin == Origin::Group && rule.host.is_exact(),
            adviser: self.policy().adviser,
        })
    }

    /// The refusal of a permitted request whose body has a field that asks for another method
    /// (`_method`). `None` if the policy allows every method there with the same credential and
    /// conditions: then such a field changes nothing.
    pub fn refusal_of_other_methods(&self, permit: &Permit) -> Option<Refusal> {
        let host = &permit.facts.authority.host;
        let refusal = match self.judge_within(&Reading::asking_in_body(&permit.facts)) {
            Ok(all) if all.credential == permit.credential && all.body.asks_what(permit.body.as_deref()) => {
                return None;
            }
            Ok(_) => Refusal::new(Code::MethodDenied, "other methods go there under other rules; leave the field out"),
            Err(refusal) => refusal,
        };
        let why =
            format!("a field of the body (_method or one like it) asks {host} for another method: {}", refusal.why);
        Some(Refusal { why, ..refusal })
    }

    fn judge<'a>(&'a self, request: &Reading<'_>, observing: Option<&'a Observe>) -> Result<Given<'a>, Refusal> {
        let host = &request.facts.authority.host;
        if is_reserved(host) {
            return Err(Refusal::new(Code::SelfTarget, format!("{host} is the door itself, not a way out")));
        }
        let body = self.denials(request)?;
        if request.facts.asks_for_names() {
            return Err(Refusal::dns_over_https());
        }
        let fits = |allow| Some((self.fits(allow, request)?, allow));
        let fitting: Vec<_> = self.policy().allows_near(host, request.outline()).filter_map(fits).collect();
        if !fitting.is_empty() {
            let asks = self.asks(request, &fitting)?;
            let given = self.given(request.facts, &fitting, &asks, body)?;
            return self.same_key_undone(request, &fitting, given);
        }
        let named: Vec<_> = self.allows_of(host).map(|allow| (allow.fit(request, self.now()), allow)).collect();
        if !(named.is_empty() && self.is_unnamed(request.facts)) {
            return Err(self.not_covered(request, &named));
        }
        match (&self.policy().rules().asking.unlisted, observing) {
            (Some(at), _) if request.asks() == Asks::Nothing => {
                Ok(Given::unlisted(at, self.asked_by_unlisted(at, request), body))
            }
            (None, Some(observe)) => Ok(Given::observed(&observe.at, body)),
            _ => Err(self.not_covered(request, &named)),
        }
    }

    /// The asks that bind a request that rules open; none if an allow says that nobody is to be
    /// asked. A request with two readings or an upgrade cannot be described to a person, so it is
    /// refused.
    fn asks<'a>(&'a self, request: &Reading<'_>, fitting: &[(Fit, &'a AllowRule)]) -> Result<Vec<Bound<'a>>, Refusal> {
        let path = request.wide_outline();
        // An ask that opens the request also binds it, however it was found.
        let opens = |rule: &AllowRule| fitting.iter().any(|(_, other)| std::ptr::eq(*other, rule));
        let binds =
            |(ask, rule): &Bound<'_>| ask.outline.meets(&path) && rule.binds(request, self.now()) || opens(rule);
        let mut asks: Vec<_> = self.policy().asks_of(&request.facts.authority.host).filter(binds).collect();
        let unasked = |(_, rule): &(Fit, &AllowRule)| rule.leave == Leave::Unasked && rule.json.is_none();
        if asks.is_empty() || fitting.iter().any(unasked) {
            return Ok(Vec::new());
        }
        asks.sort_by(|(_, a), (_, b)| asks_before(a, b));
        self.can_be_asked(request, asks[0].1)?;
        Ok(asks)
    }

    /// Collects the denies that cover the request: one without conditions refuses it at once, the
    /// others look at its body later. After an upgrade there is no body to evaluate a condition on,
    /// so the deny applies.
    fn denials(&self, request: &Reading<'_>) -> Result<BodyConditions, Refusal> {
        let facts = request.facts;
        let mut body = BodyConditions::new(facts.method.is_read() || facts.method == Method::Delete);
        let mut denies: Vec<_> = self
            .policy()
            .denies_near(&facts.authority.host, request.wide_outline())
            .filter(|deny| deny.covers(request))
            .collect();
        denies.sort_by(|a, b| binds_more(b, a));
        for deny in denies {
            match &deny.json {
                Some(conditions) if facts.upgrade.is_none() => body.deny(conditions, self.policy().denied(deny)),
                _ => return Err(self.policy().denied(deny)),
            }
        }
        Ok(body)
    }

    fn given<'a>(
        &self,
        facts: &Facts,
        fitting: &[(Fit, &'a AllowRule)],
        asks: &[Bound<'a>],
        mut body: BodyConditions,
    ) -> Result<Given<'a>, Refusal> {
        let (_, rule) = fitting.iter().copied().max_by(says_more).ok_or_else(|| self.policy().no_rule())?;
        let other = fitting.iter().find(|(_, other)| other.credential.is_some() && other.credential != rule.credential);
        if let Some((_, other)) = other {
            return Err(self.policy().two_credentials(rule, other));
        }
        let alike = |other: &AllowRule| other.credential == rule.credential;
        let free = fitting.iter().any(|(_, other)| alike(other) && other.json.is_none());
        // A request that is free passes without a check of conditions, so rules with conditions
        // give nothing.
        let gives = fitting.iter().map(|(_, rule)| *rule).filter(|rule| !free || rule.json.is_none());
        let (mut private, mut model, mut opaque) = (Vec::new(), false, false);
        for rule in gives {
            private.extend_from_slice(&rule.private);
            model |= rule.model;
            if rule.model {
                body.model(rule.json.as_ref(), &rule.at);
            }
            opaque |= rule.opaque;
            if let Some(conditions) = rule.json.as_ref().filter(|_| alike(rule) && !rule.asks()) {
                body.allow(conditions, &rule.at, self.lift(&Refused::Body(facts, rule)));
            }
        }
        let quiet = self.is_quiet();
        for (ask, asking) in asks {
            let opens = alike(asking) && fitting.iter().any(|(_, rule)| std::ptr::eq(*rule, *asking));
            body.ask(asking.json.as_ref(), opens, ask.by(quiet));
        }
        let unasked = fitting.iter().map(|(_, rule)| *rule).filter(|rule| alike(rule) && rule.leave == Leave::Unasked);
        body.set_free(free);
        unasked.filter(|_| !asks.is_empty()).filter_map(|rule| rule.json.as_ref()).for_each(|json| body.unasked(json));
        Ok(Given {
            at: &rule.at,
            credential: rule.credential.clone(),
            private: private.into(),
            model,
            // Every rule that may have let the body through must ask only a model.
            asks_model: facts.upgrade.is_none()
                && asks.is_empty()
                && fitting.iter().all(|(_, rule)| !alike(rule) || rule.asks_a_model_alone()),
            opaque,
            observed: false,
            by_wildcard: !rule.host.is_exact(),
            body,
            takes_private: rule.origin == Origin::Group && rule.host.is_exact() && !rule.asks(),
        })
    }

    /// A path that a rule spells out may be another page to the server: no credential goes along
    /// that would not go to that page as well.
    fn same_key_undone<'a>(
        &self,
        request: &Reading<'_>,
        fitting: &[(Fit, &AllowRule)],
        given: Given<'a>,
    ) -> Result<Given<'a>, Refusal> {
        if request.facts.path.is_plain() || given.credential.is_none() {
            return Ok(given);
        }
        let takes_another = |allow: &&AllowRule| {
            allow.credential.is_some() && allow.credential != given.credential && allow.holds(self.now())
        };
        let all = self.policy().allows_of(&request.facts.authority.host);
        let other = all.filter(takes_another).find(|allow| allow.touches(request));
        let own = fitting.iter().map(|(_, rule)| *rule).find(|rule| rule.at == *given.at);
        match (own, other) {
            (Some(own), Some(other)) => Err(self.policy().two_credentials(own, other)),
            _ => Ok(given),
        }
    }

    /// Observing, and asking about unlisted hosts, apply to names on the web only: addresses, odd ports, WebSockets
    /// and paths with two readings need a rule all the same.
    fn is_unnamed(&self, facts: &Facts) -> bool {
        let Authority { host, port } = &facts.authority;
        matches!(host, Host::Name(_))
            && *port == facts.scheme.default_port()
            && facts.upgrade.is_none()
            && facts.path.is_plain()
            && self.tunnels_of(host).next().is_none()
    }

    fn fits(&self, allow: &AllowRule, request: &Reading<'_>) -> Option<Fit> {
        let fit = allow.fit(request, self.now());
        matches!(fit, Fit::Fits(..)).then_some(fit)
    }
}

/// An ask that binds a request, with its rule.
type Bound<'a> = (&'a AskRule, &'a AllowRule);

/// What all rules that open a request give together.
struct Given<'a> {
    at: &'a RuleRef,
    credential: Option<Arc<str>>,
    private: Arc<[ipnet::IpNet]>,
    model: bool,
    asks_model: bool,
    opaque: bool,
    observed: bool,
    by_wildcard: bool,
    body: BodyConditions,
    takes_private: bool,
}

impl<'a> Given<'a> {
    /// Permission and nothing else: no credential, no private network, no model.
    fn bare(at: &'a RuleRef, body: BodyConditions) -> Self {
        Given {
            at,
            credential: None,
            private: Arc::from([]),
            model: false,
            asks_model: false,
            opaque: false,
            observed: false,
            by_wildcard: true,
            body,
            takes_private: false,
        }
    }

    fn observed(at: &'a RuleRef, body: BodyConditions) -> Self {
        Given { observed: true, ..Given::bare(at, body) }
    }

    fn unlisted(at: &'a RuleRef, by: AskedBy, mut body: BodyConditions) -> Self {
        body.ask(None, true, &Arc::new(by));
        Given::bare(at, body)
    }
}

/// A total order by content first and place last, so that order in a file never matters.
fn says_more(a: &(Fit, &AllowRule), b: &(Fit, &AllowRule)) -> std::cmp::Ordering {
    // Rules without conditions first, so that the rule named is one that holds.
    let key =
        |(fit, rule): &(Fit, &AllowRule)| (rule.credential.is_some(), rule.json.is_none(), rule.host.weight(), *fit);
    key(a).cmp(&key(b)).then_with(|| b.1.at.cmp(&a.1.at))
}

/// Of several asks the most specific is shown, and those that ask whatever the body is come first.
fn asks_before(a: &AllowRule, b: &AllowRule) -> std::cmp::Ordering {
    let key = |ask: &AllowRule| (ask.json.is_none(), ask.origin.rank(), ask.host.weight());
    key(b).cmp(&key(a)).then_with(|| a.at.cmp(&b.at))
}

/// Of several denials the one that is hardest to take back is shown.
fn binds_more(a: &DenyRule, b: &DenyRule) -> std::cmp::Ordering {
    let key = |deny: &DenyRule| (deny.origin.rank(), deny.host.weight());
    key(a).cmp(&key(b)).then_with(|| b.at.cmp(&a.at))
}
