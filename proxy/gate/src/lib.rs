//! The gate: everything between a request and the way out of one door.
//!
//! What it is: the only parser of requests, the verdict, the head that goes out, the record that is
//! stored first, and the only sockets to the outside. What it is not: it knows no secret and reads
//! no body. The caller that does hands it a head to write and one [`Swap`], and gets an answer.
//!
//! Each stage returns a proof, and sending requires all of them:
//!
//! ```text
//! record.read → Asked   judge → Judged   check → Clean   body → BodyJudged   admit → Admitted
//!                       record.allow(all of these) → Audited, OutboundHead
//!                       Exit::open(Audited) → Line   exchange(Audited, Line, OutboundHead) → answer
//! ```
//!
//! A request that the owner is asked about waits (`answered`) and is judged again with the answer.
//! A hypothetical request goes through the same stages (`foresee`) and gets no proof.
//!
//! No proof can be made elsewhere:
//!
//! ```compile_fail
//! let admitted = gate::Admitted(());
//! ```
//! ```compile_fail
//! let judged = gate::BodyJudged(None);
//! ```
//! ```compile_fail
//! fn twice(clean: gate::Clean) -> (gate::Clean, gate::Clean) {
//!     (clean.clone(), clean)
//! }
//! ```
//! ```compile_fail
//! fn open(gate: &gate::Gate, permit: &policies::Permit) {
//!     let _ = gate::Exit::open(gate, permit);
//! }
//! ```
//! ```compile_fail
//! async fn raw(exit: gate::Exit) {
//!     let stream = exit.into_parts();
//! }
//! ```
//!
//! ```compile_fail
//! fn judged(case: &gate::Case, facts: policies::Facts) {
//!     let _ = gate::judge(case, facts, &http::HeaderMap::new());
//! }
//! ```
//! ```compile_fail
//! fn judged(permit: policies::Permit) -> gate::Judged {
//!     gate::Judged(permit)
//! }
//! ```
//! ```compile_fail
//! fn case(policy: std::sync::Arc<policies::Policy>, now: policies::Moment) -> gate::Case {
//!     gate::Case { connection: 1, within: None, policy, now, grants: [].into(), head: Default::default(), locked: false, away: false }
//! }
//! ```
//!
//! **Invariants**
//! - Who is asking comes from the [`Gate`], never from what a request says.
//! - Nothing is resolved or dialled without a permit, and nothing is sent before the
//!   decision is stored ([`Audited`]).
//! - What was judged is what is written: method, authority, path and query come from the
//!   [`policies::Facts`], except for the one value that a [`Swap`] replaces; and where a rule looks
//!   into the body, only the bytes that were judged are sent.
//! - Nothing is sent over a line that was opened for another host or to an address outside the
//!   permit, and nothing is sent once the request is cut.

mod asking;
mod ahead;
mod anew;
pub mod audit;
mod audited;
mod bars;
mod case;
mod check;
mod dial;
mod driver;
mod ends;
mod exit;
mod foresee;
mod gate;
mod head;
mod hold;
mod inflight;
mod judge;
mod latch;
mod limits;
mod line;
mod outbound;
mod patience;
pub mod ports;
mod progress;
mod race;
mod received;
mod record;
mod request;
mod revocations;
mod second_path;
mod streams;
mod swap;
mod switch;
mod tally;
mod tls;
mod tunnel;
mod unanswered;
mod unread;
mod unverified;
mod upgraded;

pub use ahead::Ahead;
pub use anew::{is_sent_anew, is_sent_anew_by_its_kind};
pub use asking::{Head, Told, answered, check_asked};
pub use audited::{Audited, AuditedTunnel, Entered};
pub use bars::Bars;
pub use case::{Case, Newest};
pub use check::{BodyJudged, Clean, Dressed, check};
pub use driver::Arriving;
pub use exit::{Destination, Exit, Offer};
pub use foresee::foresee;
pub use gate::{Admitted, Gate, Hide, Outside};
pub use head::{Beside, Carrier, HOP_BY_HOP, nominated, outgoing};
pub use judge::{Asked, Denied, Judged, JudgedTunnel, Own, judge, judge_own, judge_tunnel};
pub use latch::{Latch, Locked};
pub use limits::{CONNECTION_WINDOW, Limits, STREAM_WINDOW};
pub use line::{Line, Over, Shared, Single, exchange, speak};
pub use outbound::{Outbound, OutboundHead};
pub use patience::{Patient, until_both};
pub use progress::{Direction, Progress, UntilCut};
pub use received::{Received, Unended};
pub use record::Record;
pub use request::{Fragment, Intercepted, connect, read};
pub use revocations::Revocations;
pub use streams::{Leash, Streams, Wait};
pub use swap::{Slot, Swap};
pub use switch::{Switching, upgrade};
pub use tally::Tally;
pub use tls::{DoorTls, H2, TlsError, alpn, of_one_door, upstream_tls, upstream_tls_with};
pub use tunnel::carry;
pub use unanswered::{Unanswered, broken_off, unreadable};
pub use upgraded::Upgraded;
