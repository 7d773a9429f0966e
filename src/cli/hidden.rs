//! Input that a terminal must not show.

use std::io::{self, IsTerminal as _, Read as _};

use anyhow::anyhow;
use inquire::error::InquireError;
use zeroize::Zeroizing;

use super::{Failure, failure, question};

/// Asks for a secret at the terminal; without one, reads up to `at_most` bytes from standard input. Line endings are
/// removed. An interruption restores the terminal.
pub(super) fn ask(what: &str, at_most: u64) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    if io::stdin().is_terminal() {
        *text = match question::hidden(what) {
            Ok(typed) => typed,
            Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => {
                return Err(failure::broken_off(anyhow!("it was broken off; nothing was written")));
            }
            Err(error) => return Err(error.into()),
        };
    } else {
        io::stdin().lock().take(at_most + 2).read_to_string(&mut text)?;
    }
    let whole = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(whole);
    Ok(text)
}
