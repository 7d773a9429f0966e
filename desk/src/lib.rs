//! The owner's desk: reads files that people write, and makes text fit to be shown to people.
//!
//! What it is not: a part of the product. It knows no policy, setting or alarm, does no I/O and
//! reads no clock; callers pass texts and instants in.
//!
//! **Invariants**
//! - A problem names its file, line and column, and all problems in a file are reported.
//! - No problem shows what may be a secret: see [`Text::with_secrets`].
//! - Each kind of value has one spelling, in every file.

// Files: what is read, and what is wrong with it.
mod near;
mod problem;
mod text;
pub mod toml;

// Values.
pub mod duration;
pub mod money;
pub mod size;

// People, and patience with them.
mod lock;
mod pace;
pub mod screen;

pub use lock::lock;
pub use near::did_you_mean;
pub use pace::{Counted, Pace};
pub use problem::{Problem, Problems, ValueError};
pub use text::Text;
