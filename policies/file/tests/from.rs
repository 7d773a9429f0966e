//! `from`: a rule that opens by itself at a moment, and counts before it as one that does not hold yet.
#![allow(clippy::unwrap_used)]

use policies::{Authority, Code, GroupName, Moment, Permit, Policy, Refusal, Verdict};
use policy_file::{Source, suggest};
use serde_json::json;

use super::words::{ask, compile, facts, policy};

const FROM: &str = "from = \"2026-12-05 08:00\"\n";
const BEFORE: &str = "2026-12-05 07:59";
const THEN: &str = "2026-12-05 08:00";

fn on(moment: &str) -> Moment {
    Moment::parse(moment).unwrap()
}

fn read(host: &str, more: &str) -> String {
    format!("[[allow]]\nhost = \"{host}\"\naccess = \"read\"\n{more}\n")
}

fn tunnel(more: &str) -> String {
    format!("[[allow]]\nhost = \"app.test\"\ntls = \"tunnel\"\n{more}\n")
}

fn asked(policy: &Policy, moment: &str) -> Result<Permit, Refusal> {
    ask(policy.at(on(moment)).decide(facts("GET https://a.test/x")))
}

fn verdict(policy: &Policy, moment: &str) -> &'static str {
    match policy.at(on(moment)).decide(facts("GET https://a.test/x")) {
        Verdict::Allow(_) => "allow",
        Verdict::Ask(_) => "ask",
        Verdict::Deny(..) => "deny",
    }
}

#[test]
fn a_request_before_it_is_refused_and_hears_when_it_opens() {
    let later = policy(&read("a.test", FROM));
    assert!(asked(&later, THEN).is_ok() && asked(&later, "9999-12-31 23:59").is_ok());
    let early = asked(&later, BEFORE).unwrap_err();
    assert_eq!((early.code, early.rule.unwrap().line), (Code::OutsideHours, 1));
    assert_eq!(
        early.why,
        "group family may ask this of a.test only from sat 2026-12-05 08:00, and by its owner's clock it is sat \
         2026-12-05 07:59"
    );
    let lift = "# in the [[allow]] at policies/family.toml:1, change or remove from = \"2026-12-05 08:00\"";
    assert_eq!(early.lift, [lift]);
    // What it does not cover is refused for that, and a deny stays one.
    let post = ask(later.at(on(BEFORE)).decide(facts("POST https://a.test/x"))).unwrap_err();
    assert_eq!(post.code, Code::MethodDenied);
    let denied = policy(&(read("a.test", FROM) + "[[deny]]\nhost = \"a.test\"\n"));
    assert_eq!(asked(&denied, BEFORE).unwrap_err().code, Code::DeniedByRule);
}

/// Its host is named already: nobody is asked about it as about a host that no rule names, and it is not observed.
#[test]
fn its_host_is_named_before_it() {
    for more in ["mode = \"observe\"\nobserve_until = \"2026-12-31\"\n", "[ask]\nunlisted = true\n"] {
        for rule in [read("a.test", FROM), tunnel(FROM).replace("app.test", "a.test")] {
            assert_eq!(
                asked(&policy(&format!("{more}{rule}")), BEFORE).unwrap_err().code,
                Code::OutsideHours,
                "{rule}"
            );
        }
    }
}

