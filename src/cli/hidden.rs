//! Asking for what a terminal must not show.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

use super::show;

/// Asks for a secret at the terminal; without one, takes `at_most` bytes of what stands on standard
/// input. Ends of lines are left out.
pub(super) fn ask(question: &str, at_most: u64) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if io::stdin().is_terminal() {
        let hidden = Hidden::enter();
        let _ = write!(io::stderr(), "{question} (it is not shown): ");
        let read = io::stdin().lock().take(at_most + 2).read_line(&mut text);
        drop(hidden);
        show::aside("");
        read?;
    } else {
        io::stdin().lock().take(at_most + 2).read_to_string(&mut text)?;
    }
    let whole = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(whole);
    Ok(text)
}

/// A terminal that does not show what is typed, until it is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn enter() -> Option<Self> {
        let before = termios::tcgetattr(io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Hidden { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
