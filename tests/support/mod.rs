//! The stage of the end-to-end tests: a home in a temporary folder, the real program,
//! the real container engine, and real web servers on loopback.
//!
//! What it is: everything a test drives and looks at from outside. What it is not:
//! a way into the program; tests see what an owner, an agent or an upstream sees.

#![allow(
    dead_code,
    unused_imports,
    reason = "the tests of the whole line have this stage as well, and use a part of it"
)]
#![allow(unreachable_pub, reason = "a test program has this module to itself")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests drive programs, and fail by panicking"
)]

mod anthropic;
mod audit;
mod chat;
mod completions;
mod daemon;
pub mod docker;
mod doh;
mod door;
mod home;
mod image;
mod phone;
pub mod picture;
mod live;
mod openai;
mod ran;
mod served;
pub mod terminal;
mod upstream;
mod victim;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use anthropic::{Anthropic, Asked, Does, Key};
pub use audit::Audit;
pub use chat::Chat;
pub use completions::{Completions, Conversation, Form, Served};
pub use daemon::Daemon;
pub use docker::require_engine_and;
pub use doh::Doh;
pub use door::{Answer, Door};
pub use home::Home;
pub use image::Named;
pub use live::Live;
pub use openai::{OpenAi, Question};
pub use phone::{Phone, Shown};
pub use ran::{Ran, Running};
pub use served::{GitServer, folder, wheel};
pub use terminal::{BACKSPACE, CTRL_C, CTRL_D, DOWN, ENTER, Seen, Terminal};
pub use upstream::{Request, Response, Upstream};
pub use victim::Victim;

/// For what happens at once on any machine, however busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something can be had, and fails with `what` if it never is.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// The same for what takes long.
#[track_caller]
pub fn eventually_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < patience, "waited {} s in vain: {what}", patience.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until something is true.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

/// A program of the workspace, which cargo puts above the tests' own.
pub fn program(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join(name);
    assert!(program.exists(), "there is no {}; first: cargo build --workspace", program.display());
    program
}

/// A secret that nobody has ever seen.
pub fn random_key(prefix: &str) -> String {
    format!("{prefix}{:032x}", rand::random::<u128>())
}
