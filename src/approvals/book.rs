//! What is known of the questions of this daemon, beside their rows: who waits, and until when an
//! answer or a yes counts by a clock that cannot be set. What is not in it counts no more: it was
//! another daemon's.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use policies::{Fingerprint, GrantId, GroupName};
use proxy::ports::Question;
use tokio::sync::oneshot;

use super::pace::Pace;
use super::times::{At, Span};
use crate::store::AskId;

/// What somebody who waits is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is a yes to take.
    Yes,
    /// The policy has changed.
    Anew,
    /// The owner said no.
    No {
        /// Why, if they said.
        because: Option<String>,
        /// Whether it is written into the policy.
        for_good: bool,
    },
}

/// A question that can be answered.
pub(super) struct Open {
    pub(super) code: String,
    pub(super) question: Question,
    /// Why its agent asked for it (`request_access`), in its words.
    pub(super) reason: Option<String>,
    /// How long it can be answered.
    pub(super) span: Span,
    waiting: BTreeMap<u64, oneshot::Sender<Outcome>>,
}

/// A no that stands for a while.
pub(super) struct No {
    pub(super) because: Option<String>,
    span: Span,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) open: BTreeMap<AskId, Open>,
    /// Those that no message has put yet.
    pub(super) unput: Vec<AskId>,
    pub(super) pace: Pace,
    grants: HashMap<GrantId, (GroupName, Span)>,
    noes: HashMap<(GroupName, Fingerprint), No>,
    /// Until when nobody is to be asked.
    pub(super) quiet: Option<Span>,
    /// The question whose answer changes its policy: whoever waits for it hears the answer, and of the change
    /// by that.
    pub(super) ruled: Option<AskId>,
    waits: u64,
}

impl Book {
    /// The question that is open about exactly this request.
    pub(super) fn of(&mut self, question: &Question, now: At) -> Option<AskId> {
        let same = |open: &Open| {
            open.question.who.group == question.who.group
                && open.question.fingerprint == question.fingerprint
                && open.question.body == question.body
        };
        self.open.iter().find(|(_, open)| same(open) && open.span.holds(now)).map(|(ask, _)| *ask)
    }

    /// How many wait, of a group and of all.
    pub(super) fn waiting(&self, group: &GroupName) -> (usize, usize) {
        let mut sums = (0, 0);
        for open in self.open.values() {
            let waiting = open.waiting.len();
            sums.1 += waiting;
            if open.question.who.group == *group {
                sums.0 += waiting;
            }
        }
        sums
    }

    pub(super) fn begin(&mut self, ask: AskId, (code, question, reason): (String, Question, Option<String>), now: At) {
        let span = Span::new(now, super::LATE);
        self.open.insert(ask, Open { code, question, reason, span, waiting: BTreeMap::new() });
        self.unput.push(ask);
    }

    /// Somebody waits for the answer. `None`: there is no such question any more.
    pub(super) fn wait(&mut self, ask: AskId) -> Option<(u64, oneshot::Receiver<Outcome>)> {
        let open = self.open.get_mut(&ask)?;
        self.waits += 1;
        let (tell, told) = oneshot::channel();
        open.waiting.insert(self.waits, tell);
        Some((self.waits, told))
    }

    /// Somebody waits no longer. Whether nobody does now.
    pub(super) fn leave(&mut self, ask: AskId, wait: u64) -> bool {
        let Some(open) = self.open.get_mut(&ask) else { return false };
        open.waiting.remove(&wait).is_some() && open.waiting.is_empty()
    }

    /// Whether anybody waits for the answer.
    pub(super) fn is_waited_for(&self, ask: AskId) -> bool {
        self.open.get(&ask).is_some_and(|open| !open.waiting.is_empty())
    }

    /// The question is settled: whoever waits is told. Whether anybody did.
    pub(super) fn settle(&mut self, ask: AskId, outcome: &Outcome) -> bool {
        self.unput.retain(|unput| *unput != ask);
        let Some(open) = self.open.remove(&ask) else { return false };
        let mut heard = false;
        for tell in open.waiting.into_values() {
            heard |= tell.send(outcome.clone()).is_ok();
        }
        heard
    }

    pub(super) fn gives(&mut self, group: &GroupName, grant: GrantId, now: At, lasts: Duration) {
        self.grants.insert(grant, (group.clone(), Span::new(now, lasts)));
    }

    /// Whether a yes counts by both clocks.
    pub(super) fn counts(&self, grant: GrantId, now: At) -> bool {
        self.grants.get(&grant).is_some_and(|(_, span)| span.holds(now))
    }

    pub(super) fn says_no(&mut self, question: &Question, because: Option<String>, now: At) {
        let no = No { because, span: Span::new(now, super::NO_STANDS) };
        self.noes.insert((question.who.group.clone(), question.fingerprint), no);
    }

    /// What was said of late of a request like this one.
    pub(super) fn no(&mut self, question: &Question, now: At) -> Option<Option<String>> {
        self.noes.retain(|_, no| no.span.holds(now));
        self.noes.get(&(question.who.group.clone(), question.fingerprint)).map(|no| no.because.clone())
    }

    /// Forgets what nobody can answer or use any more; says which questions that were.
    pub(super) fn forget(&mut self, now: At) -> Vec<AskId> {
        self.grants.retain(|_, (_, span)| span.holds(now));
        let over = |open: &Open| open.waiting.is_empty() && !open.span.holds(now);
        let gone: Vec<_> = self.open.iter().filter(|(_, open)| over(open)).map(|(ask, _)| *ask).collect();
        for ask in &gone {
            self.open.remove(ask);
        }
        self.unput.retain(|ask| !gone.contains(ask));
        gone
    }

    /// The policy of a group was replaced. Whoever waits is to be judged anew; says which questions nobody
    /// waits for.
    pub(super) fn policy_changed(&mut self, group: &GroupName) -> Vec<AskId> {
        self.noes.retain(|(of, _), _| of != group);
        self.grants.retain(|_, (of, _)| of != group);
        let own: Vec<_> = self
            .open
            .iter()
            .filter(|(ask, open)| open.question.who.group == *group && self.ruled != Some(**ask))
            .map(|(ask, _)| *ask)
            .collect();
        let mut gone = Vec::new();
        for ask in own {
            let Some(open) = self.open.get_mut(&ask) else { continue };
            let waiting = std::mem::take(&mut open.waiting);
            if waiting.is_empty() {
                self.open.remove(&ask);
                gone.push(ask);
            }
            for tell in waiting.into_values() {
                let _ = tell.send(Outcome::Anew);
            }
        }
        self.unput.retain(|ask| !gone.contains(ask));
        gone
    }
}
