//! The queue of questions: who waits, when a question is put, and who is woken.
//!
//! What it is not: an answer. It asks ([`Approvals::asked`]), holds back, wakes, refuses and closes. Whoever is woken
//! looks for a yes.

use std::sync::Arc;
use std::time::Duration;

use desk::lock;
use policies::{Code, GroupName, Refusal};
use proxy::ports::{Held, Question};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout_at;

use super::answering::NotAnswered;
use super::book::{OF_ALL, OF_ONE_GROUP, Outcome};
use super::open::Open;
use super::owner::By;
use super::reading::Answer;
use super::rules::wider;
use super::telling::unavailable;
use super::times::At;
use super::{Approvals, deed, words};
use crate::store::{Answered, Ask, AskId, AskState, StoreError};

/// A waiting request. Dropping it ends the wait.
pub(super) struct Waits<'a> {
    approvals: &'a Approvals,
    ask: AskId,
    number: u64,
    told: oneshot::Receiver<Outcome>,
}

/// Why a waiting request goes on.
pub(super) enum Woken {
    /// Its question was answered: there may be a yes.
    Answered,
    /// The policy has changed: it is judged again.
    Anew,
}

impl Waits<'_> {
    /// Waits until it goes on, or is refused.
    pub(super) async fn woken(&mut self, question: &Question) -> Result<Woken, Refusal> {
        match timeout_at(question.until, &mut self.told).await {
            Ok(Ok(Outcome::Answered)) => Ok(Woken::Answered),
            Ok(Ok(Outcome::Anew)) => Ok(Woken::Anew),
            Ok(Ok(Outcome::No { because, for_good })) => Err(words::refused(question, because.as_deref(), for_good)),
            // Nobody answered, or the daemon is ending.
            Ok(Err(_)) | Err(_) => Err(words::unanswered(question)),
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        lock(&self.approvals.leaving).push((self.ask, self.number));
        self.approvals.changed.notify_one();
    }
}

