//! The tools around the verdict: suggestions, differences, test reports, manifest.
#![allow(clippy::unwrap_used)]

use policies::{Code, Facts, GroupName, Moment, Policy, Verdict};
use policy_file::{Fate, Source, Texts, diff, manifest, suggest, summaries};

fn group() -> GroupName {
    GroupName::parse("family").unwrap()
}

fn source(text: &str) -> Source {
    Source { name: "policies/family.toml".to_owned(), text: text.to_owned() }
}

fn texts(text: &str, base: Option<Source>) -> Texts {
    Texts { base, ..Texts::of(source(text)) }
}

fn policy(text: &str) -> Policy {
    policy_file::compile(&group(), &source(text), None).unwrap_or_else(|problems| panic!("{problems}")).policy
}

fn policy_with_base(text: &str, base: &str) -> Policy {
    let base = Source { name: "base.toml".to_owned(), text: base.to_owned() };
    policy_file::compile(&group(), &source(text), Some(&base)).unwrap_or_else(|problems| panic!("{problems}")).policy
}

fn facts(request: &str) -> Facts {
    let (method, url) = request.split_once(' ').unwrap();
    Facts::parse(method, url).unwrap()
}

fn refused(policy: &Policy, requests: &[&str]) -> Vec<(Facts, Option<Code>)> {
    let code = |request: &&str| match policy.at(Moment::FAR).decide(facts(request)) {
        Verdict::Allow(_) => (facts(request), None),
        Verdict::Ask(ask) => (ask.into_facts(), Some(Code::AskUnanswered)),
        Verdict::Deny(facts, refusal) => (facts, Some(refusal.code)),
    };
    requests.iter().map(code).collect()
}

#[test]
fn suggestions_are_the_smallest_rules() {
    let text = r#"
[[allow]]
host = "api.test"
do = ["GET /notes"]
credential = "key"

[[deny]]
host = "api.test"
do = ["* /gists"]
"#;
    let own = policy(text);
    let asked = refused(
        &own,
        &[
            "GET https://news.test/today",
            "GET https://news.test/yesterday?page=2",
            "GET https://news.test/today?page=1",
            "HEAD https://news.test/today",
            "GET http://news.test/today",
            "POST https://api.test/notes",
            "GET wss://live.test/socket",
            "GET https://10.0.0.1/",
            "GET https://api.test/gists",
            "GET https://api.test/gists?again",
            "GET https://api.test/notes",
            "GET https://doorward.internal/",
            // An address that no policy can name.
            "GET https://[::ffff:10.0.0.1]/",
        ],
    );
    let mut asked_and_more = asked.clone();
    asked_and_more.push((facts("GET https://evil.test/"), Some(Code::SurrogateUnbound)));
    let suggestion = suggest(own.at(Moment::FAR), &asked_and_more);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("suggestion", suggestion.toml);
    });
    assert_eq!((suggestion.requests, suggestion.beyond_rules), (7, 3));
    let denied: Vec<_> = suggestion.denied.iter().map(|(facts, rule)| format!("{} {rule}", facts.path)).collect();
    assert_eq!(denied, ["/gists policies/family.toml:7"]);
    // Once added to the file, they allow what was requested, and nothing is left to suggest.
    let widened = policy(&format!("{text}\n{}", suggestion.toml));
    assert_eq!(suggest(widened.at(Moment::FAR), &asked).toml, "");
    assert_eq!(suggest(widened.at(Moment::FAR), &asked).denied.len(), 1);
    assert_eq!(suggest(own.at(Moment::FAR), &[]), policy_file::Suggestion::default());
}

#[test]
fn observed_requests_are_suggested_too() {
    let text = "mode = \"observe\"\nobserve_until = \"2026-12-01\"\n";
    let suggestion = suggest(policy(text).at(Moment::FAR), &[(facts("GET https://a.test/x"), None)]);
    assert_eq!(suggestion.toml, "[[allow]]\nhost = \"a.test\"\ndo = [\"GET /x\"]\n");
}

