#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use clap::Parser;
use policies::{Code, RuleRef, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger, Outcome, Protocol, Seq};

use super::*;
use crate::store::ledger::{AuditLog, Notice};

mod shown;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    audit: AuditArgs,
}

struct Scene {
    _dir: tempfile::TempDir,
    home: Home,
    log: AuditLog,
}

impl Scene {
    /// Ends a request and commits that: readers in the same process wait for nothing.
    fn ended(&self, seq: Seq, outcome: &Outcome) {
        self.log.ended(seq, outcome).unwrap();
        self.log.entry(seq).unwrap();
    }

    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let log = AuditLog::open(&home.audit_log()).unwrap();
        Scene { _dir: dir, home, log }
    }

    fn run(&self, args: &[&str]) -> (String, ExitCode) {
        run_at(&self.home, args)
    }

    fn reader(&self) -> AuditReader {
        AuditReader::open(&self.home.audit_log()).unwrap().while_served(true)
    }
}

fn run_at(home: &Home, args: &[&str]) -> (String, ExitCode) {
    let parsed = CommandLine::parse_from([&["audit"], args].concat()).audit;
    let mut out = Vec::new();
    let code = match &parsed.command {
        Some(AuditCommand::Show(args)) => show::run(args, home, Screen::PIPE, &mut out).unwrap(),
        Some(AuditCommand::Verify(args)) => verify::run(args, home, Screen::PIPE, &mut out).unwrap(),
        Some(AuditCommand::Digest(args)) => digest::run(args, home, Screen::PIPE, &mut out).unwrap(),
        None => list(&parsed.show, home, Screen::PIPE, &mut out).unwrap(),
    };
    (String::from_utf8(out).unwrap(), code)
}

fn decision(verdict: Allowed, path: &str) -> Decision {
    let denied = verdict == Allowed::Deny;
    Decision {
        identity: Identity { group: GroupName::parse("family").unwrap(), sandbox: SandboxId::new("abc1").unwrap() },
        run: None,
        connection: 1,
        protocol: Protocol::Https,
        operation: None,
        raw_target: None,
        sni: None,
        host_header: None,
        scheme: Some("https"),
        host: Some("api.example".into()),
        port: Some(443),
        method: Some("GET".into()),
        path: Some(path.into()),
        query_bytes: None,
        head_bytes: None,
        granted: None,
        observed: false,
        by_wildcard: false,
        asks_model: false,
        verdict,
        code: denied.then_some(Code::NotAllowed),
        why: denied.then(|| "no rule of group family covers this".into()),
        rule: (!denied).then(|| RuleRef { file: "policies/family.toml".into(), line: 4 }),
        lift: vec![],
        policy: None,
        credential: Some(Arc::from("github")),
        swap: None,
        findings: vec![],
        reserves: None,
        alarm: false,
    }
}

