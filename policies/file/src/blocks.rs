//! The blocks of a policy file: `[[allow]]`, `[[ask]]`, `[[deny]]` and `[[test]]`.

use std::ops::Range;
use std::sync::Arc;

use ipnet::IpNet;
use policies::address::special_net;
use policies::{
    AllowRule, At, DenyRule, Effect, Facts, HostPattern, Leave, Method, Origin, PatternError, RequestPattern, Scheme,
    TunnelRule,
};

use crate::table::{Block, Test, Want, rule_ref, unreadable};
use crate::{hours, json, keys};

/// An `[[allow]]` is one of two kinds of rule.
pub(crate) enum Allow {
    Requests(AllowRule),
    Tunnel(TunnelRule),
}

pub(crate) fn allow(block: &mut Block<'_, '_>) -> Option<(Range<usize>, Allow)> {
    block.known_keys("[[allow]]", &keys::ALLOW);
    of_a_skill(block, "[[allow]]");
    let span = block.span.clone();
    let rule = if block.has("tls") {
        tunnel(block).map(Allow::Tunnel)
    } else {
        let leave = if block.bool("unasked") { Leave::Unasked } else { Leave::Given };
        requests_rule(block, leave, "[[allow]]").map(Allow::Requests)
    };
    rule.map(|rule| (span, rule))
}

/// An `[[ask]]`: an `[[allow]]` that needs a yes. It has the keys of an allow, except for what
/// cannot be put to a person.
pub(crate) fn ask(block: &mut Block<'_, '_>) -> Option<(Range<usize>, AllowRule)> {
    block.known_keys("[[ask]]", &keys::ALLOW);
    of_a_skill(block, "[[ask]]");
    for (key, why) in keys::NEVER_ASKED {
        if block.has(key) {
            let help = Some(format!("remove `{key}`"));
            block.reader.problem(block.span_of(key), format!("an [[ask]] has no `{key}`: {why}"), help);
        }
    }
    let span = block.span.clone();
    let rule = requests_rule(block, Leave::Asked, "[[ask]]")?;
    if let HostPattern::Exact(policies::Host::Ip(ip)) = &rule.host {
        let message = format!("nobody is asked about addresses, and {ip} is one");
        block.reader.problem(block.span_of("host"), message, Some("write a name, or an [[allow]]".to_owned()));
    }
    if let Some(sign) = rule.requests.iter().find_map(|request| request.to_spell()) {
        let message = format!("nobody is asked about a path with {sign}, which servers read in different ways");
        block.reader.problem(block.span_of("do"), message, Some("write an [[allow]] or a [[deny]]".to_owned()));
    }
    Some((span, rule))
}

/// Refuses keys that only a group's own file may have.
fn of_a_skill(block: &mut Block<'_, '_>, header: &str) {
    if !matches!(block.reader.context, Origin::Skill(_)) {
        return;
    }
    for (key, why) in keys::NEVER_OF_A_SKILL {
        // A key that no rule of this kind has is reported for all files alike.
        let told = header == "[[ask]]" && keys::NEVER_ASKED.iter().any(|(other, _)| *other == key);
        if block.has(key) && !told {
            let message = format!("a skill's {header} has no `{key}`: {why}");
            block.reader.problem(block.span_of(key), message, Some(format!("remove `{key}`")));
        }
    }
}

fn requests_rule(block: &mut Block<'_, '_>, leave: Leave, header: &str) -> Option<AllowRule> {
    let host = host(block, header, HostPattern::for_allow);
    let scheme = scheme(block);
    let ports = block.ports();
    let requests = allowed_requests(block, header);
    let query = query(block);
    // An ask binds what others allow, so it matches as widely as a deny.
    let effect = if leave == Leave::Asked { Effect::Deny } else { Effect::Allow };
    let json = json::conditions(block, effect);
    let websocket = websocket(block, &requests);
    let credential = credential(block, scheme);
    let private = private(block, host.as_ref());
    let opaque = opaque(block, host.as_ref(), &requests);
    unasked(block, leave, host.as_ref(), &requests);
    let (model, hours, why) = (block.bool("model"), hours::hours(block), why(block));
    Some(AllowRule {
        at: rule_ref(block, &block.span),
        origin: block.reader.context.clone(),
        leave,
        host: host?,
        scheme,
        ports: if ports.is_empty() { vec![scheme.default_port()] } else { ports },
        requests,
        query,
        credential,
        private,
        model,
        opaque,
        websocket,
        json,
        hours,
        why,
    })
}

