//! The index: derived, so that nothing depends on it.

use rusqlite::Connection;

use super::*;

impl Scene {
    fn index(&self) -> PathBuf {
        self.dir.path().join("audit-index.db")
    }

    /// Some entries of each kind: ended, open and denied.
    fn busy(&self) {
        for number in 0..50 {
            let host = format!("h{}.example", number % 3);
            let seq =
                self.log.decided(&Decision { host: Some(host), head_bytes: Some(10), ..allowed("POST") }).unwrap();
            if number % 5 > 0 {
                self.log.ended(seq, &outcome((number % 7 == 0).then_some(Code::Timeout))).unwrap();
            }
            self.log.decided(&decision(Allowed::Deny, "GET", &format!("/{number}"))).unwrap();
        }
        self.log.note(&Notice { bytes: Some(7), ..Notice::new("reply", None, "an answer") });
        self.log.sync().unwrap();
    }

    fn answers(&self) -> (Vec<AuditEntry>, Digest, UsedSince) {
        let reader = AuditReader::open(&self.path()).unwrap();
        let all = reader.entries(&Filter { events: Events::With, ..Filter::default() }).unwrap();
        let used = self.log.used_since(&GroupName::parse("family").unwrap(), 0).unwrap();
        (all, reader.digest(None, None).unwrap(), used)
    }
}

#[test]
fn an_index_that_is_removed_damaged_or_anothers_is_made_anew() {
    let scene = Scene::new();
    scene.busy();
    let before = scene.answers();
    assert_eq!((before.0.len(), before.2.requests, before.2.bytes_up), (102, 50, 50 * 10 + 40 * 3));
    std::fs::remove_file(scene.index()).unwrap();
    assert_eq!(scene.answers(), before, "its write-ahead log alone is no index");
    std::fs::write(scene.index(), "no database").unwrap();
    assert_eq!(scene.answers(), before);
    // Another journal in place of the one from which it was built.
    let other = Scene::new();
    other.log.decided(&denied()).unwrap();
    other.log.sync().unwrap();
    let Scene { dir, log } = scene;
    drop(log);
    std::fs::rename(dir.path().join("audit"), dir.path().join("first")).unwrap();
    std::fs::rename(other.path(), dir.path().join("audit")).unwrap();
    let reader = AuditReader::open(&dir.path().join("audit")).unwrap();
    assert_eq!(reader.entries(&Filter::default()).unwrap().len(), 1);
    assert_eq!(reader.digest(None, None).unwrap().ways[0].requests, 1);
}

/// A reader that finds it behind brings it up to date, in any number of steps.
#[test]
fn an_index_that_was_brought_up_in_steps_says_the_same() {
    let scene = Scene::new();
    let step = || drop(scene.log.entries(&Filter::default()).unwrap());
    let mut open = Vec::new();
    for number in 0..30 {
        let long = Decision { head_bytes: Some(5), alarm: number == 4, ..allowed("GET") };
        open.push(scene.log.decided(&long).unwrap());
        step();
        if number % 2 == 0 {
            let seq = open.remove(open.len() / 2);
            scene.log.ended(seq, &Outcome { abandoned: true, ..outcome(None) }).unwrap();
            step();
        }
    }
    let stepwise = scene.answers();
    std::fs::remove_file(scene.index()).unwrap();
    assert_eq!(scene.answers(), stepwise);
    let way = &stepwise.1.ways[0];
    assert_eq!((way.requests, way.open, way.abandoned, way.alarms), (30, 15, 15, 1));
}

/// A name that did not resolve, a refused address, an unreachable host: nothing was sent, head or body, and the digest
/// agrees with the rows.
#[test]
fn what_reached_no_host_sent_no_bytes() {
    let scene = Scene::new();
    let head = Decision { head_bytes: Some(57), ..allowed("GET") };
    for code in [Code::Unresolved, Code::ResolvedPrivate, Code::UpstreamFailed] {
        let seq = scene.log.decided(&head).unwrap();
        scene.log.ended(seq, &Outcome { bytes_up: 0, ..outcome(Some(code)) }).unwrap();
    }
    let told = || {
        scene.log.note(&Notice::new("reply", None, "what waited is written with it"));
        scene.answers()
    };
    let (rows, digest, _) = told();
    let sent: Vec<_> = rows.iter().filter(|row| row.event.is_none()).map(AuditEntry::bytes_up).collect();
    assert_eq!(sent, [Some(0); 3]);
    assert_eq!((digest.ways[0].requests, digest.ways[0].bytes_up), (3, 0));
    let seq = scene.log.decided(&head).unwrap();
    scene.log.ended(seq, &Outcome { address: "192.0.2.1:443".parse().ok(), ..outcome(None) }).unwrap();
    assert_eq!(told().1.ways[0].bytes_up, 57 + 3);
}

#[test]
fn a_digest_counts_the_part_of_an_hour() {
    let scene = Scene::new();
    scene.busy();
    let whole = scene.answers().1;
    let reader = AuditReader::open(&scene.path()).unwrap();
    let since = |since| reader.digest(None, Some(since)).unwrap();
    assert_eq!(since(scene.all()[0].at).ways, whole.ways);
    assert_eq!(since(now() + 1), Digest { ways: vec![], events: vec![], head: whole.head.clone() });
    let family = GroupName::parse("family").unwrap();
    assert_eq!(reader.digest(Some(&family), None).unwrap().ways, whole.ways);
    assert_eq!(reader.digest(Some(&GroupName::parse("work").unwrap()), None).unwrap().ways, []);
}

