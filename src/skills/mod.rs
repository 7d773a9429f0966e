//! Skills: folders with instructions for an agent, scripts, and a policy that says what they need.
//!
//! A skill is installed for a group by reference: its content is kept under the hash of all of its
//! files, and `skills/GROUP.toml` says which one was accepted and which rules. Those rules are the
//! ones in force, whatever becomes of the folder that it came from, and a sandbox gets a copy of the
//! accepted content and of nothing else.
//!
//! What it is not: the verdict, nor the reader of rules (`policy-file`), nor who asks the owner
//! (`cli::skill`).
//!
//! **Invariants**
//! - What was accepted is what is in force: neither a changed folder, nor a new version, nor a name
//!   changes a rule or a file in a sandbox.
//! - No link is followed in a skill's folder, and no file of it is read that is not a regular one.
//! - What an agent can write is never read as a skill that was accepted.

mod accepted;
mod contents;
mod folder;
mod front;
mod sandbox;
mod settings;
mod shipped;
mod skill;
mod state;

pub use accepted::{Accepted, Origin, parse, read, written};
pub use contents::{keep, remove_unused};
pub use folder::{Tree, TreeHash};
pub use sandbox::{Copied, copy_for_sandbox};
pub use settings::{Setting, Values};
pub use shipped::{get as shipped, names as shipped_names};
pub use skill::{Skill, SkillError, is_name};
pub use state::{State, origin, state};
