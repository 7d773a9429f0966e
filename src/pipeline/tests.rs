//! The pipeline's promises, with a sandbox that the tests play.
#![allow(clippy::unwrap_used)]

mod delivery;
mod fake;
mod house;
mod promises;
mod recovery;
