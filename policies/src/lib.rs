//! The words of Doorward and its verdict.
//!
//! What it is: the canonical request ([`Facts`]), the policy file, and the one
//! function that decides ([`Policy::decide`]). What it is not: it does no I/O,
//! knows no clock, no tokio and no file system; whoever reads policy files
//! hands their text in.
//!
//! **Invariants**
//! - A [`Permit`] is made in `decide.rs` and nowhere else. It owns the [`Facts`]
//!   it was made for, so what was judged is what can be sent.
//! - There is one parser for hosts, one for authorities and one for paths. They
//!   refuse what two readers could read in two ways; they never repair.
//! - Order never matters: deny beats allow, whatever stands first in a file.
//! - No rule, no permit: every path through `decide` that ends without a
//!   matching allow ends in a [`Refusal`].

// Words: what a request is.
pub mod address;
mod facts;
mod host;
mod identity;
mod method;
mod path;

// The verdict: what may be done about it.
mod decide;
mod refusal;
mod verdict;

// The file: how an owner says so.
mod compile;
mod file;
pub mod presets;
mod problem;
mod suggest;

pub use compile::{Compiled, Policy, RequestPattern, Source};
pub use facts::{Authority, AuthorityError, Facts, Scheme};
pub use host::{Host, HostError, HostName};
pub use identity::{GroupName, SandboxId};
pub use method::Method;
pub use path::{Path, PathError, Query};
pub use problem::{Problem, Problems};
pub use refusal::{Code, Refusal};
pub use verdict::{CheckedAddress, Permit, PolicyHash, RuleRef, Verdict};
