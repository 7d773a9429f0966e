//! Carries out one firing of a task: in the group's live sandbox, or in a sandbox of its own.
//!
//! It is one turn, and its run covers nothing else. Messages that arrive meanwhile wait until it is over.

use containers::protocol::{Forgotten, FromGuest, ToGuest};
use tokio::time::Instant;

use super::prompt::Form;
use super::reply::{self, Answer, Bounds};
use super::sandbox::{Lost, Sandbox, StartSandbox};
use super::telling;
use super::waiting::{Due, Watch};
use super::worker::{Broken, LAST_WORD, Left, Worker};
use crate::channels::protocol::OutgoingKind;
use crate::phrases::Phrases;
use crate::store::{Context, EndRunError, Firing, FiringEnd, Group, NewOutgoing, Run};

pub(super) struct Errand<'a, S: StartSandbox> {
    worker: &'a mut Worker<S>,
    group: &'a Group,
    firing: Firing,
    form: Form,
    answer: Answer,
    forgot: Option<Forgotten>,
    watch: Watch,
    /// Since when a message waits behind it.
    behind: Option<Instant>,
}

/// The stage of a firing.
enum Goes {
    On,
    /// The command before it found this to do.
    Found(String),
    Over,
}

impl<'a, S: StartSandbox> Errand<'a, S> {
    /// The run is recorded before the agent hears of it.
    pub(super) fn begin(worker: &'a mut Worker<S>, group: &'a Group, firing: Firing) -> Result<Self, Broken> {
        let form = worker.sandbox.as_ref().map_or(Form::Bare, Sandbox::reads);
        let watch = Watch::new(worker.shared.settings.waits, form);
        if let Some(sandbox) = worker.sandbox.as_ref() {
            let row = firing.id.row();
            let run = worker.shared.store.begin_run(&group.name, row, row, sandbox.id())?;
            sandbox.set_run(Some(run.id));
            worker.run = Some(run);
        }
        Ok(Errand { worker, group, firing, form, answer: Answer::default(), forgot: None, watch, behind: None })
    }

    /// Works until it is over.
    pub(super) async fn carry_on(&mut self) -> Result<(), Broken> {
        tracing::info!(group = %self.group.name, task = self.firing.task.id.0, "a task is carried out");
        match self.firing.task.what.gate.clone() {
            Some(command) => self.say(ToGuest::Check { id: self.id(), command }).await?,
            None => self.prompt(None).await?,
        }
        loop {
            let (at, due) = self.watch.next(self.behind);
            let Some(sandbox) = self.worker.sandbox.as_mut() else {
                return Err(self.lose(Phrases::new("sandbox-gone"), true));
            };
            tokio::select! {
                said = sandbox.next() => match self.heard(said)? {
                    Goes::On => {}
                    Goes::Found(found) => self.prompt(Some(&found)).await?,
                    Goes::Over => return Ok(()),
                },
                mail = self.worker.mail.recv(), if !self.worker.mail.is_closed() => {
                    if self.worker.note(mail) && self.behind.is_none() {
                        let waiting = self.worker.shared.store.calls_waiting(&self.group.name)?;
                        self.behind = waiting.first().map(|_| Instant::now());
                    }
                }
                () = tokio::time::sleep_until(at) => self.due(due).await?,
            }
        }
    }

    /// Its id between daemon and guest. Messages have small ids.
    fn id(&self) -> u64 {
        self.firing.id.row().0.cast_unsigned()
    }

    /// Prompts the agent.
    async fn prompt(&mut self, found: Option<&str>) -> Result<(), Broken> {
        let roster = match self.form {
            Form::Bare => None,
            Form::Context => self.worker.shared.stand_ins(&self.group.name)?,
        };
        let text = match roster {
            None => self.form.task(&self.firing, found),
            Some(roster) => {
                let mut firing = self.firing.clone();
                firing.task.what.prompt = roster.hide(&firing.task.what.prompt);
                self.form.task(&firing, found.map(|found| roster.hide(found)).as_deref())
            }
        };
        self.say(ToGuest::Prompt { id: self.id(), text }).await
    }

    async fn say(&mut self, line: ToGuest) -> Result<(), Broken> {
        let Some(sandbox) = self.worker.sandbox.as_mut() else {
            return Err(self.lose(Phrases::new("sandbox-gone"), true));
        };
        match sandbox.send(&line).await {
            Ok(()) => Ok(()),
            Err(lost) => Err(self.lost(&lost)),
        }
    }