/// `tls = "tunnel"`: keys that need a look inside are not allowed beside it.
fn tunnel(block: &mut Block<'_, '_>) -> Option<TunnelRule> {
    if let Some((span, text)) = block.string("tls")
        && text != "tunnel"
    {
        let help = Some("write tls = \"tunnel\", or remove it: TLS is opened, judged and closed again".to_owned());
        block.reader.problem(span, format!("`tls` cannot be {text:?}"), help);
    }
    for key in keys::NEVER_OF_A_TUNNEL {
        if block.has(key) {
            let message = format!("nobody looks into a tunnel, so `{key}` means nothing beside `tls`");
            block.reader.problem(block.span_of(key), message, Some(format!("remove `{key}`, or remove `tls`")));
        }
    }
    let host = host(block, "[[allow]]", HostPattern::for_allow);
    let ports = block.ports();
    let private = private(block, host.as_ref());
    let (hours, why) = (hours::hours(block), why(block));
    Some(TunnelRule {
        at: rule_ref(block, &block.span),
        origin: block.reader.context.clone(),
        host: host?,
        ports: if ports.is_empty() { vec![Scheme::Https.default_port()] } else { ports },
        private,
        hours,
        why,
    })
}

/// A WebSocket starts with GET and continues in frames, which no condition reads.
fn websocket(block: &mut Block<'_, '_>, requests: &[RequestPattern]) -> bool {
    let websocket = block.bool("websocket");
    if websocket && block.has("json") {
        let help = Some("write two rules, one for each".to_owned());
        block.reader.problem(block.span_of("json"), "`json` cannot look into a WebSocket", help);
    }
    if websocket && !requests.is_empty() && !requests.iter().any(|pattern| pattern.methods().cover(Method::Get)) {
        let help = Some("add the GET of its path to `do`".to_owned());
        block.reader.problem(
            block.span_of("websocket"),
            "a WebSocket starts with GET, and this rule allows none",
            help,
        );
    }
    websocket
}

/// Unread answers are let through for known pages, not for a pattern.
fn opaque(block: &mut Block<'_, '_>, host: Option<&HostPattern>, requests: &[RequestPattern]) -> bool {
    let opaque = block.bool("opaque");
    if opaque && (host.is_some_and(|host| !host.is_exact()) || requests.iter().any(|one| !one.is_exact())) {
        let help = Some("name one host, and in `do` each path as it is: \"GET /reports/2026.pdf\"".to_owned());
        block.reader.problem(
            block.span_of("opaque"),
            "`opaque` lets answers pass that nobody can look into, so it needs exact paths without a star",
            help,
        );
    }
    opaque
}

/// A permanent yes covers exactly what was asked, and only the group's own file can say it.
fn unasked(block: &mut Block<'_, '_>, leave: Leave, host: Option<&HostPattern>, requests: &[RequestPattern]) {
    if leave != Leave::Unasked {
        return;
    }
    let problem = if matches!(block.reader.context, Origin::Skill(_)) {
        None
    } else if block.reader.context != Origin::Group {
        Some(("only a group's own file says that nobody is asked", "remove `unasked`"))
    } else if host.is_some_and(|host| !host.is_exact()) || requests.iter().any(|one| !one.is_exact()) {
        Some((
            "`unasked` takes requests out of what is asked about, so it needs exact paths without a star",
            "name one host, and in `do` each request as it is: \"POST /notes/issues\"",
        ))
    } else {
        None
    };
    if let Some((message, help)) = problem {
        block.reader.problem(block.span_of("unasked"), message, Some(help.to_owned()));
    }
}

