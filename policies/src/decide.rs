//! The decision: the only place where a permit is made.

use std::sync::Arc;

use crate::body::BodyConditions;
use crate::host_pattern::is_reserved;
use crate::observe::Observe;
use crate::rules::{AllowRule, DenyRule, Fit, Origin, Reading};
use crate::{
    Authority, Code, Facts, Host, Method, Permit, PolicyAt, Refusal, Refused, RuleRef, TunnelPermit, TunnelRule,
    Verdict,
};

impl PolicyAt<'_> {
    /// Judges a request. Consumes the facts: an allow gives them back inside
    /// the permit, a deny beside the refusal.
    ///
    /// Allows add up: the permit has the private networks and the model mark of
    /// every allow that covers the request (so with `opaque`), and the credential of those that name
    /// one. Two that name different credentials refuse the request. The rule on
    /// the permit is the one that says the most: with a credential before without,
    /// then by host, then by path.
    ///
    /// Of allows with `json` one must hold, unless an allow without covers the
    /// request as well. An allow without the credential that is put on does not
    /// count there: it was not written for requests that carry one.
    pub fn decide(&self, facts: Facts) -> Verdict {
        match self.judge(&Reading::new(&facts), self.observing()) {
            Ok(grant) => Verdict::Allow(Permit {
                facts,
                rule: grant.at.clone(),
                policy: self.hash,
                now: self.now(),
                credential: grant.credential,
                private: grant.private,
                model: grant.model,
                asks_model: grant.asks_model,
                opaque: grant.opaque,
                observed: grant.observed,
                by_wildcard: grant.by_wildcard,
                body: grant.body.non_empty(),
                takes_private: grant.takes_private,
                adviser: self.adviser,
            }),
            Err(refusal) => Verdict::Deny(facts, refusal),
        }
    }

    /// Judges a connection that has only named its host: whether it goes through
    /// unopened. `None` means that it is opened as usual and each request is judged.
    /// A deny that forbids anything there, and a credential for it, want it opened.
    pub fn decide_tunnel(&self, authority: &Authority) -> Option<TunnelPermit> {
        let (host, port) = (&authority.host, authority.port);
        let holds = |rule: &&TunnelRule| rule.ports.contains(&port) && rule.holds(self.now());
        let rules: Vec<_> = self.tunnels_of(host).filter(holds).collect();
        let rule = rules.iter().max_by(|a, b| (a.host.weight(), &b.at).cmp(&(b.host.weight(), &a.at)))?;
        (!self.wants_opening(authority)).then(|| TunnelPermit {
            authority: authority.clone(),
            rule: rule.at.clone(),
            policy: self.hash,
            now: self.now(),
            private: rules.iter().flat_map(|rule| rule.private.iter().copied()).collect(),
            by_wildcard: !rule.host.is_exact(),
            takes_private: rule.origin == Origin::Group && rule.host.is_exact(),
            adviser: self.adviser,
        })
    }

    /// What a permitted request is told whose body has a field that asks for another method
    /// (`_method`). Nothing where the policy lets every method through there, with the same
    /// credential and the same conditions: then such a field changes nothing.
    pub fn refusal_of_other_methods(&self, permit: &Permit) -> Option<Refusal> {
        let host = &permit.facts.authority.host;
        let refusal = match self.judge(&Reading::asking_in_body(&permit.facts), self.observing()) {
            Ok(all) if all.credential == permit.credential && all.body.asks_what(permit.body.as_ref()) => return None,
            Ok(_) => Refusal::new(Code::MethodDenied, "other methods go there under other rules; leave the field out"),
            Err(refusal) => refusal,
        };
        let why =
            format!("a field of the body (_method or one like it) asks {host} for another method: {}", refusal.why);
        Some(Refusal { why, ..refusal })
    }

    fn judge<'a>(&'a self, request: &Reading<'_>, observing: Option<&'a Observe>) -> Result<Grant<'a>, Refusal> {
        let host = &request.facts.authority.host;
        if is_reserved(host) {
            return Err(Refusal::new(Code::SelfTarget, format!("{host} is the door itself, not a way out")));
        }
        let body = self.denials(request)?;
        if request.facts.asks_for_names() {
            return Err(Refusal::dns_over_https());
        }
        let fits = |allow| Some((self.fits(allow, request)?, allow));
        let fitting: Vec<_> = self.allows_near(host, request.outline()).filter_map(fits).collect();
        if !fitting.is_empty() {
            let grant = self.grant(request.facts, &fitting, body)?;
            return self.same_key_undone(request, &fitting, grant);
        }
        let named: Vec<_> = self.allows_of(host).map(|allow| (allow.fit(request, self.now()), allow)).collect();
        match observing {
            Some(observe) if named.is_empty() && self.is_unnamed(request.facts) => {
                Ok(Grant::observed(&observe.at, body))
            }
            _ => Err(self.not_covered(request, &named)),
        }
    }

    /// The denies that cover the request: one without conditions refuses it; the
    /// others go on to look at its body. What follows an upgrade is no body, so
    /// there a condition cannot be told and the deny stands.
    fn denials(&self, request: &Reading<'_>) -> Result<BodyConditions, Refusal> {
        let facts = request.facts;
        let mut body = BodyConditions::new(facts.method.is_read() || facts.method == Method::Delete);
        let mut denies: Vec<_> = self
            .denies_near(&facts.authority.host, request.wide_outline())
            .filter(|deny| deny.covers(request))
            .collect();
        denies.sort_by(|a, b| binds_more(b, a));
        for deny in denies {
            match &deny.json {
                Some(conditions) if facts.upgrade.is_none() => body.deny(conditions, self.denied(deny)),
                _ => return Err(self.denied(deny)),
            }
        }
        Ok(body)
    }

    fn grant<'a>(
        &self,
        facts: &Facts,
        fitting: &[(Fit, &'a AllowRule)],
        mut body: BodyConditions,
    ) -> Result<Grant<'a>, Refusal> {
        let (_, rule) = fitting.iter().copied().max_by(says_more).ok_or_else(|| self.no_rule())?;
        let other = fitting.iter().find(|(_, other)| other.credential.is_some() && other.credential != rule.credential);
        if let Some((_, other)) = other {
            return Err(self.two_credentials(rule, other));
        }
        let alike = |other: &AllowRule| other.credential == rule.credential;
        let free = fitting.iter().any(|(_, other)| alike(other) && other.json.is_none());
        // What an allow gives under a condition, it gives only where the condition is asked.
        let gives = fitting.iter().map(|(_, rule)| *rule).filter(|rule| !free || rule.json.is_none());
        let (mut private, mut model, mut opaque) = (Vec::new(), false, false);
        for rule in gives {
            private.extend_from_slice(&rule.private);
            model |= rule.model;
            opaque |= rule.opaque;
            if let Some(conditions) = rule.json.as_ref().filter(|_| alike(rule)) {
                body.allow(conditions, &rule.at, (self.adviser)(&Refused::Body(facts, rule)).lift);
            }
        }
        Ok(Grant {
            at: &rule.at,
            credential: rule.credential.clone(),
            private: private.into(),
            model,
            // One that lets more through may be the one that did; of these the body is judged by.
            asks_model: facts.upgrade.is_none()
                && fitting.iter().all(|(_, rule)| !alike(rule) || rule.asks_a_model_alone()),
            opaque,
            observed: false,
            by_wildcard: !rule.host.is_exact(),
            body,
            takes_private: rule.origin == Origin::Group && rule.host.is_exact(),
        })
    }

    /// What a rule spells may be another page to the server: no key goes to it that
    /// would not go to that page.
    fn same_key_undone<'a>(
        &self,
        request: &Reading<'_>,
        fitting: &[(Fit, &AllowRule)],
        grant: Grant<'a>,
    ) -> Result<Grant<'a>, Refusal> {
        if request.facts.path.is_plain() || grant.credential.is_none() {
            return Ok(grant);
        }
        let takes_another = |allow: &&AllowRule| {
            allow.credential.is_some() && allow.credential != grant.credential && allow.holds(self.now())
        };
        let other =
            self.allows_of(&request.facts.authority.host).filter(takes_another).find(|allow| allow.touches(request));
        let own = fitting.iter().map(|(_, rule)| *rule).find(|rule| rule.at == *grant.at);
        match (own, other) {
            (Some(own), Some(other)) => Err(self.two_credentials(own, other)),
            _ => Ok(grant),
        }
    }

    /// Observing is about names on the web: addresses, odd ports, WebSockets and paths
    /// with two readings want a rule all the same.
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

