//! What this daemon knows of its questions beside their rows: who waits, and until when an answer counts on a clock
//! that cannot be set. A question missing here no longer counts: an earlier daemon asked it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use policies::{Fingerprint, GroupName, HeadHash};
use proxy::ports::Question;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::open::Open;
use super::pace::Pace;
use super::times::{At, Span};
use crate::store::AskId;

const MINUTE: Duration = Duration::from_secs(60);

/// How long a no holds for similar requests, which are refused without a question.
const NO_STANDS: Duration = Duration::from_secs(120);

/// After this many noes to a group within this time, the owner is asked nothing more for it until the time is over.
pub(super) const NOES: usize = 5;
pub(super) const NOES_WITHIN: Duration = Duration::from_secs(600);

/// The most open questions of one group, and the most requests that wait for answers, of one group and of all.
pub(super) const OF_ONE_GROUP: usize = 64;
pub(super) const OF_ALL: usize = 1024;

/// The most new questions of a group per minute.
pub(super) const NEW_A_MINUTE: usize = 128;

/// What a waiting request is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Their question was answered, not with a no.
    Answered,
    /// The policy has changed: be judged again.
    Anew,
    /// The owner said no.
    No {
        /// Why, if they said.
        because: Option<String>,
        /// Whether the no is written into the policy.
        for_good: bool,
    },
}

/// A question, and who waits for its answer.
pub(super) struct Entry {
    pub(super) open: Open,
    /// Whether a message has put it to the owner.
    put: bool,
    /// Whether that message lists several, none of them in full.
    only_listed: bool,
    /// The waiting requests, each with the end of its wait.
    waiting: BTreeMap<u64, (Instant, oneshot::Sender<Outcome>)>,
    /// Requests that are being judged again, by the end of their wait: only they may rejoin the question, and nobody
    /// can answer it until one does.
    judged_anew: Vec<Instant>,
}

/// A no that holds for a while.
pub(super) struct No {
    pub(super) because: Option<String>,
    span: Span,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) open: BTreeMap<AskId, Entry>,
    /// Those that no message has put yet.
    pub(super) unput: Vec<AskId>,
    pub(super) pace: Pace,
    noes: HashMap<(GroupName, Fingerprint), No>,
    /// How long each of a group's recent noes counts towards the limit.
    noes_to: HashMap<GroupName, Vec<Span>>,
    /// When each group asked, in the last minute.
    begun: HashMap<GroupName, VecDeque<Duration>>,
    /// Until when nobody is to be asked.
    pub(super) quiet: Option<Span>,
    /// The question whose answer is changing its policy: its waiters get the answer, not the news of the change.
    pub(super) ruled: Option<AskId>,
    waits: u64,
}

impl Book {
    /// The open question about exactly this request; of several the one that was asked under its policy.
    pub(super) fn of(&mut self, question: &Question, now: At) -> Option<AskId> {
        let same = |entry: &Entry| {
            entry.open.is_about(question)
                && (entry.judged_anew.is_empty() || entry.judged_anew.contains(&question.until))
        };
        let all = self.open.iter().filter(|(_, entry)| same(entry) && entry.open.holds(now));
        let first = all.min_by_key(|(ask, entry)| (entry.open.question().policy != question.policy, ask.0));
        first.map(|(ask, _)| *ask)
    }

    /// How many requests wait: of the group, and of all.
    pub(super) fn waiting(&self, group: &GroupName) -> (usize, usize) {
        let mut sums = (0, 0);
        for entry in self.open.values() {
            let waiting = entry.waiting.len();
            sums.1 += waiting;
            if entry.open.question().who.group == *group {
                sums.0 += waiting;
            }
        }
        sums
    }

    pub(super) fn begin(&mut self, open: Open) -> AskId {
        let ask = open.ask();
        self.open.insert(
            ask,
            Entry { open, put: false, only_listed: false, waiting: BTreeMap::new(), judged_anew: Vec::new() },
        );
        self.unput.push(ask);
        ask
    }