pub(crate) fn deny(block: &mut Block<'_, '_>) -> Option<DenyRule> {
    block.known_keys("[[deny]]", &keys::DENY);
    let host = host(block, "[[deny]]", HostPattern::for_deny);
    let ports = block.ports();
    let requests = if block.has("do") { requests(block) } else { vec![RequestPattern::anything()] };
    let json = json::conditions(block, Effect::Deny);
    let why = why(block);
    let at = rule_ref(block, &block.span);
    Some(DenyRule { at, origin: block.reader.context.clone(), host: host?, ports, requests, json, why })
}

pub(crate) fn test(block: &mut Block<'_, '_>) -> Option<Test> {
    block.known_keys("[[test]]", &keys::TEST);
    let request = block.needed("request", "[[test]]", "POST https://host/path");
    let want = block.needed("want", "[[test]]", "deny");
    let want = want.and_then(|(span, text)| {
        let want = Want::parse(&text);
        if want.is_none() {
            let help = Some("write want = \"allow\", want = \"ask\" or want = \"deny\"".to_owned());
            block.reader.problem(span, format!("{text:?} is no verdict"), help);
        }
        want
    });
    let body = block.string("body").map(|(_, text)| text);
    let at = at(block);
    let (span, request) = request?;
    let facts = match request.split_once(' ') {
        Some((method, url)) => Facts::parse(method, url).map_err(|error| error.to_string()),
        None => Err(format!("{request:?} is not a method and a URL")),
    };
    match facts {
        Ok(facts) => Some(Test { span: block.span.clone(), facts, request, body, at, want: want? }),
        Err(message) => {
            let help = Some("write a method and a URL, like \"POST https://host/path\"".to_owned());
            block.reader.problem(span, message, help);
            None
        }
    }
}

fn at(block: &mut Block<'_, '_>) -> Option<At> {
    let (span, text) = block.string("at")?;
    let at = At::parse(&text);
    if at.is_none() {
        block.reader.problem(span, format!("{text:?} is no time"), Some(At::FORM.to_owned()));
    }
    at
}

fn host(
    block: &mut Block<'_, '_>,
    name: &str,
    read: fn(&str) -> Result<HostPattern, PatternError>,
) -> Option<HostPattern> {
    let (span, text) = block.needed("host", name, "api.example.com")?;
    read(&text).map_err(|error| block.reader.unreadable(span, unreadable(error))).ok()
}

fn scheme(block: &mut Block<'_, '_>) -> Scheme {
    let Some((span, text)) = block.string("scheme") else { return Scheme::Https };
    match text.as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => {
            let help = Some("write scheme = \"https\" or scheme = \"http\"".to_owned());
            block.reader.problem(span, format!("{text:?} is no scheme"), help);
            Scheme::Https
        }
    }
}

/// `access` or `do`: the requests must be given, in one of these ways.
fn allowed_requests(block: &mut Block<'_, '_>, header: &str) -> Vec<RequestPattern> {
    match (block.has("access"), block.has("do")) {
        (true, true) => {
            let help = Some("keep one of them".to_owned());
            block.reader.problem(block.span_of("access"), "`access` and `do` both say what may be asked", help);
            Vec::new()
        }
        (false, false) => {
            let help = "add access = \"read\", or do = [\"GET /path/**\"] with the requests it may make".to_owned();
            let message = format!("this {header} does not say what may be asked");
            block.reader.problem(block.span.clone(), message, Some(help));
            Vec::new()
        }
        (true, false) => access(block),
        (false, true) => requests(block),
    }
}

fn access(block: &mut Block<'_, '_>) -> Vec<RequestPattern> {
    let Some((span, text)) = block.string("access") else { return Vec::new() };
    if text != "read" {
        let help = "write access = \"read\" (GET, HEAD and OPTIONS), or list more in do = [\"* /**\"]".to_owned();
        block.reader.problem(span, format!("`access` cannot be {text:?}"), Some(help));
    }
    vec![RequestPattern::any_read()]
}

