//! `hours` and `days`: when a rule holds, and how it is reported when it does not.
#![allow(clippy::unwrap_used)]

use policies::{At, Authority, Code, Moment, Policy, TunnelPermit, Verdict};
use policy_file::{Source, suggest};
use proptest::prelude::*;
use proptest::sample::select;

use super::properties::{Said, any_request, passes, rules, said_of};
use super::words::{ask, compile, facts, policy};

const BY_DAY: &str = "hours = \"07:00-21:00\"\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\n";

/// `mon 07:00`, in the week used by tests.
fn at(text: &str) -> Moment {
    At::parse(text).unwrap().seen_from(Moment::FAR)
}

fn read(host: &str, more: &str) -> String {
    format!("[[allow]]\nhost = \"{host}\"\naccess = \"read\"\n{more}\n")
}

fn tunnel(more: &str) -> String {
    format!("[[allow]]\nhost = \"app.test\"\ntls = \"tunnel\"\n{more}\n")
}

fn said(policy: &Policy, moment: &str, request: &str) -> String {
    ask(policy.at(at(moment)).decide(facts(request)))
        .map_or_else(|refusal| refusal.code.to_string(), |_| "allow".into())
}

fn tunnelled(policy: &Policy, moment: &str) -> Option<TunnelPermit> {
    policy.at(at(moment)).decide_tunnel(&Authority::parse("app.test:443", None).unwrap())
}

#[test]
fn a_rule_holds_in_its_hours_and_at_no_other_time() {
    let by_day = policy(&read("a.test", BY_DAY));
    let by_night = policy(&read("a.test", "hours = \"22:00-06:00\"\ndays = [\"fri\"]\n"));
    for (policy, moment, want) in [
        (&by_day, "mon 06:59", "outside_hours"),
        (&by_day, "mon 07:00", "allow"),
        (&by_day, "mon 20:59", "allow"),
        (&by_day, "mon 21:00", "outside_hours"),
        (&by_day, "sat 12:00", "outside_hours"),
        (&by_night, "fri 21:59", "outside_hours"),
        (&by_night, "fri 22:00", "allow"),
        (&by_night, "sat 05:59", "allow"),
        (&by_night, "sat 06:00", "outside_hours"),
        (&by_night, "fri 05:59", "outside_hours"),
    ] {
        assert_eq!(said(policy, moment, "GET https://a.test/"), want, "{moment}");
    }
    // What the rule does not cover is refused for that reason.
    assert_eq!(said(&by_day, "sat 12:00", "POST https://a.test/"), "method_denied");
    assert_eq!(said(&by_day, "sat 12:00", "GET https://b.test/"), "not_allowed");
    let denied = policy(&format!("{}[[deny]]\nhost = \"a.test\"\n", read("a.test", BY_DAY)));
    assert_eq!(said(&denied, "sat 12:00", "GET https://a.test/"), "denied_by_rule");
    let beside = policy(&(read("x.a.test", BY_DAY) + &read("*.a.test", "")));
    assert_eq!(said(&beside, "sat 12:00", "GET https://x.a.test/"), "allow");
}

