//! The policy file of Doorward: how an owner says what a group may reach.
//!
//! What it is: the reader of policy files, the presets, and everything that shows rules or suggests
//! lines ([`compile()`], [`summaries`], [`manifest()`], [`diff()`], [`suggest`]). What it is not:
//! the verdict: that is the crate `policies`, which knows nothing of this one. It does no I/O
//! and knows no clock: callers pass in the text of policy files.

mod advice;
mod asking;
mod blocks;
mod body_of;
mod compile;
mod diff;
mod file;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzed;
mod hours;
mod json;
pub mod keys;
mod limits;
mod manifest;
mod near;
mod observe;
mod part;
pub mod presets;
mod say;
mod schema;
mod sentence;
mod skills;
mod smallest;
mod suggest;
mod suggestion;
mod summary;
mod table;
mod test_run;
mod warnings;
mod way;
mod written;

pub use compile::{Compiled, Source, Texts, compile, compile_all, deny_all, run_tests, skill_alone};
pub use desk::{Problem, Problems};
pub use diff::{AskingSummary, Diff, Fate, LimitChange, RequestChange, diff};
pub use limits::limit_in_words;
pub use manifest::{Manifest, Reach, manifest};
pub use schema::schema;
pub use skills::{skill_file, skill_of};
pub use smallest::{Smallest, Unsayable, always, never};
pub use suggestion::{Suggestion, suggest};
pub use summary::{Effect, RuleSummary, summaries};
pub use test_run::TestReport;
pub use way::{Way, dialled, unopened, way};
pub use written::written;
