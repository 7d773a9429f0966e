//! What commands show at terminals of different widths, and in a pipe.

use std::sync::Arc;

use crate::support::terminal::{broken_words, plain};
use crate::support::{Home, Seen, Terminal};
use clap::CommandFactory as _;
use doorward::cli::Cli;
use doorward::store::Store;
use doorward::store::ledger::{AuditLog, Notice};
use policies::{Code, GroupName, RuleRef, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol};
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

/// Every command, each so that it prints something and asks nothing; `no_command_is_forgotten` holds that. There is no
/// container engine here, so some say just that: what they print with one is held where it is made.
const COMMANDS: &[&[&str]] = &[
    &["setup", "--yes", "--agent", "shell"],
    &["tour"],
    &["up"],
    &["agent", "set", "club", "opencode", "--model", "mistral/mistral-large-latest", "--dry-run"],
    &["exec", "club", "--", "ls"],
    &["door", "--group", "club", "--socket", "/nowhere/door.sock", "--ca", "/nowhere/ca.pem", "--env", "/nowhere/env"],
    &["audit"],
    &["audit", "--denied"],
    &["audit", "--events"],
    &["audit", "digest"],
    &["audit", "verify"],
    &["audit", "show", "1"],
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
    &["policy", "manifest", "club"],
    &["policy", "allow", "club", "news.example.org", "--until", "2h", "--dry-run"],
    &["policy", "allow", "club", "POST", "https://club.example.org/members/12/payments/2026", "--dry-run"],
    &["policy", "deny", "club", "https://news.example.org/2026", "--dry-run"],
    &["policy", "use", "club", "wikipedia", "--dry-run"],
    &["policy", "use", "club", "wikpedia"],
    &["policy", "presets"],
    &["skill", "list"],
    &["skill", "show", "weather"],
    &["skill", "check", "weather"],
    &["skill", "check"],
    &["skill", "add", "wether", "--group", "club"],
    &["skill", "update", "--group", "club"],
    &["skill", "remove", "weather", "--group", "club"],
    &["credential", "known"],
    &["credential", "add", "antropic"],
    &["secret", "list"],
    &["secret", "test", "club"],
    &["secret", "test", "none-of-this-name"],
    &["secret", "trust"],
    &["secret", "add", "Not A Name"],
    &["secret", "rotate", "none-of-this-name"],
    &["secret", "remove", "none-of-this-name"],
    &["ask"],
    &["ask", "yes", "k7q2mx"],
    &["ask", "no", "k7q2mx", "not", "today"],
    &["ask", "never", "k7q2mx"],
    &["requests"],
    &["requests", "approve", "1", "--dry-run"],
    &["requests", "refuse", "99"],
    &["requests", "clear", LONG],
    &["undelivered"],
    &["usage"],
    &[
        "task",
        "add",
        LONG,
        "water the plants on the balcony, and say which of them look thirsty",
        "--cron",
        "0 7 * * 1-5",
    ],
    &["task", "list"],
    &["task", "show", "1"],
    &["task", "pause", "99"],
    &["task", "resume", "99"],
    &["task", "run-now", "99"],
    &["task", "cancel", "99"],
    &["mount", "check"],
    &["import", "nanoclaw", "/nowhere"],
    &["logs"],
    &["group", "list"],
    &["group", "add", "club"],
    &["group", "remove", "none-of-this-name"],
    &["group", "set", "club", "agent", "claude", "--dry-run"],
    &["group", "set", "club", "agnet", "claude"],
    &["group", "reset", "club"],
    &["status"],
    &["stop", "club"],
    &["stop", "none-of-this-name"],
    &["lock", LONG],
    &["unlock", "club"],
    &["pause", LONG, "2h"],
    &["pause", "whenever"],
    &["resume", "club"],
    &["doctor"],
    &["image", "list"],
    &["image", "build"],
    &["image", "check"],
    &["image", "new", "base"],
    &["backup", "/nowhere/file.backup", "--to", "no-key-of-age"],
    &["restore", "/nowhere/file.backup", "--key", "/nowhere/key.txt"],
    &["service", "install", "--dry-run"],
    &["service", "status"],
    &["service", "remove"],
    &["uninstall", "--dry-run"],
    &["drill", "--group", "none-of-this-name"],
    &["chat", "--group", "none-of-this-name", "--once", "hello"],
    &["whatsapp", "status"],
    &["whatsapp", "chats"],
    &["whatsapp", "link", "--phone", "0170123"],
    &["whatsapp", "unlink"],
    &["audit", "--since", "whenever"],
    &["--help"],
    &["audit", "--help"],
    &["nonsense"],
];

