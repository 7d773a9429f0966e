//! A pseudo-terminal: a person's keyboard and window, with the program between them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::eventually;

/// A program in a window of its own; killed when dropped.
pub struct Terminal {
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    /// How much of it was looked at.
    read: usize,
}

/// Keys that are no letters.
pub const ENTER: &str = "\r";
pub const DOWN: &str = "\x1b[B";
pub const BACKSPACE: &str = "\x7f";
pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";

impl Terminal {
    /// Starts a program in a window of so many columns and rows.
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&window).unwrap();
        unlockpt(&window).unwrap();
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&window, size).unwrap();
        let name = ptsname(&window, Vec::new()).unwrap().into_string().unwrap();
        let end = || File::options().read(true).write(true).open(&name).unwrap();
        // Its own session, with this terminal: Ctrl-C reaches it.
        let mut program = Command::new("setsid");
        program.arg("--ctty").arg("--wait").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => program.env(name, value),
                None => program.env_remove(name),
            };
        }
        program.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        program.stdin(Stdio::from(end())).stdout(Stdio::from(end())).stderr(Stdio::from(end()));
        let child = program.spawn().expect("setsid, of util-linux");
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        collect(window.try_clone().unwrap(), Arc::clone(&shown));
        Terminal { child, keyboard: File::from(window), shown, read: 0 }
    }

    /// Types.
    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the window shows this, after what was waited for before.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let shown = Arc::clone(&self.shown);
        let (from, mut last) = (self.read, String::new());
        let found = eventually_or(text, &mut last, || {
            let plain = plain(&shown.lock().unwrap());
            let at = plain.get(from..).and_then(|rest| rest.find(text));
            (at.map(|at| from + at + text.len()), plain)
        });
        self.read = found;
    }

    /// All that it has shown, without what colours and moves.
    pub fn all(&self) -> String {
        plain(&self.shown.lock().unwrap())
    }

    /// Its exit code, once it has ended.
    #[track_caller]
    pub fn ends(mut self) -> Option<i32> {
        let child = &mut self.child;
        eventually("the program to end", || child.try_wait().unwrap()).code()
    }
}

fn collect(window: OwnedFd, shown: Arc<Mutex<Vec<u8>>>) {
    std::thread::spawn(move || {
        let (mut window, mut chunk) = (File::from(window), [0; 16 << 10]);
        while let Ok(count @ 1..) = window.read(&mut chunk) {
            shown.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
    });
}

/// Waits, and says what stood there instead.
#[track_caller]
fn eventually_or<T>(what: &str, last: &mut String, mut look: impl FnMut() -> (Option<T>, String)) -> T {
    let started = std::time::Instant::now();
    loop {
        let (found, shown) = look();
        if let Some(found) = found {
            return found;
        }
        *last = shown;
        assert!(started.elapsed() < 3 * super::PATIENCE, "waited in vain for {what:?}; the window shows:\n{last}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// What a person reads: without escape sequences and carriage returns.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::new();
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\x1b' if letters.peek() == Some(&'[') => {
                while letters.next().is_some_and(|c| !('@'..='~').contains(&c) || c == '[') {}
            }
            '\x1b' => drop(letters.next()),
            '\r' => {}
            c => plain.push(c),
        }
    }
    plain
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
