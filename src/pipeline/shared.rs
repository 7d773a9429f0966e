//! What every worker needs, and how a run fails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use desk::lock;
use policies::{Facts, GroupName};
use tokio::sync::mpsc;

use super::calling::Name;
use super::dispatcher::Event;
use super::outbox::OutboxHandle;
use super::people::Roster;
use super::scheduler::TaskBell;
use super::standing::Standings;
use super::telling;
use super::worker::{Broken, Left, Stopping};
use super::{Allowance, Settings};
use super::{notice, sent};
use crate::agents::Order;
use crate::channels::protocol::OutgoingKind;
use crate::config::GroupSettings;
use crate::gateway::policy_files::PolicyFiles;
use crate::home::Home;
use crate::phrases::Phrases;
use crate::store::ledger::{AuditEntry, AuditLog};
use crate::store::{
    EndRunError, FiringId, Group, Means, Message, MessageRow, Millis, Run, Say, Sayable, Store, StoreError, Text, now,
};

pub(super) struct Shared<S> {
    pub(super) home: Home,
    pub(super) store: Arc<Store>,
    pub(super) ledger: Arc<AuditLog>,
    pub(super) say: Say,
    pub(super) sandboxes: S,
    pub(super) allowance: Allowance,
    pub(super) settings: Settings,
    pub(super) outbox: OutboxHandle,
    pub(super) bell: TaskBell,
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// The last message of each group that was told to wait for the engine.
    pub(super) waits_for_engine: Mutex<BTreeMap<GroupName, MessageRow>>,
    /// Which agent of each group answers.
    pub(super) standings: Standings,
}

impl<S> Shared<S> {
    pub(super) fn report_busy(&self, group: &GroupName) {
        let _ = self.events.send(Event::Busy(group.clone()));
    }

    pub(super) fn report_idle(&self, group: &GroupName) {
        let _ = self.events.send(Event::Idle(group.clone()));
    }

    /// The messages that wait for a run; while the group is paused, only a stop.
    pub(super) fn pending_messages(&self, group: &GroupName) -> Result<Vec<Message>, StoreError> {
        let pending = self.store.pending_messages(group)?;
        let held_back = self.paused_until(group).is_some() && pending.iter().all(|it| it.means != Means::Stop);
        Ok(if held_back { Vec::new() } else { pending })
    }

    /// Until when a group is paused, if it is. An error pauses nobody.
    pub(super) fn paused_until(&self, group: &GroupName) -> Option<Millis> {
        let until = self.store.paused_until(group, now());
        until.unwrap_or_else(|error| {
            tracing::error!(%group, %error, "whether the group is paused cannot be read");
            None
        })
    }

    /// Shows or hides the typing sign in a group's chat.
    pub(super) fn typing(&self, group: &GroupName, on: bool) {
        if let Ok(Some(group)) = self.store.group(group) {
            self.outbox.typing(&group.channel, &group.chat, on);
        }
    }

    /// Stores the session to resume in the next sandbox of the agent with this index. Only the length is checked: the
    /// agent gets its own words back.
    pub(super) fn remember_session(&self, group: &GroupName, at: usize, session: Option<&str>) -> Result<(), Broken> {
        const LONGEST: usize = 256;
        if let Some(session) = session.filter(|session| session.is_empty() || session.len() > LONGEST) {
            tracing::warn!(%group, bytes = session.len(), "a session id of an agent is not kept");
            return Ok(());
        }
        match at {
            0 => drop(self.store.set_session(group, session)?),
            at => self.standings.remember(group, at, session),
        }
        Ok(())
    }

    /// The names that call the assistant in a group's chat.
    pub(super) fn name_in(&self, group: &GroupName) -> Name {
        let trigger = GroupSettings::load(&self.home, group).ok().and_then(|settings| settings.trigger);
        self.settings.assistant.name.in_chat(trigger.as_ref())
    }

    /// The index of the agent that answers next.
    pub(super) fn seat(&self, group: &GroupName) -> usize {
        self.standings.seat(group, self.settings.again)
    }

    /// The session that it resumes.
    pub(super) fn session(&self, group: &GroupName) -> Result<Option<String>, StoreError> {
        if self.seat(group) == 0 { self.store.session(group) } else { Ok(self.standings.session(group)) }
    }

