//! Claude Code: one process for the whole session, lines of JSON in both directions. Prompts are
//! passed on as they arrive; Claude Code queues them, and may answer several in one turn.
//!
//! Lines that are not JSON are skipped: a warning of its runtime is no reason to lose an answer. A
//! turn that was refused for its content is removed from the conversation.
//!
//! What it is not: a guard. Claude Code may do whatever it likes in the sandbox.

mod archive;
mod history;
mod said;
mod said_before;
mod start;
mod turns;
mod words;

use std::time::{Duration, Instant};

pub use archive::run as archive;

use said::{Outcome, Said};
use said_before::SaidBefore;
use turns::{Open, Turns};

use crate::{
    agents::{self, Daemon, MAX_OPEN, complain},
    failure::{self, Failure, Refused},
    process::{Heard, Process},
    protocol::{Forgotten, FromGuest, McpServer, ToGuest},
    reaper::Reaper,
    shell,
};

/// How often a refused key is retried before it is reported.
const REFUSALS: u64 = 2;

/// After this many turns removed in a row, something older must be the cause. One person may paste
/// the same key twice, and that is no reason to forget everything.
const MOST_TAKEN_OUT: usize = 2;

/// After this many bytes of noise without a line of JSON, it is not Claude Code.
const MOST_NOISE: usize = 16 << 20;

/// How much of a line of noise is shown in the log.
const NOISE_SHOWN: usize = 200;

/// The shortest interval between signs of life to the daemon.
const SIGNS: Duration = Duration::from_secs(10);

/// Drives Claude Code until the daemon closes the session or Claude Code has ended.
pub async fn drive(
    reaper: &Reaper,
    daemon: Daemon,
    servers: &[McpServer],
    model: Option<String>,
    resume: Option<String>,
) -> Result<(), String> {
    // Another agent's session has that agent's name in it.
    let resume = resume.filter(|session| !session.contains(':'));
    let process = start::start(reaper, servers, model.as_deref(), resume.as_deref())?;
    let mut driver = Driver {
        reaper,
        daemon,
        process,
        servers,
        turns: Turns::default(),
        before: SaidBefore::read(&history::config_dir()),
        resuming: resume.is_some(),
        session: resume,
        model,
        stale: false,
        refused: None,
        noise: 0,
        noise_told: false,
        sign: None,
    };
    driver.serve().await
}

