//! The decision: the only place where a permit is made.

mod tunnel;
mod verdict;

use std::sync::{Arc, OnceLock};

pub use tunnel::TunnelPermit;
pub(crate) use verdict::Reach;
pub use verdict::{CheckedAddress, Permit, Searched, Verdict};

use crate::ask::Ask;
use crate::ask_rule::AskRule;
use crate::asks::Asks;
use crate::body::{BodyConditions, Does};
use crate::host_pattern::is_reserved;
use crate::hours::hold_now;
use crate::narrow::Narrow;
use crate::observe::Observe;
use crate::rules::{AllowRule, DenyRule, Fit, Leave, Origin, Reading};
use crate::terms::{Given, Terms};
use crate::{Authority, Code, Facts, Fingerprint, Grant, Host, Method, PolicyAt, Refusal, Refused, TunnelRule};

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
        let mut given = match judged {
            Ok(given) => given,
            Err(refusal) => return Verdict::Deny(facts, refusal),
        };
        if given.body.asked_by().is_some() {
            given.body.granted(self.granted(&facts, given.credential.as_deref()));
        }
        let asks = given.body.surely_asks().cloned();
        let terms = Terms {
            facts,
            group: self.policy().group.clone(),
            policy: self.policy().hash,
            now: self.now(),
            head: self.head(),
            given,
            adviser: self.policy().adviser,
        };
        match asks {
            Some(by) => Verdict::Ask(Ask::new(terms, by)),
            None => Verdict::Allow(Permit { terms, reached: Vec::new(), searched: OnceLock::new() }),
        }
    }

    /// A helper's policy lets through what lies within its part, and questions to a model under a rule for one. It
    /// asks nobody.
    pub(crate) fn judge_within(&self, request: &Reading<'_>) -> Result<Given, Refusal> {
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
        let holds = |rule: &&TunnelRule| rule.ports.contains(&port) && hold_now(rule.hours.as_ref(), self.now());
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

    fn judge(&self, request: &Reading<'_>, observing: Option<&Observe>) -> Result<Given, Refusal> {
        let host = &request.facts.authority.host;
        if is_reserved(host) {
            return Err(Refusal::new(Code::SelfTarget, format!("{host} is the door itself, not a way out")));
        }
        let mut body = self.denials(request)?;
        if request.facts.asks_for_names() {
            return Err(Refusal::dns_over_https());
        }
        let near = self.policy().allows_near(host, Some(request.outline()));
        let fits = near.map(|allow| (allow.fit(request, self.now()), allow));
        let fits: Vec<_> = fits.filter(|(fit, _)| matches!(fit, Fit::Fits(..))).collect();
        if let Some((_, rule)) = fits.iter().copied().max_by(says_more) {
            let fitting: Vec<_> = fits.into_iter().map(|(_, allow)| allow).collect();
            let asks = self.asks(request, &fitting)?;
            self.has_one_credential(request, rule, &fitting)?;
            return Ok(self.given(request.facts, rule, &fitting, &asks, body));
        }
        let named: Vec<_> = self.allows_of(host).map(|allow| (allow.fit(request, self.now()), allow)).collect();
        if !(named.is_empty() && self.is_unnamed(request.facts)) {
            return Err(self.not_covered(request, &named));
        }
        match (&self.policy().rules().asking.unlisted, observing) {
            (Some(at), _) if request.asks() == Asks::Nothing => {
                let by = Arc::new(self.asked_by_unlisted(at, request));
                body.add(None, Does::Ask { by, opens: true });
                Ok(Given::nothing_else(at, body))
            }
            (None, Some(observe)) if !self.is_asked_about(request) => {
                Ok(Given { observed: true, ..Given::nothing_else(&observe.at, body) })
            }
            _ => Err(self.not_covered(request, &named)),
        }
    }

    /// Whether an ask binds the request that opens nothing: a star opens no names of strangers.
    fn is_asked_about(&self, request: &Reading<'_>) -> bool {
        let mut near = self.policy().asks_near(&request.facts.authority.host, Some(request.wide_outline()));
        near.any(|(_, rule)| rule.binds(request, self.now()))
    }

    /// The asks that bind a request that rules open; none if an allow says that nobody is to be
    /// asked. A request with two readings or an upgrade cannot be described to a person, so it is
    /// refused.
    fn asks<'a>(&'a self, request: &Reading<'_>, fitting: &[&AllowRule]) -> Result<Vec<Bound<'a>>, Refusal> {
        let host = &request.facts.authority.host;
        let near = self.policy().asks_near(host, Some(request.wide_outline()));
        let mut asks: Vec<_> = near.filter(|(_, rule)| rule.binds(request, self.now())).collect();
        // An ask that opens the request also binds it, even if it was passed over.
        let is_among = |rules: &[&AllowRule], rule: &AllowRule| rules.iter().any(|other| std::ptr::eq(*other, rule));
        let found: Vec<_> = asks.iter().map(|(_, rule)| *rule).collect();
        let missed: Vec<_> = fitting.iter().copied().filter(|rule| rule.asks() && !is_among(&found, rule)).collect();
        if !missed.is_empty() {
            asks.extend(self.policy().asks_near(host, None).filter(|(_, rule)| is_among(&missed, rule)));
        }
        // What is unasked without the credential was not written for requests that carry one.
        let key = fitting.iter().find_map(|rule| rule.credential.as_ref());
        let mut unasked = fitting.iter().filter(|rule| rule.leave == Leave::Unasked && rule.json.is_none());
        if asks.is_empty() || unasked.any(|rule| rule.credential.as_ref() == key) {
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
            .denies_near(&facts.authority.host, Some(request.wide_outline()))
            .filter(|deny| deny.covers(request))
            .collect();
        denies.sort_by(|a, b| binds_more(b, a));
        for deny in denies {
            match &deny.json {
                Some(conditions) if facts.upgrade.is_none() => {
                    body.add(Some(conditions), Does::Deny(self.policy().denied(deny)));
                }
                _ => return Err(self.policy().denied(deny)),
            }
        }
        Ok(body)
    }

    /// Whether the rules that open a request put on one credential at most. A path that a rule spells out may be
    /// another page to the server: no credential goes along that would not go to that page as well.
    fn has_one_credential(
        &self,
        request: &Reading<'_>,
        rule: &AllowRule,
        fitting: &[&AllowRule],
    ) -> Result<(), Refusal> {
        let is_other = |other: &&AllowRule| other.credential.is_some() && other.credential != rule.credential;
        let has_two_readings = !request.facts.path.is_plain() && rule.credential.is_some();
        let undone = || {
            let mut all = self.policy().allows_of(&request.facts.authority.host).filter(is_other);
            all.find(|allow| hold_now(allow.hours.as_ref(), self.now()) && allow.touches(request))
        };
        let other = fitting.iter().copied().find(is_other);
        let other = other.or_else(|| has_two_readings.then(undone).flatten());
        other.map_or(Ok(()), |other| Err(self.policy().two_credentials(rule, other)))
    }

    /// What the rules that open the request give together. They put on one credential or none.
    fn given(
        &self,
        facts: &Facts,
        rule: &AllowRule,
        fitting: &[&AllowRule],
        asks: &[Bound<'_>],
        mut body: BodyConditions,
    ) -> Given {
        let alike = || fitting.iter().filter(|other| other.credential == rule.credential);
        let free = alike().any(|other| other.json.is_none());
        // A request that is free passes without a check of conditions, so rules with conditions
        // give nothing.
        let gives: Vec<_> = fitting.iter().filter(|rule| !free || rule.json.is_none()).collect();
        body.set_free(free);
        for allow in alike().filter(|allow| !free && !allow.asks()) {
            let lift = self.lift(&Refused::Body(facts, allow));
            body.add(allow.json.as_ref(), Does::Open { at: allow.at.clone(), lift });
        }
        for (ask, asking) in asks {
            let opens = alike().any(|rule| std::ptr::eq(*rule, *asking));
            body.add(asking.json.as_ref(), Does::Ask { by: ask.by(self.is_quiet()).clone(), opens });
        }
        for unasked in alike().filter(|rule| rule.leave == Leave::Unasked && rule.json.is_some() && !asks.is_empty()) {
            body.add(unasked.json.as_ref(), Does::Unask);
        }
        for model in gives.iter().filter(|rule| rule.model) {
            body.add(model.json.as_ref(), Does::AskModel(model.at.clone()));
        }
        Given {
            rule: rule.at.clone(),
            credential: rule.credential.clone(),
            private: gives.iter().flat_map(|rule| rule.private.iter().copied()).collect(),
            model: gives.iter().any(|rule| rule.model),
            // Every rule that may have let the body through must ask only a model.
            asks_model: facts.upgrade.is_none() && asks.is_empty() && alike().all(|rule| rule.asks_a_model_alone()),
            opaque: gives.iter().any(|rule| rule.opaque),
            observed: false,
            by_wildcard: !rule.host.is_exact(),
            body,
            takes_private: rule.origin == Origin::Group && rule.host.is_exact() && !rule.asks(),
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
}

/// An ask that binds a request, with its rule.
type Bound<'a> = (&'a AskRule, &'a AllowRule);

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
