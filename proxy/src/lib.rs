//! One request, from the door to upstream and back.
//!
//! What it is: the listener behind a sandbox's door, the interception, the one
//! place where a request is read, judged, written down, sent and answered
//! (`flow.rs`, top to bottom). What it is not: it starts no containers, reads no
//! files and keeps no database; secrets, names and the audit log come in through
//! ports.
//!
//! **Invariants**
//! - Who is asking comes from the [`Door`], never from what a request says.
//! - Nothing is resolved or dialled without a [`policies::Permit`], and nothing
//!   is sent before the decision is stored (`record::Audited`).
//! - A request is read once, by `request.rs`; policy, audit, credential, dial and
//!   the bytes sent all come from that one reading.
//! - Nothing is shared between doors: not the authority that signs leaves, not the
//!   leaf cache, not upstream connections.

mod door;
mod connection;
mod limits;
mod frames;
mod beginning;
mod streams;
mod tls;
mod revocations;
mod request;
mod flow;
mod internal;
mod record;
mod tally;
mod headers;
mod charset;
mod readable;
mod credentials;
mod refresh;
mod renamed;
mod second_path;
mod minted;
mod body;
mod upstream;
mod tunnel;
mod websocket;
mod inflight;
mod room;
mod patience;
mod presence;
mod heard;
mod answer;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzed;
pub mod audit;
pub mod ports;

pub use credentials::{BasicPart, Credential, Field, Grant, Guarded, Keyring, Mint, MintedKey, Place, Segment};
pub use door::{Door, Gateway};
pub use limits::Limits;
pub use refresh::Refreshes;
pub use revocations::Revocations;
pub use room::aside;
pub use tls::{CaError, upstream_tls, upstream_tls_with};
