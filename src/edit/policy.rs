//! Edits of a group's policy.

use policies::GroupName;

use super::rule::Rule;
use super::{Edit, EditError, text};
use crate::home::Home;

/// A group's policy file.
#[derive(Debug)]
pub struct OfPolicy {
    pub(super) group: GroupName,
}

impl Edit<OfPolicy> {
    /// Opens a group's policy file, which need not exist yet.
    pub fn policy(home: &Home, group: &GroupName) -> Result<Self, EditError> {
        Self::open(home, OfPolicy { group: group.clone() })
    }

    /// Adds a preset to `use`, unless it is there.
    pub fn use_preset(self, name: &str) -> Result<Self, EditError> {
        self.with(|text| text::push(text, "use", name))
    }

    /// Removes a preset from `use`, if it is there.
    pub fn unuse_preset(self, name: &str) -> Result<Self, EditError> {
        self.with(|text| text::pull(text, "use", name))
    }

    /// Adds an `[[allow]]` at the end: order does not matter.
    pub fn add_allow(self, rule: &Rule) -> Result<Self, EditError> {
        self.with(|text| text::append(text, "allow", rule))
    }

    /// Adds a `[[deny]]` at the end.
    pub fn add_deny(self, rule: &Rule) -> Result<Self, EditError> {
        self.with(|text| text::append(text, "deny", rule))
    }
}
