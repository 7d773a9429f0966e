//! The fsyncs of `doorward.db`, on a thread of their own. A daemon's commits go to the write-ahead log, which survives
//! `kill -9`; whoever promises something to the outside (a message is accepted, an answer goes out, a request that
//! writes is sent) waits for the disk first, and all who wait at once share one fsync. So no worker of the runtime, and
//! thus no door, waits for a chat's disk.
//!
//! What it is not: a buffer. Whoever waits continues only when their commit is on the disk, in the file that has the
//! database's name.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use desk::lock;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::StoreError;
use super::place::{Place, wal_of};

/// The longest until a commit that nobody waits for is on the disk.
const EVERY: Duration = Duration::from_millis(500);

/// After this many commits, about five pages of 4 KiB each, the write-ahead log is copied into the database so that it
/// does not grow without bound.
const LONG: u64 = 250;

/// The thread; when this is dropped, it does a last fsync and ends.
#[derive(Debug)]
pub(super) struct Durable {
    disk: Arc<Disk>,
    ask: Option<Sender<Said>>,
    thread: Option<JoinHandle<()>>,
}

/// A message to the thread.
#[derive(Debug)]
enum Said {
    /// The first commit after an idle time.
    Committed,
    /// Somebody waits for an fsync.
    Asks(Asked),
}

type Asked = oneshot::Sender<Result<(), StoreError>>;

#[derive(Debug)]
struct Disk {
    path: PathBuf,
    place: Place,
    wal: Mutex<Wal>,
    /// Whether there is a commit that no fsync has covered yet.
    dirty: AtomicBool,
    /// Commits since the write-ahead log was last copied.
    commits: AtomicU64,
    /// Whether an fsync has failed: the next one may succeed without the data of the failed one. Copying the log into
    /// the database puts it on the disk.
    doubtful: AtomicBool,
}

impl Durable {
    pub(super) fn start(path: &Path, place: Place) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk {
            path: path.to_path_buf(),
            place,
            wal: Mutex::default(),
            dirty: AtomicBool::new(true),
            commits: AtomicU64::new(0),
            doubtful: AtomicBool::new(false),
        });
        let (ask, said) = channel();
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn({
                let disk = Arc::clone(&disk);
                move || disk.serve(&said)
            })
            .map_err(|error| StoreError::Other { path: path.to_path_buf(), detail: format!("no thread: {error}") })?;
        Ok(Durable { disk, ask: Some(ask), thread: Some(thread) })
    }

    /// Something was committed.
    pub(super) fn committed(&self) {
        self.disk.commits.fetch_add(1, Ordering::Relaxed);
        // The thread sleeps while there is nothing to sync.
        if !self.disk.dirty.swap(true, Ordering::AcqRel)
            && let Some(ask) = &self.ask
        {
            let _ = ask.send(Said::Committed);
        }
    }

    /// Waits until everything committed is on the disk.
    pub(super) async fn synced(&self) -> Result<(), StoreError> {
        let (asked, answer) = oneshot::channel();
        let sent = self.ask.as_ref().is_some_and(|ask| ask.send(Said::Asks(asked)).is_ok());
        let ended = || StoreError::Other { path: self.disk.path.clone(), detail: "its thread has ended".to_owned() };
        if sent { answer.await.unwrap_or_else(|_| Err(ended())) } else { Err(ended()) }
    }

    /// The same, on the caller's thread.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.disk.sync()
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Disk {
    fn serve(&self, said: &Receiver<Said>) {
        let (mut connection, mut told) = (None, false);
        loop {
            let dirty = self.dirty.load(Ordering::Acquire);
            let first = if dirty { said.recv_timeout(EVERY) } else { said.recv().map_err(Into::into) };
            let mut waiting = match first {
                Ok(Said::Asks(first)) => vec![first],
                // It is synced in a moment, with whatever else arrives.
                Ok(Said::Committed) => continue,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            waiting.extend(said.try_iter().filter_map(|more| match more {
                Said::Asks(one) => Some(one),
                Said::Committed => None,
            }));
            if !waiting.is_empty() || self.dirty.load(Ordering::Acquire) {
                let synced = self.sync();
                if let Err(error) = &synced
                    && !told
                {
                    tracing::error!(%error, "what was stored is not on the disk yet; it is tried again");
                }
                told = synced.is_err();
                for one in waiting {
                    // Fails if nobody waits any more.
                    let _ = one.send(synced.clone());
                }
            }
            if self.commits.load(Ordering::Relaxed) >= LONG {
                self.commits.store(0, Ordering::Relaxed);
                if let Err(error) = self.copy(&mut connection, "PASSIVE") {
                    connection = None;
                    tracing::warn!(%error, "the store's write-ahead log could not be copied");
                }
            }
        }
        let _ = self.sync();
    }

    fn sync(&self) -> Result<(), StoreError> {
        let was_dirty = self.dirty.swap(false, Ordering::AcqRel);
        let doubtful = self.doubtful.load(Ordering::Acquire);
        let synced = self.place.is_there(&self.path).and_then(|()| {
            if doubtful {
                return self.copy(&mut None, "FULL");
            }
            lock(&self.wal).sync(&self.path)
        });
        // Checked again: if the file was removed meanwhile, the sync was in vain.
        let synced = synced.and_then(|()| self.place.is_there(&self.path));
        if synced.is_err() {
            self.dirty.fetch_or(was_dirty, Ordering::AcqRel);
            self.doubtful.store(true, Ordering::Release);
        } else if doubtful {
            self.doubtful.store(false, Ordering::Release);
        }
        synced
    }

    /// Copies the write-ahead log into the database: as far as no reader prevents it, or all of it.
    fn copy(&self, connection: &mut Option<Connection>, how: &str) -> Result<(), StoreError> {
        self.place.is_there(&self.path)?;
        let explain = |error: rusqlite::Error| StoreError::sqlite(&self.path, &error);
        let open = match connection {
            Some(open) => open,
            none => none.insert(self.connect().map_err(explain)?),
        };
        let busy: i64 =
            open.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| row.get(0)).map_err(explain)?;
        if busy != 0 { Err(StoreError::Locked { path: self.path.clone() }) } else { Ok(()) }
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        connection.pragma_update(None, "synchronous", "full")?;
        Ok(connection)
    }
}

/// The write-ahead log, for fsyncs. It stays open, so that a process without free descriptors still has it.
#[derive(Debug, Default)]
struct Wal(Option<((u64, u64), File)>);

impl Wal {
    /// Puts everything committed on the disk.
    fn sync(&mut self, path: &Path) -> Result<(), StoreError> {
        self.opened(&wal_of(path))
            .and_then(|file| file.map_or(Ok(()), File::sync_data))
            .map_err(|error| StoreError::disk(path, &error))
    }

    /// Opening `-wal` is safe where opening the database is not: SQLite holds no locks on it. It is missing until the
    /// first write after the last close, and is another file after that.
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
