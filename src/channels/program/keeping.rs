//! When a channel's program is started again, and what it says on stderr.

use std::fmt::Display;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Link, Program, run};

/// The exit code of a program that cannot work until its owner has linked an account.
pub const NOT_LINKED: i32 = 3;

/// The longest line of a program's stderr that is logged.
const MAX_COMPLAINT: u64 = 2048;

/// The pauses between two starts.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// After the first exit; doubled with each further one.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// A program that has run for this long starts again from the first pause.
    pub settled: Duration,
    /// While no account is linked.
    pub not_linked: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            settled: Duration::from_secs(60),
            not_linked: Duration::from_secs(15),
        }
    }
}

/// Keeps a program running until the daemon ends. `serve` gets each connection.
pub async fn keep<S, F, E>(program: Program, pauses: Pauses, mut ending: watch::Receiver<bool>, serve: S)
where
    S: Fn(Link) -> F,
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut pause = pauses.first;
    loop {
        let started = Instant::now();
        let ended = run(&program, &mut ending, &serve).await;
        if *ending.borrow() {
            return;
        }
        if started.elapsed() >= pauses.settled {
            pause = pauses.first;
        }
        let wait = match ended {
            // The router has logged the reason; the program's repetition is not news.
            Ok(status) if status.code() == Some(NOT_LINKED) => pauses.not_linked,
            Ok(status) => {
                tracing::warn!(channel = program.channel, %status, seconds = pause.as_secs(), "a channel's program has ended and is started again");
                pause
            }
            Err(error) => {
                tracing::error!(channel = program.channel, %error, program = %program.path.display(), "a channel's program cannot be started");
                pause
            }
        };
        pause = (pause * 2).min(pauses.longest);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = ending.wait_for(|ending| *ending) => return,
        }
    }
}

/// Copies a program's stderr to the log. Control characters are escaped.
pub(super) async fn complaints(channel: &'static str, stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stderr).take(MAX_COMPLAINT).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let said = String::from_utf8_lossy(&line);
                tracing::warn!(channel, said = ?said.trim_end(), "a channel's program says");
            }
        }
    }
}
