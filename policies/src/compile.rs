//! From policy text to the policy that judges.

use std::sync::Arc;

use crate::{GroupName, Method, Path, PolicyHash, Problems};

/// A text to compile, with the name its owner knows it by.
#[derive(Clone, Debug)]
pub struct Source {
    /// `policies/family.toml`; for a preset `preset claude`.
    pub name: String,
    /// The TOML.
    pub text: String,
}

/// The result of compiling: the policy, and what its owner should hear about it.
#[derive(Debug)]
pub struct Compiled {
    /// What judges.
    pub policy: Policy,
    /// Not fatal: failed `[[test]]`s that want `allow`, rules that can never match.
    pub warnings: Problems,
}

/// A compiled policy of one group.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) hash: PolicyHash,
}

/// `GET /repos/**` as it stands in `do` and `only`.
#[derive(Clone, Debug)]
pub struct RequestPattern {}

impl RequestPattern {
    /// Reads `METHOD /path/pattern`; `*` stands for any method.
    pub fn parse(_text: &str) -> Result<Self, String> {
        unimplemented!()
    }
    /// Whether it covers the request.
    pub fn matches(&self, _method: Method, _path: &Path) -> bool {
        unimplemented!()
    }
}

impl Policy {
    /// The policy of a group that has none: nothing is allowed.
    pub fn deny_all(_group: &GroupName) -> Policy {
        unimplemented!()
    }

    /// Compiles a group's file. Presets named in `use` are found in [`crate::presets`];
    /// `base` holds denials that no group can relax.
    pub fn compile(_group: &GroupName, _file: &Source, _base: Option<&Source>) -> Result<Compiled, Problems> {
        unimplemented!()
    }

    /// Names the content.
    pub fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// Every credential that a rule puts on, once each, sorted.
    pub fn credentials(&self) -> Vec<Arc<str>> {
        unimplemented!()
    }
}
