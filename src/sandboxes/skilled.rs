//! A sandbox's skills: its own copy of what was accepted, and a note in the log about changes since.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use desk::lock;
use policies::GroupName;

use crate::home::Home;
use crate::skills::{self, Accepted, Copied};
use crate::store::ledger::{AuditLog, Notice};

/// What the log has been told about skills, once each.
#[derive(Default)]
pub(super) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    /// Makes a sandbox's copy; whether its group has a usable skill.
    pub(super) fn copy(&self, home: &Home, group: &GroupName, to: &Path, log: &AuditLog) -> std::io::Result<bool> {
        let Copied { skills, told } = skills::copy_for_sandbox(home, group, to)?;
        for (Accepted { name, hash, .. }, found) in told {
            let text = format!("skill {name} of group {group}: {found}");
            if lock(&self.0).insert(format!("{text} {hash}")) {
                log.note(&Notice::new("skill_changed", Some(group), text));
            }
        }
        Ok(skills > 0)
    }
}
