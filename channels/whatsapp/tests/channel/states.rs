//! A permanent end of the connection is a state with plain words, without a retry.

use channel_protocol::ChannelState;
use whatsapp_rust::NodeBuilder;

use super::ANNA;
use super::program::{House, Program, command};
use super::server::Seen;

#[tokio::test]
async fn it_stays_unavailable() {
    let mut house = House::linked().await;
    let _program = house.run("own-number", &[]).await;
    house.until(Seen::Presence("unavailable".into())).await;
}

#[tokio::test]
async fn a_phone_that_unlinks_it_is_told_and_the_program_ends() {
    let mut house = House::linked().await;
    let mut program = house.run("own-number", &[ANNA]).await;
    let gone = NodeBuilder::new("conflict").attr("type", "device_removed").build();
    house.server.send(NodeBuilder::new("stream:error").attr("code", "401").children([gone]).build()).await;
    let detail = program.until(ChannelState::LoggedOut).await;
    assert!(detail.contains("doorward whatsapp link"), "{detail}");
    assert_eq!(program.ended().await, 3);
    let (code, text) = command(house.path(), None, &["status"]).await;
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("not linked"), "{text}");
}

#[tokio::test]
async fn a_second_copy_ends_the_first_without_a_fight() {
    let mut house = House::linked().await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.until(Seen::Active).await;
    let replaced = NodeBuilder::new("conflict").attr("type", "replaced").build();
    house.server.send(NodeBuilder::new("stream:error").children([replaced]).build()).await;
    let detail = program.until(ChannelState::Replaced).await;
    assert!(detail.contains("end one of the two"), "{detail}");
    let again = async { while house.server.seen.recv().await.unwrap() != Seen::Active {} };
    tokio::time::timeout(std::time::Duration::from_secs(4), again).await.expect_err("it has connected again");
    assert_eq!(program.close().await, 0);
}

#[tokio::test]
async fn an_old_client_is_told_to_update() {
    let mut house = House::linked().await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.send(NodeBuilder::new("failure").attr("reason", "405").build()).await;
    let detail = program.until(ChannelState::Outdated).await;
    assert!(detail.contains("update Doorward"), "{detail}");
    assert_eq!(program.close().await, 0);
}

#[tokio::test]
async fn without_an_account_it_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path(), Some("ws://127.0.0.1:9/"), "own-number");
    program.greet(&[ANNA]).await;
    let detail = program.until(ChannelState::LoggedOut).await;
    assert!(detail.contains("doorward whatsapp link"), "{detail}");
    assert_eq!(program.ended().await, 3);
}
