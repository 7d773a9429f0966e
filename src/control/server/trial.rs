//! A test question to a group's agent, in a sandbox of its own.

use std::sync::Arc;
use std::time::Duration;

use containers::protocol::{FromGuest, ToGuest};

use super::{Control, until_stopped};
use crate::control::protocol::Answer;
use crate::sandboxes::LiveSandbox;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// The prompt's id between daemon and guest.
const PROMPT: u64 = 1;

const QUESTION: &str = "<message sender=\"Doorward\">Your owner has just set you up. Say in one short sentence that you are here.</message>";

impl Control {
    /// Returns its answer. It is no message in the chat, and nothing of it is stored.
    pub(super) async fn try_agent(&self, group: &str) -> Answer {
        self.tried(group).await.map_or_else(Answer::Error, |answer| Answer::AgentTried { answer })
    }

    async fn tried(&self, group: &str) -> Result<String, String> {
        let group = self.group(group)?.name;
        let mut stops = self.stops.subscribe();
        let _held = self.held.take(&group).map_err(|why| why.to_string())?;
        // A separate task: a start is never dropped half-way.
        let (sandboxes, name) = (Arc::clone(&self.sandboxes), group.clone());
        let started = tokio::spawn(async move { sandboxes.start(&name, 0, None).await }).await;
        let mut sandbox = started.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let answered = tokio::select! {
            answered = first_answer(&mut sandbox) => answered,
            () = until_stopped(&group, &mut stops) => Err(format!("the group {group} was stopped")),
            () = tokio::time::sleep(PATIENCE) => Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
        };
        sandbox.stop().await;
        answered
    }
}

async fn first_answer(sandbox: &mut LiveSandbox) -> Result<String, String> {
    let lost = |lost: containers::SandboxLost| lost.to_string();
    sandbox.send(&ToGuest::Prompt { id: PROMPT, text: QUESTION.to_owned() }).await.map_err(lost)?;
    let mut answer = String::new();
    while let Some(said) = sandbox.next().await.map_err(lost)? {
        match said {
            FromGuest::Text { id: PROMPT, text } => answer.push_str(&text),
            FromGuest::Done { id: PROMPT, .. } => return Ok(answer),
            FromGuest::Error { message, .. } => return Err(message),
            _ => {}
        }
    }
    Err("its sandbox has ended".to_owned())
}
