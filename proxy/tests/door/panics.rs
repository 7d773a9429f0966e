//! A bug of our own in the middle of a request with a secret put on: it ends that connection and
//! nothing else, reveals nothing, and is logged as broken off.

use std::panic;
use std::sync::{Arc, Mutex};

use policies::Code;

use crate::support::http2::Http2Client;
use crate::support::{TRACES, World, spelled};

/// Collects the messages of panics from now on; they are still printed.
fn heard() -> Arc<Mutex<String>> {
    let heard = Arc::<Mutex<String>>::default();
    let (into, before) = (heard.clone(), panic::take_hook());
    panic::set_hook(Box::new(move |panicked| {
        into.lock().unwrap().push_str(&panicked.to_string());
        before(panicked);
    }));
    heard
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_tells_nothing() {
    let world = World::new().await;
    let heard = heard();
    let request =
        format!("GET /v1/x HTTP/1.1\r\nHost: api.bound.test\r\nAuthorization: Bearer {}\r\n\r\n", world.surrogate());
    let mut client = world.family.tunnel("api.bound.test:443").await;
    // After the swap, and before anything is sent.
    world.names.meanwhile(|| panic!("the resolver broke"));
    client.send(&request).await;
    assert!(client.answer().await.is_none());
    world.names.meanwhile(|| {});
    world.settled().await;
    let row = world.log.only();
    assert!(row.is_allowed() && row.decision.swap.is_some(), "the secret was put on: {row:?}");
    assert_eq!(row.code(), Some(Code::UpstreamFailed));
    assert!(row.outcome().why.as_deref().is_some_and(|why| why.contains("a fault of its own")), "{row:?}");

    let heard = heard.lock().unwrap().clone();
    assert!(heard.contains("the resolver broke"), "{heard}");
    let traces = TRACES.lock().unwrap().clone();
    for (place, bytes) in [("the panic", heard.as_bytes()), ("the traces", &traces), ("the client's", &client.raw)] {
        assert_eq!(spelled::find(&world.values["REAL1"], bytes), None, "in {place}");
    }
    // Others are served, and so is the same sandbox over its next connection.
    assert_eq!(world.work.get("cdn.allowed.test", "/").await.status, 200);
    let mut client = world.family.tunnel("api.bound.test:443").await;
    client.send(&request).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

/// HTTP/2 streams share a connection: one that breaks does not affect the others.
#[tokio::test]
async fn a_panic_in_one_stream_leaves_the_others() {
    let world = World::new().await;
    let http2 = Http2Client::connect(&world.family, "cdn.allowed.test:443").await;
    world.names.meanwhile(|| panic!("the resolver broke"));
    let request = http::Request::get("https://cdn.allowed.test/a").body(()).unwrap();
    assert!(http2.send(request, None).await.is_err());
    world.names.meanwhile(|| {});
    assert_eq!(http2.get("https://cdn.allowed.test/b").await.status, 200);
}