#[test]
fn many_pages_of_one_folder_are_remarked() {
    let own = policy("");
    let pages: Vec<String> = (0..6).map(|n| format!("GET https://a.test/wiki/page{n}")).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let toml = suggest(own.at(Moment::FAR), &refused(&own, &pages)).toml;
    assert!(toml.contains("# \"GET /wiki/*\" would cover 6 of these, and every other page there"), "{toml}");
    assert!(!suggest(own.at(Moment::FAR), &refused(&own, &pages[..4])).toml.contains('#'));
    let roots: Vec<String> = (0..6).map(|n| format!("GET https://a.test/page{n}")).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    // No comment suggests opening a whole host.
    assert!(!suggest(own.at(Moment::FAR), &refused(&own, &roots)).toml.contains('#'));
}

#[test]
fn differences_are_told_by_rule_and_by_request() {
    let old = policy(
        "[limits]\nrequests_per_day = 10\nupload_per_day = \"1 MB\"\n[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n\
         [[allow]]\nhost = \"b.test\"\naccess = \"read\"\n[[deny]]\nhost = \"c.test\"\n",
    );
    let new = policy(
        "mode = \"observe\"\nobserve_until = \"2026-12-01\"\n[limits]\nrequests_per_day = 20\n[[deny]]\nhost = \"c.test\"\nwhy = \"x\"\n\
         [[allow]]\nhost = \"b.test\"\ntls = \"tunnel\"\n\
         [[allow]]\nhost = \"a.test\"\naccess = \"read\"\n[[allow]]\nhost = \"a.test\"\ndo = [\"POST /\"]\njson = { a = \"absent\" }\n",
    );
    let asked: Vec<Facts> = [
        "GET https://a.test/",
        "POST https://a.test/?q=1",
        "POST https://a.test/",
        "GET https://b.test/",
        "GET https://c.test/",
    ]
    .map(facts)
    .to_vec();
    let change = diff(&old, &new).with_requests(old.at(Moment::FAR), new.at(Moment::FAR), &asked);
    let shown = |rules: &[policy_file::RuleSummary]| {
        rules.iter().map(|rule| format!("{} {}", rule.effect, rule.host)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&change.added), ["allow b.test", "allow a.test"]);
    assert_eq!(shown(&change.removed), ["allow b.test"]);
    let limits: Vec<_> = change.limits.iter().map(|limit| (limit.name, limit.old, limit.new)).collect();
    assert_eq!(limits, [("upload_per_day", Some(1_000_000), None), ("requests_per_day", Some(10), Some(20))]);
    assert_eq!(change.observe.unwrap().1.unwrap().to_string(), "2026-12-01");
    let fates: Vec<_> =
        change.requests.iter().map(|change| (change.request.as_str(), change.old, change.new)).collect();
    assert_eq!(
        fates,
        [
            ("POST https://a.test/", Fate::Refused(Code::MethodDenied), Fate::AllowedByBody),
            ("GET https://b.test/", Fate::Allowed, Fate::Tunnelled),
        ]
    );
    assert!(change.widens() && !change.is_empty());
    let same = diff(&old, &old).with_requests(old.at(Moment::FAR), old.at(Moment::FAR), &asked);
    assert!(same.is_empty() && !same.widens());
}

