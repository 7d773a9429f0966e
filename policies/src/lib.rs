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
//!   refuse what two readers could read in two ways; they never repair. What only a rule
//!   that spells it lets through (`%2F`, `%25`, `//`) a denial reads in both ways.
//! - Order never matters: deny beats allow, whatever stands first in a file.
//! - No rule, no permit: every path through `decide` that ends without a
//!   matching allow ends in a [`Refusal`], or, while the group is observed, in a
//!   permit that says so.

// Words: what a request is.
pub mod address;
mod date;
mod facts;
mod graphql;
mod host;
mod identity;
mod likeness;
mod method;
mod name;
mod path;
mod url;

// The verdict: what may be done about it.
mod asks_model;
mod body;
mod decide;
mod diff;
mod host_index;
mod manifest;
mod near;
mod policy;
mod refusal;
mod refuse;
mod rules;
mod suggest;
mod suggestion;
mod summary;
mod tunnel;
mod upheld;
mod verdict;
mod way;

// The file: how an owner says so.
mod blocks;
mod compile;
mod file;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzed;
mod host_pattern;
mod json;
mod limits;
mod observe;
mod part;
pub mod presets;
mod request_pattern;
mod segments;
mod shared_names;
#[cfg(test)]
#[path = "schema/tests.rs"]
mod schema;
mod table;
mod test_run;
mod warnings;
mod wildcard;

pub use address::special;
pub use body::{BodyConditions, fold_key, key_letters};
pub use compile::{Compiled, Source, Texts};
pub use date::Date;
pub use desk::{Problem, Problems};
pub use diff::{Diff, Fate, LimitChange, RequestChange};
pub use facts::{Authority, AuthorityError, Facts, Scheme, Upgrade};
pub use host::{Host, HostError, HostName};
pub use identity::{GroupName, SandboxId};
pub use limits::Limits;
pub use manifest::{Manifest, Reach};
pub use method::Method;
pub use name::{NameWriter, field_asks, letters_of, normal_name, parameter_names, undo_escapes};
pub use path::{Path, PathError, Query};
pub use policy::Policy;
pub use refusal::{Code, Refusal};
pub use request_pattern::RequestPattern;
pub use rules::Origin;
pub use suggestion::Suggestion;
pub use summary::RuleSummary;
pub use test_run::TestReport;
pub use tunnel::TunnelPermit;
pub use url::UrlError;
pub use verdict::{CheckedAddress, Permit, PolicyHash, RuleRef, Verdict};
pub use way::Way;