impl Approvals {
    /// Joins those that wait for the answer to a question, which is asked unless it is open.
    pub(super) fn begin(&self, question: &Question, held: Option<Held>) -> Result<Waits<'_>, Refusal> {
        let now = self.times.now();
        let group = &question.who.group;
        self.forget(now);
        let mut book = self.book();
        if let Some(because) = book.no(question, now) {
            return Err(words::refused_before(question, because.as_deref()));
        }
        if book.has_enough_noes(group, now) {
            return Err(words::refused_often(question));
        }
        let (own, all) = book.waiting(group);
        if own >= OF_ONE_GROUP || all >= OF_ALL {
            let full = "too many requests wait for the owner's answer; let some of them end";
            return Err(Refusal::new(Code::GroupLimit, full));
        }
        let mut known = book.of(question, now);
        let mut replaces = false;
        if let Some(ask) = known
            && let Some(open) = book.under_another_policy(ask, question)
        {
            // Where it is not judged anew, this request was judged before a save and that one after it, or the other way.
            known = None;
            if book.is_judged_anew(ask) {
                let anew = self.asked_anew(open, question, held.as_ref())?;
                let anew = anew.ok_or_else(|| words::unanswered(question))?;
                if open.reads_like(&anew) {
                    book.is_told_anew(ask, anew);
                    known = Some(ask);
                } else {
                    // What its owner has read is not what an answer would do now.
                    replaces = true;
                    self.store.leave_ask(ask, AskState::Lost).map_err(|error| unavailable(&error))?;
                    book.remove(&[ask]);
                }
            }
        }
        if let Some(ask) = known
            && !self.store.leave_ask(ask, AskState::Waiting).map_err(|error| unavailable(&error))?
        {
            // It was removed with its group; the present one of that name is another.
            book.remove(&[ask]);
            known = None;
        }
        if known.is_none() && (question.by.quiet || book.is_quiet(now)) {
            return Err(words::not_asked(question));
        }
        let ask = match known {
            Some(ask) => {
                book.begin_again(ask);
                ask
            }
            None => {
                // The owner's save does not use up what a group may ask.
                if !replaces && book.asks_too_much(group, now) {
                    let full = "the owner was asked too much within a minute; wait, and ask for less";
                    return Err(Refusal::new(Code::GroupLimit, full));
                }
                for gone in book.make_room(group) {
                    self.store.leave_ask(gone, AskState::Lost).map_err(|error| unavailable(&error))?;
                }
                let open = self.asked(question, held.as_ref(), now)?;
                if !replaces {
                    book.has_asked(group, now);
                }
                book.begin(open)
            }
        };
        let (number, told) = book.wait(ask, question.until).ok_or_else(|| words::unanswered(question))?;
        drop(book);
        self.changed.notify_one();
        Ok(Waits { approvals: self, ask, number, told })
    }

    /// Forgets what has expired, and records the questions that nobody waits for any more.
    pub(super) fn forget(&self, now: At) {
        self.yeses.forget(now);
        let mut book = self.book();
        for (ask, wait) in std::mem::take(&mut *lock(&self.leaving)) {
            if book.leave(ask, wait)
                && let Err(error) = self.store.leave_ask(ask, AskState::Gone)
            {
                tracing::error!(%error, "A question whose request has gone could not be noted as that");
            }
        }
        let over = book.forget(now);
        drop(book);
        for ask in over {
            if let Err(error) = self.store.leave_ask(ask, AskState::Lost) {
                tracing::error!(%error, "A question whose time is over could not be closed");
            }
        }
    }

    /// The policy of a group was replaced: what waits is judged again, and what nobody can answer now is closed.
    pub(super) fn close(&self, group: &GroupName) {
        let mut book = self.book();
        // What was given while the store ended the others does not count either. First: whoever is woken looks for a yes.
        self.yeses.count_no_more(group);
        let asks = book.of_policy(group);
        // Before anybody is woken, who may open theirs again.
        if !asks.is_empty()
            && let Err(error) = self.store.leave_asks(&asks, AskState::Lost)
        {
            tracing::error!(%group, %error, "Questions of an earlier policy could not be closed");
        }
        book.policy_changed(group, &asks);
    }

    /// The questions that can be answered, oldest first.
    pub fn open_asks(&self) -> Result<Vec<Ask>, StoreError> {
        self.forget(self.times.now());
        self.store.open_asks()
    }

    /// The question as it is now, if it can be answered.
    pub(super) fn as_it_stands(&self, ask: AskId, now: At) -> Result<Open, NotAnswered> {
        let row = self.store.ask(ask)?;
        if !row.as_ref().is_some_and(|row| row.state.is_open()) {
            return Err(NotAnswered::Closed(words::closed(row.as_ref())));
        }
        self.book().to_answer(ask, now).cloned().ok_or_else(NotAnswered::closed)
    }

    /// A yes does not open a lock, and is not kept until it is opened.
    pub(super) fn refuse_locked(&self, open: &Open, answer: Answered) -> Result<(), NotAnswered> {
        let group = &open.question().who.group;
        let is_locked = self.around().is_some_and(|around| (around.is_locked)(group));
        match answer {
            Answered::Once | Answered::Answer | Answered::Always if is_locked => Err(NotAnswered::Impossible(format!(
                "{group} is locked, and no yes opens that: `doorward unlock` on the machine does."
            ))),
            _ => Ok(()),
        }
    }

    /// An answer for more than this request, in a chat that has only listed it, has it put alone: a list does not say what
    /// such an answer covers.
    pub(super) fn put_before_it_is_answered(
        &self,
        open: &Open,
        answer: Answered,
        by: By<'_>,
    ) -> Result<(), NotAnswered> {
        let for_more = matches!(answer, Answered::Answer | Answered::Always | Answered::Never);
        if !for_more || by.main().is_none() || !self.book().is_only_listed(open.ask()) {
            return Ok(());
        }
        let alone = self.message(&[open]);
        let why = if self.put(&alone)? {
            self.book().are_put(alone.asks());
            "So far it was only in a list; it comes again alone, and says what this answer covers: answer that."
        } else {
            "So far it was only in a list, and it cannot be shown here alone; `doorward ask` shows what this answer covers."
        };
        Err(NotAnswered::Impossible(why.to_owned()))
    }

    /// What leaves with a question's request, and what `always` covers beside it, if it can be answered now.
    pub fn in_full(&self, ask: AskId) -> Option<(String, Option<String>)> {
        let book = self.book();
        let shown = book.open.get(&ask)?.open.shown();
        let asks = deed::operation(&shown.question).is_none();
        asks.then(|| (words::leaves(&shown.question), shown.rules.always.as_ref().ok().map(wider)))
    }

    /// The policy under which a question was asked, if it has just been saved anew, is so from now on.
    pub(super) fn look_at_policy_of(&self, ask: AskId) {
        let group = self.book().open.get(&ask).map(|entry| entry.open.question().who.group.clone());
        if let Some(group) = group {
            self.look_at_policy(&group);
        }
    }

    /// Closes an answered question, and wakes whoever waits for it. Returns whether anybody was left to wake.
    pub(super) fn settle(&self, open: &Open, answer: &Answer, now: At) -> bool {
        let mut book = self.book();
        let outcome = match answer.what {
            Answered::Once | Answered::Answer => Outcome::Answered,
            Answered::Always => Outcome::Anew,
            Answered::No | Answered::Never => {
                book.says_no(open.question(), answer.because.clone(), now);
                Outcome::No { because: answer.because.clone(), for_good: answer.what == Answered::Never }
            }
        };
        book.settle(open.ask(), &outcome)
    }

    /// Puts questions to the main group's chat for as long as the daemon serves, at most three messages a minute.
    pub async fn put_questions(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        loop {
            let due = self.put_due();
            let later = async {
                match due {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = later => {}
                () = self.changed.notified() => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
        }
    }

    /// Puts what is due. Returns how long until more is; `None` if nothing is pending.
    pub(super) fn put_due(&self) -> Option<Duration> {
        let now = self.times.now();
        self.forget(now);
        let mut book = self.book();
        // A question whose request has gone is not worth a message; the command line shows it.
        let (waited, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut book.unput).into_iter().partition(|ask| book.is_waited_for(*ask));
        drop(left);
        book.unput = waited;
        if book.unput.is_empty() {
            return None;
        }
        let due = book.pace.next(now.steady);
        if due > now.steady {
            return Some(due - now.steady);
        }
        let asks = book.take_unput();
        book.pace.goes(now.steady);
        let open: Vec<_> = asks.iter().filter_map(|ask| Some(&book.open.get(ask)?.open)).collect();
        let message = self.message(&open);
        let put = message.asks();
        let rest: Vec<_> = asks.into_iter().filter(|ask| !put.contains(ask)).collect();
        drop(book);
        let put_now = self.put(&message);
        let mut book = self.book();
        match put_now {
            Ok(_) => book.are_put(put),
            Err(error) => {
                tracing::error!(%error, "A question could not be put into the owner's chat; it is tried again");
                book.unput.extend(put);
            }
        }
        book.unput.extend(rest);
        (!book.unput.is_empty()).then(|| book.pace.next(now.steady).saturating_sub(now.steady))
    }
}
