//! Bad input and bad surroundings: a clear message, what to do, an exit code, and
//! nothing half-done left behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Door, Home, Response, Running, Upstream, until};

const NEWS: &str = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";

fn news() -> Upstream {
    Upstream::start(&["news.example"], |_| Response::ok("bridge\n"))
}

#[test]
fn an_unknown_key_in_a_policy_is_named_and_the_old_policy_stays() {
    let news = news();
    let home = Home::new().host("news.example", &news).group("family").policy("family", NEWS);
    let daemon = home.up();
    let read = || home.chat("family", "curl -sS https://news.example/today").ok();
    read().prints("bridge");

    home.write_policy("family", &NEWS.replace("access", "acess"));
    let check = home.run(&["policy", "check", "family"]).code(1);
    check.says("policies/family.toml:3").says("acess").says("access");
    read().prints("bridge");
    home.write_policy("family", "");
    read().prints("not_allowed");
    let log = daemon.stop().ok();
    assert!(log.err.contains("family.toml") && log.err.contains("acess"), "the daemon's log says so: {log:#?}");
}

/// Its policy is known from the start, and the owner hears at once.
#[test]
fn a_policy_broken_before_its_group_has_spoken_leaves_the_one_before_in_force() {
    let news = news();
    let home = Home::new().host("news.example", &news).group("family").policy("family", NEWS);
    home.run(&["group", "add", "owner", "--main"]).ok();
    let _daemon = home.up();
    let mut owner = support::Chat::open(&home, "owner");
    home.write_policy("family", &NEWS.replace("access", "acess"));
    let told = owner.next_of("send");
    assert!(
        told["text"].as_str().unwrap().starts_with("The policy of group family was saved with a mistake"),
        "{told}"
    );
    home.chat("family", "curl -sS https://news.example/today").ok().prints("bridge");
}

#[test]
fn a_wrong_policy_at_the_first_start_allows_nothing() {
    let news = news();
    let home = Home::new().host("news.example", &news).group("family").policy("family", "allow everything");
    let _daemon = home.up();
    home.chat("family", "curl -sS https://news.example/today").ok().prints("not_allowed");
    assert_eq!(news.connections(), 0);
}

/// The limit that shells begin with is for programs that cannot count further: one sandbox
/// would reach it with its connections alone, and close every other door.
#[test]
fn a_low_limit_on_descriptors_is_raised() {
    let home = Home::new().group("family").policy("family", "");
    let door = Door::open_after(&home, "family", "ulimit -S -n 100");
    let tunnels: Vec<_> = (0..200).map(|_| door.tunnel("news.example")).collect();
    assert_eq!(door.get("news.example", "/", "").status, 403, "and one more");
    drop(tunnels);
    door.shut().ok();
}

/// What a daemon was started with is not what its owner's shell has: it says so itself, and
/// `doctor` asks for its limit.
#[test]
fn few_descriptors_are_told_by_the_daemon_and_of_it() {
    let home = Home::new();
    let up = home.command(&["up"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 400 && exec \"$0\" \"$@\""]).arg(up.get_program()).args(up.get_args());
    let mut daemon = Running::start(shell, "");
    until("the daemon to serve", || {
        assert!(daemon.is_running(), "it did not start");
        daemon.printed().contains("Doorward serves")
    });
    home.run(&["doctor"]).prints("400 at most").prints("LimitNOFILE");
    daemon.interrupt();
    let log = daemon.wait().ok();
    assert!(log.err.contains("Few file descriptors") && log.err.contains("LimitNOFILE"), "{log:#?}");
    let daemon = home.up();
    home.run(&["doctor"]).prints("file descriptors: enough");
    assert!(!daemon.stop().ok().err.contains("Few file descriptors"), "enough is not told");
}

#[test]
fn an_unknown_key_in_the_configuration_is_named() {
    let home = Home::without_engine().config("[queue]\nsandboxs = 2");
    home.run(&["up"]).code(1).says("doorward.toml:2").says("sandboxs").says("sandboxes");
    assert!(!home.at("data/run/control.sock").exists());
}

