//! What commands show at terminals of different widths, and in a pipe.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use doorward::store::Store;
use doorward::store::ledger::{AuditLog, Notice};
use policies::{Code, GroupName, RuleRef, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol};
use support::terminal::plain;
use support::{Home, Seen, Terminal};
use textwrap::core::display_width;

const WIDTHS: [u16; 3] = [40, 80, 120];

/// A name as long as they come.
const LONG: &str = "grandparents-and-cousins";

const POLICY: &str = "\
use = [\"claude\", \"weather\"]

[[allow]]
host = \"club.example.org\"
do = [\"GET /members/**\", \"POST /members/*/messages\", \"PUT /members/*/picture\", \"DELETE /members/*/picture\"]
credential = \"club\"

[[allow]]
host = \"a-very-long-name-of-a-host.of-a-department.of-an-institute.of-some-university.example.org\"
access = \"read\"

[[deny]]
host = \"club.example.org\"
do = [\"* /members/*/payments/**\"]
why = \"payments are made by the treasurer alone, and never by an assistant\"

[limits]
requests_per_day = 500

[[test]]
request = \"GET https://club.example.org/members/12\"
want = \"allow\"
";

const CONFIG: &str = "\
hosts = [\"club.example.org\", \"archive.club.example.org\", \"members.club.example.org\"]
place = [\"header:authorization\", \"query:access_token\"]
env = \"CLUB_TOKEN\"
";

/// A home in which a lot has happened.
fn lived_in() -> Home {
    let home = Home::without_engine()
        .config("[engine]\nhost = \"unix:///nowhere/docker.sock\"")
        .credential("club", "club-key-0123456789abcdef", CONFIG)
        .group("club")
        .group(LONG)
        .policy("club", POLICY)
        .policy(LONG, "use = [\"wether\"]\n[[allow]]\nhost = \"club.example.org\"\ndo = [\"GXT /members/of/the/club/and/their/friends/**\"]\n");
    let log = AuditLog::open(&home.at("data/audit")).unwrap();
    for (host, path) in [
        ("club.example.org", "/members/12/messages"),
        ("a-very-long-name-of-a-host.of-a-department.of-an-institute.of-some-university.example.org", "/"),
        ("news.example.org", "/2026/11/29/an-article-with-a-long-title-about-the-new-bridge-in-the-town"),
    ] {
        for verdict in [Allowed::Allow, Allowed::Deny] {
            let seq = log.decided(&decision(verdict, host, path)).unwrap();
            if verdict == Allowed::Allow {
                let address = "192.0.2.1:443".parse().ok();
                let outcome = Outcome {
                    status: Some(200),
                    bytes_up: 1_234,
                    bytes_down: 56_789,
                    micros: 73_400,
                    address,
                    ..Outcome::default()
                };
                log.ended(seq, &outcome).unwrap();
            }
        }
    }
    let club = GroupName::parse("club").unwrap();
    let withheld =
        Notice::new("reply_withheld", Some(&club), "a reply held a secret of credential club in hex and was withheld");
    log.notice(&Notice { code: Some(Code::SecretInRequest), alarm: true, ..withheld }).unwrap();
    drop(log);
    let store = Store::open(&home.at("data/doorward.db")).unwrap();
    let asked = doorward::store::NewAccessRequest {
        authority: "news.example.org:443",
        method: "GET",
        path: "/2026/11/29/an-article-with-a-long-title",
        why: "somebody asked for the news about the new bridge, and without this page there is nothing to say",
    };
    store.keep_access_request(&club, &asked, 10).unwrap();
    home
}

fn decision(verdict: Allowed, host: &str, path: &str) -> Decision {
    let denied = verdict == Allowed::Deny;
    Decision {
        identity: Identity { group: GroupName::parse("club").unwrap(), sandbox: SandboxId::new("abcd").unwrap() },
        run: None,
        connection: 1,
        protocol: Protocol::Https,
        operation: None,
        raw_target: None,
        sni: None,
        host_header: None,
        scheme: Some("https"),
        host: Some(host.into()),
        port: Some(443),
        method: Some("GET".into()),
        path: Some(path.into()),
        query_bytes: None,
        head_bytes: Some(100),
        observed: false,
        by_wildcard: false,
        asks_model: false,
        verdict,
        code: denied.then_some(Code::NotAllowed),
        why: denied.then(|| format!("no rule of group club names {host}")),
        rule: (!denied).then(|| RuleRef { file: "policies/club.toml".into(), line: 3 }),
        lift: vec![],
        policy: None,
        credential: (!denied).then(|| Arc::from("club")),
        granted: None,
        swap: None,
        findings: vec![],
        reserves: None,
        alarm: false,
    }
}

/// Every command that prints, but for those that need a container engine.
const COMMANDS: &[&[&str]] = &[
    &["audit"],
    &["audit", "--denied"],
    &["audit", "--events"],
    &["audit", "digest"],
    &["audit", "verify"],
    &["policy", "check"],
    &["policy", "check", "club"],
    &["policy", "check", LONG],
    &["policy", "show", "club"],
    &["policy", "show", LONG],
    &["policy", "explain", "club", "GET", "https://club.example.org/members/12"],
    &["policy", "explain", "club", "GET", "https://club.example.org/members/12/payments/2026"],
    &["policy", "explain", "club", "POST", "https://news.example.org/2026/11/29/an-article"],
    &["policy", "suggest", "club"],
    &["policy", "diff", "club", "club"],
    &["policy", "test", "club"],
    &["policy", "accept"],
    &["policy", "presets"],
    &["credential", "known"],
    &["secret", "list"],
    &["secret", "test", "club"],
    &["secret", "test", "none-of-this-name"],
    &["secret", "trust"],
    &["requests"],
    &["undelivered"],
    &["usage"],
    &["group", "list"],
    &["group", "add", "club"],
    &["group", "remove", "none-of-this-name"],
    &["status"],
    &["stop", "club"],
    &["stop", "none-of-this-name"],
    &["doctor"],
    &["image", "list"],
    &["drill", "--group", "none-of-this-name"],
    &["chat", "--group", "none-of-this-name", "--once", "hello"],
    &["whatsapp", "status"],
    &["audit", "--since", "whenever"],
    &["--help"],
    &["audit", "--help"],
    &["policy", "explain", "--help"],
    &["nonsense"],
];

/// In lower case: of a row that is told line by line, the headings are.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Nothing that is shown is a piece of a word, unless the word is longer than a line has room.
fn broken_words(seen: &str, whole: &str) -> Vec<String> {
    // What is quoted is cut where it is longer than a line, and says so.
    let uncut: Vec<&str> = seen.split_whitespace().filter(|word| !word.contains('…')).collect();
    let (known, seen) = (words(whole), words(&uncut.join(" ")));
    let long: Vec<String> =
        whole.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).filter(|word| word.len() > 30).collect();
    let is_broken = |word: &String| !known.contains(word) && !long.iter().any(|long| long.contains(word.as_str()));
    seen.into_iter().filter(is_broken).collect()
}

fn show(home: &Home, command: &[&str], columns: u16) -> Seen {
    Terminal::start(home.command(command), columns).wait()
}

#[test]
fn nothing_is_wider_than_the_terminal_nor_broken_inside_a_word() {
    let home = lived_in();
    let mut findings = Vec::new();
    for command in COMMANDS {
        let piped = home.run(command);
        let whole = format!("{}\n{}", piped.out, piped.err);
        assert!(!whole.contains('\x1b'), "codes in a pipe: {piped:#?}");
        for columns in WIDTHS {
            let what = format!("{command:?} at {columns}");
            let seen = show(&home, command, columns);
            assert_eq!(seen.code, piped.code, "{what}");
            let text = plain(&seen.text);
            assert!(!text.contains('\x1b'), "{what}: {text:?}");
            for line in text.lines() {
                // Lines to be copied are left as they are.
                let is_copied = line.contains(" = ") && whole.lines().any(|whole| whole == line);
                if display_width(line.trim_end()) > usize::from(columns) && !is_copied {
                    findings.push(format!("{what} is wider: {line:?}"));
                }
            }
            let broken = broken_words(&text, &whole).into_iter();
            findings.extend(broken.map(|word| format!("{what}: {word:?} is no whole word")));
        }
    }
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn verdicts_have_colours_where_they_are_wanted() {
    let home = lived_in();
    let shown =
        |environment: &[(&str, &str)]| Terminal::sized(home.command(&["audit"]), 120, 24, environment).wait().text;
    assert!(shown(&[("TERM", "xterm-256color")]).contains("\x1b[31mDENY\x1b[0m"));
    for plain in [[("TERM", "xterm-256color"), ("NO_COLOR", "1")], [("TERM", "dumb"), ("NO_COLOR", "")]] {
        assert!(!shown(&plain).contains('\x1b'));
    }
}

/// A mistake is shown as it was drawn, with nothing of the drawing written out.
#[test]
fn a_mistake_in_a_policy_is_drawn() {
    let home = lived_in();
    for command in [["policy", "check", LONG], ["policy", "show", LONG]] {
        let seen = show(&home, &command, 80);
        let text = plain(&seen.text);
        assert!(text.contains("there is no preset \"wether\"") && text.contains("╭─["), "{text}");
        assert!(seen.text.contains("\x1b[") && !text.contains("[3") && !text.contains("\\u{1b}"), "{text:?}");
    }
}
