//! What this daemon knows of its questions beside their rows: who waits, and until when an answer or a yes counts on a
//! clock that cannot be set. A question missing here no longer counts: an earlier daemon asked it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use policies::{Fingerprint, GrantId, GroupName, HeadHash, Path, PolicyHash};
use proxy::ports::Question;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::pace::Pace;
use super::rules::Rules;
use super::times::{At, Span};
use crate::store::AskId;

const MINUTE: Duration = Duration::from_secs(60);

/// What a waiting request is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A yes to take.
    Yes,
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

/// A question that can be answered.
pub(super) struct Open {
    pub(super) code: String,
    pub(super) question: Question,
    /// Why its agent asked for it (`request_access`), in its words.
    pub(super) reason: Option<String>,
    /// What `always` and `never` would write.
    pub(super) rules: Rules,
    /// How long it can be answered.
    pub(super) span: Span,
    /// Whether a message has put it to the owner.
    put: bool,
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

/// A yes, once given.
struct Given {
    group: GroupName,
    /// The policy under which it was given.
    policy: PolicyHash,
    span: Span,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) open: BTreeMap<AskId, Open>,
    /// Those that no message has put yet.
    pub(super) unput: Vec<AskId>,
    pub(super) pace: Pace,
    grants: HashMap<GrantId, Given>,
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

impl Open {
    pub(super) fn new(code: String, question: Question, (reason, rules): (Option<String>, Rules), now: At) -> Self {
        let span = Span::new(now, super::LATE);
        Open { code, question, reason, rules, span, put: false, waiting: BTreeMap::new(), judged_anew: Vec::new() }
    }

    /// Whether an answer still counts.
    pub(super) fn can_be_answered(&self, now: At) -> bool {
        self.span.holds(now) && self.judged_anew.is_empty()
    }

    /// Removes all that others chose except the host: it may not be shown.
    pub(super) fn hide(&mut self) {
        let why = "it holds what must not leave the group";
        self.question.says = format!("send a request that cannot be shown here: {why}");
        (self.question.fields, self.question.beside.names) = (Vec::new(), Vec::new());
        self.question.shown = Path::root();
        self.rules = Rules::none(why);
    }
}

impl Book {
    /// The open question about exactly this request.
    pub(super) fn of(&mut self, question: &Question, now: At) -> Option<AskId> {
        let same = |open: &Open| {
            open.question.who.group == question.who.group
                && open.question.fingerprint == question.fingerprint
                && open.question.body == question.body
                && (open.judged_anew.is_empty() || open.judged_anew.contains(&question.until))
        };
        self.open.iter().find(|(_, open)| same(open) && open.span.holds(now)).map(|(ask, _)| *ask)
    }

    /// How many requests wait: of the group, and of all.
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

    pub(super) fn begin(&mut self, ask: AskId, open: Open, now: At) {
        self.begun.entry(open.question.who.group.clone()).or_default().push_back(now.steady);
        self.open.insert(ask, open);
        self.unput.push(ask);
    }

    /// A question's code, if it was asked under another policy than this one.
    pub(super) fn code_under_another_policy(&self, ask: AskId, question: &Question) -> Option<String> {
        let open = self.open.get(&ask).filter(|open| open.question.policy != question.policy)?;
        Some(open.code.clone())
    }

    /// Replaces its text and rules by those under the current policy.
    pub(super) fn is_told_anew(&mut self, ask: AskId, anew: Open) {
        if let Some(open) = self.open.get_mut(&ask) {
            (open.question, open.reason, open.rules) = (anew.question, anew.reason, anew.rules);
        }
    }

    /// Its request was sent again: the owner is told, unless they have been.
    pub(super) fn begin_again(&mut self, ask: AskId) {
        let Some(open) = self.open.get_mut(&ask) else { return };
        open.judged_anew.clear();
        if !open.put && !self.unput.contains(&ask) {
            self.unput.push(ask);
        }
    }

    /// Questions that no message has put yet, oldest first, but one per group before a second of any: a group that asks
    /// a lot delays no other.
    pub(super) fn take_unput(&mut self) -> Vec<AskId> {
        let mut before: HashMap<&GroupName, usize> = HashMap::new();
        let mut in_turn = Vec::new();
        for ask in std::mem::take(&mut self.unput) {
            let Some(open) = self.open.get(&ask) else { continue };
            let turn = before.entry(&open.question.who.group).or_default();
            in_turn.push((*turn, ask));
            *turn += 1;
        }
        in_turn.sort_by_key(|(turn, _)| *turn);
        in_turn.into_iter().map(|(_, ask)| ask).collect()
    }

    /// A message has put these.
    pub(super) fn are_put(&mut self, asks: &[AskId]) {
        for ask in asks {
            if let Some(open) = self.open.get_mut(ask) {
                open.put = true;
            }
        }
    }

    /// Whether a group has asked as much as it may for now.
    pub(super) fn asks_too_much(&mut self, group: &GroupName, now: At) -> bool {
        self.begun.retain(|_, times| {
            times.retain(|began| *began + MINUTE > now.steady);
            !times.is_empty()
        });
        self.begun.get(group).is_some_and(|times| times.len() >= super::NEW_A_MINUTE)
    }

