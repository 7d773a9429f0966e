#![allow(clippy::unwrap_used)]

use policies::{Code, Date, Moment, TimeOfDay};

use super::asked::{asked, request};
use super::*;
use crate::store::ledger::DecisionRecord;

const POLICY: &str = r#"[[allow]]
host = "a.test"
do = ["GET /x"]

[[deny]]
host = "b.test"

[[test]]
request = "GET https://a.test/x"
want = "allow"

[[test]]
request = "GET https://a.test/y"
want = "allow"
"#;

fn home(policy: &str) -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    home.prepare().unwrap();
    std::fs::write(home.policy_file(&family()), policy).unwrap();
    (dir, home)
}

fn family() -> GroupName {
    GroupName::parse("family").unwrap()
}

fn record(method: &str, host: &str, path: &str) -> DecisionRecord {
    let text = |text: &str| Some(text.to_owned());
    DecisionRecord {
        scheme: text("https"),
        host: text(host),
        port: Some(443),
        method: text(method),
        path: text(path),
        ..DecisionRecord::default()
    }
}

#[test]
fn requests_of_the_log_are_read_back() {
    let page = request(&record("GET", "a.test", "/y"), Some("path_denied")).unwrap();
    assert_eq!((page.facts, page.code), (Facts::parse("GET", "https://a.test/y").unwrap(), Some(Code::PathDenied)));
    let live = request(&record("GET", "a.test", "/y"), Some("upgrade_denied")).unwrap();
    assert_eq!(live.facts, Facts::parse("GET", "wss://a.test/y").unwrap());
    let observed = request(&DecisionRecord { observed: true, ..record("GET", "c.test", "/") }, None).unwrap();
    assert!(observed.observed && observed.code.is_none());
    let home_v6 = request(&record("GET", "[fd00::1]", "/"), None).unwrap();
    assert_eq!(home_v6.facts.authority.to_string(), "[fd00::1]:443");
    // What could not be parsed then cannot be parsed now.
    assert!(request(&DecisionRecord::default(), Some("framing")).is_none());
    assert!(request(&record("get", "a.test", "/"), Some("method_denied")).is_none());
    assert!(request(&record("GET", "a.test", "/../x"), Some("path_ambiguous")).is_none());
    assert!(request(&record("GET", "a.test", "/"), Some("a_code_of_tomorrow")).is_none());
    let (_dir, home) = home("");
    assert!(asked(&home, &family(), None).unwrap().is_empty());
}

#[test]
fn a_suggestion_says_where_it_goes() {
    let (_dir, home) = home(POLICY);
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let asked = [
        ("GET", "a.test", "/y", "path_denied"),
        ("GET", "b.test", "/", "denied_by_rule"),
        ("GET", "a.test", "/", "framing"),
    ]
    .map(|(method, host, path, code)| request(&record(method, host, path), Some(code)).unwrap());
    let suggestion = policy_file::suggest(policy.at(Moment::FAR), &asked.map(|asked| (asked.facts, asked.code)));
    let shown = suggest::words(&home, &family(), &suggestion).plain();
    let file = home.policy_file(&family());
    let want = format!(
        "# Put into {} what you want of this; it allows 1 request.\n\n[[allow]]\nhost = \"a.test\"\ndo = [\"GET /y\"]\n\n\
         # Closed by a deny, which no [[allow]] opens:\n#   GET https://b.test/ (policies/family.toml:5)\n\n\
         # 1 request refused for what no rule lifts; `doorward audit --group family --denied` shows why.",
        file.display()
    );
    assert_eq!(shown, want);
    // All of it is itself a valid policy file.
    std::fs::write(&file, format!("{POLICY}\n{shown}\n")).unwrap();
    assert!(compile(&home, &family()).is_ok());
    let nothing = suggest::words(&home, &family(), &policy_file::suggest(policy.at(Moment::FAR), &[])).plain();
    assert_eq!(nothing, "# Nothing of family was refused that a rule could allow.");
}

