//! The thread behind the writer: every second an fsync and a checkpoint, on a
//! connection of its own, so that no request waits for the disk.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::{Shared, lock};
use crate::store::StoreError;
use crate::store::place::wal_of;

/// How long an outcome waits for a decision to be committed with.
const OUTCOMES_EVERY: Duration = Duration::from_millis(100);

/// How much a power cut may cost; and how often alarms have an fsync of their own.
const EVERY: Duration = Duration::from_secs(1);

/// How often what has had its time is looked for.
const RETAIN_EVERY: Duration = Duration::from_hours(1);

/// Pages in the write-ahead log (of 4 KiB) from which the writer has to wait for
/// a checkpoint: under a load that never pauses it would grow without end.
const LONG: i64 = 16_384;

/// So many bytes of it may stay when it is empty. A full one has cost a fsync already.
pub(super) const KEPT: u64 = 8 << 20;

/// From so many on it is told that something keeps it from being emptied: more than a load
/// that never pauses makes of it.
pub const TOO_LONG: u64 = 96 << 20;

/// The running thread; ends, after a last fsync, when this is dropped.
#[derive(Debug)]
pub(super) struct Durable {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Durable {
    /// `more`: what has had its time was not all removed yet.
    pub(super) fn start(shared: Arc<Shared>, mut more: bool) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("audit-log".into()).spawn(move || {
            let mut connection = None;
            let (mut synced, mut retained) = (Instant::now(), Instant::now());
            while stopped.recv_timeout(OUTCOMES_EVERY) == Err(RecvTimeoutError::Timeout) {
                // What could not be written is tried again even if nobody asks for
                // anything; while it fails, whoever asks is told.
                shared.count_floods(Some(Instant::now()));
                let _ = shared.catch_up();
                if lock(&shared.alarms).waited() {
                    let _ = shared.sync_now();
                }
                if more || retained.elapsed() >= RETAIN_EVERY {
                    more = shared.retain();
                    retained = Instant::now();
                }
                if synced.elapsed() >= EVERY {
                    tick(&shared, &mut connection);
                    synced = Instant::now();
                }
            }
            shared.count_floods(None);
            tick(&shared, &mut connection);
        });
        if let Err(error) = &thread {
            // Alarms are still made durable one by one, and every commit survives the daemon.
            tracing::error!(error = %error, "Audit log thread not started");
        }
        Durable { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The write-ahead log, for fsyncs. It stays open: a process that has run out of
/// descriptors still has its log.
#[derive(Debug, Default)]
pub(in crate::store) struct Wal(Option<((u64, u64), File)>);

impl Wal {
    /// All that is committed is on the disk afterwards.
    pub(in crate::store) fn sync(&mut self, path: &Path) -> Result<(), StoreError> {
        self.opened(&wal_of(path))
            .and_then(|file| file.map_or(Ok(()), File::sync_data))
            .map_err(|error| explain(path, &error))
    }

    /// Opening `-wal` is safe where opening the database is not: SQLite holds no locks on
    /// it. It is missing while nothing was written since the last close, and another one
    /// after that.
    fn opened(&mut self, path: &Path) -> std::io::Result<Option<&File>> {
        let found = match std::fs::metadata(path) {
            Ok(found) => (found.dev(), found.ino()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.0.as_ref().is_none_or(|(open, _)| *open != found) {
            self.0 = Some((found, File::open(path)?));
        }
        Ok(self.0.as_ref().map(|(_, file)| file))
    }
}

/// Alarms and their fsyncs: the first at once; in a flood, many share one a moment later.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    synced: Option<Instant>,
    waits: bool,
}

impl Alarms {
    /// Whether this one is to be seen to at once. Otherwise the thread does, together with
    /// all that have come by then.
    pub(super) fn comes(&mut self, now: Instant) -> bool {
        let at_once = self.synced.is_none_or(|synced| now >= synced + EVERY);
        if at_once {
            self.synced = Some(now);
        }
        self.waits |= !at_once;
        at_once
    }

    /// Whether any has waited.
    pub(super) fn waited(&mut self) -> bool {
        std::mem::take(&mut self.waits)
    }
}

/// Fsyncs the folder: a new file's name is on the disk afterwards.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| explain(path, &error))
}

pub(super) fn tick(shared: &Shared, connection: &mut Option<(u64, Connection)>) {
    let _ = shared.catch_up();
    // Somebody may have read it while it should have been emptied.
    if !shared.dirty.swap(false, Ordering::AcqRel) && length(&shared.path) <= KEPT {
        return;
    }
    let synced = shared.sync_now();
    let checkpointed = checkpoint(shared, connection);
    if let Err(error) = synced.and(checkpointed.map_err(|error| StoreError::sqlite(&shared.path, &error))) {
        *connection = None;
        shared.dirty.store(true, Ordering::Release);
        tracing::warn!(error = %error, "Audit log not checkpointed");
    }
}

fn checkpoint(shared: &Shared, connection: &mut Option<(u64, Connection)>) -> rusqlite::Result<()> {
    let generation = shared.generation.load(Ordering::Acquire);
    let open = match connection.take() {
        Some((opened_at, open)) if opened_at == generation => open,
        _ => Connection::open_with_flags(
            &shared.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?,
    };
    // Whoever reads must not be waited for, with the writer held up.
    open.busy_timeout(Duration::ZERO)?;
    if passive(&open)? > LONG {
        let _writer = lock(&shared.writer);
        passive(&open)?;
    }
    if length(&shared.path) > KEPT {
        let _writer = lock(&shared.writer);
        // All is copied by now; while somebody reads an older state, nothing comes of it.
        open.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))?;
    }
    shared.tell_long(length(&shared.path));
    *connection = Some((generation, open));
    Ok(())
}

/// Copies what it can without waiting for anybody; says how long the log is.
fn passive(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
}

impl Shared {
    /// Says once that the write-ahead log grows because somebody reads an older state.
    fn tell_long(&self, bytes: u64) {
        let long = bytes > TOO_LONG;
        if long && !self.long.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                "audit.db-wal has grown to {} MiB and cannot be emptied: another program holds an old state of the \
                 audit log open. Close what reads audit.db",
                bytes >> 20
            );
        } else if !long {
            self.long.store(false, Ordering::Release);
        }
    }
}

/// How many bytes the write-ahead log of a database has.
pub fn length(path: &Path) -> u64 {
    std::fs::metadata(wal_of(path)).map_or(0, |wal| wal.len())
}

fn explain(path: &Path, error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull { path: path.to_path_buf() },
        _ => StoreError::Other { path: path.to_path_buf(), detail: format!("the disk does not take it: {error}") },
    }
}
