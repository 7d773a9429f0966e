//! A sandbox that attacks run from: intact, or deliberately weakened.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use containers::protocol::{FromGuest, ToGuest};
use containers::{Exec, guest};
use policies::GroupName;
use serde::Deserialize;

use super::DrillError;
use super::attacks::{Attack, Control, Run};
use super::canaries::Ear;
use super::ground::{Ground, VARIABLE};
use super::holes::Edit;
use super::open_proxy::OpenProxy;
use crate::sandboxes::LiveSandbox;

/// Longer than any attack waits by itself; searching a large group folder takes longest.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running sandbox and its weakness.
pub(super) struct Subject<'a> {
    ground: &'a Ground,
    sandbox: LiveSandbox,
    neighbour: Option<LiveSandbox>,
    _proxy: Option<OpenProxy>,
    _planted: Option<UnixListener>,
}

/// An attack's own claim. An attacker may lie: see `Proof`.
pub(super) struct Said {
    /// Whether it claims success.
    pub(super) succeeded: bool,
    /// Its words.
    pub(super) detail: String,
}

/// The report of the guest's own attacks.
#[derive(Deserialize)]
struct Reported {
    succeeded: bool,
    detail: String,
}

impl<'a> Subject<'a> {
    /// A sandbox of the group under attack or, with a hole, one of the drill's own.
    pub(super) async fn start(ground: &'a Ground, hole: Option<Hole>) -> Result<Self, DrillError> {
        let edit = match hole {
            Some(Hole::Control(Control::Network) | Hole::Network) => Some(Edit::Network(ground.network.name.clone())),
            Some(Hole::Control(Control::NoSeccomp)) => Some(Edit::NoSeccomp),
            Some(Hole::EngineSeccomp) => Some(Edit::EngineSeccomp),
            Some(Hole::Control(Control::WritableDoor)) => Some(Edit::WritableDoor),
            Some(Hole::Control(Control::LargeFiles)) => Some(Edit::LargeFiles),
            Some(Hole::Control(Control::Shared)) => Some(ground.sharing()?),
            _ => None,
        };
        let group = if matches!(hole, Some(Hole::Control(_))) { &ground.other } else { &ground.group };
        // An intact one shares nothing, so it needs no neighbour.
        let neighbour = match hole {
            None | Some(Hole::Control(Control::Shared)) => Some(neighbour(ground, edit.clone()).await?),
            _ => None,
        };
        let sandbox = start(ground, group, edit).await?;
        let mut subject = Subject { ground, sandbox, neighbour, _proxy: None, _planted: None };
        match hole {
            Some(Hole::Control(Control::OpenProxy) | Hole::OpenProxy) => subject.open_proxy()?,
            Some(Hole::Control(Control::WritableDoor)) => open_to_all(&subject.door_folder())?,
            Some(Hole::Control(Control::Planted)) => subject.plant().await?,
            _ => {}
        }
        Ok(subject)
    }

    /// Runs an attack, with its words filled in.
    pub(super) async fn run(&self, attack: &Attack, words: &Words) -> Result<Said, DrillError> {
        self.run_in(&self.sandbox, attack, words).await
    }

    /// The same in the neighbouring sandbox, if there is one.
    pub(super) async fn neighbour_runs(&self, attack: &Attack, words: &Words) -> Result<(), DrillError> {
        match &self.neighbour {
            Some(neighbour) => self.run_in(neighbour, attack, words).await.map(drop),
            None => Ok(()),
        }
    }

