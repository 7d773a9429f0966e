//! Sandboxes on a container engine, and what is in them.
//!
//! What it is not: it knows nothing of policies, chats or the proxy. It is given the folders and
//! the door of a sandbox, starts it, and refuses to continue if the result is not what was asked
//! for.
//!
//! **Invariants**
//! - A sandbox has no network interface but loopback (invariant 1 of DESIGN): the
//!   engine is asked for none, the guest checks, and the engine is asked again.
//! - Only the folders of its [`SandboxSpec`] are mounted; the door's folder, the guest
//!   and the CA bundle read-only.
//! - Only containers that carry the installation's label are ever listed or removed.
//! - No two sandboxes see the same file: each has its own copy of the guest, the accounts and
//!   the bundle (invariant 15: a lock is a channel).
//! - What arrives from a sandbox is the agent speaking: bounded, and never trusted.

mod engine;
mod networks;
mod orphans;

pub mod guest;
pub mod images;

mod accounts;
mod attestation;
mod bundle;
mod container;
mod create;
mod environment;
mod exec;
mod lost;
mod sandbox;
mod spec;
mod talking;
mod trial;

pub use attestation::Finding;
pub use bollard::models::ContainerCreateBody as CreateRequest;
pub use bundle::BundleError;
pub use doorward_guest::protocol;
pub use engine::{ConnectError, Enforced, Engine, EngineKind, FIXED_UID, Facts, SandboxUser, is_bad_request};
pub use environment::door_environment;
pub use exec::{Exec, ExecError, TerminalSize};
pub use lost::{SandboxLost, StartError};
pub use networks::Network;
pub use orphans::Running;
pub use sandbox::Sandbox;
pub use spec::{DOOR, EXTRA, Extra, Folders, HOME, Limits, SKILLS, SandboxSpec, WORKSPACE};
pub use trial::{TrialError, try_out};
