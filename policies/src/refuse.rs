//! Why a request is refused, in words, and how close it came.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::advice::Closed;
use crate::asking::{ASKED_AT_MOST, AskedBy};
use crate::asks::Asks;
use crate::decide::Reach;
use crate::hours::hold_now;
use crate::rules::{AllowRule, DenyRule, Fit, Reading, TunnelRule};
use crate::{
    Advice, Authority, Code, Facts, Host, Policy, PolicyAt, Refusal, Refused, Resolved, RuleRef, Scheme, Standing,
    Upgrade,
};

impl PolicyAt<'_> {
    /// Nothing allows the request: says whether something does at another time, or else which rule
    /// came closest.
    pub(crate) fn not_covered(&self, request: &Reading<'_>, named: &[(Fit, &AllowRule)]) -> Refusal {
        let facts = request.facts;
        let closed = named.iter().filter(|(fit, _)| *fit == Fit::OutsideHours).map(|(_, rule)| *rule);
        let closed = closed.min_by(|a, b| a.at.cmp(&b.at));
        let closed = closed.and_then(|rule| Some(Closed::Allow(rule, rule.hours.as_ref()?)));
        let tunnelled = || self.closed_tunnel(&facts.authority).filter(|_| facts.scheme == Scheme::Https);
        match closed.or_else(tunnelled) {
            Some(closed) => self.outside_hours(&facts.authority, closed),
            None => self.no_allow_covers(request, named),
        }
    }

    /// No allow covers the request: says how close the closest came.
    fn no_allow_covers(&self, request: &Reading<'_>, named: &[(Fit, &AllowRule)]) -> Refusal {
        let facts = request.facts;
        let closest = named.iter().map(|(fit, _)| *fit).max();
        let on_page = closest.is_some_and(|closest| closest > Fit::OtherPath);
        let (code, why) = match closest {
            _ if !on_page && let Some(sign) = facts.path.to_spell() => self.policy().unspelt(sign),
            None => self.unnamed(facts),
            Some(closest) => self.policy().near(request, closest),
        };
        let Advice { near, lift } =
            (self.policy().adviser)(&Refused::NotCovered(&|host| self.allows_of(host).collect(), request, named));
        let why = near.map_or(why.clone(), |near| format!("{why}: {near}"));
        Refusal { code, why, logged: None, rule: None, lift }
    }

    fn unnamed(&self, facts: &Facts) -> (Code, String) {
        let (group, host) = (&self.policy().group, &facts.authority.host);
        if self.tunnels_of(host).next().is_some() {
            let why =
                format!("group {group} may reach {host} only by a TLS tunnel that stays closed, which this is not");
            return (Code::PortDenied, why);
        }
        match host {
            Host::Ip(_) => (Code::IpLiteral, format!("{host} is an address, and no rule of group {group} names it")),
            Host::Name(_) => (Code::NotAllowed, format!("no rule of group {group} names {host}")),
        }
    }

    /// The tunnel that would let a connection through unopened at another time.
    pub(crate) fn closed_tunnel(&self, authority: &Authority) -> Option<Closed<'_>> {
        let closed =
            |rule: &&TunnelRule| rule.ports.contains(&authority.port) && !hold_now(rule.hours.as_ref(), self.now());
        let rule = self.tunnels_of(&authority.host).filter(closed).min_by(|a, b| a.at.cmp(&b.at));
        let closed = rule.and_then(|rule| Some(Closed::Tunnel(rule, rule.hours.as_ref()?)));
        closed.filter(|_| !self.policy().wants_opening(authority))
    }

    pub(crate) fn outside_hours(&self, authority: &Authority, closed: Closed<'_>) -> Refusal {
        let (group, host, now, hours) = (&self.policy().group, &authority.host, self.now(), closed.hours());
        let it_is = match hours.standing(now) {
            Standing::Ahead => now.to_string(),
            Standing::Closed | Standing::Holds | Standing::Over => format!("{} {}", now.weekday(), now.time()),
        };
        let why = format!("group {group} may ask this of {host} only {hours}, and by its owner's clock it is {it_is}");
        let lift = self.lift(&Refused::OutsideHours(closed));
        Refusal { code: Code::OutsideHours, why, logged: None, rule: Some(closed.at().clone()), lift }
    }

    /// The lines that would lift a refusal.
    pub(crate) fn lift(&self, refused: &Refused<'_>) -> Vec<String> {
        (self.policy().adviser)(refused).lift
    }

    /// The question that `[ask] unlisted = true` puts to the owner.
    pub(crate) fn asked_by_unlisted(&self, at: &RuleRef, request: &Reading<'_>) -> AskedBy {
        let named = Refused::NotCovered(&|_| Vec::new(), request, &[]);
        let why = Some(format!("no rule names {}", request.facts.authority.host));
        let hold = self.policy().rules().asking.hold;
        AskedBy { at: at.clone(), why, hold, quiet: self.is_quiet(), lift: self.lift(&named) }
    }

    /// Whether a request can be put to a person: it is sent as it was shown, and has one reading.
    pub(crate) fn can_be_asked(&self, request: &Reading<'_>, ask: &AllowRule) -> Result<(), Refusal> {
        let facts = request.facts;
        let (code, what) = match facts {
            Facts { upgrade: Some(Upgrade::WebSocket), .. } => {
                (Code::UpgradeDenied, "what follows in a WebSocket is not known")
            }
            Facts { authority: Authority { host: Host::Ip(_), .. }, .. } => {
                (Code::IpLiteral, "this host is an address")
            }
            _ if !facts.path.is_plain() => (Code::PathAmbiguous, "this path has more than one reading"),
            _ if request.asks() != Asks::Nothing => (Code::MethodDenied, "it asks for another method than its own"),
            _ => return Ok(()),
        };
        let why = format!("the owner is asked about this first, and cannot be, because {what}");
        let rule = Some(ask.at.clone());
        Err(Refusal { code, why, logged: None, rule, lift: self.lift(&Refused::Asked(ask)) })
    }
}