#[test]
fn a_difference_reads_like_one() {
    let (_dir, home) = home(POLICY);
    let old = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    std::fs::write(home.policy_file(&family()), POLICY.replace("/x\"]", "/y\"]\ncredential = \"key\"")).unwrap();
    let new = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let log = [Facts::parse("GET", "https://a.test/y").unwrap()];
    assert_eq!(
        diff::words(&policy_file::diff(&old, &new).with_requests(old.at(Moment::FAR), new.at(Moment::FAR), &log))
            .plain(),
        "- allow a.test GET /x  (policies/family.toml:1)\n\
         + allow a.test GET /y, with the credential key  (policies/family.toml:1)\n\n\
         Requests in the log that would fare otherwise:\n  GET https://a.test/y: refused (path_denied) -> allowed\n\n\
         This may allow more than before."
    );
    assert_eq!(
        diff::words(&policy_file::diff(&old, &old).with_requests(old.at(Moment::FAR), old.at(Moment::FAR), &log))
            .plain(),
        "Nothing changes."
    );
}

#[test]
fn tests_are_listed_with_what_went_wrong() {
    let (_dir, home) = home(POLICY);
    let code = |group| test::run(&home, group, false).map_err(|_| "refused");
    assert_eq!(code(Some(family())), Ok(ExitCode::from(1)));
    assert_eq!(code(None), Ok(ExitCode::from(1)));
    assert_eq!(code(GroupName::parse("nobody").ok()), Err("refused"));
    let reports = test::reports(&home, &family()).map_err(|_| "wrong").unwrap();
    assert_eq!(
        test::words(&family(), &reports).plain(),
        "ok      allow is wanted for GET https://a.test/x (policies/family.toml:8)\n\
         FAILED  allow is wanted for GET https://a.test/y (policies/family.toml:12)\n        \
         group family may reach a.test, but not this page of it\nfamily: 1 of 2 tests hold"
    );
}

const ALL_OF_IT: &str = r#"mode = "observe"
observe_until = "2026-12-01"

[limits]
upload_per_day = "20 MB"
requests_per_day = 500

[[allow]]
host = "nas.home"
ports = [8443]
do = ["GET /notes", "POST /notes"]
query = { view = "plain" }
credential = "nas"
private = ["192.168.1.20/32"]
model = true
json = { file_url = "absent" }

[[allow]]
host = "*.live.test"
do = ["GET /prices"]
websocket = true

[[allow]]
host = "pinned.test"
tls = "tunnel"

[[deny]]
host = "pastes.test"
"#;

fn noon(date: &str) -> Moment {
    Moment::new(day(date), TimeOfDay::NOON)
}

fn day(text: &str) -> Date {
    Date::parse(text).unwrap()
}

#[test]
fn all_of_a_policy_is_shown() {
    let (_dir, home) = home(ALL_OF_IT);
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let requests =
        "GET /notes, POST /notes, with ?view=plain, if there is no `file_url`, private 192.168.1.20/32, a model";
    assert_eq!(
        rules::words(&home, &policy, noon("2026-12-01")).plain(),
        format!(
            "       host           requests{0:w$}  credential  rule\n\
             allow  nas.home:8443  {requests}  nas         policies/family.toml:8\n\
             allow  *.live.test    {1:n$}              policies/family.toml:18\n\
             allow  pinned.test    {2:n$}              policies/family.toml:23\n\
             deny   pastes.test    {3:n$}              policies/family.toml:27\n\n\
             limits: upload_per_day 20 MB, requests_per_day 500\n\n\
             observed until 2026-12-01: hosts that no rule names are let through, and marked in the log",
            "",
            "GET /prices, WebSocket",
            "any, unopened",
            "* /**",
            w = requests.len() - "requests".len(),
            n = requests.len(),
        )
    );
    let ended = rules::words(&home, &policy, noon("2026-12-02")).plain();
    assert!(ended.ends_with("observing ended on 2026-12-01: every rule is enforced"), "{ended}");
    let json = rules::json(&policy);
    assert_eq!((&json["observe_until"], &json["limits"]["requests_per_day"]), (&"2026-12-01".into(), &500.into()));
    assert_eq!(json["rules"][0]["private"], serde_json::json!(["192.168.1.20/32"]));
}

