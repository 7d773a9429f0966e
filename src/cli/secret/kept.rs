//! The secrets that Doorward keeps itself: a file each in the folder `secrets/` beside
//! doorward.toml. A value comes from standard input and never from an argument, which
//! other users of the machine could read.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use proxy::scan::SHORTEST;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use secrecy::SecretString;

use super::super::{Failure, refused, show, usage};
use crate::config::{self, SecretSource};
use crate::home::{Home, create_private_dir};

/// The longest value.
const LONGEST: u64 = 16 << 10;

/// Keeps a new secret and says what belongs into doorward.toml.
pub(super) fn add(home: &Home, name: &str) -> Result<ExitCode, Failure> {
    let path = path(home, name)?;
    if path.exists() {
        return Err(refused(anyhow!("there is a secret {name} already; `doorward secret rotate {name}` replaces it")));
    }
    write(home, name, &ask(name)?)?;
    show::aside(&format!("The secret is in {}. These lines belong into doorward.toml:", path.display()));
    show::line(&format!(
        "[credentials.{name}]\nsecret = \"file:secrets/{name}\"\nhosts = [\"api.example.com\"]   # the only hosts that it may go to\n\
         place = [\"header:authorization\"]\nenv = \"{}_TOKEN\"",
        name.to_ascii_uppercase().replace('-', "_")
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a new value in the place of the one that is there.
pub(super) fn rotate(home: &Home, name: &str) -> Result<ExitCode, Failure> {
    there(home, name)?;
    write(home, name, &ask(name)?)?;
    show::line(&format!("{name}: replaced. `doorward up` uses the new value within seconds; revoke the old one."))?;
    Ok(ExitCode::SUCCESS)
}

/// Removes a secret.
pub(super) fn remove(home: &Home, name: &str) -> Result<ExitCode, Failure> {
    let path = there(home, name)?;
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    show::line(&format!("{name}: removed. Take [credentials.{name}] out of doorward.toml too, and revoke the key."))?;
    Ok(ExitCode::SUCCESS)
}

fn path(home: &Home, name: &str) -> Result<PathBuf, Failure> {
    config::credential_name(name).map_err(|why| usage(anyhow!(why)))?;
    Ok(home.config_dir().join("secrets").join(name))
}

fn there(home: &Home, name: &str) -> Result<PathBuf, Failure> {
    let path = path(home, name)?;
    if path.is_file() {
        return Ok(path);
    }
    let why = "Doorward keeps only what `doorward secret add` gave it; a secret elsewhere is changed there";
    Err(refused(anyhow!("there is no secret {name} in {}; {why}", path.display())))
}

fn write(home: &Home, name: &str, value: &SecretString) -> Result<(), Failure> {
    let path = path(home, name)?;
    create_private_dir(&home.config_dir().join("secrets"))?;
    Ok(SecretSource::File(path).replace(value)?)
}

fn ask(name: &str) -> Result<SecretString, Failure> {
    let mut text = String::new();
    if io::stdin().is_terminal() {
        let hidden = Hidden::enter();
        let _ = write!(io::stderr(), "Secret {name} (it is not shown): ");
        let read = io::stdin().lock().take(LONGEST + 2).read_line(&mut text);
        drop(hidden);
        show::aside("");
        read?;
    } else {
        io::stdin().lock().take(LONGEST + 2).read_to_string(&mut text)?;
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    let fits = (SHORTEST as u64..=LONGEST).contains(&(text.len() as u64)) && !text.chars().any(char::is_control);
    let value = SecretString::from(text);
    if fits {
        return Ok(value);
    }
    let why = format!("a secret is one line of {SHORTEST} characters to 16 KiB, without control characters");
    Err(refused(anyhow!("{why}; nothing was written")))
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
