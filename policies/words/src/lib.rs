//! The words of Doorward: what a request is, who asks, and what a refusal says.
//!
//! What it is not: a judgement. It does no I/O and knows no clock.
//!
//! **Invariants**
//! - There is one parser each for hosts, authorities and paths. They refuse what could be read in
//!   two ways, and never repair it. What an allow must spell out (`%2F`, `%25`, `//`), a deny reads
//!   both ways.

pub mod address;
mod code;
mod date;
mod errors;
mod facts;
mod graphql;
mod host;
mod identity;
pub mod likeness;
mod limits;
mod method;
mod moment;
mod name;
mod path;
mod refusal;
mod rule_ref;
mod told;
mod url;
mod written;

pub use address::special;
pub use code::Code;
pub use date::Date;
pub use errors::{AuthorityError, HostError, PathError};
pub use facts::{Authority, Facts, Scheme, Upgrade};
pub use host::{Host, HostName};
pub use identity::{GroupName, SandboxId};
pub use limits::Limits;
pub use method::Method;
pub use moment::{Clock, Moment, TimeOfDay, Weekday};
pub use name::{
    NameWriter, field_asks, fold_key, key_letters, letters_of, normal_name, parameter_asks, parameter_names,
    parameter_writes, undo_escapes,
};
pub use path::{ESCAPED_PERCENT, ESCAPED_SLASH, Path, Query};
pub use refusal::Refusal;
pub use rule_ref::RuleRef;
pub use url::UrlError;
pub use written::At;