#[test]
fn what_may_widen_says_so() {
    let widens = |old: &str, new: &str| {
        let change = diff(&policy(old), &policy(new));
        assert!(!change.is_empty(), "{old}\n->\n{new}");
        change.widens()
    };
    let allow = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n";
    let deny = "[[deny]]\nhost = \"a.test\"\n";
    let bound = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\njson = { a = \"absent\" }\n";
    let observe = |day: &str| format!("mode = \"observe\"\nobserve_until = \"2026-12-{day}\"\n");
    let limit = |number: u64| format!("[limits]\nrequests_per_day = {number}\n");
    for (old, new, want) in [
        ("", allow, true),
        (allow, "", false),
        ("", deny, false),
        (deny, "", true),
        (bound, allow, true),
        (&format!("{bound}{allow}"), allow, true),
        ("", &observe("01"), true),
        (&observe("01"), "", false),
        (&observe("02"), &observe("01"), false),
        (&observe("01"), &observe("02"), true),
        (&limit(1), &limit(2), true),
        (&limit(2), &limit(1), false),
        (&limit(2), "", true),
        ("", &limit(2), false),
        ("", "leaks = \"block\"\n", false),
        ("leaks = \"block\"\n", "", true),
        (
            "[[allow]]\nhost = \"a.test\"\ndo = [\"POST /\"]\njson = { a = { only = [true] } }\n",
            "[[allow]]\nhost = \"a.test\"\ndo = [\"POST /\"]\njson = { a = { only = [\"true\"] } }\n",
            true,
        ),
    ] {
        assert_eq!(widens(old, new), want, "{old}\n->\n{new}");
    }
}

#[test]
fn tests_are_reported_one_by_one() {
    let text = "use = [\"weather\"]\n[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n\
                [[test]]\nrequest = \"GET https://a.test/\"\nwant = \"allow\"\n\
                [[test]]\nrequest = \"GET https://a.test/\"\nwant = \"deny\"\n\
                [[test]]\nrequest = \"GET https://b.test/\"\nwant = \"allow\"\n";
    let base = Source {
        name: "base.toml".to_owned(),
        text: "[[test]]\nrequest = \"GET https://c.test/\"\nwant = \"deny\"\n".to_owned(),
    };
    let reports = policy_file::run_tests(&group(), &texts(text, Some(base))).unwrap();
    let shown: Vec<_> = reports
        .iter()
        .map(|report| format!("{} {} {} {}", report.at, report.passed, report.want, report.why))
        .collect();
    assert_eq!(
        shown,
        [
            "policies/family.toml:5 true allow allowed by policies/family.toml:2",
            "policies/family.toml:8 false deny allowed by policies/family.toml:2",
            "policies/family.toml:11 false allow no rule of group family names b.test",
            "base.toml:1 true deny no rule of group family names c.test",
        ]
    );
    assert!(policy_file::run_tests(&group(), &texts("uses = 1", None)).is_err());
}

/// Rules that depend on the time can be tested: on a day, or without one for the rules alone.
#[test]
fn a_test_says_when_it_asks() {
    let at = |at: &str, want: &str| format!("[[test]]\nrequest = \"GET https://new.test/\"\n{at}\nwant = \"{want}\"\n");
    let tests = [
        at("", "deny"),
        at("at = \"sat 22:00\"", "deny"),
        at("at = \"2026-12-01\"", "allow"),
        at("at = \"2026-12-02 00:00\"", "deny"),
    ];
    let text = format!("mode = \"observe\"\nobserve_until = \"2026-12-01\"\n{}", tests.concat());
    let reports = policy_file::run_tests(&group(), &texts(&text, None)).unwrap();
    assert!(reports.iter().all(|report| report.passed), "{reports:?}");
    let when: Vec<_> = reports.iter().map(|report| report.when.as_deref()).collect();
    assert_eq!(when, [None, Some("sat 22:00"), Some("2026-12-01"), Some("2026-12-02 00:00")]);
    let wrong = text.replace("sat 22:00", "saturday");
    let problems = policy_file::compile(&group(), &source(&wrong), None).unwrap_err().to_string();
    assert!(problems.contains("\"saturday\" is no time; write a day"), "{problems}");
    let denied = at("at = \"2026-12-01\"", "deny");
    let text = format!("mode = \"observe\"\nobserve_until = \"2026-12-01\"\n{denied}");
    let problems = policy_file::compile(&group(), &source(&text), None).unwrap_err().to_string();
    assert!(problems.contains("wants GET https://new.test/ at 2026-12-01 denied"), "{problems}");
}

/// A manifest holds no internal name: no file, credential, address or preset.
#[test]
fn the_manifest_names_nothing_internal() {
    let text = "use = [\"claude\"]\nmode = \"observe\"\nobserve_until = \"2026-12-01\"\n[limits]\nrequests_per_day = 7\n\
                [[allow]]\nhost = \"nas.home.test\"\naccess = \"read\"\nprivate = [\"192.168.1.20/32\"]\ncredential = \"nas-key\"\n\
                [[allow]]\nhost = \"pinned.test\"\ntls = \"tunnel\"\n\
                [[allow]]\nhost = \"live.test\"\ndo = [\"GET /ws\"]\nwebsocket = true\n\
                [[deny]]\nhost = \"evil.test\"\nwhy = \"no\"\n";
    let manifest = serde_json::to_value(manifest(&policy(text))).unwrap();
    let shown = manifest.to_string();
    for internal in ["family.toml", "preset", "nas-key", "anthropic\"", "192.168", "observe", "\"line\""] {
        assert!(!shown.contains(internal), "{internal} in {shown}");
    }
    assert_eq!(manifest["group"], "family");
    assert_eq!(manifest["limits"]["requests_per_day"], 7);
    let denied = serde_json::json!({ "host": "evil.test", "requests": ["* /**"], "why": "no" });
    assert_eq!(manifest["denied"][0], denied);
    let of = |host: &str| {
        manifest["allowed"].as_array().unwrap().iter().find(|reach| reach["host"] == host).cloned().unwrap()
    };
    assert_eq!(of("pinned.test"), serde_json::json!({ "host": "pinned.test", "scheme": "https", "ports": [443] }));
    assert_eq!(of("nas.home.test")["with_credential"], true);
    assert_eq!(of("live.test")["websocket"], true);
    assert_eq!(of("api.anthropic.com")["with_credential"], true);
}

#[test]
fn rules_are_listed_with_their_places() {
    let text = "use = [\"claude\"]\n\n[[allow]]\nhost = \"a.test\"\naccess = \"read\"\nwhy = \"news\"\n";
    let policy = policy_with_base(text, "[[deny]]\nhost = \"**.evil.test\"\n");
    let shown: Vec<_> =
        summaries(&policy).iter().map(|rule| format!("{} {} {}", rule.at, rule.effect, rule.host)).collect();
    let [own, presets @ .., base] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((own.as_str(), base.as_str()), ("policies/family.toml:3 allow a.test", "base.toml:1 deny **.evil.test"));
    assert!(presets[0].ends_with(" allow api.anthropic.com"), "{presets:?}");
    assert!(presets.iter().all(|rule| rule.starts_with("preset claude:")), "{presets:?}");
    let other = policy_with_base(text, "");
    assert_ne!(policy.hash(), other.hash());
    let hash = policy.hash().to_string();
    assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    assert_eq!(other.hash(), policy_with_base(text, "").hash());
}

/// Whoever reads a rule sees everything that it opens.
#[test]
fn a_rule_is_shown_whole() {
    let text = r#"
[[allow]]
host = "nas.home.test"
scheme = "https"
ports = [8443]
do = ["POST /v1/*"]
query = { a = "1", b = "2" }
credential = "key"
private = ["192.168.1.20/32"]
model = true
json = { file = "absent" }

[[allow]]
host = "app.home.test"
tls = "tunnel"
private = ["fc00::/7"]

[[allow]]
host = "live.test"
do = ["GET /ws"]
websocket = true

[[deny]]
host = "evil.test"
json = { tools = "present" }
why = "no tools"
"#;
    let shown = serde_json::to_value(summaries(&policy(text))).unwrap();
    let bare = serde_json::json!({
        "at": null, "origin": "group", "effect": "allow", "host": null, "scheme": "https", "ports": [443],
        "requests": [], "query": null, "credential": null, "private": [], "model": false, "opaque": false, "tls": null,
        "websocket": false, "json": [], "hours": null, "why": null,
    });
    let want = [
        serde_json::json!({
            "host": "nas.home.test", "ports": [8443], "requests": ["POST /v1/*"], "query": "a=1&b=2",
            "credential": "key", "private": ["192.168.1.20/32"], "model": true, "json": ["there is no `file`"],
        }),
        serde_json::json!({ "host": "app.home.test", "tls": "tunnel", "private": ["fc00::/7"] }),
        serde_json::json!({ "host": "live.test", "requests": ["GET /ws"], "websocket": true }),
        serde_json::json!({
            "effect": "deny", "host": "evil.test", "scheme": null, "ports": [], "requests": ["* /**"],
            "json": ["there is a `tools`"], "why": "no tools",
        }),
    ];
    for ((shown, want), line) in shown.as_array().unwrap().iter().zip(want).zip([2, 13, 18, 23]) {
        let mut whole = bare.clone();
        whole["at"] = serde_json::json!({ "file": "policies/family.toml", "line": line });
        whole.as_object_mut().unwrap().extend(want.as_object().unwrap().clone());
        assert_eq!(*shown, whole);
    }
    assert_eq!(shown.as_array().unwrap().len(), 4);
}
