//! What to write instead: the lines that would lift a refusal, and the word that
//! was probably meant.

use crate::rules::{AllowRule, Asks, DenyRule, Origin, Reading};
use crate::{Facts, Host, Method, Scheme, address};

/// The smallest TOML that allows exactly this request. `rules` are the allows that
/// name its host and port: where they agree on a credential, the new one needs it too.
pub(crate) fn lift(request: &Reading<'_>, rules: &[&AllowRule]) -> Vec<String> {
    let facts = request.facts;
    let host = &facts.authority.host;
    if let Host::Ip(ip) = host
        && *ip != ip.to_canonical()
    {
        // An IPv4 address in an IPv6 coat: no policy can name it.
        return Vec::new();
    }
    if facts.upgrade.is_some() && facts.method != Method::Get {
        // A WebSocket starts with GET, and no rule changes that.
        return Vec::new();
    }
    let mut lines = allow_lines_for(request);
    if let Some(credential) = agreed_credential(rules) {
        lines.push(format!("credential = \"{credential}\""));
    }
    lines.extend(private_line(host, rules));
    lines
}

/// An `[[allow]]` for this host, port and path.
pub(crate) fn allow_lines(facts: &Facts) -> Vec<String> {
    allow_lines_for(&Reading::new(facts))
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
    // Who asks beside the method for another one needs all of them.
    let method = if request.asks() == Asks::Nothing { facts.method.as_str() } else { "*" };
    let path = facts.path.as_str().replace('*', "%2A").replace('!', "%21");
    lines.push(format!("do = [\"{method} {path}\"]"));
    if facts.upgrade.is_some() {
        lines.push("websocket = true".to_owned());
    }
    lines
}

/// A condition is the group's own to change, or a rule beside it does without.
pub(crate) fn lift_condition(facts: &Facts, rule: &AllowRule) -> Vec<String> {
    if rule.origin == Origin::Group {
        return vec![format!("# change or remove `json` in the [[allow]] at {}", rule.at)];
    }
    let mut lines = allow_lines(facts);
    lines.extend(rule.credential.as_ref().map(|name| format!("credential = \"{name}\"")));
    if rule.model {
        lines.push("model = true".to_owned());
    }
    if rule.opaque {
        lines.push("opaque = true".to_owned());
    }
    lines
}

/// Only the group's own file is the group's to change.
pub(crate) fn lift_deny(deny: &DenyRule) -> Vec<String> {
    match &deny.origin {
        Origin::Group => vec![format!("# remove the [[deny]] at {}", deny.at)],
        Origin::Preset(name) => vec![format!("# remove \"{name}\" from `use`: its rule at {} denies this", deny.at)],
        Origin::Base => Vec::new(),
    }
}

fn agreed_credential<'a>(rules: &[&'a AllowRule]) -> Option<&'a str> {
    let mut names: Vec<_> = rules.iter().filter_map(|rule| rule.credential.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    if let [name] = names[..] { Some(name) } else { None }
}

fn private_line(host: &Host, rules: &[&AllowRule]) -> Option<String> {
    let mut nets: Vec<String> = match host {
        Host::Ip(ip) if address::special(*ip).is_some() => vec![ipnet::IpNet::from(*ip).to_string()],
        _ => rules.iter().flat_map(|rule| &rule.private).map(ToString::to_string).collect(),
    };
    nets.sort_unstable();
    nets.dedup();
    (!nets.is_empty()).then(|| format!("private = [\"{}\"]", nets.join("\", \"")))
}

/// The known word that is closest to what was written, if any is close.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(&lower, known), known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}