/// The lines without times, which differ each time.
fn untimed(text: &str) -> String {
    let cut = |line: &str| line.chars().take(5).chain(line.chars().skip(32)).collect::<String>();
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_table_for_people() {
    let scene = Scene::new();
    let seq = scene.log.decided(&decision(Allowed::Allow, "/v1/items")).unwrap();
    let ended =
        Outcome { status: Some(200), bytes_up: 12, bytes_down: 3_456_789, micros: 73_400, ..Outcome::default() };
    scene.log.ended(seq, &ended).unwrap();
    let odd = Decision { port: Some(8443), query_bytes: Some(9), alarm: true, ..decision(Allowed::Deny, "/x") };
    scene.log.decided(&odd).unwrap();
    let cut_off = scene.log.decided(&decision(Allowed::Allow, "/slow")).unwrap();
    let why =
        Outcome { code: Some(Code::Timeout), why: Some("too slow".into()), micros: 2_500_000, ..Outcome::default() };
    let why = Outcome { address: Some("192.0.2.1:443".parse().unwrap()), ..why };
    scene.log.ended(cut_off, &why).unwrap();
    scene.log.decided(&decision(Allowed::Allow, "/crash")).unwrap();
    let unread = Decision { host: None, method: None, path: None, raw_target: Some("\u{1b}[2Jx".into()), ..odd };
    scene.log.decided(&Decision { protocol: Protocol::Unknown, alarm: false, ..unread }).unwrap();
    let (text, _) = scene.run(&["--requests"]);
    assert_eq!(
        untimed(&text),
        "\
NO.  GROUP   VERDICT      REQUEST                             UP    DOWN   TOOK  BECAUSE
  4  family  allow        GET api.example/v1/items          12 B  3.4 MB  73 ms  answered 200; rule family.toml:4
  6  family  DENY         GET api.example:8443/x?(9 bytes)     -       -      -  ALARM: no rule of group family covers this (not_allowed)
  7  family  CUT OFF      GET api.example/slow               0 B     0 B  2.5 s  too slow (timeout); rule family.toml:4
  9  family  interrupted  GET api.example/crash                -       -      -  how it ended is not known; rule family.toml:4
 10  family  DENY         unknown \\u{1b}[2Jx                   -       -      -  no rule of group family covers this (not_allowed)"
    );
}

#[test]
fn json_lines_hold_everything() {
    let scene = Scene::new();
    let seq = scene.log.decided(&decision(Allowed::Allow, "/v1")).unwrap();
    scene.log.ended(seq, &Outcome { status: Some(204), ..Outcome::default() }).unwrap();
    scene.log.decided(&decision(Allowed::Deny, "/a\u{202e}b\n")).unwrap();
    let (text, _) = scene.run(&["--json", "--requests"]);
    assert!(text.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)), "{text}");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["outcome"]["status"], 204);
    assert_eq!(lines[0]["rule"]["line"], 4);
    assert_eq!(lines[0]["credential"], "github");
    assert_eq!(lines[0]["ending"], "ended");
    assert_eq!(lines[1]["path"], "/a\u{202e}b\n");
    assert_eq!(lines[1]["outcome"], serde_json::Value::Null);
    let (denied, _) = scene.run(&["--json", "--denied"]);
    assert_eq!(denied.lines().count(), 1);
    let (other, _) = scene.run(&["--group", "work"]);
    assert_eq!(other, "Nothing in the log matches. It holds nothing of group work. It has family.\n");
}

#[test]
fn verify_says_what_it_found() {
    let scene = Scene::new();
    scene.log.decided(&decision(Allowed::Deny, "/x")).unwrap();
    let (text, code) = scene.run(&["verify"]);
    assert!(text.starts_with("All 4 records are as they were written.\nSigned checkpoints: 1, "), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
    let head = text.lines().last().unwrap();
    assert_eq!(scene.run(&["verify", "--head", head]).1, ExitCode::SUCCESS);
    assert_eq!(scene.run(&["verify", "--head", &"0".repeat(64)]).1, ExitCode::FAILURE);
    let segment = scene.home.audit_log().join("000000000001.jsonl");
    let changed = std::fs::read_to_string(&segment).unwrap().replace("\"path\":\"/x\"", "\"path\":\"/y\"");
    std::fs::write(segment, changed).unwrap();
    let (text, code) = scene.run(&["verify"]);
    assert!(text.starts_with("The log was tampered with: record 4 was changed"), "{text}");
    assert_eq!(code, ExitCode::FAILURE);
    let (json, _) = scene.run(&["verify", "--json"]);
    assert!(json.contains("\"seq\":4") && json.contains("\"whole\":false"), "{json}");
}

#[test]
fn a_home_without_a_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    let (text, code) = run_at(&home, &[]);
    assert!(text.starts_with("Nothing was asked at a door"), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(run_at(&home, &["--json"]).0, "");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "looking makes nothing");
}

