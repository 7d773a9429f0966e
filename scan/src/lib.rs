//! The leak check on outgoing bytes, and the scrubbing of incoming ones.
//!
//! What it is: a search for known values in a stream of bytes, in the forms that docs/leak-check.md
//! lists and no others. [`LeakFilter`] stops an outgoing body before the byte that would complete a
//! value; [`Scrubber`] replaces the secret with the surrogate in an incoming one. What it is not: it
//! does no I/O, knows no clock, and guesses nothing about watched values: one that was transformed
//! in a way that no decoder here undoes (encrypted, rot13, base64 twice, spread over the fields of
//! a long body) passes. `lookalike.rs` finds what only looks like a secret.
//!
//! How: each value is searched for as it is, as base64 at its three alignments, as base32 at its
//! five, and as hex (`spelling.rs`, `needles.rs`). Escapes, UTF-16, invisible and look-alike
//! characters, separators and the line breaks of wrapped base64 have no list of spellings but are
//! undone: where a text contains any, the text around them is decoded and searched as well, two
//! layers deep (`layer.rs`, `search.rs`).
//!
//! **Invariants**
//! - How much of a stream is held back follows from lengths and from the borders of its format
//!   (`borders.rs`). It does not depend on how much the text resembles a value that is not complete
//!   yet (invariant 16), and no timer releases anything.
//! - How a text is cut into chunks does not change what is found.
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