#[test]
fn an_empty_policy_is_shown_as_one() {
    let (_dir, home) = home("");
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let file = home.policy_file(&family());
    let want = format!("family may reach nothing: {} names nothing.", file.display());
    assert_eq!(rules::words(&home, &policy, noon("2026-12-01")).plain(), want);
}

#[test]
fn explaining_goes_by_the_day() {
    let (_dir, home) = home(ALL_OF_IT);
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let said = |request: &str, on: &str| {
        let (method, url) = request.split_once(' ').unwrap();
        let way = policy_file::way(policy.at(noon(on)), Facts::parse(method, url).unwrap());
        (
            explain::words(&home, &policy, request, None, &way, &[]).plain(),
            explain::json(&policy, request, None, &way, &[]),
        )
    };
    let (words, json) = said("GET https://new.test/", "2026-12-01");
    assert_eq!(
        words,
        "allow  GET https://new.test/\nrule   policies/family.toml:1, observed until 2026-12-01: no rule names the \
         host, and after that day it is refused\nunless it resolves to a private address (resolved_private)"
    );
    assert_eq!((&json["verdict"], &json["observed"]), (&"allow".into(), &true.into()));
    let (words, json) = said("GET https://new.test/", "2026-12-02");
    assert!(words.starts_with("deny   GET https://new.test/\nrule   none names it\ncode   not_allowed\n"), "{words}");
    assert_eq!((&json["verdict"], &json["code"]), (&"deny".into(), &"not_allowed".into()));
    let (words, json) = said("POST https://nas.home:8443/notes?view=plain", "2026-12-01");
    assert_eq!(
        words,
        "allow  POST https://nas.home:8443/notes?view=plain\nrule   policies/family.toml:8, with the credential nas\n\
         says   allow nas.home: GET /notes, POST /notes, with ?view=plain, if there is no `file_url`, private \
         192.168.1.20/32, a model\n\
         body   must be JSON as the rules want it; `policy show` lists the conditions\n\
         unless it resolves to a private address other than 192.168.1.20/32 (resolved_private)"
    );
    assert_eq!((&json["observed"], &json["body_is_checked"]), (&false.into(), &true.into()));
    assert_eq!(json["unless"], "resolved_private");
    let (words, json) = said("GET https://pinned.test/", "2026-12-01");
    assert_eq!(
        words,
        "allow  GET https://pinned.test/\nrule   policies/family.toml:23, unopened: no path is looked at\n\
         says   allow pinned.test: any, unopened"
    );
    assert_eq!(json["tls"], "tunnel");
    assert!(json.get("when").is_none());
    let when = noon("2026-11-30");
    let way = policy_file::way(policy.at(when), Facts::parse("GET", "https://new.test/").unwrap());
    let words = explain::words(&home, &policy, "GET https://new.test/", Some(when), &way, &[]).plain();
    assert!(words.starts_with("allow  GET https://new.test/\nwhen   mon 2026-11-30 12:00\nrule "), "{words}");
    assert_eq!(explain::json(&policy, "", Some(when), &way, &[])["when"], "mon 2026-11-30 12:00");
}

