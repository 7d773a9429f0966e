//! The container engine: how it is found, and what it can do.

use std::{
    collections::HashMap,
    fmt,
    io::ErrorKind,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, Docker};

/// A connection to the engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) docker: Docker,
    facts: Arc<Facts>,
    /// The CA bundles of images, by image id: an image never changes under its id.
    pub(crate) bundles: Arc<Mutex<HashMap<String, Arc<[u8]>>>>,
}

/// The facts about the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which engine, and whose.
    pub kind: EngineKind,
    /// The version, as the engine states it.
    pub version: String,
    /// The socket it answers on.
    pub socket: PathBuf,
    /// Which limits it enforces.
    pub enforced: Enforced,
    /// The OCI runtimes it knows, for `engine.runtime`.
    pub runtimes: Vec<String>,
    /// The default runtime.
    pub default_runtime: String,
    /// Whether it maps container users to others (`userns-remap`).
    pub remaps_users: bool,
    /// Its data folder, which shows whether the engine comes from a snap.
    pub root: PathBuf,
    /// Which security modules guard its containers: `apparmor`, `selinux`.
    pub guards: Vec<String>,
}

/// Which engine, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker, run by root.
    Docker,
    /// Docker, run by a user: uid 0 inside is that user.
    RootlessDocker,
    /// Podman, run by root.
    Podman,
    /// Podman, run by a user.
    RootlessPodman,
}

/// Which limits the engine enforces. A rootless engine on cgroup v1 enforces none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// The number of processes.
    pub pids: bool,
    /// Memory.
    pub memory: bool,
    /// Swap.
    pub swap: bool,
    /// Processor time.
    pub cpu: bool,
}

/// Who runs inside a sandbox, and who must own its folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxUser {
    /// Inside the sandbox.
    pub uid: u32,
    /// Inside the sandbox.
    pub gid: u32,
    /// For the engine.
    pub userns_mode: Option<String>,
    /// Whether the caller must give the sandbox's folders to `uid:gid` first. It may then choose a
    /// separate user for each group: [`SandboxUser::of_a_group`].
    pub chown: bool,
    /// Whether nothing else on this machine runs as this user: the kernel counts some resources per
    /// user.
    pub own: bool,
}

/// The engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No socket anywhere.
    #[error(
        "no container engine was found (looked for {}). Install one: on Debian and Ubuntu `sudo apt-get install docker.io`",
        .looked.join(", ")
    )]
    NotFound {
        /// Where a socket was looked for.
        looked: Vec<String>,
    },
    /// No socket at the configured place.
    #[error(
        "there is no container engine at {socket}, which `host` under [engine] names: correct that in doorward.toml, or \
         start the engine that listens there"
    )]
    NotThere {
        /// Where.
        socket: String,
    },
    /// This user may not use it.
    #[error(
        "the container engine at {socket} does not let this user in. Add yourself to its group with \
         `sudo usermod -aG docker \"$USER\"`, then log in again"
    )]
    Denied {
        /// The engine's socket.
        socket: String,
    },
    /// A socket without an engine behind it.
    #[error("the container engine at {socket} is not running. Start it: `sudo systemctl start docker`")]
    NotRunning {
        /// The engine's socket.
        socket: String,
    },
    /// Not on this machine, or host sockets do not cross into containers.
    #[error(
        "{what} is not supported yet: a sandbox's door is a socket of this machine, and it does not cross into \
             containers there. Use an engine that runs directly on this Linux machine"
    )]
    Unsupported {
        /// Which engine.
        what: String,
    },
    /// It accepts connections but does not answer.
    #[error(
        "the container engine at {socket} takes connections and does not answer. Restart it: `sudo systemctl restart \
         docker`"
    )]
    Deaf {
        /// The engine's socket.
        socket: String,
    },
    /// It answered with an error.
    #[error("the container engine at {socket} does not answer as expected: {source}")]
    Broken {
        /// The engine's socket.
        socket: String,
        /// What went wrong.
        source: bollard::errors::Error,
    },
}

/// How long an engine may take to identify itself, in two requests.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

/// The uid inside sandboxes of a daemon that runs as root.
pub const FIXED_UID: u32 = 10001;

impl Engine {
    /// Connects to `host` (`unix:///path` or a path), or to the first engine found in the usual
    /// places, and collects its facts.
    pub async fn connect(host: Option<&str>) -> Result<Self, ConnectError> {
        Self::connect_within(host, FIRST_ANSWER).await
    }

