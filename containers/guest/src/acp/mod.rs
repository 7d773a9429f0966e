//! Any agent that speaks the Agent Client Protocol, version 1 (agentclientprotocol.com): JSON-RPC, one message per
//! line, over its standard input and output.
//!
//! Inside the sandbox the agent may do whatever it likes, so all its permission requests are granted: the door is
//! the limit. The client offers it neither files nor terminals, because it has the sandbox's own.
//!
//! What it is not: a guard. Nor does it use the protocol's crate: of its 200 messages eight are needed, and its
//! types would double the guest's build time.

mod answer;
mod talk;
mod wire;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use answer::Answer;
use talk::{Event, Talk};
use wire::Trouble;

use crate::{
    agents::{self, Daemon, MAX_OPEN, SYSTEM_PROMPT, complain},
    failure::{self, Failure, Refused},
    protocol::{Forgotten, FromGuest, McpServer, Program, ToGuest},
    reaper::Reaper,
    shell,
};

/// The shortest interval between signs of life to the daemon.
const SIGNS: Duration = Duration::from_secs(10);

/// Drives the agent until the daemon closes the session or the agent has ended.
pub async fn drive(
    reaper: &Reaper,
    daemon: Daemon,
    (program, servers): (Program, &[McpServer]),
    model: Option<String>,
    resume: Option<String>,
) -> Result<(), String> {
    let name = program.name.clone();
    // Another agent's conversation cannot be resumed by this one.
    let resume = resume.and_then(|session| session.strip_prefix(&prefix(&name)).map(str::to_owned));
    let talk = match Talk::start(reaper, &program, servers) {
        Ok(talk) => talk,
        // A retry would not find it either.
        Err(why) => return refuse(daemon, why, false).await,
    };
    let mut driver = Driver {
        reaper,
        talk,
        name,
        daemon,
        model,
        fresh: true,
        lost: false,
        waiting: VecDeque::new(),
        turn: None,
        sign: None,
    };
    if let Err(trouble) = driver.begin(resume).await {
        driver.talk.kill();
        let why = format!("{} could not begin a conversation: {trouble}", driver.name);
        return refuse(driver.daemon, why, true).await;
    }
    driver.serve().await
}

struct Driver<'a> {
    reaper: &'a Reaper,
    talk: Talk,
    name: String,
    daemon: Daemon,
    model: Option<String>,
    /// The conversation has not had a prompt yet.
    fresh: bool,
    /// The conversation to resume was not there, and this has not been reported.
    lost: bool,
    waiting: VecDeque<(u64, String)>,
    turn: Option<Turn>,
    /// When the daemon last got a sign of life.
    sign: Option<Instant>,
}

/// A prompt that is being answered.
struct Turn {
    /// The request to the agent.
    call: u64,
    /// The daemon's prompts in it; never empty.
    prompts: Vec<u64>,
    answer: Answer,
}

impl Turn {
    fn last(&self) -> u64 {
        self.prompts.last().copied().unwrap_or_default()
    }
}

