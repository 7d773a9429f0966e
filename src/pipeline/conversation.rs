//! A stretch of turns in a live sandbox: a prompt, and the follow-ups that people
//! send while it is being answered.
//!
//! A group has at most one run in flight. For an agent that reads context it covers every
//! open turn; a shell runs one command at a time, so its run covers the current command
//! alone, and those that wait have done nothing. When a turn ends, its run ends with it, in
//! one transaction with the group's cursor and the replies, and the open turns continue in
//! the next run. Turns are committed in order.

use std::collections::VecDeque;

use containers::protocol::{Forgotten, FromGuest, ToGuest};
use tokio::time::Instant;

use super::people::Names;
use super::prompt::{self, Form};
use super::reply::{self, Answer, Bounds};
use super::sandbox::{Lost, Sandbox, StartSandbox};
use super::telling::{self, outgoing};
use super::thoughts::Thoughts;
use super::waiting::{Due, Watch};
use super::worker::{Broken, LAST_WORD, Left, Worker};
use crate::channels::protocol::OutgoingKind;
use crate::channels::terminal;
use crate::phrases::Phrases;
use crate::store::{EndRunError, Group, Growing, Means, Message, MessageRow, NewOutgoing, Run};

pub(super) struct Conversation<'a, S: StartSandbox> {
    worker: &'a mut Worker<S>,
    group: &'a Group,
    form: Form,
    turns: VecDeque<Turn>,
    watch: Watch,
}

/// Messages that are answered together; the last one calls. With the answer so far.
struct Turn {
    messages: Vec<Message>,
    answer: Answer,
    /// Whether the agent has got it.
    handed_on: bool,
    /// The part of a growing answer that is shown.
    growing: Option<Shown>,
    /// Whether it is a greeting, which a shell cannot answer.
    greets: bool,
    end: Option<End>,
    forgot: Option<Forgotten>,
    since: Instant,
}

/// A growing answer at a terminal: thoughts are removed, names restored, and then it is checked like any other text.
struct Shown {
    thoughts: Thoughts,
    names: Names,
    growing: Growing,
}

enum End {
    /// Whether a later turn's answer covers it.
    Answered {
        with: Option<u64>,
    },
    Failed {
        why: Phrases,
        retry: bool,
    },
}

fn lost_words(lost: &Lost) -> Phrases {
    Phrases::new("sandbox-lost").saying("why", lost.to_string())
}

impl<'a, S: StartSandbox> Conversation<'a, S> {
    /// Takes on these messages. The run is recorded before the agent hears of them.
    pub(super) fn begin(worker: &'a mut Worker<S>, group: &'a Group, messages: Vec<Message>) -> Result<Self, Broken> {
        let form = worker.sandbox.as_ref().map_or(Form::Bare, Sandbox::reads);
        let watch = Watch::new(worker.shared.settings.waits, form);
        let mut conversation = Conversation { worker, group, form, turns: VecDeque::new(), watch };
        conversation.take_on(messages);
        conversation.next_run()?;
        Ok(conversation)
    }

    /// Works until every message is answered.
    pub(super) async fn carry_on(&mut self) -> Result<(), Broken> {
        while !self.turns.is_empty() {
            if let Some(id) = self.greeted() {
                self.ended(id, End::Answered { with: None })?;
                continue;
            }
            if let Err(why) = self.hand_on().await {
                return Err(self.lose(why, true));
            }
            let (at, due) = self.watch.next(self.behind());
            let Some(sandbox) = self.worker.sandbox.as_mut() else {
                return Err(self.lose(Phrases::new("sandbox-gone"), true));
            };
            tokio::select! {
                said = sandbox.next() => self.heard(said)?,
                mail = self.worker.mail.recv(), if !self.worker.mail.is_closed() => {
                    if self.worker.note(mail) {
                        self.follow_up()?;
                    }
                }
                () = tokio::time::sleep_until(at) => self.due(due).await?,
            }
        }
        Ok(())
    }