    /// A question that can be answered now.
    pub(super) fn to_answer(&self, ask: AskId, now: At) -> Option<&Open> {
        let entry = self.open.get(&ask).filter(|entry| entry.judged_anew.is_empty());
        entry.map(|entry| &entry.open).filter(|open| open.holds(now))
    }

    /// A question, if it was asked under another policy than this one.
    pub(super) fn under_another_policy(&self, ask: AskId, question: &Question) -> Option<&Open> {
        self.open.get(&ask).map(|entry| &entry.open).filter(|open| open.question().policy != question.policy)
    }

    /// Whether its policy was replaced and its requests are judged again: nobody can answer it.
    pub(super) fn is_judged_anew(&self, ask: AskId) -> bool {
        self.open.get(&ask).is_some_and(|entry| !entry.judged_anew.is_empty())
    }

    /// Replaces it by the same under another policy.
    pub(super) fn is_told_anew(&mut self, ask: AskId, anew: Open) {
        if let Some(entry) = self.open.get_mut(&ask) {
            entry.open = anew;
        }
    }

    /// Its request was sent again: the owner is told, unless they have been.
    pub(super) fn begin_again(&mut self, ask: AskId) {
        let Some(entry) = self.open.get_mut(&ask) else { return };
        entry.judged_anew.clear();
        if !entry.put && !self.unput.contains(&ask) {
            self.unput.push(ask);
        }
    }

    /// Questions that no message has put yet, oldest first, but one per group before a second of any: a group that asks
    /// a lot delays no other.
    pub(super) fn take_unput(&mut self) -> Vec<AskId> {
        let mut before: HashMap<&GroupName, usize> = HashMap::new();
        let mut in_turn = Vec::new();
        for ask in std::mem::take(&mut self.unput) {
            let Some(entry) = self.open.get(&ask) else { continue };
            let turn = before.entry(&entry.open.question().who.group).or_default();
            in_turn.push((*turn, ask));
            *turn += 1;
        }
        in_turn.sort_by_key(|(turn, _)| *turn);
        in_turn.into_iter().map(|(_, ask)| ask).collect()
    }

    /// A message has put these.
    pub(super) fn are_put(&mut self, asks: &[AskId]) {
        for ask in asks {
            if let Some(entry) = self.open.get_mut(ask) {
                entry.put = true;
                entry.only_listed = asks.len() > 1;
            }
        }
    }

    /// Whether the owner has read it in a list only.
    pub(super) fn is_only_listed(&self, ask: AskId) -> bool {
        self.open.get(&ask).is_some_and(|entry| entry.only_listed)
    }

    /// A group has asked once more.
    pub(super) fn has_asked(&mut self, group: &GroupName, now: At) {
        self.begun.entry(group.clone()).or_default().push_back(now.steady);
    }

    /// Whether a group has asked as much as it may for now.
    pub(super) fn asks_too_much(&mut self, group: &GroupName, now: At) -> bool {
        self.begun.retain(|_, times| {
            times.retain(|began| *began + MINUTE > now.steady);
            !times.is_empty()
        });
        self.begun.get(group).is_some_and(|times| times.len() >= NEW_A_MINUTE)
    }

    /// Makes room for another question of a group by dropping the oldest one without waiters. Returns those dropped.
    pub(super) fn make_room(&mut self, group: &GroupName) -> Vec<AskId> {
        let own = self.open.iter().filter(|(_, entry)| entry.open.question().who.group == *group);
        let (waited, left): (Vec<_>, Vec<_>) = own.partition(|(_, entry)| !entry.waiting.is_empty());
        let over = (waited.len() + left.len() + 1).saturating_sub(OF_ONE_GROUP);
        let gone: Vec<_> = left.into_iter().take(over).map(|(ask, _)| *ask).collect();
        self.remove(&gone);
        gone
    }

    pub(super) fn remove(&mut self, gone: &[AskId]) {
        for ask in gone {
            self.open.remove(ask);
        }
        self.unput.retain(|ask| !gone.contains(ask));
    }

