//! One of the texts that a policy is made of, as it was read.

use desk::Text;
use policies::Origin;

use crate::file::PolicyFile;

/// One text that goes into a policy.
pub(crate) struct Part {
    pub(crate) text: Text,
    pub(crate) origin: Origin,
    pub(crate) file: PolicyFile,
}

impl Part {
    /// Whether its tests are about what the group may reach, and not about itself alone.
    pub(crate) fn is_the_groups(&self) -> bool {
        matches!(self.origin, Origin::Group | Origin::Base)
    }

    /// Whose it is, where it is a skill's.
    pub(crate) fn skill(&self) -> Option<&str> {
        if let Origin::Skill(name) = &self.origin { Some(name) } else { None }
    }
}