#[test]
fn a_refusal_says_when_and_what_would_lift_it() {
    let refused = |policy: &Policy| ask(policy.at(at("sat 22:00")).decide(facts("GET https://a.test/"))).unwrap_err();
    let refusal = refused(&policy(&format!("\n{}", read("a.test", BY_DAY))));
    assert_eq!(
        refusal.why,
        "group family may ask this of a.test only 07:00-21:00 on mon, tue, wed, thu, fri, and by its owner's clock it \
         is sat 22:00"
    );
    assert_eq!((refusal.code, refusal.rule.unwrap().line), (Code::OutsideHours, 2));
    assert_eq!(
        refusal.lift,
        ["# in the [[allow]] at policies/family.toml:2, change or remove hours = \"07:00-21:00\", \
          days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]"]
    );
    // The group cannot change a preset.
    let group = policies::GroupName::parse("family").unwrap();
    let source = |name: &str, text: String| Source { name: name.to_owned(), text };
    let own = "use = [\"weather\"]\n".to_owned();
    let preset = read("a.test", BY_DAY) + &tunnel(BY_DAY);
    let texts = policy_file::Texts {
        presets: vec![source("weather", preset)],
        ..policy_file::Texts::of(source("family.toml", own.clone()))
    };
    let of_preset = policy_file::compile_all(&group, &texts).unwrap().policy;
    let lift = refused(&of_preset).lift.join("\n");
    let lifted = policy(&lift);
    assert_eq!(said(&lifted, "sat 22:00", "GET https://a.test/"), "allow", "{lift}");
    let lift = ask(of_preset.at(at("sat 22:00")).decide(facts("GET https://app.test/"))).unwrap_err().lift.join("\n");
    assert!(tunnelled(&policy(&lift), "sat 22:00").is_some(), "{lift}");
}

#[test]
fn a_tunnel_has_hours_too() {
    let with_hours = policy(&tunnel(BY_DAY));
    for (moment, want) in [("mon 06:59", false), ("mon 07:00", true), ("mon 20:59", true), ("mon 21:00", false)] {
        assert_eq!(tunnelled(&with_hours, moment).is_some(), want, "{moment}");
    }
    assert_eq!(said(&with_hours, "sat 12:00", "GET https://app.test/x"), "outside_hours");
    assert_eq!(said(&with_hours, "sat 12:00", "GET http://app.test/x"), "port_denied");
    assert_eq!(said(&with_hours, "mon 12:00", "GET https://app.test/x"), "port_denied");
    let begun = tunnelled(&with_hours, "mon 20:59").unwrap();
    let cut = with_hours.at(at("mon 21:00")).upholds_tunnel(&begun, None).unwrap_err();
    assert!(cut.code == Code::Revoked && cut.why.contains("only 07:00-21:00"), "{cut}");
    // A connection is not let through unopened just because the rule that would judge it does not
    // hold now.
    let with_key = policy(&(tunnel("") + &read("app.test", &format!("credential = \"key\"\n{BY_DAY}"))));
    assert!(tunnelled(&with_key, "mon 12:00").is_none() && tunnelled(&with_key, "sat 12:00").is_none());
    let warned = compile(&(tunnel(BY_DAY) + &read("app.test", "credential = \"key\"\n")), "").warnings.to_string();
    assert!(warned.contains("this tunnel is never used"), "{warned}");
    assert!(compile(&tunnel("days = [\"sat\"]\n"), "").warnings.is_empty());
}

const FROM: &str = "from = \"2026-12-05 08:00\"\n";
const UNTIL: &str = "until = \"2026-12-05 22:00\"\n";

fn on(moment: &str) -> Moment {
    Moment::parse(moment).unwrap()
}

/// A rule that has ended is treated as missing: its requests are refused in the words for hosts that no rule
/// names, and observed and asked about like any other.
#[test]
fn a_rule_that_ends_is_over() {
    let at_most = policy(&read("app.test", UNTIL));
    let ask_at = |policy: &Policy, moment| ask(policy.at(on(moment)).decide(facts("GET https://app.test/x")));
    let begun = ask_at(&at_most, "2026-12-05 21:59").unwrap();
    let after = ask_at(&at_most, "2026-12-05 22:00").unwrap_err();
    assert_eq!((after.code, after.rule), (Code::NotAllowed, None));
    assert_eq!(after.lift[..2], ["[[allow]]", "host = \"app.test\""]);
    let cut = at_most.at(on("2026-12-05 22:00")).upholds(&begun, None).unwrap_err();
    assert_eq!(cut.code, Code::Revoked);
    for (more, want) in
        [("mode = \"observe\"\nobserve_until = \"2026-12-31\"\n", "allow"), ("[ask]\nunlisted = true\n", "ask")]
    {
        let policy = policy(&format!("{more}{}", read("app.test", UNTIL)));
        let said = match policy.at(on("2026-12-06 12:00")).decide(facts("GET https://app.test/x")) {
            Verdict::Allow(_) => "allow",
            Verdict::Ask(_) => "ask",
            Verdict::Deny(..) => "deny",
        };
        assert_eq!(said, want);
    }
    // Before that, its hours apply as usual.
    let by_day = policy(&read("app.test", &format!("{BY_DAY}{UNTIL}")));
    assert_eq!(ask_at(&by_day, "2026-11-30 12:00").map(drop), Ok(()));
    let outside = ask_at(&by_day, "2026-11-30 21:00").unwrap_err();
    assert_eq!(outside.code, Code::OutsideHours);
    assert!(outside.why.contains("until sat 2026-12-05 22:00"), "{}", outside.why);
    assert!(outside.lift[0].contains("until = \"2026-12-05 22:00\""), "{:?}", outside.lift);
}

