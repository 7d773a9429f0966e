//! Which prompts are open, and which of them the current turn includes.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Turns {
    open: VecDeque<Open>,
    /// Whether Claude Code reports which prompts it takes; some versions do not.
    tells: bool,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: u64,
    pub(super) uuid: String,
    text: String,
    taken: bool,
}

impl Turns {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn open(&mut self, id: u64, uuid: String, text: String) {
        self.open.push_back(Open { id, uuid, text, taken: false });
    }

    /// The current turn takes a prompt in, at its start or later.
    pub(super) fn take(&mut self, uuid: &str) {
        self.tells = true;
        if let Some(open) = self.open.iter_mut().find(|open| open.uuid == uuid) {
            open.taken = true;
        }
    }

    pub(super) fn under_way(&self) -> bool {
        self.open.iter().any(|open| open.taken) || (!self.tells && !self.open.is_empty())
    }

    /// The prompt that is being answered.
    pub(super) fn current(&self) -> Option<u64> {
        self.open.iter().rfind(|open| open.taken).or(self.open.front()).map(|open| open.id)
    }

    /// Ends the turn: returns its prompts, in order.
    pub(super) fn end(&mut self) -> Vec<Open> {
        if !self.tells {
            return self.open.pop_front().into_iter().collect();
        }
        let (taken, rest): (VecDeque<Open>, VecDeque<Open>) = self.open.drain(..).partition(|open| open.taken);
        self.open = rest;
        taken.into()
    }

    /// All open prompts, to be sent again to a process that has received none of them.
    pub(super) fn again(&mut self) -> impl Iterator<Item = (&str, &str)> {
        self.open.iter_mut().map(|open| {
            open.taken = false;
            (open.uuid.as_str(), open.text.as_str())
        })
    }

    /// Every open prompt.
    pub(super) fn all(&self) -> Vec<u64> {
        self.open.iter().map(|open| open.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Turns {
        let mut turns = Turns::default();
        for (id, uuid) in [(1, "a"), (2, "b"), (3, "c")] {
            turns.open(id, uuid.to_owned(), format!("text {id}"));
        }
        turns
    }

    fn ended(turns: &mut Turns) -> Vec<u64> {
        turns.end().into_iter().map(|open| open.id).collect()
    }

    #[test]
    fn a_turn_answers_what_it_took_in_and_nothing_else() {
        let mut turns = turns();
        turns.take("a");
        assert_eq!(turns.current(), Some(1));
        turns.take("b");
        assert_eq!(turns.current(), Some(2));
        assert_eq!(ended(&mut turns), [1, 2]);
        assert!(!turns.under_way());
        assert_eq!(ended(&mut turns), [0; 0], "a turn that nobody asked for");
        turns.take("c");
        assert_eq!((ended(&mut turns), turns.len()), (vec![3], 0));
    }

    #[test]
    fn what_a_lost_process_took_in_is_said_again() {
        let mut turns = turns();
        turns.take("a");
        assert_eq!(turns.again().collect::<Vec<_>>(), [("a", "text 1"), ("b", "text 2"), ("c", "text 3")]);
        assert!(!turns.under_way());
    }

    #[test]
    fn a_version_that_does_not_tell_answers_one_by_one() {
        let mut turns = turns();
        assert!(turns.under_way());
        assert_eq!((ended(&mut turns), ended(&mut turns), turns.all()), (vec![1], vec![2], vec![3]));
    }
}
