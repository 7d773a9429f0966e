//! The owner's own command, run for each alarm.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::alarm::Alarm;

/// A command that takes longer is killed, with its children.
const TIME: Duration = Duration::from_secs(10);

/// The most that run at once; there is one a minute per group and kind.
const AT_ONCE: u32 = 8;

/// The only `PATH` that a command gets: the daemon's own environment may hold secrets.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `[alarm] command`, or nothing.
#[derive(Debug)]
pub(super) struct Hook {
    command: Arc<Vec<String>>,
    seats: Arc<Semaphore>,
}

impl Hook {
    pub(super) fn new(command: Vec<String>) -> Self {
        Hook { command: Arc::new(command), seats: Arc::new(Semaphore::new(AT_ONCE as usize)) }
    }

    /// Starts the command and does not wait for it.
    pub(super) fn run(&self, alarm: &Alarm) {
        if self.command.is_empty() {
            return;
        }
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            tracing::error!(alarm.kind, "Alarm command not started: {AT_ONCE} are running already");
            return;
        };
        let (command, kind) = (Arc::clone(&self.command), alarm.kind.clone());
        let json = serde_json::to_vec(alarm).unwrap_or_default();
        tokio::spawn(async move {
            match started(&command, json).await {
                Ok(status) if status.success() => {}
                Ok(status) => tracing::error!(kind, %status, "Alarm command failed"),
                Err(error) => tracing::error!(kind, %error, "Alarm command failed"),
            }
            drop(seat);
        });
    }

    /// Waits for the running ones; none takes longer than its time limit.
    pub(super) async fn finish(&self) {
        // An error would mean a closed semaphore, and nothing closes it.
        let _ = self.seats.acquire_many(AT_ONCE).await;
    }
}

/// The command's program, if it can be started.
pub fn program(command: &[String]) -> Option<PathBuf> {
    let name = command.first()?;
    let places: Vec<&str> = if name.contains('/') { vec!["/"] } else { PATH.split(':').collect() };
    let mut files = places.into_iter().map(|place| Path::new(place).join(name));
    files.find(|file| fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0))
}

#[expect(clippy::disallowed_methods, reason = "the owner's own `[alarm] command`, named in doorward.toml")]
async fn started(command: &[String], json: Vec<u8>) -> std::io::Result<ExitStatus> {
    let Some((program, arguments)) = command.split_first() else { return Ok(ExitStatus::default()) };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // In its own process group, so that it can be killed with its children.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id();
    let ended = tokio::time::timeout(TIME, fed(&mut child, json)).await;
    ended.unwrap_or_else(|_| {
        if let Some(group) = id.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        Err(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("it took longer than {} s and was ended", TIME.as_secs()),
        ))
    })
}

async fn fed(child: &mut Child, json: Vec<u8>) -> std::io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // A command need not read its input.
        let _ = stdin.write_all(&json).await;
        let _ = stdin.shutdown().await;
    }
    child.wait().await
}
