//! The `shell` agent: no model; the message is a command for `sh`, its output the
//! reply. Standard output and error come through one pipe, in the order written.

use std::{
    io::PipeReader,
    os::fd::OwnedFd,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, WaitStatus, kill_process_group};
use tokio::{io::AsyncReadExt, net::unix::pipe, sync::oneshot};

use crate::reaper::Reaper;

/// Where a command runs.
pub const WORKSPACE: &str = "/workspace/group";

/// How much of a command's output becomes the reply.
pub const MAX_OUTPUT: usize = 256 * 1024;

/// Runs one command to its end, or until `interrupt` fires, and gives the reply.
pub async fn run(reaper: &Reaper, command: &str, interrupt: oneshot::Receiver<()>) -> Result<String, String> {
    let (reader, mut exit, group) =
        start(reaper, command).map_err(|error| format!("the command could not be started: {error}"))?;
    let mut output = Output::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut reader = receiver(reader).map_err(|error| format!("the command's output cannot be read: {error}"))?;
    let (mut interrupt, mut interrupted, mut open) = (Some(interrupt), false, true);
    let status = loop {
        tokio::select! {
            status = &mut exit => break status.ok(),
            read = reader.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(count) => output.add(&buffer[..count]),
            },
            () = fired(&mut interrupt) => {
                interrupted = true;
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
    };
    // What was written before the exit is in the pipe already; a process that was left
    // running in the background may hold it open for ever, so wait for nothing more.
    while open && let Ok(count @ 1..) = reader.try_read(&mut buffer) {
        output.add(&buffer[..count]);
    }
    if open {
        tokio::task::spawn_local(discard(reader, buffer));
    }
    Ok(output.reply(ending(status, interrupted)))
}

fn start(reaper: &Reaper, command: &str) -> std::io::Result<(PipeReader, oneshot::Receiver<WaitStatus>, Pid)> {
    let (reader, writer) = std::io::pipe()?;
    let child = Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(WORKSPACE)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    let exit = reaper.exit_of(child.id());
    let group = Pid::from_raw(child.id() as i32).ok_or(std::io::ErrorKind::Other)?;
    Ok((reader, exit, group))
}

fn receiver(reader: PipeReader) -> std::io::Result<pipe::Receiver> {
    let descriptor = OwnedFd::from(reader);
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    pipe::Receiver::from_owned_fd(descriptor)
}

/// Completes once, when the interrupt comes; never if its sender goes away.
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

/// Keeps a background process from being stopped by a pipe that nobody reads.
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

    fn reply(&self, ending: Option<String>) -> String {
        let mut text = String::from_utf8_lossy(&self.kept).into_owned();
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
