//! Where one installation lives: its configuration, its data, its sockets.
//!
//! `--home DIR` (or `DOORWARD_HOME`) puts everything under one folder; otherwise
//! configuration and data follow the XDG base directories. Naming a home creates
//! nothing; [`Home::prepare`] makes the folders, private from the first byte.

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
    /// Neither `--home` nor anything in the environment names a folder.
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
        /// The home as its owner knows it.
        home: String,
        /// The bytes of the longest socket path.
        length: usize,
        /// That path.
        longest: String,
    },
    /// A folder or file could not be made or read.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        /// `cannot create`.
        doing: &'static str,
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else could change what Doorward trusts.
    #[error("{path} belongs to user {owner}, not to you (user {you}); choose another --home, or take it over with chown", path = path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        you: u32,
    },
    /// The file is there, but holds something else.
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

    /// Everything under one folder.
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

    /// Makes the folders that are missing, each 0700, and closes to others those
    /// that are not. What runs before a daemon has ever run must call this too.
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

    /// Presets as the owner has taken them.
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

    /// What runs in a group's sandboxes.
    pub fn group_file(&self, group: &GroupName) -> PathBuf {
        self.groups_dir().join(format!("{group}.toml"))
    }

    /// One folder per image of the owner's.
    pub fn images_dir(&self) -> PathBuf {
        self.config.join("images")
    }

    /// One file per group, beside the policies: which skills it has, as they were accepted.
    pub fn skills_files_dir(&self) -> PathBuf {
        self.config.join("skills")
    }

    /// The skills of a group.
    pub fn skills_file(&self, group: &GroupName) -> PathBuf {
        self.skills_files_dir().join(format!("{group}.toml"))
    }

    /// The content of accepted skills, by its hash.
    pub fn skills_dir(&self) -> PathBuf {
        self.data.join("skills")
    }

    /// Everything that is not configuration.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What came of the last drill.
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

    /// What was written to a group at a terminal, for its line editor.
    pub fn chat_history(&self, group: &GroupName) -> PathBuf {
        self.data.join("chat-history").join(group.as_str())
    }

    /// What a group's agent remembers: its home folder.
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

    /// What a channel's program keeps: its keys. The program makes it.
    pub fn channel_dir(&self, channel: &str) -> PathBuf {
        self.data.join("channels").join(channel)
    }

    /// Which hosts get no credential any more, from which groups.
    pub fn set_aside_dir(&self) -> PathBuf {
        self.data.join("set-aside")
    }

    /// What belongs to the running daemon.
    pub fn run_dir(&self) -> PathBuf {
        self.data.join("run")
    }

    /// Where the command line reaches the daemon.
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir().join("control.sock")
    }

    /// One folder per door, each holding `door.sock`.
    pub fn doors_dir(&self) -> PathBuf {
        self.run_dir().join("doors")
    }

    /// One folder per sandbox: CA bundle and what else it gets to read.
    pub fn sandboxes_dir(&self) -> PathBuf {
        self.run_dir().join("sandboxes")
    }

    /// What the daemon has said of late.
    pub fn log_dir(&self) -> PathBuf {
        self.data.join("log")
    }

    /// Which version of Doorward served this home last.
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

    /// What stands for ETags is made with it.
    pub fn tag_secret_file(&self) -> PathBuf {
        self.data.join("etags.key")
    }

    /// For how long no word of the owner has come.
    pub fn absence_file(&self) -> PathBuf {
        self.data.join("absence.json")
    }

    /// Held while a command or the daemon changes one of the owner's files.
    pub fn edit_lock(&self) -> PathBuf {
        self.data.join("edit.lock")
    }

    /// Becomes the daemon of this home, until the lock is dropped or the process
    /// ends in whatever way.
    pub fn lock(&self) -> Result<Lock, LockError> {
        lock::take(self)
    }

    /// Whether a daemon serves this home now.
    pub fn is_served(&self) -> bool {
        lock::is_held(self)
    }

    /// The process that serves it now, as far as that is known.
    pub fn served_by(&self) -> Option<u32> {
        Some(lock::named_in(&self.lock_file())).filter(|pid| *pid != 0 && self.is_served())
    }

    /// The same, where it has one; nothing is made.
    pub fn known_installation_id(&self) -> Option<String> {
        self.data.join("installation-id").exists().then(|| self.installation_id().ok()).flatten()
    }

    /// All that is the owner's and there, and nothing else that may lie in the same folder.
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

    /// Where this user's own units of systemd are; they move with the configuration, as systemd's do.
    pub fn users_units(&self) -> Option<PathBuf> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let config = env_path("XDG_CONFIG_HOME").filter(absolute);
        Some(config.or_else(|| Some(env_path("HOME")?.join(".config")))?.join("systemd/user"))
    }

    /// The variables by which this home is found by somebody who has another environment.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        if self.is_named() {
            return self.where_it_was_named();
        }
        let above = |path: &Path| path.parent().unwrap_or(path).to_path_buf();
        vec![("XDG_CONFIG_HOME", above(&self.config)), ("XDG_DATA_HOME", above(&self.data))]
    }

    /// The same, where `--home` or `DOORWARD_HOME` has named it; nothing where it is a user's usual one.
    pub fn where_it_was_named(&self) -> Vec<(&'static str, PathBuf)> {
        if self.is_named() { vec![("DOORWARD_HOME", self.config.clone())] } else { Vec::new() }
    }

    fn is_named(&self) -> bool {
        self.shown == self.config && self.data == self.config.join("data")
    }

    /// Tells this installation's sandboxes from another's: 32 hex digits, made
    /// once at random, and anew in a copy of the home: the first one's are not the copy's.
    pub fn installation_id(&self) -> Result<String, HomeError> {
        private::installation_id(&self.data)
    }
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shown.display().fmt(f)
    }
}

/// A path from the environment; an empty variable is as good as none.
fn env_path(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn io(doing: &'static str, path: &Path, source: std::io::Error) -> HomeError {
    HomeError::Io { doing, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
