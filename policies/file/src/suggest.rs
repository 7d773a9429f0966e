//! What to write instead: the lines that would lift a refusal.

use policies::{
    AllowRule, Asks, Closed, DenyRule, Facts, Fit, Host, Leave, Method, Origin, Query, Reading, Resolved, RuleRef,
    Scheme, TunnelRule, address,
};

use crate::near::Near;
use crate::{summary, written};

/// The allows that name the host of a request, with how well each fits.
pub(crate) struct Named<'a> {
    pub(crate) all: &'a [(Fit, &'a AllowRule)],
    /// The one that nearly covers it.
    pub(crate) near: Option<&'a Near<'a>>,
}

/// The smallest TOML that allows exactly this request. If the allows for its host and port agree on
/// a credential, the new rule gets it too; it also gets the private networks of the allows for its
/// host, even for another port. The conditions of the nearest rule are kept.
pub(crate) fn lift(request: &Reading<'_>, named: &Named<'_>) -> Vec<String> {
    let facts = request.facts;
    let host = &facts.authority.host;
    if let Host::Ip(ip) = host
        && *ip != ip.to_canonical()
    {
        // An IPv4-mapped IPv6 address: no policy can name it.
        return Vec::new();
    }
    if facts.upgrade.is_some() && facts.method != Method::Get {
        // A WebSocket starts with GET, and no rule changes that.
        return Vec::new();
    }
    let near = named.near.map(|near| near.rule);
    let query = match near.and_then(|rule| Some((rule, rule.query.as_deref()?))) {
        Some((rule, pairs)) if rule.query_fits(facts.query.as_ref()) => Some(written::query(pairs)),
        Some((rule, _)) => match other_query(facts, rule) {
            Ok(line) => Some(line),
            Err(remark) => return vec![remark],
        },
        None => None,
    };
    let mut lines = allow_lines_for(request);
    lines.extend(query);
    // No condition reads a WebSocket.
    let json = near.filter(|_| facts.upgrade.is_none()).and_then(|rule| rule.json.as_ref());
    lines.extend(json.map(|json| written::json(json)));
    let on_port: Vec<_> = named.all.iter().filter(|(fit, _)| *fit > Fit::OtherPort).map(|(_, rule)| *rule).collect();
    if let Some(credential) = agreed_credential(&on_port) {
        lines.push(format!("credential = \"{credential}\""));
    }
    lines.extend(private_line(host, named.all.iter().map(|(_, rule)| *rule)));
    lines
}

/// The line for the query that was sent, if a rule restricts it. Values are written down only for
/// the names in that rule: others may be anybody's keys.
fn other_query(facts: &Facts, rule: &AllowRule) -> Result<String, String> {
    let wanted = rule.query.as_deref().unwrap_or_default();
    let sent = facts.query.as_ref().map(Query::as_str).unwrap_or_default();
    let mut pairs: Vec<_> = sent.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.into_iter().map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    let known = pairs.len() == wanted.len()
        && !pairs.is_empty()
        && pairs.iter().zip(wanted).all(|((key, value), (known, _))| key == known && plain(value));
    if known || facts.query.is_none() {
        let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        return Ok(written::query(&pairs));
    }
    Err(match rule.origin {
        Origin::Group => format!("# change or remove `query` in the {} at {}", summary::header(rule.leave), rule.at),
        Origin::Preset(_) | Origin::Skill(_) | Origin::Base => format!(
            "# the {} at {} says what the query must be; add one of your own for another",
            summary::header(rule.leave),
            rule.at
        ),
    })
}

/// An `[[allow]]` for this host, port and path.
pub(crate) fn allow_lines(facts: &Facts) -> Vec<String> {
    allow_lines_for(&Reading::new(facts))
}

/// A `[[deny]]` for the same, with either scheme.
pub(crate) fn deny_lines(facts: &Facts) -> Vec<String> {
    vec![
        "[[deny]]".to_owned(),
        format!("host = \"{}\"", facts.authority.host),
        format!("ports = [{}]", facts.authority.port),
        format!("do = [\"{} {}\"]", facts.method, facts.path.spelt()),
    ]
}

fn allow_lines_for(request: &Reading<'_>) -> Vec<String> {
    let facts = request.facts;
    let mut lines = vec!["[[allow]]".to_owned(), format!("host = \"{}\"", facts.authority.host)];
    if facts.scheme != Scheme::Https {
        lines.push(format!("scheme = \"{}\"", facts.scheme.as_str()));
    }
    if facts.authority.port != facts.scheme.default_port() {
        lines.push(format!("ports = [{}]", facts.authority.port));
    }
    // A request that also asks for another method needs all of them.
    let method = if request.asks() == Asks::Nothing { facts.method.as_str() } else { "*" };
    let path = facts.path.spelt();
    lines.push(format!("do = [\"{method} {path}\"]"));
    if facts.upgrade.is_some() {
        lines.push("websocket = true".to_owned());
    }
    lines
}