struct Driver<'a> {
    reaper: &'a Reaper,
    daemon: Daemon,
    process: Process,
    /// The owner's.
    servers: &'a [McpServer],
    turns: Turns,
    before: SaidBefore,
    model: Option<String>,
    /// As last reported to the daemon, or given by it.
    session: Option<String>,
    /// A session was asked for, and there is no sign of it yet.
    resuming: bool,
    /// It does not exist.
    stale: bool,
    /// Why we, not the daemon, broke a turn off.
    refused: Option<String>,
    /// Bytes since the last line of JSON.
    noise: usize,
    noise_told: bool,
    /// When the daemon last got a sign of life.
    sign: Option<Instant>,
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
                    Some(ToGuest::Prompt { id, text } | ToGuest::FollowUp { id, text }) => {
                        self.prompt(id, text).await?;
                        if agents::folder_is_gone() {
                            return self.give_up(agents::FOLDER_GONE.to_owned()).await;
                        }
                    }
                    Some(ToGuest::Check { id, command }) => {
                        shell::begin_check(self.reaper, id, command, self.daemon.say.clone());
                    }
                    Some(ToGuest::Interrupt) => if self.turns.under_way() { start::interrupt(&self.process) },
                    Some(ToGuest::Start { .. }) => return Err("the daemon said `start` twice".to_owned()),
                },
                heard = self.process.next() => match heard {
                    Heard::Line(line) => match Said::parse(&line) {
                        Some(said) => {
                            self.noise = 0;
                            self.said(said).await?;
                        }
                        None if self.passes_over(&line) => {}
                        None => return self.give_up("it writes no JSON".to_owned()).await,
                    },
                    Heard::TooLong(too_long) => return self.give_up(format!("it wrote {too_long}")).await,
                    Heard::Ended(_) if self.stale => self.lose().await?,
                    Heard::Ended(how) => return self.give_up(how).await,
                },
            }
        }
    }

    async fn prompt(&mut self, id: u64, text: String) -> Result<(), String> {
        if self.turns.len() >= MAX_OPEN {
            return Err(format!("more than {MAX_OPEN} prompts are waiting"));
        }
        let before = self.before.again(id);
        if !before.is_empty() {
            self.take_back(&before).await?;
        }
        if self.turns.len() == 0 {
            self.before.forget();
        }
        let uuid = start::new_uuid()?;
        self.before.remember(id, &uuid);
        start::say(&self.process, &uuid, &text);
        self.turns.open(id, uuid, text);
        Ok(())
    }

    /// A prompt that was broken off arrives again. Its results so far are removed, so that it is
    /// asked once; a conversation that began with it is started anew.
    async fn take_back(&mut self, prompts: &[String]) -> Result<(), String> {
        let config = history::config_dir();
        let Some(session) = self.session.clone() else { return Ok(()) };
        if !history::names(&config, &session, prompts).unwrap_or(false) {
            return Ok(());
        }
        self.process.end().await;
        match history::take_out(&config, &session, prompts) {
            Ok(history::Left::Earlier) => {}
            Ok(history::Left::Nothing) => {
                self.session = None;
                self.daemon.tell(FromGuest::Session { session: None }).await?;
            }
            Err(error) => complain(&format!("a turn that comes again could not be taken out before: {error}")),
        }
        self.start()
    }

    async fn said(&mut self, said: Said) -> Result<(), String> {
        match said {
            Said::Began { session } => {
                self.resuming = false;
                if self.session.as_ref() != Some(&session) {
                    self.session = Some(session.clone());
                    self.daemon.tell(FromGuest::Session { session: Some(session) }).await?;
                }
            }
            Said::Took { uuid } => self.turns.take(&uuid),
            Said::Works { what } => self.progress(what).await?,
            Said::Retries { attempt, of, status } => {
                if matches!(status, Some(401)) && attempt >= REFUSALS && self.refused.is_none() {
                    self.refused = Some(words::REFUSED.to_owned());
                    start::interrupt(&self.process);
                }
                self.progress(words::retrying(attempt, of, status)).await?;
            }
            // It could not even start, and says so properly before it ends.
            Said::Ended(outcome) if self.resuming && outcome.is_error => self.stale = true,
            Said::Ended(outcome) => self.turn_over(&outcome).await?,
            Said::Nothing if self.turns.under_way() => self.moves().await?,
            Said::Nothing => {}
        }
        Ok(())
    }

    /// Whether the noise is still within the limit. Reported once, without its content: the line
    /// may be anything.
    fn passes_over(&mut self, line: &[u8]) -> bool {
        self.noise += line.len() + 1;
        if !self.noise_told && !line.trim_ascii().is_empty() {
            self.noise_told = true;
            let begins = String::from_utf8_lossy(&line[..line.len().min(NOISE_SHOWN)]).into_owned();
            complain(&format!(
                "Claude Code wrote a line of {} bytes that is no JSON, and it was passed over: {begins}",
                line.len()
            ));
        }
        self.noise <= MOST_NOISE
    }

    /// A turn answers every prompt that was taken into it; the text is attached to the last.
    async fn turn_over(&mut self, outcome: &Outcome) -> Result<(), String> {
        let turn = self.turns.end();
        // A turn without a prompt.
        let Some(last) = turn.last().map(|open| open.id) else { return Ok(()) };
        let refused =
            self.refused.take().map(|words| Failure { words, retry: false, refused: Refused::No, another: false });
        let failure = match outcome.is_interrupted() {
            true => refused,
            false => outcome.is_error.then(|| words::failure(outcome)),
        };
        if let Some(failure) = failure {
            return self.failed(&turn, failure).await;
        }
        let text = if outcome.is_interrupted() { "(interrupted)".to_owned() } else { failure::reply(&outcome.text) };
        if !text.is_empty() {
            self.daemon.tell(FromGuest::Text { id: last, text }).await?;
        }
        if !outcome.is_interrupted() {
            history::remember_taken_out(&history::config_dir(), 0);
        }
        for id in turn.iter().map(|open| open.id) {
            self.daemon.tell(FromGuest::Done { id, with: (id != last).then_some(last) }).await?;
        }
        Ok(())
    }

    async fn failed(&mut self, turn: &[Open], failure: Failure) -> Result<(), String> {
        let Failure { words, retry, refused, another } = failure;
        if refused != Refused::No {
            let what = self.leave_out(turn, refused).await?;
            for id in turn.iter().map(|open| open.id) {
                self.daemon.tell(FromGuest::Forgot { id, what }).await?;
            }
        }
        for id in turn.iter().map(|open| open.id) {
            self.daemon.tell(FromGuest::Error { id, message: words.clone(), fatal: false, retry, another }).await?;
        }
        Ok(())
    }

    /// Continues the session as it was before this turn; with a new one if there was nothing
    /// before, if it cannot be restored, or if that has been tried without success.
    async fn leave_out(&mut self, turn: &[Open], refused: Refused) -> Result<Forgotten, String> {
        let config = history::config_dir();
        self.process.end().await;
        let at_fault = refused == Refused::ForWhatItSays;
        let before = history::taken_out(&config);
        let again = at_fault && before >= MOST_TAKEN_OUT;
        let uuids: Vec<String> = turn.iter().map(|open| open.uuid.clone()).collect();
        let left = match self.session.as_deref().filter(|_| !again) {
            Some(session) => history::take_out(&config, session, &uuids).unwrap_or_else(|error| {
                complain(&format!("a turn could not be taken out of the conversation: {error}"));
                history::Left::Nothing
            }),
            None => history::Left::Nothing,
        };
        let earlier = left == history::Left::Earlier;
        history::remember_taken_out(&config, if earlier { before + usize::from(at_fault) } else { 0 });
        if !earlier {
            self.session = None;
            self.daemon.tell(FromGuest::Session { session: None }).await?;
        }
        self.start()?;
        Ok(if again { Forgotten::Conversation } else { Forgotten::Turn })
    }

    /// The session to resume is gone: starts a new one, once, with the prompts so far.
    async fn lose(&mut self) -> Result<(), String> {
        complain("the session to resume is not there any more; a new one begins");
        (self.stale, self.session) = (false, None);
        self.start()?;
        match self.turns.current() {
            Some(id) => self.daemon.tell(FromGuest::Forgot { id, what: Forgotten::Lost }).await,
            None => Ok(()),
        }
    }

    /// Starts a new process for the session, if there is one, with the prompts so far.
    fn start(&mut self) -> Result<(), String> {
        self.process = start::start(self.reaper, self.servers, self.model.as_deref(), self.session.as_deref())?;
        self.resuming = self.session.is_some();
        for (uuid, text) in self.turns.again() {
            start::say(&self.process, uuid, text);
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
        match self.turns.current() {
            Some(id) => self.daemon.tell(FromGuest::Progress { id, what }).await,
            None => Ok(()),
        }
    }

    /// Claude Code is unusable: open prompts are answered with the reason, and the sandbox ends.
    async fn give_up(&mut self, why: String) -> Result<(), String> {
        self.process.kill();
        let message = format!("Claude Code ended: {why}");
        for id in self.turns.all() {
            self.daemon
                .tell(FromGuest::Error { id, message: message.clone(), fatal: true, retry: true, another: false })
                .await?;
        }
        Err(message)
    }
}
