//! A channel that is a separate program: started with an empty environment, spoken to over stdin and stdout, and
//! restarted when it ends.
//!
//! What it is not: it knows nothing of the network behind the program, whose lines go through the same queues as a
//! terminal's.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::Instant;

use super::lines::{LineReader, LineWriter};
use super::protocol::MAX_LINE;
use super::terminal::{self, Link};

/// The exit code of a program that cannot work until its owner has linked an account.
pub const NOT_LINKED: i32 = 3;

/// How long a program may take to end once its stdin is closed.
const ENDING: Duration = Duration::from_secs(10);

/// The longest line of a program's stderr that is logged.
const MAX_COMPLAINT: u64 = 2048;

/// A channel program.
#[derive(Clone, Debug)]
pub struct Program {
    /// The channel, for the log.
    pub channel: &'static str,
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

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

/// The program of a channel: the configured one, or `name` next to this binary.
pub fn find(named: Option<&Path>, name: &str) -> io::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name(name),
    };
    if path.is_file() {
        return Ok(path);
    }
    let why = format!(
        "there is no {}; `make install` in the clone or the package {name} brings it, or doorward.toml names another",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::NotFound, why))
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

/// One life of the program.
async fn run<S, F, E>(program: &Program, ending: &mut watch::Receiver<bool>, serve: &S) -> io::Result<ExitStatus>
where
    S: Fn(Link) -> F,
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut child = start(program)?;
    let gone = || io::Error::other("the program has no stdin and stdout");
    let (stdin, stdout) = (child.stdin.take().ok_or_else(gone)?, child.stdout.take().ok_or_else(gone)?);
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(complaints(program.channel, stderr));
    }
    let (link, pump) = terminal::link();
    let both = async { tokio::join!(serve(link), pump.run(LineReader::new(stdout, MAX_LINE), LineWriter::new(stdin))) };
    tokio::select! {
        (served, pumped) = both => {
            let why = served.err().map(|error| error.to_string()).or(pumped.err().map(|error| error.to_string()));
            if let Some(why) = why {
                tracing::warn!(channel = program.channel, why, "a channel's connection was ended");
            }
        }
        _ = ending.wait_for(|ending| *ending) => {}
    }
    // Its stdin is closed by now, which tells it to end.
    if let Ok(status) = tokio::time::timeout(ENDING, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

#[expect(clippy::disallowed_methods, reason = "a channel's program, named in doorward.toml")]
fn start(program: &Program) -> io::Result<Child> {
    Command::new(&program.path)
        .args(&program.arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Copies a program's stderr to the log. Control characters are escaped.
async fn complaints(channel: &'static str, stderr: ChildStderr) {
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
