//! Rules that are valid and surely not meant: those that can never allow anything, are duplicates,
//! or let answers pass unread.

use std::collections::HashMap;
use std::ops::Range;

use desk::Problem;
use policies::{AllowRule, Authority, DenyRule, Host, HostPattern, Policy, RequestPattern, RuleRef, address};

use crate::part::Part;
use crate::summary::{RuleSummary, header};

/// All warnings.
pub(crate) fn all(parts: &[Part], policy: &Policy) -> Vec<Problem> {
    let mut warnings = dead_rules(parts);
    warnings.extend(unused_tunnels(parts, policy));
    warnings.extend(unread(parts));
    warnings.extend(unreachable(parts));
    warnings.extend(twice(parts));
    warnings
}

/// The allows that the owner wrote, each with its part and place.
fn own_allows(parts: &[Part]) -> impl Iterator<Item = (&Part, &Range<usize>, &AllowRule)> {
    let own = parts.iter().filter(|part| part.is_the_groups());
    own.flat_map(|part| part.file.allows.iter().map(move |(span, rule)| (part, span, rule)))
}

fn warning(part: &Part, span: &Range<usize>, message: String, help: &str) -> Problem {
    Problem::new(&part.text, span.clone(), message, Some(help.to_owned())).into_warning()
}

/// How many denies of one host are looked at: warning must not take longer than judging.
const LOOKED_AT: usize = 64;

/// Allows whose requests are all covered by one deny or several together.
fn dead_rules(parts: &[Part]) -> Vec<Problem> {
    let mut denies: HashMap<&HostPattern, Vec<&DenyRule>> = HashMap::new();
    for deny in parts.iter().flat_map(|part| &part.file.denies).filter(|deny| deny.json.is_none()) {
        denies.entry(&deny.host).or_default().push(deny);
    }
    let dead = |(part, span, rule): (&Part, &Range<usize>, &AllowRule)| {
        let covering = covering(&rule.host);
        let over = || covering.iter().filter_map(|host| denies.get(host)).flatten().take(LOOKED_AT);
        let ports = |deny: &DenyRule| rule.ports.iter().all(|port| deny.touches(*port));
        if let Some(deny) = over().find(|deny| deny.covers_everything()) {
            let message =
                format!("this {} can never match: {} denies all of {}", header(rule.leave), deny.at, deny.host);
            return Some(warning(part, span, message, "remove one of the two"));
        }
        let denied = |request: &RequestPattern| {
            over().find(|deny| ports(deny) && deny.requests.iter().any(|one| one.covers_all_of(request)))
        };
        let mut by = rule.requests.iter().map(denied);
        let first = by.next()??;
        by.all(|deny| deny.is_some()).then(|| {
            let message =
                format!("this {} can never match: {} denies every request of it", header(rule.leave), deny_at(first));
            warning(part, span, message, "remove one of the two")
        })
    };
    own_allows(parts).filter_map(dead).collect()
}

fn deny_at(deny: &DenyRule) -> &RuleRef {
    &deny.at
}

/// The pattern itself, and the wider ones that cover all of its hosts.
fn covering(host: &HostPattern) -> Vec<HostPattern> {
    let name = match host {
        HostPattern::Exact(Host::Ip(_)) => return vec![host.clone()],
        HostPattern::Exact(Host::Name(name)) | HostPattern::OneLabel(name) | HostPattern::AnyDepth(name) => name,
    };
    let parents = std::iter::successors(Some(name.as_str()), |name| name.split_once('.').map(|(_, parent)| parent));
    let is_exact = host.is_exact();
    let mut all = vec![host.clone()];
    for (depth, parent) in parents.enumerate() {
        let Ok(Host::Name(parent)) = Host::parse(parent) else { continue };
        if is_exact && depth == 1 {
            all.push(HostPattern::OneLabel(parent.clone()));
        }
        let wider = HostPattern::AnyDepth(parent);
        if !(is_exact && depth == 0) && wider != *host {
            all.push(wider);
        }
    }
    all
}

