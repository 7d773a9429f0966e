//! Doorward, the daemon: everything that touches the outside world, and the wiring between the parts.
//!
//! What it is: where an installation lives, its configuration, store, channels and command line. What it is not: the
//! verdict (`policies`), the flow of a request (`proxy`) and the sandbox (`containers`) are crates of their own, and
//! none of them knows this one.
//!
//! **Invariants**
//! - Imports only go down: `home`, `config` and `store` know nothing of the modules below them in this list.
//! - The environment is read in `home` and `config` and nowhere else.
//! - A message, a run and a reply change together, in one transaction of the store.

pub mod home;

pub mod config;
pub mod images;

pub mod phrases;

pub mod schedule;

pub mod store;

pub mod resolver;

pub mod vault;

pub mod clock;

pub mod budget;
pub mod meters;

pub mod memory;

pub mod skills;

pub mod channels;

pub mod gateway;

pub mod edit;

pub mod agents;
pub mod sandboxes;

pub mod registration;

pub mod absence;
pub mod approvals;

pub mod pipeline;

pub mod delegation;
pub mod operations;

pub mod alarms;

pub mod digest;

pub mod control;

pub mod daemon;

pub mod loopback;

pub mod tour;

pub mod drill;

pub mod backup;

pub mod units;

pub mod upgrade;

pub mod cli;
