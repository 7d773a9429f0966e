//! The specification of a sandbox.

use std::path::PathBuf;

use doorward_guest::protocol::{Agent, McpServer};

use crate::SandboxUser;

/// Everything that defines one sandbox.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// The id of this installation; sandboxes of others are never touched.
    pub installation: String,
    /// The group's name.
    pub group: String,
    /// The sandbox's own id, never used twice.
    pub id: String,
    /// The agent that the guest drives.
    pub agent: Agent,
    /// The owner's MCP servers.
    pub servers: Vec<McpServer>,
    /// The image to run.
    pub image: String,
    /// The OCI runtime, such as `runsc`; `None` for the engine's default.
    pub runtime: Option<String>,
    /// From [`crate::Engine::sandbox_user`].
    pub user: SandboxUser,
    /// The host's folders.
    pub folders: Folders,
    /// The folder that holds `door.sock`, on the host.
    pub door: PathBuf,
    /// The guest binary on the host, from [`crate::guest::install`]: a file of this sandbox alone.
    pub guest: PathBuf,
    /// The sandbox's own CA certificate, as PEM.
    pub ca: String,
    /// Where on the host to write the CA bundle, and beside it Java's: a folder that no sandbox can
    /// write.
    pub ca_bundle: PathBuf,
    /// A folder on the host to create for its `passwd` and `group`: as above.
    pub accounts: PathBuf,
    /// Added to [`crate::door_environment`], such as the variables that hold surrogates.
    pub environment: Vec<(String, String)>,
    /// Its resource limits.
    pub limits: Limits,
}

impl SandboxSpec {
    /// Where on the host Java's certificate store is written.
    pub(crate) fn trust_store(&self) -> PathBuf {
        self.ca_bundle.with_extension("jks")
    }
}

/// The host's folders that a sandbox sees. All must exist.
#[derive(Clone, Debug)]
pub struct Folders {
    /// At `/workspace/group`, writable: the working directory.
    pub group: PathBuf,
    /// At `/home/agent`, writable: the agent's session files.
    pub home: PathBuf,
    /// At `/workspace/inbox`, read-only: what people sent.
    pub inbox: Option<PathBuf>,
    /// At `/workspace/global`, read-only: memory that all groups share.
    pub global: Option<PathBuf>,
    /// At `/workspace/skills`, read-only: the parts of skills that were accepted.
    pub skills: Option<PathBuf>,
    /// In `/workspace/extra`: the owner's folders.
    pub extra: Vec<Extra>,
}

/// An owner's folder, as it was found: what is mounted must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// On the host: a path without links.
    pub source: PathBuf,
    /// Its name inside.
    pub name: String,
    /// Whether the sandbox may not write it.
    pub read_only: bool,
    /// Its device and inode number.
    pub inode: (u64, u64),
}

impl Extra {
    /// Its path inside.
    pub(crate) fn target(&self) -> String {
        format!("{EXTRA}/{}", self.name)
    }
}

/// The resource limits of a sandbox, as far as the engine can enforce them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Processes and threads.
    pub pids: i64,
    /// Bytes of memory, `/tmp` included; no swap beyond it.
    pub memory: i64,
    /// Processors.
    pub cpus: f64,
    /// Open files per process.
    pub open_files: i64,
    /// Bytes of one file.
    pub file_bytes: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pids: 512, memory: 2 << 30, cpus: 2.0, open_files: 4096, file_bytes: 20_000_000_000 }
    }
}

/// Where every image keeps the certificates that it trusts.
pub(crate) const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The same for Java, in its own format.
pub(crate) const TRUST_STORE: &str = "/etc/ssl/certs/doorward.jks";
/// The agent's home.
pub const HOME: &str = doorward_guest::agents::HOME;
/// The group's folder.
pub const WORKSPACE: &str = doorward_guest::agents::WORKSPACE;
pub(crate) const INBOX: &str = "/workspace/inbox";
pub(crate) const GLOBAL: &str = doorward_guest::agents::GLOBAL;
/// The skills.
pub const SKILLS: &str = doorward_guest::agents::SKILLS;
/// The owner's folders.
pub const EXTRA: &str = doorward_guest::agents::EXTRA;

/// The folder for IPC files, which ask for operations.
pub(crate) const IPC: &str = doorward_guest::ipc::FOLDER;
/// The door's folder.
pub const DOOR: &str = "/run/doorward";

/// The shell that every image has.
pub(crate) const SHELL: &str = "/bin/sh";