/// What the allows that cover a request give together.
struct Grant<'a> {
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

impl<'a> Grant<'a> {
    /// Nothing but the way out: no credential, no private network, no model.
    fn observed(at: &'a RuleRef, body: BodyConditions) -> Self {
        let private = Arc::from([]);
        Grant {
            at,
            credential: None,
            private,
            model: false,
            asks_model: false,
            opaque: false,
            observed: true,
            by_wildcard: true,
            body,
            takes_private: false,
        }
    }
}

/// A total order over content first and place last, so that order in a file never matters.
fn says_more(a: &(Fit, &AllowRule), b: &(Fit, &AllowRule)) -> std::cmp::Ordering {
    // Free of conditions before bound by them, so that the rule named is one that holds.
    let key =
        |(fit, rule): &(Fit, &AllowRule)| (rule.credential.is_some(), rule.json.is_none(), rule.host.weight(), *fit);
    key(a).cmp(&key(b)).then_with(|| b.1.at.cmp(&a.1.at))
}

/// Of several denials the reader hears the one that is hardest to take back.
fn binds_more(a: &DenyRule, b: &DenyRule) -> std::cmp::Ordering {
    let key = |deny: &DenyRule| (deny.origin.rank(), deny.host.weight());
    key(a).cmp(&key(b)).then_with(|| b.at.cmp(&a.at))
}