#[test]
fn a_tunnel_that_ends_is_over() {
    let policy = policy(&tunnel(UNTIL));
    let app = Authority::parse("app.test", Some(443)).unwrap();
    let begun = policy.at(on("2026-12-05 21:59")).decide_tunnel(&app).unwrap();
    let after = policy.at(on("2026-12-05 22:00"));
    assert!(after.decide_tunnel(&app).is_none());
    assert_eq!(after.upholds_tunnel(&begun, None).unwrap_err().code, Code::Revoked);
    assert_eq!(ask(after.decide(facts("GET https://app.test/x"))).unwrap_err().code, Code::NotAllowed);
}

/// A test without a date is about the rules that hold for good.
#[test]
fn a_test_without_a_date_is_about_what_stays() {
    let test = |more: &str, want: &str| {
        format!("{}[[test]]\nrequest = \"GET https://a.test/\"\n{more}\nwant = \"{want}\"\n", read("a.test", UNTIL))
    };
    for (more, want) in [
        ("", "deny"),
        ("at = \"sat 12:00\"", "deny"),
        ("at = \"2026-12-04\"", "allow"),
        ("at = \"2026-12-05 21:59\"", "allow"),
        ("at = \"2026-12-05 22:00\"", "deny"),
    ] {
        assert!(compile(&test(more, want), "").warnings.is_empty(), "{more}");
    }
    let warned = compile(&test("at = \"2026-12-05\"", "allow"), "").warnings.to_string();
    assert!(warned.contains("at 2026-12-05 22:00 it is denied"), "{warned}");
    assert!(warned.contains("like at = \"2026-12-05 12:00\""), "{warned}");
}

/// A host that a rule names at some time does not count as unnamed.
#[test]
fn observing_leaves_hours_alone() {
    let observe = "mode = \"observe\"\nobserve_until = \"9999-12-31\"\n";
    for rule in [read("app.test", BY_DAY), tunnel(BY_DAY)] {
        let observed = policy(&format!("{observe}{rule}"));
        assert_eq!(said(&observed, "sat 12:00", "GET https://app.test/"), "outside_hours");
        assert_eq!(said(&observed, "sat 12:00", "GET https://other.test/"), "allow");
    }
}

