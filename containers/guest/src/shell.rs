//! The `shell` agent: no model; the message is a command for `sh`, its output the reply. Standard
//! output and error share one pipe, in the order written.
//!
//! A command that is too long for an argument (Linux allows 131,071 bytes, `MAX_ARG_STRLEN`) is
//! passed as a file.

use std::{
    collections::VecDeque,
    fs, io,
    io::{PipeReader, Write},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitStatus, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    sync::{mpsc, oneshot},
};

use crate::{
    agents::{self, Daemon, MAX_OPEN, WORKSPACE},
    pipes,
    protocol::{FromGuest, ToGuest},
    reaper::Reaper,
};

/// How much of a command's output becomes the reply.
pub const MAX_OUTPUT: usize = 256 * 1024;

/// The longest command that is passed as an argument.
const MOST_ARGUMENT: usize = 100 << 10;

/// How long a command beside the agent may take.
const LONGEST_CHECK: Duration = Duration::from_secs(60);

/// The shortest interval between signs of life to the daemon.
const SIGNS: Duration = Duration::from_secs(10);

/// Why a command was not run, and whether a retry may succeed.
struct NotRun {
    why: String,
    fatal: bool,
    retry: bool,
}

/// A turn in progress: what to fire to interrupt it, and its end.
struct Turn {
    interrupt: Option<oneshot::Sender<()>>,
    over: oneshot::Receiver<()>,
}

/// One command after the other, in the order of the prompts, until the daemon closes.
pub async fn drive(reaper: Rc<Reaper>, mut daemon: Daemon) -> Result<(), String> {
    let mut queue: VecDeque<(u64, String)> = VecDeque::new();
    let mut turn: Option<Turn> = None;
    loop {
        if turn.is_none()
            && let Some((id, text)) = queue.pop_front()
        {
            turn = Some(begin(Rc::clone(&reaper), id, text, daemon.say.clone()));
        }
        tokio::select! {
            message = daemon.next() => match message? {
                None | Some(ToGuest::Close) => return Ok(()),
                Some(ToGuest::Prompt { id, text } | ToGuest::FollowUp { id, text }) => {
                    if queue.len() >= MAX_OPEN {
                        return Err(format!("more than {MAX_OPEN} prompts are waiting"));
                    }
                    queue.push_back((id, text));
                }
                Some(ToGuest::Check { id, command }) => begin_check(&reaper, id, command, daemon.say.clone()),
                Some(ToGuest::Interrupt) => {
                    if let Some(fire) = turn.as_mut().and_then(|turn| turn.interrupt.take()) {
                        let _ = fire.send(());
                    }
                }
                Some(ToGuest::Start { .. }) => return Err("the daemon said `start` twice".to_owned()),
            },
            () = end_of(&mut turn) => turn = None,
        }
    }
}

async fn end_of(turn: &mut Option<Turn>) {
    match turn {
        Some(turn) => {
            let _ = (&mut turn.over).await;
        }
        None => std::future::pending().await,
    }
}

fn begin(reaper: Rc<Reaper>, id: u64, text: String, say: mpsc::Sender<FromGuest>) -> Turn {
    let (interrupt, interrupted) = oneshot::channel();
    let (finish, over) = oneshot::channel();
    tokio::task::spawn_local(async move {
        let last = match run(&reaper, id, &text, interrupted, &say).await {
            Ok(text) => {
                let _ = say.send(FromGuest::Text { id, text }).await;
                FromGuest::Done { id, with: None }
            }
            Err(NotRun { why, fatal, retry }) => FromGuest::Error { id, message: why, fatal, retry, another: false },
        };
        let _ = say.send(last).await;
        let _ = finish.send(());
    });
    Turn { interrupt: Some(interrupt), over }
}

/// Runs a command beside the agent, and reports the result.
pub fn begin_check(reaper: &Reaper, id: u64, command: String, say: mpsc::Sender<FromGuest>) {
    let (reaper, (interrupt, interrupted)) = (reaper.clone(), oneshot::channel());
    tokio::task::spawn_local(async move {
        let end = tokio::task::spawn_local(async move {
            tokio::time::sleep(LONGEST_CHECK).await;
            let _ = interrupt.send(());
        });
        let ran = run_to_end(&reaper, id, &command, interrupted, &say).await;
        end.abort();
        let (output, failed) = match ran {
            Ok(ran) if ran.interrupted => {
                (ran.output.reply(None), Some(format!("it took longer than {} s", LONGEST_CHECK.as_secs())))
            }
            Ok(ran) => (ran.output.written(), ending(ran.status, false)),
            Err(NotRun { why, .. }) => (String::new(), Some(why)),
        };
        let _ = say.send(FromGuest::Checked { id, output, failed }).await;
    });
}

/// A command that has ended.
struct Ran {
    output: Output,
    status: Option<WaitStatus>,
    interrupted: bool,
}

/// Runs one command until it ends or `interrupt` fires, and returns the reply.
async fn run(
    reaper: &Reaper,
    id: u64,
    command: &str,
    interrupt: oneshot::Receiver<()>,
    say: &mpsc::Sender<FromGuest>,
) -> Result<String, NotRun> {
    let Ran { output, status, interrupted } = run_to_end(reaper, id, command, interrupt, say).await?;
    Ok(output.reply(ending(status, interrupted)))
}

