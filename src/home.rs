//! Where one installation lives: its configuration, its data, its sockets.
//!
//! `--home DIR` (or `DOORWARD_HOME`) puts everything under one folder; otherwise configuration and data follow the
//! XDG base directories. Naming a home creates nothing; [`Home::prepare`] makes the folders, private from the start.

mod lock;
mod private;
mod text;

use std::path::{Path, PathBuf};

use policies::GroupName;

pub use lock::{HomeInUse, Lock, LockError};
pub use private::{create_private_dir, make_private_file, open_private_file};
pub use text::{is_a_file, read_text};

/// The folders of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    config: PathBuf,
    data: PathBuf,
    shown: PathBuf,
}

/// Why there is no home to work with.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither `--home` nor the environment names a folder.
    #[error("cannot tell where Doorward's files are: HOME is not set; use --home DIR")]
    Nowhere,
    /// The engine's API carries paths as text.
    #[error("the home {0:?} is not valid UTF-8; choose another --home")]
    NotText(PathBuf),
    /// `sun_path` holds 108 bytes, its closing zero included (unix(7)).
    #[error(
        "the home {home} is too long: a door's socket would be {length} bytes ({longest}), and the system allows 107; \
         choose a shorter --home"
    )]
    TooLong {
        /// The home, under the name its owner knows.
        home: String,
        /// The length of the longest socket path, in bytes.
        length: usize,
        /// That path.
        longest: String,
    },
    /// A folder or file could not be made or read.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        /// What was tried: `cannot create`.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Somebody else could change what Doorward trusts.
    #[error("{path} belongs to user {owner}, not to you (user {you}); choose another --home, or take it over with chown", path = path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
        /// Our uid.
        you: u32,
    },
    /// The file is there, but holds no installation id.
    #[error("{path} does not hold an installation id (32 hex digits); restore it, or remove it to get a new one once no sandbox is left", path = path.display())]
    InstallationId {
        /// The file.
        path: PathBuf,
    },
}

impl Home {
    /// The home that was asked for: `--home`, else `DOORWARD_HOME`, else XDG.
    pub fn find(chosen: Option<&Path>) -> Result<Self, HomeError> {
        if let Some(dir) = chosen {
            return Self::at(dir);
        }
        match env_path("DOORWARD_HOME") {
            Some(dir) => Self::at(&dir),
            None => Self::xdg(),
        }
    }

    /// A home with everything under one folder.
    pub fn at(dir: &Path) -> Result<Self, HomeError> {
        let dir = std::path::absolute(dir).map_err(|source| io("cannot use", dir, source))?;
        Self::new(dir.clone(), dir.join("data"), dir)
    }

    fn xdg() -> Result<Self, HomeError> {
        let base = |variable: &str, below: &str| {
            // The XDG specification: relative paths are invalid and to be ignored.
            env_path(variable)
                .filter(|path| path.is_absolute())
                .or_else(|| env_path("HOME").map(|home| home.join(below)))
                .map(|path| path.join("doorward"))
                .ok_or(HomeError::Nowhere)
        };
        let data = base("XDG_DATA_HOME", ".local/share")?;
        Self::new(base("XDG_CONFIG_HOME", ".config")?, data.clone(), data)
    }

    fn new(config: PathBuf, data: PathBuf, shown: PathBuf) -> Result<Self, HomeError> {
        let home = Home { config, data, shown };
        for path in [&home.config, &home.data] {
            path.to_str().ok_or_else(|| HomeError::NotText(path.clone()))?;
        }
        // A sandbox id has at most 32 digits.
        let longest = home.doors_dir().join("0".repeat(32)).join("door.sock");
        let length = longest.as_os_str().len();
        if length > 107 {
            let longest = longest.display().to_string();
            return Err(HomeError::TooLong { home: home.to_string(), length, longest });
        }
        Ok(home)
    }

    /// Makes the missing folders, each 0700, and closes existing ones to others. Whatever runs before the daemon's
    /// first start must call this too.
    pub fn prepare(&self) -> Result<(), HomeError> {
        for dir in [&self.config, &self.shown] {
            if !dir.is_dir() {
                create_private_dir(dir)?;
            }
        }
        create_private_dir(&self.policies_dir())?;
        create_private_dir(&self.groups_dir())?;
        create_private_dir(&self.skills_files_dir())?;
        create_private_dir(&self.images_dir())?;
        create_private_dir(&self.data)?;
        for below in [
            "groups",
            "agents",
            "inbox",
            "global",
            "channels",
            "presets",
            "skills",
            "run",
            "run/doors",
            "run/sandboxes",
            "run/guest",
        ] {
            create_private_dir(&self.data.join(below))?;
        }
        Ok(())
    }

