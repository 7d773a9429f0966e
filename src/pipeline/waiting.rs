//! What takes long, and what is said about it: whoever waits gets a notice, and every run has
//! a time limit.
//!
//! An agent gives signs of life; a silent agent is reported, and ended in the end. A shell's
//! command may be silent for as long as a run may last.

use std::time::Duration;

use tokio::time::Instant;

use super::prompt::Form;

/// How long things may take.
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
            // Longer than any tool of Claude Code's may take (ten minutes).
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
    /// A notice that nothing was heard.
    Quiet,
    /// A notice to whoever waits behind a command.
    Behind,
    /// The end: nothing was heard for too long.
    Hung,
    /// The end: it took too long.
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
    pub(super) fn words(&self, due: Due) -> String {
        let Waits { quiet, hung, longest, .. } = self.waits;
        match (due, self.form) {
            (Due::Quiet, Form::Bare) => {
                format!("The command has written nothing for {} and goes on. \"stop\" ends it.", length(quiet))
            }
            (Due::Quiet, Form::Context) => {
                format!(
                    "Nothing was heard of the agent for {}; it may still be at work. \"stop\" ends it.",
                    length(quiet)
                )
            }
            (Due::Behind, _) => "The message before this one is still being worked on. \"stop\" ends it.".to_owned(),
            (Due::Hung, _) => format!("Nothing was heard of the agent for {}, so it was ended.", length(hung)),
            (Due::TooLong, _) => format!(
                "It was ended after {}, the longest that a run may take ([queue] longest in doorward.toml). What it did \
                 in the group's folder stays.",
                length(longest)
            ),
        }
    }
}

/// For somebody who waits for a seat: how many are being answered, and how many are ahead in
/// the queue.
pub(super) fn for_a_seat(answered: usize, before: usize) -> String {
    let being = match answered {
        1 => "One other is being answered".to_owned(),
        _ => format!("{answered} others are being answered"),
    };
    match before {
        0 => format!("{being}; you are next."),
        1 => format!("{being}; one is before you in line."),
        _ => format!("{being}; {before} are before you in line."),
    }
}

/// For somebody whose sandbox does not come up.
pub(super) const STARTING: &str = "The sandbox is still being started: the container engine takes its time.";

/// `90 s`, `15 minutes`, `2 hours`.
fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        3600 => "an hour".to_owned(),
        _ if seconds > 0 && seconds.is_multiple_of(3600) => format!("{} hours", seconds / 3600),
        60 => "a minute".to_owned(),
        _ if seconds > 0 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        _ => format!("{seconds} s"),
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
            assert_eq!(length(Duration::from_secs(seconds)), words);
        }
        assert_eq!(for_a_seat(2, 0), "2 others are being answered; you are next.");
        assert_eq!(for_a_seat(1, 1), "One other is being answered; one is before you in line.");
    }
}
