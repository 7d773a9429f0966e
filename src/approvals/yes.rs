//! What alone gives, keeps and takes a yes.
//!
//! A yes is for the request of one question. It is given by an owner's answer ([`By`]) to the question as it was put
//! ([`Open`]), and kept in two places: how often it may be used, for which request, until when, in which run and which
//! chat is a row of the store; under which policy, and how long by both clocks, is known here. What an earlier daemon
//! kept is not known here and counts for nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use desk::lock;
use policies::{ASKED_AT_MOST, Bounds, GrantId, GroupName, PolicyHash};
use proxy::ports::{Question, Yes};

use super::LATE;
use super::answering::NotAnswered;
use super::deed;
use super::open::Open;
use super::owner::By;
use super::times::{At, Span};
use crate::store::{Answered, AskId, NewGrant, RunId, Store, StoreError, Wanted};

/// The yeses of this daemon.
pub(super) struct Yeses {
    store: Arc<Store>,
    given: Mutex<HashMap<GrantId, Given>>,
}

/// A yes, once given.
struct Given {
    group: GroupName,
    /// The policy under which its question was put.
    policy: PolicyHash,
    span: Span,
}

/// An answer that counts for its question.
pub(super) struct Counted<'a> {
    open: &'a Open,
    what: Answered,
    by: By<'a>,
    gives: Option<Gives>,
}

/// What a yes lets through by itself.
struct Gives {
    matches: String,
    of_answer: bool,
    uses: u32,
    lasts: Duration,
}

impl<'a> Counted<'a> {
    /// An answer to the question with this number, now.
    pub(super) fn of((ask, open): (AskId, &'a Open), what: Answered, by: By<'a>, now: At) -> Result<Self, NotAnswered> {
        if open.ask() != ask || !open.holds(now) {
            return Err(NotAnswered::closed());
        }
        let (question, impossible) = (open.question(), |why: &str| NotAnswered::Impossible(why.to_owned()));
        let Bounds { requests, seconds, .. } = Bounds::OF_AN_ANSWER;
        let gives = match what {
            Answered::Answer | Answered::Always | Answered::Never if deed::operation(question).is_some() => {
                return Err(impossible("This is done once or not at all: answer 1 or no."));
            }
            Answered::Once => Some(Gives { matches: exact(question), of_answer: false, uses: 1, lasts: LATE }),
            Answered::Answer if question.run.is_none() => {
                return Err(impossible("This request belongs to no answer of an agent's; say yes to it alone."));
            }
            Answered::Answer => {
                let matches = question.fingerprint.to_string();
                Some(Gives { matches, of_answer: true, uses: requests, lasts: Duration::from_secs(seconds) })
            }
            Answered::Always | Answered::No | Answered::Never => None,
        };
        Ok(Counted { open, what, by, gives })
    }

    /// Whether it lets something through by itself.
    pub(super) fn gives(&self) -> bool {
        self.gives.is_some()
    }

    fn grant(&self, gives: &'a Gives) -> NewGrant<'a> {
        let Question { who, run, .. } = self.open.question();
        NewGrant {
            group: &who.group,
            matches: &gives.matches,
            of_answer: gives.of_answer,
            run: run.filter(|_| gives.of_answer).map(RunId),
            main: self.by.main(),
            uses: gives.uses,
            lasts: i64::try_from(gives.lasts.as_millis()).unwrap_or(0),
        }
    }
}

impl Yeses {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Yeses { store, given: Mutex::default() }
    }

    /// Answers a question and keeps what the answer gives. `false`: it had been answered or closed, and nothing changed.
    pub(super) fn answer(&self, answer: &Counted<'_>, now: At) -> Result<bool, StoreError> {
        let Counted { open, what, by, gives } = answer;
        let grant = gives.as_ref().map(|gives| answer.grant(gives));
        // Held until it is known: a request that finds it in the store before that would end it.
        let mut given = lock(&self.given);
        let settled = self.store.answer_ask(open.ask(), *what, &by.how(), now.wall, grant.as_ref())?;
        if let (Some(Some(id)), Some(gives)) = (settled, gives) {
            let (group, policy) = (open.question().who.group.clone(), open.question().policy);
            given.insert(id, Given { group, policy, span: Span::new(now, gives.lasts) });
        }
        Ok(settled.is_some())
    }

    /// Takes a valid yes for exactly this request, if there is one: one whose request had gone when it came, or one for a
    /// whole answer. Whoever gets it may go once.
    pub(super) fn take(&self, question: &Question, now: At) -> Result<Option<Yes>, StoreError> {
        let (exact, shape) = (exact(question), question.fingerprint.to_string());
        let wanted = Wanted {
            group: &question.who.group,
            run: question.run.map(RunId),
            exact: &exact,
            shape: &shape,
            is_short: question.bytes <= ASKED_AT_MOST,
            at: now.wall,
        };
        for found in self.store.grants_for(&wanted)? {
            if !self.counts(found.id, question, now) {
                self.store.end_grant(found.id, "its time was over")?;
            } else if self.store.take_grant(found.id, &wanted)? {
                return Ok(Some(if found.of_answer { Yes::Answer(found.id) } else { Yes::Once(found.id) }));
            }
        }
        Ok(None)
    }

    /// Whether a yes counts by both clocks, and was given under the policy that asks. That may have been replaced
    /// while the owner answered.
    fn counts(&self, grant: GrantId, question: &Question, now: At) -> bool {
        let given = lock(&self.given);
        given.get(&grant).is_some_and(|given| given.policy == question.policy && given.span.holds(now))
    }

    /// Ends those of a group: its policy was replaced. Returns how many there were.
    pub(super) fn end(&self, group: &GroupName) -> Result<usize, StoreError> {
        let ended = self.store.end_grants(group, "the policy has changed");
        // Also if the store failed.
        self.count_no_more(group);
        ended
    }

    /// Those of a group that were given until now count no more.
    pub(super) fn count_no_more(&self, group: &GroupName) {
        lock(&self.given).retain(|_, given| given.group != *group);
    }

    /// Forgets those that have expired.
    pub(super) fn forget(&self, now: At) {
        lock(&self.given).retain(|_, given| given.span.holds(now));
    }
}

/// Identifies a request including its body.
pub(super) fn exact(question: &Question) -> String {
    format!("{}/{}", question.fingerprint, question.body)
}