#[test]
fn credentials_take_turns_where_their_hours_never_meet() {
    let rule = |path: &str, name: &str, hours: &str| {
        format!("[[allow]]\nhost = \"a.test\"\ndo = [\"GET {path}\"]\ncredential = \"{name}\"\n{hours}\n")
    };
    let (day, night) = ("hours = \"07:00-21:00\"", "hours = \"21:00-07:00\"");
    for path in ["/x", "/x%2Fy"] {
        let turns = policy(&(rule(path, "day", day) + &rule(path, "night", night)));
        let request = format!("GET https://a.test{path}");
        for (moment, want) in
            [("mon 06:59", "night"), ("mon 07:00", "day"), ("mon 20:59", "day"), ("mon 21:00", "night")]
        {
            let permit = ask(turns.at(at(moment)).decide(facts(&request))).unwrap();
            assert_eq!(permit.credential().map(|name| &**name), Some(want), "{path} {moment}");
        }
        let begun = ask(turns.at(at("mon 20:59")).decide(facts(&request))).unwrap();
        assert_eq!(turns.at(at("mon 21:00")).upholds(&begun, None).unwrap_err().code, Code::Revoked);
    }
    let group = policies::GroupName::parse("family").unwrap();
    let wrong = |text: String| policy_file::compile(&group, &Source { name: "x".to_owned(), text }, None).is_err();
    assert!(wrong(rule("/x", "day", day) + &rule("/x", "always", "")));
    // One of three overlaps another, whichever comes first.
    let short = rule("/x", "day", "hours = \"21:00-22:00\"");
    let (day, night) = (rule("/x", "day", day), rule("/x", "night", night));
    for all in [[&day, &short, &night], [&day, &night, &short], [&short, &day, &night], [&night, &day, &short]] {
        assert!(wrong(all.map(String::as_str).concat()), "{all:?}");
    }
}

/// Without a time, a test is about every time, so a test that depends on the time fails and says
/// which times.
#[test]
fn a_test_that_only_the_time_decides_says_when() {
    let test =
        |more: &str, want: &str| format!("[[test]]\nrequest = \"GET https://a.test/\"\n{more}\nwant = \"{want}\"\n");
    let base = read("a.test", BY_DAY);
    let warned = |more: &str| compile(&(base.clone() + &test(more, "allow")), "").warnings.to_string();
    let warning = warned("");
    assert!(warning.contains("allowed, but at mon 00:00 it is denied: group family may ask this"), "{warning}");
    assert!(warning.contains("say when the request comes, like at = \"mon 12:00\""), "{warning}");
    assert!(warned("at = \"12:00\"").contains("at = \"mon 12:00\""), "{}", warned("at = \"12:00\""));
    assert!(warned("at = \"mon\"").contains("at mon 00:00 it is denied"), "{}", warned("at = \"mon\""));
    assert_eq!(warned("at = \"fri 20:59\""), "");
    // A request that is refused at all times depends on neither day nor time.
    for (more, want) in [
        ("at = \"sun\"", "deny"),
        ("at = \"21:00\"", "deny"),
        ("at = \"mon 07:00\"", "allow"),
        ("at = \"2026-11-28\"", "deny"),
    ] {
        assert!(compile(&(base.clone() + &test(more, want)), "").warnings.is_empty(), "{more}");
    }
    let always = base.clone() + &read("a.test", "") + &test("", "allow");
    assert!(compile(&always, "").warnings.is_empty());
}

#[test]
fn what_is_suggested_goes_by_the_clock() {
    let policy = policy(&read("a.test", BY_DAY));
    let asked = |code| [(facts("GET https://a.test/"), Some(code)), (facts("POST https://a.test/"), Some(code))];
    for code in [Code::OutsideHours, Code::NotAllowed] {
        let closed = suggest(policy.at(at("sat 12:00")), &asked(code));
        assert_eq!((closed.requests, closed.outside_hours.len(), closed.beyond_rules), (1, 1, 0), "{code}");
        assert!(closed.outside_hours[0].1.contains("only 07:00-21:00"), "{closed:?}");
        let open = suggest(policy.at(at("mon 12:00")), &asked(code));
        assert_eq!((open.requests, open.outside_hours.len()), (1, 0), "{code}");
    }
}