async fn run_to_end(
    reaper: &Reaper,
    id: u64,
    command: &str,
    interrupt: oneshot::Receiver<()>,
    say: &mpsc::Sender<FromGuest>,
) -> Result<Ran, NotRun> {
    let Started { reader, mut exit, group, file: _file } = start(reaper, command)?;
    let mut output = Output::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut reader = pipes::receiver(reader).map_err(|error| not_started(&error))?;
    let mut sign = Instant::now();
    let (mut interrupt, mut interrupted, mut open) = (Some(interrupt), false, true);
    let status = loop {
        tokio::select! {
            status = &mut exit => break status.ok(),
            read = reader.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(count) => {
                    output.add(&buffer[..count]);
                    if sign.elapsed() >= SIGNS {
                        sign = Instant::now();
                        let _ = say.try_send(FromGuest::Progress { id, what: "writes".to_owned() });
                    }
                }
            },
            () = fired(&mut interrupt) => {
                interrupted = true;
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
    };
    // Everything written before the exit is already in the pipe; a process left running in the
    // background may hold it open for ever, so this waits for nothing more.
    while open && let Ok(count @ 1..) = reader.try_read(&mut buffer) {
        output.add(&buffer[..count]);
    }
    if open {
        tokio::task::spawn_local(discard(reader, buffer));
    }
    Ok(Ran { output, status, interrupted })
}

/// A running command.
struct Started {
    reader: PipeReader,
    exit: oneshot::Receiver<WaitStatus>,
    group: Pid,
    /// The file it is read from, if it is not an argument; kept until it has ended.
    file: Option<CommandFile>,
}

fn start(reaper: &Reaper, command: &str) -> Result<Started, NotRun> {
    if command.contains('\0') {
        let why = "a command cannot hold a NUL character (U+0000), which ends a text for the shell; leave it out, or \
                   write it as '\\0' for printf";
        return Err(NotRun { why: why.to_owned(), fatal: false, retry: false });
    }
    if agents::folder_is_gone() {
        return Err(NotRun { why: agents::FOLDER_GONE.to_owned(), fatal: true, retry: true });
    }
    spawn(reaper, command).map_err(|error| not_started(&error))
}

fn not_started(error: &io::Error) -> NotRun {
    use io::ErrorKind::{OutOfMemory, ResourceBusy, StorageFull, WouldBlock};
    let retry = matches!(error.kind(), OutOfMemory | ResourceBusy | StorageFull | WouldBlock);
    NotRun { why: format!("the command could not be started: {error}"), fatal: false, retry }
}

fn spawn(reaper: &Reaper, command: &str) -> io::Result<Started> {
    let (reader, writer) = io::pipe()?;
    let file = (command.len() > MOST_ARGUMENT).then(|| CommandFile::with(command)).transpose()?;
    let mut shell = Command::new("/bin/sh");
    match &file {
        Some(CommandFile(path)) => shell.arg(path),
        None => shell.args(["-c", command]),
    };
    let child = shell
        .current_dir(WORKSPACE)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    let exit = reaper.exit_of(child.id());
    let group = Pid::from_raw(child.id() as i32).ok_or(io::ErrorKind::Other)?;
    Ok(Started { reader, exit, group, file })
}

/// A file with a command, deleted when the command has ended.
struct CommandFile(PathBuf);

impl CommandFile {
    fn with(command: &str) -> io::Result<Self> {
        let name = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
        let file = CommandFile(PathBuf::from(format!("/tmp/command-{}", name.trim())));
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file.0)?.write_all(command.as_bytes())?;
        Ok(file)
    }
}

impl Drop for CommandFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Completes once, when the interrupt comes; never if its sender is dropped.
async fn fired(interrupt: &mut Option<oneshot::Receiver<()>>) {
    if let Some(receiver) = interrupt
        && receiver.await.is_ok()
    {
        *interrupt = None;
        return;
    }
    *interrupt = None;
    std::future::pending().await
}

/// Keeps a background process from being blocked by a pipe without a reader.
async fn discard(mut reader: pipe::Receiver, mut buffer: Vec<u8>) {
    while let Ok(1..) = reader.read(&mut buffer).await {}
}

fn ending(status: Option<WaitStatus>, interrupted: bool) -> Option<String> {
    if interrupted {
        return Some("(interrupted)".to_owned());
    }
    let status = status?;
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("(exit code {code})")),
        (None, Some(signal)) => Some(format!("(ended by signal {signal})")),
        (None, None) => None,
    }
}

/// The first [`MAX_OUTPUT`] bytes of a command's output, and how many more there were.
#[derive(Default)]
struct Output {
    kept: Vec<u8>,
    dropped: usize,
}

impl Output {
    fn add(&mut self, bytes: &[u8]) {
        let room = (MAX_OUTPUT - self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.dropped += bytes.len() - room;
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }

    fn reply(&self, ending: Option<String>) -> String {
        let mut text = self.written();
        let note = (self.dropped > 0).then(|| format!("(cut here: {} more bytes)", self.dropped));
        for line in note.into_iter().chain(ending) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&line);
        }
        if text.is_empty() { "(no output)".to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_how_it_ended_and_what_is_missing() {
        assert_eq!(Output::default().reply(None), "(no output)");
        assert_eq!(Output::default().reply(Some("(exit code 7)".into())), "(exit code 7)");
        let mut output = Output::default();
        output.add(b"a\xffb");
        assert_eq!(output.reply(Some("(exit code 1)".into())), "a\u{fffd}b\n(exit code 1)");
        output.add(&vec![b'x'; MAX_OUTPUT]);
        let reply = output.reply(None);
        assert!(reply.ends_with("x\n(cut here: 3 more bytes)"), "{}", &reply[reply.len() - 40..]);
    }
}
