//! `pause 1h`: nothing is begun for a while. Messages are kept, and answered when it is over; what is
//! being answered goes on to its end.

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

/// The longest: for good there is the lock.
pub const LONGEST: Duration = Duration::from_hours(31 * 24);

/// What the owner writes to pause, and to go on.
const PAUSES: [&str; 1] = ["pause"];
const RESUMES: [&str; 1] = ["resume"];

/// What the owner wants, of a group or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Pause(Option<GroupName>, Duration),
    Resume(Option<GroupName>),
    /// To pause, but not for how long.
    Unclear,
}

impl Wish {
    /// The same of every group.
    pub(super) fn of_all(self) -> Self {
        match self {
            Wish::Pause(_, length) => Wish::Pause(None, length),
            Wish::Resume(_) => Wish::Resume(None),
            Wish::Unclear => Wish::Unclear,
        }
    }

    /// The group that it names.
    pub(super) fn group(&self) -> Option<&GroupName> {
        match self {
            Wish::Pause(group, _) | Wish::Resume(group) => group.as_ref(),
            Wish::Unclear => None,
        }
    }
}

/// Reads `pause 1h`, `pause family 1h`, `resume` and `resume family`. `None`: it is something else.
pub(super) fn wish(text: &str, mentioned: bool, name: &Name) -> Option<Wish> {
    if let Some(rest) = after(text, mentioned, name, &RESUMES) {
        return match rest {
            "" => Some(Wish::Resume(None)),
            group => named(group).map(|group| Wish::Resume(Some(group))),
        };
    }
    let rest = after(text, mentioned, name, &PAUSES)?;
    if rest.is_empty() {
        return Some(Wish::Unclear);
    }
    let of_all = duration::read(rest).map(|length| (None, length));
    let (group, length) = of_all.or_else(|| {
        let (group, length) = rest.split_once(char::is_whitespace)?;
        Some((Some(named(group)?), duration::read(length.trim())?))
    })?;
    let lasts = !length.is_zero() && length <= LONGEST;
    Some(if lasts { Wish::Pause(group, length) } else { Wish::Unclear })
}

/// Phones write capitals, and no group's name has one.
fn named(word: &str) -> Option<GroupName> {
    GroupName::parse(&word.to_lowercase()).ok()
}

/// When that is, by the owner's clock: `22:00`, or `2026-12-05 22:00` on another day.
pub fn shown(at: Millis, now: Millis, zone: &TimeZone) -> String {
    let local = |at: Millis| Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(zone.clone());
    let (at, now) = (local(at), local(now));
    at.strftime(if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
}

impl Pipeline {
    /// Begins nothing for a group, or for any, until then.
    pub fn pause(&self, group: Option<&GroupName>, until: Millis, by: &str) -> Result<(), StoreError> {
        self.store.pause(group, until)?;
        let what = group.map_or_else(|| "every group".to_owned(), |group| format!("the group {group}"));
        let until = shown(until, 0, &self.assistant.zone);
        self.ledger.note(&Notice::new("paused", group, format!("{what} was paused until {until}, by {by}")));
        self.tell(Event::Pauses);
        Ok(())
    }

    /// Ends the pause of a group, or all pauses. Whether there was one.
    pub fn resume(&self, group: Option<&GroupName>, by: &str) -> Result<bool, StoreError> {
        let was_paused = self.store.resume(group, now())?;
        if was_paused {
            let what = group.map_or_else(|| "every group".to_owned(), |group| format!("the group {group}"));
            self.ledger.note(&Notice::new("resumed", group, format!("the pause of {what} was ended, by {by}")));
            self.tell(Event::Pauses);
        }
        Ok(was_paused)
    }

    /// Does as the owner wishes; what they are told.
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
        let wish = |text: &str| wish(text, false, &name);
        let family = GroupName::parse("family").ok();
        let hour = Duration::from_hours(1);
        for text in ["pause 1h", "/pause 60m", "Pause 1 hour.", "@Doorward pause 1h"] {
            assert_eq!(wish(text), Some(Wish::Pause(None, hour)), "{text}");
        }
        assert_eq!(wish("pause family 1h"), Some(Wish::Pause(family.clone(), hour)));
        assert_eq!((wish("resume"), wish("Resume family")), (Some(Wish::Resume(None)), Some(Wish::Resume(family))));
        for text in ["pause", "pause 0s", "pause 32d"] {
            assert_eq!(wish(text), Some(Wish::Unclear), "{text}");
        }
        for text in ["pause for a moment", "resume the story please", "pausing 1h", "please pause 1h", ""] {
            assert_eq!(wish(text), None, "{text}");
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
