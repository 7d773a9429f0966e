//! Channels: the ways in which messages come in and go out.

pub mod lines;
pub mod outward;
pub mod program;
pub mod terminal;

pub use channel_protocol as protocol;
