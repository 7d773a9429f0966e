//! `pause 1h`: nothing new starts for a while. Messages are stored and answered afterwards; what is being answered
//! finishes.

use std::time::Duration;

use desk::duration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use policies::GroupName;

use super::Pipeline;
use super::calling::Name;
use super::dispatcher::Event;
use super::intake::after;
use crate::phrases::Phrases;
use crate::store::ledger::Notice;
use crate::store::{Millis, StoreError, now};

/// The longest pause; for longer there is the lock.
pub const LONGEST: Duration = Duration::from_hours(31 * 24);

/// What the owner writes to pause and to resume.
const PAUSES: [&str; 1] = ["pause"];
const RESUMES: [&str; 1] = ["resume"];

/// The owner's wish, for a group or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Pause(Option<GroupName>, Duration),
    Resume(Option<GroupName>),
    /// To pause, with an unclear duration.
    Unclear,
}

/// The order as written: with the word in place of a group's name, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said<'t> {
    Pause(&'t str, Duration),
    Resume(&'t str),
    Unclear(&'t str),
}

/// Parses `pause 1h`, `pause family 1h`, `resume` and `resume family`. `None`: something else.
pub(super) fn said<'t>(text: &'t str, mentioned: bool, name: &Name) -> Option<Said<'t>> {
    if let Some(rest) = after(text, mentioned, name, &RESUMES) {
        return (!rest.contains(char::is_whitespace)).then_some(Said::Resume(rest));
    }
    let rest = after(text, mentioned, name, &PAUSES)?;
    if let Some(length) = length(rest) {
        return Some(lasting("", length));
    }
    if rest.is_empty() || is_a_time(rest) {
        return Some(Said::Unclear(""));
    }
    let (group, time) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let time = time.trim();
    match length(time) {
        Some(length) => Some(lasting(group, length)),
        None => (time.is_empty() || is_a_time(time)).then_some(Said::Unclear(group)),
    }
}

fn length(text: &str) -> Option<Duration> {
    duration::read(text.strip_prefix("for ").unwrap_or(text).trim())
}

/// Whether it was meant as a time, valid or not.
fn is_a_time(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn lasting(group: &str, length: Duration) -> Said<'_> {
    if length.is_zero() || length > LONGEST { Said::Unclear(group) } else { Said::Pause(group, length) }
}

/// The time by the owner's clock: `22:00`, or `2026-12-05 22:00` on another day.
pub fn shown(at: Millis, now: Millis, zone: &TimeZone) -> String {
    let local = |at: Millis| Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(zone.clone());
    let (at, now) = (local(at), local(now));
    at.strftime(if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
}

impl Pipeline {
    /// Starts nothing for a group, or for any, until then.
    pub fn pause(&self, group: Option<&GroupName>, until: Millis, by: &str) -> Result<(), StoreError> {
        self.store.pause(group, until)?;
        let what = group.map_or_else(|| "every group".to_owned(), |group| format!("the group {group}"));
        let until = shown(until, 0, &self.assistant.zone);
        self.ledger.note(&Notice::new("paused", group, format!("{what} was paused until {until}, by {by}")));
        self.tell(Event::Pauses);
        Ok(())
    }

    /// Ends the pause of a group, or all pauses. Returns whether there was one.
    pub fn resume(&self, group: Option<&GroupName>, by: &str) -> Result<bool, StoreError> {
        let was_paused = self.store.resume(group, now())?;
        if was_paused {
            let what = group.map_or_else(|| "every group".to_owned(), |group| format!("the group {group}"));
            self.ledger.note(&Notice::new("resumed", group, format!("the pause of {what} was ended, by {by}")));
            self.tell(Event::Pauses);
        }
        Ok(was_paused)
    }

    /// Applies the owner's wish; returns the reply.
    pub(super) fn pause_or_resume(&self, wish: &Wish) -> Result<Phrases, StoreError> {
        const BY: &str = "the main group's chat";
        let of = |one: &'static str, all: &'static str, group: &Option<GroupName>| match group {
            Some(group) => Phrases::new(one).with("group", group),
            None => Phrases::new(all),
        };
        match wish {
            Wish::Unclear => Ok(Phrases::new("pause-how")),
            Wish::Pause(group, length) => {
                let now = now();
                let until = now.saturating_add(Millis::try_from(length.as_millis()).unwrap_or(Millis::MAX));
                self.pause(group.as_ref(), until, BY)?;
                let words = of("paused-group", "paused-all", group);
                Ok(words.with("time", shown(until, now, &self.assistant.zone)))
            }
            Wish::Resume(group) => {
                let was_paused = self.resume(group.as_ref(), BY)?;
                let still = group.as_ref().map(|group| self.store.paused_until(group, now())).transpose()?.flatten();
                Ok(match (still, was_paused) {
                    (Some(_), _) => Phrases::new("paused-with-all"),
                    (None, true) => of("resumed-group", "resumed-all", group),
                    (None, false) => Phrases::new("not-paused"),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_wish_only_by_itself() {
        let name = Name::new("Doorward");
        let said = |text: &'static str| said(text, false, &name);
        let hour = Duration::from_hours(1);
        for text in ["pause 1h", "/pause 60m", "Pause 1 hour.", "@Doorward pause 1h", "pause for 1h"] {
            assert_eq!(said(text), Some(Said::Pause("", hour)), "{text}");
        }
        assert_eq!(said("pause family 1h"), Some(Said::Pause("family", hour)));
        assert_eq!(said("Pause Famliy for 1 hour"), Some(Said::Pause("Famliy", hour)));
        assert_eq!((said("resume"), said("Resume family")), (Some(Said::Resume("")), Some(Said::Resume("family"))));
        for text in ["pause", "pause 0s", "pause 32d", "pause 1x", "pause 22:00", "pause 1h family"] {
            assert_eq!(said(text), Some(Said::Unclear("")), "{text}");
        }
        for text in ["pause family", "pause family 32d", "pause family 22:00"] {
            assert_eq!(said(text), Some(Said::Unclear("family")), "{text}");
        }
        for text in ["pause for a moment", "resume the story please", "pausing 1h", "please pause 1h", ""] {
            assert_eq!(said(text), None, "{text}");
        }
    }

    #[test]
    fn another_day_is_named() {
        let at = |time: &str| time.parse::<Timestamp>().map(Timestamp::as_millisecond).unwrap_or_default();
        let shown = |until| shown(at(until), at("2026-12-05T20:00:00Z"), &TimeZone::UTC);
        assert_eq!(shown("2026-12-05T22:00:00Z"), "22:00");
        assert_eq!(shown("2026-12-06T02:00:00Z"), "2026-12-06 02:00");
    }
}
