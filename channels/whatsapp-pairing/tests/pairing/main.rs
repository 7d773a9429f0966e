//! Linking: the real program against a WhatsApp server on loopback and the account's phone. The
//! program shows a code; the phone reads it off the terminal and signs.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests drive programs, and fail by panicking")]

#[path = "../../../whatsapp/tests/channel/linking.rs"]
mod linking;
#[allow(dead_code, reason = "the tests of the channel use the rest")]
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

mod phone;
mod program;

mod number;
mod qr;

/// The check in channels/whatsapp/tests/channel/certificate.rs would detect the feature: it
/// searches for the same words.
#[test]
fn the_feature_is_seen_where_it_is() {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["tree", "--workspace", "--edges", "features", "--prefix", "none", "--offline", "--locked"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let features = String::from_utf8(output.stdout).unwrap();
    assert!(features.contains("wacore-noise feature \"danger-skip-cert-chain-verify\""), "{features}");
}
