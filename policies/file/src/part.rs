//! One of the texts of a policy, as read.

use desk::Text;
use policies::Origin;

use crate::file::PolicyFile;

/// One text of a policy.
pub(crate) struct Part {
    pub(crate) text: Text,
    pub(crate) origin: Origin,
    pub(crate) file: PolicyFile,
}

impl Part {
    /// Whether its tests are about what the group may reach, rather than about itself alone.
    pub(crate) fn is_the_groups(&self) -> bool {
        matches!(self.origin, Origin::Group | Origin::Base)
    }

    /// The name of its skill, if it has one.
    pub(crate) fn skill(&self) -> Option<&str> {
        if let Origin::Skill(name) = &self.origin { Some(name) } else { None }
    }
}
