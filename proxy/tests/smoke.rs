mod support;
use support::*;
#[tokio::test]
async fn smoke() {
    let world = World::new().await;
    let answer = world.family.get("cdn.allowed.test", "/x").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    world.settled().await;
    eprintln!("{:#?}", world.log.rows());
    let answer = world.family.get("evil.test", "/x").await;
    eprintln!("{}", answer.text());
}
