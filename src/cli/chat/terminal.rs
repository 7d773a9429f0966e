//! A person at a prompt.

use std::path::PathBuf;
use std::process::ExitCode;

use super::super::Failure;
use super::super::show::{self, Screen, Styled, Tone};
use super::MESSAGE_LIMIT;
use super::conversation::Conversation;
use super::editor::Prompt;
use super::growing::Grown;
use crate::channels::protocol::{OutgoingKind, ToChannel};
use crate::store::Group;

/// Talks until the person leaves.
pub(super) async fn talk(
    conversation: &mut Conversation,
    group: &Group,
    agent: &str,
    history: PathBuf,
) -> Result<ExitCode, Failure> {
    show::aside(format!("You are talking to {} ({agent}). /help says how, /quit or Ctrl-D leaves.", group.name));
    let mut prompt = Prompt::open(format!("{}> ", group.name), history).await;
    let (mut told, mut grown) = (true, Grown::default());
    loop {
        tokio::select! {
            line = prompt.next() => {
                let Some(text) = line else { return Ok(ExitCode::SUCCESS) };
                if text.len() > MESSAGE_LIMIT {
                    prompt.show(&"That is too long for one message; put it into a file of the group.".into())?;
                } else {
                    conversation.say(&text).await?;
                    told = false;
                }
            }
            said = conversation.next() => match said? {
                ToChannel::Growing { in_reply_to, text, .. } => {
                    if let Some(lines) = grown.more(&in_reply_to, &text, Screen::stdout()) {
                        prompt.show_laid_out(lines)?;
                    }
                }
                ToChannel::Send(mut out) => {
                    if out.kind == OutgoingKind::Reply && out.in_reply_to.is_some() {
                        out.text = grown.rest_of(&out.text).to_owned();
                    }
                    let kept = conversation.keep(&mut out)?;
                    if let Some(shown) = conversation.shown(&out, kept.as_deref()).filter(|shown| !shown.plain().is_empty()) {
                        prompt.show(&shown)?;
                    }
                    conversation.confirm(out.id).await?;
                }
                ToChannel::Ignored { why, .. } => {
                    prompt.show(&Styled::from(format!("The message was not taken: {why}")))?;
                }
                // Once per message, since it stays on the screen.
                ToChannel::Typing { on: true, .. } if !std::mem::replace(&mut told, true) => {
                    prompt.show(&Tone::Faint.of("…"))?;
                }
                ToChannel::Typing { .. }
                | ToChannel::Welcome { .. }
                | ToChannel::Chats { .. }
                | ToChannel::Accepted { .. } => {}
            },
        }
    }
}
