//! What is said about a policy and near misses: the nearest rule, the right place of a key, rules
//! that have no effect, and addresses that are never reached.
#![allow(clippy::unwrap_used)]

use policies::{Code, GroupName, Moment, Verdict};
use policy_file::{Source, Way};

use super::verdicts::{decide, policy};
use super::words::{compile, facts};

fn why(rules: &str, request: &str) -> String {
    decide(&policy(rules), request).unwrap_err().why
}

/// The refusal names the rule and the one difference.
#[test]
fn a_refusal_names_the_nearest_rule() {
    let rule =
        |host: &str, request: &str, more: &str| format!("[[allow]]\nhost = \"{host}\"\ndo = [\"{request}\"]\n{more}\n");
    for ((host, pattern, more), asked, hint) in [
        (("**.x.test", "GET /x", ""), "GET https://x.test/x", "allows **.x.test, which does not cover x.test itself"),
        (("*.x.test", "GET /x", ""), "GET https://x.test/x", "allows *.x.test, which does not cover x.test itself"),
        (
            ("*.x.test", "GET /x", ""),
            "GET https://b.a.x.test/x",
            "allows *.x.test, which is one label more and not two",
        ),
        (("a.x.test", "GET /x", ""), "GET https://b.a.x.test/x", "allows host = \"a.x.test\", and no name below it"),
        (("www.x.test", "GET /x", ""), "GET https://x.test/x", "allows www.x.test, which is another host"),
        (("a.test", "GET /x", ""), "GET https://a.test/x/", "allows /x, without the slash at the end"),
        (("a.test", "GET /x/", ""), "GET https://a.test/x", "allows /x/, with a slash at the end"),
        (("a.test", "GET /v1/*/", ""), "GET https://a.test/v1/me", "allows /v1/*/, with a slash at the end"),
        (("a.test", "GET /X", ""), "GET https://a.test/x", "allows /X, and upper and lower case count"),
        (
            ("a.test", "GET /Caf%C3%A9/*", ""),
            "GET https://a.test/caf%c3%a9/1",
            "allows /Caf%C3%A9/*, and upper and lower case count",
        ),
        (("a.test", "GET /v1/*", ""), "GET https://a.test/v1/a/b", "allows /v1/*, where * is one segment"),
        (("a.test", "GET /v1", ""), "GET https://a.test/v1/a", "allows /v1 and nothing below it"),
        (("a.test", "GET /x", "query = {}"), "GET https://a.test/x?a=1", "allows it only without a query"),
        (
            ("a.test", "GET /x", "query = { s = \"r\" }"),
            "GET https://a.test/x?s=w",
            "allows it only with the query s=r",
        ),
        (("a.test", "GET /x", "query = { s = \"r\" }"), "GET https://a.test/x", "allows it only with the query s=r"),
        (("a.test", "GET /x", "ports = [8443]"), "GET https://a.test/x", "allows https on port 8443"),
        (("a.test", "GET /x", "scheme = \"http\""), "GET https://a.test/x", "allows http on port 80"),
        (("a.test", "GET /a%2Fb", ""), "GET https://a.test/A%2fb", "allows /a%2Fb, and upper and lower case count"),
    ] {
        let said = why(&rule(host, pattern, more), asked);
        assert!(
            said.ends_with(&format!(": policies/family.toml:1 {hint}")),
            "{host} {pattern} {more}, {asked}: {said}"
        );
    }
    // Nothing comes near.
    for ((host, pattern), asked) in [
        (("a.test", "GET /x"), "GET https://b.test/x"),
        (("a.test", "GET /x"), "GET https://a.test/y"),
        (("a.test", "POST /x"), "GET https://a.test/x/"),
        (("*.x.test", "GET /x"), "GET https://y.test/x"),
        (("a.test", "GET /"), "GET https://a.test/y"),
    ] {
        let said = why(&rule(host, pattern, ""), asked);
        assert!(!said.contains("family.toml"), "{host} {pattern}, {asked}: {said}");
    }
    // Of several rules the nearest, wherever it is.
    let both = rule("a.test", "GET /X/*", "") + &rule("a.test", "GET /x/y", "");
    assert!(why(&both, "GET https://a.test/x/y/").contains("family.toml:5 allows /x/y, without the slash"));
}

