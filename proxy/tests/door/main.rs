//! Promises of the proxy whose tests need more than one request and its answer: the log, the order
//! of events, streams, broken connections, pools and limits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod away;
mod broken;
mod budget;
mod echo;
mod evidence;
mod felt;
mod hours;
mod http2;
mod internal;
mod json;
mod limits;
mod lines;
mod locked;
mod log;
mod lookalikes;
mod oauth;
mod observe;
mod panics;
mod plain;
mod policy;
mod pool;
mod properties;
mod reached;
mod repeat;
mod requests;
mod responses;
mod revocations;
mod revoked;
mod streams;
mod switching;
mod told;
mod tunnel;
mod usage;
mod websocket;
