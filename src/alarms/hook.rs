//! The owner's own command, started for an alarm.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::Alarm;

/// A command that takes longer is ended, with what it started.
const TIME: Duration = Duration::from_secs(10);

/// So many run at once; there is one a minute per group and kind.
const AT_ONCE: u32 = 8;

/// What a command finds of an environment: the daemon's own can hold secrets.
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

    /// Waits for those that run; none takes longer than its time.
    pub(super) async fn finish(&self) {
        // An error means that the seats were closed, which nobody does.
        let _ = self.seats.acquire_many(AT_ONCE).await;
    }
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
        // A group of its own, so that it can be ended with all that it started.
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
        // A command need not read what it is given.
        let _ = stdin.write_all(&json).await;
        let _ = stdin.shutdown().await;
    }
    child.wait().await
}