    /// The next agent takes over from one whose model cannot continue, unless this run may have written something.
    /// Returns what the chat is told, which is nothing if it knows already.
    pub(super) fn hand_over(&self, run: &Run, order: &Order) -> Option<Option<Phrases>> {
        let next = order.next.as_ref()?;
        if self.wrote_upstream(&run.group, run.first) {
            return None;
        }
        tracing::warn!(group = %run.group, agent = order.name, next, "the next agent takes over");
        let untold = self.standings.fell(&run.group, order.at);
        Some(untold.then(|| Phrases::new("next-agent").with("agent", &order.name).with("next", next)))
    }

    /// The stand-ins for the group's model; `None` where it knows people by their names.
    pub(super) fn stand_ins(&self, group: &GroupName) -> Result<Option<Roster>, StoreError> {
        Roster::of_group(&self.home, &self.store, group)
    }

    /// An agent's text as its chat gets it: the reason instead if it must not be said.
    pub(super) fn say(&self, group: &Group, text: String) -> Sayable {
        let text = match self.stand_ins(&group.name) {
            Ok(Some(roster)) => roster.reveal(&text),
            Ok(None) | Err(_) => text,
        };
        let said = self.say.say(&group.name, Text::Answer(text));
        said.unwrap_or_else(|refusal| self.say.own(&group.name, notice::withheld(group, &refusal)))
    }

    /// Sends a notice about a waiting message. A failure is only logged; nothing depends on it.
    pub(super) fn remark(&self, group: &GroupName, answers: &Message, words: impl Into<Phrases>) {
        if telling::is_unasked(answers) {
            return;
        }
        let remark = telling::outgoing(OutgoingKind::Notice, self.say.own(group, words), answers);
        match self.store.enqueue(group, None, &remark) {
            Ok(_) => self.outbox.wake(),
            Err(error) => tracing::error!(%group, %error, "a remark could not be queued"),
        }
    }

    /// Whether this message has yet to be told that there is no engine; records that it has been.
    pub(super) fn tells_of_the_engine(&self, group: &GroupName, row: MessageRow) -> bool {
        let mut told = lock(&self.waits_for_engine);
        let is_new = told.get(group).is_none_or(|last| *last < row);
        if is_new {
            told.insert(group.clone(), row);
        }
        is_new
    }

    /// Whether the chat was sent a message while this one was being answered.
    pub(super) fn said_meanwhile(&self, group: &GroupName, row: MessageRow) -> bool {
        let runs = self.store.runs_over(group, row).unwrap_or_default();
        runs.into_iter().any(|run| self.store.said_in_run(run).is_ok_and(|said| said > 0))
    }

    /// Says that model limits were used up during a run, for chats that hear nothing else about the door.
    pub(super) fn used_up(&self, group: &Group, run: &Run) -> Option<Phrases> {
        if notice::is_for(group) { None } else { notice::used_up(&self.refused(run)?) }
    }

    fn refused(&self, run: &Run) -> Option<Vec<AuditEntry>> {
        let refused = self.ledger.refusals_of_run(run.id, notice::MOST_READ);
        refused.inspect_err(|error| tracing::error!(%error, "refusals cannot be read")).ok()
    }

    /// The door's refusals during a run, for chats that may read them.
    pub(super) fn notice(&self, group: &Group, run: &Run) -> Option<Phrases> {
        if !notice::is_for(group) {
            return None;
        }
        let said = |facts: &Facts| PolicyFiles::said(&self.home, &group.name, facts);
        notice::text(&self.refused(run)?, &self.home.policy_file(&group.name), said)
    }