#[test]
fn a_change_of_hours_is_a_change() {
    let (old, new) = (policy(&read("a.test", BY_DAY)), policy(&read("a.test", "days = [\"sat\"]\n")));
    let asked = [facts("GET https://a.test/")];
    let diff = policy_file::diff(&old, &new).with_requests(old.at(at("sat 12:00")), new.at(at("sat 12:00")), &asked);
    assert_eq!((diff.added.len(), diff.removed.len(), diff.requests.len(), diff.widens()), (1, 1, 1, true));
    let shown = serde_json::to_value(&diff.removed[0].hours).unwrap();
    let days = ["mon", "tue", "wed", "thu", "fri"];
    assert_eq!(shown, serde_json::json!({ "from": "07:00", "to": "21:00", "days": days }));
    assert!(diff.added[0].in_words().ends_with(", only on sat"), "{}", diff.added[0].in_words());
    let told = serde_json::to_value(policy_file::manifest(&new)).unwrap();
    let hours = serde_json::json!({ "from": null, "to": null, "days": ["sat"] });
    assert_eq!(told["allowed"][0]["hours"], hours);
}

/// If more bodies pass when other hours begin, a request in flight goes on.
#[test]
fn hours_that_begin_cut_nothing() {
    let rule = |json: &str, hours: &str| {
        format!("[[allow]]\nhost = \"a.test\"\ndo = [\"POST /\"]\njson = {{ {json} = \"absent\" }}\n{hours}\n")
    };
    let policy = policy(&(rule("a", "") + &rule("b", "hours = \"07:00-21:00\"")));
    let begun = |moment: &str| ask(policy.at(at(moment)).decide(facts("POST https://a.test/"))).unwrap();
    assert!(policy.at(at("mon 07:00")).upholds(&begun("mon 06:59"), None).is_ok());
    assert_eq!(policy.at(at("mon 21:00")).upholds(&begun("mon 20:59"), None).unwrap_err().code, Code::Revoked);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Within its hours, a rule is as if it had none; at any other time it allows nothing.
    #[test]
    fn a_rule_with_hours_never_allows_more(
        others in rules(),
        rule in rules().prop_map(|rules| rules.into_iter().find(|rule| rule.starts_with("[[allow]]"))),
        facts in any_request(),
        (times, moment, holds) in select(vec![
            (BY_DAY, "mon 06:59", false),
            (BY_DAY, "mon 07:00", true),
            (BY_DAY, "fri 20:59", true),
            (BY_DAY, "fri 21:00", false),
            (BY_DAY, "sat 12:00", false),
            (FROM, "2026-12-05 07:59", false),
            (FROM, "2026-12-05 08:00", true),
        ]),
    ) {
        let Some(rule) = rule else { return Ok(()) };
        let others = others.concat();
        let compiled = |text: String| super::properties::policy(&text);
        let (Some(with), Some(without), Some(gone)) = (
            compiled(format!("{others}{}{times}\n", rule.trim_end_matches('\n').to_owned() + "\n")),
            compiled(format!("{others}{rule}")),
            compiled(others.clone()),
        ) else { return Ok(()) };
        let said = |policy: &Policy| said_of(policy.at(at(moment)), &facts);
        let (said_with, said_without, said_gone) = (said(&with), said(&without), said(&gone));
        let has_key = rule.contains("credential");
        for body in 0..super::properties::BODIES.len() {
            let (now, else_without, else_gone) = (passes(&said_with, body), passes(&said_without, body), passes(&said_gone, body));
            prop_assert!(!now || else_without || has_key, "{body}: {said_without:?} became {said_with:?}");
            prop_assert!(if holds { now == else_without } else { !now || else_gone }, "{body}: {said_with:?}");
        }
        if let (true, Said::Allow { credential: now, .. }, Said::Allow { credential: then, .. }) = (holds, &said_with, &said_without) {
            prop_assert_eq!(now, then);
        }
        let unopened = |policy: &Policy| policy.at(at(moment)).decide_tunnel(&facts.authority).is_some();
        prop_assert!(!unopened(&with) || unopened(&without), "unopened because of hours");
        prop_assert!(holds || !unopened(&with) || unopened(&gone), "a tunnel outside of its hours");
    }
}
