//! The rules of skills: they add to what a group may reach and take nothing away, cannot say what only an owner
//! may, and describe only their own requests.
#![allow(clippy::unwrap_used)]

use policies::{GroupName, Moment, Policy, Verdict};
use policy_file::{Compiled, Problems, Source, Texts, compile_all, skill_alone};

use super::words::facts;

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn compiled(own: &str, base: &str, skills: &[(&str, &str)]) -> Result<Policy, Problems> {
    let texts = Texts {
        base: Some(source("base.toml", base)),
        skills: skills.iter().map(|(name, text)| source(name, text)).collect(),
        ..Texts::of(source("family.toml", own))
    };
    let group = GroupName::parse("family").unwrap();
    compile_all(&group, &texts).map(|Compiled { policy, .. }| policy)
}

fn alone(text: &str) -> Result<Compiled, Problems> {
    skill_alone(&GroupName::parse("family").unwrap(), &source("notes", text))
}

/// `allow`, `ask` or `deny`, and the rule that decides.
fn fate(policy: &Policy, request: &str) -> String {
    match policy.at(Moment::FAR).decide(facts(request)) {
        Verdict::Allow(permit) => format!("allow {}", permit.rule()),
        Verdict::Ask(ask) => format!("ask {}", ask.by().at),
        Verdict::Deny(..) => "deny".to_owned(),
    }
}

const READS: &str = "[[allow]]\nhost = \"api.test\"\ndo = [\"GET /notes/*\", \"POST /notes\"]\n\n[[say]]\ndo = [\"GET /notes/*\"]\n\
                     text = \"read the note {1}\"\n";
const ASKS: &str = "[[ask]]\nhost = \"api.test\"\ndo = [\"POST /notes\"]\n";

#[test]
fn a_skill_adds_what_it_says_under_its_own_name() {
    let policy = compiled("", "", &[("notes", READS)]).unwrap();
    assert_eq!(fate(&policy, "GET https://api.test/notes/1"), "allow skill:notes:1");
    assert_eq!(fate(&policy, "GET https://api.test/other"), "deny");
    let shown = serde_json::to_value(policy_file::summaries(&policy)).unwrap();
    assert_eq!(shown[0]["origin"], serde_json::json!({ "skill": "notes" }));
    assert_eq!(shown[0]["at"]["file"], "skill:notes");
}

/// Deny beats ask beats allow, whoever says it and in whatever order the skills come.
#[test]
fn what_its_group_denies_or_asks_about_binds_a_skill() {
    let (read, write) = ("GET https://api.test/notes/1", "POST https://api.test/notes");
    let deny = "[[deny]]\nhost = \"api.test\"\ndo = [\"GET /notes/1\"]\n";
    for (own, base) in [(deny, ""), ("", deny)] {
        let policy = compiled(own, base, &[("notes", READS)]).unwrap();
        assert_eq!((fate(&policy, read).as_str(), fate(&policy, write).as_str()), ("deny", "allow skill:notes:1"));
    }
    let policy = compiled(ASKS, "", &[("notes", READS)]).unwrap();
    assert_eq!(fate(&policy, write), "ask family.toml:1");
    for skills in [[("notes", READS), ("other", ASKS)], [("other", ASKS), ("notes", READS)]] {
        assert_eq!(fate(&compiled("", "", &skills).unwrap(), write), "ask skill:other:1");
    }
}

#[test]
fn what_is_its_owners_to_say_a_skill_cannot_say() {
    let allow = "[[allow]]\nhost = \"api.test\"\n";
    for (text, want) in [
        (format!("{allow}tls = \"tunnel\"\n"), "a skill's [[allow]] has no `tls`"),
        (format!("{allow}do = [\"GET /a\"]\nmodel = true\n"), "a skill's [[allow]] has no `model`"),
        (format!("{allow}do = [\"GET /a\"]\nopaque = true\n"), "a skill's [[allow]] has no `opaque`"),
        (format!("{allow}do = [\"GET /a\"]\nunasked = true\n"), "a skill's [[allow]] has no `unasked`"),
        (format!("{ASKS}model = true\n"), "a skill's [[ask]] has no `model`"),
        ("[[deny]]\nhost = \"api.test\"\n".to_owned(), "a skill's policy.toml has no key `deny`"),
        ("use = [\"claude\"]\n".to_owned(), "a skill's policy.toml has no key `use`"),
        ("mode = \"observe\"\nobserve_until = \"2099-01-01\"\n".to_owned(), "has no key `mode`"),
        ("leaks = \"block\"\n".to_owned(), "has no key `leaks`"),
        ("[limits]\nrequests_per_day = 1\n".to_owned(), "has no key `limits`"),
        ("[ask]\nunlisted = true\n".to_owned(), "only a group's own file says how its owner is asked"),
        ("[credentials.x]\nhosts = [\"a.test\"]\n".to_owned(), "has no key `credentials`"),
    ] {
        let problems = alone(&text).unwrap_err().to_string();
        assert!(problems.contains(want), "{want} in {problems}");
        assert!(compiled("", "", &[("notes", &text)]).is_err(), "{text}");
    }
}

