//! Reading in the writing process: a thread keeps the index near the end of the journal, and answers cover everything
//! that has happened.

use desk::lock;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use policies::GroupName;
use proxy::audit::Seq;

use super::{AuditEntry, AuditReader, Filter, ModelUse, UsedSince, Which};
use crate::store::ledger::log::AuditLog;
use crate::store::ledger::ticking::{Bell, Ticking};
use crate::store::{Millis, RunId, StoreError};

/// How far the index may lag behind the journal.
const EVERY: Duration = Duration::from_secs(1);

/// The reading half of an open log.
#[derive(Debug)]
pub(in crate::store::ledger) struct Reading {
    folder: PathBuf,
    reader: Mutex<Option<AuditReader>>,
    _following: Ticking,
}

impl Reading {
    /// For the log in a folder, which exists. Its thread rests until the bell says that the journal has grown.
    pub(in crate::store::ledger) fn of(folder: &Path, bell: (Arc<Bell>, Receiver<()>)) -> Self {
        let (of, mut reader, mut told) = (folder.to_path_buf(), None, false);
        let following = Ticking::start("audit-index", bell, EVERY, move |last| {
            let followed = if last { Ok(()) } else { follow(&of, &mut reader) };
            if let Err(error) = &followed
                && !told
            {
                tracing::warn!(%error, "The index of the audit log is behind");
            }
            told = followed.is_err();
            told
        });
        Reading { folder: folder.to_path_buf(), reader: Mutex::new(None), _following: following }
    }

    fn ask<T>(&self, ask: impl FnOnce(&AuditReader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut cached = lock(&self.reader);
        let answer = ask(open(&self.folder, &mut cached)?);
        if answer.is_err() {
            *cached = None;
        }
        answer
    }
}

fn follow(folder: &Path, reader: &mut Option<AuditReader>) -> Result<(), StoreError> {
    let followed = open(folder, reader).and_then(AuditReader::catch_up);
    if followed.is_err() {
        *reader = None;
    }
    followed.map(drop)
}

/// The open reader, unless its index was removed.
fn open<'a>(folder: &Path, reader: &'a mut Option<AuditReader>) -> Result<&'a AuditReader, StoreError> {
    let there = reader.take().filter(AuditReader::is_there);
    Ok(reader.insert(match there {
        Some(there) => there,
        None => AuditReader::open(folder)?.while_served(true),
    }))
}

impl AuditLog {
    /// Whether a run may have changed something: it had an allowed request that is not known to only read, or an
    /// operation with an effect (invariant 13).
    pub fn run_wrote_upstream(&self, run: RunId) -> Result<bool, StoreError> {
        self.read(|reader| reader.run_wrote_upstream(run))
    }

    /// A run's refusals, oldest first: denied, or broken off after the verdict. At most `limit`.
    pub fn refusals_of_run(&self, run: RunId, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = Filter {
            run: Some(run),
            which: Some(Which::Denied),
            after: Some(Seq(0)),
            limit: Some(limit),
            ..Filter::default()
        };
        self.read(|reader| reader.entries(&filter))
    }

    /// One decision with its outcome.
    pub fn entry(&self, seq: Seq) -> Result<Option<AuditEntry>, StoreError> {
        self.read(|reader| reader.entry(seq))
    }

    /// The matching entries, as `doorward audit` shows them.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(|reader| reader.entries(filter))
    }

    /// What a group has used since a moment. No other reader waits for it.
    pub fn used_since(&self, group: &GroupName, since: Millis) -> Result<UsedSince, StoreError> {
        self.shared.catch_up()?;
        AuditReader::open(&self.shared.folder)?.used_since(group, since)
    }

    /// A separate view: no other reader waits for it.
    pub fn reader(&self) -> Result<AuditReader, StoreError> {
        self.shared.catch_up()?;
        Ok(AuditReader::open(&self.shared.folder)?.while_served(true))
    }

    /// What models have used for a group, or for each, since a moment. No other reader waits for it.
    pub fn tokens_since(&self, group: Option<&GroupName>, since: Millis) -> Result<Vec<ModelUse>, StoreError> {
        self.shared.catch_up()?;
        AuditReader::open(&self.shared.folder)?.tokens_since(group, since)
    }

    fn read<T>(&self, ask: impl FnOnce(&AuditReader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // Readers in this process see everything that has happened. If the disk fails, they still see what is stored.
        let _ = self.shared.catch_up();
        self.reading.ask(ask)
    }
}
