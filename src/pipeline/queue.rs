//! Who may run: one sandbox per group, a global cap, first come first served.
//!
//! Pure bookkeeping: it starts and stops nothing itself, but returns the [`Step`]s to take.
//! An idle group keeps its seat (and its sandbox, for follow-ups) until another group needs
//! the seat. Others cannot shut out the owner's own group: it may take a seat beyond the cap.

use std::collections::{BTreeMap, VecDeque};

use policies::GroupName;

/// The groups that wait and those that run.
#[derive(Debug)]
pub struct Queue {
    cap: usize,
    waiting: VecDeque<GroupName>,
    seats: BTreeMap<GroupName, Seat>,
    /// Each with the number of its rest: the end of an earlier rest does not end a later one.
    resting: BTreeMap<GroupName, u64>,
    /// The owner's group.
    owner: Option<GroupName>,
    clock: u64,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Give the group a seat and let it work.
    Start(GroupName),
    /// The group has a seat already: tell it that there is more to do.
    Wake(GroupName),
    /// The group is idle and its seat is needed: let it go.
    Close(GroupName),
}

/// How a group uses its seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Busy,
    /// Since this tick: the group that was idle longest goes first.
    Idle(u64),
    Leaving,
}

impl Queue {
    /// A queue that lets `cap` groups run at once (at least one).
    pub fn new(cap: usize) -> Self {
        let (waiting, seats, resting) = (VecDeque::new(), BTreeMap::new(), BTreeMap::new());
        Queue { cap: cap.max(1), waiting, seats, resting, owner: None, clock: 0 }
    }

    /// Sets the owner's group.
    pub fn set_owner(&mut self, group: &GroupName) {
        if self.owner.as_ref() != Some(group) {
            self.owner = Some(group.clone());
        }
    }

    /// The group has something to do.
    pub fn work(&mut self, group: &GroupName) -> Vec<Step> {
        match self.seats.get_mut(group) {
            Some(Seat::Leaving) => Vec::new(),
            Some(seat) => {
                *seat = Seat::Busy;
                vec![Step::Wake(group.clone())]
            }
            None if self.resting.contains_key(group) => Vec::new(),
            None => {
                if !self.waiting.contains(group) {
                    self.waiting.push_back(group.clone());
                }
                self.admit()
            }
        }
    }

    /// The group is busy; it may have woken while it counted as idle.
    pub fn busy(&mut self, group: &GroupName) {
        if let Some(seat @ Seat::Idle(_)) = self.seats.get_mut(group) {
            *seat = Seat::Busy;
        }
    }

    /// The group has nothing to do for now.
    pub fn idle(&mut self, group: &GroupName) -> Vec<Step> {
        self.clock += 1;
        if let Some(seat @ Seat::Busy) = self.seats.get_mut(group) {
            *seat = Seat::Idle(self.clock);
        }
        self.admit()
    }

    /// The group has left its seat. `more`: something still waits for it. `rest`: it may not
    /// try again before [`Queue::rested`] is called with the same number.
    pub fn left(&mut self, group: &GroupName, more: bool, rest: Option<u64>) -> Vec<Step> {
        self.seats.remove(group);
        if let Some(rest) = rest {
            self.resting.insert(group.clone(), rest);
        } else if more && !self.waiting.contains(group) {
            self.waiting.push_back(group.clone());
        }
        self.admit()
    }

    /// The group has rested long enough after a failure. A rest that was cancelled, or followed
    /// by another, is over already.
    pub fn rested(&mut self, group: &GroupName, rest: u64) -> Vec<Step> {
        if self.resting.get(group) != Some(&rest) {
            return Vec::new();
        }
        self.resting.remove(group);
        self.work(group)
    }

    /// Groups that rest after a failure.
    pub fn resting(&self) -> impl Iterator<Item = &GroupName> {
        self.resting.keys()
    }

    /// Starts nothing more for the group; its seat, if it has one, stays until it has left.
    pub fn forget(&mut self, group: &GroupName) {
        self.waiting.retain(|waiting| waiting != group);
        self.resting.remove(group);
        if let Some(seat) = self.seats.get_mut(group) {
            *seat = Seat::Leaving;
        }
    }

    /// Groups without a seat, the next one first.
    pub fn waiting(&self) -> impl Iterator<Item = &GroupName> {
        self.waiting.iter()
    }

    /// Groups with a seat, and whether each is busy.
    pub fn seated(&self) -> impl Iterator<Item = (&GroupName, bool)> {
        self.seats.iter().map(|(group, seat)| (group, *seat == Seat::Busy))
    }

