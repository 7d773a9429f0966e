//! A stretch of turns in a live sandbox: a prompt, and the follow-ups that people
//! send while it is being answered.
//!
//! There is at most one run under way per group. It covers every turn that is open;
//! each turn that is answered ends it, together with the group's cursor and the
//! reply, and what is still open goes on as the next run. Answers are committed in
//! the order of their turns.

use std::collections::VecDeque;

use containers::protocol::{FromGuest, ToGuest};

use super::egress;
use super::prompt::Form;
use super::reply::{self, Answer, Bounds};
use super::sandbox::{Sandbox, StartSandbox};
use super::telling::outgoing;
use super::worker::{Broken, Left, Worker};
use crate::channels::protocol::OutgoingKind;
use crate::store::{EndRunError, Group, Means, Message, MessageRow, NewOutgoing, Run};

pub(super) struct Conversation<'a, S: StartSandbox> {
    worker: &'a mut Worker<S>,
    group: &'a Group,
    form: Form,
    turns: VecDeque<Turn>,
}

/// Messages that are answered together, the last of which calls, and what was said to
/// them so far.
struct Turn {
    messages: Vec<Message>,
    answer: Answer,
    done: bool,
}

impl<'a, S: StartSandbox> Conversation<'a, S> {
    /// Takes these messages on. The run is recorded before the agent hears of them.
    pub(super) fn begin(worker: &'a mut Worker<S>, group: &'a Group, messages: Vec<Message>) -> Result<Self, Broken> {
        let form = worker.sandbox.as_ref().map_or(Form::Bare, Sandbox::reads);
        let mut conversation = Conversation { worker, group, form, turns: VecDeque::new() };
        conversation.take_on(messages);
        conversation.next_run()?;
        Ok(conversation)
    }