impl Driver<'_> {
    /// Initialises the agent, and resumes a conversation or starts one.
    async fn begin(&mut self, resume: Option<String>) -> Result<(), Trouble> {
        self.talk.initialize().await?;
        if let Some(session) = resume {
            match self.talk.resume(&session).await {
                Ok(()) => self.fresh = false,
                Err(Trouble::Refused(why)) => {
                    complain(&format!("the conversation to resume is not there any more ({why}); a new one begins"));
                    self.lost = true;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        if self.fresh { self.begin_anew().await } else { self.talk.set_model(self.model.as_deref()).await }
    }

    async fn begin_anew(&mut self) -> Result<(), Trouble> {
        self.fresh = true;
        let session = self.talk.open().await?;
        self.talk.set_model(self.model.as_deref()).await?;
        let session = Some(prefix(&self.name) + &session);
        self.daemon.tell(FromGuest::Session { session }).await.map_err(Trouble::Ended)
    }

    async fn serve(&mut self) -> Result<(), String> {
        loop {
            if self.turn.is_none() && !self.waiting.is_empty() {
                self.next_turn().await?;
            }
            tokio::select! {
                message = self.daemon.next() => match message? {
                    None => return Ok(()),
                    Some(ToGuest::Close) => {
                        self.talk.finish().await;
                        return Ok(());
                    }
                    Some(ToGuest::Prompt { id, text } | ToGuest::FollowUp { id, text }) => {
                        if self.waiting.len() >= MAX_OPEN {
                            return Err(format!("more than {MAX_OPEN} prompts are waiting"));
                        }
                        self.waiting.push_back((id, text));
                        if agents::folder_is_gone() {
                            return self.give_up(agents::FOLDER_GONE.to_owned()).await;
                        }
                    }
                    Some(ToGuest::Check { id, command }) => {
                        shell::begin_check(self.reaper, id, command, self.daemon.say.clone());
                    }
                    Some(ToGuest::Interrupt) => if self.turn.is_some() { self.talk.cancel() },
                    Some(ToGuest::Start { .. }) => return Err("the daemon said `start` twice".to_owned()),
                },
                event = self.talk.next() => match event {
                    Ok(event) => self.heard(event).await?,
                    Err(trouble) => return self.give_up(trouble.to_string()).await,
                },
            }
        }
    }

    /// Prompts that arrived meanwhile are sent together: the protocol allows one prompt at a time.
    async fn next_turn(&mut self) -> Result<(), String> {
        let (prompts, texts): (Vec<u64>, Vec<String>) = self.waiting.drain(..).unzip();
        let about = std::mem::take(&mut self.fresh).then(|| SYSTEM_PROMPT.to_owned());
        let call = self.talk.prompt(about.iter().chain(&texts));
        let turn = Turn { call, prompts, answer: Answer::default() };
        if std::mem::take(&mut self.lost) {
            self.daemon.tell(FromGuest::Forgot { id: turn.last(), what: Forgotten::Lost }).await?;
        }
        self.turn = Some(turn);
        Ok(())
    }

    async fn heard(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Answered { call, result } => match self.turn.take_if(|turn| turn.call == call) {
                Some(turn) => self.turn_over(turn, result).await,
                None => Ok(()),
            },
            Event::Says { message, text } => {
                if let Some(turn) = &mut self.turn {
                    turn.answer.push(message, &text);
                }
                self.moves().await
            }
            Event::Works { what } => {
                if let Some(turn) = &mut self.turn {
                    turn.answer.interlude();
                }
                self.progress(what).await
            }
            Event::Moves => self.moves().await,
        }
    }

    async fn turn_over(&mut self, turn: Turn, result: Result<serde_json::Value, String>) -> Result<(), String> {
        let reason = match result {
            Ok(result) => result["stopReason"].as_str().unwrap_or("end_turn").to_owned(),
            Err(said) => return self.failed(turn, &said).await,
        };
        let said = failure::reply(&turn.answer.text());
        let text = match reason.as_str() {
            "cancelled" => "(interrupted)".to_owned(),
            "refusal" if said.is_empty() => "(the model declined to answer this)".to_owned(),
            "max_tokens" => format!("{said}\n(the answer ended here: it is as long as the model may make it)"),
            "max_turn_requests" => {
                format!(
                    "{said}\n(stopped: that were as many steps as one turn may take; say \"go on\" to have it continue)"
                )
            }
            _ => said,
        };
        if !text.is_empty() {
            self.daemon.tell(FromGuest::Text { id: turn.last(), text }).await?;
        }
        let last = turn.last();
        for id in turn.prompts {
            self.daemon.tell(FromGuest::Done { id, with: (id != last).then_some(last) }).await?;
        }
        Ok(())
    }

    /// A turn that was refused for its content would make each later one fail as well, and this
    /// protocol cannot remove anything from a conversation: a new one is started.
    async fn failed(&mut self, turn: Turn, said: &str) -> Result<(), String> {
        let Failure { words, retry, refused, another } = failure::refused_by_the_door("the model", said)
            .unwrap_or_else(|| Failure {
                words: format!("{}: {}", self.name, failure::cut(said, failure::MOST_WORDS)),
                retry: passes(said),
                refused: Refused::No,
                another: failure::another_could(said),
            });
        let anew = refused == Refused::ForWhatItSays;
        for &id in &turn.prompts {
            if anew {
                self.daemon.tell(FromGuest::Forgot { id, what: Forgotten::Conversation }).await?;
            }
            self.daemon.tell(FromGuest::Error { id, message: words.clone(), fatal: false, retry, another }).await?;
        }
        if anew {
            self.daemon.tell(FromGuest::Session { session: None }).await?;
            if let Err(trouble) = self.begin_anew().await {
                return self.give_up(trouble.to_string()).await;
            }
        }
        Ok(())
    }

    /// Sends a sign of life.
    async fn moves(&mut self) -> Result<(), String> {
        if self.sign.is_some_and(|last| last.elapsed() < SIGNS) {
            return Ok(());
        }
        self.sign = Some(Instant::now());
        self.progress("works".to_owned()).await
    }

    async fn progress(&self, what: String) -> Result<(), String> {
        match &self.turn {
            Some(turn) => self.daemon.tell(FromGuest::Progress { id: turn.last(), what }).await,
            None => Ok(()),
        }
    }

    /// The agent is unusable: open prompts are answered with the reason, and the sandbox ends.
    async fn give_up(&mut self, why: String) -> Result<(), String> {
        self.talk.kill();
        let message = format!("{} {why}", self.name);
        let turn = self.turn.take().map(|turn| turn.prompts).unwrap_or_default();
        for id in turn.into_iter().chain(self.waiting.drain(..).map(|(id, _)| id)) {
            self.daemon
                .tell(FromGuest::Error { id, message: message.clone(), fatal: true, retry: true, another: false })
                .await?;
        }
        Err(message)
    }
}

/// There is no agent: the first prompt is answered with the reason.
async fn refuse(mut daemon: Daemon, why: String, retry: bool) -> Result<(), String> {
    loop {
        match daemon.next().await? {
            Some(ToGuest::Prompt { id, .. } | ToGuest::FollowUp { id, .. }) => {
                daemon.tell(FromGuest::Error { id, message: why.clone(), fatal: true, retry, another: false }).await?;
                return Err(why);
            }
            Some(ToGuest::Interrupt | ToGuest::Check { .. }) => {}
            Some(ToGuest::Close | ToGuest::Start { .. }) | None => return Ok(()),
        }
    }
}

/// Whether the cause is temporary and outside the agent. Anything else it has already retried itself.
fn passes(said: &str) -> bool {
    const WORDS: [&str; 6] = ["overloaded", "connect", "timed out", "timeout", "server error", "unavailable"];
    let said = said.to_ascii_lowercase();
    WORDS.iter().any(|word| said.contains(word))
}

/// The prefix that distinguishes this agent's conversations from those of others.
fn prefix(name: &str) -> String {
    format!("{name}:")
}
