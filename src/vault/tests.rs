//! What the vault hands out, and that all of it is watched for.

use std::path::{Path, PathBuf};

use policies::{Authority, GroupName, SandboxId};
use scan::{Finding, WatchedKind};

use super::*;
use crate::config::Config;

mod grants;

const SECRET: &str = "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";

/// A folder with a secret in its own file, and the vault that reads it.
struct Fixture {
    dir: tempfile::TempDir,
    vault: Vault,
}

impl Fixture {
    fn with_secret(secret: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        write_secret(&dir.path().join("github"), secret);
        let text = "[credentials.github]\nsecret = \"file:github\"\nhosts = [\"api.github.test\"]\n\
                    place = [\"header:authorization\"]\nenv = \"GITHUB_TOKEN\"\n";
        let vault = Vault::new(definitions(text, dir.path()), SetAside::at(dir.path().join("set-aside")));
        Fixture { dir, vault }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("github")
    }

    fn found(&self, text: &str) -> Option<Finding> {
        self.vault.watchlist().find_in(text.as_bytes())
    }

    /// As if the value had been read long ago.
    fn outdate(&self) {
        for value in self.vault.lock().values.values_mut() {
            value.read_at = value.read_at.checked_sub(FRESH).expect("a machine that is up for some seconds");
        }
    }
}

fn definitions(text: &str, dir: &Path) -> BTreeMap<Arc<str>, config::Credential> {
    Config::parse("doorward.toml", text, dir).expect("a valid configuration").credentials
}

fn write_secret(path: &Path, secret: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, secret).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
}

fn identity(sandbox: &str) -> Identity {
    Identity { group: GroupName::parse("family").expect("a name"), sandbox: SandboxId::new(sandbox).expect("an id") }
}

fn surrogate(issued: &Issued) -> &str {
    let [(variable, surrogate)] = &issued.environment[..] else { panic!("one credential, one variable") };
    assert_eq!(variable, "GITHUB_TOKEN");
    surrogate
}

fn wanted() -> [Arc<str>; 1] {
    ["github".into()]
}

#[test]
fn a_sandbox_gets_a_look_alike_and_both_are_watched() {
    let fixture = Fixture::with_secret(SECRET);
    let issued = fixture.vault.issue(&identity("a1"), &wanted());
    let surrogate = surrogate(&issued);
    assert_ne!(surrogate, SECRET);
    assert!(surrogate.starts_with("ghp_"), "the vendor's shape");
    assert!(!surrogate.contains(&SECRET["ghp_".len()..]));

    let found = fixture.found(&format!("x={SECRET}")).expect("the secret is watched");
    assert_eq!(found.what, WatchedKind::Secret { credential: "github".into() });
    let found = fixture.found(&format!("x={surrogate}")).expect("the surrogate is watched");
    let WatchedKind::Surrogate { credential, sandbox, group, retired } = found.what else { panic!("a surrogate") };
    assert_eq!((&*credential, sandbox.as_str(), group.as_str(), retired), ("github", "a1", "family", false));
    assert!(fixture.found("x=ghp_0000000000000000000000000000000000").is_none(), "nothing else is");
}

#[test]
fn no_two_sandboxes_hold_the_same() {
    let fixture = Fixture::with_secret(SECRET);
    let (first, second) =
        (fixture.vault.issue(&identity("a1"), &wanted()), fixture.vault.issue(&identity("b2"), &wanted()));
    assert_ne!(surrogate(&first), surrogate(&second));
    let found = fixture.found(surrogate(&second)).expect("watched");
    assert!(matches!(found.what, WatchedKind::Surrogate { sandbox, .. } if sandbox.as_str() == "b2"));
}

