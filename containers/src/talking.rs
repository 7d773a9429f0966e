//! Talks with the guest of a sandbox: what is said to it, what it says, and the end of both.
//!
//! What it is not: the way to a sandbox. It is given the streams of a container that has been started, and removes the
//! container when they break.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use bollard::{
    container::{AttachContainerResults, LogOutput},
    errors::Error,
};
use doorward_guest::protocol::{FromGuest, MAX_LINE, ToGuest};
use futures_util::{Stream, StreamExt};
use lines::LineBuffer;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::{SandboxLost, attestation, container::Container};

/// How long the guest may take for `hello`, and again for `ready`.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long a message to the guest may wait for room in its pipe.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// Lines of the guest's standard error that reach the log, per sandbox.
const MAX_COMPLAINTS: usize = 20;

/// The streams of a container's guest. Dropping them removes the container.
pub(crate) struct Talking {
    container: Container,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    lines: LineBuffer,
    complaints: VecDeque<String>,
    logged: usize,
}

impl Talking {
    /// With the guest of this container.
    pub(crate) fn with(container: Container, attached: AttachContainerResults) -> Self {
        let AttachContainerResults { output, input } = attached;
        let (lines, complaints) = (LineBuffer::new(MAX_LINE), VecDeque::new());
        Talking { container, input, output, lines, complaints, logged: 0 }
    }

    /// The engine's id of the container.
    pub(crate) fn container_id(&self) -> &str {
        self.container.id()
    }

    /// Sends a message to the guest.
    pub(crate) async fn send(&mut self, message: &ToGuest) -> Result<(), SandboxLost> {
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
    pub(crate) async fn next(&mut self) -> Result<Option<FromGuest>, SandboxLost> {
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
    pub(crate) async fn stop(mut self, grace: Duration) {
        let finish = async {
            self.send(&ToGuest::Close).await.ok()?;
            while self.next().await.ok()?.is_some() {}
            Some(())
        };
        let _ = timeout(grace, finish).await;
        self.container.remove().await;
    }

    /// Removes the container.
    pub(crate) async fn remove(&mut self) {
        self.container.remove().await;
    }

    /// The guest's next message, which it owes us.
    pub(crate) async fn answer(&mut self, what: &'static str) -> Result<FromGuest, SandboxLost> {
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

    /// Ends it for breaking the protocol.
    pub(crate) async fn malformed(&mut self, what: String) -> SandboxLost {
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
