//! The process of an agent that communicates in lines: its start, lines in, lines out, its end.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

use lines::{LineBuffer, LineTooLong};
use rustix::process::{Pid, Signal, WaitStatus, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{agents::WORKSPACE, pipes, reaper::Reaper};

/// A picture that a tool reads is in one line.
const MAX_LINE: usize = 32 << 20;

/// As much of its standard error as fits into an error message.
const MAX_ERRORS: usize = 2 << 10;

/// How long it may take to finish when the session is closed.
const GRACE: Duration = Duration::from_millis(700);

/// An event of the process.
pub(crate) enum Heard {
    Line(Vec<u8>),
    TooLong(LineTooLong),
    /// How, in a few words.
    Ended(String),
}

/// The process.
pub(crate) struct Process {
    input: Option<mpsc::UnboundedSender<Vec<u8>>>,
    output: pipe::Receiver,
    errors: pipe::Receiver,
    exit: oneshot::Receiver<WaitStatus>,
    group: Pid,
    lines: LineBuffer,
    said: Vec<u8>,
    status: Option<Option<WaitStatus>>,
    output_open: bool,
    errors_open: bool,
    chunk: Vec<u8>,
    other: Vec<u8>,
}

impl Process {
    /// Starts it with its own pipes, in its own process group.
    pub(crate) fn start(reaper: &Reaper, mut command: Command) -> io::Result<Self> {
        let ((stdin, input), (output, stdout), (errors, stderr)) = (io::pipe()?, io::pipe()?, io::pipe()?);
        command
            .current_dir(WORKSPACE)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .process_group(0);
        let child = command.spawn()?;
        let exit = reaper.exit_of(child.id());
        let group = Pid::from_raw(child.id() as i32).ok_or(io::ErrorKind::Other)?;
        Ok(Self {
            input: Some(writer(pipes::sender(input)?)),
            output: pipes::receiver(output)?,
            errors: pipes::receiver(errors)?,
            exit,
            group,
            lines: LineBuffer::new(MAX_LINE),
            said: Vec::new(),
            status: None,
            output_open: true,
            errors_open: true,
            chunk: vec![0; 64 * 1024],
            other: vec![0; 4 * 1024],
        })
    }

    /// Writes a line. Its arrival shows in the output.
    pub(crate) fn write(&self, message: &serde_json::Value) {
        let line = format!("{message}\n").into_bytes();
        let _ = self.input.as_ref().map(|input| input.send(line));
    }

    /// The next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) => return Heard::Line(line),
                Err(too_long) => return Heard::TooLong(too_long),
                Ok(None) => {}
            }
            if let Some(status) = self.status {
                if let Some(line) = self.lines.last_line() {
                    return Heard::Line(line);
                }
                return Heard::Ended(ending(status, &self.said));
            }
            tokio::select! {
                read = self.output.read(&mut self.chunk), if self.output_open => match read {
                    Ok(count @ 1..) => self.lines.push(&self.chunk[..count]),
                    // It neither reads nor writes, so it is of no use.
                    _ => {
                        self.output_open = false;
                        let _ = kill_process_group(self.group, Signal::KILL);
                    }
                },
                read = self.errors.read(&mut self.other), if self.errors_open => match read {
                    Ok(count @ 1..) => remember(&mut self.said, &self.other[..count]),
                    _ => self.errors_open = false,
                },
                status = &mut self.exit => {
                    self.status = Some(status.ok());
                    self.drain();
                }
            }
        }
    }

    /// Everything written before the end is already in the pipes.
    fn drain(&mut self) {
        while let Ok(count @ 1..) = self.output.try_read(&mut self.chunk) {
            self.lines.push(&self.chunk[..count]);
        }
        while let Ok(count @ 1..) = self.errors.try_read(&mut self.other) {
            remember(&mut self.said, &self.other[..count]);
        }
    }

    pub(crate) fn kill(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    /// Kills it, and waits until it writes no more.
    pub(crate) async fn end(&mut self) {
        self.kill();
        let _ =
            timeout(GRACE, async { while !matches!(self.next().await, Heard::Ended(_) | Heard::TooLong(_)) {} }).await;
    }

    /// Nothing more will be sent: it may save its session.
    pub(crate) async fn finish(&mut self) {
        self.input = None;
        let _ = timeout(GRACE, async { while !matches!(self.next().await, Heard::Ended(_)) {} }).await;
    }
}

/// A process that does not read must not keep the guest from reading the daemon.
fn writer(mut pipe: pipe::Sender) -> mpsc::UnboundedSender<Vec<u8>> {
    let (say, mut said) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::task::spawn_local(async move {
        while let Some(line) = said.recv().await {
            if pipe.write_all(&line).await.is_err() {
                return;
            }
        }
    });
    say
}

fn remember(said: &mut Vec<u8>, bytes: &[u8]) {
    said.extend_from_slice(bytes);
    let surplus = said.len().saturating_sub(MAX_ERRORS);
    said.drain(..surplus);
}

fn ending(status: Option<WaitStatus>, said: &[u8]) -> String {
    let how = match status.map(|status| (status.exit_status(), status.terminating_signal())) {
        Some((Some(code), _)) => format!("exit code {code}"),
        Some((None, Some(signal))) => format!("signal {signal}"),
        _ => "it is not known how".to_owned(),
    };
    match String::from_utf8_lossy(said).trim() {
        "" => how,
        said => format!("{how}; it said: {said}"),
    }
}