#[test]
fn hours_are_told_wherever_a_rule_is() {
    let (_dir, home) = home(
        "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\nhours = \"07:00-21:00\"\ndays = [\"tue\"]\n\n\
         [[allow]]\nhost = \"app.test\"\ntls = \"tunnel\"\nhours = \"07:00-21:00\"\n",
    );
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let shown = rules::words(&home, &policy, noon("2026-12-01")).plain();
    assert!(shown.contains("GET, HEAD, OPTIONS /**, only 07:00-21:00 on tue"), "{shown}");
    let rules = rules::json(&policy)["rules"].take();
    let hours = serde_json::json!({ "from": "07:00", "to": "21:00", "days": ["tue"] });
    assert_eq!((&rules[0]["hours"], &rules[1]["hours"]["from"]), (&hours, &"07:00".into()));
    let said = |url: &str, time: &str| {
        let when = Moment::new(day("2026-12-01"), TimeOfDay::parse(time).unwrap());
        let way = policy_file::way(policy.at(when), Facts::parse("GET", url).unwrap());
        (
            explain::words(&home, &policy, url, Some(when), &way, &[]).plain(),
            explain::json(&policy, url, Some(when), &way, &[]),
        )
    };
    let (words, json) = said("https://a.test/", "20:59");
    assert!(words.contains("says   allow a.test: GET, HEAD, OPTIONS /**, only 07:00-21:00 on tue"), "{words}");
    assert_eq!((&json["verdict"], &json["hours"]), (&"allow".into(), &hours));
    let (words, json) = said("https://a.test/", "21:00");
    assert!(
        words.contains("code   outside_hours\nwhy    group family may ask this of a.test only 07:00-21:00"),
        "{words}"
    );
    assert!(words.ends_with("change or remove hours = \"07:00-21:00\", days = [\"tue\"]."), "{words}");
    assert_eq!((&json["code"], &json["hours"]), (&"outside_hours".into(), &hours));
    let (words, json) = said("https://app.test/", "20:59");
    assert!(words.ends_with("says   allow app.test: any, unopened, only 07:00-21:00"), "{words}");
    assert_eq!((&json["tls"], &json["hours"]["to"]), (&"tunnel".into(), &"21:00".into()));
    let asked = [(Facts::parse("GET", "https://a.test/").unwrap(), Some(Code::OutsideHours))];
    let suggestion = suggest::words(&home, &family(), &policy_file::suggest(policy.at(Moment::FAR), &asked)).plain();
    assert!(suggestion.contains("#   GET https://a.test/: group family may ask this"), "{suggestion}");
}

#[test]
fn a_rule_that_has_ended_is_shown_as_one() {
    let (_dir, home) = home("[[allow]]\nhost = \"a.test\"\naccess = \"read\"\nuntil = \"2026-12-01 12:00\"\n");
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let shown = |day: &str| rules::words(&home, &policy, noon(day)).plain();
    assert!(shown("2026-11-30").contains("allow  a.test  GET, HEAD, OPTIONS /**, only until tue 2026-12-01 12:00"));
    assert!(shown("2026-12-01").contains("ended  a.test"), "{}", shown("2026-12-01"));
    assert_eq!(rules::json(&policy)["rules"][0]["hours"]["until"], "2026-12-01 12:00");
}

#[test]
fn a_rule_that_has_not_begun_says_when_it_does() {
    let rule = "host = \"a.test\"\naccess = \"read\"\nfrom = \"2026-12-01 12:00\"\n";
    let (_dir, home) = home(&format!("[[allow]]\n{rule}[[ask]]\n{}", rule.replace("a.test", "b.test")));
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let shown = |day: &str| rules::words(&home, &policy, noon(day)).plain();
    let when = "only from tue 2026-12-01 12:00";
    assert!(shown("2026-11-30").contains(&format!("allow later  a.test  GET, HEAD, OPTIONS /**, {when}")));
    assert!(shown("2026-11-30").contains("ask later    b.test"), "{}", shown("2026-11-30"));
    assert!(shown("2026-12-01").contains("allow  a.test") && shown("2026-12-01").contains("ask    b.test"));
    assert_eq!(rules::json(&policy)["rules"][0]["hours"]["begins"], "2026-12-01 12:00");
    assert!(policy_file::written(policy.rules()).contains("from = \"2026-12-01 12:00\"\n"));
    let (url, early) = ("https://a.test/", noon("2026-11-30"));
    let way = policy_file::way(policy.at(early), Facts::parse("GET", url).unwrap());
    let words = explain::words(&home, &policy, url, Some(early), &way, &[]).plain();
    assert!(words.contains("when   mon 2026-11-30 12:00\nrule   policies/family.toml:1\n"), "{words}");
    assert!(
        words.contains(&format!("says   allow a.test: GET, HEAD, OPTIONS /**, {when}\ncode   outside_hours")),
        "{words}"
    );
    let json = explain::json(&policy, url, Some(early), &way, &[]);
    assert_eq!((&json["code"], &json["hours"]["begins"]), (&"outside_hours".into(), &"2026-12-01 12:00".into()));
}

