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
    pub(crate) fn is_preset(&self) -> bool {
        matches!(self.origin, Origin::Preset(_))
    }
}
