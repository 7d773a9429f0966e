//! The control socket: how the command line reaches the daemon that serves a home.
//! Its mode (0600, in a folder of 0700) is its authorisation; no sandbox ever sees it.

pub mod client;
pub mod held;
pub mod planned;
pub mod protocol;
pub mod server;
pub mod settings;
mod shown;