/// Hosts at home for which no rule names a network: nothing there is ever dialled.
fn unreachable(parts: &[Part]) -> Vec<Problem> {
    let rules = || parts.iter().flat_map(|part| part.file.allows.iter().map(|(_, rule)| (&rule.host, &rule.private)));
    let tunnels =
        || parts.iter().flat_map(|part| part.file.tunnels.iter().map(|(_, rule)| (&rule.host, &rule.private)));
    let mut private: HashMap<&HostPattern, Vec<ipnet::IpNet>> = HashMap::new();
    for (host, nets) in rules().chain(tunnels()) {
        private.entry(host).or_default().extend(nets);
    }
    let own = parts.iter().filter(|part| part.is_the_groups());
    let places = own.flat_map(|part| {
        // Nobody is asked about addresses, so what an [[ask]] names is public or never reached.
        let allows = part.file.allows.iter().map(|(span, rule)| (span, &rule.host));
        let tunnels = part.file.tunnels.iter().map(|(span, rule)| (span, &rule.host));
        allows.chain(tunnels).map(move |(span, host)| (part, span, host))
    });
    let unreachable = |(part, span, host): (&Part, &Range<usize>, &HostPattern)| {
        let HostPattern::Exact(named) = host else { return None };
        let (ips, kind) = special(named)?;
        let named_too = |net: &ipnet::IpNet| ips.iter().any(|ip| net.contains(ip));
        if private.get(host).is_some_and(|nets| nets.iter().any(named_too)) {
            return None;
        }
        let net = ipnet::IpNet::from(ips[0]);
        let message = format!("this [[allow]] can never reach anything: {named} is {kind}, and no `private` names it");
        Some(warning(part, span, message, &format!("add private = [\"{net}\"], or remove the rule")))
    };
    places.filter_map(unreachable).collect()
}

/// The special kind of a host that is certainly not on the public internet.
fn special(host: &Host) -> Option<(Vec<std::net::IpAddr>, &'static str)> {
    match host {
        Host::Ip(ip) => address::special(*ip).map(|kind| (vec![ip.to_canonical()], kind)),
        // RFC 6761 §6.3.
        Host::Name(name) if name.as_str() == "localhost" || name.as_str().ends_with(".localhost") => {
            let own = [std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
            Some((own.to_vec(), "the machine that Doorward runs on"))
        }
        Host::Name(_) => None,
    }
}

/// Duplicate rules in one file.
fn twice(parts: &[Part]) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for part in parts.iter().filter(|part| part.is_the_groups()) {
        let file = &part.file;
        let allows = file.allows.iter().map(|(span, rule)| (span.clone(), RuleSummary::from(rule)));
        let tunnels = file.tunnels.iter().map(|(span, rule)| (span.clone(), RuleSummary::from(rule)));
        let denies = file.denies.iter().map(|rule| (part.text.span_of_line(rule.at.line), RuleSummary::from(rule)));
        let mut seen: HashMap<String, RuleRef> = HashMap::new();
        for (span, rule) in allows.chain(tunnels).chain(denies) {
            match seen.get(&rule.meaning()) {
                Some(first) => {
                    let message = format!("this [[{}]] says the same as the rule at {first}", rule.effect);
                    warnings.push(warning(part, &span, message, "remove one of the two"));
                }
                None => drop(seen.insert(rule.meaning(), rule.at)),
            }
        }
    }
    warnings
}

/// Tunnels in the group's own file for a host that is opened all the same.
fn unused_tunnels(parts: &[Part], policy: &Policy) -> Vec<Problem> {
    let own = parts.iter().filter(|part| part.is_the_groups());
    own.flat_map(|part| part.file.tunnels.iter().map(move |(span, rule)| (part, span, rule)))
        .filter_map(|(part, span, rule)| {
            let HostPattern::Exact(host) = &rule.host else { return None };
            let at = |port| Authority { host: host.clone(), port };
            if rule.ports.iter().any(|port| !policy.wants_opening(&at(*port))) {
                return None;
            }
            let message =
                format!("this tunnel is never used: a [[deny]], an [[ask]] or a credential for {host} wants it opened");
            let help = Some("remove the tunnel, or that other rule".to_owned());
            Some(Problem::new(&part.text, span.clone(), message, help).into_warning())
        })
        .collect()
}

/// Allows in the group's own file whose answers pass unread.
fn unread(parts: &[Part]) -> Vec<Problem> {
    own_allows(parts)
        .filter(|(_, _, rule)| rule.opaque)
        .map(|(part, span, rule)| {
            let message = format!(
                "`opaque`: answers of {} to these requests pass unread where nobody can look into them; \
                 a secret in one reaches the sandbox",
                rule.host
            );
            let help = Some("keep it only for files that the host does not write anew for each request".to_owned());
            Problem::new(&part.text, span.clone(), message, help).into_warning()
        })
        .collect()
}
