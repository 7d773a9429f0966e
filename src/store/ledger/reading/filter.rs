//! Which entries of the log somebody wants to see.

use policies::GroupName;
use proxy::audit::Seq;
use rusqlite::types::Value;

use super::entries::to_row;
use crate::store::{Millis, RunId, runs};

/// Everything that is said must hold; nothing said: all of it.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this group.
    pub group: Option<GroupName>,
    /// To this host; `*` stands for any characters.
    pub host: Option<String>,
    /// Allowed or denied.
    pub which: Option<Which>,
    /// Only that of which the owner was told at once.
    pub alarms: bool,
    /// Without what an agent asks at each of its starts, and is refused: it says nothing of what it does.
    pub without_routine: bool,
    /// Refused or broken off for this reason.
    pub code: Option<String>,
    /// In this run.
    pub run: Option<RunId>,
    /// Not before.
    pub since: Option<Millis>,
    /// Before.
    pub until: Option<Millis>,
    /// With a greater number; the result then starts there instead of ending now.
    pub after: Option<Seq>,
    /// At most so many: the newest, or the first after `after`.
    pub limit: Option<u32>,
    /// With what happened besides requests, or that alone.
    pub events: Events,
}

/// Whether somebody wants to see what was no request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Events {
    /// Requests alone.
    #[default]
    Without,
    /// Both.
    With,
    /// Nothing else.
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
    /// The conditions in SQL over the index, with their values.
    pub(super) fn conditions(&self) -> (String, Vec<Value>) {
        let mut sql = String::from(match self.events {
            Events::Without => "what IS NULL",
            Events::With => "1",
            Events::Alone => "what IS NOT NULL",
        });
        let mut values = Vec::new();
        let mut add = |condition: &str, value: Value| {
            values.push(value);
            sql.push_str(" AND ");
            sql.push_str(&condition.replace('?', &format!("?{}", values.len())));
        };
        if let Some(group) = &self.group {
            add("group_name = ?", Value::Text(group.to_string()));
        }
        if let Some(host) = &self.host {
            let host = host.to_ascii_lowercase();
            // GLOB would read the brackets of an IPv6 address as a set.
            let condition = if host.contains('*') { "host GLOB ?" } else { "host = ?" };
            add(condition, Value::Text(host));
        }
        if let Some(code) = &self.code {
            add("? IN (code, ended_code)", Value::Text(code.clone()));
        }
        if let Some(run) = self.run {
            add("run = ?", Value::Integer(runs::key(run)));
        }
        if let Some(since) = self.since {
            add("at_ms >= ?", Value::Integer(since));
        }
        if let Some(until) = self.until {
            add("at_ms < ?", Value::Integer(until));
        }
        if let Some(after) = self.after {
            add("seq > ?", Value::Integer(to_row(after.0)));
        }
        if self.alarms {
            sql.push_str(" AND alarm");
        }
        if self.without_routine {
            sql.push_str(" AND NOT routine");
        }
        sql.push_str(match self.which {
            None => "",
            Some(Which::Allowed) => " AND allowed AND ended_code IS NULL",
            Some(Which::Denied) => {
                " AND (NOT allowed OR ended_code IS NOT NULL OR what IS NOT NULL AND code IS NOT NULL)"
            }
        });
        (sql, values)
    }
}
