//! What people, tests and programs are told of a policy: names, times and text. No verdict asks for it.

use std::collections::BTreeSet;
use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::body::{Condition, Wanted, Words};
use crate::hours::hold;
use crate::rules::{AllowRule, DenyRule, Fit, Reading};
use crate::say::{Showing, Telling};
use crate::{Date, Facts, Host, Hours, Moment, Policy, RequestPattern, TimeOfDay, Times, Weekday};

impl Policy {
    /// What a request does, in one line: in the words of the rules that cover it, or else in plain ones.
    /// Anything taken from the request is shown as data.
    pub fn sentence(&self, facts: &Facts, body: Option<Showing<'_>>) -> String {
        let telling = self.telling(facts, body);
        (self.teller.said)(&telling).unwrap_or_else(|| (self.teller.plain)(&telling))
    }

    /// The same in the words of the rules that cover it, for a request of which only the facts are known; `None`
    /// if they have none.
    pub fn said(&self, facts: &Facts) -> Option<String> {
        (self.teller.said)(&self.telling(facts, None))
    }

    fn telling<'a>(&'a self, facts: &'a Facts, body: Option<Showing<'a>>) -> Telling<'a> {
        let reading = Reading::new(facts);
        let rules = self.allows_of(&facts.authority.host).filter(|rule| rule.names(&reading)).collect();
        Telling { says: &self.rules().says, rules, facts, body }
    }

    /// The last day on which the group is observed, where `mode = "observe"` stands.
    pub fn observe_until(&self) -> Option<Date> {
        self.rules().observe.as_ref().map(|observe| observe.until)
    }

    /// The times of day at which a rule for a host begins or ends, midnight included; empty if all
    /// rules for it always hold.
    pub fn borders_of(&self, host: &Host) -> BTreeSet<TimeOfDay> {
        let allows = self.allows_of(host).filter_map(|rule| rule.hours.as_ref());
        let hours = allows.chain(self.tunnels_of(host).filter_map(|rule| rule.hours.as_ref()));
        hours.flat_map(Hours::borders).collect()
    }
}

impl AllowRule {
    /// Whether it covers a request of its host at this moment.
    pub fn covers_at(&self, facts: &Facts, now: Moment) -> bool {
        matches!(self.fit(&Reading::new(facts), now), Fit::Fits(..))
    }

    /// Whether it covers a request of its host at any time.
    fn names(&self, request: &Reading<'_>) -> bool {
        match self.fit(request, Moment::FAR) {
            Fit::OutsideHours | Fit::Fits(..) => true,
            Fit::OtherPort | Fit::OtherPath | Fit::OtherMethod | Fit::NoUpgrade => false,
        }
    }
}

impl DenyRule {
    /// Whether it covers everything on its host.
    pub fn covers_everything(&self) -> bool {
        self.ports.is_empty() && self.json.is_none() && self.requests.contains(&RequestPattern::anything())
    }
}

impl Hours {
    /// The times of day at which the rule begins or ends to hold, or may.
    pub fn borders(&self) -> impl Iterator<Item = TimeOfDay> + use<> {
        let Times { span, days: _, from, until } = self.times();
        let span = (*span).into_iter().flat_map(|(from, to)| [from, to]);
        span.chain(from.map(Moment::time)).chain(until.map(Moment::time)).chain([TimeOfDay::MIDNIGHT])
    }

    /// Whether a moment may be in both.
    pub fn meet(&self, other: &Hours) -> bool {
        // Of two spans that meet, one begins in the other.
        !self.end_before(other) && !other.end_before(self) && (self.begin_in(other) || other.begin_in(self))
    }

    fn end_before(&self, other: &Hours) -> bool {
        let (Times { span: _, days: _, from: _, until }, Times { span: _, days: _, from, until: _ }) =
            (self.times(), other.times());
        until.zip(*from).is_some_and(|(until, from)| until <= from)
    }

    fn begin_in(&self, other: &Hours) -> bool {
        let Times { span, days, from: _, until: _ } = self.times();
        let from = span.map_or(TimeOfDay::MIDNIGHT, |(from, _)| from);
        let days: &[Weekday] = if days.is_empty() { &Weekday::ALL } else { days };
        let Times { span, days: others, from: _, until: _ } = other.times();
        days.iter().any(|day| hold(*span, others, *day, from))
    }
}

/// `07:00-21:00 on mon, tue`, `from sat 2026-12-05 08:00 until sat 2026-12-05 22:00`.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Times { span, days, from, until } = self.times();
        if let Some((from, to)) = span {
            write!(f, "{from}-{to}")?;
        }
        if !days.is_empty() {
            let names: Vec<_> = days.iter().map(|day| day.as_str()).collect();
            let on = match span {
                None => "on",
                Some((from, to)) if from < to => " on",
                Some(_) => " beginning on",
            };
            write!(f, "{on} {}", names.join(", "))?;
        }
        let mut gap = if span.is_some() || !days.is_empty() { ", " } else { "" };
        if let Some(from) = from {
            write!(f, "{gap}from {from}")?;
            gap = " ";
        }
        until.map_or(Ok(()), |until| write!(f, "{gap}until {until}"))
    }
}

/// `{ "from": "07:00", "to": "21:00", "days": ["mon", "tue"] }`, with `begins` where it has not always held (`from` are the
/// hours' own) and `until` where it ends.
impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Times { span, days, from, until } = self.times();
        let days: Vec<_> = days.iter().map(|day| day.as_str()).collect();
        let mut shown = serializer.serialize_struct("Hours", 3 + [from, until].into_iter().flatten().count())?;
        shown.serialize_field("from", &span.map(|(from, _)| from.to_string()))?;
        shown.serialize_field("to", &span.map(|(_, to)| to.to_string()))?;
        shown.serialize_field("days", &days)?;
        if let Some(from) = from {
            shown.serialize_field("begins", &from.written())?;
        }
        if let Some(until) = until {
            shown.serialize_field("until", &until.written())?;
        }
        shown.end()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.words {
            Words::Not(wanted) => write!(f, "no `{field}` is {}", either(wanted)),
            Words::Only(wanted) => write!(f, "every `{field}` is {}", either(wanted)),
            Words::Any(wanted) => write!(f, "some `{field}` is {}", either(wanted)),
            Words::Absent => write!(f, "there is no `{field}`"),
            Words::Present => write!(f, "there is a `{field}`"),
        }
    }
}

/// People read a refusal: no brackets, no commas.
fn either(wanted: &[Wanted]) -> String {
    let word = |wanted: &Wanted| match wanted {
        Wanted::Text(text) => format!("{text:?}"),
        Wanted::Bool(value) => value.to_string(),
    };
    wanted.iter().map(word).collect::<Vec<_>>().join(" or ")
}