    /// How many may run at once.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Fills free seats; if there are none, asks the groups that were idle longest to leave, one per waiting group.
    fn admit(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let owner = self.waiting.iter().position(|group| self.owner.as_ref() == Some(group));
        if let Some(group) = owner.and_then(|at| self.waiting.remove(at)) {
            self.seats.insert(group.clone(), Seat::Busy);
            steps.push(Step::Start(group));
        }
        while self.seats.len() < self.cap {
            let Some(group) = self.waiting.pop_front() else { return steps };
            self.seats.insert(group.clone(), Seat::Busy);
            steps.push(Step::Start(group));
        }
        let leaving = self.seats.values().filter(|seat| **seat == Seat::Leaving).count();
        for _ in leaving..self.waiting.len() {
            let Some(group) = self.longest_idle() else { break };
            self.seats.insert(group.clone(), Seat::Leaving);
            steps.push(Step::Close(group));
        }
        steps
    }

    fn longest_idle(&self) -> Option<GroupName> {
        let idle = self.seats.iter().filter_map(|(group, seat)| match seat {
            Seat::Idle(since) => Some((since, group)),
            Seat::Busy | Seat::Leaving => None,
        });
        idle.min().map(|(_, group)| group.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn group(name: &str) -> GroupName {
        GroupName::parse(name).unwrap()
    }

    fn start(name: &str) -> Step {
        Step::Start(group(name))
    }

    #[test]
    fn first_come_first_served_up_to_the_cap() {
        let mut queue = Queue::new(2);
        assert_eq!(queue.work(&group("a")), [start("a")]);
        assert_eq!(queue.work(&group("b")), [start("b")]);
        assert_eq!(queue.work(&group("c")), []);
        assert_eq!(queue.work(&group("d")), []);
        assert_eq!(queue.work(&group("c")), [], "waiting once is enough");
        assert_eq!(queue.left(&group("b"), false, None), [start("c")]);
        assert_eq!(queue.left(&group("c"), true, None), [start("d")], "c goes to the end of the line");
        assert_eq!(queue.left(&group("a"), false, None), [start("c")]);
        assert_eq!(queue.left(&group("c"), false, None), []);
    }

    #[test]
    fn a_seated_group_is_woken() {
        let mut queue = Queue::new(1);
        queue.work(&group("a"));
        assert_eq!(queue.work(&group("a")), [Step::Wake(group("a"))]);
        queue.idle(&group("a"));
        assert_eq!(queue.work(&group("a")), [Step::Wake(group("a"))]);
        assert_eq!(queue.work(&group("b")), [], "a was woken, so it is not closed");
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let mut queue = Queue::new(2);
        queue.work(&group("a"));
        queue.work(&group("b"));
        queue.idle(&group("b"));
        queue.idle(&group("a"));
        assert_eq!(queue.work(&group("c")), [Step::Close(group("b"))]);
        assert_eq!(queue.work(&group("b")), [], "b is on its way out");
        assert_eq!(queue.left(&group("b"), true, None), [start("c"), Step::Close(group("a"))]);
        assert_eq!(queue.left(&group("a"), false, None), [start("b")]);
    }

    #[test]
    fn work_that_waits_takes_the_seat_of_the_next_idle() {
        let mut queue = Queue::new(1);
        queue.work(&group("a"));
        assert_eq!(queue.work(&group("b")), []);
        assert_eq!(queue.idle(&group("a")), [Step::Close(group("a"))]);
        assert_eq!(queue.idle(&group("a")), [], "asked once");
    }

    #[test]
    fn a_failed_group_rests() {
        let mut queue = Queue::new(1);
        queue.work(&group("a"));
        assert_eq!(queue.left(&group("a"), true, Some(1)), []);
        assert_eq!(queue.work(&group("a")), [], "not before it has rested");
        assert_eq!(queue.rested(&group("a"), 1), [start("a")]);
        assert_eq!(queue.rested(&group("a"), 1), []);
    }

    /// A stop cancels the rest, but not its timer.
    #[test]
    fn the_end_of_an_earlier_rest_does_not_end_a_later_one() {
        let mut queue = Queue::new(1);
        queue.work(&group("a"));
        queue.left(&group("a"), true, Some(1));
        queue.forget(&group("a"));
        assert_eq!(queue.work(&group("a")), [start("a")]);
        queue.left(&group("a"), true, Some(2));
        assert_eq!(queue.rested(&group("a"), 1), [], "that was the first");
        assert_eq!(queue.resting().count(), 1);
        assert_eq!(queue.rested(&group("a"), 2), [start("a")]);
    }

    #[test]
    fn the_owner_is_never_shut_out() {
        let mut queue = Queue::new(2);
        queue.set_owner(&group("main"));
        for name in ["a", "b", "c"] {
            queue.work(&group(name));
        }
        assert_eq!(queue.work(&group("main")), [start("main")], "beyond the cap, and before who waits");
        assert_eq!(queue.left(&group("a"), false, None), [], "the cap holds for the others");
        assert_eq!(queue.left(&group("main"), false, None), [start("c")]);
    }

    #[test]
    fn a_stopped_group_is_not_started_again() {
        let mut queue = Queue::new(1);
        queue.work(&group("a"));
        queue.work(&group("b"));
        queue.forget(&group("b"));
        queue.forget(&group("a"));
        assert_eq!(queue.left(&group("a"), false, None), []);
        assert_eq!(queue.work(&group("b")), [start("b")], "a new message starts it");
    }
}
