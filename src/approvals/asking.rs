//! A request waiting at the door: its question, its place in the queue and its answer in the end.

use std::sync::Arc;
use std::time::Duration;

use desk::lock;
use policies::{Code, Facts, Refusal};
use proxy::aside;
use proxy::ports::Pending;
use proxy::ports::{Held, Owner, Question, Yes};
use tokio::sync::{SemaphorePermit, watch};
use tokio::task::coop::unconstrained;
use tokio::time::timeout_at;

use super::book::{Open, Outcome};
use super::rules::Rules;
use super::taking::exact;
use super::times::At;
use super::{Approvals, OF_ALL, OF_ONE_GROUP, code, deed, words};
use crate::channels::protocol::OutgoingKind;
use crate::phrases::Phrases;
use crate::store::ledger::Notice;
use crate::store::{AskId, AskState, NewAsk, NewOutgoing, RunId, StoreError};

impl Owner for Approvals {
    fn ask(&self, question: Question, held: Held) -> Pending<'_, Result<Yes, Refusal>> {
        Box::pin(self.wait(question, Some(held)))
    }
}

/// A waiting request. Dropping it ends the wait.
struct Waits<'a> {
    approvals: &'a Approvals,
    question: Question,
    ask: AskId,
    number: u64,
    told: tokio::sync::oneshot::Receiver<Outcome>,
}

/// How asking begins.
enum Begun<'a> {
    /// A yes was there already.
    Taken(Yes),
    /// It waits.
    Waits(Box<Waits<'a>>),
}

impl Waits<'_> {
    /// Takes the yes that was given. Another request of the same kind may have been faster.
    fn take(&self) -> Result<Yes, Refusal> {
        let taken = self.approvals.take(&self.question)?;
        taken.ok_or_else(|| words::taken_by_another(&self.question))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        lock(&self.approvals.leaving).push((self.ask, self.number));
        self.approvals.changed.notify_one();
    }
}

impl Approvals {
    /// Asks a question and waits for its answer. Without `held` it is about an operation. The caller may be on a door's
    /// thread, so commits run elsewhere.
    pub(super) async fn wait(&self, question: Question, held: Option<Held>) -> Result<Yes, Refusal> {
        let until = question.until;
        let turn = self.turn().await;
        let begun = aside(|| self.take_or_begin(question, held));
        drop(turn);
        let mut waits = match begun? {
            Begun::Taken(yes) => return Ok(yes),
            Begun::Waits(waits) => waits,
        };
        let told = timeout_at(until, &mut waits.told).await;
        match told {
            Ok(Ok(Outcome::Yes)) => {
                let _turn = self.turn().await;
                aside(|| waits.take())
            }
            Ok(Ok(Outcome::Anew)) => Ok(Yes::Anew),
            Ok(Ok(Outcome::No { because, for_good })) => {
                Err(words::refused(&waits.question, because.as_deref(), for_good))
            }
            // Nobody answered, or the daemon is ending.
            Ok(Err(_)) | Err(_) => Err(words::unanswered(&waits.question)),
        }
    }

