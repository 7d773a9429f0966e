//! One request, from the door to upstream and back.
//!
//! What it is: the listener behind a sandbox's door, the TLS interception, and the one place where
//! a request is read, judged, recorded, sent and answered (`flow.rs`, top to bottom). What it is
//! not: it starts no containers, reads no files and keeps no database; secrets, names and the audit
//! log come in through ports.
//!
//! **Invariants**
//! - Who is asking comes from the [`Door`], never from what a request says.
//! - Nothing is resolved or dialled without a [`policies::Permit`], and nothing
//!   is sent before the decision is stored (`record::Audited`).
//! - A request is parsed once, by `request.rs`; policy, audit, credential, dial and the bytes sent
//!   all come from that one reading.
//! - Nothing is shared between doors: not the authority that signs leaves, not the
//!   leaf cache, not upstream connections.

mod operation;
pub mod ports;
mod headers;
mod charset;
mod readable;
mod credentials;
mod keeper;
mod renamed;
mod room;
mod pool;
mod body;
mod send;
mod tls;
mod door;
mod tended;
mod onward;
mod internal;
mod endpoint;
mod refresh;
mod minted;
mod websocket;
mod answer;
mod asking;
mod judge;
mod flow;
mod frames;
mod beginning;
mod usage;
mod prepared;
mod presence;
mod heard;
mod connection;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzed;

pub use credentials::{BasicPart, Credential, Field, Grant, Guarded, Keyring, Mint, MintedKey, Place, Segment};
pub use door::{Door, Gateway};
pub use gate::{Latch, Limits, Locked, Revocations, TlsError, audit, upstream_tls, upstream_tls_with};
pub use headers::TagSecret;
pub use judge::foresee;
pub use keeper::Refreshes;
pub use room::aside;
pub use tls::CaError;