/// A network at home: added to the rule itself, or to a rule beside it. Allows add up, so if the
/// group cannot change the rule that allowed the host, another can be added.
pub(crate) fn lift_address(resolved: &Resolved<'_>) -> Vec<String> {
    let Resolved { rule, takes_private, facts, authority, net } = resolved;
    let mut lines = match facts {
        _ if *takes_private => vec![format!("# in the [[allow]] at {rule}, add this, or add to its list:")],
        Some(facts) => allow_lines(facts),
        None => vec![
            "[[allow]]".to_owned(),
            format!("host = \"{}\"", authority.host),
            format!("ports = [{}]", authority.port),
            "tls = \"tunnel\"".to_owned(),
        ],
    };
    lines.push(format!("private = [\"{net}\"]"));
    lines
}

/// The group changes the condition if it is its own; otherwise a rule beside it does without.
pub(crate) fn lift_condition(facts: &Facts, rule: &AllowRule) -> Vec<String> {
    // Destructured in full, so that a new field is either kept or left out by name.
    let AllowRule {
        at,
        origin,
        leave: _,
        host: _,
        scheme: _,
        ports: _,
        requests: _,
        query: _,
        credential,
        private: _,
        model,
        opaque,
        websocket: _,
        json: _,
        hours,
        why: _,
    } = rule;
    if *origin == Origin::Group {
        return vec![format!("# change or remove `json` in the {} at {at}", summary::header(rule.leave))];
    }
    let mut lines = allow_lines(facts);
    lines.extend(credential.as_ref().map(|name| format!("credential = \"{name}\"")));
    if *model {
        lines.push("model = true".to_owned());
    }
    if *opaque {
        lines.push("opaque = true".to_owned());
    }
    lines.extend(hours.iter().flat_map(written::hours));
    lines
}

/// The group changes the hours if they are its own; otherwise a rule beside it does without.
pub(crate) fn lift_hours(closed: Closed<'_>) -> Vec<String> {
    let block = |leave, lines: Vec<String>| std::iter::once(summary::header(leave)).chain(lines).collect();
    match closed {
        Closed::Allow(AllowRule { origin: Origin::Group, .. }, hours)
        | Closed::Tunnel(TunnelRule { origin: Origin::Group, .. }, hours) => {
            let lines = written::hours(hours).join(", ");
            vec![format!("# in the {} at {}, change or remove {lines}", closed_header(closed), closed.at())]
        }
        Closed::Allow(rule, _) => block(rule.leave, written::allow(&AllowRule { hours: None, ..rule.clone() })),
        Closed::Tunnel(rule, _) => block(Leave::Given, written::tunnel(&TunnelRule { hours: None, ..rule.clone() })),
    }
}

fn closed_header(closed: Closed<'_>) -> String {
    match closed {
        Closed::Allow(rule, _) => summary::header(rule.leave),
        Closed::Tunnel(..) => summary::header(Leave::Given),
    }
}

/// A group can change only its own file.
pub(crate) fn lift_deny(deny: &DenyRule) -> Vec<String> {
    lift_binding(&deny.origin, &deny.at, "[[deny]]", "denies this")
}

/// The same for what is asked about.
pub(crate) fn lift_ask(ask: &AllowRule) -> Vec<String> {
    lift_binding(&ask.origin, &ask.at, "[[ask]]", "asks about this first")
}

fn lift_binding(origin: &Origin, at: &RuleRef, header: &str, does: &str) -> Vec<String> {
    match origin {
        Origin::Group => vec![format!("# remove the {header} at {at}")],
        Origin::Preset(name) => vec![format!("# remove \"{name}\" from `use`: its rule at {at} {does}")],
        Origin::Skill(name) => vec![format!("# `doorward skill remove {name}` takes it back: its rule at {at} {does}")],
        Origin::Base => Vec::new(),
    }
}

fn agreed_credential<'a>(rules: &[&'a AllowRule]) -> Option<&'a str> {
    let mut names: Vec<_> = rules.iter().filter_map(|rule| rule.credential.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    if let [name] = names[..] { Some(name) } else { None }
}

fn private_line<'a>(host: &Host, rules: impl Iterator<Item = &'a AllowRule>) -> Option<String> {
    let mut nets: Vec<String> = match host {
        Host::Ip(ip) if address::special(*ip).is_some() => vec![ipnet::IpNet::from(*ip).to_string()],
        _ => rules.flat_map(|rule| &rule.private).map(ToString::to_string).collect(),
    };
    nets.sort_unstable();
    nets.dedup();
    (!nets.is_empty()).then(|| format!("private = [\"{}\"]", nets.join("\", \"")))
}