    fn heard(&mut self, said: Result<Option<FromGuest>, Lost>) -> Result<(), Broken> {
        self.watch.sign();
        match said {
            Ok(Some(FromGuest::Text { id, text })) => {
                if let Some(turn) = self.turn(id) {
                    turn.answer.push(&text);
                    self.grow(id, &text);
                }
                Ok(())
            }
            Ok(Some(FromGuest::Done { id, with })) => self.ended(id, End::Answered { with }),
            Ok(Some(FromGuest::Forgot { id, what })) => {
                if let Some(turn) = self.turn(id) {
                    turn.forgot = Some(what);
                }
                Ok(())
            }
            Ok(Some(FromGuest::Error { id, message, fatal, retry, another })) => {
                if another && let Some(over) = self.hand_over(id, &message) {
                    return Err(over);
                }
                tracing::info!(group = %self.group.name, fatal, retry, "the agent reports an error");
                let said = self.worker.shared.say(self.group, reply::error(&message));
                let why = Phrases::new("agent-failed").saying("why", said.as_str());
                if fatal { Err(self.lose(why, retry)) } else { self.ended(id, End::Failed { why, retry }) }
            }
            Ok(Some(FromGuest::Progress { .. })) => {
                self.worker.shared.typing(&self.group.name, true);
                Ok(())
            }
            Ok(Some(FromGuest::Session { session })) => {
                let at = self.at();
                self.worker.shared.remember_session(&self.group.name, at, session.as_deref())
            }
            // Too early or too late, but no reason to abandon the answer.
            Ok(Some(FromGuest::Hello { .. } | FromGuest::Ready | FromGuest::Checked { .. })) => Ok(()),
            Ok(None) => Err(self.lose(Phrases::new("sandbox-ended"), true)),
            Err(lost) => Err(self.lose(lost_words(&lost), lost.may_pass)),
        }
    }

    /// Shows more of the next answer, at a terminal.
    fn grow(&mut self, id: u64, piece: &str) {
        let (group, shared) = (self.group, &self.worker.shared);
        let Some(turn) = self.turns.front_mut().filter(|turn| turn.id() == id) else { return };
        if group.channel != terminal::CHANNEL || turn.answer.is_cut() {
            return;
        }
        let Shown { thoughts, names, growing } = turn.growing.get_or_insert_with(|| Shown {
            thoughts: Thoughts::default(),
            names: Names::of(shared.stand_ins(&group.name).unwrap_or_default()),
            growing: shared.say.growing(&group.name),
        });
        let (more, called) = (growing.more(names.more(thoughts.without(piece))), turn.messages.last());
        if let Some((text, called)) = more.zip(called) {
            shared.outbox.growing(group, &called.id, &text);
        }
    }

    /// Hands new messages to the live sandbox.
    fn follow_up(&mut self) -> Result<(), Broken> {
        let newest = self.turns.back().map_or(MessageRow(0), Turn::last);
        let pending = self.worker.shared.pending_messages(&self.group.name)?;
        let more: Vec<Message> = pending.into_iter().filter(|message| message.row > newest).collect();
        let (Some(last), Some(run)) = (more.last(), &self.worker.run) else { return Ok(()) };
        // A task that is due goes before turns that have not begun.
        if self.worker.shared.store.next_firing(&self.group.name)?.is_some() {
            return Ok(());
        }
        // Somebody said stop: the halt will follow.
        if more.iter().any(|message| message.means == Means::Stop) {
            return Ok(());
        }
        if self.form == Form::Context {
            match self.worker.shared.store.extend_run(run.id, last.row) {
                Ok(()) => {}
                Err(EndRunError::Store(error)) => return Err(error.into()),
                Err(EndRunError::NotRunning(_)) => return Err(Broken::Settled(Left::default())),
            }
        }
        self.take_on(more);
        Ok(())
    }

    fn take_on(&mut self, messages: Vec<Message>) {
        let turns = self.form.turns(messages).into_iter();
        self.turns.extend(turns.map(Turn::of));
    }

    /// A greeting is no command: if it is a shell's next turn, that turn ends here.
    fn greeted(&mut self) -> Option<u64> {
        let name = self.worker.shared.name_in(&self.group.name);
        let turn = self.turns.front_mut().filter(|turn| self.form == Form::Bare && !turn.handed_on)?;
        turn.greets = turn.messages.last().is_some_and(|message| prompt::is_greeting(&message.text, &name));
        turn.greets.then(|| turn.id())
    }

