//! Requests to the host itself: `http://doorward.internal` through a door, in this spelling and in
//! no other way; never resolved, never dialled, always with a record.

use std::sync::atomic::Ordering;

use policies::Code;
use proptest::prelude::*;
use proxy::Limits;
use proxy::audit::Protocol;

use crate::support::http2::Http2Client;
use crate::support::ports::withheld;
use crate::support::{Answer, Setup, World};

async fn ask(world: &World, request: impl AsRef<[u8]>) -> Answer {
    let mut client = world.family.connect().await;
    client.send(request).await;
    client.answer().await.expect("an answer")
}

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST http://doorward.internal{path} HTTP/1.1\r\nHost: doorward.internal\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

fn get(path: &str, headers: &str) -> String {
    format!("GET http://doorward.internal{path} HTTP/1.1\r\nHost: doorward.internal\r\n{headers}\r\n")
}

/// Whatever was asked: no name was resolved and no host was dialled.
fn nothing_left(world: &World) {
    assert_eq!(world.names.asked(), [] as [&str; 0]);
    assert_eq!(world.canary.hits(), 0);
    assert!(world.upstreams().all(|upstream| upstream.connections() == 0));
}

#[tokio::test]
async fn the_host_answers_and_is_told_who_asks() {
    let world = World::new().await;
    world.family.door.set_run(Some(7));
    let answer = ask(&world, get("/policy", "X-Group: work\r\nForwarded: for=main\r\n")).await;
    assert_eq!((answer.status, &*answer.text()), (200, "the policy"));
    let asked = world.desk.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((&*asked[0].group, asked[0].run), ("family", Some(7)), "the door says it, not the request");
    assert_eq!(asked[0].request, "GET http://doorward.internal/policy");
    assert!(!asked[0].headers.contains(&"forwarded".to_owned()), "headers go by the listed rules");
    world.settled().await;
    let row = world.log.only();
    assert_eq!((row.decision.protocol, row.decision.run), (Protocol::Internal, Some(7)));
    assert_eq!(
        (row.decision.host.as_deref(), row.decision.path.as_deref()),
        (Some("doorward.internal"), Some("/policy"))
    );
    assert_eq!((row.outcome().status, row.outcome().bytes_down, row.outcome().bytes_up), (Some(200), 10, 0));
    assert_eq!(world.wallet.spent(), (1, 0), "it counts as a request, and nothing went up");
    nothing_left(&world);
}

/// An operation is stored before it is performed, as a record of its own.
#[tokio::test]
async fn an_operation_is_stored_before_it_is_performed() {
    let world = World::new().await;
    let (log, desk) = (world.log.clone(), world.desk.clone());
    *world.desk.meanwhile.lock().unwrap() = Some(Box::new(move || {
        assert_eq!(desk.performed(), 0);
        assert_eq!(log.rows().len(), 1, "the request is stored before the host hears of it");
    }));
    assert_eq!(ask(&world, post("/do", "", "x")).await.status, 200);
    world.settled().await;
    let rows = world.log.rows();
    assert_eq!((rows.len(), world.desk.performed()), (2, 1));
    let operation = &rows[1].decision;
    assert_eq!((operation.protocol, operation.operation.map(|it| it.name)), (Protocol::Operation, Some("do")));
    assert_eq!((operation.identity.group.as_str(), &operation.path), ("family", &None));
    assert_eq!((operation.scheme, operation.port, &operation.method), (None, None, &None), "it is no request");
    let policy = world.family.policy.load().hash().to_string();
    assert!(rows.iter().all(|row| row.is_allowed() && row.decision.policy.as_ref() == Some(&policy)));
}

