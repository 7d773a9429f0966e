//! Which of a group's agents answers: the first, or the next while the first's model is overloaded or out of credit.
//!
//! After a while the first is tried again. If it can answer, it is back; if not, the next one continues, and the chat
//! is not told a second time. The next one's session is kept while the daemon runs; the first's stays in the store and
//! is resumed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use desk::lock;
use policies::GroupName;

/// The state of each group whose first agent cannot answer.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<BTreeMap<GroupName, Standing>>);

#[derive(Debug)]
struct Standing {
    at: usize,
    since: Instant,
    /// The highest agent that the chat has been told about.
    told: usize,
    session: Option<String>,
}

impl Standings {
    /// The index of the agent that answers next.
    pub(super) fn seat(&self, group: &GroupName, again: Duration) -> usize {
        lock(&self.0).get(group).filter(|standing| standing.since.elapsed() < again).map_or(0, |standing| standing.at)
    }

    /// The agent with this index cannot answer for now. Returns whether the chat has yet to be told who follows.
    pub(super) fn fell(&self, group: &GroupName, at: usize) -> bool {
        let next = at + 1;
        let mut all = lock(&self.0);
        let fresh = || Standing { at: next, since: Instant::now(), told: 0, session: None };
        let standing = all.entry(group.clone()).or_insert_with(fresh);
        if standing.at != next {
            standing.session = None;
        }
        (standing.at, standing.since) = (next, Instant::now());
        let untold = standing.told < next;
        standing.told = standing.told.max(next);
        untold
    }

    /// The agent with this index has answered; if it is the first, the state is cleared.
    pub(super) fn answered(&self, group: &GroupName, at: usize) {
        if at == 0 {
            lock(&self.0).remove(group);
        }
    }

    /// The session of an agent other than the first.
    pub(super) fn session(&self, group: &GroupName) -> Option<String> {
        lock(&self.0).get(group)?.session.clone()
    }

    /// Stores it, if that agent is the one that answers.
    pub(super) fn remember(&self, group: &GroupName, at: usize, session: Option<&str>) {
        if let Some(standing) = lock(&self.0).get_mut(group).filter(|standing| standing.at == at) {
            standing.session = session.map(str::to_owned);
        }
    }

    /// The group starts again with its first agent.
    pub(super) fn forget(&self, group: &GroupName) {
        if let Some(standing) = lock(&self.0).get_mut(group) {
            standing.session = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const AGAIN: Duration = Duration::from_secs(1800);

    #[test]
    fn the_first_is_asked_again_and_the_chat_hears_once_of_an_outage() {
        let (standings, group) = (Standings::default(), GroupName::parse("family").unwrap());
        assert_eq!(standings.seat(&group, AGAIN), 0);
        assert!(standings.fell(&group, 0), "the chat is told");
        assert_eq!(standings.seat(&group, AGAIN), 1);
        assert!(standings.fell(&group, 1), "of the third as well");
        assert_eq!(standings.seat(&group, AGAIN), 2);
        assert_eq!(standings.seat(&group, Duration::ZERO), 0, "after a while it is asked again");
        assert!(!standings.fell(&group, 0) && !standings.fell(&group, 1), "and its chat knows");
        standings.answered(&group, 2);
        assert_eq!(standings.seat(&group, AGAIN), 2, "another's answer changes nothing");
        standings.answered(&group, 0);
        assert_eq!(standings.seat(&group, AGAIN), 0);
        assert!(standings.fell(&group, 0), "the next outage is told");
    }

    #[test]
    fn a_conversation_belongs_to_one_agent() {
        let (standings, group) = (Standings::default(), GroupName::parse("family").unwrap());
        standings.remember(&group, 1, Some("nobody's"));
        assert_eq!(standings.session(&group), None);
        standings.fell(&group, 0);
        standings.remember(&group, 1, Some("s-1"));
        assert_eq!(standings.session(&group).as_deref(), Some("s-1"));
        standings.fell(&group, 0);
        assert_eq!(standings.session(&group).as_deref(), Some("s-1"), "gone on with after another try");
        standings.fell(&group, 1);
        assert_eq!(standings.session(&group), None, "it is not the third's");
        standings.remember(&group, 2, Some("s-2"));
        standings.forget(&group);
        assert_eq!(standings.session(&group), None);
    }
}
