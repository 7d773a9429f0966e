//! What is shown is what judges: rules that are written back and read again are the same rules,
//! with every key there is.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use policies::{Facts, GroupName, Moment, Origin, Policy, RuleRef, Rules, Verdict};
use policy_file::{Source, keys, written};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

fn compile(text: &str) -> Policy {
    let group = GroupName::parse("family").unwrap();
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    policy_file::compile(&group, &source, None).unwrap_or_else(|problems| panic!("{problems}\n{text}")).policy
}

/// The rules without their places, which differ in another file.
fn placeless(rules: &Rules) -> Rules {
    let at = || RuleRef { file: "".into(), line: 0 };
    let mut rules = rules.clone();
    for rule in &mut rules.allows {
        (rule.at, rule.origin) = (at(), Origin::Group);
    }
    for rule in &mut rules.tunnels {
        (rule.at, rule.origin) = (at(), Origin::Group);
    }
    for rule in &mut rules.denies {
        (rule.at, rule.origin) = (at(), Origin::Group);
    }
    for say in &mut rules.says {
        say.at = at();
    }
    if let Some(unlisted) = &mut rules.asking.unlisted {
        *unlisted = at();
    }
    if let Some(observe) = &mut rules.observe {
        observe.at = at();
    }
    rules
}

fn line(lines: &'static [&'static str]) -> BoxedStrategy<String> {
    select(lines).prop_map(str::to_owned).boxed()
}

/// Values for each key of a judged `[[allow]]`; a new key needs an entry here.
fn value(key: &str) -> BoxedStrategy<String> {
    match key {
        "host" => line(&["host = \"a.test\"", "host = \"b.test\""]),
        "scheme" => line(&["", "scheme = \"https\"", "scheme = \"http\""]),
        "ports" => line(&["", "ports = [8443]", "ports = [443, 80]"]),
        "access" => line(&["access = \"read\""]),
        "do" => line(&[
            "do = [\"GET /x\"]",
            "do = [\"* /**\", \"POST /a/*/%2A\"]",
            "do = [\"POST /p%2Fq\", \"GET /caf%C3%A9//x\"]",
        ]),
        "query" => line(&["", "query = {}", "query = { s = \"r\", \"a.b\" = \"1\" }"]),
        "json" => line(&[
            "",
            "json = { \"t[*].k\" = { not = [\"web_*\", true] }, \"a.b?[0]\" = \"absent\" }",
            "json = { \"x-y\" = { only = [\"quo\\\"ted\"] }, z = \"present\" }",
            "json = { a = { any = [false] } }",
        ]),
        "websocket" => line(&["", "websocket = true", "websocket = false"]),
        "tls" => line(&["tls = \"tunnel\""]),
        "credential" => line(&["", "credential = \"key\""]),
        "private" => line(&["", "private = [\"192.168.1.20/32\", \"fd00::/8\"]"]),
        "model" => line(&["", "model = true"]),
        "unasked" => line(&["", "", "unasked = true"]),
        "opaque" => line(&["", "opaque = true"]),
        "hours" => line(&["", "hours = \"07:00-21:00\"", "hours = \"22:00-06:00\""]),
        "days" => line(&["", "days = [\"sun\", \"mon\"]", "days = [\"sat\"]"]),
        "from" => line(&["", "from = \"2026-12-05 21:59\"", "from = \"2026-01-01 00:00\""]),
        "until" => line(&["", "until = \"2026-12-05 22:00\"", "until = \"9999-12-31 00:00\""]),
        "why" => line(&["", "why = \"because \\\"it\\\" rains, 100 %\""]),
        other => panic!("say here what `{other}` may be"),
    }
}

/// Mutually exclusive keys, by the form of the rule.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Access,
    Do,
    Opaque,
    Tunnel,
    AskedAccess,
    AskedDo,
}

impl Form {
    fn asks(self) -> bool {
        matches!(self, Form::AskedAccess | Form::AskedDo)
    }
}

fn fits(form: Form, key: &str) -> bool {
    let opened = match key {
        "access" => matches!(form, Form::Access | Form::AskedAccess),
        "do" => matches!(form, Form::Do | Form::AskedDo),
        "opaque" => form == Form::Opaque,
        "tls" => form == Form::Tunnel,
        _ if form.asks() => keys::of_ask().any(|of_ask| of_ask.name == key),
        _ if form == Form::Tunnel => keys::of_tunnel().any(|of_tunnel| of_tunnel.name == key),
        _ => true,
    };
    opened && !(form == Form::Opaque && key == "websocket")
}

/// Whether a rule names more than single requests.
fn has_stars(lines: &[&str]) -> bool {
    lines.iter().any(|line| line.starts_with("access") || (line.starts_with("do") && line.contains('*')))
}

