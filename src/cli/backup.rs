//! `doorward backup`: the home in one encrypted file.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use zeroize::Zeroizing;

use super::stoppable::{self, Stop, Stoppable};
use super::{Failure, environment, hidden, refused, show, usage};
use crate::backup::{self, BackupError, Lock, Written};
use crate::home::Home;

/// Save the whole home into one encrypted file, while it is in use or not.
///
/// In it are settings, policies, groups with their folders and what their agents remember, messages
/// and the audit log. Secrets and sessions (WhatsApp's link) are in it with --with-secrets only.
/// It is locked with a passphrase, which is asked for or read from standard input, or for the owners
/// of age keys. The file is what the `age` tool writes, around a gzipped tar.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward backup ~/doorward.backup             asks for a passphrase, twice
  doorward backup --to age1… ~/doorward.backup  locks it for a key
  doorward restore ~/doorward.backup            back into an empty home")]
pub struct BackupArgs {
    /// Where to write it; nothing may be there yet
    file: PathBuf,
    /// With secrets and sessions
    #[arg(long)]
    with_secrets: bool,
    /// Lock it for this public key of `age-keygen` instead of with a passphrase; can be repeated
    #[arg(long, value_name = "KEY")]
    to: Vec<String>,
}

/// The shortest passphrase: whoever has the file can try any number.
const SHORTEST: usize = 10;

/// The longest.
const LONGEST: u64 = 1 << 10;

pub(super) async fn run(home: &Home, args: BackupArgs) -> Result<ExitCode, Failure> {
    let file = std::path::absolute(&args.file)?;
    if file.exists() {
        return Err(refused(anyhow!("{} is there already; choose another name, or move it away", file.display())));
    }
    if [home.data(), home.config_dir()].iter().any(|folder| file.starts_with(folder)) {
        return Err(usage(anyhow!("{} is in the home itself; a backup belongs elsewhere", file.display())));
    }
    let lock = lock(&args.to)?;
    let written = {
        let (home, file) = (home.clone(), file.clone());
        stoppable::work("saving", move |stop| write(&home, args.with_secrets, &lock, &file, stop))
    };
    let (written, bytes) = written.await??;
    show::line(told(&written, &file, bytes))?;
    Ok(ExitCode::SUCCESS)
}

fn lock(keys: &[String]) -> Result<Lock, Failure> {
    if !keys.is_empty() {
        return Lock::keys(keys.iter().map(String::as_str)).map_err(usage);
    }
    let first = hidden::ask("Passphrase for this backup", LONGEST)?;
    if first.chars().count() < SHORTEST {
        return Err(refused(anyhow!(
            "the passphrase has at least {SHORTEST} characters; four random words are a good one"
        )));
    }
    let first = one_line(first)?;
    if io::stdin().is_terminal() && hidden::ask("The same once more", LONGEST)? != first {
        return Err(refused(anyhow!("the two are not the same; nothing was written")));
    }
    Ok(Lock::Passphrase(first.as_str().into()))
}

/// A prompt takes one line, so a passphrase is one. If it is given twice, as at a prompt, both must match.
fn one_line(said: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
    let mut lines = said.lines();
    match (lines.next(), lines.next(), lines.next()) {
        (Some(_), None, _) | (None, ..) => Ok(said),
        (Some(first), Some(again), None) if first == again => Ok(Zeroizing::new(first.to_owned())),
        _ => Err(refused(anyhow!(
            "a passphrase is one line: on standard input it stands once, or twice and the same; nothing was written"
        ))),
    }
}

/// Written aside and renamed into place; an interrupted one leaves nothing.
fn write(home: &Home, with_secrets: bool, lock: &Lock, file: &Path, stop: Stop) -> Result<(Written, u64), Failure> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let failed = |error: io::Error| refused(anyhow!("{}: {error}", file.display()));
    let mut aside = tempfile::Builder::new().prefix(".doorward-backup-").tempfile_in(folder).map_err(failed)?;
    let output = Stoppable::new(io::BufWriter::with_capacity(1 << 16, aside.as_file_mut()), stop);
    let (written, mut output) = backup::write(home, with_secrets, lock, output).map_err(|error| match error {
        BackupError::Home(_) => environment(error),
        error => refused(error),
    })?;
    output.flush().map_err(failed)?;
    let bytes = output.bytes;
    drop(output);
    aside.as_file().sync_all().map_err(failed)?;
    aside.persist_noclobber(file).map_err(|lost| failed(lost.error))?;
    Ok((written, bytes))
}

fn told(written: &Written, file: &Path, bytes: u64) -> String {
    let mut text = format!("Saved {} files, encrypted in {} ({}).", written.files, file.display(), size(bytes));
    if let Some(log) = &written.manifest.log {
        text += &format!("\nThe audit log was verified, up to record {}:\n  head {}", log.seq, log.chain);
    }
    text += match written.manifest.with_secrets {
        true => "\nSecrets and sessions are in it: whoever opens it has them.",
        false => "\nSecrets and sessions are not in it (--with-secrets).",
    };
    for left in &written.left {
        text += &format!("\nLeft out: {}.", left);
    }
    text + "\nWithout its passphrase or key nobody can open it, you included."
}

fn size(bytes: u64) -> String {
    match bytes {
        0..100_000 => format!("{} kB", bytes.div_ceil(1000)),
        100_000..10_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_passphrase_is_one_line_and_may_be_said_twice() {
        let said = |text: &str| one_line(Zeroizing::new(text.to_owned())).map(|line| line.to_string());
        for text in
            ["four random words", "four random words\nfour random words", "four random words\r\nfour random words"]
        {
            assert_eq!(said(text).unwrap(), "four random words", "{text:?}");
        }
        for text in ["four random words\nfour random worms", "a\na\na", "\nfour random words"] {
            assert!(said(text).unwrap_err().to_string().contains("a passphrase is one line"), "{text:?}");
        }
    }
}
