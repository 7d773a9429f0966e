//! Skills: folders with instructions for an agent, scripts, and a policy that states what they need.
//!
//! A skill is installed for a group by reference: its content is stored under the hash of all of its files, and
//! `skills/GROUP.toml` records which one was accepted and with which rules. Those rules are in force, whatever happens
//! to the source folder, and a sandbox gets a copy of the accepted content and nothing else.
//!
//! What it is not: the verdict, the parser of rules (`policy-file`), or the question to the owner (`cli::skill`).
//!
//! **Invariants**
//! - What was accepted is what is in force: neither a changed folder nor a new version nor a name changes a rule or a
//!   file in a sandbox.
//! - No link is followed in a skill's folder, and only regular files are read.
//! - Nothing that an agent can write is ever taken for an accepted skill.

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