    /// Joins the waiters of a question. `None`: it no longer exists.
    pub(super) fn wait(&mut self, ask: AskId, until: Instant) -> Option<(u64, oneshot::Receiver<Outcome>)> {
        let entry = self.open.get_mut(&ask)?;
        self.waits += 1;
        let (tell, told) = oneshot::channel();
        entry.waiting.insert(self.waits, (until, tell));
        Some((self.waits, told))
    }

    /// Leaves the waiters. Returns whether none is left.
    pub(super) fn leave(&mut self, ask: AskId, wait: u64) -> bool {
        let Some(entry) = self.open.get_mut(&ask) else { return false };
        entry.waiting.remove(&wait).is_some() && entry.waiting.is_empty()
    }

    /// Whether any request waits for the answer.
    pub(super) fn is_waited_for(&self, ask: AskId) -> bool {
        self.open.get(&ask).is_some_and(|entry| !entry.waiting.is_empty())
    }

    /// Settles the question and tells its waiters. Returns whether there were any.
    pub(super) fn settle(&mut self, ask: AskId, outcome: &Outcome) -> bool {
        self.unput.retain(|unput| *unput != ask);
        let Some(entry) = self.open.remove(&ask) else { return false };
        let mut heard = false;
        for (_, tell) in entry.waiting.into_values() {
            heard |= tell.send(outcome.clone()).is_ok();
        }
        heard
    }

    pub(super) fn says_no(&mut self, question: &Question, because: Option<String>, now: At) {
        let no = No { because, span: Span::new(now, NO_STANDS) };
        self.noes.insert((question.who.group.clone(), kind(question)), no);
        self.noes_to.entry(question.who.group.clone()).or_default().push(Span::new(now, NOES_WITHIN));
    }

    /// Whether the owner has said no so often lately that nothing more of the group is worth a question.
    pub(super) fn has_enough_noes(&mut self, group: &GroupName, now: At) -> bool {
        let Some(noes) = self.noes_to.get_mut(group) else { return false };
        noes.retain(|no| no.holds(now));
        noes.len() >= NOES
    }

    /// A recent no to a request like this one.
    pub(super) fn no(&mut self, question: &Question, now: At) -> Option<Option<String>> {
        self.noes.retain(|_, no| no.span.holds(now));
        self.noes.get(&(question.who.group.clone(), kind(question))).map(|no| no.because.clone())
    }

    /// Forgets what nobody can answer or use any more; returns those questions.
    pub(super) fn forget(&mut self, now: At) -> Vec<AskId> {
        let over = |entry: &Entry| entry.waiting.is_empty() && !entry.open.holds(now);
        let gone: Vec<_> = self.open.iter().filter(|(_, entry)| over(entry)).map(|(ask, _)| *ask).collect();
        self.remove(&gone);
        gone
    }

    /// The questions that nobody can answer when the policy of a group is replaced.
    pub(super) fn of_policy(&self, group: &GroupName) -> Vec<AskId> {
        let own = self.open.iter().filter(|(_, entry)| entry.open.question().who.group == *group);
        own.map(|(ask, _)| *ask).filter(|ask| self.ruled != Some(*ask)).collect()
    }

    /// The policy of a group was replaced, and these were of it. Waiting requests are judged again.
    pub(super) fn policy_changed(&mut self, group: &GroupName, asks: &[AskId]) {
        self.noes.retain(|(of, _), _| of != group);
        self.noes_to.remove(group);
        let mut gone = Vec::new();
        for ask in asks {
            let Some(entry) = self.open.get_mut(ask) else { continue };
            for (until, tell) in std::mem::take(&mut entry.waiting).into_values() {
                entry.judged_anew.push(until);
                let _ = tell.send(Outcome::Anew);
            }
            gone.extend(entry.judged_anew.is_empty().then_some(*ask));
        }
        self.remove(&gone);
    }
}

/// What a no covers: requests like that one, with any headers.
fn kind(question: &Question) -> Fingerprint {
    let credential = question.credential.as_deref();
    Fingerprint::of(&question.who.group, &question.facts, credential, HeadHash::default())
}
