//! `doorward secret add`, `rotate` and `remove`: values come from standard input, are
//! for their owner alone, and are never shown.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use crate::support::{Home, Ran, Running, until};

const SECRET: &str = "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";
const LATER: &str = "ghp_9876543210zYxWvUtSrQpOnMlKjIhGfEdCbA";

fn given(home: &Home, args: &[&str], value: &str) -> Ran {
    Running::start(home.command(args), value).wait()
}

#[test]
fn a_secret_is_added_replaced_and_removed() {
    let home = Home::without_engine();
    let file = home.at("secrets/github");
    let added = given(&home, &["secret", "add", "github"], &format!("{SECRET}\n")).ok();
    added
        .prints("[credentials.github]")
        .prints("secret = \"file:secrets/github\"")
        .prints("GITHUB_TOKEN")
        .never_says(SECRET);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SECRET);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(home.at("secrets")).unwrap().permissions().mode() & 0o777, 0o700);

    given(&home, &["secret", "add", "github"], LATER).code(1).says("secret rotate github").never_says(LATER);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SECRET);
    given(&home, &["secret", "rotate", "github"], LATER).ok().never_says(LATER);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), LATER);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let home = home.config("[credentials.github]\nsecret = \"file:secrets/github\"\nhosts = [\"api.github.com\"]\n");
    home.run(&["secret", "test", "github"]).ok();
    home.run(&["secret", "remove", "github"]).ok();
    assert!(!file.exists());
    home.run(&["secret", "remove", "github"]).code(1).says("there is no secret github");
}

/// The lines can be pasted: whose key it is, its name and its shape say.
#[test]
fn the_lines_of_a_known_service_are_right() {
    let home = Home::without_engine();
    for (kind, env, place) in [
        ("api03", "ANTHROPIC_API_KEY", "header:x-api-key"),
        ("oat01", "CLAUDE_CODE_OAUTH_TOKEN", "header:authorization"),
    ] {
        let key = format!("sk-ant-{kind}-AbCdEfGhIjKlMnOp");
        let added = given(&home, &["secret", "add", "anthropic"], &key).ok().never_says(&key);
        let file = home.at("doorward.toml");
        let lines = added.prints(env).prints(place).prints("api.anthropic.com").says(&file.display().to_string()).out;
        home.run(&["secret", "list"]).ok().prints("The secret anthropic is kept").prints(env).never_says(&key);
        std::fs::write(&file, lines).unwrap();
        home.run(&["secret", "list"]).ok().prints(env);
        std::fs::remove_file(&file).unwrap();
        home.run(&["secret", "remove", "anthropic"]).ok();
    }
    given(&home, &["secret", "add", "club"], SECRET).ok().says("GitHub").prints("api.example.com");
}

/// A key is sent to the service that it is for, or it is not kept.
#[test]
fn a_key_of_another_service_is_not_kept() {
    let home = Home::without_engine();
    let (api, token) = ("sk-ant-api03-AbCdEfGhIjKlMnOp", "sk-ant-oat01-AbCdEfGhIjKlMnOp");
    for command in [["credential", "add", "openai"], ["secret", "add", "mistral"]] {
        given(&home, &command, api)
            .code(1)
            .says("that is a key for Claude")
            .says("credential add anthropic")
            .never_says(api);
    }
    assert!(!home.at("secrets/openai").exists() && !home.at("secrets/mistral").exists());
    given(&home, &["credential", "add", "anthropic"], api).ok().prints("+env = \"ANTHROPIC_API_KEY\"");
    given(&home, &["secret", "rotate", "anthropic"], SECRET).code(1).says("that is a key for GitHub");
    // Another kind of the same service's takes its place, and its variable.
    let rotated = given(&home, &["secret", "rotate", "anthropic"], token).ok().never_says(token);
    rotated.prints("+env = \"CLAUDE_CODE_OAUTH_TOKEN\"").prints("+place = [\"header:authorization\"]");
    home.run(&["doctor"]).prints("secret anthropic: can be read");
    std::fs::write(home.at("secrets/anthropic"), api).unwrap();
    home.run(&["doctor"]).prints("env = \"ANTHROPIC_API_KEY\"");
    std::fs::write(home.at("secrets/anthropic"), SECRET).unwrap();
    home.run(&["doctor"]).code(3).prints("begins as a key for GitHub does").never_says(SECRET);
}

