//! Runs an owner's command in a live sandbox: `doorward exec`, and the drill.

use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults},
};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::Engine;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Exec<'a> {
    /// The command and its arguments.
    pub argv: &'a [String],
    /// The size of the terminal inside, if there is one; the caller's own must be in raw mode.
    pub terminal: Option<TerminalSize>,
}

/// In characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// The command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The sandbox is not there, or the engine refused.
    #[error("the command could not be run in the sandbox: {0}")]
    Engine(#[from] Error),
    /// Its output could not be passed on.
    #[error("the command's output could not be written: {0}")]
    Output(std::io::Error),
}

impl Engine {
    /// Runs a command in a sandbox until it ends, and returns its exit code. It runs as the
    /// sandbox's user, under the same seccomp profile, in the same environment.
    ///
    /// It always has its own input, even if empty: without one, the engine opens the machine's
    /// `/dev/null`, a file that every sandbox could lock.
    pub async fn exec<I, O, E>(
        &self,
        container: &str,
        exec: Exec<'_>,
        stdin: I,
        mut stdout: O,
        mut stderr: E,
    ) -> Result<i64, ExecError>
    where
        I: AsyncRead + Send + Unpin + 'static,
        O: AsyncWrite + Unpin,
        E: AsyncWrite + Unpin,
    {
        let id = self.create_exec(container, &exec).await?;
        let options =
            StartExecOptions { detach: false, tty: exec.terminal.is_some(), output_capacity: Some(64 * 1024) };
        let StartExecResults::Attached { mut output, input } = self.docker.start_exec(&id, Some(options)).await? else {
            return Err(Error::DockerStreamError { error: "the engine did not attach".to_owned() }.into());
        };
        if let Some(size) = exec.terminal {
            let _ = self.docker.resize_exec(&id, ResizeExecOptions { height: size.rows, width: size.columns }).await;
        }
        // Stopped with the command: otherwise reading a terminal would wait for another key.
        let _feed = Feed(tokio::spawn(feed(stdin, input)));
        while let Some(chunk) = output.next().await {
            let written = match chunk? {
                LogOutput::StdErr { message } => hand_on(&mut stderr, &message).await,
                other => hand_on(&mut stdout, &other.into_bytes()).await,
            };
            written.map_err(ExecError::Output)?;
        }
        Ok(self.docker.inspect_exec(&id).await?.exit_code.unwrap_or(-1))
    }

    async fn create_exec(&self, container: &str, exec: &Exec<'_>) -> Result<String, Error> {
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(exec.terminal.is_some()),
            cmd: Some(exec.argv.to_vec()),
            // The engine's detach keys must not swallow what the owner types.
            detach_keys: Some("ctrl-^,ctrl-^,ctrl-^".to_owned()),
            ..Default::default()
        };
        Ok(self.docker.create_exec(container, options).await?.id)
    }
}

async fn hand_on(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

async fn feed(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
    // The command sees the end of its input.
    let _ = to.shutdown().await;
}

struct Feed(tokio::task::JoinHandle<()>);

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.abort();
    }
}
