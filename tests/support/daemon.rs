//! `doorward up`, from its start to whatever end a test has for it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{Home, Ran, Running, eventually};

/// A daemon that serves; stopped when dropped.
pub struct Daemon {
    running: Option<Running>,
    socket: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it answers.
    #[track_caller]
    pub(super) fn start(home: &Home, environment: &[(&str, &str)]) -> Self {
        let mut command = home.command(&["up"]);
        command.envs(environment.iter().copied());
        let mut running = Running::start(command, "");
        let socket = home.at("data/run/control.sock");
        let answers = eventually("the daemon to serve", || {
            if !running.is_running() {
                return Some(false);
            }
            ask(&socket, r#"{"command":"status"}"#).map(|answer| answer.get("status").is_some())
        });
        if !answers {
            panic!("the daemon did not come up: {:#?}", running.wait());
        }
        Daemon { running: Some(running), socket }
    }

    /// Asks over the control socket.
    #[track_caller]
    pub fn ask(&self, request: &str) -> Value {
        ask(&self.socket, request).expect("the daemon answers")
    }

    /// What it is doing.
    pub fn status(&self) -> Value {
        self.ask(r#"{"command":"status"}"#)["status"].clone()
    }

    /// Its process.
    pub fn pid(&self) -> u64 {
        self.status()["pid"].as_u64().unwrap()
    }

    /// What it has logged so far.
    pub fn said(&self) -> String {
        self.running.as_ref().map(Running::complained).unwrap_or_default()
    }

    /// Ends it without a word, as a crash or a power cut of its own would.
    pub fn kill(mut self) -> Ran {
        let running = self.running.take().unwrap();
        running.signal(Signal::KILL);
        running.wait()
    }

    /// Ends it as Ctrl-C does, and gives what it said.
    pub fn stop(mut self) -> Ran {
        let running = self.running.take().unwrap();
        running.signal(Signal::TERM);
        running.wait()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take()
            && running.is_running()
        {
            running.signal(Signal::TERM);
            let ran = running.wait();
            if std::thread::panicking() {
                eprintln!("the daemon said:\n{}", ran.err);
            }
        }
    }
}

fn ask(socket: &Path, request: &str) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}