/// A desktop's keyring of its own: D-Bus and GNOME Keyring, in a folder of the test.
struct Desktop {
    folder: tempfile::TempDir,
    bus: Child,
    keyring: Child,
    address: String,
}

impl Desktop {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A bus that starts nothing by itself: asked before this keyring is there, the
        // session's own configuration would start another, of the machine's user.
        let config = folder.path().join("bus.conf");
        let listen = format!("<listen>unix:dir={}</listen>", folder.path().display());
        let all = r#"<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>"#;
        std::fs::write(&config, format!("<busconfig><type>session</type>{listen}{all}</busconfig>")).unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.arg("--config-file").arg(config).args(["--nofork", "--print-address=1"]);
        bus.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut bus = bus.spawn().expect("dbus-daemon; scripts/setup.sh test installs it");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let mut keyring = Command::new("gnome-keyring-daemon");
        keyring.args(["--foreground", "--unlock", "--components=secrets"]);
        keyring.env("DBUS_SESSION_BUS_ADDRESS", &address).stdin(Stdio::piped()).stdout(Stdio::null());
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"] {
            keyring.env(variable, folder.path());
        }
        let mut keyring = keyring.stderr(Stdio::null()).spawn().expect("gnome-keyring-daemon; see above");
        keyring.stdin.take().unwrap().write_all(b"the login password").unwrap();
        Desktop { folder, bus, keyring, address }
    }

    fn given(&self, home: &Home, args: &[&str], value: &str) -> Ran {
        let mut command = home.command(args);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).env("XDG_RUNTIME_DIR", self.folder.path());
        Running::start(command, value).wait()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in [&mut self.keyring, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// With a real keyring, and clear words where there is none.
#[test]
fn a_secret_is_kept_in_the_desktops_keyring() {
    let home = Home::without_engine();
    let desktop = Desktop::start();
    let add = ["secret", "add", "--store", "keyring", "github"];
    until("the keyring to take secrets", || desktop.given(&home, &add, SECRET).code == Some(0));
    assert!(!home.at("secrets").exists());
    desktop.given(&home, &add, LATER).code(1).says("secret rotate github").never_says(LATER);
    let home = home.config("[credentials.github]\nsecret = \"keyring:github\"\nhosts = [\"api.github.com\"]\n");
    desktop.given(&home, &["secret", "test", "github"], "").ok().prints("keyring:github").never_says(SECRET);
    desktop.given(&home, &["secret", "rotate", "github"], LATER).ok().never_says(LATER);
    desktop.given(&home, &["secret", "list"], "").ok().prints("yes").never_says(LATER);
    desktop.given(&home, &["secret", "remove", "github"], "").ok();
    desktop.given(&home, &["secret", "test", "github"], "").code(1).says("secret add --store keyring github");

    let mut nowhere = home.command(&add);
    nowhere.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus").env("XDG_RUNTIME_DIR", "/nowhere");
    let refused = Running::start(nowhere, SECRET).wait().code(1);
    refused.says("libsecret-tools").says("file:PATH").never_says(SECRET);
}

#[test]
fn what_is_no_secret_is_not_written() {
    let home = Home::without_engine();
    for value in ["", "short", "two lines of\ntext", "with an escape \u{1b}[2J", &"x".repeat(20_000)] {
        given(&home, &["secret", "add", "github"], value).code(1).says("nothing was written");
    }
    for name in ["../policies/main", "Git-Hub", "", "a/b"] {
        given(&home, &["secret", "add", name], SECRET).code(2).never_says(SECRET);
    }
    given(&home, &["secret", "rotate", "github"], SECRET).code(1).says("there is no secret github");
    assert!(!home.at("secrets/github").exists());
}