/// The suggested lines keep every condition of the nearest rule.
#[test]
fn what_is_offered_keeps_conditions() {
    let rules = |more: &str| policy(&format!("[[allow]]\nhost = \"a.test\"\ndo = [\"GET /x\", \"POST /x\"]\n{more}\n"));
    let lift = |more: &str, request: &str| decide(&rules(more), request).unwrap_err().lift;
    let lines = |last: &str| ["[[allow]]", "host = \"a.test\"", "do = [\"GET /x/\"]", last].map(str::to_owned).to_vec();
    assert_eq!(lift("query = {}", "GET https://a.test/x/"), lines("query = {}"));
    assert_eq!(lift("query = { s = \"r\" }", "GET https://a.test/x/?s=r"), lines("query = { \"s\" = \"r\" }"));
    let json = "json = { \"tools[*].type\" = { not = [\"web\\\"*\", true] }, a = \"absent\" }";
    let kept = lift(json, "GET https://a.test/x/").join("\n");
    let again = decide(&policy(&kept), "GET https://a.test/x/").unwrap();
    let conditions = again.body_conditions().unwrap();
    assert!(
        conditions.check(b"{\"tools\":[{\"type\":\"web\\\"s\"}]}").is_err() && conditions.check(b"{\"a\":1}").is_err()
    );
    assert!(conditions.check(b"{\"tools\":[{\"type\":\"x\"}]}").is_ok());
    // A query that no rule spells is not written here: it may hold a key.
    let change = ["# change or remove `query` in the [[allow]] at policies/family.toml:1"];
    assert_eq!(lift("query = {}", "GET https://a.test/x?key=abc"), change);
    assert_eq!(lift("query = { s = \"r\" }", "GET https://a.test/x?s=r&t=1"), change);
    assert_eq!(lift("query = { s = \"r\" }", "GET https://a.test/x?s=%72"), change);
    // A query that differs in a value that the rule restricts is written.
    assert_eq!(lift("query = { s = \"r\" }", "GET https://a.test/x?s=w")[3], "query = { \"s\" = \"w\" }");
    assert_eq!(lift("query = { s = \"r\" }", "GET https://a.test/x")[3], "query = {}");
}

/// A suggestion for a push does not include the other requests that a fetch's page allows.
#[test]
fn what_is_offered_beside_a_preset_keeps_its_query() {
    let rules = policy("use = [\"git-read\"]\n");
    let lift =
        decide(&rules, "GET https://github.com/me/notes.git/info/refs?service=git-receive-pack").unwrap_err().lift;
    assert_eq!(lift.last().unwrap(), "query = { \"service\" = \"git-receive-pack\" }");
}

/// A host at home is still one on another port.
#[test]
fn another_port_keeps_its_network() {
    let rules = "[[allow]]\nhost = \"nas.home\"\naccess = \"read\"\nprivate = [\"192.168.1.20/32\"]\n";
    for (asked, port) in [
        ("GET https://nas.home:8443/x", "ports = [8443]"),
        ("GET http://nas.home/x", "scheme = \"http\""),
        ("GET https://nas.home:5001/x", "ports = [5001]"),
    ] {
        let refusal = decide(&policy(rules), asked).unwrap_err();
        assert_eq!(refusal.code, Code::PortDenied);
        assert!(refusal.lift.contains(&port.to_owned()), "{:?}", refusal.lift);
        assert_eq!(refusal.lift.last().unwrap(), "private = [\"192.168.1.20/32\"]");
        let widened = policy(&format!("{rules}{}\n", refusal.lift.join("\n")));
        let permit = decide(&widened, asked).unwrap();
        assert!(permit.check_address("192.168.1.20:8443".parse().unwrap()).is_ok());
        assert!(permit.check_address("192.168.1.21:8443".parse().unwrap()).is_err());
    }
}

