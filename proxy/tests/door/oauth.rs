//! Access tokens: fetched under the owner's own permit, with their own record, and a token endpoint
//! that gives a sandbox surrogates.

use std::sync::Arc;

use policies::Code;
use proxy::ports::Secrets;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{Answer, ENDPOINT_RULE, World, compile, until};

async fn world() -> World {
    let world = World::new().await;
    let tokens = serde_json::json!({ "access_token": TOKEN, "token_type": "Bearer" }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", tokens.len());
    world.upstream("login.bound.test").answers(head + &tokens);
    world
}

const TOKEN: &str = "access-0123456789-abcdef";

async fn read(world: &World) -> Answer {
    let mut client = world.family.tunnel("oauth.bound.test:443").await;
    let surrogate = &world.values["SUR7"];
    client
        .send(format!("GET /x HTTP/1.1\r\nHost: oauth.bound.test\r\nAuthorization: Bearer {surrogate}\r\n\r\n"))
        .await;
    client.answer().await.unwrap()
}

async fn refresh(world: &World, host: &str, path: &str, token: &str) -> Answer {
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let mut client = world.family.tunnel(&format!("{host}:443")).await;
    client.send(format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    client.answer().await.unwrap()
}

/// No rule of the group allows the endpoint: the fetch relies on the owner's policy, and says so.
#[tokio::test]
async fn a_token_is_fetched_on_a_record_of_its_own() {
    let world = world().await;
    assert_eq!(read(&world).await.status, 200);
    assert_eq!(read(&world).await.status, 200);
    world.settled().await;
    let shown: Vec<_> =
        world.upstream("oauth.bound.test").received().iter().map(|one| one.header("authorization")).collect();
    assert_eq!(shown, [Some(format!("Bearer {TOKEN}")), Some(format!("Bearer {TOKEN}"))]);
    let asked = world.upstream("login.bound.test").only();
    assert!(asked.complete && asked.text().ends_with(&format!("refresh_token={}", world.values["REAL7"])));
    let rows = world.log.rows();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    let fetched = &rows[0].decision;
    assert!(rows[0].is_allowed() && rows[0].outcome().status == Some(200), "{fetched:?}");
    assert_eq!((fetched.host.as_deref(), fetched.path.as_deref()), (Some("login.bound.test"), Some("/token")));
    assert_eq!((fetched.credential.as_deref(), fetched.swap.as_deref()), (Some("seventh"), Some("oauth:refresh")));
    assert_eq!(fetched.rule.as_ref().unwrap().to_string(), "policies/owner.toml:1");
    assert_eq!(fetched.policy.as_deref(), Some(&*compile("owner", ENDPOINT_RULE).hash().to_string()));
    assert_eq!((rows[1].decision.credential.as_deref(), rows[2].decision.run), (Some("seventh"), None));
}

/// A request that gets no credential triggers no fetch.
#[tokio::test]
async fn nothing_is_fetched_for_who_may_not_use_it() {
    let world = world().await;
    assert_eq!(world.family.get("oauth.bound.test", "/x").await.status, 200);
    assert_eq!(world.family.get("evil.test", "/x").await.status, 403);
    assert!(world.upstream("login.bound.test").received().is_empty());
}

/// The endpoint is a single request: anything else asked there or elsewhere is judged as usual.
#[tokio::test]
async fn the_endpoint_gives_surrogates_for_surrogates() {
    let world = world().await;
    let surrogate = world.values["REFRESHSUR7"].clone();
    let answer = refresh(&world, "login.bound.test", "/token", &surrogate).await;
    let tokens: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(
        (&tokens["access_token"], &tokens["refresh_token"]),
        (&Value::from(world.values["SUR7"].clone()), &Value::from(surrogate.clone()))
    );
    world.settled().await;
    let rows = world.log.rows();
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert_eq!((rows[1].decision.swap.as_deref(), rows[1].is_allowed()), (Some("oauth:surrogate"), true));

    for (host, path, token, code) in [
        ("login.bound.test", "/token", "refresh-of-somebody-else", Code::CredentialNotSurrogate),
        ("login.bound.test", "/token", &world.values["REAL7"], Code::SecretInRequest),
        ("login.bound.test", "/other", "x", Code::NotAllowed),
        ("cdn.allowed.test", "/token", &surrogate, Code::SurrogateUnbound),
    ] {
        let answer = refresh(&world, host, path, token).await;
        assert_eq!(answer.status, 403, "{host}{path}: {}", answer.text());
        world.settled().await;
        assert_eq!(world.log.rows().last().unwrap().code(), Some(code), "{host}{path}");
    }
    assert_eq!(refresh(&world, "cdn.allowed.test", "/token", "x").await.status, 200);
    assert_eq!(world.upstream("login.bound.test").received().len(), 1);
}

/// A fetch in progress when its door is shut is not cut: its answer may contain the only valid
/// refresh token.
#[tokio::test]
async fn a_fetch_outlives_the_door_that_it_was_begun_for() {
    let world = world().await;
    let answers = Arc::new(Notify::new());
    let held = answers.clone();
    world.upstream("login.bound.test").on(move |exchange| {
        let held = held.clone();
        Box::pin(async move {
            exchange.body().await?;
            held.notified().await;
            let tokens = serde_json::json!({ "access_token": TOKEN, "token_type": "Bearer" }).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", tokens.len());
            exchange.send(head + &tokens).await
        })
    });
    let mut client = world.family.tunnel("oauth.bound.test:443").await;
    let header = format!("Authorization: Bearer {}", world.values["SUR7"]);
    client.send(format!("GET /x HTTP/1.1\r\nHost: oauth.bound.test\r\n{header}\r\n\r\n")).await;
    until("the endpoint is asked", || world.upstream("login.bound.test").connections() == 1).await;
    until("it is on its way", || world.log.rows().len() == 1).await;
    world.family.door.shut("the owner stopped the group");
    world.family.shut();
    answers.notify_one();
    until("the token is there", || world.safe.reveal("seventh").is_ok_and(|token| token.expose_secret() == TOKEN))
        .await;
    until("both are recorded", || world.log.rows().len() == 2 && world.log.is_settled()).await;
    assert_eq!(world.log.codes(), [None, Some(Code::Revoked)]);
    assert!(world.upstream("oauth.bound.test").received().is_empty());
}
