//! `/workspace/ipc`: files in JSON by which NanoClaw's skills ask for things, handed on to the
//! host through the door. What is done leaves; what is refused or cannot be read goes to
//! `errors/`, with the reason beside it.
//!
//! What it is not: the meaning of the files, which is the host's to know. Whoever writes here
//! is the agent, and so is the guest to the host: a link or a special file gives nothing that
//! the agent could not read itself, and is refused for what it would do by mistake.

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

/// Where it is: memory of the sandbox's own.
pub const FOLDER: &str = "/workspace/ipc";

/// How long the end of a turn waits for what was asked for in it.
const SETTLED: Duration = Duration::from_secs(60);

/// Where files ask for something.
const ASKING: [&str; 2] = ["messages", "tasks"];

/// What is there for those who look for it; prompts come to the agent itself.
const INPUT: &str = "input";

/// The watched folders.
#[derive(Clone, Debug, Default)]
pub struct Ipc {
    folders: Vec<mpsc::Sender<oneshot::Sender<()>>>,
}

/// Where things are.
#[derive(Debug)]
struct Place {
    root: PathBuf,
    door: PathBuf,
}

impl Ipc {
    /// Watches the folder of this sandbox. Where there is none, nothing is watched.
    pub fn watch() -> Self {
        Self::at(Path::new(FOLDER), Path::new(SOCKET))
    }

    fn at(root: &Path, door: &Path) -> Self {
        let Ok(dir) = folder::open(root) else { return Ipc::default() };
        let place = Rc::new(Place { root: root.to_owned(), door: door.to_owned() });
        // There before the agent is.
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

    /// Until all that lies there by now has been handed on, and is done or refused.
    pub async fn settled(&self) {
        let all = async {
            for folder in &self.folders {
                let (done, settled) = oneshot::channel();
                // An error says that nobody watches any more.
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
