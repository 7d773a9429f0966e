//! One running sandbox: starts it, and goes on only if it is what was asked for.

use std::time::Duration;

use bollard::{
    errors::Error,
    query_parameters::{AttachContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions},
};
use doorward_guest::protocol::{Attestation, FromGuest, ToGuest, VERSION};

use crate::{
    CreateRequest, Engine, EngineKind, Finding, SandboxLost, SandboxSpec, StartError, accounts, attestation, bundle,
    container::Container, create, guest, lost::at, talking::Talking,
};

/// A running sandbox. Dropping it removes its container.
pub struct Sandbox {
    guest: Talking,
    findings: Vec<Finding>,
}

impl Sandbox {
    /// Creates, starts and attests a sandbox, and starts its agent.
    pub async fn start(engine: &Engine, spec: &SandboxSpec) -> Result<Self, StartError> {
        let mut sandbox = Self::attested(engine, spec, |_| {}).await?;
        if !sandbox.findings.is_empty() {
            let findings = std::mem::take(&mut sandbox.findings);
            sandbox.guest.remove().await;
            return Err(StartError::AttestationFailed { findings });
        }
        sandbox.with_agent(spec).await
    }

    /// Starts a sandbox with a deliberate hole, to prove that an attack succeeds through one: for
    /// the drill and tests. `hole` edits the finished request to the engine. The sandbox starts
    /// whatever attestation finds; see [`Sandbox::findings`].
    pub async fn start_with_hole(
        engine: &Engine,
        spec: &SandboxSpec,
        hole: impl FnOnce(&mut CreateRequest),
    ) -> Result<Self, StartError> {
        Self::attested(engine, spec, hole).await?.with_agent(spec).await
    }

    /// A running, attested sandbox, whose agent has not been started.
    async fn attested(
        engine: &Engine,
        spec: &SandboxSpec,
        edit: impl FnOnce(&mut CreateRequest),
    ) -> Result<Self, StartError> {
        let image = image_id(engine, spec).await?;
        bundle::write(engine, &image, spec).await?;
        accounts::write(spec)?;
        let seccomp = seccomp_for(engine, spec)?;
        let mut request = create::request(spec, engine.facts(), &seccomp);
        edit(&mut request);
        let container = create::container(engine, Container::name(spec), request).await.map_err(at("create"))?;
        let mut guest = attach_and_start(engine, container).await?;
        let seen = hello(&mut guest).await?;
        let inspect = engine.docker.inspect_container(guest.container_id(), None::<InspectContainerOptions>).await;
        let findings = attestation::examine(spec, &seccomp, &seen, &inspect.map_err(at("inspect"))?);
        Ok(Sandbox { guest, findings })
    }

    async fn with_agent(mut self, spec: &SandboxSpec) -> Result<Self, StartError> {
        let guest = &mut self.guest;
        guest.send(&ToGuest::Start { v: VERSION, agent: spec.agent.clone(), servers: spec.servers.clone() }).await?;
        match guest.answer("get ready").await? {
            FromGuest::Ready => Ok(self),
            _ => Err(guest.malformed("something else before `ready`".to_owned()).await.into()),
        }
    }

    /// What attestation found: empty unless there is a deliberate hole.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The engine's id of the container.
    pub fn container_id(&self) -> &str {
        self.guest.container_id()
    }

    /// Sends a message to the guest.
    pub async fn send(&mut self, message: &ToGuest) -> Result<(), SandboxLost> {
        self.guest.send(message).await
    }

    /// The guest's next message; `None` once it has ended normally. Cancel-safe: nothing that has
    /// arrived is lost.
    pub async fn next(&mut self) -> Result<Option<FromGuest>, SandboxLost> {
        self.guest.next().await
    }

    /// Asks the guest to finish, waits for at most `grace`, and removes the container.
    pub async fn stop(self, grace: Duration) {
        self.guest.stop(grace).await;
    }
}

async fn attach_and_start(engine: &Engine, container: Container) -> Result<Talking, StartError> {
    // Attached before the start: with log driver `none` earlier output is lost.
    let options = AttachContainerOptionsBuilder::new().stream(true).stdin(true).stdout(true).stderr(true).build();
    let attached = engine.docker.attach_container(container.id(), Some(options)).await.map_err(at("attach to"))?;
    engine.docker.start_container(container.id(), None::<StartContainerOptions>).await.map_err(at("start"))?;
    Ok(Talking::with(container, attached))
}

async fn hello(guest: &mut Talking) -> Result<Attestation, SandboxLost> {
    match guest.answer("say hello").await? {
        FromGuest::Hello { v: VERSION, attestation } => Ok(attestation),
        FromGuest::Hello { v, .. } => Err(guest.malformed(format!("version {v} of the protocol")).await),
        _ => Err(guest.malformed("something else before `hello`".to_owned()).await),
    }
}

async fn image_id(engine: &Engine, spec: &SandboxSpec) -> Result<String, StartError> {
    match engine.docker.inspect_image(&spec.image).await {
        Ok(image) => Ok(image.id.unwrap_or_else(|| spec.image.clone())),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
            Err(StartError::ImageMissing { image: spec.image.clone() })
        }
        Err(source) => Err(at("find the image of")(source)),
    }
}

/// Docker takes the profile itself, Podman the path of a file with it.
fn seccomp_for(engine: &Engine, spec: &SandboxSpec) -> Result<String, StartError> {
    match (engine.facts().kind, spec.guest.parent()) {
        (EngineKind::Podman | EngineKind::RootlessPodman, Some(dir)) => {
            let path = guest::install_bytes(dir, "seccomp", create::SECCOMP.as_bytes(), 0o444)?;
            Ok(path.display().to_string())
        }
        _ => Ok(create::SECCOMP.to_owned()),
    }
}