/// An `[[allow]]` or `[[ask]]`.
fn allow() -> impl Strategy<Value = String> {
    use Form::{Access, AskedAccess, AskedDo, Do, Opaque, Tunnel};
    let form = select([Access, Do, Opaque, Tunnel, AskedAccess, AskedDo].as_slice());
    let lines = form.prop_flat_map(|form| {
        let lines: Vec<_> = keys::of_allow().filter(|key| fits(form, key.name)).map(|key| value(key.name)).collect();
        lines.prop_map(move |lines| {
            let exact = if form == Form::Opaque { "do = [\"GET /x\"]\n" } else { "" };
            (form.asks(), format!("{exact}{}", lines.join("\n")))
        })
    });
    lines.prop_map(|(asks, lines)| {
        let mut lines: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
        // Keys that cannot be combined.
        if lines.contains(&"scheme = \"http\"") {
            lines.retain(|line| !line.starts_with("credential"));
        }
        if asks {
            // Nobody is asked about paths that must be spelt.
            lines.retain(|line| !line.contains("%2F"));
            if !has_stars(&lines) && !lines.iter().any(|line| line.starts_with("do")) {
                lines.push("do = [\"PUT /asked\"]");
            }
        }
        if has_stars(&lines) {
            lines.retain(|line| !line.starts_with("unasked"));
        }
        if lines.contains(&"websocket = true") {
            lines.retain(|line| !line.starts_with("json") && !line.starts_with("do = [\"POST"));
            if !lines.iter().any(|line| line.starts_with("do") || line.starts_with("access")) {
                lines.push("access = \"read\"");
            }
        }
        format!("[[{}]]\n{}\n", if asks { "ask" } else { "allow" }, lines.join("\n"))
    })
}

fn deny() -> impl Strategy<Value = String> {
    let host = line(&["host = \"**.test\"", "host = \"evil.test\""]);
    let asked = line(&["", "do = [\"DELETE /**\", \"* /private\"]"]);
    (host, value("ports"), asked, value("json"), value("why"))
        .prop_map(|(host, ports, asked, json, why)| format!("[[deny]]\n{host}\n{ports}\n{asked}\n{json}\n{why}\n"))
}

fn top() -> impl Strategy<Value = String> {
    let limits = line(&["", "[limits]\nupload_per_day = \"20 MB\"\nrequests_per_minute = 3\n"]);
    let limits = prop_oneof![
        limits,
        line(&["[limits]\nupload_per_request = \"1 MiB\"\nrequests_per_day = 0\nnew_names_per_day = 7\n"])
    ];
    let mode = line(&["", "mode = \"observe\"\nobserve_until = \"2026-12-01\"\n"]);
    (mode, line(&["", "leaks = \"block\"\n"]), limits)
        .prop_map(|(mode, leaks, limits)| format!("{mode}{leaks}{limits}"))
}

fn file() -> impl Strategy<Value = String> {
    let rules = (prop::collection::vec(allow(), 0..5), prop::collection::vec(deny(), 0..3));
    let asking = line(&["", "unlisted = true\n", "hold = \"20s\"\nquiet = [\"22:00-07:00\", \"13:00-14:00\"]\n"]);
    (top(), asking, rules).prop_map(|(top, asking, (allows, denies))| {
        let rules = format!("{}{}", allows.concat(), denies.concat());
        let header = if rules.contains("[[ask]]") { "[[ask]]\n" } else { "[ask]\n" };
        format!("{top}{}{asking}{rules}", if asking.is_empty() { "" } else { header })
    })
}

fn request() -> impl Strategy<Value = Facts> {
    let method = select(["GET", "POST", "DELETE"].as_slice());
    let host = select(["https://a.test", "http://a.test", "https://b.test:8443", "https://evil.test"].as_slice());
    let path = select(["/x", "/a/b/%2A", "/p%2Fq", "/caf%C3%A9//x", "/private"].as_slice());
    let query = select(["", "?a.b=1&s=r", "?_method=DELETE"].as_slice());
    (method, host, path, query)
        .prop_map(|(method, host, path, query)| Facts::parse(method, &format!("{host}{path}{query}")).unwrap())
}

/// The decision, without the places of rules.
fn decided(policy: &Policy, facts: &Facts) -> String {
    match policy.at(Moment::FAR).decide(facts.clone()) {
        Verdict::Allow(permit) => format!(
            "{:?} {} {} {:?} {}",
            permit.credential(),
            permit.model(),
            permit.opaque(),
            permit.private(),
            permit.body_conditions().is_some()
        ),
        Verdict::Ask(ask) => format!("{:?} {:?}", ask.terms().credential(), ask.by().why),
        Verdict::Deny(_, refusal) => refusal.code.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_is_what_judges(text in file(), facts in request()) {
        let group = GroupName::parse("family").unwrap();
        let source = Source { name: "family.toml".to_owned(), text };
        // Two credentials for one request are refused when the file is read.
        let Ok(compiled) = policy_file::compile(&group, &source, None) else { return Ok(()) };
        let policy = compiled.policy;
        let again = compile(&written(policy.rules()));
        prop_assert_eq!(placeless(again.rules()), placeless(policy.rules()));
        prop_assert_eq!(decided(&again, &facts), decided(&policy, &facts));
    }
}

/// Without this, the property would prove little.
#[test]
fn most_files_are_read_and_every_key_is_in_one() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut read, mut seen) = (0, BTreeSet::new());
    for _ in 0..200 {
        let text = file().new_tree(&mut runner).unwrap().current();
        let group = GroupName::parse("family").unwrap();
        let source = Source { name: "family.toml".to_owned(), text };
        let Ok(compiled) = policy_file::compile(&group, &source, None) else { continue };
        read += 1;
        let shown = written(compiled.policy.rules());
        seen.extend(shown.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.to_owned()));
    }
    assert!(read > 150, "only {read} of 200 could be read");
    for key in keys::of_allow() {
        assert!(seen.contains(key.name), "no rule has `{}`", key.name);
    }
}

#[test]
fn presets_are_written_too() {
    let policy = compile(&format!("use = {:?}\n", policy_file::presets::names()));
    let again = compile(&written(policy.rules()));
    assert_eq!(placeless(again.rules()), placeless(policy.rules()));
}
