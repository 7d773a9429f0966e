//! The static binary inside a sandbox: pid 1, the inner end of the door, the agent's driver. The
//! daemon's side shares [`protocol`].
//!
//! What it is not: a guard. It shares a uid with the agent, so nothing it says after `start` is a
//! fact about the sandbox. The agent is confined by the engine's configuration, which [`attest`]
//! checks before the agent runs.
//!
//! **Invariants**
//! - Not dumpable before anything is forked, so the agent cannot read its memory.
//! - No descriptor of the protocol or the door is handed to the agent.
//! - Every buffer is bounded; a line that breaks the protocol ends the sandbox.

pub mod protocol;

pub mod attest;
pub mod kernel;

pub mod door;
mod failure;
mod host;
pub mod ipc;
pub mod mcp;
mod pipes;
mod process;
pub mod reaper;
mod servers;
pub mod session;

pub mod acp;
pub mod agents;
pub mod claude;
pub mod shell;

pub mod attack;
