//! The real sandboxes behind the pipeline's own words for them.

use std::sync::Arc;

use containers::StartError;
use containers::protocol::{FromGuest, ToGuest};
use policies::SandboxId;

use super::prompt::Form;
use super::sandbox::{Lost, Sandbox, StartFailure, StartSandbox};
use crate::sandboxes::{LiveSandbox, SandboxError, Sandboxes};
use crate::store::{Group, RunId};

impl StartSandbox for Arc<Sandboxes> {
    type Sandbox = LiveSandbox;

    async fn start(&self, group: &Group, resume: Option<String>) -> Result<LiveSandbox, StartFailure> {
        let started = Sandboxes::start(self, &group.name, resume).await;
        started.map_err(|error| StartFailure { why: error.to_string(), may_pass: may_pass(&error) })
    }
}

impl Sandbox for LiveSandbox {
    fn id(&self) -> &SandboxId {
        self.door().sandbox_id()
    }

    fn reads(&self) -> Form {
        Form::of(self.agent())
    }

    async fn send(&mut self, line: &ToGuest) -> Result<(), Lost> {
        LiveSandbox::send(self, line).await.map_err(|lost| Lost(lost.to_string()))
    }

    async fn next(&mut self) -> Result<Option<FromGuest>, Lost> {
        LiveSandbox::next(self).await.map_err(|lost| Lost(lost.to_string()))
    }

    fn set_run(&self, run: Option<RunId>) {
        LiveSandbox::set_run(self, run.map(|run| run.0));
    }

    async fn stop(self, why: &'static str) {
        LiveSandbox::stop_because(self, why).await;
    }
}

/// A missing image or folder stays missing until somebody does something, and what
/// came up other than asked for will do so again.
fn may_pass(error: &SandboxError) -> bool {
    match error {
        SandboxError::Start(StartError::ImageMissing { .. } | StartError::AttestationFailed { .. }) => false,
        SandboxError::Start(_) | SandboxError::Door(_) | SandboxError::Orphans(_) => true,
        SandboxError::Folder { .. } | SandboxError::Memory(_) | SandboxError::Settings(_) | SandboxError::NoKey(_) => {
            false
        }
    }
}