#[test]
fn following_shows_each_request_once_it_has_ended() {
    let scene = Scene::new();
    let seqs = |entries: Vec<AuditEntry>| entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>();
    scene.log.decided(&decision(Allowed::Deny, "/before")).unwrap();
    let early = scene.log.decided(&decision(Allowed::Allow, "/early")).unwrap();
    let reader = scene.reader();
    let mut follower = Follower::start(&reader, Filter { limit: Some(50), ..Filter::default() }).unwrap();
    assert_eq!(seqs(follower.step(&reader).unwrap()), [4]);
    assert!(follower.is_waiting());
    let allowed = scene.log.decided(&decision(Allowed::Allow, "/now")).unwrap();
    assert_eq!(seqs(follower.step(&reader).unwrap()), [0; 0]);
    scene.log.decided(&decision(Allowed::Deny, "/denied")).unwrap();
    scene.ended(allowed, &Outcome::default());
    assert_eq!(seqs(follower.step(&reader).unwrap()), [6, 7]);
    scene.ended(early, &Outcome::default());
    assert_eq!(seqs(follower.step(&reader).unwrap()), [early.0]);
    assert_eq!(seqs(follower.step(&reader).unwrap()), [0; 0]);
    assert!(!follower.is_waiting());
}

/// Only the outcome shows whether a request was cut off.
#[test]
fn following_refusals_finds_those_that_come_late() {
    let scene = Scene::new();
    let reader = scene.reader();
    let filter = Filter { which: Some(Which::Denied), ..Filter::default() };
    let mut follower = Follower::start(&reader, filter).unwrap();
    let seq = scene.log.decided(&decision(Allowed::Allow, "/x")).unwrap();
    assert!(follower.step(&reader).unwrap().is_empty());
    let private = Outcome { code: Some(Code::ResolvedPrivate), ..Outcome::default() };
    scene.ended(seq, &private);
    let found: Vec<Seq> = follower.step(&reader).unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(found, [seq]);
}

fn at_host(host: &str, decision: Decision) -> Decision {
    Decision { host: Some(host.into()), head_bytes: Some(100), ..decision }
}

#[test]
fn a_digest_says_where_data_went() {
    let scene = Scene::new();
    for bytes_up in [1_000, 2_000] {
        let seq = scene.log.decided(&at_host("api.example", decision(Allowed::Allow, "/v1"))).unwrap();
        scene.ended(
            seq,
            &Outcome { bytes_up, bytes_down: 5, address: "192.0.2.1:443".parse().ok(), ..Outcome::default() },
        );
    }
    let private = Outcome { code: Some(Code::ResolvedPrivate), ..Outcome::default() };
    let seq = scene.log.decided(&at_host("api.example", decision(Allowed::Allow, "/v1"))).unwrap();
    scene.ended(seq, &private);
    scene.log.decided(&at_host("api.example", decision(Allowed::Allow, "/open"))).unwrap();
    let denied = at_host("evil\u{202e}.example", decision(Allowed::Deny, "/"));
    for alarm in [false, false, true] {
        let code = if alarm { Code::SecretInRequest } else { Code::NotAllowed };
        scene.log.decided(&Decision { alarm, code: Some(code), ..denied.clone() }).unwrap();
    }
    let (text, code) = scene.run(&["digest"]);
    assert_eq!(code, ExitCode::SUCCESS);
    let (heading, rest) = text.split_once('\n').unwrap();
    assert!(heading.starts_with("Where data went since "), "{heading}");
    let (rest, head) = rest.split_once("\nThe log ends with record ").unwrap();
    assert_eq!(
        rest,
        "
GROUP   HOST                  REQUESTS      UP  DOWN  REFUSED  ALARMS  MOSTLY BECAUSE
family  evil\\u{202e}.example         3     0 B   0 B        3       1  no rule names the host
family  api.example                  4  3.3 kB  10 B        1       0  the name leads to a private address

Allowed requests without an outcome: 1. They are under way or were interrupted; what their bodies held is not counted.

With credentials:
github: 4 requests of family to api.example, 3.3 kB up, 10 B down

Besides requests:
(all groups): opened 1
"
    );
    let (verified, _) = scene.run(&["verify"]);
    let expected = verified.lines().last().unwrap();
    assert!(head.contains(expected), "{head} / {expected}");
}

