//! Channels: the ways in which messages come in and go out.

pub mod lines;
pub mod protocol;
pub mod terminal;