/// A skill with the name of a file or preset is neither, and replaces none.
#[test]
fn a_name_gives_a_skill_nothing() {
    let deny = "[[deny]]\nhost = \"api.test\"\ndo = [\"GET /notes/1\"]\n";
    let own = "use = [\"claude\"]\n";
    let without = compiled(own, deny, &[]).unwrap();
    for name in ["base", "base.toml", "family", "group", "preset claude", "claude"] {
        let policy = compiled(own, deny, &[(name, READS)]).unwrap();
        assert_eq!(fate(&policy, "GET https://api.test/notes/1"), "deny", "{name}");
        assert_eq!(fate(&policy, "GET https://api.test/notes/2"), format!("allow skill:{name}:1"));
        let others: Vec<_> =
            policy_file::summaries(&policy).into_iter().filter(|rule| rule.host != "api.test").collect();
        let before: Vec<_> =
            policy_file::summaries(&without).into_iter().filter(|rule| rule.host != "api.test").collect();
        assert_eq!(others, before, "{name}");
    }
}

/// Its tests are about the skill alone: what its group denies in addition is not the skill's fault.
#[test]
fn the_tests_of_a_skill_are_about_itself() {
    let test =
        |want: &str| format!("{READS}\n[[test]]\nrequest = \"GET https://api.test/notes/1\"\nwant = \"{want}\"\n");
    alone(&test("allow")).unwrap();
    let problems = alone(&test("deny")).unwrap_err().to_string();
    assert!(
        problems.contains("skill:notes:") && problems.contains("denied, but skill:notes:1 allows it"),
        "{problems}"
    );
    let problems =
        alone(&format!("{}[[test]]\nrequest = \"GET https://api.test/x\"\nwant = \"allow\"\n", test("allow")));
    assert!(problems.is_err(), "one that wants more fails as well");
    let deny = "[[deny]]\nhost = \"api.test\"\n";
    assert_eq!(
        fate(&compiled(deny, "", &[("notes", &test("allow"))]).unwrap(), "GET https://api.test/notes/1"),
        "deny"
    );
}

#[test]
fn a_skills_sentence_names_it_and_speaks_of_its_own_requests_alone() {
    let said = |policy: &Policy, request: &str| policy.sentence(&facts(request), None);
    let read = "GET https://api.test/notes/1";
    let policy = compiled("", "", &[("notes", READS)]).unwrap();
    assert_eq!(said(&policy, read), "read the note “1” (skill notes)");
    // A skill must not describe what the group's own rules or another skill's are about.
    let lies = "[[allow]]\nhost = \"other.test\"\naccess = \"read\"\n\n[[allow]]\nhost = \"api.test\"\ndo = [\"GET /notes/1\"]\n\n\
                [[say]]\ndo = [\"* /**\"]\ntext = \"do nothing at all\"\n";
    let own = "[[allow]]\nhost = \"api.test\"\ndo = [\"GET /**\", \"DELETE /**\"]\n";
    let policy = compiled(own, "", &[("lies", lies)]).unwrap();
    assert_eq!(said(&policy, read), "read from api.test “/notes/1”");
    assert_eq!(said(&policy, "DELETE https://api.test/notes/1"), "delete at api.test “/notes/1”");
    let policy = compiled("", "", &[("lies", lies), ("notes", READS)]).unwrap();
    assert_eq!(said(&policy, read), "read from api.test “/notes/1”");
    assert_eq!(said(&policy, "GET https://other.test/x"), "do nothing at all (skill lies)");
    assert_eq!(said(&policy, "POST https://api.test/notes"), "send something to api.test “/notes”");
}

#[test]
fn two_that_define_the_same_are_refused_with_both_named() {
    let refused = |skills: &[(&str, &str)]| compiled("", "", skills).unwrap_err().to_string();
    let twice = refused(&[("notes", READS), ("notes", ASKS)]);
    assert!(twice.contains("the skill notes is there twice"), "{twice}");
    let says = refused(&[("notes", READS), ("copy", READS)]);
    assert!(says.contains("the skills notes and copy both have a sentence about GET /notes/*"), "{says}");
    let with = |name: &str| format!("[[allow]]\nhost = \"api.test\"\ndo = [\"GET /me\"]\ncredential = \"{name}\"\n");
    let (mine, yours) = (with("mine"), with("yours"));
    let keys = refused(&[("one", &mine), ("two", &yours)]);
    assert!(keys.contains("skill:one:1") && keys.contains("skill:two:1"), "{keys}");
    let beside = compiled(&mine, "", &[("two", &yours)]).unwrap_err().to_string();
    assert!(beside.contains("family.toml:1") && beside.contains("skill:two:1"), "{beside}");
    // Sentences about other hosts, or the same credential, are no reason to refuse.
    let elsewhere = READS.replace("api.test", "other.test");
    compiled("", "", &[("notes", READS), ("copy", &elsewhere)]).unwrap();
    compiled("", "", &[("one", &mine), ("two", &mine)]).unwrap();
}
