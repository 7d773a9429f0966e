//! The process of Claude Code: what it is started with, lines in, lines out, its end.

use std::{
    fs, io,
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

use crate::{
    agents::{GLOBAL, WORKSPACE},
    claude::history,
    pipes,
    reaper::Reaper,
};

/// A picture that a tool reads stands in one line.
const MAX_LINE: usize = 32 << 20;

/// As much of its standard error as an error message can hold.
const MAX_ERRORS: usize = 2 << 10;

/// How long it may take to finish when the session is closed.
const GRACE: Duration = Duration::from_millis(700);

/// What it is told about where it is.
const SYSTEM_PROMPT: &str = include_str!("system-prompt.md");

const MCP: &str = r#"{"mcpServers":{"doorward":{"type":"http","url":"http://doorward.internal/mcp"}}}"#;

/// Its own check of a page's host asks Anthropic about every page; the door decides here. Before it sums a conversation up,
/// what was said is written down (`archive.rs`).
const SETTINGS: &str = r#"{"skipWebFetchPreflight":true,"hooks":{"PreCompact":[{"hooks":[{"type":"command","command":"/opt/doorward/guest archive"}]}]}}"#;

/// They promise something for later, which ends with the sandbox, or are for terminals.
const NO_TOOLS: &str = "CronCreate,CronDelete,CronList,ScheduleWakeup,Monitor,Workflow,EnterWorktree,ExitWorktree,\
                        ListAgents,SendMessage,ReportFindings";

/// Nothing goes to Anthropic but the conversation, and a turn ends when its work does.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("DISABLE_BUG_COMMAND", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_INSTALLATION_CHECKS", "1"),
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    ("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "1"),
    // About half a minute; of an overloaded model it takes three. Then the chat is told.
    ("CLAUDE_CODE_MAX_RETRIES", "6"),
];

/// What came out of it.
pub(super) enum Heard {
    Line(Vec<u8>),
    TooLong(LineTooLong),
    /// How, in a few words.
    Ended(String),
}

pub(super) struct Process {
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
    pub(super) fn start(reaper: &Reaper, model: Option<&str>, resume: Option<&str>) -> Result<Self, String> {
        Self::spawn(reaper, model, resume).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no `claude` in this image; `doorward image build claude` makes one \
                                        that has it"
                .to_owned(),
            _ => format!("Claude Code could not be started: {error}"),
        })
    }

    fn spawn(reaper: &Reaper, model: Option<&str>, resume: Option<&str>) -> io::Result<Self> {
        let ((stdin, input), (output, stdout), (errors, stderr)) = (io::pipe()?, io::pipe()?, io::pipe()?);
        let mut command = Command::new("claude");
        command
            .args(["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"])
            .args(["--dangerously-skip-permissions", "--disallowedTools", NO_TOOLS])
            .args(["--settings", SETTINGS, "--mcp-config", MCP, "--strict-mcp-config"])
            .args(["--append-system-prompt", SYSTEM_PROMPT, "--add-dir", GLOBAL])
            .args(model.map(|model| ["--model", model]).into_iter().flatten())
            .args(resume.map(|session| ["--resume", session]).into_iter().flatten())
            .envs(ENVIRONMENT)
            .env("CLAUDE_CONFIG_DIR", history::config_dir())
            .current_dir(WORKSPACE)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .process_group(0);
        if rustix::process::getuid().is_root() {
            command.env("IS_SANDBOX", "1");
        }
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

    /// A prompt. Whether it arrives shows in what is heard.
    pub(super) fn say(&self, uuid: &str, text: &str) {
        let content = serde_json::json!([{ "type": "text", "text": text }]);
        let message = serde_json::json!({ "role": "user", "content": content });
        self.write(&serde_json::json!({ "type": "user", "uuid": uuid, "message": message }));
    }

    /// Breaks the turn off that is under way.
    pub(super) fn interrupt(&self) {
        let request = serde_json::json!({ "subtype": "interrupt" });
        self.write(&serde_json::json!({ "type": "control_request", "request_id": "interrupt", "request": request }));
    }

    fn write(&self, message: &serde_json::Value) {
        let line = format!("{message}\n").into_bytes();
        let _ = self.input.as_ref().map(|input| input.send(line));
    }

    /// What it says next. Safe to drop half-way.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) => return Heard::Line(line),
                Err(too_long) => return Heard::TooLong(too_long),
                Ok(None) => {}
            }
            if let Some(status) = self.status {
                return Heard::Ended(ending(status, &self.said));
            }
            tokio::select! {
                read = self.output.read(&mut self.chunk), if self.output_open => match read {
                    Ok(count @ 1..) => self.lines.push(&self.chunk[..count]),
                    // Deaf and dumb, it is of no use.
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

    /// What was written before the end is in the pipes already.
    fn drain(&mut self) {
        while let Ok(count @ 1..) = self.output.try_read(&mut self.chunk) {
            self.lines.push(&self.chunk[..count]);
        }
        while let Ok(count @ 1..) = self.errors.try_read(&mut self.other) {
            remember(&mut self.said, &self.other[..count]);
        }
    }

    pub(super) fn kill(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    /// Kills it, and waits until it writes nothing any more.
    pub(super) async fn end(&mut self) {
        self.kill();
        let _ =
            timeout(GRACE, async { while !matches!(self.next().await, Heard::Ended(_) | Heard::TooLong(_)) {} }).await;
    }

    /// Nothing more will be said: it may put its session away.
    pub(super) async fn finish(&mut self) {
        self.input = None;
        let _ = timeout(GRACE, async { while !matches!(self.next().await, Heard::Ended(_)) {} }).await;
    }
}

/// A name for one prompt that no other has, in this session or an earlier one.
pub(super) fn new_uuid() -> Result<String, String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid");
    uuid.map(|uuid| uuid.trim().to_owned()).map_err(|error| format!("the kernel gives no random numbers: {error}"))
}

/// A process that does not read must not keep the guest from listening to the daemon.
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