pub(crate) fn requests(block: &mut Block<'_, '_>) -> Vec<RequestPattern> {
    let mut out = Vec::new();
    for (span, text) in block.strings("do") {
        match RequestPattern::read(&text) {
            Ok(pattern) => out.push(pattern),
            Err(error) => block.reader.unreadable(span, unreadable(error)),
        }
    }
    out
}

/// Pairs are compared as they stand, so they must not contain anything with two spellings.
fn query(block: &mut Block<'_, '_>) -> Option<Vec<(String, String)>> {
    let mut out = Vec::new();
    for (span, key, value) in block.pairs("query")? {
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
        if key.is_empty() || !plain(&key) || !plain(&value) {
            let help = Some("use letters, digits, - . _ and ~ only".to_owned());
            block.reader.problem(span, format!("the query {key}={value} can be spelled in more than one way"), help);
        }
        out.push((key, value));
    }
    out.sort_unstable();
    Some(out)
}

fn credential(block: &mut Block<'_, '_>, scheme: Scheme) -> Option<Arc<str>> {
    let (span, name) = block.string("credential")?;
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !fits {
        let help = Some("name one of [credentials.…] in doorward.toml; never write the secret itself here".to_owned());
        // Not shown: somebody may have put the secret itself there.
        block.reader.problem(span, "this is no name of a credential", help);
    } else if scheme == Scheme::Http {
        let help = Some("remove `credential`, or use https".to_owned());
        block.reader.problem(span, "a credential only travels inside TLS, and this rule says http", help);
    }
    Some(name.into())
}

fn why(block: &mut Block<'_, '_>) -> Option<String> {
    let (span, text) = block.string("why")?;
    let text = text.trim().trim_end_matches('.').to_owned();
    if text.is_empty() || text.chars().any(char::is_control) {
        let help = Some("write one sentence that its reader understands".to_owned());
        block.reader.problem(span, "`why` is empty, or holds a line break or control character", help);
    }
    Some(text)
}

fn private(block: &mut Block<'_, '_>, host: Option<&HostPattern>) -> Vec<IpNet> {
    let texts = block.strings("private");
    if !texts.is_empty() && host.is_some_and(|host| !host.is_exact()) {
        let help = Some("write a rule of its own for each host at home".to_owned());
        block.reader.problem(block.span_of("private"), "`private` needs one exact host, not a pattern", help);
    }
    let mut out = Vec::new();
    for (span, text) in texts {
        match private_net(&text) {
            Ok(net) => out.push(net),
            Err(error) => block.reader.unreadable(span, unreadable(error)),
        }
    }
    out
}

fn private_net(text: &str) -> Result<IpNet, PatternError> {
    let Ok(net) = text.parse::<IpNet>() else {
        let address = text.parse::<std::net::IpAddr>().map(IpNet::from).map(|net| format!("write \"{net}\""));
        let help = address.unwrap_or_else(|_| "write a network, like \"192.168.1.20/32\"".to_owned());
        return Err(PatternError::new(format!("{text:?} is no network"), Some(help)));
    };
    let (wide, words) = match net {
        IpNet::V4(_) => (net.prefix_len() < 8, "/8"),
        IpNet::V6(_) => (net.prefix_len() < 7, "/7"),
    };
    if wide {
        let help = format!("name the one address you mean, or a network of {words} at most");
        return Err(PatternError::new(format!("{text} is too wide"), Some(help)));
    }
    if net != net.trunc() {
        let help =
            format!("write \"{}\" for the address, or \"{}\" for its network", IpNet::from(net.addr()), net.trunc());
        return Err(PatternError::new(format!("{text} is an address and a network at once"), Some(help)));
    }
    if net.addr() != net.addr().to_canonical() {
        let help = format!("write \"{}\"", IpNet::from(net.addr().to_canonical()));
        return Err(PatternError::new(format!("{text} is an IPv4 network written as IPv6"), Some(help)));
    }
    match special_net(&net) {
        Some(_) => Ok(net),
        None => {
            let help = "name only addresses that are refused otherwise: public ones need no `private`".to_owned();
            Err(PatternError::new(format!("{text} reaches into the public internet"), Some(help)))
        }
    }
}