    #[expect(clippy::disallowed_methods, reason = "the container engine, on its own socket")]
    async fn connect_within(host: Option<&str>, patience: Duration) -> Result<Self, ConnectError> {
        let socket = find_socket(host)?;
        let name = socket.display().to_string();
        let broken = |source| ConnectError::Broken { socket: name.clone(), source };
        // No API version is negotiated: this client's paths carry none, so an engine answers with
        // its newest, and nothing is used that Docker 20.10 does not know.
        let docker = Docker::connect_with_unix(&name, 120, API_DEFAULT_VERSION).map_err(broken)?;
        let answered = tokio::time::timeout(patience, Facts::of(&docker, socket)).await;
        let facts = answered.map_err(|_| ConnectError::Deaf { socket: name.clone() })?.map_err(broken)?;
        if let Some(what) = facts.1 {
            return Err(ConnectError::Unsupported { what });
        }
        Ok(Self { docker, facts: Arc::new(facts.0), bundles: Arc::default() })
    }

    /// The facts collected when connecting.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Checks that the engine still answers.
    pub async fn answers(&self) -> Result<(), ConnectError> {
        let socket = self.facts.socket.display().to_string();
        probe(&self.facts.socket)?;
        match tokio::time::timeout(FIRST_ANSWER, self.docker.ping()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) => Err(ConnectError::Broken { socket, source }),
            Err(_) => Err(ConnectError::Deaf { socket }),
        }
    }

    /// Who runs inside this engine's sandboxes when this process starts them.
    pub fn sandbox_user(&self) -> SandboxUser {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        self.facts.sandbox_user(uid, gid)
    }
}

impl SandboxUser {
    /// The same with a separate user for one group.
    pub fn of_a_group(self, uid: u32) -> Self {
        Self { uid, gid: uid, own: true, ..self }
    }
}

impl Facts {
    /// Also returns what makes the engine unsupported, if anything.
    async fn of(docker: &Docker, socket: PathBuf) -> Result<(Self, Option<String>), bollard::errors::Error> {
        let (version, info) = (docker.version().await?, docker.info().await?);
        let components = version.components.unwrap_or_default();
        let podman = components.iter().any(|component| component.name.to_lowercase().contains("podman"));
        let options = info.security_options.unwrap_or_default();
        let has = |name: &str| options.iter().any(|option| option.split(',').any(|part| part == name));
        let kind = match (podman, has("name=rootless")) {
            (false, false) => EngineKind::Docker,
            (false, true) => EngineKind::RootlessDocker,
            (true, false) => EngineKind::Podman,
            (true, true) => EngineKind::RootlessPodman,
        };
        let system = info.operating_system.unwrap_or_default();
        let unsupported = (system.contains("Docker Desktop") || cfg!(not(target_os = "linux")))
            .then(|| if system.is_empty() { "this engine".to_owned() } else { system });
        let facts = Self {
            kind,
            version: version.version.unwrap_or_default(),
            socket,
            enforced: Enforced {
                pids: info.pids_limit.unwrap_or(false),
                memory: info.memory_limit.unwrap_or(false),
                swap: info.swap_limit.unwrap_or(false),
                cpu: info.cpu_cfs_quota.unwrap_or(false),
            },
            runtimes: info.runtimes.unwrap_or_default().into_keys().collect(),
            default_runtime: info.default_runtime.unwrap_or_default(),
            remaps_users: has("name=userns"),
            root: info.docker_root_dir.unwrap_or_default().into(),
            guards: ["selinux", "apparmor"]
                .into_iter()
                .filter(|guard| has(&format!("name={guard}")))
                .map(str::to_owned)
                .collect(),
        };
        Ok((facts, unsupported))
    }

    /// The user for a daemon that runs as `uid:gid` (the table of DESIGN §4).
    fn sandbox_user(&self, uid: u32, gid: u32) -> SandboxUser {
        let user = |uid, gid, userns: Option<&str>, chown| SandboxUser {
            uid,
            gid,
            userns_mode: userns.map(str::to_owned),
            chown,
            own: false,
        };
        // With remapping, no uid of the host would own the folders: our sandboxes opt out.
        let host = self.remaps_users.then_some("host");
        match self.kind {
            EngineKind::Docker | EngineKind::Podman if uid == 0 => user(FIXED_UID, FIXED_UID, host, true),
            EngineKind::Docker | EngineKind::Podman => user(uid, gid, host, false),
            EngineKind::RootlessDocker => user(0, 0, None, false),
            EngineKind::RootlessPodman => user(uid, gid, Some("keep-id"), false),
        }
    }
}

