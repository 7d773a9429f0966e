//! One folder of request files: read strictly, forwarded one after the other.

use std::ffi::{CStr, CString};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::Place;
use super::errors::Errors;
use super::watch::{Seen, Watch};
use crate::host::{Answer, Request, Unanswered};

/// The longest file.
const LONGEST: u64 = 128 << 10;

/// The most files that are listed at a time.
const LISTED: usize = 4096;

/// The pause before a file that cannot be handled now is retried, and the number of retries.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: u32 = 60;

/// The host's information, and the files for it.
const TOLD: [(&str, &str); 2] =
    [("/ipc/current_tasks.json", "current_tasks.json"), ("/ipc/available_groups.json", "available_groups.json")];

pub(super) struct Folder {
    place: Rc<Place>,
    name: &'static str,
    errors: Rc<Errors>,
}

/// The result for a file.
enum Handled {
    Done,
    Refused(String),
    /// Not now.
    Later,
}

/// Opens a folder, but not a link to one.
pub(super) fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

impl Folder {
    pub(super) fn new(place: Rc<Place>, name: &'static str, errors: Rc<Errors>) -> Self {
        Folder { place, name, errors }
    }

    pub(super) async fn serve(self, mut settle: mpsc::Receiver<oneshot::Sender<()>>) {
        loop {
            let watch = self.begin().await;
            self.take_all().await;
            loop {
                tokio::select! {
                    seen = watch.next() => {
                        if self.look(seen).await {
                            break;
                        }
                    }
                    asked = settle.recv() => match asked {
                        None => return,
                        Some(done) => {
                            self.take_all().await;
                            let _ = done.send(());
                        }
                    }
                }
            }
        }
    }

    /// Creates the folder, and watches it. If the agent has put something else in its place, this
    /// waits.
    async fn begin(&self) -> Watch {
        loop {
            if let Ok(root) = open(&self.place.root) {
                let _ = mkdirat(&root, self.name, Mode::RWXU);
                if self.open().is_some() {
                    return Watch::of(&self.place.root.join(self.name));
                }
            }
            sleep(AGAIN).await;
        }
    }

    fn open(&self) -> Option<OwnedFd> {
        open(&self.place.root.join(self.name)).ok()
    }

    /// Takes complete files. Returns whether the folder has gone.
    async fn look(&self, seen: Vec<Seen>) -> bool {
        let gone = seen.contains(&Seen::Gone);
        if seen.contains(&Seen::All) {
            self.take_all().await;
            return gone;
        }
        for seen in seen {
            match seen {
                Seen::Complete(name) => self.take(&name).await,
                Seen::Made(name) if self.is_a_link(&name) => self.take(&name).await,
                Seen::Made(_) | Seen::All | Seen::Gone => {}
            }
        }
        gone
    }

    /// A link is not written to, and a second name means that the file is complete.
    fn is_a_link(&self, name: &CStr) -> bool {
        let Some(dir) = self.open() else { return false };
        statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink > 1)
    }

    /// Takes all files, by name, which is by time for files of NanoClaw's skills.
    async fn take_all(&self) {
        let mut names: Vec<CString> = Vec::new();
        if let Some(dir) = self.open().and_then(|dir| Dir::new(dir).ok()) {
            let entries = dir.filter_map(Result::ok).map(|entry| entry.file_name().to_owned());
            names.extend(entries.filter(|name| asks(name)).take(LISTED));
        }
        names.sort();
        for name in names {
            self.take(&name).await;
        }
    }

    /// Forwards one file, if it is still there.
    async fn take(&self, name: &CStr) {
        if !asks(name) {
            return;
        }
        let Some(dir) = self.open() else { return };
        let why = match read(&dir, name) {
            Ok(None) => return,
            Ok(Some(text)) => match self.hand_on(&text).await {
                Ok(()) => {
                    let _ = unlinkat(&dir, name, AtFlags::empty());
                    None
                }
                Err(why) => Some(why),
            },
            Err(why) => Some(why),
        };
        if let (Some(why), Ok(root)) = (why, open(&self.place.root)) {
            self.errors.put_away(root.as_fd(), dir.as_fd(), name, &format!("{}/{}: {why}", self.name, shown(name)));
        }
        if self.name == "tasks" {
            self.tell().await;
        }
    }

    async fn hand_on(&self, text: &[u8]) -> Result<(), String> {
        for _ in 0..TRIES {
            match self.ask(text).await {
                Handled::Done => return Ok(()),
                Handled::Refused(why) => return Err(why),
                Handled::Later => sleep(AGAIN).await,
            }
        }
        Err("it could not be handed on within a minute".to_owned())
    }

    async fn ask(&self, text: &[u8]) -> Handled {
        let path = format!("/ipc/{}", self.name);
        match (Request { method: "POST", path: &path, body: text }).ask(&self.place.door).await {
            Ok(Answer { status: 200, .. }) => Handled::Done,
            // Too fast, or the host has trouble of its own: nothing was done.
            Ok(Answer { status: 429 | 503, .. }) | Err(Unanswered::Unreached(_)) => Handled::Later,
            Ok(Answer { body, .. }) => Handled::Refused(String::from_utf8_lossy(&body).into_owned()),
            Err(Unanswered::Lost(why)) => Handled::Refused(format!("{why}; it may have been done all the same")),
        }
    }

    /// Writes the host's information, for scripts that look there.
    async fn tell(&self) {
        for (path, name) in TOLD {
            let told = Request { method: "GET", path, body: b"" }.ask(&self.place.door).await;
            if let (Ok(Answer { status: 200, body }), Ok(root)) = (told, open(&self.place.root)) {
                let _ = replace(&root, name, &body);
            }
        }
    }
}

/// Writes a complete file under this name.
fn replace(root: &OwnedFd, name: &str, content: &[u8]) -> std::io::Result<()> {
    let beside = format!(".{name}.new");
    let _ = unlinkat(root, &beside, AtFlags::empty());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(root, &beside, flags, Mode::RUSR | Mode::WUSR)?;
    std::io::Write::write_all(&mut std::fs::File::from(file), content)?;
    Ok(renameat(root, &beside, root, name)?)
}

/// Whether this is the name of a request file: others are still being written.
fn asks(name: &CStr) -> bool {
    name.to_bytes().ends_with(b".json")
}

/// The text of a file; nothing if it has gone, an error if it is not a readable file.
fn read(dir: &OwnedFd, name: &CStr) -> Result<Option<Vec<u8>>, String> {
    // Without waiting for the other end of a pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err("it is a link, and links are not followed".to_owned()),
        Err(error) => return Err(format!("it cannot be opened: {error}")),
    };
    let found = fstat(&file).map_err(|error| format!("it cannot be read: {error}"))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err("it is no regular file".to_owned());
    }
    let mut text = Vec::new();
    let read = std::fs::File::from(file).take(LONGEST + 1).read_to_end(&mut text);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("it is larger than {} KiB", LONGEST >> 10));
    }
    Ok(Some(text))
}

/// A name for a person to read.
fn shown(name: &CStr) -> String {
    name.to_string_lossy().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(120).collect()
}
