//! The guest's protocol, shared with the daemon's side.
//!
//! The guest itself is the static binary of this crate: pid 1 in a sandbox, keeps
//! the inner end of the door, drives the agent.

pub mod protocol;
