//! Look-alikes of secrets: noted, or blocked where the policy says so.

use policies::Code;

use crate::support::{Setup, World, packing};

const CARD: &str = "pay with 5555 5555 5555 4444, please";

async fn post(world: &World, headers: &str, body: &[u8]) -> u16 {
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: cdn.allowed.test\r\n{headers}Content-Length: {length}\r\n\r\n");
    client.send([head.as_bytes(), body].concat()).await;
    let status = client.answer().await.unwrap().status;
    world.settled().await;
    status
}

#[tokio::test]
async fn what_looks_like_a_secret_is_noted() {
    let world = World::new().await;
    assert_eq!(post(&world, "", CARD.as_bytes()).await, 200);
    assert_eq!(post(&world, "", &packing::gzip(CARD.as_bytes())).await, 200);
    let token = format!("X-Token: ghp_{}\r\n", "aB3dE6gH9j".repeat(4).split_at(36).0);
    assert_eq!(post(&world, &token, b"x").await, 200);
    let rows = world.log.rows();
    let card = ["something that looks like a card number in plain text"];
    assert_eq!(
        (&rows[0].outcome().findings[..], &rows[1].outcome().findings[..]),
        (&card.map(String::from)[..], &card.map(String::from)[..])
    );
    assert_eq!(rows[2].decision.findings, ["something that looks like a GitHub token in plain text"]);
    assert!(rows.iter().all(|row| !row.decision.alarm && !row.outcome().alarm));
}

#[tokio::test]
async fn what_looks_like_a_secret_is_stopped_where_the_policy_says_so() {
    let usual = Setup::default();
    let world = World::with(Setup { family: format!("leaks = \"block\"\n{}", usual.family), ..usual }).await;
    assert_eq!(post(&world, "", CARD.as_bytes()).await, 403);
    assert_eq!(post(&world, "Content-Encoding: gzip\r\n", &packing::gzip(CARD.as_bytes())).await, 403);
    assert_eq!(post(&world, "X-Card: 4111111111111111\r\n", b"x").await, 403);
    assert_eq!(post(&world, "", b"pay with 5555 5555 5555 4445, please").await, 200);
    // The signer of a URL, as hosts issue them.
    let key = "AKIAVCODYLSA53PQK4ZA";
    let signed = format!("/asset?X-Amz-Credential={key}%2F20261130%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Expires=300");
    assert_eq!(world.family.get("cdn.allowed.test", &signed).await.status, 200);
    assert_eq!(world.family.get("cdn.allowed.test", &format!("/asset?key={key}")).await.status, 403);
    world.settled().await;
    assert_eq!(
        world.log.codes(),
        [[Some(Code::SecretInRequest); 3].as_slice(), &[None, None], &[Some(Code::SecretInRequest)]].concat()
    );
    assert_eq!(world.upstream("cdn.allowed.test").received().iter().filter(|request| request.complete).count(), 2);
}