#[test]
fn a_sandbox_that_is_gone_leaves_a_retired_surrogate() {
    let fixture = Fixture::with_secret(SECRET);
    let (gone, stays) =
        (fixture.vault.issue(&identity("a1"), &wanted()), fixture.vault.issue(&identity("b2"), &wanted()));
    fixture.vault.retire(&identity("a1"));
    let retired = |issued: &Issued| match fixture.found(surrogate(issued)).expect("still recognised").what {
        WatchedKind::Surrogate { retired, .. } => retired,
        other => panic!("{other}"),
    };
    assert!(retired(&gone));
    assert!(!retired(&stays));
}

#[test]
fn a_key_that_a_host_made_is_watched_and_gone_with_its_sandbox() {
    let fixture = Fixture::with_secret(SECRET);
    let key = SecretString::from("ghp_AAAABBBBCCCCDDDDEEEEFFFF1234567890aa");
    let take_in = |sandbox: &str| fixture.vault.minted(&identity(sandbox), "github", &key);
    assert!(take_in("a1").is_err(), "no such sandbox holds anything");
    fixture.vault.issue(&identity("a1"), &wanted());
    let surrogate = take_in("a1").unwrap();
    assert!(surrogate.expose_secret().starts_with("ghp_") && surrogate.expose_secret() != key.expose_secret());
    let found = |text: &SecretString| fixture.found(text.expose_secret()).map(|finding| finding.what);
    assert!(matches!(found(&key), Some(WatchedKind::Secret { .. })));
    assert!(matches!(found(&surrogate), Some(WatchedKind::Surrogate { retired: false, .. })));

    fixture.vault.retire(&identity("a1"));
    assert!(matches!(found(&surrogate), Some(WatchedKind::Surrogate { retired: true, .. })));
    assert!(matches!(found(&key), Some(WatchedKind::Secret { .. })), "its host may still take it");
    assert!(take_in("a1").is_err(), "a sandbox that is gone is given nothing");
    fixture.vault.lock().forget(Instant::now() + ROTATED_OUT);
    assert!(fixture.vault.lock().minted.is_empty(), "after a day");

    for number in 0..300 {
        let sandbox = format!("b{number}");
        fixture.vault.issue(&identity(&sandbox), &wanted());
        take_in(&sandbox).unwrap();
        fixture.vault.retire(&identity(&sandbox));
    }
    assert_eq!(fixture.vault.lock().minted.len(), 256, "and only so many");

    // A key that a sandbox gives up for a newer one is worthless, but still watched for.
    fixture.vault.issue(&identity("c1"), &wanted());
    let surrogate = take_in("c1").unwrap();
    fixture.vault.given_up(&identity("c2"), surrogate.expose_secret());
    assert!(matches!(found(&surrogate), Some(WatchedKind::Surrogate { retired: false, .. })), "not by another");
    fixture.vault.given_up(&identity("c1"), surrogate.expose_secret());
    assert!(matches!(found(&surrogate), Some(WatchedKind::Surrogate { retired: true, .. })));
    assert!(matches!(found(&key), Some(WatchedKind::Secret { .. })));
    assert_eq!(fixture.vault.lock().minted.len(), 256);
}

#[test]
fn only_so_many_retired_surrogates_are_remembered() {
    let fixture = Fixture::with_secret(SECRET);
    let live = fixture.vault.issue(&identity("abc"), &wanted());
    let oldest = fixture.vault.issue(&identity("a1"), &wanted());
    fixture.vault.retire(&identity("a1"));
    // The list is rebuilt only once: more than two hundred rebuilds would test nothing.
    {
        let mut state = fixture.vault.lock();
        for number in 0..RETIRED {
            state.surrogates.push_back(Surrogate {
                credential: "github".into(),
                identity: identity("b2"),
                retired: true,
                text: SecretString::from(format!("ghp_{number:036}")),
            });
        }
    }
    fixture.vault.retire(&identity("b2"));
    assert!(fixture.found(surrogate(&oldest)).is_none(), "the oldest makes room");
    assert!(fixture.found(surrogate(&live)).is_some(), "a live one never does");
    assert!(fixture.found(&format!("ghp_{:036}", RETIRED - 1)).is_some());
}

