//! A program that runs, and one that has run.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::PATIENCE;

/// What a program said, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub what: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A program that runs; killed when dropped.
pub struct Running {
    what: String,
    child: Child,
    out: Said,
    err: Said,
}

/// What a stream has said so far.
struct Said {
    text: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a program and gives it this text to read.
    pub fn start(mut command: Command, stdin: &str) -> Self {
        let what: String = format!("{command:?}").chars().take(2000).collect();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let (mut input, text) = (child.stdin.take().unwrap(), stdin.to_owned());
        // A program that does not read its input is not wrong for that.
        std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
        let (out, err) = (Said::collect(child.stdout.take().unwrap()), Said::collect(child.stderr.take().unwrap()));
        Running { what, child, out, err }
    }

    /// Interrupts it, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        self.out.so_far()
    }

    /// What it has written to stderr so far.
    pub fn complained(&self) -> String {
        self.err.so_far()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ran {
        let started = Instant::now();
        while self.is_running() {
            if started.elapsed() > 2 * PATIENCE {
                let _ = self.child.kill();
                panic!("did not end: {:?}", self.collected());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        self.collected()
    }

    fn collected(&mut self) -> Ran {
        let code = self.child.wait().unwrap().code();
        Ran { what: self.what.clone(), code, out: self.out.whole(), err: self.err.whole() }
    }
}

impl Said {
    fn collect(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let mine = text.clone();
        let reading = std::thread::spawn(move || {
            let mut chunk = [0; 16 << 10];
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                mine.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Said { text, reading: Some(reading) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(&mut self) -> String {
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        self.so_far()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    /// It succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// It ended with this exit code.
    #[track_caller]
    pub fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, Some(wanted), "{self:#?}");
        self
    }

    /// It said this, to stdout or stderr.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "{text:?} is missing in {self:#?}");
        self
    }

    /// It printed this, to stdout.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{text:?} is missing in {self:#?}");
        self
    }

    /// It said this nowhere.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.out.contains(text) && !self.err.contains(text), "{text:?} is in {self:#?}");
        self
    }

    /// What it printed, as one JSON value.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
