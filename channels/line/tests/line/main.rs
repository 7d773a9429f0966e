//! The whole line: phone → WhatsApp → program → daemon → sandbox → agent, and back. Every part is
//! real except WhatsApp's servers and the model's: the two programs as they are shipped, a real
//! container engine, and the real Claude Code.
//!
//! The programs are those beside the tests: `cargo build --workspace` builds them, and `make test`
//! does that.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests drive programs, and fail by panicking")]
#![allow(clippy::print_stdout, reason = "whoever repeats an evening needs its seed")]

#[path = "../../../../tests/support/mod.rs"]
mod support;

#[path = "../../../whatsapp/tests/channel/account.rs"]
mod account;
#[path = "../../../whatsapp/tests/channel/linking.rs"]
mod linking;
#[allow(dead_code, reason = "the same")]
#[path = "../../../whatsapp/tests/channel/media.rs"]
mod media;
#[path = "../../../whatsapp/tests/channel/nodes.rs"]
mod nodes;
#[path = "../../../whatsapp/tests/channel/noise.rs"]
mod noise;
#[path = "../../../whatsapp/tests/channel/party.rs"]
mod party;
#[path = "../../../whatsapp/tests/channel/queries.rs"]
mod queries;
#[allow(dead_code, reason = "the tests of the channel use the rest")]
#[path = "../../../whatsapp/tests/channel/server.rs"]
mod server;

#[path = "../../../../tests/household/disk.rs"]
mod disk;
#[allow(dead_code, reason = "the household hangs it as well")]
#[path = "../../../../tests/household/engine.rs"]
mod engine;

mod whatsapp;

mod asked;
mod claude;
mod evening;
mod kills;
mod many;
mod setup;

/// A member of the family.
const ANNA: &str = "491701111111@s.whatsapp.net";
/// Another one.
const BEN: &str = "491702222222@s.whatsapp.net";
/// A person without a visible number.
const LID: &str = "20001112223@lid";
/// Where the family talks.
const FAMILY: &str = "120363000000000001@g.us";
/// A group that hides its members' numbers.
const HIKERS: &str = "120363000000000002@g.us";
/// A person in none of the assistant's chats.
const STRANGER: &str = "491769876543@s.whatsapp.net";
