//! Where a rule stands.

use std::fmt;
use std::sync::Arc;

/// Where a rule stands: what `explain`, refusals and the audit log name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct RuleRef {
    /// The file as the owner knows it (`policies/family.toml`), or `preset NAME`.
    pub file: Arc<str>,
    /// Its line, counted from 1.
    pub line: u32,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
