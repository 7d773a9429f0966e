//! Claude Code: one process for the whole session, lines of JSON both ways. Prompts go
//! in as they come; Claude Code queues them, and may answer several in one turn.
//!
//! What it is not: a guard. Claude Code may do in the sandbox whatever it likes.

mod process;
mod said;
mod turns;
mod words;

use process::{Heard, Process};
use said::{Outcome, Said};
use turns::Turns;

use crate::{
    agents::{Daemon, MAX_OPEN},
    protocol::{FromGuest, ToGuest},
    reaper::Reaper,
    session::complain,
};

/// How often a refused key is tried again before that is told.
const REFUSALS: u64 = 2;

/// Drives Claude Code until the daemon closes the session or Claude Code has ended.
pub async fn drive(
    reaper: &Reaper,
    daemon: Daemon,
    model: Option<String>,
    resume: Option<String>,
) -> Result<(), String> {
    let process = Process::start(reaper, model.as_deref(), resume.as_deref())?;
    let mut driver = Driver {
        reaper,
        daemon,
        process,
        turns: Turns::default(),
        resuming: resume.is_some(),
        session: resume,
        model,
        stale: false,
        refused: None,
    };
    driver.serve().await
}

struct Driver<'a> {
    reaper: &'a Reaper,
    daemon: Daemon,
    process: Process,
    turns: Turns,
    model: Option<String>,
    /// As last reported to the daemon, or given by it.
    session: Option<String>,
    /// A session was asked for, and nothing shows yet that it is there.
    resuming: bool,
    /// It is not.
    stale: bool,
    /// Why a turn was broken off by us and not by the daemon.
    refused: Option<String>,
}

impl Driver<'_> {
    async fn serve(&mut self) -> Result<(), String> {
        loop {
            tokio::select! {
                message = self.daemon.next() => match message? {
                    None => return Ok(()),
                    Some(ToGuest::Close) => {
                        self.process.finish().await;
                        return Ok(());
                    }
                    Some(ToGuest::Prompt { id, text } | ToGuest::FollowUp { id, text }) => self.prompt(id, text)?,
                    Some(ToGuest::Interrupt) => if self.turns.under_way() { self.process.interrupt() },
                    Some(ToGuest::Start { .. }) => return Err("the daemon said `start` twice".to_owned()),
                },
                heard = self.process.next() => match heard {
                    Heard::Line(line) => match Said::parse(&line) {
                        Some(said) => self.said(said).await?,
                        None => return self.give_up("it wrote something that is not JSON".to_owned()).await,
                    },
                    Heard::TooLong(too_long) => return self.give_up(format!("it wrote {too_long}")).await,
                    Heard::Ended(_) if self.stale => self.begin_anew().await?,
                    Heard::Ended(how) => return self.give_up(how).await,
                },
            }
        }
    }

    fn prompt(&mut self, id: u64, text: String) -> Result<(), String> {
        if self.turns.len() >= MAX_OPEN {
            return Err(format!("more than {MAX_OPEN} prompts are waiting"));
        }
        let uuid = process::new_uuid()?;
        self.process.say(&uuid, &text);
        self.turns.open(id, uuid, text);
        Ok(())
    }

    async fn said(&mut self, said: Said) -> Result<(), String> {
        match said {
            Said::Began { session } => {
                self.resuming = false;
                if self.session.as_ref() != Some(&session) {
                    self.session = Some(session.clone());
                    self.daemon.tell(FromGuest::Session { session }).await?;
                }
            }
            Said::Took { uuid } => self.turns.take(&uuid),
            Said::Works { what } => self.progress(what).await?,
            Said::Retries { attempt, of, status } => {
                if matches!(status, Some(401)) && attempt >= REFUSALS && self.refused.is_none() {
                    self.refused = Some(words::REFUSED.to_owned());
                    self.process.interrupt();
                }
                self.progress(words::retrying(attempt, of, status)).await?;
            }
            // It could not even begin, and says so in good order before it ends.
            Said::Ended(outcome) if self.resuming && outcome.is_error => self.stale = true,
            Said::Ended(outcome) => self.turn_over(&outcome).await?,
            Said::Nothing => {}
        }
        Ok(())
    }

    /// A turn answers every prompt that was taken into it; the text goes with the last.
    async fn turn_over(&mut self, outcome: &Outcome) -> Result<(), String> {
        let ids = self.turns.end();
        // A turn that nobody asked for.
        let Some(last) = ids.last().copied() else { return Ok(()) };
        let refused = self.refused.take();
        let failure = match outcome.is_interrupted() {
            true => refused,
            false => outcome.is_error.then(|| words::failure(outcome)),
        };
        if let Some(message) = failure {
            for id in ids {
                self.daemon.tell(FromGuest::Error { id, message: message.clone(), fatal: false }).await?;
            }
            return Ok(());
        }
        let text = if outcome.is_interrupted() { "(interrupted)".to_owned() } else { words::reply(&outcome.text) };
        if !text.is_empty() {
            self.daemon.tell(FromGuest::Text { id: last, text }).await?;
        }
        for id in ids {
            self.daemon.tell(FromGuest::Done { id }).await?;
        }
        Ok(())
    }

    /// The session that was to be resumed is gone: a new one, once, with the prompts so far.
    async fn begin_anew(&mut self) -> Result<(), String> {
        complain("the session to resume is not there any more; a new one begins");
        (self.resuming, self.stale, self.session) = (false, false, None);
        self.process = Process::start(self.reaper, self.model.as_deref(), None)?;
        for (uuid, text) in self.turns.again() {
            self.process.say(uuid, text);
        }
        self.progress("the earlier conversation is gone; a new one begins".to_owned()).await
    }

    async fn progress(&self, what: String) -> Result<(), String> {
        match self.turns.current() {
            Some(id) => self.daemon.tell(FromGuest::Progress { id, what }).await,
            None => Ok(()),
        }
    }

    /// Claude Code is of no more use: whoever waits is told, and the sandbox ends.
    async fn give_up(&mut self, why: String) -> Result<(), String> {
        self.process.kill();
        let message = format!("Claude Code ended: {why}");
        for id in self.turns.all() {
            self.daemon.tell(FromGuest::Error { id, message: message.clone(), fatal: true }).await?;
        }
        Err(message)
    }
}
