//! Tells the owner at once: alarms at the door, exhausted budgets and agents' requests for access go to the main
//! group's chat and to a command of the owner's own.
//!
//! What it is not: a way in. Nothing here decides on a request, and no request waits for it; what cannot be told is in
//! the audit log all the same.
//!
//! **Invariants**
//! - One message a minute per kind and group; further alarms are counted.
//! - The command is started without a shell, and its arguments hold nothing from a sandbox.
//! - What the chat cannot be told now (a full disk) it is told later, in order.

mod alarm;
mod hook;
mod listening;
mod quiet;
mod words;

pub use hook::program;
pub use listening::Alarms;
pub use words::{advice, words};

#[cfg(test)]
mod tests;
