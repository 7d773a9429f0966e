//! The leak check on what goes out, and the scrubbing of what comes back.
//!
//! What it is: a search for known values in a stream of bytes, in the forms that
//! docs/leak-check.md lists and in no others. [`LeakFilter`] stops an outgoing body before
//! the byte that would complete a value; [`Scrubber`] puts the surrogate in the
//! place of the secret in an incoming one. What it is not: it does no I/O, knows
//! no clock, and guesses nothing about values that are watched: one that was turned
//! into something no decoder here undoes (encrypted, rot13, base64 twice, strewn
//! over the fields of a long body) passes. What only looks like a secret is `lookalike.rs`.
//!
//! How: each value is looked for as it is, as base64 at its three alignments, as base32 at
//! its five, and as hex (`spelling.rs`, `needles.rs`). Escapes, UTF-16, invisible and
//! look-alike characters, separators and the line breaks of wrapped base64 are not listed but
//! undone: where the text holds such a thing, the text around it is decoded and searched as
//! well, two layers deep (`layer.rs`, `search.rs`).
//!
//! **Invariants**
//! - How much is held back of a stream follows from lengths, and from the borders that its
//!   format has (`borders.rs`). Whether the text resembles a value changes nothing before the
//!   value is whole (invariant 16), and nothing is let go by a timer.
//! - How a text is cut into chunks changes nothing about what is found.
//! - No value is ever in a message: [`Finding`] names kind, credential and form.

mod bits;
mod borders;
mod check;
mod escapes;
mod folded;
mod fresh;
mod inside;
mod joined;
mod layer;
mod leak;
mod lookalike;
mod needles;
mod said;
mod scrub;
mod search;
pub mod shapes;
mod spaced;
mod spelling;
mod undo;
mod view;
mod watchlist;
mod wide;
mod window;

pub mod packed;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzed;
#[cfg(test)]
mod tests;

pub use borders::Borders;
pub use check::Stop;
pub use fresh::FreshKeys;
pub use leak::LeakFilter;
pub use lookalike::key_in;
pub use needles::SHORTEST;
pub use scrub::{InPieces, Replacement, Scrubber};
pub use search::DISGUISED;
pub use spelling::Form;
pub use watchlist::{Finding, TooShort, Watched, WatchedKind, Watchlist, bait_named};
