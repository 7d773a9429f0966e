//! `doorward restore`: restores a home from a backup.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};

use super::stoppable::{self, Stoppable};
use super::{Failure, environment, hidden, refused, show, times, usage};
use crate::backup::{self, BackupError, Key, KeyError, Restored};
use crate::home::Home;

/// Make a home of a backup; the home must be empty.
///
/// All of it is unpacked beside the home and verified first: the archive to its end, the database,
/// and the audit log to the record that the backup names. Where anything is wrong, nothing is put in
/// place. What is restored is an installation of its own: it never touches the other's sandboxes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward restore ~/doorward.backup                  asks for the passphrase
  doorward --home /srv/d restore d.backup --key k.txt  with a key, elsewhere

Run one of the two homes only: both would answer in the same chats.")]
pub struct RestoreArgs {
    /// What `doorward backup` wrote
    file: PathBuf,
    /// The file with the secret key, as `age-keygen` wrote it; otherwise a passphrase is asked for, or
    /// read from standard input
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(super) async fn run(home: &Home, args: RestoreArgs) -> Result<ExitCode, Failure> {
    if home.is_served() {
        return Err(environment(anyhow!("a daemon serves {home}; a home is restored into an empty place only")));
    }
    let file = std::fs::File::open(&args.file).with_context(|| args.file.display().to_string())?;
    let key = key(args.key.as_deref())?;
    let restored = {
        let home = home.clone();
        stoppable::work("restoring", move |stop| {
            backup::restore(&home, &key, Stoppable::new(io::BufReader::new(file), stop))
        })
    };
    let restored = restored.await?.map_err(|error| match error {
        BackupError::Key(KeyError::WantsKey | KeyError::WantsPassphrase) => usage(error),
        error => refused(error),
    })?;
    show::line(told(home, &restored))?;
    Ok(ExitCode::SUCCESS)
}

fn key(file: Option<&Path>) -> Result<Key, Failure> {
    let Some(file) = file else {
        return Ok(Key::Passphrase(hidden::ask("Passphrase of this backup", 1 << 10)?.as_str().into()));
    };
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(file).with_context(|| file.display().to_string())?);
    Ok(Key::file(&text).with_context(|| file.display().to_string())?)
}

fn told(home: &Home, restored: &Restored) -> String {
    let manifest = &restored.manifest;
    let mut text = format!(
        "Restored {home} from the backup of {} (doorward {}): {} files.",
        times::time(manifest.at_ms, &times::zone()),
        manifest.version,
        restored.files
    );
    if !restored.groups.is_empty() {
        text += &format!("\nGroups: {}.", restored.groups.join(", "));
    }
    if let Some(log) = &manifest.log {
        text += &format!("\nThe audit log is whole, up to record {}:\n  head {}", log.seq, log.chain);
    }
    if !manifest.with_secrets {
        text += "\nSecrets and sessions were not in it: give them again with `doorward secret add NAME` and \
                 `doorward whatsapp link`.";
    }
    text + "\nNext:\n  doorward doctor              says what is missing here\n  \
            doorward image build         the image for sandboxes, where there is none yet"
}
