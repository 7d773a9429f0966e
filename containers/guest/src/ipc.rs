//! `/workspace/ipc`: JSON files with which NanoClaw's skills ask for things, forwarded to the host
//! through the door. A file that was carried out is deleted; one that is refused or unreadable goes
//! to `errors/`, with the reason beside it.
//!
//! What it is not: an interpreter of the files, which is the host's job. Whoever writes here is the
//! agent, and so is the guest to the host: a link or a special file reveals nothing that the agent
//! could not read itself, and is refused only because of the harm it could do by mistake.

mod errors;
mod folder;
mod watch;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{Mode, mkdirat};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use self::errors::Errors;
use self::folder::Folder;
use crate::door::SOCKET;

/// The folder: a tmpfs of the sandbox's own.
pub const FOLDER: &str = "/workspace/ipc";

/// How long the end of a turn waits for the requests made in it.
const SETTLED: Duration = Duration::from_secs(60);

/// The folders for requests.
const ASKING: [&str; 2] = ["messages", "tasks"];

/// Exists for programs that look for it; prompts reach the agent directly.
const INPUT: &str = "input";

/// The watched folders.
#[derive(Clone, Debug, Default)]
pub struct Ipc {
    folders: Vec<mpsc::Sender<oneshot::Sender<()>>>,
}

/// The paths.
#[derive(Debug)]
struct Place {
    root: PathBuf,
    door: PathBuf,
}

impl Ipc {
    /// Watches the folder of this sandbox. If there is none, nothing is watched.
    pub fn watch() -> Self {
        Self::at(Path::new(FOLDER), Path::new(SOCKET))
    }

    fn at(root: &Path, door: &Path) -> Self {
        let Ok(dir) = folder::open(root) else { return Ipc::default() };
        let place = Rc::new(Place { root: root.to_owned(), door: door.to_owned() });
        // Created before the agent starts.
        for name in ASKING.into_iter().chain([INPUT]) {
            let _ = mkdirat(&dir, name, Mode::RWXU);
        }
        let errors = Rc::new(Errors::default());
        let folders = ASKING.map(|name| {
            let (settle, asked) = mpsc::channel(1);
            let folder = Folder::new(Rc::clone(&place), name, Rc::clone(&errors));
            tokio::task::spawn_local(folder.serve(asked));
            settle
        });
        Ipc { folders: folders.into() }
    }

    /// Waits until everything that is there by now was forwarded, and carried out or refused.
    pub async fn settled(&self) {
        let all = async {
            for folder in &self.folders {
                let (done, settled) = oneshot::channel();
                // An error means that the watcher has ended.
                if folder.send(done).await.is_ok() {
                    let _ = settled.await;
                }
            }
        };
        let _ = timeout(SETTLED, all).await;
    }
}

#[cfg(test)]
mod tests;