/// A log that this user can read but not write, for example on a read-only disk.
#[test]
fn where_no_index_can_be_written_one_for_now_takes_its_place() {
    let scene = Scene::new();
    scene.busy();
    let before = scene.answers();
    std::fs::remove_file(scene.index()).unwrap();
    // Nothing can open a folder in its place.
    std::fs::create_dir_all(scene.index().join("in the way")).unwrap();
    assert_eq!(scene.answers(), before);
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    let scene = Scene::new();
    let seq = scene.log.decided(&allowed("GET")).unwrap();
    scene.all();
    let text = std::fs::read_to_string(scene.newest()).unwrap();
    std::fs::write(scene.newest(), text.replace("\"verdict\"", "\"verdict!")).unwrap();
    let error = AuditReader::open(&scene.path()).unwrap().entry(seq).unwrap_err().to_string();
    assert!(error.contains("record 4 is unreadable"), "{error}");
}

/// What retention removes is gone from the index too, including its sums.
#[test]
fn the_index_lets_go_of_what_had_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit");
    let small = Retention { size: Some(1), ..Retention::default() };
    let log = AuditLog::open_to_keep(&path, small, audit::Link::NONE).unwrap();
    let long = Decision { why: Some("x".repeat(100_000)), ..allowed("GET") };
    for _ in 0..25 {
        log.decided(&long).unwrap();
    }
    let reader = AuditReader::open(&path).unwrap();
    assert_eq!(reader.digest(None, None).unwrap().ways[0].requests, 25);
    drop(log);
    let first = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.ends_with("000000000001.jsonl"));
    first.for_each(|path| std::fs::remove_file(path).unwrap());
    let left = reader.entries(&Filter::default()).unwrap().len() as u64;
    assert!((1..25).contains(&left), "{left}");
    assert_eq!(reader.digest(None, None).unwrap().ways[0].requests, left);
    let sums = Connection::open(dir.path().join("audit-index.db")).unwrap();
    let times: i64 = sums.query_row("SELECT sum(times) FROM sums WHERE NOT event", [], |row| row.get(0)).unwrap();
    assert_eq!(times.unsigned_abs(), left);
}

/// Two refusals belong to each start of Claude Code. Anything that differs from them counts.
#[test]
fn what_is_refused_at_each_start_is_told_apart() {
    let scene = Scene::new();
    let at_start = |path: &str, method: &str, file: &str| Decision {
        host: Some("api.anthropic.com".to_owned()),
        code: Some(Code::DeniedByRule),
        rule: Some(RuleRef { file: file.into(), line: 31 }),
        ..decision(Allowed::Deny, method, path)
    };
    let (settings, limits) = ("/api/claude_code/settings", "/api/claude_code/policy_limits");
    for (path, method, file) in [
        (settings, "GET", "preset claude"),
        (limits, "GET", "preset claude"),
        (settings, "POST", "preset claude"),
        ("/api/claude_code/metrics", "GET", "preset claude"),
        (limits, "GET", "policies/family.toml"),
    ] {
        scene.log.decided(&at_start(path, method, file)).unwrap();
    }
    let with_query = Decision { query_bytes: Some(3), ..at_start(settings, "GET", "preset claude") };
    let alarm = Decision { alarm: true, ..at_start(settings, "GET", "preset claude") };
    for decision in [with_query, alarm] {
        scene.log.decided(&decision).unwrap();
    }
    scene.log.sync().unwrap();
    let reader = AuditReader::open(&scene.path()).unwrap();
    let shown = |without_routine| reader.entries(&Filter { without_routine, ..Filter::default() }).unwrap().len();
    assert_eq!((shown(false), shown(true)), (7, 5));
    let way = &reader.digest(None, None).unwrap().ways[0];
    assert_eq!((way.requests, way.refused, way.routine), (7, 5, 2));
}

/// For whole blocks the count is stored, for the rest it is computed.
#[test]
fn entries_are_counted_as_they_are_shown() {
    let scene = Scene::new();
    for _ in 0..12 {
        scene.busy();
    }
    let reader = AuditReader::open(&scene.path()).unwrap();
    let all = reader.entries(&Filter { events: Events::With, ..Filter::default() }).unwrap();
    assert!(all.len() > 700, "more than a block");
    let (early, late) = (&all[all.len() / 5], &all[all.len() / 2]);
    for events in [Events::Without, Events::With, Events::Alone] {
        for filter in [
            Filter::default(),
            Filter { without_routine: true, ..Filter::default() },
            Filter { since: Some(early.at), ..Filter::default() },
            Filter { since: Some(early.at), until: Some(late.at), ..Filter::default() },
            Filter { after: Some(early.seq), ..Filter::default() },
            Filter { alarms: true, after: Some(early.seq), ..Filter::default() },
            Filter { which: Some(Which::Denied), until: Some(late.at), ..Filter::default() },
            Filter { host: Some("h1.*".to_owned()), ..Filter::default() },
        ] {
            let filter = Filter { events, ..filter };
            let shown = reader.entries(&filter).unwrap().len() as u64;
            assert_eq!(reader.count(&filter).unwrap(), shown, "{filter:?}");
            let half = u32::try_from(shown / 2).unwrap();
            let before = reader.before_the_newest(&filter, half).unwrap();
            let newest = reader.entries(&Filter { after: Some(before), ..filter }).unwrap().len();
            assert!(shown == 0 || newest == half as usize, "{newest} of {shown}");
        }
    }
}