#[test]
fn after_it_a_rule_has_its_hours_and_its_end() {
    let more = "hours = \"07:00-21:00\"\ndays = [\"sat\", \"sun\"]\nuntil = \"2026-12-13 12:00\"\n";
    let policy = policy(&read("a.test", &format!("{more}{FROM}")));
    for (moment, want) in [
        ("2026-11-28 12:00", Some(Code::OutsideHours)),
        (BEFORE, Some(Code::OutsideHours)),
        (THEN, None),
        ("2026-12-05 21:00", Some(Code::OutsideHours)),
        ("2026-12-07 12:00", Some(Code::OutsideHours)),
        ("2026-12-13 11:59", None),
        ("2026-12-13 12:00", Some(Code::NotAllowed)),
    ] {
        assert_eq!(asked(&policy, moment).err().map(|refusal| refusal.code), want, "{moment}");
    }
    let why = asked(&policy, "2026-11-28 12:00").unwrap_err().why;
    let when = "only 07:00-21:00 on sat, sun, from sat 2026-12-05 08:00 until sun 2026-12-13 12:00, and";
    assert!(why.contains(when) && why.ends_with("it is sat 2026-11-28 12:00"), "{why}");
}

/// One minute that is left is enough, wherever it is.
#[test]
fn what_holds_at_some_moment_is_read() {
    let group = GroupName::parse("family").unwrap();
    for (more, until, holds) in [
        ("hours = \"22:00-08:01\"\ndays = [\"fri\"]", "2026-12-05 22:00", true),
        ("hours = \"22:00-08:00\"\ndays = [\"fri\"]", "2026-12-05 22:00", false),
        ("hours = \"07:00-21:00\"", "2026-12-05 08:01", true),
        ("hours = \"07:00-08:00\"", "2026-12-06 07:00", false),
        ("hours = \"07:00-08:00\"", "2026-12-06 07:01", true),
        ("hours = \"07:00-08:00\"\ndays = [\"sat\"]", "2026-12-12 07:00", false),
        ("hours = \"07:00-08:00\"\ndays = [\"sat\"]", "2026-12-12 07:01", true),
        ("days = [\"sun\", \"mon\"]", "2026-12-06 00:00", false),
        ("days = [\"sun\", \"mon\"]", "2026-12-06 00:01", true),
        ("", "2026-12-05 08:00", false),
        ("", "2026-12-05 08:01", true),
    ] {
        let text = read("a.test", &format!("{FROM}until = \"{until}\"\n{more}"));
        let source = Source { name: "family.toml".to_owned(), text };
        assert_eq!(policy_file::compile(&group, &source, None).is_ok(), holds, "{more} until {until}");
    }
}

#[test]
fn a_tunnel_begins_too() {
    let policy = policy(&tunnel(FROM));
    let app = Authority::parse("app.test", Some(443)).unwrap();
    assert!(policy.at(on(BEFORE)).decide_tunnel(&app).is_none());
    let early = ask(policy.at(on(BEFORE)).decide(facts("GET https://app.test/"))).unwrap_err();
    assert_eq!(early.code, Code::OutsideHours);
    assert!(early.why.contains("only from sat 2026-12-05 08:00"), "{}", early.why);
    let begun = policy.at(on(THEN)).decide_tunnel(&app).unwrap();
    assert!(policy.at(on("2026-12-05 08:01")).upholds_tunnel(&begun, None).is_ok());
}

/// Nor does it bind what others allow.
#[test]
fn nobody_is_asked_before_it() {
    let rule = format!("[[ask]]\nhost = \"a.test\"\naccess = \"read\"\n{FROM}");
    let alone = policy(&rule);
    assert_eq!((verdict(&alone, BEFORE), verdict(&alone, THEN)), ("deny", "ask"));
    assert_eq!(asked(&alone, BEFORE).unwrap_err().code, Code::OutsideHours);
    let beside = policy(&(rule + &read("a.test", "")));
    assert_eq!((verdict(&beside, BEFORE), verdict(&beside, THEN)), ("allow", "ask"));
}