/// A misplaced key is reported with its right place.
#[test]
fn a_misplaced_key_is_told_with_its_place() {
    let allow = "[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n";
    let help = |text: &str| {
        let group = GroupName::parse("family").unwrap();
        let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
        policy_file::compile(&group, &source, None).unwrap_err().0[0].help().unwrap().to_owned()
    };
    let whole = |key: &str, line: u32| {
        format!("`{key}` belongs to the whole file: write it above the first [table], above line {line}")
    };
    for (text, wanted) in [
        (format!("{allow}use = [\"git-read\"]\n"), whole("use", 1)),
        (format!("\n{allow}mode = \"observe\"\n{allow}"), whole("mode", 2)),
        (format!("{allow}observe_until = \"2026-12-01\"\n"), whole("observe_until", 1)),
        (format!("{allow}presets = [\"git-read\"]\n"), whole("use", 1)),
        ("[limits]\nrequests_per_day = 5\nleaks = \"block\"\n".to_owned(), whole("leaks", 1)),
        (format!("{allow}requests_per_minute = 5\n"), "`requests_per_minute` belongs into [limits]".to_owned()),
        ("requests_per_minute = 5\n".to_owned(), "`requests_per_minute` belongs into [limits]".to_owned()),
        (
            format!("{allow}[[test]]\nrequest = \"GET https://a.test/\"\nwant = \"allow\"\nupload_per_day = 5\n"),
            "`upload_per_day` belongs into [limits]".to_owned(),
        ),
        ("[[deny]]\nhost = \"a.test\"\nprivate = []\n".to_owned(), "`private` belongs into an [[allow]]".to_owned()),
        ("host = \"a.test\"\n".to_owned(), "`host` belongs into an [[allow]] or an [[ask]] or a [[deny]]".to_owned()),
        (format!("{allow}want = \"deny\"\n"), "`want` belongs into a [[test]]".to_owned()),
        (format!("{allow}[allow.limits]\nrequests_per_day = 1\n"), "write it as [limits]".to_owned()),
        // Words of other tools and misspelt keys, as before.
        (format!("{allow}reason = \"x\"\n"), "did you mean `why`?".to_owned()),
        (format!("{allow}prots = [1]\n"), "did you mean `ports`?".to_owned()),
    ] {
        assert_eq!(help(&text), wanted, "{text}");
    }
    let group = GroupName::parse("family").unwrap();
    let source = |text: &str| Source { name: "x.toml".to_owned(), text: text.to_owned() };
    let base = policy_file::compile(&group, &source(""), Some(&source("[[deny]]\nhost = \"a.test\"\nuse = []\n")));
    let base = base.unwrap_err().0[0].help().unwrap().to_owned();
    assert!(!base.contains("whole file"), "base.toml has none: {base}");
}

/// Rules that can never allow anything, or are duplicates.
#[test]
fn rules_that_do_nothing_are_warned_of() {
    let warned = |text: &str| {
        compile(text, "").warnings.0.iter().map(|warning| warning.to_string()).collect::<Vec<_>>().join("; ")
    };
    let allow = |host: &str, more: &str| format!("[[allow]]\nhost = \"{host}\"\ndo = [\"GET /x\"]\n{more}\n");
    for (host, more, what) in [
        ("127.0.0.1", "", "a loopback address"),
        ("192.168.1.20", "", "an address of a private network"),
        ("192.168.1.20", "private = [\"192.168.1.21/32\"]", "an address of a private network"),
        ("[fe80::1]", "", "a link-local address"),
        ("169.254.169.254", "", "metadata service"),
        ("100.64.0.1", "", "carrier"),
        ("0.0.0.0", "", "this host"),
        ("[::1]", "", "a loopback address"),
        ("localhost", "", "the machine that Doorward runs on"),
        ("api.localhost", "", "the machine that Doorward runs on"),
    ] {
        let said = warned(&allow(host, more));
        assert!(said.contains("can never reach anything") && said.contains(what), "{host}: {said}");
    }
    for (host, more) in [
        ("192.168.1.20", "private = [\"192.168.1.0/24\"]"),
        ("localhost", "private = [\"127.0.0.1/32\"]"),
        ("1.1.1.1", ""),
        ("[2606:4700::1111]", ""),
        ("a.test", ""),
        ("localhost.test", ""),
    ] {
        assert_eq!(warned(&allow(host, more)), "", "{host}");
    }
    // Allows add up.
    let beside = allow("192.168.1.20", "") + &allow("192.168.1.20", "ports = [8443]\nprivate = [\"192.168.1.20/32\"]");
    assert_eq!(warned(&beside), "");
    let tunnel = "[[allow]]\nhost = \"10.0.0.1\"\ntls = \"tunnel\"\n";
    assert!(warned(tunnel).contains("can never reach anything"));

    let deny =
        |host: &str, requests: &str, more: &str| format!("[[deny]]\nhost = \"{host}\"\ndo = [{requests}]\n{more}\n");
    for (denied, dead) in [
        (deny("a.test", "\"* /x\"", ""), true),
        (deny("a.test", "\"GET /**\"", ""), true),
        (deny("a.test", "\"GET /X/\"", ""), true),
        (deny("*.test", "\"* /*\"", ""), true),
        (deny("**.test", "\"* /x\"", "ports = [443]"), true),
        (deny("a.test", "\"POST /x\"", ""), false),
        (deny("a.test", "\"* /y\"", ""), false),
        (deny("a.test", "\"* /x\"", "ports = [8443]"), false),
        (deny("a.test", "\"* /x\"", "json = { a = \"present\" }"), false),
        (deny("b.test", "\"* /x\"", ""), false),
        (deny("*.a.test", "\"* /x\"", ""), false),
    ] {
        let said = warned(&(allow("a.test", "") + &denied));
        assert_eq!(said.contains("can never match"), dead, "{denied}: {said}");
    }
    let two =
        |deny: &str| warned(&format!("[[allow]]\nhost = \"a.test\"\ndo = [\"GET /a/*\", \"POST /b/**\"]\n{deny}"));
    assert!(two(&(deny("a.test", "\"* /a/*\"", "") + &deny("a.test", "\"* /b/**\"", ""))).contains("can never match"));
    assert_eq!(two(&deny("a.test", "\"* /a/*\"", "")), "");
    assert_eq!(two(&deny("a.test", "\"* /a/**\", \"* /b/*\"", "")), "", "one segment is not all of them");

    for (text, twice) in [
        (allow("a.test", "") + &allow("a.test", ""), true),
        (allow("a.test", "why = \"one\"") + &allow("a.test", "why = \"two\""), true),
        (deny("a.test", "\"* /y\"", "") + &deny("a.test", "\"* /y\"", ""), true),
        (tunnel.replace("10.0.0.1", "a.test").repeat(2), true),
        (deny("a.test", "\"* /y\", \"* /z\"", "") + &deny("a.test", "\"* /z\", \"* /y\"", ""), true),
        (deny("a.test", "\"* /y\", \"* /z\"", "") + &deny("a.test", "\"* /y\"", ""), false),
        (allow("a.test", "") + &allow("a.test", "ports = [8443]"), false),
        (allow("a.test", "") + &allow("b.test", ""), false),
        (allow("a.test", "model = true") + &allow("a.test", ""), false),
    ] {
        let said = warned(&text);
        assert_eq!(said.contains("says the same as the rule at policies/family.toml:1"), twice, "{text}: {said}");
    }
}