/// Whether the engine refused a request because of its content (an unknown runtime, say), and would
/// refuse it again.
pub fn is_bad_request(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 400, .. })
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "Docker",
            Self::RootlessDocker => "rootless Docker",
            Self::Podman => "Podman",
            Self::RootlessPodman => "rootless Podman",
        })
    }
}

fn find_socket(host: Option<&str>) -> Result<PathBuf, ConnectError> {
    let Some(host) = host else {
        let places = usual_places();
        let found = places.iter().find(|place| place.exists());
        let looked = || places.iter().map(|place| place.display().to_string()).collect();
        return probe(found.ok_or_else(|| ConnectError::NotFound { looked: looked() })?);
    };
    let path = host.strip_prefix("unix://").unwrap_or(host);
    if path.contains("://") {
        return Err(ConnectError::Unsupported { what: format!("an engine at {host}") });
    }
    probe(Path::new(path)).map_err(|error| match error {
        ConnectError::NotFound { .. } => ConnectError::NotThere { socket: path.to_owned() },
        other => other,
    })
}

fn usual_places() -> Vec<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    vec![
        "/var/run/docker.sock".into(),
        format!("/run/user/{uid}/docker.sock").into(),
        format!("/run/user/{uid}/podman/podman.sock").into(),
        "/run/podman/podman.sock".into(),
    ]
}

/// Connects once by hand: the client's own errors do not distinguish these cases.
#[expect(clippy::disallowed_methods, reason = "the same socket, to see whether anybody listens")]
fn probe(path: &Path) -> Result<PathBuf, ConnectError> {
    let socket = path.display().to_string();
    match UnixStream::connect(path) {
        Ok(_) => Ok(path.to_owned()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(ConnectError::Denied { socket }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(ConnectError::NotFound { looked: vec![socket] }),
        Err(_) => Err(ConnectError::NotRunning { socket }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;

    fn facts(kind: EngineKind) -> Facts {
        let enforced = Enforced { pids: true, memory: true, swap: true, cpu: true };
        Facts {
            kind,
            version: String::new(),
            socket: PathBuf::new(),
            enforced,
            runtimes: vec![],
            default_runtime: String::new(),
            remaps_users: false,
            root: PathBuf::new(),
            guards: vec![],
        }
    }

    #[test]
    fn the_table_of_users() {
        let table = [
            (EngineKind::Docker, 0, (10001, None, true)),
            (EngineKind::Docker, 1000, (1000, None, false)),
            (EngineKind::Podman, 0, (10001, None, true)),
            (EngineKind::RootlessDocker, 1000, (0, None, false)),
            (EngineKind::RootlessPodman, 1000, (1000, Some("keep-id"), false)),
        ];
        for (kind, uid, wanted) in table {
            let user = facts(kind).sandbox_user(uid, uid);
            assert_eq!((user.uid, user.userns_mode.as_deref(), user.chown), wanted, "{kind} as {uid}");
            assert_eq!(user.uid, user.gid);
        }
        let remapped = Facts { remaps_users: true, ..facts(EngineKind::Docker) };
        assert_eq!(remapped.sandbox_user(1000, 1000).userns_mode.as_deref(), Some("host"));
    }

    /// A hanging engine is reported, and not waited for without end.
    #[tokio::test]
    async fn a_deaf_engine_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let _listens = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let deaf = Engine::connect_within(path.to_str(), Duration::from_millis(50)).await.unwrap_err().to_string();
        assert!(deaf.contains("does not answer") && deaf.contains("restart"), "{deaf}");
    }

    #[test]
    fn a_missing_or_dead_engine_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let missing = find_socket(Some(&format!("unix://{}", path.display()))).unwrap_err().to_string();
        assert!(missing.contains("engine.sock, which `host` under [engine] names"), "{missing}");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let dead = find_socket(path.to_str()).unwrap_err().to_string();
        assert!(dead.contains("is not running"), "{dead}");
        let remote = find_socket(Some("tcp://10.0.0.1:2375")).unwrap_err().to_string();
        assert!(remote.contains("not supported yet"), "{remote}");
    }
}
