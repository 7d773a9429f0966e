//! The seam between the session and the agents: one driver each, in its own module. A driver turns
//! prompts into turns of its agent, and the agent's output into lines for the daemon, until the
//! daemon closes the session.

use tokio::sync::mpsc;

use crate::protocol::{FromGuest, ToGuest};

/// The agents' working directory.
pub const WORKSPACE: &str = "/workspace/group";

/// The memory that all groups share.
pub const GLOBAL: &str = "/workspace/global";

/// The skills of the group, each a folder; exists only if there are any.
pub const SKILLS: &str = "/workspace/skills";

/// The owner's folders, each under its name.
pub const EXTRA: &str = "/workspace/extra";

/// Where agents keep state from one sandbox to the next.
pub const HOME: &str = "/home/agent";

/// Tells an agent about its environment.
pub(crate) const SYSTEM_PROMPT: &str = include_str!("system-prompt.md");

/// Prompts that may be open at once; a daemon that sends more is broken.
pub const MAX_OPEN: usize = 1024;

/// The message if the group's folder was removed or replaced while the sandbox lives: its working
/// directory is then no longer a folder of the host.
pub const FOLDER_GONE: &str = "the group's folder was removed or replaced while its sandbox was open";

/// Whether that has happened. A removed folder that is still mounted has no name left.
pub fn folder_is_gone() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(WORKSPACE).is_ok_and(|folder| folder.nlink() == 0)
}

/// A driver's connection to the daemon.
pub struct Daemon {
    /// Messages from the daemon.
    pub heard: mpsc::Receiver<Result<ToGuest, String>>,
    /// Messages to the daemon.
    pub say: mpsc::Sender<FromGuest>,
}

impl Daemon {
    /// The daemon's next message; `None` when it is gone.
    pub async fn next(&mut self) -> Result<Option<ToGuest>, String> {
        self.heard.recv().await.transpose()
    }

    /// Sends a message to the daemon.
    pub async fn tell(&self, message: FromGuest) -> Result<(), String> {
        self.say.send(message).await.map_err(|_| "the daemon does not listen any more".to_owned())
    }
}

/// Writes to the daemon's log, through standard error.
pub fn complain(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "doorward-guest: {what}");
}
