//! Tries an image: one command in a real sandbox, behind a door without a listener.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    time::Duration,
};

use doorward_guest::protocol::{Agent, FromGuest, ToGuest};

use crate::{Engine, Folders, Limits, Sandbox, SandboxLost, SandboxSpec, StartError, guest};

/// The image does not work.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// No sandbox came up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The sandbox was lost.
    #[error(transparent)]
    Lost(#[from] SandboxLost),
    /// The folders for it could not be made.
    #[error("the folders for a sandbox cannot be made: {0}")]
    Io(#[from] io::Error),
    /// The command failed.
    #[error("the command could not be run: {0}")]
    Command(String),
}

/// Runs `command` in a sandbox of `image`, and returns its output. Its files are created in `dir`,
/// which must be private and which the caller removes.
#[expect(clippy::disallowed_methods, reason = "a door behind which there is nobody")]
pub async fn try_out(
    engine: &Engine,
    installation: &str,
    image: &str,
    command: &str,
    dir: &Path,
) -> Result<String, TrialError> {
    let user = engine.sandbox_user();
    for folder in ["group", "home", "door"] {
        let path = dir.join(folder);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(if folder == "door" { 0o711 } else { 0o700 }))?;
        if user.chown && folder != "door" {
            std::os::unix::fs::chown(&path, Some(user.uid), Some(user.gid))?;
        }
    }
    let _nobody = UnixListener::bind(dir.join("door/door.sock"))?;
    fs::set_permissions(dir.join("door/door.sock"), fs::Permissions::from_mode(0o666))?;
    let spec = SandboxSpec {
        installation: installation.to_owned(),
        group: "image-check".to_owned(),
        id: format!("{}-{}", std::process::id(), dir.file_name().unwrap_or_default().to_string_lossy()),
        agent: Agent::Shell,
        servers: Vec::new(),
        image: image.to_owned(),
        runtime: None,
        user,
        folders: Folders {
            group: dir.join("group"),
            home: dir.join("home"),
            inbox: None,
            global: None,
            skills: None,
            extra: Vec::new(),
        },
        door: dir.join("door"),
        guest: guest::install(&dir.join("guest"))?,
        ca: String::new(),
        ca_bundle: dir.join("ca.crt"),
        accounts: dir.join("accounts"),
        environment: Vec::new(),
        limits: Limits::default(),
    };
    let mut sandbox = Sandbox::start(engine, &spec).await?;
    let said = ask(&mut sandbox, command).await;
    sandbox.stop(Duration::from_secs(1)).await;
    said
}

async fn ask(sandbox: &mut Sandbox, command: &str) -> Result<String, TrialError> {
    sandbox.send(&ToGuest::Prompt { id: 1, text: command.to_owned() }).await?;
    let mut output = String::new();
    while let Some(said) = sandbox.next().await? {
        match said {
            FromGuest::Text { text, .. } => output.push_str(&text),
            FromGuest::Done { .. } => return Ok(output),
            FromGuest::Error { message, .. } => return Err(TrialError::Command(message)),
            _ => {}
        }
    }
    Err(TrialError::Command("its sandbox ended".to_owned()))
}