impl Reach<'_> {
    /// The refusal of an address that is not on the public internet.
    pub(crate) fn refuses(&self, ip: IpAddr, kind: &str) -> Refusal {
        let &Reach { authority, facts, rule, takes_private, .. } = self;
        let net = IpNet::from(ip.to_canonical());
        let advice = (self.adviser)(&Refused::Address(Resolved { rule, takes_private, facts, authority, net }));
        let host = &authority.host;
        let is = if *host == Host::Ip(ip) {
            format!("{host} is {kind}")
        } else {
            format!("{host} resolves to {ip}, {kind}")
        };
        let why = format!("{is}; such addresses are refused unless the rule names them");
        Refusal { code: Code::ResolvedPrivate, why, logged: None, rule: Some(rule.clone()), lift: advice.lift }
    }
}

impl Policy {
    pub(crate) fn two_credentials(&self, rule: &AllowRule, other: &AllowRule) -> Refusal {
        let mut both = [rule, other];
        both.sort_by(|a, b| a.at.cmp(&b.at));
        let [first, second] = both;
        let name = |rule: &AllowRule| rule.credential.as_deref().unwrap_or_default().to_owned();
        let why = format!(
            "two rules put different credentials on this request: {} ({}) and {} ({})",
            name(first),
            first.at,
            name(second),
            second.at
        );
        Refusal { code: Code::CredentialAmbiguous, why, logged: None, rule: Some(first.at.clone()), lift: Vec::new() }
    }

    pub(crate) fn denied(&self, deny: &DenyRule) -> Refusal {
        let fallback = || format!("a deny rule for {} covers this", deny.host);
        Refusal {
            code: Code::DeniedByRule,
            why: deny.why.clone().unwrap_or_else(fallback),
            logged: None,
            rule: Some(deny.at.clone()),
            lift: (self.adviser)(&Refused::Denied(deny)).lift,
        }
    }

    fn unspelt(&self, sign: &str) -> (Code, String) {
        let group = &self.group;
        let why = format!(
            "the path holds {sign}, which servers read in different ways; no rule of group {group} spells it, and no \
             star covers it"
        );
        (Code::PathAmbiguous, why)
    }

    fn near(&self, request: &Reading<'_>, closest: Fit) -> (Code, String) {
        let facts = request.facts;
        let (group, host, port) = (&self.group, &facts.authority.host, facts.authority.port);
        let scheme = facts.scheme.as_str();
        match closest {
            Fit::OtherPort => {
                (Code::PortDenied, format!("group {group} may reach {host}, but not by {scheme} on port {port}"))
            }
            Fit::NoUpgrade => (Code::UpgradeDenied, self.no_upgrade(facts)),
            Fit::OtherMethod => (Code::MethodDenied, self.other_method(request)),
            Fit::OtherPath | Fit::OutsideHours | Fit::Fits(..) => {
                (Code::PathDenied, format!("group {group} may reach {host}, but not this page of it"))
            }
        }
    }

    fn other_method(&self, request: &Reading<'_>) -> String {
        let (group, host, method) = (&self.group, &request.facts.authority.host, request.facts.method);
        match request.asks() {
            Asks::Nothing => format!("group {group} may reach this page of {host}, but not with {method}"),
            Asks::OtherMethod => {
                format!("the query asks {host} for another method, and group {group} may not use all of them here")
            }
            Asks::OtherMethodInBody => format!("group {group} may not use all of them here; leave the field out"),
            Asks::Mutation => format!(
                "the query holds a GraphQL mutation, which {method} is not for, and group {group} may not use all \
                 methods here; send it as POST"
            ),
        }
    }

    fn no_upgrade(&self, facts: &Facts) -> String {
        let (group, host) = (&self.group, &facts.authority.host);
        match facts.upgrade {
            Some(Upgrade::WebSocket) if facts.method != crate::Method::Get => {
                format!("a WebSocket starts with GET, not with {}", facts.method)
            }
            _ => format!("group {group} may reach this page of {host}, but not open a WebSocket there"),
        }
    }
}

impl AskedBy {
    /// The refusal of a request that got no yes.
    pub fn unanswered(&self) -> Refusal {
        let why = match (&self.why, self.quiet) {
            (_, true) => "the owner is asked about this first, and not at this time of day".to_owned(),
            (Some(why), false) => format!("the owner is asked about this first ({why}), and has not said yes"),
            (None, false) => "the owner is asked about this first, and has not said yes".to_owned(),
        };
        let rule = Some(self.at.clone());
        Refusal { code: Code::AskUnanswered, why, logged: None, rule, lift: self.lift.clone() }
    }

    /// The refusal of a body that is too long to be asked about.
    pub fn too_large(&self) -> Refusal {
        let why = format!(
            "the owner is asked about this first, and a body of more than {} KiB cannot be described; send less at a \
             time",
            ASKED_AT_MOST >> 10
        );
        Refusal { code: Code::AskTooLarge, why, ..self.unanswered() }
    }
}
