//! A program at a pseudo-terminal of some width, as a person sees it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::PATIENCE;

/// A program at a terminal of its own; killed when dropped.
pub struct Terminal {
    child: Child,
    keys: File,
    said: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
    /// How much of what it has shown was waited for, its codes left aside.
    read: usize,
}

/// Keys that are no letters.
pub const ENTER: &str = "\r";
pub const DOWN: &str = "\x1b[B";
pub const BACKSPACE: &str = "\x7f";
pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";

/// How long a program may take for a step: a container comes up in some.
const STEP: Duration = Duration::from_secs(3 * PATIENCE.as_secs());

/// What a program showed, and its exit code.
#[derive(Debug)]
pub struct Seen {
    pub code: Option<i32>,
    /// As the terminal got it, with every code.
    pub text: String,
}

impl Terminal {
    /// Starts a program at a terminal with colours.
    pub fn start(command: Command, columns: u16) -> Self {
        Terminal::sized(command, columns, 24, &[("TERM", "xterm-256color")])
    }

    /// Starts it at a terminal of this size, in this environment.
    pub fn sized(command: Command, columns: u16, rows: u16, environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&*name, flags, Mode::empty()).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let end = |slave: &OwnedFd| Stdio::from(slave.try_clone().unwrap());
        // It must be the program's controlling terminal for Ctrl-C to reach it.
        let mut session = Command::new("setsid");
        session.args(["--wait", "--ctty"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        for name in ["NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLORTERM", "CI"] {
            session.env_remove(name);
        }
        session.env("LANG", "C.UTF-8").envs(environment.iter().copied());
        session.stdin(end(&slave)).stdout(end(&slave)).stderr(end(&slave));
        let child = session.spawn().unwrap();
        let mut screen = File::from(master.try_clone().unwrap());
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let mine = said.clone();
        // Ends with EIO, once nobody has the terminal open any more.
        let reading = std::thread::spawn(move || {
            let mut chunk = [0; 16 << 10];
            while let Ok(count @ 1..) = screen.read(&mut chunk) {
                mine.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Terminal { child, keys: File::from(master), said, reading: Some(reading), read: 0 }
    }

    /// Types.
    pub fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.keys).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// What it has shown so far.
    pub fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }

    /// Waits until it shows this, after what was waited for before; its codes are left aside.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            let shown = plain(&self.so_far());
            if let Some(at) = shown.get(self.read..).and_then(|new| new.find(text)) {
                self.read += at + text.len();
                return;
            }
            assert!(started.elapsed() < STEP, "waited in vain for {text:?}; the terminal shows:\n{shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Seen {
        let started = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(started.elapsed() < STEP, "did not end: {}", self.so_far());
            std::thread::sleep(Duration::from_millis(5));
        };
        self.reading.take().unwrap().join().unwrap();
        Seen { code, text: self.so_far() }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text without its codes for colours and the like.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, code)) = rest.split_once("\x1b[") {
        out.push_str(before);
        let end = code.find(|c: char| ('\x40'..='\x7e').contains(&c)).map_or(code.len(), |at| at + 1);
        rest = &code[end..];
    }
    out + rest
}

/// In lower case: of a row that is told line by line, the headings are.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Nothing that is shown is a piece of a word, unless the word is longer than a line has room.
pub fn broken_words(seen: &str, whole: &str) -> Vec<String> {
    // What is quoted is cut where it is longer than a line, and says so.
    let uncut: Vec<&str> = seen.split_whitespace().filter(|word| !word.contains('…')).collect();
    let (known, seen) = (words(whole), words(&uncut.join(" ")));
    let long: Vec<String> =
        whole.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).filter(|word| word.len() > 30).collect();
    let is_broken = |word: &String| !known.contains(word) && !long.iter().any(|long| long.contains(word.as_str()));
    seen.into_iter().filter(is_broken).collect()
}
