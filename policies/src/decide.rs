//! The decision: the only place where a permit is made.

use std::sync::Arc;

use crate::host_pattern::is_reserved;
use crate::rules::{AllowRule, DenyRule, Fit, Origin, Reading};
use crate::{Code, Facts, Host, Permit, Policy, Refusal, RuleRef, Verdict, suggest};

impl Policy {
    /// Judges a request. Consumes the facts: an allow gives them back inside the
    /// permit, a deny beside the refusal.
    ///
    /// Allows add up: the permit has the private networks and the model mark of
    /// every allow that covers the request, and the credential of those that name
    /// one. Two that name different credentials refuse the request. The rule on
    /// the permit is the one that says the most: with a credential before without,
    /// then by host, then by path.
    pub fn decide(&self, facts: Facts) -> Verdict {
        match self.judge(&Reading::new(&facts)) {
            Ok(grant) => Verdict::Allow(Permit {
                facts,
                rule: grant.rule.at.clone(),
                policy: self.hash,
                credential: grant.rule.credential.clone(),
                private: grant.private,
                model: grant.model,
                takes_private: grant.rule.origin == Origin::Group && grant.rule.host.is_exact(),
            }),
            Err(refusal) => Verdict::Deny(facts, refusal),
        }
    }

    fn judge(&self, request: &Reading<'_>) -> Result<Grant<'_>, Refusal> {
        let host = &request.facts.authority.host;
        if is_reserved(host) {
            return Err(Refusal::new(Code::SelfTarget, format!("{host} is the door itself, not a way out")));
        }
        if let Some(deny) = self.denies_of(host).filter(|deny| deny.covers(request)).max_by(|a, b| binds_more(a, b)) {
            return Err(self.denied(deny));
        }
        let named: Vec<_> = self.allows_of(host).map(|allow| (allow.fit(request), allow)).collect();
        let fitting: Vec<_> = named.iter().filter(|(fit, _)| matches!(fit, Fit::Fits(..))).copied().collect();
        if fitting.is_empty() { Err(self.not_covered(request, &named)) } else { self.grant(&fitting) }
    }

    fn grant<'a>(&self, fitting: &[(Fit, &'a AllowRule)]) -> Result<Grant<'a>, Refusal> {
        let (_, rule) = fitting.iter().copied().max_by(says_more).ok_or_else(|| self.no_rule())?;
        let other = fitting.iter().find(|(_, other)| other.credential.is_some() && other.credential != rule.credential);
        if let Some((_, other)) = other {
            return Err(self.two_credentials(rule, other));
        }
        let private = fitting.iter().flat_map(|(_, rule)| rule.private.iter().copied()).collect();
        Ok(Grant { rule, private, model: fitting.iter().any(|(_, rule)| rule.model) })
    }

    /// Fail closed: unreachable as long as a grant has a rule to stand on.
    fn no_rule(&self) -> Refusal {
        Refusal::new(Code::NotAllowed, format!("no rule of group {} covers this", self.group))
    }

    fn two_credentials(&self, rule: &AllowRule, other: &AllowRule) -> Refusal {
        let (first, second) = if place(&rule.at) < place(&other.at) { (rule, other) } else { (other, rule) };
        let name = |rule: &AllowRule| rule.credential.as_deref().unwrap_or_default().to_owned();
        let why = format!(
            "two rules put different credentials on this request: {} ({}) and {} ({})",
            name(first),
            first.at,
            name(second),
            second.at
        );
        Refusal { code: Code::CredentialAmbiguous, why, rule: Some(first.at.clone()), lift: Vec::new() }
    }

    fn denied(&self, deny: &DenyRule) -> Refusal {
        let fallback = || format!("a deny rule for {} covers this", deny.host);
        Refusal {
            code: Code::DeniedByRule,
            why: deny.why.clone().unwrap_or_else(fallback),
            rule: Some(deny.at.clone()),
            lift: suggest::lift_deny(deny),
        }
    }

    /// No allow covers the request: says how close the closest came.
    fn not_covered(&self, request: &Reading<'_>, named: &[(Fit, &AllowRule)]) -> Refusal {
        let facts = request.facts;
        let (group, host, port) = (&self.group, &facts.authority.host, facts.authority.port);
        let (scheme, method) = (facts.scheme.as_str(), facts.method);
        let closest = named.iter().map(|(fit, _)| *fit).max();
        let (code, why) = match (closest, host) {
            (None, Host::Ip(_)) => {
                (Code::IpLiteral, format!("{host} is an address, and no rule of group {group} names it"))
            }
            (None, Host::Name(_)) => (Code::NotAllowed, format!("no rule of group {group} names {host}")),
            (Some(Fit::OtherPort), _) => {
                (Code::PortDenied, format!("group {group} may reach {host}, but not by {scheme} on port {port}"))
            }
            (Some(Fit::OtherMethod), _) if request.overrides_method() => (
                Code::MethodDenied,
                format!("the query asks {host} for another method, and group {group} may not use all of them here"),
            ),
            (Some(Fit::OtherMethod), _) => {
                (Code::MethodDenied, format!("group {group} may reach this page of {host}, but not with {method}"))
            }
            (Some(_), _) => (Code::PathDenied, format!("group {group} may reach {host}, but not this page of it")),
        };
        let rules: Vec<_> = named.iter().filter(|(fit, _)| *fit > Fit::OtherPort).map(|(_, rule)| *rule).collect();
        Refusal { code, why, rule: None, lift: suggest::lift(facts, &rules) }
    }
}

/// What the allows that cover a request give together.
struct Grant<'a> {
    rule: &'a AllowRule,
    private: Arc<[ipnet::IpNet]>,
    model: bool,
}

/// A total order over content first and place last, so that order in a file never matters.
fn says_more(a: &(Fit, &AllowRule), b: &(Fit, &AllowRule)) -> std::cmp::Ordering {
    let key = |(fit, rule): &(Fit, &AllowRule)| (rule.credential.is_some(), rule.host.weight(), *fit);
    key(a).cmp(&key(b)).then_with(|| place(&b.1.at).cmp(&place(&a.1.at)))
}

/// Of several denials the reader hears the one that is hardest to take back.
fn binds_more(a: &DenyRule, b: &DenyRule) -> std::cmp::Ordering {
    let key = |deny: &DenyRule| (deny.origin.rank(), deny.host.weight());
    key(a).cmp(&key(b)).then_with(|| place(&b.at).cmp(&place(&a.at)))
}

fn place(at: &RuleRef) -> (Arc<str>, u32) {
    (Arc::clone(&at.file), at.line)
}
