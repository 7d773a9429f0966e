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
//!   is sent before the decision is stored (`flow::Audited`).
//! - A request is read once, by `request.rs`; policy, audit, credential, dial and
//!   the bytes sent all come from that one reading.
//! - Nothing is shared between doors: not the authority that signs leaves, not the
//!   leaf cache, not upstream connections.

mod answer;
pub mod audit;
mod body;
mod connection;
mod credentials;
mod door;
mod flow;
mod headers;
mod inflight;
pub mod ports;
mod record;
mod request;
pub mod scan;
mod tls;
mod tunnel;
mod upstream;
mod websocket;

pub use connection::Limits;
pub use credentials::{Credential, Keyring, Place};
pub use door::{Door, Gateway};
pub use tls::{CaError, upstream_tls};