#[test]
fn a_digest_of_a_group_and_a_time_leaves_the_rest_out() {
    let scene = Scene::new();
    scene.log.decided(&at_host("api.example", decision(Allowed::Deny, "/v1"))).unwrap();
    let ways = |args: &[&str]| {
        let (json, _) = scene.run(&[&["digest", "--json"], args].concat());
        let whole: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(whole["head"]["hash"].as_str().is_some_and(|hash| hash.len() == 64), "{whole}");
        whole["ways"].as_array().unwrap().len()
    };
    assert_eq!((ways(&[]), ways(&["--group", "family"]), ways(&["--group", "work"])), (1, 1, 0));
    assert_eq!(ways(&["--since", "2100-01-01"]), 0);
    assert!(scene.run(&["digest", "--group", "work"]).0.starts_with("Nothing was asked at a door since "));
}

/// A sandbox can ask for any number of hosts; the output still fits one screen.
#[test]
fn a_digest_stays_on_one_screen() {
    let scene = Scene::new();
    for number in 0..40 {
        scene.log.decided(&at_host(&format!("h{number}.example"), decision(Allowed::Deny, "/"))).unwrap();
    }
    let (text, _) = scene.run(&["digest"]);
    assert!(text.lines().count() < 26 && text.contains("(25 more hosts)        25 "), "{text}");
}

/// The reader learns whether anything was sent.
#[test]
fn what_its_client_left_is_told_by_how_far_it_had_come() {
    let scene = Scene::new();
    for (address, told) in [(None, "before anything was sent"), (Some("192.0.2.1:443"), "before the answer was whole")]
    {
        let seq = scene.log.decided(&decision(Allowed::Allow, "/v1")).unwrap();
        let address = address.map(|address| address.parse().unwrap());
        scene.ended(seq, &Outcome { address, abandoned: true, ..Outcome::default() });
        let (shown, _) = scene.run(&["show", &seq.0.to_string()]);
        assert!(shown.contains(told), "{shown}");
        let (table, _) = scene.run(&["--limit", "1"]);
        assert!(table.contains(&format!("left {told}")), "{table}");
    }
}

#[test]
fn csv_is_for_spreadsheets() {
    let scene = Scene::new();
    let seq = scene.log.decided(&decision(Allowed::Allow, "/v1")).unwrap();
    scene.ended(seq, &Outcome { status: Some(204), bytes_up: 7, ..Outcome::default() });
    let formula = "=HYPERLINK(\"http://evil.example\")\r\n";
    scene.log.decided(&Decision { raw_target: Some(formula.into()), ..decision(Allowed::Deny, "/x,y") }).unwrap();
    let (text, _) = scene.run(&["--csv", "--requests"]);
    let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    assert_eq!(lines.len(), 3, "{text}");
    let columns = lines[0].split(',').count();
    assert_eq!(lines[1].split(',').count(), columns, "{text}");
    assert!(lines[1].contains(",\"api.example\",443,\"GET\",\"/v1\",,"), "{text}");
    assert!(lines[2].contains(",\"/x,y\",,\"'=HYPERLINK(\"\"http://evil.example\"\")\\u{d}'\\u{a}\","), "{text}");
    let (events, _) = scene.run(&["--csv", "--events"]);
    let opened = events.lines().nth(1).unwrap();
    assert!(opened.contains(",\"noted\",") && opened.contains(",\"the audit log was opened\","), "{events}");
    assert!(opened.ends_with(",\"opened\","), "{events}");
    let (none, _) = scene.run(&["--csv", "--group", "work"]);
    assert_eq!(none.split("\r\n").count(), 2, "the headings stay: {none}");
}

