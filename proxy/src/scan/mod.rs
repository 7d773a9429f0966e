//! The leak check and the scrubbing: looking for what must not pass, in a stream.

/// Everything that must not leave, compiled for searching.
#[derive(Debug, Default)]
pub struct Watchlist {}
