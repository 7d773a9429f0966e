//! No real secret in anything that the daemon itself writes: its log at trace level, its
//! databases, its error pages, its exports, what it tells an alarm's command. Whatever
//! goes wrong, on either side (attack L04).

mod stage;

use std::path::{Path, PathBuf};

use crate::support::{Door, until};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use stage::{GRANTS, PLACES, Stage};

#[test]
fn nothing_that_the_daemon_writes_holds_a_secret() {
    let stage = Stage::new();
    let home = &stage.home;
    let daemon = home.up_logging("trace");
    let door = Door::open(home, "family");
    let answers = stage.ask_everything(&door);
    for (key, (name, ..)) in stage.keys.iter().zip(PLACES) {
        let sent = if name == "basic" { STANDARD.encode(format!("me:{key}")) } else { key.clone() };
        assert!(stage.echo.received(&sent) || stage.echo_heard(&sent), "the real key was put on: {name}");
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    for wanted in [200, 500, 502, 504] {
        assert!(statuses.contains(&wanted), "{statuses:?}");
    }
    let granted = stage.ask_with_tokens(&door);
    let statuses: Vec<u16> = granted.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, GRANTS.map(|(_, wanted)| wanted), "{granted:#?}");
    assert!(stage.tokens_heard(), "the token endpoint was given the real refresh tokens");
    let refused = stage.carry_away(&door);
    assert!(refused.iter().all(|answer| answer.status == 403), "{refused:#?}");
    until("the command to be told", || home.at("heard").exists());

    let forms: Vec<String> = stage.secrets().iter().flat_map(|key| spellings(key)).collect();
    let check = |what: &str, text: &str| {
        for form in &forms {
            assert!(!text.contains(form.as_str()), "a real key, as {form}, is in {what}");
        }
    };
    for answer in answers.iter().chain(&granted).chain(&refused) {
        check("an answer", &answer.body);
    }
    home.audit();
    for args in [&["audit"][..], &["audit", "--json"], &["audit", "--csv"], &["audit", "digest"], &["audit", "verify"]]
    {
        let ran = home.run(args).ok();
        check(&args.join(" "), &ran.out);
        check(&args.join(" "), &ran.err);
    }
    // While it runs, so that the write-ahead logs are there as well.
    check_files(home.path(), &forms);

    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("1"), "a crash would write its memory to a file: {core}");
    // It crashes with a secret put on a request that is under way.
    let under_way = stage.ask_and_leave(&door);
    kill_process(Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap(), Signal::ABORT).unwrap();
    let crashed = daemon.kill();
    drop(under_way);
    assert!(crashed.err.contains("TRACE"), "it did log at that level");
    check("the log of a daemon that crashed", &(crashed.out + &crashed.err));
    let shut = door.shut();
    check("what the door printed", &(shut.out + &shut.err));
    check_files(home.path(), &forms);

    let ended = home.up_logging("trace").stop().ok();
    check("the log of the daemon after it", &(ended.out + &ended.err));
    check_files(home.path(), &forms);
}

/// The ways in which a value can stand in a text; base64 from each of three places on.
fn spellings(key: &str) -> Vec<String> {
    let hex = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![key.to_owned(), key.to_uppercase(), hex];
    for skip in 0..3 {
        let rest = &key.as_bytes()[skip..];
        all.push(STANDARD.encode(&rest[..rest.len() / 3 * 3]));
    }
    all
}

/// Every file below a folder but the secrets' own.
fn check_files(folder: &Path, forms: &[String]) {
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            if !kind.is_file() || path.extension().is_some_and(|extension| extension == "key") {
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else { continue };
            for form in forms {
                let found = memchr::memmem::find(&bytes, form.as_bytes());
                assert!(found.is_none(), "a real key, as {form}, is in {}", path.display());
            }
        }
    }
}
