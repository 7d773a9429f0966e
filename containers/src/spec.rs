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
    /// Added to [`door_environment`], such as the variables that hold surrogates.
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

/// The environment that makes everyday tools use the door and trust its CA. Both this and the
/// mounted bundle are needed: each reaches tools that the other misses. `AWS_CA_BUNDLE` is left
/// out: with it, AWS's library for Go refuses programs that bring their own client (rclone), and
/// everything that reads it reads others of these too.
pub fn door_environment() -> Vec<(String, String)> {
    const PROXY: &str = "http://127.0.0.1:3128";
    const LOCAL: &str = "localhost,127.0.0.1,::1";
    const CA: [&str; 8] = [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "PIP_CERT",
        "CARGO_HTTP_CAINFO",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        // Google's library for Python brings its own list of certificates.
        "HTTPLIB2_CA_CERTS",
    ];
    let proxies = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy"];
    let others = [
        ("NO_PROXY", LOCAL),
        ("no_proxy", LOCAL),
        ("NODE_EXTRA_CA_CERTS", CA_BUNDLE),
        // Node reads the proxy variables only with this (from 22.21 and 24.0 on).
        ("NODE_USE_ENV_PROXY", "1"),
        // Otherwise uv trusts its own list; newer versions use the second name.
        ("UV_NATIVE_TLS", "1"),
        ("UV_SYSTEM_CERTS", "1"),
        ("JAVA_TOOL_OPTIONS", JAVA),
        ("HOME", HOME),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
    ];
    let proxies = proxies.iter().map(|name| (*name, PROXY));
    let trust = CA.iter().map(|name| (*name, CA_BUNDLE));
    proxies.chain(trust).chain(others).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Java reads neither proxy variables nor a PEM bundle.
const JAVA: &str = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=3128 -Dhttps.proxyHost=127.0.0.1 \
                    -Dhttps.proxyPort=3128 -Dhttp.nonProxyHosts=localhost|127.*|[::1] \
                    -Djavax.net.ssl.trustStore=/etc/ssl/certs/doorward.jks";

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