/// An operation that was not performed is logged as well, and an alarm is an alarm.
#[tokio::test]
async fn an_operation_that_came_to_nothing_says_why() {
    let world = World::new().await;
    let why = withheld();
    for (path, refused) in [("/refuse", true), ("/fail", false)] {
        assert_eq!(ask(&world, post(path, "", "x")).await.status, 404);
        world.settled().await;
        let row = world.log.rows().pop().unwrap();
        assert_eq!((row.decision.protocol, row.is_allowed()), (Protocol::Operation, !refused), "{path}");
        let said = row.decision.why.clone().or(row.outcome.as_ref().and_then(|outcome| outcome.why.clone()));
        assert_eq!((row.code(), said, row.alarm()), (Some(why.code), Some(why.why.clone()), true), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_done() {
    let world = World::new().await;
    world.log.down.store(true, Ordering::SeqCst);
    let answer = ask(&world, post("/do", "", "x")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(world.desk.asked().is_empty());
    // The log is lost between the request's record and the operation's.
    world.log.down.store(false, Ordering::SeqCst);
    let log = world.log.clone();
    *world.desk.meanwhile.lock().unwrap() = Some(Box::new(move || log.down.store(true, Ordering::SeqCst)));
    let answer = ask(&world, post("/do", "", "x")).await;
    assert!(answer.text().contains("audit_unavailable"), "{}", answer.text());
    assert_eq!(world.desk.performed(), 0);
}

/// One spelling, one port, one scheme, one way. Every refusal names the right one.
#[tokio::test]
async fn every_other_way_to_the_name_is_refused() {
    let world = World::new().await;
    let plain = |authority: &str, host: &str| format!("GET http://{authority}/policy HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let wrong = [
        ("DOORWARD.internal", "DOORWARD.internal"),
        ("doorward.internal.", "doorward.internal."),
        ("doorward.internal:80", "doorward.internal:80"),
        ("doorward.internal:8080", "doorward.internal:8080"),
        ("doorward.internal:3128", "doorward.internal:3128"),
        ("x.doorward.internal", "x.doorward.internal"),
        ("doorward.internal", "DOORWARD.INTERNAL"),
        ("doorward.internal", "doorward.internal:80"),
        ("doorward.internal", "doorward.internal."),
    ];
    for (authority, host) in wrong {
        let answer = ask(&world, plain(authority, host)).await;
        assert!(matches!(answer.status, 400 | 403), "{authority} {host}: {}", answer.text());
        assert!(
            answer.text().contains("http://doorward.internal/, spelled so"),
            "{authority} {host}: {}",
            answer.text()
        );
    }
    let unreadable = [
        ("doorward.internal@evil.test", "evil.test"),
        ("user@doorward.internal", "doorward.internal"),
        ("doorward%2einternal", "doorward.internal"),
        ("doorward.internal", "evil.test"),
        ("evil.test", "doorward.internal"),
        ("127.0.0.1:3128", "doorward.internal"),
    ];
    for (authority, host) in unreadable {
        let answer = ask(&world, plain(authority, host)).await;
        assert!(answer.status >= 400, "{authority} {host}: {}", answer.text());
    }
    for origin_form in [
        "GET /policy HTTP/1.1\r\nHost: doorward.internal\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: doorward.internal\r\n\r\n",
    ] {
        assert_eq!(ask(&world, origin_form).await.status, 400);
    }
    assert_eq!(world.desk.asked(), []);
    assert!(world.log.rows().iter().all(|row| !row.is_allowed()));
    nothing_left(&world);
}

/// Except for one spelling of CONNECT, with plain HTTP inside: clients that open a tunnel for every
/// scheme have no other way (fetch of Node.js, and with it MCP clients in JavaScript).
#[tokio::test]
async fn neither_connect_nor_https_nor_http2_leads_there() {
    let world = World::new().await;
    for port in [443, 80] {
        let mut client = world.family.tunnel(&format!("doorward.internal:{port}")).await;
        client.send(format!("GET /policy HTTP/1.1\r\nHost: doorward.internal:{port}\r\n\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("self_target") && answer.text().contains("http://doorward.internal/"));
    }
    let client = Http2Client::connect(&world.family, "doorward.internal:443").await;
    assert_eq!(client.post("https://doorward.internal/do".to_owned(), "x").await.status, 400);
    // Another spelling, another port, and the name inside another host's tunnel.
    let plain = [
        ("doorward.internal:443", "doorward.internal:443"),
        ("doorward.internal:8080", "doorward.internal:8080"),
        ("DOORWARD.internal:80", "doorward.internal"),
        ("doorward.internal.:80", "doorward.internal"),
        ("x.doorward.internal:80", "x.doorward.internal"),
        ("cdn.allowed.test:80", "doorward.internal"),
    ];
    for (authority, host) in plain {
        let mut client = world.family.connect().await.connected(authority).await;
        client.send(format!("GET /policy HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert!(matches!(answer.status, 400 | 403 | 421), "{authority} {host}: {}", answer.text());
    }
    let mut client = world.family.tunnel("cdn.allowed.test:443").await;
    client.send(get("/policy", "")).await;
    assert!(client.answer().await.unwrap().status >= 400);
    assert_eq!(world.desk.asked(), []);
    nothing_left(&world);
}

/// In the right spelling, plain HTTP inside CONNECT is equivalent to the absolute form: with the
/// same checks, and for any number of requests.
#[tokio::test]
async fn plain_http_inside_of_its_own_tunnel_leads_there() {
    let world = World::new().await;
    let mut client = world.family.connect().await.connected("doorward.internal:80").await;
    let right = "GET /policy HTTP/1.1\r\nHost: doorward.internal\r\n\r\n";
    for request in [right, "GET http://doorward.internal/policy HTTP/1.1\r\nHost: doorward.internal\r\n\r\n"] {
        client.send(request).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(world.desk.asked().len(), 2);
    assert!(world.log.rows().iter().all(|row| row.decision.protocol == Protocol::Internal));
    // What is refused in absolute form is refused here.
    for (head, wanted) in [
        ("GET /policy HTTP/1.1\r\nHost: doorward.internal\r\nOrigin: http://doorward.internal\r\n", 403),
        ("GET /policy?a=1 HTTP/1.1\r\nHost: doorward.internal\r\n", 403),
        ("GET /policy HTTP/1.1\r\nHost: DOORWARD.internal\r\n", 403),
        ("GET /policy HTTP/1.1\r\nHost: doorward.internal:80\r\n", 403),
        ("GET /policy HTTP/1.1\r\nHost: evil.test\r\n", 421),
        ("GET http://evil.test/policy HTTP/1.1\r\nHost: doorward.internal\r\n", 421),
        ("GET http://doorward.internal:80/policy HTTP/1.1\r\nHost: doorward.internal\r\n", 400),
        ("GET https://doorward.internal/policy HTTP/1.1\r\nHost: doorward.internal\r\n", 421),
        ("GET /policy HTTP/1.1\r\nHost: doorward.internal\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", 403),
    ] {
        let mut client = world.family.connect().await.connected("doorward.internal:80").await;
        client.send(format!("{head}\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, wanted, "{head}: {}", answer.text());
    }
    assert_eq!(world.desk.asked().len(), 2);
    nothing_left(&world);
}

/// No page in a browser inside may use it, whatever its origin is (attack D10: DNS rebinding;
/// cross-site requests).
#[tokio::test]
async fn a_request_with_an_origin_is_refused() {
    let world = World::new().await;
    for origin in ["https://evil.test", "null", "http://doorward.internal", "", "file://"] {
        let answer = ask(&world, post("/do", &format!("Origin: {origin}\r\n"), "x")).await;
        assert_eq!(answer.status, 403, "{origin}: {}", answer.text());
        assert!(answer.text().contains("operation_refused"), "{origin}: {}", answer.text());
    }
    assert_eq!((world.desk.asked(), world.desk.performed()), (vec![], 0));
    assert_eq!(world.log.codes(), [Some(Code::OperationRefused); 5]);
}

#[tokio::test]
async fn queries_upgrades_and_secrets_are_refused() {
    let world = World::new().await;
    assert_eq!(ask(&world, get("/policy?as=main", "")).await.status, 403);
    assert_eq!(ask(&world, get("/policy?", "")).await.status, 403);
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    assert_eq!(ask(&world, get("/mcp", upgrade)).await.status, 403);
    // A head is stored, and a secret must not get into the log.
    let secret = world.values["CANARY"].clone();
    for request in [get(&format!("/{secret}"), ""), get("/policy", &format!("X-Key: {secret}\r\n"))] {
        let answer = ask(&world, request).await;
        assert!(answer.status == 403 && answer.text().contains("secret_in_request"), "{}", answer.text());
        assert!(!answer.text().contains(&secret));
    }
    assert_eq!(world.desk.asked(), []);
    let told = format!("{:?}", world.log.rows());
    assert!(!told.contains(&secret) && world.log.rows().iter().filter(|row| row.alarm()).count() == 2, "{told}");
}

#[tokio::test]
async fn a_body_is_read_whole_within_bounds() {
    let world = World::new().await;
    let fits = "x".repeat(256 << 10);
    assert_eq!(ask(&world, post("/do", "", &fits)).await.status, 200);
    assert_eq!(world.desk.asked()[0].body.len(), fits.len());
    let answer = ask(&world, post("/do", "", &format!("{fits}x"))).await;
    assert!(answer.status == 413 && answer.text().contains("too_large"), "{}", answer.text());
    let chunk = format!("{:x}\r\n{fits}\r\n", fits.len());
    let chunked =
        "POST http://doorward.internal/do HTTP/1.1\r\nHost: doorward.internal\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = ask(&world, format!("{chunked}{chunk}1\r\nx\r\n0\r\n\r\n")).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(world.desk.asked().len(), 1);
    assert_eq!(world.wallet.spent().1, 0, "none of it went up");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let limits = Limits { body_time: std::time::Duration::from_millis(50), ..Limits::default() };
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let head = post("/do", "", "").replace("Content-Length: 0", "Content-Length: 5");
    let answer = ask(&world, head).await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(world.desk.asked(), []);
}

#[tokio::test]
async fn the_groups_budget_counts_here_too() {
    let family = "[limits]\nrequests_per_minute = 2\n".to_owned();
    let world = World::with(Setup { family, ..Setup::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ask(&world, get("/policy", "")).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(world.desk.asked().len(), 2);
}

/// A tightened policy revokes outgoing requests; internal ones go on.
#[tokio::test]
async fn a_changed_policy_does_not_cut_what_stays_inside() {
    let world = World::new().await;
    let mut client = world.family.connect().await;
    for _ in 0..2 {
        client.send(get("/policy", "")).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        world.family.replace_policy("");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is sent, the door answers or closes, and the host gets nothing that is not in the
    /// right spelling.
    #[test]
    fn no_bytes_reach_the_host_in_another_spelling(
        target in "(http://)?[dD]oorward\\.(internal|INTERNAL)\\.?(:[0-9]{1,5})?(/[ -~]{0,20})?",
        headers in proptest::collection::vec("(Host|Origin|Upgrade|X): [ -~]{0,30}", 0..4),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let head = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
            let mut request = format!("POST {target} HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
            request.extend_from_slice(&body);
            let mut client = world.family.connect().await;
            client.send(&request).await;
            client.finish().await;
            let exact = target == "http://doorward.internal" || target.starts_with("http://doorward.internal/");
            let asked = world.desk.asked();
            assert!(exact || asked.is_empty(), "{target:?} {asked:?}");
            assert!(asked.iter().all(|asked| asked.body == body));
            nothing_left(&world);
        });
    }
}
