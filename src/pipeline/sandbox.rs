//! The pipeline's interface to sandboxes. Two implementations: the real one, and the fake of the pipeline's tests.

use std::future::Future;

use containers::protocol::{FromGuest, ToGuest};
use policies::SandboxId;

use super::prompt::Form;
use crate::agents::Order;
use crate::phrases::Phrases;
use crate::store::{Group, RunId};

/// Starts sandboxes.
pub trait StartSandbox: Send + Sync + 'static {
    /// What it starts.
    type Sandbox: Sandbox;
    /// Starts a sandbox for a group. When this returns, its agent takes prompts and continues the session `resume`;
    /// `at` is the index of the group's agent. Never dropped half-way: nobody would remove what was started.
    fn start(
        &self,
        group: &Group,
        at: usize,
        resume: Option<String>,
    ) -> impl Future<Output = Result<Self::Sandbox, StartFailure>> + Send;
}

/// A live sandbox.
pub trait Sandbox: Send + 'static {
    /// Its name in the log.
    fn id(&self) -> &SandboxId;
    /// How its agent reads.
    fn reads(&self) -> Form;
    /// Which of its group's agents it runs.
    fn order(&self) -> &Order;
    /// Whether its agent's working folder is still the group's.
    fn has_its_folder(&self) -> bool;
    /// Sends a line to the guest.
    fn send(&mut self, line: &ToGuest) -> impl Future<Output = Result<(), Lost>> + Send;
    /// The guest's next line; `None` once it has ended. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<FromGuest>, Lost>> + Send;
    /// Requests through the door belong to this run from now on.
    fn set_run(&self, run: Option<RunId>);
    /// Shuts the door, ends the container and removes it; the log says why.
    fn stop(self, why: &'static str) -> impl Future<Output = ()> + Send;
}

/// No sandbox started.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", why.in_english())]
pub struct StartFailure {
    /// What is wrong, and what to do.
    pub why: Phrases,
    /// Whether trying again can help without anybody's action.
    pub may_pass: bool,
    /// Whether there is no engine at all: then the messages wait for it, however long that takes.
    pub engine_away: bool,
}

impl StartFailure {
    /// A failure that may be temporary.
    pub fn passing(why: impl Into<Phrases>) -> Self {
        StartFailure { why: why.into(), may_pass: true, engine_away: false }
    }
}

/// The sandbox is gone.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Lost {
    /// What happened.
    pub why: String,
    /// Whether another attempt in a new sandbox can succeed.
    pub may_pass: bool,
}
