//! One running sandbox: starts it, attests it, talks to it, ends it.

use std::{collections::VecDeque, io, pin::Pin, time::Duration};

use bollard::{
    container::{AttachContainerResults, LogOutput},
    errors::Error,
    query_parameters::{AttachContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions},
};
use doorward_guest::protocol::{Attestation, FromGuest, MAX_LINE, ToGuest, VERSION};
use futures_util::{Stream, StreamExt};
use lines::LineBuffer;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::{
    BundleError, CreateRequest, Engine, EngineKind, Finding, SandboxSpec, accounts, attestation, bundle,
    container::Container, create, guest,
};

/// How long the guest may take for `hello`, and again for `ready`.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long a message to the guest may wait for room in its pipe.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// Lines of the guest's standard error that reach the log, per sandbox.
const MAX_COMPLAINTS: usize = 20;

/// A running sandbox. Dropping it removes its container.
pub struct Sandbox {
    container: Container,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    lines: LineBuffer,
    complaints: VecDeque<String>,
    logged: usize,
    findings: Vec<Finding>,
}

/// The sandbox did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such image.
    #[error("the image {image} is not there. To get it: {how}", how = crate::images::how_to_get(.image))]
    ImageMissing {
        /// Its name in the spec.
        image: String,
    },
    /// The engine refused.
    #[error("the container engine could not {step} the sandbox: {source}")]
    Engine {
        /// At which step.
        step: &'static str,
        /// What it said.
        source: Error,
    },
    /// No engine is listening on the socket.
    #[error(
        "the container engine cannot be reached; it may have been stopped. On most machines `sudo systemctl start \
         docker` starts it, and `doorward doctor` says more"
    )]
    NoEngine,
    /// The engine accepts requests but does not answer.
    #[error(
        "the container engine does not answer (when asked to {step} the sandbox); restart it, or wait until it does"
    )]
    Deaf {
        /// At which step.
        step: &'static str,
    },
    /// The CA bundle could not be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file for the engine could not be written.
    #[error("a file for the sandbox could not be written: {0}")]
    Io(#[from] io::Error),
    /// The sandbox is not what was asked for.
    #[error("the sandbox is not what was asked for, so it was removed: {}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    AttestationFailed {
        /// All differences.
        findings: Vec<Finding>,
    },
    /// The guest ended, or broke the protocol.
    #[error("the sandbox's guest did not start: {0}")]
    Guest(#[from] SandboxLost),
}

/// The sandbox is lost; its container was killed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxLost {
    /// It ended by itself.
    #[error("the sandbox ended{}", if .why.is_empty() { String::new() } else { format!(": {}", .why) })]
    Ended {
        /// The reason, as far as known.
        why: String,
    },
    /// It took too long.
    #[error("the sandbox did not {what} within {} seconds", .patience.as_secs())]
    Silent {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        patience: Duration,
    },
    /// It broke the protocol.
    #[error("the sandbox was ended because it sent {0}")]
    Malformed(String),
    /// The connection to the engine broke.
    #[error("the connection to the sandbox broke: {0}")]
    Connection(String),
}

impl Sandbox {
    /// Creates, starts and attests a sandbox, and starts its agent.
    pub async fn start(engine: &Engine, spec: &SandboxSpec) -> Result<Self, StartError> {
        let mut sandbox = Self::attested(engine, spec, |_| {}).await?;
        if !sandbox.findings.is_empty() {
            let findings = std::mem::take(&mut sandbox.findings);
            sandbox.container.remove().await;
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
        let container = create(engine, spec, request).await?;
        let mut sandbox = Self::attach_and_start(engine, container).await?;
        let attestation = sandbox.hello().await?;
        sandbox.findings = sandbox.attest(engine, spec, &seccomp, &attestation).await?;
        Ok(sandbox)
    }

    async fn with_agent(mut self, spec: &SandboxSpec) -> Result<Self, StartError> {
        self.send(&ToGuest::Start { v: VERSION, agent: spec.agent.clone(), servers: spec.servers.clone() }).await?;
        match self.answer("get ready").await? {
            FromGuest::Ready => Ok(self),
            _ => Err(self.malformed("something else before `ready`".to_owned()).await.into()),
        }
    }

    /// What attestation found: empty unless there is a deliberate hole.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The engine's id of the container.
    pub fn container_id(&self) -> &str {
        self.container.id()
    }

    /// Sends a message to the guest.
    pub async fn send(&mut self, message: &ToGuest) -> Result<(), SandboxLost> {
        let mut line = serde_json::to_vec(message).map_err(|error| SandboxLost::Connection(error.to_string()))?;
        line.push(b'\n');
        if line.len() > MAX_LINE {
            return Err(SandboxLost::Connection(format!("a message of more than {MAX_LINE} bytes was not sent")));
        }
        let write = async {
            self.input.write_all(&line).await?;
            self.input.flush().await
        };
        match timeout(SEND_PATIENCE, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(SandboxLost::Connection(error.to_string())).await),
            Err(_) => Err(self.lost(SandboxLost::Silent { what: "take a message", patience: SEND_PATIENCE }).await),
        }
    }

