//! A person at a prompt.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use tokio::sync::mpsc;

use super::super::{Failure, show};
use super::MESSAGE_LIMIT;
use super::conversation::Conversation;
use crate::channels::protocol::ToChannel;
use crate::store::Group;

/// Back to the start of the line, and clear it.
const FRESH_LINE: &str = "\r\x1b[K";

/// What a terminal of Linux gives of a line at most: 4096 with its end (termios(3)).
const TERMINAL_LINE: usize = 4095;

/// Talks until Ctrl-D.
pub(super) async fn talk(conversation: &mut Conversation, group: &Group, agent: &str) -> Result<ExitCode, Failure> {
    show::aside(&format!("You are talking to {} ({}). Ctrl-D leaves.", group.name, agent));
    let prompt = format!("{}> ", group.name);
    let mut typed = typed_lines();
    write(&prompt)?;
    loop {
        tokio::select! {
            line = typed.recv() => {
                let Some(text) = line else {
                    write("\n")?;
                    return Ok(ExitCode::SUCCESS);
                };
                if text.len() >= TERMINAL_LINE {
                    show::aside(&format!(
                        "The terminal takes lines of at most {TERMINAL_LINE} bytes and cut this one, so it was not sent. \
                         Send long ones from a file: doorward chat --group {} < FILE",
                        group.name
                    ));
                } else if text.len() > MESSAGE_LIMIT {
                    show::aside("That is too long for one message; put it into a file of the group.");
                } else if !text.trim().is_empty() {
                    conversation.say(&text).await?;
                }
                write(&prompt)?;
            }
            said = conversation.next() => heard(conversation, said?, &prompt).await?,
        }
    }
}

async fn heard(conversation: &mut Conversation, said: ToChannel, prompt: &str) -> Result<(), Failure> {
    match said {
        ToChannel::Send(out) => {
            write(FRESH_LINE)?;
            conversation.show(&out)?;
            conversation.confirm(out.id).await?;
            write(prompt)?;
        }
        ToChannel::Ignored { why, .. } => {
            write(FRESH_LINE)?;
            show::aside(format!("The message was not taken: {why}"));
            write(prompt)?;
        }
        ToChannel::Typing { on: true, .. } => write(&format!("{FRESH_LINE}… {prompt}"))?,
        ToChannel::Typing { on: false, .. } => write(&format!("{FRESH_LINE}{prompt}"))?,
        ToChannel::Welcome { .. } | ToChannel::Chats { .. } | ToChannel::Accepted { .. } => {}
    }
    Ok(())
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Lines as they are typed. A thread of its own: reading a terminal cannot be
/// cancelled, and must not hold the end of the program up.
fn typed_lines() -> mpsc::Receiver<String> {
    let (to, typed) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if to.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}
