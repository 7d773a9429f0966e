//! The real sandboxes behind the pipeline's interface.

use std::sync::Arc;

use containers::StartError;
use containers::protocol::{FromGuest, ToGuest};
use policies::SandboxId;

use super::notice;
use super::prompt::Form;
use super::sandbox::{Lost, Sandbox, StartFailure, StartSandbox};
use crate::agents::Order;
use crate::phrases::Phrases;
use crate::sandboxes::mounts::MountError;
use crate::sandboxes::{LiveSandbox, SandboxError, Sandboxes};
use crate::store::{Group, RunId};

impl StartSandbox for Arc<Sandboxes> {
    type Sandbox = LiveSandbox;

    async fn start(&self, group: &Group, at: usize, resume: Option<String>) -> Result<LiveSandbox, StartFailure> {
        let started = Sandboxes::start(self, &group.name, at, resume).await;
        started.map_err(|error| {
            tracing::error!(group = %group.name, %error, "Sandbox not started");
            let why = if notice::is_for(group) { error.to_string().into() } else { in_a_chat(&error) };
            let engine_away = matches!(&error, SandboxError::Start(StartError::NoEngine));
            StartFailure { why, may_pass: may_pass(&error), engine_away }
        })
    }
}

impl Sandbox for LiveSandbox {
    fn id(&self) -> &SandboxId {
        self.door().sandbox_id()
    }

    fn reads(&self) -> Form {
        Form::of(self.agent())
    }

    fn order(&self) -> &Order {
        LiveSandbox::order(self)
    }

    fn has_its_folder(&self) -> bool {
        LiveSandbox::has_its_folder(self)
    }

    async fn send(&mut self, line: &ToGuest) -> Result<(), Lost> {
        let sent = LiveSandbox::send(self, line).await;
        sent.map_err(|lost| Lost { why: lost.to_string(), may_pass: !self.was_ended() })
    }

    async fn next(&mut self) -> Result<Option<FromGuest>, Lost> {
        let said = LiveSandbox::next(self).await;
        // A new sandbox would fill its folder again.
        said.map_err(|lost| Lost { why: lost.to_string(), may_pass: !self.was_ended() })
    }

    fn set_run(&self, run: Option<RunId>) {
        LiveSandbox::set_run(self, run.map(|run| run.0));
    }

    async fn stop(self, why: &'static str) {
        LiveSandbox::stop_because(self, why).await;
    }
}

/// The same for people other than the owner: nothing about the host. The daemon's log has everything.
pub(super) fn in_a_chat(error: &SandboxError) -> Phrases {
    let known = Phrases::new(match error {
        // Helpful, and without paths.
        SandboxError::NoKey(_)
        | SandboxError::TooMuch(_)
        | SandboxError::AlmostFull
        | SandboxError::Start(StartError::ImageMissing { .. }) => return error.to_string().into(),
        SandboxError::Start(StartError::AttestationFailed { .. }) => "start-not-as-asked",
        SandboxError::Start(StartError::NoEngine) => "start-no-engine",
        SandboxError::Start(_) => "start-engine-failed",
        SandboxError::Door(_) => "start-no-door",
        SandboxError::Folder { .. } | SandboxError::Memory(_) => "start-no-folder",
        SandboxError::Mount(_) => "start-no-mount",
        SandboxError::Settings(_) | SandboxError::Image(_) => "start-no-settings",
        SandboxError::Orphans(_) => "start-orphans",
    });
    Phrases::new("owner-finds").saying("why", known)
}

/// A missing image or folder stays missing until somebody acts, a sandbox that came up wrong will do so again, and a
/// runtime unknown to the engine stays unknown.
fn may_pass(error: &SandboxError) -> bool {
    match error {
        SandboxError::Start(StartError::ImageMissing { .. } | StartError::AttestationFailed { .. }) => false,
        SandboxError::Start(StartError::Engine { source, .. }) => !containers::is_bad_request(source),
        SandboxError::Start(_) | SandboxError::Door(_) | SandboxError::Orphans(_) => true,
        SandboxError::Mount(MountError::InUse { .. }) => true,
        SandboxError::Folder { .. }
        | SandboxError::Memory(_)
        | SandboxError::Mount(_)
        | SandboxError::Settings(_)
        | SandboxError::Image(_)
        | SandboxError::NoKey(_)
        | SandboxError::TooMuch(_)
        | SandboxError::AlmostFull => false,
    }
}
