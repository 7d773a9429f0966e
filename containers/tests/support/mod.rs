//! The basis of the sandbox tests: the machine's real engine, a tiny image, and a fresh
//! installation per test whose containers are gone when the test is.

#![allow(dead_code, clippy::unwrap_used)]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{Docker, body_full, models::HostConfig, query_parameters::CreateImageOptionsBuilder};
use containers::{
    CreateRequest, Engine, Exec, Folders, Limits, Sandbox, SandboxSpec, StartError, guest,
    protocol::{Agent, FromGuest, ToGuest},
};
use futures_util::StreamExt;
use tempfile::TempDir;

pub(crate) const IMAGE: &str = "doorward-test/busybox:1";

/// One installation with one group, in a folder of its own.
pub(crate) struct Installation {
    pub(crate) engine: Engine,
    pub(crate) id: String,
    pub(crate) dir: TempDir,
    pub(crate) door: UnixListener,
}

impl Installation {
    pub(crate) async fn new() -> Self {
        let engine = Engine::connect(std::env::var("DOCKER_HOST").ok().as_deref())
            .await
            .unwrap_or_else(|error| panic!("these tests need a container engine: {error}"));
        ensure_image(&engine.facts().socket).await;
        let dir = tempfile::Builder::new().prefix("doorward-test-").tempdir().unwrap();
        // The engine's user must be able to pass through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let user = engine.sandbox_user();
        for folder in ["group", "home", "inbox", "door"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            if user.chown {
                std::os::unix::fs::chown(dir.path().join(folder), Some(user.uid), Some(user.gid)).unwrap();
            }
        }
        let door = UnixListener::bind(dir.path().join("door/door.sock")).unwrap();
        fs::set_permissions(dir.path().join("door/door.sock"), fs::Permissions::from_mode(0o666)).unwrap();
        let id = dir.path().file_name().unwrap().to_str().unwrap().trim_start_matches("doorward-test-").to_owned();
        Self { engine, id, dir, door }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn spec(&self) -> SandboxSpec {
        SandboxSpec {
            installation: self.id.clone(),
            group: "family".into(),
            id: format!("{}-1", self.id),
            agent: Agent::Shell,
            servers: Vec::new(),
            image: IMAGE.into(),
            runtime: None,
            user: self.engine.sandbox_user(),
            folders: Folders {
                group: self.path("group"),
                home: self.path("home"),
                inbox: Some(self.path("inbox")),
                global: None,
                skills: None,
                extra: Vec::new(),
            },
            door: self.path("door"),
            guest: guest::install(&self.path("guest")).unwrap(),
            ca: include_str!("ca.pem").into(),
            ca_bundle: self.path("ca.crt"),
            accounts: self.path("accounts"),
            environment: vec![("GITHUB_TOKEN".into(), "ghp_surrogate".into())],
            limits: Limits::default(),
        }
    }

    /// A sandbox whose request to the engine was edited in this way.
    pub(crate) async fn start_with_hole(&self, hole: impl FnOnce(&mut HostConfig)) -> Sandbox {
        let edit = |request: &mut CreateRequest| hole(request.host_config.as_mut().unwrap());
        Sandbox::start_with_hole(&self.engine, &self.spec(), edit).await.unwrap()
    }

    pub(crate) async fn start(&self) -> Sandbox {
        let sandbox = Sandbox::start(&self.engine, &self.spec()).await.unwrap();
        // The guest has tested whether it can connect.
        drop(self.door.accept().unwrap());
        sandbox
    }

    pub(crate) async fn start_with(&self, spec: &SandboxSpec) -> Result<Sandbox, StartError> {
        Sandbox::start(&self.engine, spec).await
    }

    /// Runs a command beside the agent; returns its exit code and both outputs.
    pub(crate) async fn exec(&self, sandbox: &Sandbox, argv: &[&str], stdin: &'static [u8]) -> (i64, String, String) {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exec = Exec { argv: &argv, terminal: None };
        let code = self.engine.exec(sandbox.container_id(), exec, stdin, &mut out, &mut err).await.unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// Runs one attack of the drill; returns whether it succeeded, and its detail.
    pub(crate) async fn attack(&self, sandbox: &Sandbox, args: &[&str]) -> (bool, String) {
        let argv: Vec<&str> = [guest::PATH, "attack"].iter().chain(args).copied().collect();
        let (code, out, err) = self.exec(sandbox, &argv, b"").await;
        assert_eq!(code, 0, "{args:?}: {err}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["attack"], args[0]);
        (report["succeeded"].as_bool().unwrap(), report["detail"].as_str().unwrap().to_owned())
    }

    /// Waits until none of this installation's containers is left.
    pub(crate) async fn until_empty(&self) {
        let empty = async {
            while !self.engine.running(&self.id).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), empty).await.expect("a container was left");
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // A failed test must not leave a container either; the test's own runtime may be gone.
        let (engine, id) = (self.engine.clone(), self.id.clone());
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _ = runtime.block_on(engine.remove_orphans(&id, &[]));
            let _ = runtime.block_on(engine.remove_networks(&id));
        })
        .join();
    }
}

/// One turn of the shell agent; returns the reply.
pub(crate) async fn ask(sandbox: &mut Sandbox, id: u64, text: &str) -> String {
    sandbox.send(&ToGuest::Prompt { id, text: text.into() }).await.unwrap();
    reply(sandbox, id).await
}

pub(crate) async fn reply(sandbox: &mut Sandbox, wanted: u64) -> String {
    let mut reply = String::new();
    loop {
        let message = tokio::time::timeout(Duration::from_secs(20), sandbox.next()).await.expect("no answer");
        match message.unwrap().expect("the sandbox ended") {
            FromGuest::Text { id, text } if id == wanted => reply.push_str(&text),
            FromGuest::Done { id, .. } if id == wanted => return reply,
            // A sign of life, where a command takes its time.
            FromGuest::Progress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A file system with only busybox, so that most tests do not need the base image.
async fn ensure_image(socket: &Path) {
    static ONCE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    ONCE.get_or_init(|| async {
        let docker = Docker::connect_with_unix(socket.to_str().unwrap(), 120, bollard::API_DEFAULT_VERSION).unwrap();
        let docker = docker.negotiate_version().await.unwrap();
        if docker.inspect_image(IMAGE).await.is_ok() {
            return;
        }
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(IMAGE).build();
        let mut import = Box::pin(docker.create_image(Some(options), Some(body_full(file_system().into())), None));
        while let Some(step) = import.next().await {
            step.unwrap();
        }
    })
    .await;
}

const APPLETS: &str = "sh cat chmod echo env grep head id kill ls mkdir nc ps rm seq sleep touch true tr wc yes";

fn file_system() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").expect(
        "these tests need a static busybox at /bin/busybox: `sudo apt-get install busybox-static` (`make test` does it)",
    );
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, name, content).unwrap();
    };
    for folder in ["bin/", "etc/", "etc/ssl/", "etc/ssl/certs/"] {
        add(folder, tar::EntryType::Directory, 0o755, b"");
    }
    add("bin/busybox", tar::EntryType::Regular, 0o755, &busybox);
    add("etc/ssl/certs/ca-certificates.crt", tar::EntryType::Regular, 0o644, b"THE IMAGE'S OWN");
    for name in APPLETS.split(' ') {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        tar.append_link(&mut header, format!("bin/{name}"), "busybox").unwrap();
    }
    tar.into_inner().unwrap()
}
