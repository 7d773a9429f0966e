//! The pipeline's promises, with a sandbox played by the tests.
#![allow(clippy::unwrap_used)]

mod calls;
mod delivery;
mod fake;
mod house;
mod many;
mod others;
mod pauses;
mod people;
mod promises;
mod recovery;
mod settled;
mod stops;
mod tasks;
mod told;
mod waits;
