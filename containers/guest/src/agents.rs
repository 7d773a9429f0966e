//! The seam between the session and the agents: one driver each, in a module of its
//! own. A driver turns prompts into turns of its agent, and what the agent says into
//! lines for the daemon, until the daemon closes the session.

use tokio::sync::mpsc;

use crate::protocol::{FromGuest, ToGuest};

/// Where agents work.
pub const WORKSPACE: &str = "/workspace/group";

/// The memory that all groups share.
pub const GLOBAL: &str = "/workspace/global";

/// The skills of the group, each a folder; there where it has one.
pub const SKILLS: &str = "/workspace/skills";

/// Where folders of the owner's are, each under its name.
pub const EXTRA: &str = "/workspace/extra";

/// Where agents keep what they remember from one sandbox to the next.
pub const HOME: &str = "/home/agent";

/// What an agent is told about where it is.
pub(crate) const SYSTEM_PROMPT: &str = include_str!("system-prompt.md");

/// Prompts that may be open at once; a daemon that sends more is broken.
pub const MAX_OPEN: usize = 1024;

/// What is told where the group's folder was removed, or another put in its place, while
/// the sandbox lives: what it works in then is no folder of the host's any more.
pub const FOLDER_GONE: &str = "the group's folder was removed or replaced while its sandbox was open";

/// Whether that is so. A removed folder that is still mounted has no name left.
pub fn folder_is_gone() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(WORKSPACE).is_ok_and(|folder| folder.nlink() == 0)
}

/// The daemon, as a driver meets it.
pub struct Daemon {
    /// What it says.
    pub heard: mpsc::Receiver<Result<ToGuest, String>>,
    /// What it is told.
    pub say: mpsc::Sender<FromGuest>,
}

impl Daemon {
    /// The next thing it says; `None` when it is gone.
    pub async fn next(&mut self) -> Result<Option<ToGuest>, String> {
        self.heard.recv().await.transpose()
    }

    /// Tells it.
    pub async fn tell(&self, message: FromGuest) -> Result<(), String> {
        self.say.send(message).await.map_err(|_| "the daemon does not listen any more".to_owned())
    }
}

/// Tells the daemon's log, on standard error.
pub fn complain(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "doorward-guest: {what}");
}