    /// `doorward.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("doorward.toml")
    }

    /// The folder of the configuration; relative paths in it start here.
    pub fn config_dir(&self) -> &Path {
        &self.config
    }

    /// One policy file per group.
    pub fn policies_dir(&self) -> PathBuf {
        self.config.join("policies")
    }

    /// The policy of a group.
    pub fn policy_file(&self, group: &GroupName) -> PathBuf {
        self.policies_dir().join(format!("{group}.toml"))
    }

    /// Presets as the owner has accepted them.
    pub fn presets_dir(&self) -> PathBuf {
        self.data.join("presets")
    }

    /// Denials that no group can relax. Optional. (No group can be called `base`.)
    pub fn base_policy_file(&self) -> PathBuf {
        self.policies_dir().join("base.toml")
    }

    /// One file per group, beside the policies: its agent, image and limits.
    pub fn groups_dir(&self) -> PathBuf {
        self.config.join("groups")
    }

    /// The settings of a group's sandboxes.
    pub fn group_file(&self, group: &GroupName) -> PathBuf {
        self.groups_dir().join(format!("{group}.toml"))
    }

    /// One folder per image of the owner's.
    pub fn images_dir(&self) -> PathBuf {
        self.config.join("images")
    }

    /// One file per group, beside the policies: its skills, as they were accepted.
    pub fn skills_files_dir(&self) -> PathBuf {
        self.config.join("skills")
    }

    /// The skills of a group.
    pub fn skills_file(&self, group: &GroupName) -> PathBuf {
        self.skills_files_dir().join(format!("{group}.toml"))
    }

    /// The content of accepted skills, named by hash.
    pub fn skills_dir(&self) -> PathBuf {
        self.data.join("skills")
    }

    /// Everything that is not configuration.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The result of the last drill.
    pub fn last_drill(&self) -> PathBuf {
        self.data.join("drill.json")
    }

    /// Groups, messages, runs, outbox.
    pub fn main_db(&self) -> PathBuf {
        self.data.join("doorward.db")
    }

    /// The audit log: the journal's folder.
    pub fn audit_log(&self) -> PathBuf {
        self.data.join("audit")
    }

    /// The audit log as an older Doorward kept it.
    pub fn old_audit_db(&self) -> PathBuf {
        self.data.join("audit.db")
    }

    /// What a group works in: `/workspace/group`.
    pub fn group_dir(&self, group: &GroupName) -> PathBuf {
        self.data.join("groups").join(group.as_str())
    }

    /// The line editor's history of a group's chat at the terminal.
    pub fn chat_history(&self, group: &GroupName) -> PathBuf {
        self.data.join("chat-history").join(group.as_str())
    }

    /// A group's agent's home folder, with its sessions.
    pub fn agent_home(&self, group: &GroupName) -> PathBuf {
        self.data.join("agents").join(group.as_str())
    }

    /// What people sent to a group: `/workspace/inbox`. Only the daemon writes here.
    pub fn inbox(&self, group: &GroupName) -> PathBuf {
        self.data.join("inbox").join(group.as_str())
    }

    /// Files that a group's agent sent to a chat at a terminal.
    pub fn received_dir(&self, group: &GroupName) -> PathBuf {
        self.data.join("received").join(group.as_str())
    }

    /// The memory for all groups, as its owner writes it. Each sandbox gets a copy.
    pub fn global_dir(&self) -> PathBuf {
        self.data.join("global")
    }

    /// A channel program's own folder: its keys. The program makes it.
    pub fn channel_dir(&self, channel: &str) -> PathBuf {
        self.data.join("channels").join(channel)
    }

    /// Hosts that get no credential any more, by group.
    pub fn set_aside_dir(&self) -> PathBuf {
        self.data.join("set-aside")
    }

    /// The running daemon's own files.
    pub fn run_dir(&self) -> PathBuf {
        self.data.join("run")
    }

    /// The socket on which the command line reaches the daemon.
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir().join("control.sock")
    }

    /// One folder per door, each holding `door.sock`.
    pub fn doors_dir(&self) -> PathBuf {
        self.run_dir().join("doors")
    }

    /// One folder per sandbox: the CA bundle and other files that it may read.
    pub fn sandboxes_dir(&self) -> PathBuf {
        self.run_dir().join("sandboxes")
    }

    /// The daemon's recent log.
    pub fn log_dir(&self) -> PathBuf {
        self.data.join("log")
    }

    /// The version of Doorward that served this home last.
    pub fn version_file(&self) -> PathBuf {
        self.data.join("version")
    }

    /// Held by the daemon that serves this home.
    pub fn lock_file(&self) -> PathBuf {
        self.data.join("doorward.lock")
    }

    /// What the owner has locked.
    pub fn latch_file(&self) -> PathBuf {
        self.data.join("lock.json")
    }

    /// The secret behind stand-ins for ETags.
    pub fn tag_secret_file(&self) -> PathBuf {
        self.data.join("etags.key")
    }

    /// How long the owner has been silent.
    pub fn absence_file(&self) -> PathBuf {
        self.data.join("absence.json")
    }

    /// Held while a command or the daemon edits one of the owner's files.
    pub fn edit_lock(&self) -> PathBuf {
        self.data.join("edit.lock")
    }

    /// Becomes the daemon of this home, until the lock is dropped or the process ends, in whatever way.
    pub fn lock(&self) -> Result<Lock, LockError> {
        lock::take(self)
    }

    /// Whether a daemon serves this home now.
    pub fn is_served(&self) -> bool {
        lock::is_held(self)
    }

    /// The pid of the daemon that serves it now, as far as known.
    pub fn served_by(&self) -> Option<u32> {
        Some(lock::named_in(&self.lock_file())).filter(|pid| *pid != 0 && self.is_served())
    }

    /// The installation id if there is one; makes nothing.
    pub fn known_installation_id(&self) -> Option<String> {
        self.data.join("installation-id").exists().then(|| self.installation_id().ok()).flatten()
    }

    /// All of the owner's files that exist, and nothing else that may lie in the same folder.
    pub fn everything(&self) -> Vec<PathBuf> {
        if !["installation-id", "doorward.db"].iter().any(|name| self.data.join(name).exists()) {
            return Vec::new();
        }
        let settings = [
            "doorward.toml",
            "doorward.toml.previous",
            "mount-allowlist.json",
            "policies",
            "groups",
            "skills",
            "images",
            "secrets",
        ];
        let settings = settings.map(|name| self.config.join(name));
        let all = settings.into_iter().chain([self.data.clone()]);
        all.filter(|path| path.symlink_metadata().is_ok()).collect()
    }

    /// The folder of this user's systemd units; it follows the configuration folder, as systemd's does.
    pub fn users_units(&self) -> Option<PathBuf> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let config = env_path("XDG_CONFIG_HOME").filter(absolute);
        Some(config.or_else(|| Some(env_path("HOME")?.join(".config")))?.join("systemd/user"))
    }

    /// The variables that find this home from another environment.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        if self.is_named() {
            return self.where_it_was_named();
        }
        let above = |path: &Path| path.parent().unwrap_or(path).to_path_buf();
        vec![("XDG_CONFIG_HOME", above(&self.config)), ("XDG_DATA_HOME", above(&self.data))]
    }

    /// The same if `--home` or `DOORWARD_HOME` named it; empty for a user's default home.
    pub fn where_it_was_named(&self) -> Vec<(&'static str, PathBuf)> {
        if self.is_named() { vec![("DOORWARD_HOME", self.config.clone())] } else { Vec::new() }
    }

    fn is_named(&self) -> bool {
        self.shown == self.config && self.data == self.config.join("data")
    }

    /// Tells this installation's sandboxes from another's: 32 random hex digits, made once. A copy of the home gets
    /// new ones, since the sandboxes of the original are not its own.
    pub fn installation_id(&self) -> Result<String, HomeError> {
        private::installation_id(&self.data)
    }
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shown.display().fmt(f)
    }
}

/// A path from the environment; an empty variable counts as unset.
fn env_path(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn io(doing: &'static str, path: &Path, source: std::io::Error) -> HomeError {
    HomeError::Io { doing, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
