//! Small servers on this machine's own addresses, for the tour and the drill.
//!
//! What they are: real listeners (TCP, TLS, UDP) that answer simply and record every byte that reaches them. What they
//! are not: general-purpose servers; they read one request per connection and end with the process.
//!
//! **Invariants**
//! - A connection is recorded when it is accepted, before a byte is read.
//! - [`Listener::fence`] returns only after everything that arrived before it is recorded.

mod authority;
mod exchange;
mod heard;
mod listener;

pub use authority::{Authority, AuthorityError};
pub use exchange::Request;
pub use heard::Heard;
pub use listener::{Answers, Listener};