#[test]
fn a_policy_is_shown_as_one_file_that_says_the_same() {
    let (_dir, home) = home(ALL_OF_IT);
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let shown = policy_file::written(policy.rules());
    assert!(
        shown.contains("# policies/family.toml:23\n[[allow]]\nhost = \"pinned.test\"\ntls = \"tunnel\""),
        "{shown}"
    );
    std::fs::write(home.policy_file(&family()), &shown).unwrap();
    let again = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    assert!(policy_file::diff(&policy, &again).is_empty(), "{shown}");
}

/// `explain` checks what the door checks.
#[test]
fn a_request_is_explained_with_its_headers() {
    let policy = "[[allow]]\nhost = \"a.test\"\ndo = [\"* /x\", \"PUT /to/**\"]\ncredential = \"key\"\n\
                  [[allow]]\nhost = \"a.test\"\ntls = \"tunnel\"\n[[allow]]\nhost = \"b.test\"\ntls = \"tunnel\"\n";
    let (dir, home) = home(policy);
    let credential = "[credentials.key]\nsecret = \"env:NOWHERE\"\nhosts = [\"a.test\"]\nenv = \"A_KEY\"\n\
                      place = [\"header:authorization\"]\n";
    std::fs::write(dir.path().join("doorward.toml"), credential).unwrap();
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let way = |method: &str, url: &str, headers: &[&str]| {
        let headers = headers.iter().map(|text| head::header(text).unwrap()).collect();
        head::way(&home, (&policy, Moment::FAR), Facts::parse(method, url).unwrap(), &headers)
            .map_err(|_| "refused")
            .unwrap()
    };
    let explained = |method: &str, url: &str, headers: &[&str]| match way(method, url, headers) {
        (Way::Judged(Verdict::Allow(_)), notes) => Ok(notes.len()),
        (Way::Judged(Verdict::Ask(_)), _) => panic!("nothing here asks"),
        (Way::Judged(Verdict::Deny(_, refusal)), _) => Err(refusal.code),
        (Way::Unopened(_), _) => panic!("{url} is opened"),
    };
    let on = |headers: &[&str]| explained("GET", "https://a.test/x", headers);
    assert_eq!((on(&[]), on(&["Authorization: Bearer $A_KEY"]), on(&["Accept: text/html"])), (Ok(0), Ok(0), Ok(0)));
    assert_eq!(on(&["Range: bytes=0-9"]), Ok(1), "it is said what is taken off");
    for (headers, code) in [
        (["Authorization: Bearer a1b2c3d4e5f6a7b8c9d0", "Accept: */*"], Code::CredentialNotSurrogate),
        (["Authorization: Bearer undefined", "Accept: */*"], Code::SurrogateMissing),
        (["Authorization: $A_KEY", "X-Dry-Run: validateOnly2026"], Code::NotHarmless),
        (["Authorization: $A_KEY", "X-Session-Token: on"], Code::NotHarmless),
        (["Authorization: $A_KEY", "X-HTTP-Method-Override: DELETE"], Code::Unsupported),
        (["Authorization: $A_KEY", "Accept: application/dns-message"], Code::Unsupported),
        (["Upgrade: websocket", "Connection: upgrade"], Code::UpgradeDenied),
        (["Host: a.test", "Transfer-Encoding: gzip"], Code::Framing),
        (["Host: b.test", "Accept: */*"], Code::AuthorityMismatch),
    ] {
        assert_eq!(on(&headers), Err(code), "{headers:?}");
    }
    let copied = |from: &str| explained("PUT", "https://a.test/to/y", &[from]);
    assert_eq!((copied("X-Copy-From: /x"), copied("X-Copy-From: /z")), (Ok(0), Err(Code::PathDenied)));
    assert_eq!(explained("GET", "https://a.test/y", &["X-Dry-Run: validateOnly2026"]), Err(Code::PathDenied));
    assert!(matches!(way("GET", "https://b.test/", &["Host: c.test"]), (Way::Unopened(_), _)), "nobody sees them");
    let (range, notes) = way("GET", "https://a.test/x", &["Range: bytes=0-9"]);
    assert_eq!(explain::json(&policy, "", None, &range, &notes)["notes"], serde_json::json!(notes));
    let words = explain::words(&home, &policy, "", None, &range, &notes).plain();
    assert!(words.contains("\nnote   header range taken off: "), "{words}");
    for wrong in ["no colon", "a b: c", ": c", "x: a\nb"] {
        assert!(head::header(wrong).is_err(), "{wrong}");
    }
}