/// A rule that opens something closes nothing: what is in flight goes on over the moment at which it begins, and only what it
/// asks about, or puts a credential on, is sent anew.
#[test]
fn a_rule_that_begins_cuts_nothing() {
    let upheld = |more: &str| {
        let policy = policy(&(read("a.test", "") + more));
        let begun = asked(&policy, BEFORE).unwrap();
        policy.at(on(THEN)).upholds(&begun, None).map_err(|refusal| refusal.code)
    };
    assert_eq!(upheld(&read("a.test", FROM)), Ok(()));
    assert_eq!(upheld(&read("a.test", &format!("{FROM}model = true\n"))), Ok(()));
    assert_eq!(upheld(&tunnel(FROM).replace("app.test", "a.test")), Ok(()));
    assert_eq!(upheld(&read("a.test", &format!("{FROM}credential = \"key\"\n"))), Err(Code::Revoked));
    assert_eq!(upheld(&read("a.test", FROM).replace("allow", "ask")), Err(Code::Revoked));
}

/// What holds for good is what a test without a date is about; a day of the calendar has both sides of the moment.
#[test]
fn a_test_says_on_which_side_it_is() {
    let test = |more: &str, want: &str| {
        let test = format!("[[test]]\nrequest = \"GET https://a.test/\"\n{more}\nwant = \"{want}\"\n");
        format!("{}{test}", read("a.test", FROM))
    };
    for (more, want) in [
        ("", "allow"),
        ("at = \"sat 07:00\"", "allow"),
        ("at = \"2026-12-04\"", "deny"),
        ("at = \"2026-12-05 07:59\"", "deny"),
        ("at = \"2026-12-05 08:00\"", "allow"),
        ("at = \"2026-12-06\"", "allow"),
    ] {
        assert!(compile(&test(more, want), "").warnings.is_empty(), "{more}");
    }
    let warned = compile(&test("at = \"2026-12-05\"", "allow"), "").warnings.to_string();
    assert!(warned.contains("at 2026-12-05 00:00 it is denied: group family may ask"), "{warned}");
    assert!(warned.contains("only from sat 2026-12-05 08:00"), "{warned}");
    assert!(warned.contains("like at = \"2026-12-05 12:00\""), "{warned}");
}

#[test]
fn one_credential_takes_over_from_another() {
    let rule = |name: &str, more: &str| read("a.test", &format!("credential = \"{name}\"\n{more}"));
    let turns = policy(&(rule("old", "until = \"2026-12-05 08:00\"\n") + &rule("new", FROM)));
    for (moment, want) in [(BEFORE, "old"), (THEN, "new")] {
        assert_eq!(asked(&turns, moment).unwrap().credential().map(|name| &**name), Some(want), "{moment}");
    }
    let text = rule("old", "until = \"2026-12-05 08:01\"\n") + &rule("new", FROM);
    let source = Source { name: "x".to_owned(), text };
    assert!(policy_file::compile(&GroupName::parse("family").unwrap(), &source, None).is_err());
}

#[test]
fn it_is_told_wherever_a_rule_is() {
    let (old, new) = (policy(&read("a.test", "")), policy(&read("a.test", FROM)));
    let asked = [facts("GET https://a.test/")];
    let diff = policy_file::diff(&old, &new).with_requests(old.at(on(BEFORE)), new.at(on(BEFORE)), &asked);
    assert_eq!((diff.added.len(), diff.removed.len(), diff.requests.len()), (1, 1, 1));
    assert!(diff.added[0].in_words().ends_with(", only from sat 2026-12-05 08:00"), "{}", diff.added[0].in_words());
    let told = json!({ "from": null, "to": null, "days": [], "begins": "2026-12-05 08:00" });
    assert_eq!(serde_json::to_value(&diff.added[0].hours).unwrap(), told);
    assert_eq!(serde_json::to_value(policy_file::manifest(&new)).unwrap()["allowed"][0]["hours"], told);
    let wanted = asked.map(|facts| (facts, Some(Code::OutsideHours)));
    let suggestion = suggest(new.at(on(BEFORE)), &wanted);
    assert!(suggestion.toml.is_empty() && suggestion.outside_hours[0].1.contains("only from sat"), "{suggestion:?}");
    assert!(suggest(new.at(on(THEN)), &wanted).outside_hours.is_empty());
}
