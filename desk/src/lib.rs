//! The owner's desk: what files that a person writes are read with, and what is shown to
//! people.
//!
//! What it is not: a room of the product. It knows no policy, setting or alarm, does no
//! I/O and reads no clock; whoever uses it hands texts and instants in.
//!
//! **Invariants**
//! - A problem names its file, line and column, and all problems of a file are reported.
//! - What may be a secret is in no problem: see [`Text::with_secrets`].
//! - There is one spelling of each kind of value, whichever file it stands in.

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