    /// Hands over what the agent may have now: every open turn, or a shell's first command.
    /// The very first turn is the prompt.
    async fn hand_on(&mut self) -> Result<(), Phrases> {
        let Some(sandbox) = self.worker.sandbox.as_mut() else { return Err(Phrases::new("sandbox-gone")) };
        let name = self.worker.shared.name_in(&self.group.name);
        let zone = &self.worker.shared.settings.assistant.zone;
        let roster = match self.form {
            Form::Bare => Ok(None),
            Form::Context => self.worker.shared.stand_ins(&self.group.name),
        };
        let roster = roster.map_err(|error| {
            tracing::error!(group = %self.group.name, %error, "who stands in for whom cannot be read");
            Phrases::new("sandbox-gone")
        })?;
        let at_once = if self.form == Form::Bare { 1 } else { usize::MAX };
        for (index, turn) in self.turns.iter_mut().enumerate().take(at_once) {
            if turn.handed_on {
                continue;
            }
            let hidden: Option<Vec<Message>> =
                roster.as_ref().map(|roster| turn.messages.iter().map(|message| roster.in_place_of(message)).collect());
            let messages = hidden.as_deref().unwrap_or(&turn.messages);
            let (id, text) = (turn.id(), self.form.words(messages, &name, zone));
            let line = if index == 0 { ToGuest::Prompt { id, text } } else { ToGuest::FollowUp { id, text } };
            sandbox.send(&line).await.map_err(|lost| lost_words(&lost))?;
            turn.handed_on = true;
        }
        Ok(())
    }

    fn turn(&mut self, id: u64) -> Option<&mut Turn> {
        self.turns.iter_mut().find(|turn| turn.id() == id && turn.end.is_none())
    }

    /// Ends a turn, and perhaps earlier turns that waited for it.
    fn ended(&mut self, id: u64, end: End) -> Result<(), Broken> {
        let Some(turn) = self.turn(id) else { return Ok(()) };
        turn.end = Some(end);
        while let Some(end) = self.turns.front_mut().and_then(|turn| turn.end.take()) {
            let (Some(turn), Some(run)) = (self.turns.pop_front(), self.worker.run.take()) else { return Ok(()) };
            match end {
                End::Answered { with } => self.answered(turn, &run, with)?,
                End::Failed { why, retry } => self.failed(turn, &run, why, retry)?,
            }
            self.next_run()?;
        }
        Ok(())
    }

    /// Which of the group's agents answers.
    fn at(&self) -> usize {
        self.worker.sandbox.as_ref().map_or(0, |sandbox| sandbox.order().at)
    }

    /// The agent's model cannot continue: the open turns go to the next agent, if there is one. The run ends without an
    /// answer, and its messages wait.
    fn hand_over(&mut self, id: u64, why: &str) -> Option<Broken> {
        let turn = self.turns.front().filter(|turn| turn.id() == id)?;
        let (shared, run) = (&self.worker.shared, self.worker.run.as_ref()?);
        let words = shared.hand_over(run, self.worker.sandbox.as_ref()?.order())?;
        let called = turn.messages.iter().find(|message| message.means != Means::Talk);
        let told = words.zip(called);
        let told =
            told.map(|(words, called)| outgoing(OutgoingKind::Notice, shared.say.own(&self.group.name, words), called));
        let ended = shared.store.fail_run(run.id, why, None, &Vec::from_iter(told));
        shared.outbox.wake();
        self.worker.run = None;
        self.turns.clear();
        Some(match ended {
            Ok(_) | Err(EndRunError::NotRunning(_)) => Broken::Settled(Left::default()),
            Err(EndRunError::Store(error)) => Broken::Store(error),
        })
    }

    fn answered(&mut self, turn: Turn, run: &Run, with: Option<u64>) -> Result<(), Broken> {
        self.worker.shared.standings.answered(&self.group.name, self.at());
        let cursor = turn.last();
        let said = self.outgoing(turn, run, with);
        match self.worker.shared.store.finish_run_with_reply(run.id, cursor, &said) {
            Ok(_) => self.worker.shared.outbox.wake(),
            Err(EndRunError::Store(error)) => return Err(error.into()),
            Err(EndRunError::NotRunning(_)) => return Err(Broken::Settled(Left::default())),
        }
        Ok(())
    }

    /// A failed turn is settled alone. Only if the failure may be temporary, and no later turn was answered, does the
    /// group rest and try again.
    fn failed(&mut self, turn: Turn, run: &Run, mut why: Phrases, retry: bool) -> Result<(), Broken> {
        if let Some(what) = turn.forgot {
            why = why.line(telling::forgotten(what, &self.group.name));
        }
        let retry = retry && self.turns.iter().all(|turn| turn.end.is_none());
        let calls: Vec<Message> = turn.calls().collect();
        match self.worker.shared.fail(self.group, run, &why, &calls, retry) {
            Broken::Settled(Left { rest: None }) => Ok(()),
            broken => Err(broken),
        }
    }

