//! A container on the engine, removed with its handle. What is asked for is in `create.rs`.

use std::time::Duration;

use bollard::{errors::Error, models::ContainerCreateResponse, query_parameters::InspectContainerOptions};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{Engine, SandboxSpec};

/// How long a container may take to exit.
const EXIT_PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of a sandbox waits for the engine to remove its container.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

/// The pause between later attempts, and their number: an hour's worth.
const REMOVAL_PAUSE: Duration = Duration::from_secs(15);
const REMOVALS: u32 = 240;

/// For this many attempts, an engine that has not answered may still create the container.
const LATE: u32 = 20;

/// The container on the engine. It does not outlive this value, whatever error or panic ends it.
pub(crate) struct Container {
    engine: Engine,
    /// The engine's id, or the container's name while the id is unknown.
    id: String,
    /// Whether the engine was asked to create it and has not answered.
    unanswered: bool,
    removed: bool,
}

impl Container {
    /// The name of a sandbox's container, as unique as the sandbox's id.
    pub(crate) fn name(spec: &SandboxSpec) -> String {
        let safe = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
        format!("doorward-{}-{}", safe(&spec.group), safe(&spec.id))
    }

    /// One that the engine is asked to create. Until the engine answers, a container may exist with an
    /// unknown id; it can still be removed by its name.
    pub(crate) fn asked_for(engine: &Engine, name: String) -> Self {
        Container { engine: engine.clone(), id: name, unanswered: true, removed: false }
    }

    /// The engine has answered, or is not there any more.
    pub(crate) fn answered(&mut self, created: &Result<ContainerCreateResponse, Error>) {
        match created {
            Ok(created) => self.id.clone_from(&created.id),
            // The engine says that it created none.
            Err(Error::DockerResponseServerError { .. }) => self.removed = true,
            Err(_) => self.remove_later(),
        }
        self.unanswered = false;
    }

    /// The engine's id of the container.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Removes it, now or later.
    pub(crate) async fn remove(&mut self) {
        if self.removed {
            return;
        }
        // A hanging engine must not hold up the caller: the door is already shut, and the guest
        // exits when our end of its stdin closes.
        match timeout(REMOVAL_PATIENCE, self.engine.remove(&self.id)).await {
            Ok(Ok(())) => self.removed = true,
            Ok(Err(error)) => {
                tracing::warn!(sandbox.container = %self.id, %error, "a sandbox could not be removed yet");
                self.remove_later();
            }
            Err(_) => {
                tracing::warn!(sandbox.container = %self.id, "the engine does not remove a sandbox in time; it is asked again");
                self.remove_later();
            }
        }
    }

    /// Removes it in the background, for callers that cannot wait.
    fn remove_now(&mut self) {
        self.removed = true;
        let (engine, id) = (self.engine.clone(), std::mem::take(&mut self.id));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { Container { engine, id, unanswered: false, removed: false }.remove().await });
        }
    }

    /// Asks until it is gone: a restarted engine still has it, and an engine that did not answer
    /// may still create it. Without a runtime it becomes an orphan, which the next start removes.
    fn remove_later(&mut self) {
        self.removed = true;
        let (engine, id, unanswered) = (self.engine.clone(), std::mem::take(&mut self.id), self.unanswered);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            for tries in 0..REMOVALS {
                tokio::time::sleep(REMOVAL_PAUSE).await;
                let gone = matches!(timeout(REMOVAL_PAUSE, engine.remove(&id)).await, Ok(Ok(())));
                if gone && (!unanswered || tries >= LATE) {
                    return;
                }
            }
            tracing::warn!(sandbox.container = %id, "a sandbox could not be removed; the next start does");
        });
    }

    /// Waits for the exit; returns its code and whether memory ran out.
    pub(crate) async fn wait(&self) -> Option<(Option<i64>, bool)> {
        let mut exit = Box::pin(self.engine.docker.wait_container(&self.id, None));
        // An exit code other than 0 arrives as an error here; the inspection has it either way.
        let _ = timeout(EXIT_PATIENCE, exit.next()).await;
        let inspect = self.engine.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await;
        let state = inspect.ok()?.state?;
        Some((state.exit_code, state.oom_killed.unwrap_or(false)))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        // The guest exits by itself, because its stdin closes with us.
        if self.unanswered { self.remove_later() } else { self.remove_now() }
    }
}
