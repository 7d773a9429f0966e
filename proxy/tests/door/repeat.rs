//! What is resent, and what never is: requests that were certainly not carried out, or that change
//! nothing and were sent over a reused connection.

use std::sync::atomic::Ordering;

use policies::Code;
use proxy::Limits;

use crate::support::raw_http2::{RawHttp2, Say};
use crate::support::{Answer, Setup, World, get};

const CDN: &str = "cdn.allowed.test";
const REFUSED: Say = Say::Reset(7);
/// Its bodies are judged, and so held in memory.
const JUDGED: &str = "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"* /**\"]\nprivate = [\"127.0.0.12/32\"]\n\
                      json = { a = { not = [\"b\"] } }\n";

const PRIVATE: &str = "private = [\"127.0.0.0/8\"]\n";

const FIRST_FREELY: &str =
    "[[allow]]\nhost = \"cdn.allowed.test\"\ndo = [\"GET /first\"]\nprivate = [\"127.0.0.12/32\"]\n";

async fn ask(world: &World, request: &str) -> Answer {
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(request).await;
    let answer = if request.starts_with("HEAD") { client.head_answer().await } else { client.answer().await };
    world.settled().await;
    answer.expect("an answer")
}

fn with_body(method: &str, framing: &str) -> String {
    format!("{method} /x HTTP/1.1\r\nHost: {CDN}\r\nContent-Type: application/json\r\n{framing}")
}

fn without_body(method: &str) -> String {
    format!("{method} /x HTTP/1.1\r\nHost: {CDN}\r\nContent-Length: 0\r\n\r\n")
}

/// RFC 9113 §8.7: for any method, if there is no body or it is held in memory. Each sending has its
/// own record, and the first one says what became of it.
#[tokio::test]
async fn what_a_host_says_it_did_not_do_is_sent_once_more() {
    let whole = with_body("POST", "Content-Length: 7\r\n\r\n{\"c\":1}");
    let chunked = with_body("PUT", "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"c\":1}\r\n0\r\n\r\n");
    let requests = [get(CDN, "/x"), without_body("POST"), without_body("DELETE"), whole, chunked];
    for say in [REFUSED, Say::Goaway { below: 2 }] {
        for request in &requests {
            let family = if request.contains("\"c\"") { JUDGED.to_owned() } else { Setup::default().family };
            let world = World::with(Setup { family, ..Setup::default() }).await;
            let upstream = RawHttp2::instead_of(&world, CDN, &[say]).await;
            let answer = ask(&world, request).await;
            assert_eq!(answer.status, 200, "{say:?} {request}: {}", answer.text());
            let opened = upstream.opened();
            assert_eq!(opened.len(), 2, "{say:?} {request}");
            assert_ne!(opened[0].connection, opened[1].connection, "on a new connection");
            assert_eq!(opened[1].body, if request.contains("\"c\"") { 7 } else { 0 }, "the same body");
            let rows = world.log.rows();
            let first = (rows[0].code(), rows[0].outcome().why.clone().unwrap());
            assert_eq!(first.0, Some(Code::UpstreamFailed));
            assert!(first.1.contains("did nothing") && first.1.contains("once more"), "{}", first.1);
            assert_eq!((rows.len(), rows[1].code(), rows[1].outcome().status), (2, None, Some(200)));
            assert_eq!(rows[1].decision.findings, ["sent once more, in place of number 0"]);
            assert_eq!(rows[1].decision.path, rows[0].decision.path);
        }
    }
}

/// A streamed body is gone: no part of it is resent.
#[tokio::test]
async fn a_body_that_was_begun_is_not_sent_again() {
    let world = World::new().await;
    let upstream = RawHttp2::instead_of(&world, CDN, &[REFUSED]).await;
    let answer = ask(&world, &with_body("POST", "Content-Length: 7\r\n\r\n{\"c\":1}")).await;
    assert_eq!((answer.status, upstream.opened().len()), (502, 1));
    assert!(answer.text().contains("did nothing of the request; it can be sent again"), "{}", answer.text());
    assert_eq!(world.log.only().code(), Some(Code::UpstreamFailed));
}

/// At most two sendings, however often the host refuses.
#[tokio::test]
async fn once_more_is_once() {
    let world = World::new().await;
    let upstream = RawHttp2::instead_of(&world, CDN, &[REFUSED; 9]).await;
    assert_eq!(ask(&world, &get(CDN, "/x")).await.status, 502);
    assert_eq!((upstream.opened().len(), world.log.codes()), (2, vec![Some(Code::UpstreamFailed); 2]));
}

/// Any other reason, a GOAWAY that includes the stream, an end in the middle: the request may have
/// been carried out, and the answer says so.
#[tokio::test]
async fn what_may_have_been_done_is_not_sent_again() {
    let says = [Say::Reset(2), Say::Reset(0), Say::Reset(8), Say::Goaway { below: 0 }, Say::End, Say::HalfAHead];
    for say in says {
        for method in ["GET", "POST"] {
            let world = World::new().await;
            let upstream = RawHttp2::instead_of(&world, CDN, &[say]).await;
            let answer = ask(&world, &without_body(method)).await;
            assert_eq!((answer.status, upstream.opened().len()), (502, 1), "{say:?} {method}, on a fresh connection");
            assert!(answer.text().contains("may have been carried out"), "{}", answer.text());
        }
    }
}

/// On a reused HTTP/2 connection: a read is resent.
#[tokio::test]
async fn a_used_line_that_ends_is_replaced_for_what_only_reads() {
    for say in [Say::End, Say::Goaway { below: 0 }] {
        for (method, wanted) in [("GET", 200), ("OPTIONS", 200), ("POST", 502), ("DELETE", 502)] {
            let world = World::new().await;
            let upstream = RawHttp2::instead_of(&world, CDN, &[Say::Ok, say]).await;
            assert_eq!(ask(&world, &get(CDN, "/first")).await.status, 200);
            assert_eq!(ask(&world, &without_body(method)).await.status, wanted, "{say:?} {method}");
            assert_eq!(upstream.opened().len(), if wanted == 200 { 3 } else { 2 }, "{say:?} {method}");
        }
    }
}

/// The second request over each connection gets this; the first, and those over others, get `200 ok`.
fn second_gets(world: &World, bytes: &'static str) {
    world.upstream(CDN).on(move |exchange| {
        Box::pin(async move {
            exchange.body().await?;
            if exchange.number == 0 {
                return exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
            exchange.closed = true;
            exchange.send(bytes).await
        })
    });
}

/// The host closes an idle connection just as the next request arrives.
#[tokio::test]
async fn a_used_connection_that_ends_is_replaced_for_what_only_reads() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let world = World::new().await;
        second_gets(&world, "");
        assert_eq!(ask(&world, &get(CDN, "/first")).await.status, 200);
        assert_eq!(ask(&world, &format!("{method} /x HTTP/1.1\r\nHost: {CDN}\r\n\r\n")).await.status, 200, "{method}");
        assert_eq!((world.upstream(CDN).received().len(), world.upstream(CDN).connections()), (3, 2));
        assert_eq!(world.log.codes(), [None, Some(Code::UpstreamFailed), None]);
    }
}

/// A read with a length of zero has no body, however it says so.
#[tokio::test]
async fn a_read_that_says_that_it_has_no_body_has_none() {
    for more in ["Content-Length: 0", "Content-Length: 00", "Cache-Control: no-cache", "Accept: text/event-stream"] {
        let world = World::new().await;
        second_gets(&world, "");
        assert_eq!(ask(&world, &get(CDN, "/first")).await.status, 200);
        assert_eq!(
            ask(&world, &format!("GET /x HTTP/1.1\r\nHost: {CDN}\r\n{more}\r\n\r\n")).await.status,
            200,
            "{more}"
        );
        assert_eq!(world.upstream(CDN).received().len(), 3, "{more}");
    }
}

#[tokio::test]
async fn nothing_else_is_sent_again_over_another_connection() {
    let body = "Content-Length: 7\r\n\r\n{\"c\":1}";
    let mut requests: Vec<String> = ["POST", "PUT", "PATCH", "DELETE"].map(without_body).into();
    requests.push(with_body("POST", body));
    // A read with a body, too: it was begun. So was a chunked one, whose chunks might have followed.
    requests.extend(["GET", "HEAD", "OPTIONS"].map(|method| with_body(method, body)));
    requests.push(with_body("POST", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    requests.push(with_body("GET", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    for judged in [false, true] {
        for request in requests.iter().filter(|request| !judged || request.contains("\"c\"")) {
            let world = World::new().await;
            if judged {
                world.family.replace_policy(&format!("{FIRST_FREELY}{JUDGED}"));
            }
            second_gets(&world, "");
            assert_eq!(ask(&world, &get(CDN, "/first")).await.status, 200);
            let answer = ask(&world, request).await;
            assert_eq!(answer.status, 502, "{request}");
            let told = answer.text().contains("may have been carried out");
            assert!(told || request.starts_with("HEAD"), "{request}: {}", answer.text());
            assert_eq!(world.upstream(CDN).received().len(), 2, "{request}");
        }
    }
}

/// A byte of an answer is an answer; so is an interim response.
#[tokio::test]
async fn an_answer_that_was_begun_is_not_asked_for_again() {
    for begun in [
        "H",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "nonsense\r\n\r\n",
        "\r\n",
        "\0",
        "HTTP/1.1 200 OK\nContent-",
        "HTTP/2 200\r\n\r\n",
    ] {
        let world = World::new().await;
        second_gets(&world, begun);
        assert_eq!(ask(&world, &get(CDN, "/first")).await.status, 200);
        assert_eq!(ask(&world, &get(CDN, "/x")).await.status, 502, "{begun:?}");
        assert_eq!(world.upstream(CDN).received().len(), 2, "{begun:?}");
    }
}

/// A connection without earlier requests did not end because it was idle.
#[tokio::test]
async fn a_fresh_connection_that_ends_is_not_replaced() {
    let world = World::new().await;
    world.upstream(CDN).on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            exchange.closed = true;
            Ok(())
        })
    });
    assert_eq!(ask(&world, &get(CDN, "/x")).await.status, 502);
    assert_eq!(world.upstream(CDN).received().len(), 1);
}

/// No record, no request: not the second time either. And the group's limits count both.
#[tokio::test]
async fn a_second_sending_is_stored_and_counted_first() {
    let world = World::new().await;
    let log = world.log.clone();
    world.upstream(CDN).on(move |exchange| {
        let log = log.clone();
        Box::pin(async move {
            exchange.body().await?;
            if exchange.number == 0 {
                return exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
            log.down.store(true, Ordering::SeqCst);
            exchange.closed = true;
            Ok(())
        })
    });
    assert_eq!(ask(&world, &get(CDN, "/first")).await.status, 200);
    assert_eq!(ask(&world, &get(CDN, "/x")).await.status, 502);
    assert_eq!(world.upstream(CDN).received().len(), 2, "nothing was sent that is not stored");

    let limited = format!("[limits]\nrequests_per_minute = 2\n\n{}", Setup::default().family);
    let world = World::with(Setup { family: limited, ..Setup::default() }).await;
    let upstream = RawHttp2::instead_of(&world, CDN, &[REFUSED]).await;
    assert_eq!(ask(&world, &get(CDN, "/x")).await.status, 200);
    assert_eq!(world.wallet.spent().0, 2);
    assert_eq!(upstream.opened().len(), 2);
}

/// Asking for a new key twice may yield two.
#[tokio::test]
async fn a_request_that_makes_a_key_is_not_sent_again() {
    let world = World::new().await;
    let upstream = RawHttp2::instead_of(&world, "api.bound.test", &[REFUSED]).await;
    let mut client = world.family.tunnel("api.bound.test:443").await;
    let authorization = format!("Authorization: Bearer {}", world.surrogate());
    client
        .send(format!(
            "POST /v1/api_keys HTTP/1.1\r\nHost: api.bound.test\r\n{authorization}\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
    assert_eq!(client.answer().await.unwrap().status, 502);
    world.settled().await;
    assert_eq!((upstream.opened().len(), world.log.rows().len()), (1, 1));
}

/// The secret is put on the second time as well, and removed from its answer.
#[tokio::test]
async fn a_credential_goes_with_it() {
    let world = World::new().await;
    world.upstream("api.bound.test").on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            if exchange.number == 1 {
                exchange.closed = true;
                return Ok(());
            }
            let head = exchange.head.clone();
            exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", head.len())).await?;
            exchange.send(head).await
        })
    });
    let request =
        format!("GET /v1/x HTTP/1.1\r\nHost: api.bound.test\r\nAuthorization: Bearer {}\r\n\r\n", world.surrogate());
    for _ in 0..2 {
        let mut client = world.family.tunnel("api.bound.test:443").await;
        client.send(&request).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(world.surrogate()) && !answer.text().contains(world.real()));
        world.settled().await;
    }
    let received = world.upstream("api.bound.test").received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|one| String::from_utf8_lossy(&one.head).contains(world.real())));
}

/// The fields of a body are looked at while it is sent. What the host had not taken was not looked at.
#[tokio::test]
async fn what_was_not_looked_at_is_not_sent_again() {
    const JSON: &str = "json.bound.test";
    for (does, sendings) in [("POST /**", 1), ("* /**", 2)] {
        let family = format!("[[allow]]\nhost = \"{JSON}\"\ndo = [\"{does}\"]\ncredential = \"sixth\"\n{PRIVATE}");
        let world = World::with(Setup { family, ..Setup::default() }).await;
        let upstream = RawHttp2::instead_of(&world, JSON, &[REFUSED, Say::Frames(&[(1, 5, true, &[0x88])])]).await;
        let (key, padding) = (&world.values["SUR6"], "x".repeat(1 << 19));
        let body = format!("{{\"auth\":{{\"api_key\":\"{key}\"}},\"p\":\"{padding}\",\"_method\":\"DELETE\"}}");
        let head = format!("POST /x HTTP/1.1\r\nHost: {JSON}\r\nContent-Type: application/json\r\n");
        let mut client = world.family.tunnel("json.bound.test:443").await;
        client.send(&format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        let status = client.answer().await.expect("an answer").status;
        assert_eq!((upstream.opened().len(), status), (sendings, if sendings == 1 { 502 } else { 200 }), "{does}");
    }
}

/// Places for requests in flight are limited: the second sending takes one, or does not happen.
#[tokio::test]
async fn a_second_sending_keeps_to_the_doors_limits() {
    let limits = Limits { requests: 1, ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let upstream = RawHttp2::instead_of(&world, CDN, &[REFUSED]).await;
    assert_eq!(ask(&world, &get(CDN, "/x")).await.status, 502, "the first has the only place");
    assert_eq!(upstream.opened().len(), 1);
}