/// The same for `explain`, `[[test]]` and the door.
#[test]
fn one_function_judges_for_all() {
    let rules = policy(
        "[[allow]]\nhost = \"192.168.1.20\"\naccess = \"read\"\n[[allow]]\nhost = \"10.0.0.1\"\ntls = \"tunnel\"\n[[allow]]\nhost = \"10.0.0.2\"\ntls = \"tunnel\"\nprivate = [\"10.0.0.2/32\"]\n[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n",
    );
    let way = |request: &str| match policy_file::way(rules.at(Moment::FAR), facts(request)) {
        Way::Unopened(_) => "unopened".to_owned(),
        Way::Judged(Verdict::Allow(_)) => "allow".to_owned(),
        Way::Judged(Verdict::Ask(_)) => "ask".to_owned(),
        Way::Judged(Verdict::Deny(_, refusal)) => refusal.code.to_string(),
    };
    for (request, said) in [
        ("GET https://192.168.1.20/", "resolved_private"),
        ("GET https://10.0.0.1/", "resolved_private"),
        ("GET https://10.0.0.2/", "unopened"),
        ("GET https://a.test/", "allow"),
        ("GET https://a.test/dns-query?dns=AAAB", "unsupported"),
        ("GET https://a.test/x/DNS-query?a=1&%64ns=AAAB", "unsupported"),
        ("GET https://a.test/dns-query", "allow"),
        ("GET https://a.test/x?dns=1", "allow"),
    ] {
        assert_eq!(way(request), said, "{request}");
    }
    let test = "[[allow]]\nhost = \"192.168.1.20\"\naccess = \"read\"\n[[test]]\nrequest = \"GET https://192.168.1.20/\"\nwant = \"deny\"\n";
    policy(test);
}

/// Reading takes time proportional to the file's length: the lines of 20,000 rules are found, and
/// the changes between two such files.
#[test]
fn a_long_file_is_read_line_by_line() {
    let rule =
        |n: usize| format!("[[allow]]\nhost = \"h{n}.example.org\"\ndo = [\"GET /p{n}/**\"]\ncredential = \"c\"\n");
    let text = |to: usize| (0..to).map(rule).collect::<String>();
    let (old, new) = (policy(&text(20_000)), policy(&text(20_001)));
    let lines: Vec<u32> = policy_file::summaries(&old).iter().map(|rule| rule.at.line).collect();
    assert!(lines.iter().enumerate().all(|(n, line)| usize::try_from(*line).unwrap() == 4 * n + 1));
    let diff = policy_file::diff(&old, &new);
    assert_eq!((diff.added.len(), diff.removed.len()), (1, 0));
}
