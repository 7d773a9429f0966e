//! A home for years: saved while it is in use, brought back elsewhere, upgraded, taken away.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{CTRL_C, Chat, Home, Ran, Running, Terminal, docker, program, random_key, until};

const PASSPHRASE: &str = "four words and a door";
const NOTHING: &str = "# nothing\n";

/// A folder for backups and restored homes, gone with this value.
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    fn new() -> Self {
        Elsewhere(tempfile::Builder::new().prefix("doorward-test-").tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let all = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        for name in self.names() {
            if let Ok(id) = fs::read_to_string(self.at(&name).join("data/installation-id")) {
                docker::remove_all(id.trim());
            }
        }
    }
}

fn doorward(home: &Path, args: &[&str], stdin: &str) -> Ran {
    let mut command = Command::new(program("doorward"));
    command.arg("--home").arg(home).args(args).env_remove("RUST_LOG").env_remove("DOORWARD_HOME");
    Running::start(command, stdin).wait()
}

fn backup(home: &Home, file: &Path, more: &[&str]) -> Ran {
    doorward(home.path(), &[&["backup", file.to_str().unwrap()], more].concat(), &format!("{PASSPHRASE}\n"))
}

fn restore(file: &Path, home: &Path) -> Ran {
    doorward(home, &["restore", file.to_str().unwrap()], &format!("{PASSPHRASE}\n"))
}

/// Everything that is in a backup, read without Doorward.
fn opened(file: &Path) -> Vec<(String, Vec<u8>)> {
    let decryptor = age::Decryptor::new(fs::File::open(file).unwrap()).unwrap();
    let identity = age::scrypt::Identity::new(PASSPHRASE.to_owned().into());
    let plain = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(plain));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let (name, mut text) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut text).unwrap();
        (name, text)
    });
    entries.collect()
}

fn holds(entries: &[(String, Vec<u8>)], text: &str) -> bool {
    entries.iter().any(|(_, content)| content.windows(text.len()).any(|window| window == text.as_bytes()))
}

/// A home with one of everything that a backup has to decide about.
fn lived_in(secret: &str, session: &str) -> Home {
    let home = Home::new()
        .credential("bank", secret, "hosts = [\"bank.example\"]\nplace = [\"header:authorization\"]\nenv = \"BANK\"\n")
        .group("family")
        .policy("family", "[[allow]]\nhost = \"bank.example\"\naccess = \"read\"\n");
    let folder = home.group_folder("family");
    home.exec(
        "family",
        "mkdir -p notes/deep && echo milk >notes/deep/list && ln -s /etc/passwd link && mkfifo pipe && \
        cp /bin/true tool && chmod 4755 tool && curl -sS https://elsewhere.example/",
    )
    .ok();
    assert!(folder.join("notes/deep/list").exists());
    let channel = home.at("data/channels/whatsapp");
    fs::create_dir_all(&channel).unwrap();
    fs::write(channel.join("device"), session).unwrap();
    home
}

