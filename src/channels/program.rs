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

use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::lines::{LineReader, LineWriter};
use super::protocol::MAX_LINE;
use super::terminal::{self, Link};

mod keeping;

use keeping::complaints;
pub use keeping::{NOT_LINKED, Pauses, keep};

/// How long a program may take to end once its stdin is closed.
const ENDING: Duration = Duration::from_secs(10);

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