    /// The guest's next message; `None` once it has ended normally. Cancel-safe: nothing that has
    /// arrived is lost.
    pub async fn next(&mut self) -> Result<Option<FromGuest>, SandboxLost> {
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) => return self.parse(&line).await.map(Some),
                Ok(None) => {}
                Err(too_long) => return Err(self.malformed(too_long.to_string()).await),
            }
            match self.output.next().await {
                Some(Ok(LogOutput::StdErr { message })) => self.complain(&message),
                Some(Ok(output)) => self.lines.push(&output.into_bytes()),
                Some(Err(error)) => return Err(self.lost(SandboxLost::Connection(error.to_string())).await),
                None => return self.ended().await,
            }
        }
    }

    /// Asks the guest to finish, waits for at most `grace`, and removes the container.
    pub async fn stop(mut self, grace: Duration) {
        let finish = async {
            self.send(&ToGuest::Close).await.ok()?;
            while self.next().await.ok()?.is_some() {}
            Some(())
        };
        let _ = timeout(grace, finish).await;
        self.container.remove().await;
    }

    async fn attach_and_start(engine: &Engine, container: Container) -> Result<Self, StartError> {
        // Attached before the start: with log driver `none` earlier output is lost.
        let options = AttachContainerOptionsBuilder::new().stream(true).stdin(true).stdout(true).stderr(true).build();
        let attached = engine.docker.attach_container(container.id(), Some(options)).await;
        let AttachContainerResults { output, input } = attached.map_err(at("attach to"))?;
        engine.docker.start_container(container.id(), None::<StartContainerOptions>).await.map_err(at("start"))?;
        let (lines, complaints) = (LineBuffer::new(MAX_LINE), VecDeque::new());
        Ok(Self { container, input, output, lines, complaints, logged: 0, findings: Vec::new() })
    }

    async fn hello(&mut self) -> Result<Attestation, SandboxLost> {
        match self.answer("say hello").await? {
            FromGuest::Hello { v: VERSION, attestation } => Ok(attestation),
            FromGuest::Hello { v, .. } => Err(self.malformed(format!("version {v} of the protocol")).await),
            _ => Err(self.malformed("something else before `hello`".to_owned()).await),
        }
    }

    // `&mut`, not `&`: the output stream is not `Sync`, and starting must be possible in a task.
    async fn attest(
        &mut self,
        engine: &Engine,
        spec: &SandboxSpec,
        seccomp: &str,
        seen: &Attestation,
    ) -> Result<Vec<Finding>, StartError> {
        let inspect = engine.docker.inspect_container(self.container.id(), None::<InspectContainerOptions>).await;
        Ok(attestation::examine(spec, seccomp, seen, &inspect.map_err(at("inspect"))?))
    }

    async fn answer(&mut self, what: &'static str) -> Result<FromGuest, SandboxLost> {
        match timeout(START_PATIENCE, self.next()).await {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => Err(SandboxLost::Ended { why: format!("before it could {what}") }),
            Ok(Err(lost)) => Err(lost),
            Err(_) => Err(self.lost(SandboxLost::Silent { what, patience: START_PATIENCE }).await),
        }
    }

    async fn parse(&mut self, line: &[u8]) -> Result<FromGuest, SandboxLost> {
        match lines::message(line) {
            Ok(message) => Ok(message),
            // The line comes from an agent and may be private, so it is not repeated.
            Err(error) => Err(self.malformed(error.to_string()).await),
        }
    }

    async fn malformed(&mut self, what: String) -> SandboxLost {
        self.lost(SandboxLost::Malformed(what)).await
    }

    async fn lost(&mut self, why: SandboxLost) -> SandboxLost {
        self.container.remove().await;
        why
    }

    /// The guest's output has ended. Its exit code says whether that was requested.
    async fn ended(&mut self) -> Result<Option<FromGuest>, SandboxLost> {
        let state = self.container.wait().await;
        let (code, killed) = state.unwrap_or((None, false));
        self.container.remove().await;
        if killed {
            return Err(SandboxLost::Ended { why: "it used more memory than its limit".to_owned() });
        }
        if code == Some(0) && self.lines.is_empty() {
            return Ok(None);
        }
        let mut why = Vec::from(std::mem::take(&mut self.complaints));
        if let Some(code) = code.filter(|_| why.is_empty()) {
            why.push(format!("exit code {code}"));
        }
        Err(SandboxLost::Ended { why: why.join("; ") })
    }

    /// Copies the guest's standard error to the log, escaped and bounded, because an agent could
    /// write there as well.
    fn complain(&mut self, bytes: &[u8]) {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.logged += 1;
            if self.logged > MAX_COMPLAINTS {
                return;
            }
            let text = attestation::printable(&String::from_utf8_lossy(line), 500);
            tracing::warn!(sandbox.container = %self.container.id(), guest.says = %text, "the guest complains");
            self.complaints.push_back(text);
            self.complaints.truncate(5);
        }
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

async fn create(engine: &Engine, spec: &SandboxSpec, request: CreateRequest) -> Result<Container, StartError> {
    Container::create(engine, Container::name(spec), request).await.map_err(at("create"))
}

fn at(step: &'static str) -> impl FnOnce(Error) -> StartError {
    move |source| match source {
        // The library's own message is for programmers.
        Error::HyperLegacyError { ref err } if err.is_connect() => StartError::NoEngine,
        Error::RequestTimeoutError => StartError::Deaf { step },
        source => StartError::Engine { step, source },
    }
}