    /// Ends a failed run: tries again later where that is safe and can help, else tells the chat.
    pub(super) fn fail(&self, group: &Group, run: &Run, why: &Phrases, messages: &[Message], may_pass: bool) -> Broken {
        if let Some(firing) = FiringId::of(run.first) {
            return self.fail_firing(group, run, firing, why, may_pass);
        }
        let wrote = self.wrote_upstream(&group.name, run.first);
        let rest = self.settings.backoff.after(run.attempt).filter(|_| may_pass && !wrote);
        let words = match (wrote, may_pass) {
            (true, may_pass) => why.clone().line(self.not_repeated(&group.name, run, may_pass)),
            (false, true) if run.attempt > 1 => {
                why.clone().line(Phrases::new("tried-times").count("count", run.attempt))
            }
            (false, _) => why.clone(),
        };
        let logged = why.in_english();
        tracing::warn!(group = %group.name, run = run.id.0, attempt = run.attempt, wrote, again = rest.is_some(), "a run failed");
        let ended = match rest {
            Some(rest) => {
                let stays = if telling::had_a_sandbox(run) { telling::folder_stays() } else { Phrases::default() };
                let hint = why.clone().line(Phrases::new("trying-again").count("seconds", rest.as_secs())).and(stays);
                let first = messages.first().filter(|_| run.attempt == 1);
                let hint =
                    |message| telling::outgoing(OutgoingKind::Notice, self.say.own(&group.name, hint.clone()), message);
                self.store.fail_run(run.id, &logged, None, &Vec::from_iter(first.map(hint)))
            }
            None => self.tell_failure(group, run, &logged, messages, words),
        };
        self.outbox.wake();
        match ended {
            Ok(_) | Err(EndRunError::NotRunning(_)) => Broken::Settled(Left { rest }),
            Err(EndRunError::Store(error)) => Broken::Store(error),
        }
    }

    /// Why a run that may have written is not repeated. A permanent failure already explains itself.
    fn not_repeated(&self, group: &GroupName, run: &Run, may_pass: bool) -> Phrases {
        let sent = sent::words(self, group, run.first);
        if sent.is_empty() && may_pass { Phrases::new("sent-nothing") } else { sent }
    }

    fn tell_failure(
        &self,
        group: &Group,
        run: &Run,
        why: &str,
        messages: &[Message],
        words: Phrases,
    ) -> Result<Vec<crate::store::OutboxId>, EndRunError> {
        let Some((first, last)) = messages.first().zip(messages.last()) else {
            return self.store.fail_run(run.id, why, None, &[]);
        };
        let mut told: Vec<_> = self
            .notice(group, run)
            .map(|text| telling::outgoing(OutgoingKind::Notice, self.say.own(&group.name, text), first))
            .into_iter()
            .collect();
        told.extend(telling::failures(messages, &self.say.own(&group.name, words)));
        self.store.fail_run(run.id, why, Some(last.row), &told)
    }

    /// Whether any run of this message may have written upstream. The store knows, whatever happened to the log; for
    /// runs of older versions the log does. In doubt, it did.
    pub(super) fn wrote_upstream(&self, group: &GroupName, first: MessageRow) -> bool {
        match self.store.wrote(group, first) {
            Ok(Some(wrote)) => wrote,
            Ok(None) => self.the_log_says_it_wrote(group, first),
            Err(_) => true,
        }
    }

    fn the_log_says_it_wrote(&self, group: &GroupName, first: MessageRow) -> bool {
        let Ok(runs) = self.store.runs_over(group, first) else { return true };
        runs.into_iter().any(|run| self.ledger.run_wrote_upstream(run).unwrap_or(true))
    }

    /// Tells a group's waiting messages that they were stopped, and the stopping message that
    /// it is done. Returns whether anything was stopped.
    pub(super) fn settle_stopped(
        &self,
        group: &GroupName,
        run: Option<&Run>,
        stopping: Stopping,
    ) -> Result<bool, EndRunError> {
        let Some(registered) = self.store.group(group)? else { return Ok(false) };
        let task = self.stop_firings(&registered, run)?;
        let run = run.filter(|run| FiringId::of(run.first).is_none());
        let mut waiting = self.store.calls_waiting(group)?;
        if stopping == Stopping::AsSaid {
            let said = waiting.iter().rposition(|message| message.means == Means::Stop);
            waiting.truncate(said.map_or(0, |at| at + 1));
        }
        let stopped = task || waiting.iter().any(|message| message.means == Means::Call);
        let own;
        let run = match run {
            Some(run) => run,
            None => match telling::run_without_sandbox(&self.store, group, &waiting) {
                Some(run) => {
                    own = run;
                    &own
                }
                None => {
                    self.outbox.wake();
                    return Ok(stopped);
                }
            },
        };
        let cursor = waiting.last().map(|message| message.row);
        self.store.fail_run(run.id, "stopped", cursor, &telling::stopped(&self.say, group, &waiting, task))?;
        self.outbox.wake();
        Ok(stopped)
    }
}