/// What is printed to be copied, or read by a program, line by line.
const AS_IT_STANDS: &[&[&str]] = &[&["policy", "manifest"], &["service", "install"]];

/// Each command of the command line, with those above it.
fn paths(command: &clap::Command) -> Vec<Vec<String>> {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    let below = below.flat_map(|below| {
        let name = below.get_name().to_owned();
        paths(below).into_iter().map(move |path| [vec![name.clone()], path].concat())
    });
    std::iter::once(Vec::new()).chain(below).collect()
}

#[test]
fn no_command_is_forgotten() {
    let all = paths(&Cli::command());
    let is_leaf = |path: &&Vec<String>| !all.iter().any(|other| other.len() > path.len() && other.starts_with(path));
    let is_shown =
        |path: &[String]| COMMANDS.iter().any(|shown| shown.len() >= path.len() && shown[..path.len()] == *path);
    let forgotten: Vec<_> = all.iter().filter(is_leaf).filter(|path| !is_shown(path)).collect();
    assert!(all.len() > 50 && forgotten.is_empty(), "{forgotten:?}");
}

fn show(home: &Home, command: &[&str], columns: u16) -> Seen {
    Terminal::start(home.command(command), columns).wait()
}

/// Whether a line is a command, which no terminal breaks.
fn is_command(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches('(');
    ["`", "doorward ", "sudo ", "chmod "].iter().any(|begins| line.starts_with(begins))
}

/// What somebody would copy: what stands between backquotes, and lines of their own.
fn commands(text: &str) -> Vec<&str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let lines = text.lines().map(str::trim_start).filter(|line| line.starts_with("doorward "));
    let lines = lines.filter_map(|line| line.split("  ").next());
    quoted.chain(lines).map(str::trim_end).collect()
}

#[test]
fn nothing_is_wider_than_the_terminal_nor_broken_inside_a_word() {
    let home = lived_in();
    let mut findings = Vec::new();
    for command in COMMANDS {
        let as_it_stands = AS_IT_STANDS.iter().any(|those| command.starts_with(those));
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
                let is_changed = command.contains(&"--dry-run") && line.starts_with(['+', '-', ' ']);
                let is_line = (as_it_stands || line.contains(" = ")) && whole.lines().any(|whole| whole == line);
                let is_copied = is_changed || is_line || is_command(line) && whole.contains(line.trim());
                if display_width(line.trim_end()) > usize::from(columns) && !is_copied {
                    findings.push(format!("{what} is wider: {line:?}"));
                }
            }
            // A task that is added each time has another number.
            let unnumbered = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "#");
            let text_unnumbered = unnumbered(&text);
            let is_broken = |copied: &&str| !text_unnumbered.contains(&unnumbered(copied));
            let copied = commands(&whole).into_iter().filter(is_broken);
            findings.extend(copied.map(|copied| format!("{what}: {copied:?} is broken")));
            let broken = broken_words(&text, &whole).into_iter();
            findings.extend(broken.map(|word| format!("{what}: {word:?} is no whole word")));
        }
    }
    assert!(findings.is_empty(), "{findings:#?}");
}

/// With a real sandbox: each sentence stands whole, in lines that fit.
#[test]
fn the_tour_is_told_at_every_width() {
    let home = Home::new();
    let in_a_row = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let piped = home.run(&["tour"]).ok().out;
    let is_prose = |line: &&str| {
        line.len() > 60 && line.ends_with('.') && !line.starts_with(' ') && !line.contains(|c: char| c.is_ascii_digit())
    };
    let prose: Vec<String> = piped.lines().filter(is_prose).map(in_a_row).collect();
    assert!(prose.len() >= 5, "{piped}");
    for columns in WIDTHS {
        let text = plain(&show(&home, &["tour"], columns).text);
        let shown = in_a_row(&text);
        for sentence in &prose {
            assert!(shown.contains(sentence), "at {columns}: {sentence}\n{text}");
        }
    }
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

#[test]
fn the_daemons_log_has_colours_where_they_are_wanted() {
    let home = lived_in();
    let shown = |environment: &[(&str, &str)]| {
        let environment = [environment, &[("TERM", "xterm-256color"), ("TZ", "Mars/Olympus")]].concat();
        Terminal::sized(home.command(&["up"]), 120, 24, &environment).wait().text
    };
    let (plain, coloured) = (shown(&[("NO_COLOR", "1")]), shown(&[]));
    assert!(plain.contains("WARN") && !plain.contains("\x1b[33m"), "{plain:?}");
    assert!(coloured.contains("\x1b[33m WARN"), "{coloured:?}");
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
