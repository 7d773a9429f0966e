//! Small servers on this machine's own addresses, for the tour and the drill.
//!
//! What they are: real listeners (TCP, TLS, UDP) that answer simply and remember
//! every byte that reached them. What they are not: servers for anything else; they
//! read one request a connection and are gone with the process.
//!
//! **Invariants**
//! - A connection counts as heard when it is accepted, before a byte is read.
//! - [`Listener::fence`] returns only after everything that came before it is heard.

mod authority;
mod exchange;
mod heard;
mod listener;

pub use authority::{Authority, AuthorityError};
pub use exchange::Request;
pub use heard::Heard;
pub use listener::{Answers, Listener};
