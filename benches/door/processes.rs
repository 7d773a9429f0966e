//! The home, the certificates and the two processes that a measurement needs.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

pub(crate) const HOSTS: [&str; 2] = ["plain.bench", "keyed.bench"];
pub(crate) const SURROGATE_VARIABLE: &str = "BENCH_TOKEN";

/// A running door and origin; both end when this is dropped.
pub(crate) struct Setup {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) origin_port: u16,
    pub(crate) surrogate: String,
    doors: Vec<(&'static str, Running)>,
    _origin: Running,
}

struct Running {
    child: Child,
    stdin: ChildStdin,
    said: String,
}

impl Setup {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(&dir);
        let origin = Running::start("origin", dir.path().to_str().unwrap());
        let origin_port: u16 = origin.said.trim().parse().unwrap();
        home(&dir, origin_port);
        let door = Running::start("door", dir.path().to_str().unwrap());
        let surrogate = door.said.trim().to_owned();
        let others = ["bare", "unaudited"].map(|role| (role, Running::start(role, dir.path().to_str().unwrap())));
        let doors = std::iter::once(("door", door)).chain(others).collect();
        Setup { dir, origin_port, surrogate, doors, _origin: origin }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lets chats write in the door's process, or rest.
    pub(crate) fn chats(&mut self, what: u8) {
        self.doors[0].1.stdin.write_all(&[what]).unwrap();
    }

    /// Seconds of CPU that a door has used.
    pub(crate) fn cpu(&self, role: &str) -> f64 {
        let Some((_, door)) = self.doors.iter().find(|(name, _)| *name == role) else { return 0.0 };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", door.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        ticks as f64 / 100.0
    }

    /// Resident MiB of the door.
    pub(crate) fn door_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.doors[0].1.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Running {
    /// Starts this program in another role and waits for the line it says when ready.
    fn start(role: &str, place: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([role, place])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Running { child, stdin, said }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn certificates(dir: &tempfile::TempDir) {
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(dir.path().join("origin-ca.pem"), ca.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(ca, key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(HOSTS.map(str::to_owned)).unwrap().signed_by(&leaf_key, &issuer).unwrap();
    std::fs::write(dir.path().join("origin.pem"), leaf.pem()).unwrap();
    std::fs::write(dir.path().join("origin.key"), leaf_key.serialize_pem()).unwrap();
}

/// A policy of a hundred and two rules: two that matter, a hundred to look past.
fn home(dir: &tempfile::TempDir, port: u16) {
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "bench-0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = format!(
        "[upstream]\nextra_ca = [\"../origin-ca.pem\"]\n[upstream.hosts]\n\"plain.bench\" = \"127.0.0.1:{port}\"\n\
         \"keyed.bench\" = \"127.0.0.1:{port}\"\n[credentials.bench]\nsecret = \"file:{}\"\nhosts = [\"keyed.bench\"]\n\
         env = \"{SURROGATE_VARIABLE}\"\n",
        secret.display()
    );
    let mut policy = String::new();
    for host in HOSTS {
        let credential = if host == "keyed.bench" { "credential = \"bench\"\n" } else { "" };
        policy +=
            &format!("[[allow]]\nhost = \"{host}\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.1/32\"]\n{credential}");
    }
    for number in 0..100 {
        policy += &format!("[[allow]]\nhost = \"h{number}.example.net\"\ndo = [\"GET /a/*/b/**\"]\n");
    }
    let home = dir.path().join("home");
    std::fs::create_dir_all(home.join("policies")).unwrap();
    std::fs::write(home.join("doorward.toml"), config).unwrap();
    std::fs::write(home.join("policies/bench.toml"), policy).unwrap();
}
