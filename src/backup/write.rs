//! Writes a backup.

use std::io::Write;
use std::path::Path;

use super::contents::{SETTINGS, Way, way};
use super::pack::{Pack, sorted};
use super::{BackupError, FORMAT, Lock, MANIFEST, Manifest, at, journal};
use crate::config::Config;
use crate::home::Home;
use crate::store;

/// A finished backup.
#[derive(Debug)]
pub struct Written {
    /// Its manifest.
    pub manifest: Manifest,
    /// How many files it contains.
    pub files: u64,
    /// What is missing, with the reasons.
    pub left: Vec<String>,
}

/// Writes the home, served or not, as one encrypted file.
pub fn write<W: Write>(home: &Home, with_secrets: bool, lock: &Lock, output: W) -> Result<(Written, W), BackupError> {
    if !home.main_db().exists() && !home.config_file().exists() {
        return Err(BackupError::Nothing(home.to_string()));
    }
    home.prepare()?;
    let aside = tempfile::Builder::new().prefix("backup").tempdir_in(home.run_dir()).map_err(at(&home.run_dir()))?;
    // The store first: what it knows about the log is then in the log copied after it.
    let database = aside.path().join("doorward.db");
    if home.main_db().exists() {
        store::copy_database(&home.main_db(), &database)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at_ms: store::now(),
        with_secrets,
        owner: rustix::process::geteuid().as_raw(),
        log: journal::stage(&home.audit_log(), aside.path())?,
    };
    let mut pack = Pack::new(lock.seal(output).map_err(BackupError::Output)?);
    let described = serde_json::to_vec(&manifest).map_err(|error| BackupError::Output(error.into()))?;
    pack.text(MANIFEST, &described)?;
    pack.files = 0;
    settings(home, with_secrets, &mut pack)?;
    for name in sorted(home.data())? {
        let (from, to) = (home.data().join(&name), Path::new("data").join(&name));
        match way(&name.to_string_lossy()) {
            Way::Left => {}
            Way::Log => pack.owners(&aside.path().join("audit"), &to)?,
            Way::Plain => pack.owners(&from, &to)?,
            Way::Agents => pack.agents(&from, &to)?,
            Way::Database if from == home.main_db() => pack.owners(&database, &to)?,
            Way::Database => pack.databases(&from, &to, aside.path())?,
            Way::Secret if with_secrets => pack.databases(&from, &to, aside.path())?,
            Way::Secret => {}
        }
    }
    let (files, left) = (pack.files, std::mem::take(&mut pack.left));
    let output = pack.finish().and_then(age::stream::StreamWriter::finish).map_err(BackupError::Output)?;
    Ok((Written { manifest, files, left }, output))
}

fn settings<W: Write>(home: &Home, with_secrets: bool, pack: &mut Pack<W>) -> Result<(), BackupError> {
    let folder = home.config_dir();
    let own: Vec<_> = if with_secrets {
        sorted(folder)?.into_iter().filter(|name| folder.join(name) != home.data()).collect()
    } else {
        let named = Config::load(home).map(|config| [config.upstream.extra_ca, config.upstream.crl].concat());
        let named =
            named.unwrap_or_default().into_iter().filter_map(|path| Some(path.strip_prefix(folder).ok()?.to_owned()));
        SETTINGS.into_iter().map(Into::into).chain(named).collect()
    };
    for name in own {
        let from = folder.join(&name);
        if from.exists() {
            pack.owners(&from, &Path::new("config").join(&name))?;
        }
    }
    Ok(())
}
