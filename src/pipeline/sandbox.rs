//! What the pipeline needs of a sandbox. Two implementations: the real one, and the
//! one that the pipeline's tests play.

use std::future::Future;

use containers::protocol::{FromGuest, ToGuest};
use policies::SandboxId;

use super::prompt::Form;
use crate::store::{Group, RunId};

/// Starts sandboxes.
pub trait StartSandbox: Send + Sync + 'static {
    /// What it starts.
    type Sandbox: Sandbox;
    /// Starts one for a group; its agent takes prompts once this returns, and goes on
    /// with the session to `resume`. Never dropped half-way: there would be nobody to
    /// remove what was started.
    fn start(
        &self,
        group: &Group,
        resume: Option<String>,
    ) -> impl Future<Output = Result<Self::Sandbox, StartFailure>> + Send;
}

/// A live sandbox.
pub trait Sandbox: Send + 'static {
    /// As the log names it.
    fn id(&self) -> &SandboxId;
    /// How its agent reads.
    fn reads(&self) -> Form;
    /// Whether the folder that its agent works in is still the group's.
    fn has_its_folder(&self) -> bool;
    /// Says something to the guest.
    fn send(&mut self, line: &ToGuest) -> impl Future<Output = Result<(), Lost>> + Send;
    /// What the guest says next; `None` once it has ended. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<FromGuest>, Lost>> + Send;
    /// What goes through the door from now on belongs to this run.
    fn set_run(&self, run: Option<RunId>);
    /// Shuts the door, ends the container and removes it; the log hears why.
    fn stop(self, why: &'static str) -> impl Future<Output = ()> + Send;
}

/// No sandbox came up.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct StartFailure {
    /// What was wrong and what to do.
    pub why: String,
    /// Whether trying again can help without anybody doing anything.
    pub may_pass: bool,
    /// Whether there is no engine to start anything: then what was asked for waits for it,
    /// however long that takes.
    pub engine_away: bool,
}

impl StartFailure {
    /// One that may pass by itself.
    pub fn passing(why: &str) -> Self {
        StartFailure { why: why.to_owned(), may_pass: true, engine_away: false }
    }
}

/// The sandbox is gone.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Lost {
    /// What happened.
    pub why: String,
    /// Whether the same can go well in another sandbox.
    pub may_pass: bool,
}