    /// Makes room for another question of a group by dropping the oldest one without waiters. Returns those dropped.
    pub(super) fn make_room(&mut self, group: &GroupName) -> Vec<AskId> {
        let own = self.open.iter().filter(|(_, open)| open.question.who.group == *group);
        let (waited, left): (Vec<_>, Vec<_>) = own.partition(|(_, open)| !open.waiting.is_empty());
        let over = (waited.len() + left.len() + 1).saturating_sub(super::OF_ONE_GROUP);
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
        let open = self.open.get_mut(&ask)?;
        self.waits += 1;
        let (tell, told) = oneshot::channel();
        open.waiting.insert(self.waits, (until, tell));
        Some((self.waits, told))
    }

    /// Leaves the waiters. Returns whether none is left.
    pub(super) fn leave(&mut self, ask: AskId, wait: u64) -> bool {
        let Some(open) = self.open.get_mut(&ask) else { return false };
        open.waiting.remove(&wait).is_some() && open.waiting.is_empty()
    }

    /// Whether any request waits for the answer.
    pub(super) fn is_waited_for(&self, ask: AskId) -> bool {
        self.open.get(&ask).is_some_and(|open| !open.waiting.is_empty())
    }

    /// Settles the question and tells its waiters. Returns whether there were any.
    pub(super) fn settle(&mut self, ask: AskId, outcome: &Outcome) -> bool {
        self.unput.retain(|unput| *unput != ask);
        let Some(open) = self.open.remove(&ask) else { return false };
        let mut heard = false;
        for (_, tell) in open.waiting.into_values() {
            heard |= tell.send(outcome.clone()).is_ok();
        }
        heard
    }

    pub(super) fn gives(&mut self, question: &Question, grant: GrantId, now: At, lasts: Duration) {
        let (group, policy) = (question.who.group.clone(), question.policy);
        self.grants.insert(grant, Given { group, policy, span: Span::new(now, lasts) });
    }

    /// Whether a yes counts by both clocks, and was given under the policy that asks. That may have been replaced
    /// while the owner answered.
    pub(super) fn counts(&self, grant: GrantId, question: &Question, now: At) -> bool {
        self.grants.get(&grant).is_some_and(|given| given.policy == question.policy && given.span.holds(now))
    }

    pub(super) fn says_no(&mut self, question: &Question, because: Option<String>, now: At) {
        let no = No { because, span: Span::new(now, super::NO_STANDS) };
        self.noes.insert((question.who.group.clone(), kind(question)), no);
        self.noes_to.entry(question.who.group.clone()).or_default().push(Span::new(now, super::NOES_WITHIN));
    }

    /// Whether the owner has said no so often lately that nothing more of the group is worth a question.
    pub(super) fn has_enough_noes(&mut self, group: &GroupName, now: At) -> bool {
        let Some(noes) = self.noes_to.get_mut(group) else { return false };
        noes.retain(|no| no.holds(now));
        noes.len() >= super::NOES
    }

    /// A recent no to a request like this one.
    pub(super) fn no(&mut self, question: &Question, now: At) -> Option<Option<String>> {
        self.noes.retain(|_, no| no.span.holds(now));
        self.noes.get(&(question.who.group.clone(), kind(question))).map(|no| no.because.clone())
    }

    /// Forgets what nobody can answer or use any more; returns those questions.
    pub(super) fn forget(&mut self, now: At) -> Vec<AskId> {
        self.grants.retain(|_, given| given.span.holds(now));
        let over = |open: &Open| open.waiting.is_empty() && !open.span.holds(now);
        let gone: Vec<_> = self.open.iter().filter(|(_, open)| over(open)).map(|(ask, _)| *ask).collect();
        self.remove(&gone);
        gone
    }

    /// The policy of a group was replaced. Waiting requests are judged again; returns the questions that nobody can
    /// answer now.
    pub(super) fn policy_changed(&mut self, group: &GroupName) -> Vec<AskId> {
        self.noes.retain(|(of, _), _| of != group);
        self.noes_to.remove(group);
        self.grants.retain(|_, given| given.group != *group);
        let mut closed = Vec::new();
        for (ask, open) in &mut self.open {
            if open.question.who.group != *group || self.ruled == Some(*ask) {
                continue;
            }
            closed.push(*ask);
            for (until, tell) in std::mem::take(&mut open.waiting).into_values() {
                open.judged_anew.push(until);
                let _ = tell.send(Outcome::Anew);
            }
        }
        let asked_no_more = |ask: &&AskId| self.open.get(ask).is_none_or(|open| open.judged_anew.is_empty());
        let gone: Vec<_> = closed.iter().filter(asked_no_more).copied().collect();
        self.remove(&gone);
        closed
    }
}

/// What a no covers: requests like that one, with any headers.
fn kind(question: &Question) -> Fingerprint {
    let credential = question.credential.as_deref();
    Fingerprint::of(&question.who.group, &question.facts, credential, HeadHash::default())
}
