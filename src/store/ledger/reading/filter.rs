//! A filter for the log's entries.

use std::fmt::Write;

use policies::GroupName;
use proxy::audit::Seq;

use super::entries::{Entry, to_row};
use crate::store::{Millis, RunId, runs};

/// All given conditions must hold; without any, everything matches.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this group.
    pub group: Option<GroupName>,
    /// To this host; `*` stands for any characters.
    pub host: Option<String>,
    /// Allowed or denied.
    pub which: Option<Which>,
    /// Only alarms.
    pub alarms: bool,
    /// Without the refusals at every start of an agent: they say nothing about what it does.
    pub without_routine: bool,
    /// Refused or broken off for this reason.
    pub code: Option<String>,
    /// In this run.
    pub run: Option<RunId>,
    /// Not before this.
    pub since: Option<Millis>,
    /// Before this.
    pub until: Option<Millis>,
    /// With a greater number; the result then starts there instead of ending now.
    pub after: Option<Seq>,
    /// At most this many: the newest, or the first after `after`.
    pub limit: Option<u32>,
    /// With, without or only events.
    pub events: Events,
}

/// Whether to include what is not a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Events {
    /// Requests only.
    #[default]
    Without,
    /// Both.
    With,
    /// Events only.
    Alone,
}

/// Allowed or denied, as a person means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Allowed, and not broken off.
    Allowed,
    /// Denied, or broken off after the verdict.
    Denied,
}

impl Filter {
    /// Everything since a time.
    pub(super) fn since(since: Millis) -> Self {
        Filter { since: Some(since), events: Events::With, ..Filter::default() }
    }

    /// The blocks that may contain matches, in SQL.
    pub(super) fn blocks(&self) -> String {
        let mut sql = String::from("1");
        // Writing to a String cannot fail.
        let _ = self.after.iter().try_for_each(|after| write!(sql, " AND last > {}", to_row(after.0)));
        let _ = self.since.iter().try_for_each(|since| write!(sql, " AND until >= {since}"));
        let _ = self.until.iter().try_for_each(|until| write!(sql, " AND since < {until}"));
        let runs = self.run.map(runs::key);
        let _ = runs.iter().try_for_each(|run| write!(sql, " AND {run} BETWEEN lowest_run AND highest_run"));
        if self.alarms {
            sql.push_str(" AND alarms > 0");
        }
        if self.events == Events::Alone {
            sql.push_str(" AND events > 0");
        }
        sql
    }

    /// How many of a block match, and for which blocks that is known without reading them, in SQL.
    pub(super) fn counted(&self) -> Option<(String, String)> {
        let Filter { group, host, which, alarms, without_routine, code, run, since, until, after, events, limit: _ } =
            self;
        if group.is_some() || host.is_some() || which.is_some() || *alarms || code.is_some() || run.is_some() {
            return None;
        }
        let count = match events {
            Events::Without => "count - events",
            Events::With => "count",
            Events::Alone => "events",
        };
        let routine = if *without_routine && *events != Events::Alone { " - routine" } else { "" };
        let mut sql = String::from("1");
        let _ = after.iter().try_for_each(|after| write!(sql, " AND first > {}", to_row(after.0)));
        let _ = since.iter().try_for_each(|from| write!(sql, " AND since >= {from}"));
        let _ = until.iter().try_for_each(|to| write!(sql, " AND until < {to}"));
        Some((format!("{count}{routine}"), sql))
    }

    /// Whether an entry matches.
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let Filter { group, host, which, alarms, without_routine, code, run, since, until, after, events, limit: _ } =
            self;
        let names = &entry.names;
        let ended = !names.ended_code.is_empty();
        (match events {
            Events::Without => !entry.is_event(),
            Events::With => true,
            Events::Alone => entry.is_event(),
        }) && group.as_ref().is_none_or(|group| *names.group == *group.as_str())
            && host.as_ref().is_none_or(|host| matches(&host.to_ascii_lowercase(), &names.host))
            && code.as_ref().is_none_or(|code| [&*names.code, &*names.ended_code].contains(&code.as_str()))
            && run.is_none_or(|run| entry.run.map(to_row) == Some(runs::key(run)))
            && since.is_none_or(|since| entry.at >= since)
            && until.is_none_or(|until| entry.at < until)
            && after.is_none_or(|after| entry.seq > after.0)
            && (!alarms || entry.alarm)
            && !(*without_routine && entry.routine)
            && match which {
                None => true,
                Some(Which::Allowed) => entry.allowed == Some(true) && !ended,
                Some(Which::Denied) => {
                    entry.allowed == Some(false) || ended || entry.is_event() && !names.code.is_empty()
                }
            }
    }
}

/// Whether a text matches a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(begin) else { return false };
    let (parts, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in parts.split('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "a.b"),
            ("a*", "a"),
            ("*.b", "a.b"),
            ("a*c*e", "abcde"),
            ("a**", "a"),
            ("*[::1]", "[::1]"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "b"), ("a*a", "a"), ("a*b*b", "ab"), ("*.b", "b"), ("a*", "ba"), ("?", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
