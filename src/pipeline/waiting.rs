//! Long waits and what is said about them: whoever waits gets a notice, and every run has a time limit.
//!
//! An agent gives signs of life; a silent one is reported, and finally ended. A shell's command may be silent for as
//! long as a run may last.

use std::time::Duration;

use tokio::time::Instant;

use super::prompt::Form;
use crate::phrases::Phrases;

/// The time limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Whoever waits for a seat, for the engine or behind a command gets a notice after this.
    pub told: Duration,
    /// A silent run is reported after this.
    pub quiet: Duration,
    /// And ended after this, if its agent should have given a sign of life.
    pub hung: Duration,
    /// The longest that a run may take: `[queue] longest`.
    pub longest: Duration,
    /// The longest that a sandbox may take to start.
    pub start: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Waits {
            told: Duration::from_secs(10),
            quiet: Duration::from_secs(60),
            // Longer than any tool call of Claude Code (ten minutes).
            hung: Duration::from_mins(15),
            longest: Duration::from_hours(1),
            start: Duration::from_mins(2),
        }
    }
}

/// Watches over one run.
#[derive(Debug)]
pub(super) struct Watch {
    waits: Waits,
    form: Form,
    began: Instant,
    heard: Instant,
    told_quiet: bool,
    told_behind: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A notice that the agent is silent.
    Quiet,
    /// A notice to whoever waits behind a command.
    Behind,
    /// The end: silent for too long.
    Hung,
    /// The end: the run took too long.
    TooLong,
}

impl Watch {
    pub(super) fn new(waits: Waits, form: Form) -> Self {
        let now = Instant::now();
        Watch { waits, form, began: now, heard: now, told_quiet: false, told_behind: false }
    }

    /// The agent gave a sign of life.
    pub(super) fn sign(&mut self) {
        self.heard = Instant::now();
    }

    /// What is due next, and when. `behind`: since when a message waits behind a command.
    pub(super) fn next(&self, behind: Option<Instant>) -> (Instant, Due) {
        let Waits { told, quiet, hung, longest, .. } = self.waits;
        let behind = behind.filter(|_| !self.told_behind).map(|since| (since.max(self.began) + told, Due::Behind));
        let quiet = (!self.told_quiet).then_some((self.heard + quiet, Due::Quiet));
        let hung = (self.form == Form::Context).then_some((self.heard + hung, Due::Hung));
        let longest = (self.began + longest, Due::TooLong);
        [behind, quiet, hung]
            .into_iter()
            .flatten()
            .fold(longest, |first, other| if other.0 < first.0 { other } else { first })
    }

    /// Notes that the notice was sent.
    pub(super) fn told(&mut self, due: Due) {
        match due {
            Due::Quiet => self.told_quiet = true,
            Due::Behind => self.told_behind = true,
            Due::Hung | Due::TooLong => {}
        }
    }

    /// What is said when this is due.
    pub(super) fn words(&self, due: Due) -> Phrases {
        let Waits { quiet, hung, longest, .. } = self.waits;
        let (words, time) = match (due, self.form) {
            (Due::Quiet, Form::Bare) => (Phrases::new("command-quiet"), quiet),
            (Due::Quiet, Form::Context) => (Phrases::new("agent-quiet"), quiet),
            (Due::Behind, _) => return Phrases::new("behind-another"),
            (Due::Hung, _) => (Phrases::new("agent-hung"), hung),
            (Due::TooLong, _) => (Phrases::new("took-too-long"), longest),
        };
        words.saying("time", length(time))
    }
}

/// For somebody who waits for a seat: how many are being answered, and how many are ahead in
/// the queue.
pub(super) fn for_a_seat(answered: usize, before: usize) -> Phrases {
    Phrases::new("seats").count("answered", answered as u64).count("before", before as u64)
}

/// For somebody whose sandbox does not come up.
pub(super) fn still_starting() -> Phrases {
    Phrases::new("still-starting")
}

/// `90 s`, `15 minutes`, `2 hours`.
fn length(time: Duration) -> Phrases {
    let seconds = time.as_secs();
    match seconds {
        _ if seconds > 0 && seconds.is_multiple_of(3600) => Phrases::new("hours").count("count", seconds / 3600),
        _ if seconds > 0 && seconds.is_multiple_of(60) => Phrases::new("minutes").count("count", seconds / 60),
        _ => Phrases::new("seconds").count("count", seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_comes_first_and_is_told_once() {
        let waits = Waits::default();
        let mut watch = Watch::new(waits, Form::Context);
        let began = watch.began;
        assert_eq!(watch.next(Some(began)), (began + waits.told, Due::Behind));
        watch.told(Due::Behind);
        assert_eq!(watch.next(Some(began)), (began + waits.quiet, Due::Quiet));
        watch.told(Due::Quiet);
        assert_eq!(watch.next(Some(began)), (began + waits.hung, Due::Hung));
        let mut command = Watch::new(waits, Form::Bare);
        command.told(Due::Quiet);
        assert_eq!(command.next(None), (command.began + waits.longest, Due::TooLong), "a silent command may go on");
    }

    #[test]
    fn times_and_places_have_words() {
        for (seconds, words) in
            [(3600, "an hour"), (7200, "2 hours"), (60, "a minute"), (900, "15 minutes"), (90, "90 s")]
        {
            assert_eq!(length(Duration::from_secs(seconds)).in_english(), words);
        }
        assert_eq!(for_a_seat(2, 0).in_english(), "2 others are being answered; you are next.");
        assert_eq!(for_a_seat(1, 1).in_english(), "One other is being answered; one is before you in line.");
    }
}