/// Every kind of event, in each form; refused ones are found as refusals.
#[test]
fn what_happened_besides_requests_is_shown() {
    let scene = Scene::new();
    let group = GroupName::parse("family").unwrap();
    let noted = |what, text: &str| Notice::new(what, Some(&group), text);
    let who = decision(Allowed::Deny, "/").identity;
    scene.log.notice(&Notice { bytes: Some(1_500), ..noted("reply", "a reply went to the chat") }).unwrap();
    let withheld = noted("reply_withheld", "a reply held a secret of credential bank in hex and was withheld");
    scene.log.notice(&Notice { code: Some(Code::SecretInRequest), ..withheld }).unwrap();
    scene.log.notice(&noted("stopped", "the owner stopped the group")).unwrap();
    scene.log.notice(&Notice::of("door_shut", &who, "a door was shut: the owner stopped the group")).unwrap();
    let unused = Notice::of("idle_connections", &who, "connections that ended without a request: 7");
    scene.log.notice(&Notice { count: Some(7), ..unused }).unwrap();
    let (table, _) = scene.run(&["--events"]);
    assert_eq!(
        untimed(&table),
        "\
NO.  GROUP   VERDICT  REQUEST                    UP  DOWN  TOOK  BECAUSE
  3          event    opened                      -     -     -  the audit log was opened
  4  family  event    reply                  1.5 kB     -     -  a reply went to the chat
  5  family  DENY     reply withheld              -     -     -  a reply held a secret of credential bank in hex and was withheld (secret_in_request)
  6  family  event    stopped                     -     -     -  the owner stopped the group
  7  family  event    door shut abc1              -     -     -  a door was shut: the owner stopped the group
  8  family  event    idle connections abc1       -     -     -  connections that ended without a request: 7"
    );
    let (json, _) = scene.run(&["--json", "--denied"]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&line["what"], &line["ending"]), (&"reply_withheld".into(), &"noted".into()));
    let (digest, _) = scene.run(&["digest"]);
    let besides = "(all groups): opened 1\nfamily: door shut 1, idle connections 7, reply 1 (1.5 kB), \
                   reply withheld 1, stopped 1\n";
    assert!(digest.contains(besides), "{digest}");
    assert!(scene.run(&["verify"]).0.starts_with("All 8 records are as they were written."));
}

/// An export is complete or says what it leaves out; two can be joined.
#[test]
fn an_export_is_whole() {
    let scene = Scene::new();
    for number in 0..2_345 {
        let allowed = decision(Allowed::Allow, &format!("/{number}"));
        scene.log.decided(&allowed).unwrap();
    }
    let count = |args: &[&str]| scene.run(&[&["--requests"], args].concat()).0.lines().count();
    assert_eq!(count(&["--json"]), 2_345);
    assert_eq!(count(&["--csv"]), 2_346, "and the headings");
    assert_eq!(count(&["--csv", "--limit", "10"]), 11);
    assert_eq!((count(&[]), count(&["--limit", "0"])), (51, 2_346), "a table has its headings, too");
    let missing = |limit, shown| {
        let filter = Filter { limit: Some(limit), ..Filter::default() };
        what_is_missing(&scene.reader(), &filter, shown).unwrap()
    };
    assert_eq!(missing(50, 50).as_deref(), Some("These are the newest 50 of 2345; --limit 0 shows all."));
    assert_eq!((missing(2_345, 2_345), missing(50, 49)), (None, None));
    // The first three are the log's own.
    assert_eq!((count(&["--json", "--from-seq", "4"]), count(&["--json", "--from-seq", "2342"])), (2_345, 7));
    let first = |args: &[&str]| {
        let (text, _) = scene.run(&[&["--requests", "--json", "--limit", "1"], args].concat());
        serde_json::from_str::<serde_json::Value>(text.trim()).unwrap()["seq"].clone()
    };
    assert_eq!((first(&["--from-seq", "40"]), first(&[])), (40.into(), 2_348.into()));
}