    /// Whoever holds the permit has the database to themselves. Nothing closes the semaphore.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        unconstrained(self.asking.acquire()).await.ok()
    }

    fn take_or_begin(&self, question: Question, held: Option<Held>) -> Result<Begun<'_>, Refusal> {
        match self.take(&question)? {
            Some(yes) => Ok(Begun::Taken(yes)),
            None => self.begin(question, held).map(|waits| Begun::Waits(Box::new(waits))),
        }
    }

    fn begin(&self, question: Question, held: Option<Held>) -> Result<Waits<'_>, Refusal> {
        let now = self.times.now();
        let group = question.who.group.clone();
        self.forget(now);
        let mut book = self.book();
        if let Some(because) = book.no(&question, now) {
            return Err(words::refused_before(&question, because.as_deref()));
        }
        if book.has_enough_noes(&group, now) {
            return Err(words::refused_often(&question));
        }
        let (own, all) = book.waiting(&group);
        if own >= OF_ONE_GROUP || all >= OF_ALL {
            let full = "too many requests wait for the owner's answer; let some of them end";
            return Err(Refusal::new(Code::GroupLimit, full));
        }
        let mut known = book.of(&question, now);
        if let Some(ask) = known
            && !self.store.leave_ask(ask, AskState::Waiting).map_err(|error| unavailable(&error))?
        {
            // It was removed with its group; the present one of that name is another.
            book.remove(&[ask]);
            known = None;
        }
        if known.is_none() && (question.by.quiet || book.is_quiet(now)) {
            return Err(words::not_asked(&question));
        }
        let ask = match known {
            Some(ask) => {
                if let Some(code) = book.code_under_another_policy(ask, &question) {
                    let open = self.worded(code, &question, held.as_ref(), now)?;
                    book.is_told_anew(ask, open);
                }
                book.begin_again(ask);
                ask
            }
            None => {
                if book.asks_too_much(&group, now) {
                    let full = "the owner was asked too much within a minute; wait, and ask for less";
                    return Err(Refusal::new(Code::GroupLimit, full));
                }
                for gone in book.make_room(&group) {
                    self.store.leave_ask(gone, AskState::Lost).map_err(|error| unavailable(&error))?;
                }
                let open = self.worded(code::new(), &question, held.as_ref(), now)?;
                let ask = self.keep(&open.question, &open.code, now.wall).map_err(|error| unavailable(&error))?;
                self.log(&open.question)?;
                book.begin(ask, open, now);
                ask
            }
        };
        let (number, told) = book.wait(ask, question.until).ok_or_else(|| words::unanswered(&question))?;
        drop(book);
        self.changed.notify_one();
        Ok(Waits { approvals: self, question, ask, number, told })
    }

    /// A question as its owner may read it. If it holds something that must not appear in their chat (the group's own
    /// surrogate is enough), everything others chose is left out: otherwise the whole message would be withheld.
    fn worded(&self, code: String, question: &Question, held: Option<&Held>, now: At) -> Result<Open, Refusal> {
        let around = (self.reason(question), Rules::of(question, held));
        let mut open = Open::new(code, question.clone(), around, now);
        let Some(refusal) = self.unfit(&open) else { return Ok(open) };
        open.reason = None;
        if self.unfit(&open).is_none() {
            return Ok(open);
        }
        open.hide();
        let is_operation = deed::operation(question).is_some();
        if is_operation || self.unfit(&open).is_some() { Err(refusal) } else { Ok(open) }
    }

    /// Why a question must not appear in the owner's chat: checked both as it is shown and as it came, since a person
    /// reads through another notation.
    fn unfit(&self, open: &Open) -> Option<Refusal> {
        self.withheld(&words::single(open)).or_else(|| self.withheld(&words::as_it_came(open)))
    }

    /// Why a text must not appear in the owner's chat.
    fn withheld(&self, text: &str) -> Option<Refusal> {
        let main = self.store.main_group().ok()??;
        self.around()?.say.question(&main.name, text).err()
    }

    fn keep(&self, question: &Question, code: &str, at: i64) -> Result<AskId, StoreError> {
        let facts = &question.facts;
        self.store.begin_ask(&NewAsk {
            code,
            group: &question.who.group,
            run: question.run.map(RunId),
            sandbox: &question.who.sandbox,
            method: facts.method.as_str(),
            authority: &facts.authority.to_string(),
            path: question.shown.as_str(),
            credential: question.credential.as_deref(),
            exact: &exact(question),
            shape: &question.fingerprint.to_string(),
            says: &words::sentence(question),
            at,
        })
    }

    /// The reason that its agent gave lately for such a request.
    fn reason(&self, question: &Question) -> Option<String> {
        let Facts { authority, method, path, .. } = &question.facts;
        let said =
            self.store.access_reason(&question.who.group, &authority.to_string(), method.as_str(), path.as_str());
        said.inspect_err(|error| tracing::error!(%error, "What an agent gave as its reason cannot be read")).ok()?
    }

    /// A question that cannot be logged is not asked.
    fn log(&self, question: &Question) -> Result<(), Refusal> {
        let text = format!("the owner is asked: {}", words::logged(question));
        let notice = Notice { bytes: Some(question.bytes), ..Notice::of("asked", &question.who, text) };
        self.ledger.notice(&notice).map(drop).map_err(Refusal::from)
    }

    /// Forgets what has expired, and records the questions that nobody waits for any more.
    pub(super) fn forget(&self, now: At) {
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
        let (mut text, mut put) = words::message(&book, &asks);
        // Each may be shown alone; next to others it may read as something else.
        if put.len() > 1 && self.withheld(&text).is_some() {
            (text, put) = words::message(&book, &asks[..1]);
        }
        let rest: Vec<_> = asks.into_iter().filter(|ask| !put.contains(ask)).collect();
        drop(book);
        let put_now = self.put(&text, &put);
        let mut book = self.book();
        match put_now {
            Ok(()) => book.are_put(&put),
            Err(error) => {
                tracing::error!(%error, "A question could not be put into the owner's chat; it is tried again");
                book.unput.extend(put);
            }
        }
        book.unput.extend(rest);
        (!book.unput.is_empty()).then(|| book.pace.next(now.steady).saturating_sub(now.steady))
    }

    pub(super) fn put(&self, text: &str, asks: &[AskId]) -> Result<(), StoreError> {
        let (Some(main), Some(around)) = (self.store.main_group()?, self.around()) else { return Ok(()) };
        let (text, asks) = match around.say.question(&main.name, text) {
            Ok(text) => (text, asks),
            // It could be shown when it was asked. The notice sent instead is no question, and no answer to it is a
            // yes.
            Err(refusal) => {
                let text = format!(
                    "a question to the owner was withheld: {}",
                    refusal.logged.as_ref().unwrap_or(&refusal.why)
                );
                self.ledger.note(&Notice {
                    code: Some(refusal.code),
                    ..Notice::new("reply_withheld", Some(&main.name), text)
                });
                (around.say.own(&main.name, Phrases::new("question-withheld")), &[][..])
            }
        };
        let new = NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None };
        self.store.put_asks(&main.name, &new, asks)?;
        (around.wake_outbox)();
        Ok(())
    }
}

/// The store failed.
pub(super) fn unavailable(error: &StoreError) -> Refusal {
    cannot_ask(error)
}

/// Nobody can be asked; the log says more.
pub(super) fn cannot_ask(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::AskUnanswered, "the owner cannot be asked now")
        .logged_as(format!("the owner cannot be asked: {why}"))
}