    /// What the chat gets: the answer, the door's refusals, other notices, and an end for each message that called.
    /// Every call gets a response.
    fn outgoing(&self, turn: Turn, run: &Run, with: Option<u64>) -> Vec<NewOutgoing> {
        let cut = turn.messages.iter().any(|message| self.form.cuts(message));
        let Turn { messages, answer, forgot, greets, .. } = turn;
        let Some(called) = messages.last() else { return Vec::new() };
        let shared = &self.worker.shared;
        let own = |words: Phrases| shared.say.own(&self.group.name, words);
        let say = |text| shared.say(self.group, text);
        let replies = answer.into_messages(Bounds::of(&self.group.channel), say, own);
        let replies = replies.into_iter();
        let mut all: Vec<_> = replies.map(|text| outgoing(OutgoingKind::Reply, text, called)).collect();
        if greets {
            let hello = Phrases::new("shell-hello").with("group", &self.group.name);
            all.push(outgoing(OutgoingKind::Reply, own(hello), called));
        }
        match with {
            None if all.is_empty() && !shared.said_meanwhile(&self.group.name, called.row) => {
                all.push(outgoing(OutgoingKind::Failure, own(telling::no_answer()), called));
            }
            Some(_) if all.is_empty() && self.group.channel == terminal::CHANNEL => {
                all.push(outgoing(OutgoingKind::Notice, own(telling::answered_together()), called));
            }
            _ => {}
        }
        let mut notice = |words| all.push(outgoing(OutgoingKind::Notice, own(words), called));
        if let Some(what) = forgot {
            notice(telling::forgotten(what, &self.group.name));
        }
        if cut {
            notice(prompt::cut_words());
        }
        if let Some(text) = shared.notice(self.group, run).or_else(|| shared.used_up(self.group, run)) {
            notice(text);
        }
        let calls = messages.iter().filter(|message| message.means != Means::Talk);
        all.extend(calls.map(|message| telling::done(&message.id)));
        all
    }

    /// Begins a run for the open turns, and tells the door.
    fn next_run(&mut self) -> Result<(), Broken> {
        let Some(sandbox) = self.worker.sandbox.as_ref() else { return Ok(()) };
        let (Some(first), Some(last)) = (self.turns.front(), self.turns.back()) else {
            sandbox.set_run(None);
            return Ok(());
        };
        let last = if self.form == Form::Bare { first.last() } else { last.last() };
        let store = &self.worker.shared.store;
        let run = store.begin_run(&self.group.name, first.first(), last, sandbox.id())?;
        sandbox.set_run(Some(run.id));
        self.worker.run = Some(run);
        self.watch = Watch::new(self.worker.shared.settings.waits, self.form);
        Ok(())
    }

    /// Since when a message waits behind a command.
    fn behind(&self) -> Option<Instant> {
        self.turns.get(1).filter(|_| self.form == Form::Bare).map(|turn| turn.since)
    }

    /// Sends a notice that is due, or ends the run.
    async fn due(&mut self, due: Due) -> Result<(), Broken> {
        let words = self.watch.words(due);
        self.watch.told(due);
        let told = match due {
            Due::Quiet => self.turns.front(),
            Due::Behind => self.turns.get(1),
            Due::Hung | Due::TooLong => {
                if let Some(sandbox) = self.worker.sandbox.as_mut() {
                    // It is closed right after; an agent that reads this can leave its session in order.
                    let _ = tokio::time::timeout(LAST_WORD, sandbox.send(&ToGuest::Interrupt)).await;
                }
                return Err(self.lose(words, false));
            }
        };
        if let Some(message) = told.and_then(|turn| turn.messages.last()) {
            self.worker.shared.remark(&self.group.name, message, words);
        }
        Ok(())
    }

    /// The sandbox is lost, and the run has failed with everything it covers. Commands waiting behind a shell's are not
    /// part of it and are tried again.
    fn lose(&mut self, why: Phrases, may_pass: bool) -> Broken {
        let Some(run) = self.worker.run.take() else { return Broken::Settled(Left::default()) };
        let covered = if self.form == Form::Bare { 1 } else { self.turns.len() };
        let messages: Vec<Message> = self.turns.drain(..).take(covered).flat_map(Turn::calls).collect();
        self.worker.shared.fail(self.group, &run, &why, &messages, may_pass)
    }
}

impl Turn {
    fn of(messages: Vec<Message>) -> Self {
        Turn {
            messages,
            answer: Answer::default(),
            growing: None,
            handed_on: false,
            greets: false,
            end: None,
            forgot: None,
            since: Instant::now(),
        }
    }

    /// The turn's id between daemon and guest.
    fn id(&self) -> u64 {
        self.last().0.unsigned_abs()
    }

    /// The first message that calls. Talk before it may be different at the next attempt.
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