#[test]
fn a_rotated_secret_is_watched_before_it_is_given_out() {
    let fixture = Fixture::with_secret(SECRET);
    let rotated = "ghp_9876543210zYxWvUtSrQpOnMlKjIhGfEdCbA";
    assert!(fixture.found(rotated).is_none());
    write_secret(&fixture.file(), rotated);
    assert_eq!(fixture.vault.reveal("github").expect("remembered").expose_secret(), SECRET);
    fixture.outdate();
    assert_eq!(fixture.vault.reveal("github").expect("readable").expose_secret(), rotated);
    assert!(fixture.found(rotated).is_some());
    let before = fixture.found(SECRET).expect("its issuer may still take it").what;
    assert_eq!(before, WatchedKind::Secret { credential: "github".into() });
}

#[test]
fn a_secret_that_was_rotated_out_is_forgotten_after_a_day() {
    let fixture = Fixture::with_secret(SECRET);
    write_secret(&fixture.file(), "ghp_9876543210zYxWvUtSrQpOnMlKjIhGfEdCbA");
    fixture.outdate();
    fixture.vault.reveal("github").expect("readable");
    let later = |time| {
        let mut state = fixture.vault.lock();
        state.forget(Instant::now() + time);
        fixture.vault.watch(&state);
    };
    later(ROTATED_OUT - Duration::from_secs(1));
    assert!(fixture.found(SECRET).is_some(), "not before");
    later(ROTATED_OUT);
    assert!(fixture.found(SECRET).is_none());
}

/// Counts its runs, and prints the content of `fixture.file()`.
fn with_program(fixture: &Fixture, lifetime: &str) -> Vault {
    let script = fixture.dir.path().join("program.sh");
    std::fs::write(&script, "echo run >> \"$1/runs\"; cat \"$1/github\"\n").expect("a file");
    let text = format!(
        "[credentials.github]\nsecret = \"command:sh {} {}\"\nlifetime = \"{lifetime}\"\nhosts = [\"api.github.test\"]\n",
        script.display(),
        fixture.dir.path().display(),
    );
    Vault::new(definitions(&text, fixture.dir.path()), SetAside::at(fixture.dir.path().join("set-aside")))
}