    /// Until every message is answered.
    pub(super) async fn carry_on(&mut self) -> Result<(), Broken> {
        if let Err(lost) = self.say_from(0).await {
            return Err(self.fail(&lost));
        }
        while !self.turns.is_empty() {
            let Some(sandbox) = self.worker.sandbox.as_mut() else { return Err(self.fail("The sandbox is gone.")) };
            tokio::select! {
                said = sandbox.next() => self.heard(said)?,
                mail = self.worker.mail.recv(), if !self.worker.mail.is_closed() => {
                    if self.worker.note(mail) {
                        self.follow_up().await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn heard(&mut self, said: Result<Option<FromGuest>, super::sandbox::Lost>) -> Result<(), Broken> {
        match said {
            Ok(Some(FromGuest::Text { id, text })) => {
                if let Some(turn) = self.turn(id) {
                    turn.answer.push(&text);
                }
                Ok(())
            }
            Ok(Some(FromGuest::Done { id })) => {
                if let Some(turn) = self.turn(id) {
                    turn.done = true;
                }
                self.commit_answers()
            }
            Ok(Some(FromGuest::Error { message, fatal, .. })) => {
                tracing::info!(group = %self.group.name, fatal, "the agent reports an error");
                let said = egress::say(&self.worker.shared, self.group, reply::error(&message));
                Err(self.fail(&format!("The agent failed: {said}")))
            }
            Ok(Some(FromGuest::Progress { .. })) => {
                self.worker.shared.typing(&self.group.name, true);
                Ok(())
            }
            Ok(Some(FromGuest::Session { session })) => self.worker.shared.remember_session(&self.group.name, &session),
            // Said before its time: no reason to give the answer up.
            Ok(Some(FromGuest::Hello { .. } | FromGuest::Ready)) => Ok(()),
            Ok(None) => Err(self.fail("The sandbox ended before the answer was complete.")),
            Err(lost) => Err(self.fail_for(&format!("The sandbox was lost: {lost}"), lost.may_pass)),
        }
    }

    /// Messages that came meanwhile go into the live sandbox.
    async fn follow_up(&mut self) -> Result<(), Broken> {
        let newest = self.turns.back().map_or(MessageRow(0), Turn::last);
        let pending = self.worker.shared.store.pending_messages(&self.group.name)?;
        let more: Vec<Message> = pending.into_iter().filter(|message| message.row > newest).collect();
        let (Some(last), Some(run)) = (more.last(), &self.worker.run) else { return Ok(()) };
        // Somebody said stop: the halt is on its way.
        if more.iter().any(|message| message.means == Means::Stop) {
            return Ok(());
        }
        match self.worker.shared.store.extend_run(run.id, last.row) {
            Ok(()) => {}
            Err(EndRunError::Store(error)) => return Err(error.into()),
            Err(EndRunError::NotRunning(_)) => return Err(Broken::Settled(Left::default())),
        }
        let first = self.turns.len();
        self.take_on(more);
        self.say_from(first).await.map_err(|lost| self.fail(&lost))
    }

    fn take_on(&mut self, messages: Vec<Message>) {
        let turns = self.form.turns(messages).into_iter();
        self.turns.extend(turns.map(|messages| Turn { messages, answer: Answer::default(), done: false }));
    }

    /// Hands the turns from `first` on to the agent: the very first is the prompt.
    async fn say_from(&mut self, first: usize) -> Result<(), String> {
        let Some(sandbox) = self.worker.sandbox.as_mut() else { return Err("The sandbox is gone.".to_owned()) };
        let assistant = &self.worker.shared.settings.assistant;
        for (index, turn) in self.turns.iter().enumerate().skip(first) {
            let (id, text) = (turn.id(), self.form.words(&turn.messages, &assistant.name, &assistant.zone));
            let line = if index == 0 { ToGuest::Prompt { id, text } } else { ToGuest::FollowUp { id, text } };
            sandbox.send(&line).await.map_err(|lost| format!("The sandbox was lost: {lost}"))?;
        }
        Ok(())
    }

    fn turn(&mut self, id: u64) -> Option<&mut Turn> {
        self.turns.iter_mut().find(|turn| turn.id() == id && !turn.done)
    }

    /// Ends a run for each answered turn at the head, oldest first.
    fn commit_answers(&mut self) -> Result<(), Broken> {
        while self.turns.front().is_some_and(|turn| turn.done) {
            let (Some(turn), Some(run)) = (self.turns.pop_front(), self.worker.run.take()) else { return Ok(()) };
            let cursor = turn.last();
            let said = self.outgoing(turn, &run);
            match self.worker.shared.store.finish_run_with_reply(run.id, cursor, &said) {
                Ok(_) => self.worker.shared.outbox.wake(),
                Err(EndRunError::Store(error)) => return Err(error.into()),
                Err(EndRunError::NotRunning(_)) => return Err(Broken::Settled(Left::default())),
            }
            self.next_run()?;
        }
        Ok(())
    }

    /// What the chat gets: the answer, what the door refused meanwhile, and the end of
    /// each message that called.
    fn outgoing(&self, turn: Turn, run: &Run) -> Vec<NewOutgoing> {
        let Turn { messages, answer, .. } = turn;
        let Some(called) = messages.last() else { return Vec::new() };
        let say = |text| egress::say(&self.worker.shared, self.group, text);
        let replies = answer.into_messages(Bounds::of(&self.group.channel), say).into_iter();
        let mut all: Vec<_> = replies.map(|text| outgoing(OutgoingKind::Reply, text, called)).collect();
        let notice = self.worker.shared.notice(self.group, run);
        all.extend(notice.map(|text| outgoing(OutgoingKind::Notice, text, called)));
        let calls = messages.iter().filter(|message| message.means != Means::Talk);
        all.extend(calls.map(|message| outgoing(OutgoingKind::Done, "", message)));
        all
    }

    /// Begins the run of what is open, and says so at the door.
    fn next_run(&mut self) -> Result<(), Broken> {
        let Some(sandbox) = self.worker.sandbox.as_ref() else { return Ok(()) };
        let (Some(first), Some(last)) = (self.turns.front(), self.turns.back()) else {
            sandbox.set_run(None);
            return Ok(());
        };
        let store = &self.worker.shared.store;
        let run = store.begin_run(&self.group.name, first.first(), last.last(), sandbox.id())?;
        sandbox.set_run(Some(run.id));
        self.worker.run = Some(run);
        Ok(())
    }

    /// The run failed with everything that is open.
    fn fail(&mut self, why: &str) -> Broken {
        self.fail_for(why, true)
    }

    /// The same; `may_pass`: trying again may help.
    fn fail_for(&mut self, why: &str, may_pass: bool) -> Broken {
        let Some(run) = self.worker.run.take() else { return Broken::Settled(Left::default()) };
        let messages: Vec<Message> = self.turns.drain(..).flat_map(Turn::calls).collect();
        self.worker.shared.fail(self.group, &run, why, &messages, may_pass)
    }
}

impl Turn {
    /// How daemon and guest call this turn.
    fn id(&self) -> u64 {
        self.last().0.unsigned_abs()
    }

    /// The first message that calls. Talk before it may be another at the next attempt.
    fn first(&self) -> MessageRow {
        let call = self.messages.iter().find(|message| message.means != Means::Talk);
        call.map_or(MessageRow(0), |message| message.row)
    }

    fn last(&self) -> MessageRow {
        self.messages.last().map_or(MessageRow(0), |message| message.row)
    }

    fn calls(self) -> impl Iterator<Item = Message> {
        self.messages.into_iter().filter(|message| message.means != Means::Talk)
    }
}