    fn heard(&mut self, said: Result<Option<FromGuest>, Lost>) -> Result<Goes, Broken> {
        self.watch.sign();
        let own = self.id();
        match said {
            Ok(Some(FromGuest::Text { id, text })) if id == own => self.answer.push(&text),
            Ok(Some(FromGuest::Done { id, .. })) if id == own => {
                let said = self.outgoing();
                self.end(&FiringEnd::Done, &said)?;
                return Ok(Goes::Over);
            }
            Ok(Some(FromGuest::Checked { id, output, failed })) if id == own => return self.checked(output, failed),
            Ok(Some(FromGuest::Forgot { id, what })) if id == own => self.forgot = Some(what),
            Ok(Some(FromGuest::Error { id, message, fatal, retry, another })) if fatal || id == own => {
                let retry = retry || another && self.hand_over();
                let broken = self.failed(Phrases::new("agent-failed"), &message, retry);
                return if fatal { Err(broken) } else { over(broken) };
            }
            // The session of its own sandbox is never resumed.
            Ok(Some(FromGuest::Session { session })) if self.firing.task.what.context == Context::Group => {
                let at = self.worker.sandbox.as_ref().map_or(0, |sandbox| sandbox.order().at);
                self.worker.shared.remember_session(&self.group.name, at, session.as_deref())?;
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(self.lose(Phrases::new("sandbox-ended"), true)),
            Err(lost) => return Err(self.lost(&lost)),
        }
        Ok(Goes::On)
    }

    /// The command before it has ended: there is nothing to do, or the agent gets its output.
    fn checked(&mut self, output: String, failed: Option<String>) -> Result<Goes, Broken> {
        if let Some(how) = failed {
            let said = format!("{how}\n{output}");
            let broken = self.failed(Phrases::new("gate-failed"), &said, false);
            return over(broken);
        }
        if finds_nothing(&output) {
            self.end(&FiringEnd::Nothing, &[])?;
            return Ok(Goes::Over);
        }
        Ok(Goes::Found(output))
    }

    /// The next agent takes over at the retry. Returns whether there is one.
    fn hand_over(&mut self) -> bool {
        let shared = &self.worker.shared;
        let (Some(run), Some(sandbox)) = (&self.worker.run, &self.worker.sandbox) else { return false };
        let Some(words) = shared.hand_over(run, sandbox.order()) else { return false };
        if let Some(words) = words {
            let told = telling::unasked(OutgoingKind::Notice, shared.say.own(&self.group.name, words));
            if let Err(error) = shared.store.enqueue(&self.group.name, Some(run.id), &told) {
                tracing::error!(group = %self.group.name, %error, "a remark could not be queued");
            }
        }
        true
    }

    fn failed(&mut self, words: Phrases, why: &str, may_pass: bool) -> Broken {
        let said = self.worker.shared.say(self.group, reply::error(why));
        self.lose(words.saying("why", said.as_str()), may_pass)
    }

    /// What the chat gets: the answer, if any, and the door's refusals.
    fn outgoing(&mut self) -> Vec<NewOutgoing> {
        let shared = &self.worker.shared;
        let own = |words: Phrases| shared.say.own(&self.group.name, words);
        let answer = std::mem::take(&mut self.answer);
        let replies = answer.into_messages(Bounds::of(&self.group.channel), |text| shared.say(self.group, text), own);
        let mut all: Vec<_> = replies.into_iter().map(|text| telling::unasked(OutgoingKind::Reply, text)).collect();
        let mut notice = |words| all.push(telling::unasked(OutgoingKind::Notice, own(words)));
        if let Some(what) = self.forgot {
            notice(telling::forgotten(what, &self.group.name));
        }
        if let Some(text) = self.worker.run.as_ref().and_then(|run| shared.notice(self.group, run)) {
            notice(text);
        }
        all
    }

    fn end(&mut self, how: &FiringEnd, told: &[NewOutgoing]) -> Result<(), Broken> {
        let Some(run) = self.take_run() else { return Ok(()) };
        match self.worker.shared.store.end_firing(run.id, &self.firing, how, told) {
            Ok(_) => self.worker.shared.outbox.wake(),
            Err(EndRunError::Store(error)) => return Err(error.into()),
            Err(EndRunError::NotRunning(_)) => return Err(Broken::Settled(Left::default())),
        }
        Ok(())
    }

    fn take_run(&mut self) -> Option<Run> {
        if let Some(sandbox) = &self.worker.sandbox {
            sandbox.set_run(None);
        }
        self.worker.run.take()
    }

    /// Sends a notice that is due, or ends the run.
    async fn due(&mut self, due: Due) -> Result<(), Broken> {
        let words = self.watch.words(due);
        self.watch.told(due);
        match due {
            // Nobody waits for it.
            Due::Quiet => {}
            Due::Behind => {
                let waiting = self.worker.shared.store.calls_waiting(&self.group.name)?;
                if let Some(first) = waiting.first() {
                    let words = Phrases::new("behind-a-task").with("number", self.firing.task.id.0);
                    self.worker.shared.remark(&self.group.name, first, words);
                }
            }
            Due::Hung | Due::TooLong => {
                if let Some(sandbox) = self.worker.sandbox.as_mut() {
                    // It is closed right after; an agent that reads this can leave its session in order.
                    let _ = tokio::time::timeout(LAST_WORD, sandbox.send(&ToGuest::Interrupt)).await;
                }
                return Err(self.lose(words, false));
            }
        }
        Ok(())
    }

    fn lost(&mut self, lost: &Lost) -> Broken {
        self.lose(Phrases::new("sandbox-lost").saying("why", lost.to_string()), lost.may_pass)
    }

    /// The run has failed.
    fn lose(&mut self, why: Phrases, may_pass: bool) -> Broken {
        match self.take_run() {
            Some(run) => self.worker.shared.fail(self.group, &run, &why, &[], may_pass),
            None => Broken::Settled(Left::default()),
        }
    }
}

/// A failure that leaves the sandbox intact.
fn over(broken: Broken) -> Result<Goes, Broken> {
    match broken {
        Broken::Settled(_) => Ok(Goes::Over),
        broken @ Broken::Store(_) => Err(broken),
    }
}

/// Whether a command found nothing to do: no output, or the answer that NanoClaw's scripts give.
fn finds_nothing(output: &str) -> bool {
    let Some(last) = output.lines().map(str::trim).rfind(|line| !line.is_empty()) else { return true };
    let said = serde_json::from_str::<serde_json::Value>(last);
    said.is_ok_and(|said| said["wakeAgent"] == false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_nothing_finds_nothing() {
        for output in ["", " \n\t\n", "{\"wakeAgent\": false}", "looked\n{\"wakeAgent\":false,\"data\":{}}\n\n"] {
            assert!(finds_nothing(output), "{output:?}");
        }
        for output in ["x", "{\"wakeAgent\": true}", "{\"wakeAgent\": false}\nand more", "false", "[]", "{"] {
            assert!(!finds_nothing(output), "{output:?}");
        }
    }
}