/// A host with a credential, and a rule without one: the sandbox has no surrogate to send.
#[test]
fn a_rule_that_names_no_credential_is_told() {
    let (dir, home) = home("[[allow]]\nhost = \"a.test\"\ndo = [\"* /**\"]\n");
    let credential = "[credentials.key]\nsecret = \"env:NOWHERE\"\nhosts = [\"a.test\"]\nenv = \"A_KEY\"\n";
    std::fs::write(dir.path().join("doorward.toml"), credential).unwrap();
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let words = |header: &str| {
        let headers = [head::header(header).unwrap()].into_iter().collect();
        let facts = Facts::parse("GET", "https://a.test/x").unwrap();
        let (way, notes) = head::way(&home, (&policy, Moment::FAR), facts, &headers).map_err(|_| "refused").unwrap();
        explain::words(&home, &policy, "", None, &way, &notes).plain()
    };
    for (header, line) in
        [("Authorization: Bearer undefined", true), ("Authorization: Bearer a1b2c3d4e5f6a7b8c9d0", false)]
    {
        let words = words(header);
        assert!(words.contains("\nrule   policies/family.toml:1"), "{words}");
        assert!(words.contains("names no credential, so this sandbox has none: the host's is key"), "{words}");
        assert_eq!(
            words.contains("in the [[allow]] at policies/family.toml:1, add credential = \"…\"."),
            line,
            "{words}"
        );
    }
    let words = words("X-Session-Token: on");
    assert!(words.contains("\nrule   none decides it\ncode   not_harmless"), "{words}");
}

/// With rules that depend on the day, headers included.
#[test]
fn headers_are_explained_at_another_time() {
    let (_dir, home) = home(ALL_OF_IT);
    let policy = compile(&home, &family()).map_err(|_| "wrong").unwrap();
    let code = |on: &str, header: &str| {
        let headers = [head::header(header).unwrap()].into_iter().collect();
        let facts = Facts::parse("PUT", "https://new.test/").unwrap();
        match head::way(&home, (&policy, noon(on)), facts, &headers).map_err(|_| "refused").unwrap().0 {
            Way::Judged(Verdict::Deny(_, refusal)) => Some(refusal.code),
            _ => None,
        }
    };
    assert_eq!(code("2026-12-01", "X-Copy-From: /x"), None);
    assert_eq!(code("2026-12-01", "X-Copy-From: https://pastes.test/x"), Some(Code::DeniedByRule));
    assert_eq!(code("2026-12-02", "X-Copy-From: /x"), Some(Code::NotAllowed));
}