#[test]
fn a_home_that_is_in_use_is_saved_and_goes_on_elsewhere() {
    let (secret, session) = (random_key("bank-"), random_key("session-"));
    let home = lived_in(&secret, &session);
    let daemon = home.up();
    let there = Elsewhere::new();
    let file = there.at("home.backup");
    backup(&home, &file, &[]).ok().prints("The audit log was verified, up to record").prints("(--with-secrets)");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let entries = opened(&file);
    assert_eq!(entries[0].0, "doorward-backup.json");
    assert!(!holds(&entries, &secret) && !holds(&entries, &session), "no secret without --with-secrets");

    let restored = there.at("restored");
    restore(&file, &restored).ok().prints("Groups: family.").prints("Secrets and sessions were not in it");
    assert_eq!(there.names(), ["home.backup", "restored"]);
    let policy = |home: &Path| fs::read_to_string(home.join("policies/family.toml")).unwrap();
    assert_eq!(policy(&restored), policy(home.path()));
    let folder = restored.join("data/groups/family");
    assert_eq!(fs::read_to_string(folder.join("notes/deep/list")).unwrap(), "milk\n");
    assert_eq!(fs::read_link(folder.join("link")).unwrap(), Path::new("/etc/passwd"));
    assert!(!folder.join("pipe").exists());
    assert_eq!(fs::metadata(folder.join("tool")).unwrap().mode() & 0o7777, 0o755, "no set-user-id comes back");
    assert!(!restored.join("bank.key").exists() && !restored.join("data/channels/whatsapp").exists());

    // The log is the one that was there, and the home another installation with the same group.
    let log = |home: &Path| doorward(home, &["audit", "--json"], "").ok().out;
    assert!(log(home.path()).starts_with(&log(&restored)) && log(&restored).contains("elsewhere.example"));
    doorward(&restored, &["audit", "verify"], "").ok();
    fs::write(restored.join("bank.key"), &secret).unwrap();
    fs::set_permissions(restored.join("bank.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let says = |home: &Path| {
        doorward(home, &["exec", "family", "--", "sh", "-c", "cat notes/deep/list; echo more >>notes/deep/list"], "")
            .ok()
    };
    says(&restored).prints("milk");
    assert!(
        fs::read_to_string(folder.join("notes/deep/list")).unwrap().ends_with("more\n"),
        "its agent owns its files"
    );
    let id = fs::read_to_string(restored.join("data/installation-id")).unwrap();
    assert_ne!(id.trim(), home.installation().unwrap());
    doorward(&restored, &["audit", "verify"], "").ok();
    daemon.stop().ok();
}

#[test]
fn secrets_and_sessions_come_along_where_that_was_asked_for() {
    let (secret, session) = (random_key("bank-"), random_key("session-"));
    let home = lived_in(&secret, &session);
    fs::create_dir_all(home.at("data/tokens")).unwrap();
    fs::write(home.at("data/tokens/new"), &session).unwrap();
    let there = Elsewhere::new();
    let key = age::x25519::Identity::generate();
    let (public, file) = (key.to_public().to_string(), there.at("home.backup"));
    backup(&home, &file, &["--with-secrets", "--to", &public]).ok().prints("whoever opens it has them");
    fs::write(there.at("key.txt"), age::secrecy::ExposeSecret::expose_secret(&key.to_string())).unwrap();
    let restored = there.at("restored");
    restore(&file, &restored).code(2).says("locked with a key").says("--key");
    let args = ["restore", file.to_str().unwrap(), "--key", there.at("key.txt").to_str().unwrap()].map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    doorward(&restored, &args, "").ok().never_says("were not in it");
    for (name, text) in
        [("bank.key", &secret), ("data/channels/whatsapp/device", &session), ("data/tokens/new", &session)]
    {
        assert_eq!(fs::read_to_string(restored.join(name)).unwrap().trim_end(), text, "{name}");
    }
    assert_eq!(fs::metadata(restored.join("bank.key")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&restored).unwrap().mode() & 0o777, 0o700);
}

/// Writers, an agent that changes its folder, and a log that grows: each backup is whole.
#[test]
fn a_backup_in_the_middle_of_everything_is_whole() {
    let home = Home::new().group("family").policy("family", NOTHING);
    let daemon = home.up();
    let busy = "i=0; while :; do i=$((i+1)); curl -sS -o /dev/null https://elsewhere.example/$i; \
        echo $i >>grows; mkdir -p d; ln -sf /etc d/e; rm -rf d; ln -sfn /etc swap; rm swap; mkdir swap; rm -rf swap; done";
    let working = home.start(&["exec", "family", "--", "sh", "-c", busy]);
    let grows = home.group_folder("family").join("grows");
    until("the agent to be at work", || fs::read_to_string(&grows).is_ok_and(|text| text.lines().count() > 3));
    let there = Elsewhere::new();
    for number in 0..3 {
        let before = fs::metadata(&grows).unwrap().len();
        let (file, restored) = (there.at(&format!("{number}.backup")), there.at(&format!("restored-{number}")));
        backup(&home, &file, &[]).ok();
        assert!(!opened(&file).iter().any(|(name, _)| name.contains("passwd")), "no link was followed");
        restore(&file, &restored).ok();
        doorward(&restored, &["audit", "verify"], "").ok();
        until("the agent to have gone on", || fs::metadata(&grows).unwrap().len() > before);
    }
    drop(working);
    daemon.stop().ok();
}

/// One that is being carried out, and one that waits behind it: the restored home carries each out once.
#[test]
fn tasks_that_are_due_come_along_and_are_carried_out_once() {
    let home = Home::new().group("family").policy("family", NOTHING).group("busy");
    let daemon = home.up();
    for command in ["touch began; until [ -e go ]; do sleep 0.05; done; echo first >>ran", "echo second >>ran"] {
        let made = home.run(&["task", "add", "family", command, "--every", "2h", "--json"]).ok().json();
        home.run(&["task", "run-now", &made["task"].to_string()]).ok();
    }
    until("the first to be carried out", || home.group_folder("family").join("began").exists());
    // Meanwhile the database is written to without a pause.
    let mut busy = Chat::open(&home, "busy");
    let messages: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
    messages.iter().for_each(|id| busy.send(id, "echo busy"));
    busy.until_done("m0");
    let there = Elsewhere::new();
    let (file, restored) = (there.at("home.backup"), there.at("restored"));
    backup(&home, &file, &[]).ok();
    daemon.kill();
    restore(&file, &restored).ok();
    fs::write(restored.join("data/groups/family/go"), "").unwrap();
    let mut command = Command::new(program("doorward"));
    command.arg("--home").arg(&restored).arg("up").env_remove("RUST_LOG").env_remove("DOORWARD_HOME");
    let running = Running::start(command, "");
    let history =
        |task: &str| doorward(&restored, &["task", "show", task, "--json"], "").ok().json()["history"].clone();
    for task in ["1", "2"] {
        until("a task to be over", || history(task)[0]["state"] == "done");
        assert_eq!(history(task).as_array().unwrap().len(), 1);
    }
    // The one that was broken off comes after the other: it waits before it is tried again.
    assert_eq!(fs::read_to_string(restored.join("data/groups/family/ran")).unwrap(), "second\nfirst\n");
    running.signal(rustix::process::Signal::TERM);
    running.wait();
}

#[test]
fn a_backup_that_is_not_right_becomes_no_home() {
    let home = Home::without_engine().group("family").policy("family", NOTHING);
    let there = Elsewhere::new();
    let file = there.at("home.backup");
    backup(&home, &file, &[]).ok();
    let whole = fs::read(&file).unwrap();
    let bad = there.at("bad.backup");
    let target = there.at("target");
    let nothing_is_there = || {
        assert_eq!(there.names(), ["bad.backup", "home.backup"]);
    };
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (bytes, says) in [
        (&whole[..whole.len() - 20], "cut off or damaged"),
        (&changed[..], "cut off or damaged"),
        (&whole[..100], "this is no backup"),
        (&b"hello"[..], "this is no backup"),
    ] {
        fs::write(&bad, bytes).unwrap();
        restore(&bad, &target).code(1).says(says);
        nothing_is_there();
    }
    doorward(&target, &["restore", file.to_str().unwrap()], "another one\n").code(1).says("not the passphrase");
    nothing_is_there();
    doorward(&target, &["restore", "nowhere.backup"], "").code(1).says("nowhere.backup");

    // What an archive could do beside.
    for (name, kind) in [
        ("data/../../out", tar::EntryType::Regular),
        ("/etc/out", tar::EntryType::Regular),
        ("other/out", tar::EntryType::Regular),
        ("data/out", tar::EntryType::Link),
        ("data/groups/family/out", tar::EntryType::Link),
    ] {
        fs::write(&bad, made_up(name, kind)).unwrap();
        restore(&bad, &target).code(1).says("this is no backup of a Doorward home");
        nothing_is_there();
    }
    // A further name of a file that is not of the same agent.
    for (file, name) in [
        ("data/groups/two/a", "data/groups/one/a => data/groups/two/a"),
        ("data/doorward.db", "data/groups/one/a => data/doorward.db"),
    ] {
        fs::write(&bad, archive(&[(file, tar::EntryType::Regular), (name, tar::EntryType::Link)])).unwrap();
        restore(&bad, &target).code(1).says("leads elsewhere");
        nothing_is_there();
    }
    // Nothing goes through a link, whatever comes after it.
    let link = ("data/groups/family/link", tar::EntryType::Symlink);
    for kind in [tar::EntryType::Regular, tar::EntryType::Symlink] {
        fs::write(&bad, archive(&[link, ("data/groups/family/link/doorward-was-here", kind)])).unwrap();
        restore(&bad, &target).code(1);
        nothing_is_there();
        assert!(!Path::new("/tmp/doorward-was-here").is_symlink());
    }
    fs::write(&bad, archive(&[link])).unwrap();
    restore(&bad, &target).ok();
    assert!(target.join("data/groups/family/link").is_symlink());
}

fn made_up(name: &str, kind: tar::EntryType) -> Vec<u8> {
    archive(&[(name, kind)])
}

/// An archive that Doorward would not write, sealed as it would be.
fn archive(entries: &[(&str, tar::EntryType)]) -> Vec<u8> {
    let manifest = r#"{"format":1,"version":"0.1.0","at_ms":0,"with_secrets":false,"owner":0,"log":null}"#;
    let mut tar = Vec::new();
    for (name, kind) in [&[("doorward-backup.json", tar::EntryType::Regular)], entries].concat() {
        let text = if name == "doorward-backup.json" { manifest } else { "" };
        let (name, target) = name.split_once(" => ").unwrap_or((name, "/tmp"));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if kind != tar::EntryType::Regular {
            header.set_link_name(target).unwrap();
        }
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(text.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut recipient = age::scrypt::Recipient::new(PASSPHRASE.to_owned().into());
    recipient.set_work_factor(4);
    let mut sealed = Vec::new();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).unwrap();
    let writer = encryptor.wrap_output(&mut sealed).unwrap();
    let mut packed = flate2::write::GzEncoder::new(writer, flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &tar).unwrap();
    packed.finish().unwrap().finish().unwrap();
    sealed
}

#[test]
fn nothing_is_overwritten_and_mistakes_are_said() {
    let home = Home::without_engine().group("family").policy("family", NOTHING);
    let there = Elsewhere::new();
    let file = there.at("home.backup");
    doorward(&there.at("none"), &["backup", file.to_str().unwrap()], &format!("{PASSPHRASE}\n"))
        .code(1)
        .says("nothing at");
    doorward(home.path(), &["backup", file.to_str().unwrap()], "short\n").code(1).says("at least 10 characters");
    backup(&home, &home.at("data/home.backup"), &[]).code(2).says("in the home itself");
    backup(&home, &file, &["--to", "age1nonsense"]).code(2).says("age1nonsense").says("age-keygen");
    assert!(!file.exists() && there.names().is_empty());
    backup(&home, &file, &[]).ok();
    let before = fs::read(&file).unwrap();
    backup(&home, &file, &[]).code(1).says("is there already");
    assert_eq!(fs::read(&file).unwrap(), before);
    restore(&file, home.path()).code(1).says("is there already").says("another --home");

    // What any command makes in a new home is nothing yet; a note of the owner's is something.
    let target = there.at("target");
    doorward(&target, &["group", "list"], "").ok();
    fs::create_dir_all(target.join("policies")).unwrap();
    fs::write(target.join("policies/note"), "mine").unwrap();
    restore(&file, &target).code(1).says("policies/note");
    assert_eq!(fs::read_to_string(target.join("policies/note")).unwrap(), "mine");
    fs::remove_file(target.join("policies/note")).unwrap();
    restore(&file, &target).ok();
    doorward(&target, &["group", "list"], "").ok().prints("family");
}

/// Settings and data apart, as they are where no --home was given.
#[test]
fn a_home_in_its_usual_place_is_restored_into_both_of_its_folders() {
    let home = Home::without_engine().group("family").policy("family", NOTHING);
    let there = Elsewhere::new();
    let file = there.at("home.backup");
    backup(&home, &file, &[]).ok();
    let user = there.at("user");
    let run = |args: &[&str], stdin: &str| {
        let mut command = Command::new(program("doorward"));
        command.args(args).env("HOME", &user);
        for variable in ["RUST_LOG", "DOORWARD_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env_remove(variable);
        }
        Running::start(command, stdin).wait()
    };
    run(&["restore", file.to_str().unwrap()], &format!("{PASSPHRASE}\n")).ok();
    assert!(user.join(".config/doorward/policies/family.toml").exists());
    assert!(user.join(".local/share/doorward/doorward.db").exists());
    run(&["group", "list"], "").ok().prints("family");
    run(&["restore", file.to_str().unwrap()], &format!("{PASSPHRASE}\n")).code(1).says("is there already");
}

#[test]
fn a_log_that_was_changed_is_not_saved() {
    let home = Home::new().group("family").policy("family", NOTHING);
    home.exec("family", "curl -sS https://elsewhere.example/").ok();
    for log in fs::read_dir(home.at("data/audit")).unwrap() {
        let log = log.unwrap().path();
        let text = fs::read_to_string(&log).unwrap();
        fs::write(&log, text.replace("elsewhere.example", "somewhere.example")).unwrap();
    }
    let there = Elsewhere::new();
    backup(&home, &there.at("home.backup"), &[]).code(1).says("was changed").says("doorward audit verify");
    assert!(there.names().is_empty());
}

#[test]
fn what_is_new_is_told_once() {
    let home = Home::new().group("family").policy("family", NOTHING);
    home.exec("family", "true").ok().never_says("This is Doorward");
    fs::write(home.at("data/version"), "0.0.9\n").unwrap();
    home.exec("family", "true").ok().says("it was 0.0.9");
    home.exec("family", "true").ok().never_says("This is Doorward");
}

#[test]
fn uninstalling_says_first_what_it_removes_and_keeps_data_unless_asked() {
    let home = Home::new().group("family").policy("family", NOTHING);
    fs::write(home.at("mine.txt"), "mine").unwrap();
    for ours in ["doorward.toml.previous", "mount-allowlist.json"] {
        fs::write(home.at(ours), "").unwrap();
    }
    symlink("/etc", home.at("data/groups/family/link")).unwrap();
    let daemon = home.up();
    let working = home.start(&["exec", "family", "--", "sleep", "600"]);
    until("a sandbox to run", || daemon.said().contains("Sandbox started"));
    let shown = home.run(&["uninstall", "--dry-run"]).ok();
    shown
        .prints("the running daemon")
        .prints("sandboxes: 1")
        .prints("the image doorward/base")
        .prints("Your data stay");
    home.run(&["uninstall", "--keep-images"]).code(2).says("--yes");
    assert_eq!(home.containers().len(), 1, "asking removes nothing");
    home.run(&["uninstall", "--keep-images", "--yes"]).ok().never_says("the image");
    assert!(home.containers().is_empty());
    drop((working, daemon));
    home.run(&["group", "list"]).ok().prints("family");

    home.run(&["uninstall", "--keep-images", "--data", "--yes"]).ok().prints("data");
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine.txt"]);
    assert!(Path::new("/etc/passwd").exists());
    home.run(&["uninstall", "--keep-images", "--data", "--yes"]).ok().prints("There is nothing to remove");
}

/// Whoever thinks better of it at the passphrase sees what they type afterwards.
#[test]
fn a_passphrase_that_is_broken_off_leaves_the_terminal_as_it_was() {
    let (home, folder) = (Home::without_engine().group("family"), tempfile::tempdir().unwrap());
    let file = folder.path().join("home.backup");
    let mut terminal = Terminal::start(home.command(&["backup", &file.display().to_string()]), 80);
    terminal.shows("Passphrase for this backup (it is not shown):");
    assert!(!terminal.echoes());
    terminal.types("half of one");
    terminal.types(CTRL_C);
    terminal.shows("it was broken off");
    assert!(terminal.echoes());
    let seen = terminal.wait();
    assert_eq!(seen.code, Some(130));
    assert!(!file.exists() && !seen.text.contains("half of one"), "{}", seen.text);
}