fn runs(fixture: &Fixture) -> usize {
    std::fs::read_to_string(fixture.dir.path().join("runs")).map_or(0, |text| text.lines().count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_program_is_asked_once_in_a_lifetime() {
    let fixture = Fixture::with_secret(SECRET);
    let vault = with_program(&fixture, "1h");
    assert_eq!(vault.reveal("github").expect("given").expose_secret(), SECRET);
    assert_eq!(vault.reveal("github").expect("remembered").expose_secret(), SECRET);
    assert_eq!(runs(&fixture), 1);
    assert!(vault.watchlist().find_in(SECRET.as_bytes()).is_some());
}

/// Even if it gave a secret before: what it no longer gives is not put on.
#[test]
fn a_program_that_fails_is_not_asked_again_at_once() {
    let fixture = Fixture::with_secret(SECRET);
    let vault = with_program(&fixture, "1ms");
    let given_at = Instant::now();
    while given_at.elapsed() < Duration::from_millis(2) {
        std::thread::yield_now();
    }
    std::fs::remove_file(fixture.file()).expect("removed");
    let error = vault.reveal("github").expect_err("gone").to_string();
    assert!(error.contains("sh") && !error.contains(SECRET), "{error}");
    assert_eq!(vault.reveal("github").expect_err("still").to_string(), error);
    assert_eq!(runs(&fixture), 2);
    assert!(vault.watchlist().find_in(SECRET.as_bytes()).is_some(), "it is still worth watching for");
}

/// While one request waits for the program, others are refused and do not start it again.
#[test]
fn a_program_runs_once_at_a_time() {
    let fixture = Fixture::with_secret(SECRET);
    let vault = with_program(&fixture, "1h");
    vault.lock().values.clear();
    vault.lock().asked.insert("github".into());
    let error = vault.reveal("github").expect_err("it runs already").to_string();
    assert!(error.contains("being read"), "{error}");
    assert_eq!(runs(&fixture), 1);
}

#[test]
fn a_secret_that_goes_missing_is_not_given_out_from_memory() {
    let fixture = Fixture::with_secret(SECRET);
    std::fs::remove_file(fixture.file()).expect("removed");
    fixture.outdate();
    let error = fixture.vault.reveal("github").expect_err("gone");
    assert!(error.to_string().contains("github"), "{error}");
    assert!(fixture.found(SECRET).is_some(), "it is still worth watching for");
}

#[test]
fn a_secret_too_short_to_guard_is_refused_and_never_shown() {
    let fixture = Fixture::with_secret("hunter2");
    let error = fixture.vault.reveal("github").expect_err("seven characters").to_string();
    assert!(error.contains("too short to guard"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert_eq!(fixture.vault.test("github").expect_err("the same").to_string(), error);
}

/// A sandbox without the secret still gets a surrogate: its requests are refused with the reason, and work as soon as
/// the secret can be read.
#[test]
fn an_unreadable_secret_does_not_stop_a_sandbox() {
    let fixture = Fixture::with_secret(SECRET);
    std::fs::remove_file(fixture.file()).expect("removed");
    fixture.outdate();
    let issued = fixture.vault.issue(&identity("a1"), &wanted());
    assert!(surrogate(&issued).len() >= 22);
    assert!(fixture.found(surrogate(&issued)).is_some());
}

#[test]
fn a_credential_that_is_not_defined_is_left_out() {
    let fixture = Fixture::with_secret(SECRET);
    let issued = fixture.vault.issue(&identity("a1"), &["gitlab".into(), "github".into()]);
    assert_eq!(issued.environment.len(), 1);
    let error = fixture.vault.reveal("gitlab").expect_err("not defined");
    assert!(error.to_string().contains("gitlab"), "{error}");
}

#[test]
fn what_is_defined_is_where_the_credential_may_be_used() {
    let fixture = Fixture::with_secret(SECRET);
    let definition = &fixture.vault.definitions["github"];
    let expected = Authority::parse("api.github.test:443", None).expect("an authority");
    assert_eq!(definition.hosts.iter().map(authority).collect::<Vec<_>>(), [expected]);
    assert_eq!(definition.place, [proxy::Place::Header(http::header::AUTHORIZATION)]);
}

#[test]
fn planted_canaries_are_watched() {
    let dir = tempfile::tempdir().expect("a folder");
    write_secret(&dir.path().join("bait"), "AKIA-not-a-key-at-all");
    write_secret(&dir.path().join("short"), "bait");
    let text = "[canaries]\nbackup = \"file:bait\"\nshort = \"file:short\"\ngone = \"file:gone\"\n";
    let config = Config::parse("doorward.toml", text, dir.path()).expect("a valid configuration");
    let vault =
        Vault::new(config.credentials, SetAside::at(dir.path().join("set-aside"))).with_canaries(&config.canaries);
    let found = vault.watchlist().find_in(b"x=AKIA-not-a-key-at-all").expect("watched");
    assert_eq!(found.what, WatchedKind::Canary { name: "backup".into() });
    assert_eq!(vault.watchlist().len(), 1);
    for wrong in ["a = \"AKIA-not-a-key-at-all\"", "a = \"command:cat bait\"", "A-B = \"env:A\""] {
        let error = Config::parse("doorward.toml", &format!("[canaries]\n{wrong}\n"), dir.path()).expect_err("wrong");
        assert!(!error.to_string().contains("AKIA"), "{error}");
    }
}
