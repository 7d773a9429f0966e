//! The rules of Doorward and its verdict.
//!
//! What it is: the rules of one group, and the one function that decides ([`PolicyAt::decide`]). It
//! does no I/O and knows no clock, no tokio and no file system. Nor does it know how an owner
//! writes rules down: that is the crate `policy-file`.
//!
//! **Invariants**
//! - A [`Permit`] is made in `decide.rs` and nowhere else. It owns the [`Facts`]
//!   it was made for, so what was judged is what can be sent.
//! - Order never matters: deny beats ask beats allow, whatever stands first in a file.
//! - No rule, no permit: every path through `decide` without a matching allow ends in a [`Refusal`]
//!   or, while the group is observed, in a permit that says so.
//! - A narrowed policy ([`Narrow`]) refuses more than the policy it was made from, and allows nothing new.
//! - A yes ([`Grant`]) is an input of the decision: it lets through one request that the policy
//!   asks about, and nothing else.

mod advice;
mod ask;
mod ask_rule;
mod asking;
mod asks;
mod asks_model;
mod body;
mod decide;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzed;
mod grant;
mod host_index;
mod host_pattern;
mod hours;
mod narrow;
mod observe;
mod policy;
mod refuse;
mod request_pattern;
mod rules;
mod say;
mod segments;
mod shared_names;
mod spelling;
mod terms;
mod told;
mod upheld;
mod wildcard;

pub use advice::{Advice, Adviser, Closed, Refused, Resolved};
pub use ask::Ask;
pub use asking::{ASKED_AT_MOST, AskedBy, Asking};
pub use asks::Asks;
pub use body::{BodyConditions, Condition, Effect, Field, Unfit, Wanted, Words};
pub use decide::{CheckedAddress, Permit, Searched, TunnelPermit, Verdict};
pub use grant::{BodyHash, Bounds, Fingerprint, Grant, GrantId, Granted, HeadHash};
pub use host_pattern::HostPattern;
pub use hours::{Hours, Standing, Times};
pub use narrow::{Narrow, Part};
pub use observe::Observe;
pub use policy::{Policy, PolicyAt, Rules};
pub use request_pattern::{Methods, RequestPattern};
pub use rules::{AllowRule, DenyRule, Fit, Leave, Origin, Reading, TunnelRule};
pub use say::{Say, Showing, Teller, Telling};
pub use spelling::PatternError;
pub use terms::{PolicyHash, Terms};
pub use words::{
    At, Authority, AuthorityError, Clock, Code, Date, Facts, GroupName, Host, HostError, HostName, Limits, Method,
    Moment, NameWriter, Path, PathError, Query, Refusal, RuleRef, SandboxId, Scheme, TimeOfDay, Upgrade, UrlError,
    Weekday, address, field_asks, fold_key, key_letters, letters_of, normal_name, parameter_names, special,
    undo_escapes,
};
