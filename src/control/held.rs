//! Which groups have an `exec` sandbox or a door held open by a connection, so that `stop` can say whether anything was
//! running, and wait for its release.
//!
//! A stop waits for what exists when it is ordered, not for anything later: meanwhile nothing of the group is admitted,
//! and whatever is admitted after it is new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policies::GroupName;
use tokio::sync::watch;

/// The holdings; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<watch::Sender<All>>);

#[derive(Debug, Default)]
struct All {
    /// The number of the next holding.
    next: u64,
    groups: BTreeMap<GroupName, Group>,
}

#[derive(Debug, Default)]
struct Group {
    held: BTreeSet<u64>,
    /// How many stops of it are in progress.
    stops: usize,
}

/// A holding, until it is dropped.
#[derive(Debug)]
pub struct Holding {
    held: Held,
    group: GroupName,
    number: u64,
}

/// A stop in progress, until it is dropped: nothing of the group is admitted.
#[derive(Debug)]
pub struct Stop {
    held: Held,
    group: GroupName,
    there: BTreeSet<u64>,
}

/// Nothing of the group can be opened right now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the group {0} is being stopped; try again when that is done")]
pub struct BeingStopped(GroupName);

impl Held {
    /// Starts holding something of the group.
    pub fn take(&self, group: &GroupName) -> Result<Holding, BeingStopped> {
        let mut taken = None;
        self.0.send_modify(|all| {
            if all.groups.get(group).is_some_and(|of| of.stops > 0) {
                return;
            }
            all.next += 1;
            all.groups.entry(group.clone()).or_default().held.insert(all.next);
            taken = Some(all.next);
        });
        let number = taken.ok_or_else(|| BeingStopped(group.clone()))?;
        Ok(Holding { held: self.clone(), group: group.clone(), number })
    }

    /// Starts a stop of the group.
    pub fn stop(&self, group: &GroupName) -> Stop {
        let mut there = BTreeSet::new();
        self.0.send_modify(|all| {
            let of = all.groups.entry(group.clone()).or_default();
            of.stops += 1;
            there.clone_from(&of.held);
        });
        Stop { held: self.clone(), group: group.clone(), there }
    }

    fn leave(&self, group: &GroupName, leave: impl FnOnce(&mut Group)) {
        self.0.send_modify(|all| {
            let Some(of) = all.groups.get_mut(group) else { return };
            leave(of);
            if of.held.is_empty() && of.stops == 0 {
                all.groups.remove(group);
            }
        });
    }
}

impl Stop {
    /// Whether anything was held when it began.
    pub fn found_any(&self) -> bool {
        !self.there.is_empty()
    }

    /// Waits until everything that was held is released.
    pub async fn until_let_go(&self) {
        let mut all = self.held.0.subscribe();
        let gone = |all: &All| all.groups.get(&self.group).is_none_or(|of| of.held.is_disjoint(&self.there));
        // The sender lives as long as `self`.
        let _ = all.wait_for(gone).await;
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.leave(&self.group, |of| {
            of.held.remove(&self.number);
        });
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.held.leave(&self.group, |of| of.stops = of.stops.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn family() -> GroupName {
        GroupName::parse("family").unwrap()
    }

    #[tokio::test]
    async fn holds_are_awaited_one_by_one() {
        let (held, group) = (Held::default(), family());
        let (first, second) = (held.take(&group).unwrap(), held.take(&group).unwrap());
        let stop = held.stop(&group);
        assert!(stop.found_any());
        let waiting = tokio::spawn(async move { stop.until_let_go().await });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
        assert!(!held.stop(&group).found_any());
        assert!(held.0.borrow().groups.is_empty(), "nothing stays behind");
    }

    #[tokio::test]
    async fn nothing_is_let_in_while_a_group_is_stopped_and_no_stop_waits_for_a_newcomer() {
        let (held, group) = (Held::default(), family());
        let there = held.take(&group).unwrap();
        let (one, two) = (held.stop(&group), held.stop(&group));
        assert_eq!(held.take(&group).unwrap_err(), BeingStopped(group.clone()));
        let other = GroupName::parse("work").unwrap();
        held.take(&other).unwrap();
        drop(one);
        held.take(&group).unwrap_err();
        drop(there);
        two.until_let_go().await;
        // Both stops are over when the next one starts; an earlier one does not wait for it.
        let third = held.stop(&group);
        drop(two);
        drop(third);
        let late = held.stop(&group);
        drop(late);
        let newcomer = held.take(&group).unwrap();
        let empty = Stop { held: held.clone(), group: group.clone(), there: BTreeSet::new() };
        empty.until_let_go().await;
        drop(newcomer);
    }
}