#[test]
fn a_secret_in_the_configuration_is_refused_and_not_repeated() {
    let secret = support::random_key("sk-");
    let home = Home::without_engine();
    let home = home.config(&format!("[credentials.bank]\nsecret = \"{secret}\"\nhosts = [\"bank.example\"]"));
    home.run(&["up"]).code(1).says("file:PATH").never_says(&secret);
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::without_engine().credential(
        "bank",
        "bank-0123456789abcdef",
        "hosts = [\"bank.example\"]\nplace = [\"header:authorization\"]",
    );
    home.run(&["secret", "test", "bank"]).ok();
    std::fs::set_permissions(home.at("bank.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    home.run(&["secret", "test", "bank"]).code(1).says("chmod 600");
    home.run(&["secret", "test", "nobody"]).code(1).says("secret list");
}

#[test]
fn no_engine() {
    let home = Home::without_engine().config("[engine]\nhost = \"unix:///nowhere/docker.sock\"").group("family");
    for args in [&["up"][..], &["exec", "family", "--", "true"], &["chat", "--group", "family", "--once", "date"]] {
        home.run(args).code(3).says("/nowhere/docker.sock");
    }
    assert!(!home.at("data/run/control.sock").exists());
    home.run(&["image", "build"]).code(3).says("/nowhere/docker.sock");
}

/// What cannot change by itself is not tried again.
#[test]
fn a_runtime_that_the_engine_does_not_know() {
    let home = Home::new().config("[engine]\nruntime = \"none-of-this-name\"").group("family");
    home.chat("family", "echo hello").code(1).says("none-of-this-name").never_says("Trying again");
    home.run(&["doctor"]).code(3).prints("the engine has no runtime \"none-of-this-name\"");
}

#[test]
fn no_image() {
    let home = Home::new().config("[engine]\nimage = \"doorward/never-built:1\"").group("family");
    home.exec("family", "true").code(1).says("doorward/never-built:1");
    assert_eq!(home.containers(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(home.at("data/run/doors")).unwrap().count(), 0);
}

#[test]
fn an_unknown_group() {
    let home = Home::new().group("family");
    home.run(&["chat", "--group", "famly", "--once", "date"])
        .code(1)
        .says("there is no group famly; did you mean family?");
    home.run(&["chat", "--group", "zed", "--once", "date"]).code(1).says("`doorward group add zed` makes it");
    let _daemon = home.up();
    home.run(&["exec", "famly", "--", "true"]).code(1).says("did you mean family?");
    let (socket, ca, env) = (home.at("s"), home.at("c"), home.at("e"));
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    home.run(&["door", "--group", "famly", "--socket", &path(&socket), "--ca", &path(&ca), "--env", &path(&env)])
        .code(1)
        .says("famly");
    assert!(!socket.exists() && !ca.exists() && !env.exists());
}

/// It says so each time, and leaves the home as it is.
#[test]
fn an_older_program_does_not_serve_what_a_newer_one_has_served() {
    let home = Home::without_engine().group("family");
    std::fs::write(home.at("data/version"), "9.9.9\n").unwrap();
    for _ in 0..2 {
        home.run(&["up"]).code(1).says("does not serve a home that 9.9.9 has served");
    }
    assert_eq!(std::fs::read_to_string(home.at("data/version")).unwrap(), "9.9.9\n");
}

#[test]
fn a_home_that_is_too_long_for_its_sockets() {
    let home = Home::without_engine();
    let long = home.at(&"x".repeat(100));
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.arg("--home").arg(&long).arg("up");
    Running::start(command, "").wait().code(2).says("too long").says("choose a shorter --home");
    assert!(!long.exists());
}

#[test]
fn a_message_that_is_none() {
    let home = Home::without_engine().group("family");
    home.chat("family", "").code(2).says("empty");
    home.chat("family", &"x".repeat(200 << 10)).code(2).says("longer than");
}

#[test]
fn a_door_where_something_is_already() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let taken = home.at("taken");
    std::fs::write(&taken, "mine").unwrap();
    let path = taken.to_str().unwrap();
    home.run(&["door", "--group", "family", "--socket", path, "--ca", "/dev/null", "--env", "/dev/null"])
        .code(1)
        .says(path);
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");
}

#[test]
fn a_full_disk_shuts_the_door_until_there_is_room_again() {
    let news = news();
    let home = Home::new().host("news.example", &news);
    // Unmounted before the home is removed.
    let _disk = Mounted::small(&home.at("data"));
    home.run(&["group", "add", "family"]).ok();
    home.write_policy("family", NEWS);
    let _daemon = home.up();
    let door = Door::open(&home, "family");
    assert_eq!(door.get("news.example", "/today", "").status, 200);

    let (filler, long) = (home.at("data/filler"), format!("/{}", "a".repeat(6_000)));
    until("the disk to be full and the door to be shut", || {
        // Written until nothing more goes in. The log has space ahead, which long paths use up.
        let _ = std::fs::write(&filler, vec![0; 64 << 20]);
        (0..50).any(|_| door.get("news.example", &long, "").body.contains("audit_unavailable"))
    });
    let before = news.requests().len();
    assert_eq!(door.get("news.example", &long, "").status, 503);
    assert_eq!(news.requests().len(), before, "no record, no request");

    std::fs::remove_file(&filler).unwrap();
    until("the door to be open again", || door.get("news.example", "/today", "").status == 200);
    home.run(&["audit", "verify"]).ok();
}

#[test]
fn a_log_that_another_program_writes_has_no_second_writer() {
    let home = Home::new();
    home.up().stop().ok();
    let other = std::fs::OpenOptions::new().write(true).open(home.at("data/audit/lock")).unwrap();
    other.try_lock().unwrap();
    home.run(&["up"]).code(3).says("audit is locked by another program");
    other.unlock().unwrap();
    home.up().stop().ok();
    home.run(&["audit", "verify"]).ok();
}

/// As when a disk drops out and comes back.
#[test]
fn a_log_that_is_away_shuts_the_door_until_it_is_back() {
    let news = news();
    let home = Home::new().host("news.example", &news).group("family").policy("family", NEWS);
    let daemon = home.up();
    let door = Door::open(&home, "family");
    let today = || door.get("news.example", "/today", "");
    assert_eq!(today().status, 200);

    std::fs::rename(home.at("data/audit"), home.at("data/away")).unwrap();
    until("the door to be shut", || today().status == 503);
    let before = news.requests().len();
    let refused = today();
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("audit_unavailable"), "{refused:?}");
    assert_eq!(news.requests().len(), before, "no record, no request");
    // Why is the owner's to know: no sandbox hears where the log is.
    assert!(!refused.body.contains("jsonl"), "{refused:?}");

    std::fs::rename(home.at("data/away"), home.at("data/audit")).unwrap();
    until("the door to be open again", || today().status == 200);
    home.run(&["audit", "verify"]).ok();
    daemon.stop().says("000000000001.jsonl is gone");
}

#[test]
fn a_daemon_does_not_start_without_a_log_that_it_can_write() {
    let home = Home::new();
    home.up().stop().ok();
    let read_only = Mounted::again(&home.at("data/audit"), &home.at("data/audit"), "ro");
    home.run(&["up"]).code(3).says("is read-only; make it and its folder writable");
    drop(read_only);
    home.up().stop().ok();
}

/// A file system of its own, or another view of one, for as long as a test needs it.
struct Mounted(PathBuf);

impl Mounted {
    /// Small enough to be filled.
    fn small(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        as_root(&["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "none", at.to_str().unwrap()]);
        Mounted(at.to_owned())
    }

    /// What is there, once more in another place; `access` is `ro` or `rw`.
    fn again(what: &Path, at: &Path, access: &str) -> Self {
        if what.is_dir() {
            std::fs::create_dir_all(at).unwrap();
        }
        let (what, path) = (what.to_str().unwrap(), at.to_str().unwrap());
        as_root(&["mount", "--bind", what, path]);
        let mounted = Mounted(at.to_owned());
        as_root(&["mount", "-o", &format!("remount,bind,{access}"), path]);
        mounted
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still hold a file.
        as_root(&["umount", "--lazy", self.0.to_str().unwrap()]);
    }
}

fn as_root(command: &[&str]) {
    let sudo = if rustix::process::getuid().is_root() { &[][..] } else { &["sudo", "-n"] };
    let words = [sudo, command].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    Running::start(command, "").wait().ok();
}
