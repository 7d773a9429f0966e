//! The released program trusts only WhatsApp's servers. The linking tests need one that trusts any:
//! the feature for that must stay there.

use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;

use super::noise::Connection;
use super::program::PATIENCE;
use super::server::key;

/// The certificate only lacks WhatsApp's signature.
#[tokio::test]
async fn a_server_that_whatsapp_did_not_sign_for_learns_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws/chat", listener.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward-whatsapp"));
    command.arg("--folder").arg(folder.path()).args(["--server", &url, "link"]).env_clear();
    let mut program = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let own = key();
    let refused = async {
        let (stream, _) = listener.accept().await.unwrap();
        Connection::accept(stream, &own).await.is_none()
    };
    assert!(tokio::time::timeout(PATIENCE, refused).await.unwrap(), "it has told a stranger who it is");
    program.kill().await.unwrap();
    let said = program.wait_with_output().await.unwrap().stdout;
    assert!(!String::from_utf8(said).unwrap().contains('█'), "a QR code for a stranger");
}

/// Checks every crate of the workspace, because building them together unites their features.
#[test]
fn nothing_is_built_with_a_dangerous_feature() {
    let features = cargo(&["tree", "--workspace", "--edges", "features", "--prefix", "none"]);
    assert!(features.contains("wacore-noise feature \"default\""), "{features}");
    let dangerous: Vec<_> = features.lines().filter(|line| line.contains("feature \"danger")).collect();
    assert_eq!(dangerous, [""; 0]);
}

#[test]
fn no_manifest_names_a_dangerous_feature() {
    let members = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let members: serde_json::Value = serde_json::from_str(&members).unwrap();
    let members = members["packages"].as_array().unwrap().iter();
    let manifests: Vec<_> = members.map(|package| package["manifest_path"].as_str().unwrap().to_owned()).collect();
    assert!(manifests.len() >= 7, "{manifests:?}");
    for manifest in manifests {
        assert!(!manifest.contains("whatsapp-pairing"), "the tests of linking are a workspace of their own");
        assert!(!std::fs::read_to_string(&manifest).unwrap().contains("danger-"), "{manifest}");
    }
}

fn cargo(arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO"));
    command.args(arguments).args(["--offline", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
