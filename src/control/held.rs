//! Which groups have an `exec` sandbox or a door open by a connection, so that
//! `stop` can say whether anything ran, and wait until that has ended. What is opened
//! while it waits is no concern of its: a `stop` would never end otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policies::GroupName;
use tokio::sync::watch;

/// Numbers what is held; clones number together.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<watch::Sender<Holdings>>);

#[derive(Debug, Default)]
struct Holdings {
    last: u64,
    of: BTreeMap<GroupName, BTreeSet<u64>>,
}

/// One thing that is held, until it is dropped.
#[derive(Debug)]
pub struct Holding {
    held: Held,
    group: GroupName,
    number: u64,
}

impl Held {
    /// Something of the group is held from now on.
    pub fn take(&self, group: &GroupName) -> Holding {
        let mut number = 0;
        self.0.send_modify(|held| {
            held.last += 1;
            number = held.last;
            held.of.entry(group.clone()).or_default().insert(number);
        });
        Holding { held: self.clone(), group: group.clone(), number }
    }

    /// How much of the group is held.
    pub fn of(&self, group: &GroupName) -> usize {
        self.0.borrow().of.get(group).map_or(0, BTreeSet::len)
    }

    /// Until nothing is held any more of what the group holds at the time of this call.
    pub fn until_gone(&self, group: &GroupName) -> impl Future<Output = ()> + Send + use<> {
        let (mut held, group) = (self.0.subscribe(), group.clone());
        let last = self.0.borrow().last;
        async move {
            let of_then = |numbers: &BTreeSet<u64>| numbers.iter().any(|number| *number <= last);
            // An error says that nobody is left who could hold anything.
            let _ = held.wait_for(|held| !held.of.get(&group).is_some_and(of_then)).await;
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.0.send_modify(|held| {
            if let Some(numbers) = held.of.get_mut(&self.group) {
                numbers.remove(&self.number);
                if numbers.is_empty() {
                    held.of.remove(&self.group);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn holds_are_counted_and_awaited() {
        let (held, group) = (Held::default(), GroupName::parse("family").unwrap());
        let (first, second) = (held.take(&group), held.take(&group));
        assert_eq!(held.of(&group), 2);
        drop(first);
        assert_eq!(held.of(&group), 1);
        let waiting = tokio::spawn({
            let (held, group) = (held.clone(), group.clone());
            async move { held.until_gone(&group).await }
        });
        drop(second);
        waiting.await.unwrap();
        assert_eq!(held.of(&group), 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_newcomers() {
        let (held, group) = (Held::default(), GroupName::parse("family").unwrap());
        let first = held.take(&group);
        let gone = held.until_gone(&group);
        let opened = async {
            let newcomer = held.take(&group);
            drop(first);
            newcomer
        };
        let (_newcomer, ()) = tokio::join!(biased; opened, gone);
        assert_eq!(held.of(&group), 1);
    }
}