    async fn run_in(&self, sandbox: &LiveSandbox, attack: &Attack, words: &Words) -> Result<Said, DrillError> {
        let argv: Vec<String> = match attack.run {
            Run::Guest(args) => [guest::PATH, "attack"].iter().chain(args).map(|word| words.fill(word)).collect(),
            Run::Curl(args) => CURL.iter().chain(args).map(|word| words.fill(word)).collect(),
            Run::Shell(line) => ["sh", "-c", line].iter().map(|word| words.fill(word)).collect(),
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exec = Exec { argv: &argv, terminal: None };
        let engine = self.ground.sandboxes.engine();
        let ran = engine.exec(sandbox.container_id(), exec, tokio::io::empty(), &mut out, &mut err);
        let code = match tokio::time::timeout(PATIENCE, ran).await {
            Ok(code) => code?,
            Err(_) => return Err(DrillError::Endless(attack.id, PATIENCE)),
        };
        let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        if let Run::Guest(_) = attack.run
            && let Ok(reported) = serde_json::from_str::<Reported>(&out)
        {
            return Ok(Said { succeeded: reported.succeeded, detail: reported.detail });
        }
        let (out, err) = (out.trim(), err.trim());
        Ok(match attack.run {
            Run::Shell(_) if out.is_empty() => Said { succeeded: false, detail: "nothing was found".to_owned() },
            Run::Shell(_) => Said { succeeded: true, detail: format!("found in {}", out.replace('\n', ", ")) },
            Run::Curl(_) if code == 0 => Said { succeeded: true, detail: out.to_owned() },
            _ => Said {
                succeeded: false,
                detail: format!("{} (exit code {code})", if err.is_empty() { out } else { err }),
            },
        })
    }

    /// The words for one attack.
    pub(super) fn words(&self, attack: &Attack) -> Words {
        let ground = self.ground;
        let canaries = &ground.canaries;
        let address = |ear| canaries.get(ear).map(|listener| listener.address().to_string()).unwrap_or_default();
        let held = |variables: &[(String, String)]| {
            variables.iter().find(|(name, _)| name == VARIABLE).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let surrogate = held(self.sandbox.door().environment());
        let loopback = canaries.get(Ear::Loopback).map(|listener| listener.address().port()).unwrap_or_default();
        let port6 = canaries.get(Ear::Tcp6).map(|listener| listener.address().port()).unwrap_or_default();
        let host6 = ground.network.gateway6.map(|host| host.to_string()).unwrap_or_default();
        let engine = ground.sandboxes.engine().facts().socket.display().to_string();
        Words(BTreeMap::from([
            ("marker", format!("drill-{}-{:08x}", attack.id, rand::random::<u32>())),
            ("host", canaries.host().to_string()),
            ("tcp", address(Ear::Tcp)),
            ("udp", address(Ear::Udp)),
            ("tcp6", format!("[{host6}]:{port6}")),
            ("dns", address(Ear::Dns)),
            ("dns-tcp", address(Ear::DnsTcp)),
            ("loopback", address(Ear::Loopback)),
            ("loopback-port", loopback.to_string()),
            ("surrogate-base64", BASE64_STANDARD.encode(&surrogate)),
            ("surrogate", surrogate),
            ("foreign", held(ground.foreign.environment())),
            ("secret", ground.secret.clone()),
            ("config", ground.owner.config_dir().display().to_string()),
            ("data", ground.owner.data().display().to_string()),
            ("drill", ground.folder().display().to_string()),
            ("engine", engine),
            ("large", ground.large.to_string()),
        ]))
    }

    /// What attestation found: nothing in an intact sandbox.
    pub(super) fn findings(&self) -> Vec<String> {
        self.sandbox.findings().iter().map(ToString::to_string).collect()
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        if let Some(neighbour) = self.neighbour {
            neighbour.stop().await;
        }
        self.sandbox.stop().await;
    }

    fn door_folder(&self) -> PathBuf {
        self.ground.home.doors_dir().join(self.sandbox.door().sandbox_id().as_str())
    }

    fn open_proxy(&mut self) -> Result<(), DrillError> {
        let (socket, upstream) = (self.door_folder().join("door.sock"), &self.ground.config.upstream);
        let metadata = self.ground.canaries.get(Ear::Metadata).map(|listener| listener.address());
        let instead = metadata.map(|address| ([169, 254, 169, 254].into(), address)).into_iter().collect();
        let proxy = OpenProxy::replace(&socket, upstream, instead);
        self._proxy = Some(proxy.map_err(|error| DrillError::Write(socket, error))?);
        Ok(())
    }

    /// Places what is looked for where an agent finds it: a secret in a process and in a file, a socket that answers.
    #[expect(clippy::disallowed_methods, reason = "a socket that no sandbox is to reach")]
    async fn plant(&mut self) -> Result<(), DrillError> {
        let folder = self.ground.home.group_dir(&self.ground.other);
        let (file, socket) = (folder.join("planted"), folder.join("planted.sock"));
        std::fs::write(&file, &self.ground.secret).map_err(|error| DrillError::Write(file.clone(), error))?;
        open_to_all(&file)?;
        self._planted = Some(UnixListener::bind(&socket).map_err(|error| DrillError::Write(socket.clone(), error))?);
        open_to_all(&socket)?;
        let text = format!("DRILL={} sleep 600 >/dev/null 2>&1 &", self.ground.secret);
        have_done(&mut self.sandbox, text).await
    }
}

async fn start(ground: &Ground, group: &GroupName, edit: Option<Edit>) -> Result<LiveSandbox, DrillError> {
    let sandboxes = if matches!(edit, Some(Edit::Shared { .. })) { &ground.shared } else { &ground.sandboxes };
    Ok(match edit {
        None => sandboxes.start_shell(group).await?,
        Some(edit) => sandboxes.start_with_hole(group, Box::new(|request| edit.apply(request))).await?,
    })
}

/// Another group's sandbox, which holds everything that it can.
async fn neighbour(ground: &Ground, edit: Option<Edit>) -> Result<LiveSandbox, DrillError> {
    let mut sandbox = start(ground, &ground.neighbour, edit).await?;
    let hold = format!("{} attack hold >/dev/null 2>&1 &", guest::PATH);
    let text = format!("{hold} until [ -e /tmp/held ] || ! kill -0 $!; do sleep 0.1; done");
    have_done(&mut sandbox, text).await?;
    Ok(sandbox)
}

async fn have_done(sandbox: &mut LiveSandbox, text: String) -> Result<(), DrillError> {
    sandbox.send(&ToGuest::Prompt { id: 1, text }).await?;
    while let Some(said) = sandbox.next().await? {
        if matches!(said, FromGuest::Done { .. } | FromGuest::Error { .. }) {
            return Ok(());
        }
    }
    Ok(())
}

/// A deliberate weakness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    /// That of a control.
    Control(Control),
    /// `--weaken network`.
    Network,
    /// `--weaken seccomp`.
    EngineSeccomp,
    /// `--weaken proxy`.
    OpenProxy,
}

/// The words for the braces in an attack.
pub(super) struct Words(BTreeMap<&'static str, String>);

impl Words {
    /// Fills them in.
    pub(super) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// `-k`: an attacker does not care who reads along.
const CURL: [&str; 10] =
    ["curl", "-sS", "-k", "--path-as-is", "-m", "10", "-o", "/dev/null", "-w", "HTTP %{http_code}"];

fn open_to_all(path: &std::path::Path) -> Result<(), DrillError> {
    let opened = std::fs::set_permissions(path, Permissions::from_mode(0o777));
    opened.map_err(|error| DrillError::Write(path.to_owned(), error))
}
