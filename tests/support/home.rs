//! One installation in a temporary folder, as its owner would set it up.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::{Audit, Daemon, Ran, Running, Upstream, docker, eventually, program};

/// An installation. Its sandboxes are removed with it.
pub struct Home {
    folder: TempDir,
    hosts: Vec<(String, String)>,
    resolver: Option<String>,
    config: String,
    /// What chats have shown: as on a network, nothing appears twice under one id.
    pub(super) shown: Arc<Mutex<HashSet<u64>>>,
}

impl Home {
    /// An empty one, on a machine that has an engine and the base image.
    pub fn new() -> Self {
        docker::require_engine_and_image();
        Self::without_engine()
    }

    /// An empty one, on a machine that has the image with Claude Code as well.
    pub fn with_claude() -> Self {
        docker::require_engine_and_claude();
        Self::without_engine()
    }

    /// An empty one for what needs no sandbox.
    pub fn without_engine() -> Self {
        let folder = tempfile::Builder::new().prefix("doorward-test-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Home { folder, hosts: Vec::new(), resolver: None, config: String::new(), shown: Arc::default() }
    }

    /// Adds to `doorward.toml`.
    pub fn config(mut self, toml: &str) -> Self {
        self.config += toml;
        self.config += "\n";
        self.write_config();
        self
    }

    /// Names a server: `[upstream.hosts]`, and the tests' authority in `extra_ca`.
    pub fn host(mut self, name: &str, server: impl Into<SocketAddr>) -> Self {
        self.hosts.push((name.to_owned(), server.into().to_string()));
        self.write_config();
        self
    }

    /// Asks this server for the names that it gives no address itself.
    pub fn resolver(mut self, resolver: &impl ToString) -> Self {
        self.resolver = Some(resolver.to_string());
        self.write_config();
        self
    }

    /// Gives a name an address that no server of the tests stands behind.
    pub fn host_at(mut self, name: &str, address: &str) -> Self {
        self.hosts.push((name.to_owned(), address.to_owned()));
        self.write_config();
        self
    }

    /// Registers a group.
    pub fn group(self, name: &str) -> Self {
        self.run(&["group", "add", name]).ok();
        self
    }

    /// Registers a chat of the tests' network as a group of the same name.
    pub fn chat_group(self, name: &str) -> Self {
        self.run(&["group", "add", name, "--channel", "whatsapp", "--chat", name, "--agent", "shell"]).ok();
        self
    }

    /// Writes a group's policy, as an editor saves it.
    pub fn policy(self, group: &str, toml: &str) -> Self {
        self.write_policy(group, toml);
        self
    }

    /// A credential whose secret is in a file that only its owner can read.
    pub fn credential(self, name: &str, secret: &str, toml: &str) -> Self {
        let file = self.path().join(format!("{name}.key"));
        fs::write(&file, format!("{secret}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        self.config(&format!("[credentials.{name}]\nsecret = \"file:{name}.key\"\n{toml}"))
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file or folder below it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// A group's policy file.
    pub fn policy_file(&self, group: &str) -> PathBuf {
        self.at("policies").join(format!("{group}.toml"))
    }

    /// Saves a group's policy over the old one.
    pub fn write_policy(&self, group: &str, toml: &str) {
        fs::create_dir_all(self.at("policies")).unwrap();
        fs::write(self.policy_file(group), toml).unwrap();
    }

    /// What a group works in.
    pub fn group_folder(&self, group: &str) -> PathBuf {
        self.at("data/groups").join(group)
    }

    /// The id that its containers carry.
    pub fn installation(&self) -> Option<String> {
        let id = fs::read_to_string(self.at("data/installation-id")).ok()?;
        Some(id.trim().to_owned())
    }

    /// Its containers, whatever their state.
    pub fn containers(&self) -> Vec<String> {
        self.installation().map(|id| docker::containers(&id)).unwrap_or_default()
    }

    /// The program, at this home.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("doorward"));
        command.arg("--home").arg(self.path()).args(args).env_remove("RUST_LOG").env_remove("DOORWARD_HOME");
        command
    }

    /// Runs a command to its end, with nothing to read.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Ran {
        self.start(args).wait()
    }

    /// Starts a command.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args), "")
    }

    /// `echo MESSAGE | doorward chat --group GROUP`
    #[track_caller]
    pub fn chat(&self, group: &str, message: &str) -> Ran {
        Running::start(self.command(&["chat", "--group", group]), &format!("{message}\n")).wait()
    }

    /// `doorward exec GROUP -- sh -c SCRIPT`
    #[track_caller]
    pub fn exec(&self, group: &str, script: &str) -> Ran {
        self.run(&["exec", group, "--", "sh", "-c", script])
    }

    /// `doorward up`, once it serves.
    #[track_caller]
    pub fn up(&self) -> Daemon {
        Daemon::start(self, &[])
    }

    /// The same with this in `RUST_LOG`.
    #[track_caller]
    pub fn up_logging(&self, log: &str) -> Daemon {
        Daemon::start(self, &[("RUST_LOG", log)])
    }

    /// The same in this environment.
    #[track_caller]
    pub fn up_in(&self, environment: &[(&str, &str)]) -> Daemon {
        Daemon::start(self, environment)
    }

    /// The log as `doorward audit --json` shows it, once nothing is under way: an
    /// outcome is written after the client has its answer.
    #[track_caller]
    pub fn audit(&self) -> Audit {
        self.audit_with(&[])
    }

    /// The same with filters.
    #[track_caller]
    pub fn audit_with(&self, filters: &[&str]) -> Audit {
        let args = [&["audit", "--json"], filters].concat();
        eventually("all requests to have ended", || {
            let audit = Audit::read(&self.run(&args).ok());
            audit.with("ending", "under_way").is_empty().then_some(audit)
        })
    }

    fn write_config(&self) {
        let mut text = String::new();
        if !self.hosts.is_empty() || self.resolver.is_some() {
            fs::write(self.at("test-ca.pem"), Upstream::authority()).unwrap();
            text += "[upstream]\nextra_ca = [\"test-ca.pem\"]\n";
            if let Some(resolver) = &self.resolver {
                text += &format!("resolver = \"{resolver}\"\n");
            }
            text += "\n[upstream.hosts]\n";
            for (name, address) in &self.hosts {
                text += &format!("\"{name}\" = \"{address}\"\n");
            }
            text += "\n";
        }
        fs::write(self.at("doorward.toml"), text + &self.config).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(id) = self.installation() {
            docker::remove_all(&id);
        }
    }
}
