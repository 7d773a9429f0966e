//! Properties of the wire, over generated requests in HTTP/1.1 and HTTP/2: what was
//! allowed is what arrives, and what was refused leaves no trace outside.

use std::sync::LazyLock;

use http::Request;
use policies::{Facts, Verdict};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::support::http2::Http2Client;
use crate::support::{Client, World, until};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

const HOSTS: [&str; 5] = ["cdn.allowed.test", "ro.allowed.test", "evil.test", "ok.glob.test", "denied.glob.test"];
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "PROPFIND"];
const SEGMENTS: [&str; 22] = [
    "public",
    "private",
    "a",
    "A",
    "",
    ".",
    "..",
    "%2e%2e",
    "%2E",
    "%2f",
    "%5c",
    "\\",
    "~",
    "%7e",
    "%41",
    "%25",
    "%zz",
    ";x=1",
    ":@!$&'()*+,=",
    "%20",
    "%C3%A9",
    "%00",
];
const PARAMETERS: [&str; 10] = ["a=b", "", "=", "a=%7e", "a=~", "?", "/../", "%2e%2e", "a=+", "%00"];
const HEADERS: [&str; 9] = [
    "x: y",
    "X-HTTP-Method-Override: DELETE",
    "X-Original-URL: /private",
    "X-Forwarded-Host: evil.test",
    "Forwarded: host=evil.test",
    "Connection: x",
    "TE: trailers",
    "Via: 1.1 evil.test",
    "Cookie: a=b",
];

#[derive(Clone, Debug)]
struct Asked {
    http2: bool,
    host: &'static str,
    method: &'static str,
    target: String,
    headers: Vec<&'static str>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let path = proptest::collection::vec(prop::sample::select(&SEGMENTS[..]), 1..4);
    let query = proptest::option::of(proptest::collection::vec(prop::sample::select(&PARAMETERS[..]), 0..3));
    let headers = proptest::collection::vec(prop::sample::select(&HEADERS[..]), 0..3);
    let (host, method) = (prop::sample::select(&HOSTS[..]), prop::sample::select(&METHODS[..]));
    (any::<bool>(), host, method, path, query, headers).prop_map(|(http2, host, method, path, query, headers)| Asked {
        http2,
        host,
        method,
        target: format!(
            "/{}{}",
            path.join("/"),
            query.map(|query| format!("?{}", query.join("&"))).unwrap_or_default()
        ),
        headers,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_allowed_arrives_and_what_is_refused_leaves_no_trace(all in proptest::collection::vec(asked(), 1..16)) {
        RUNTIME.block_on(each(all));
    }
}

async fn each(all: Vec<Asked>) {
    let world = World::new().await;
    for asked in all {
        let (rows, received, names) = (world.log.rows().len(), received(&world), world.names.asked().len());
        if !ask(&world, &asked).await {
            continue;
        }
        until("it is logged", || world.log.rows().len() > rows).await;
        world.settled().await;
        let row = world.log.rows()[rows].clone();
        assert_eq!(world.log.rows().len(), rows + 1, "{asked:?}");
        if row.is_allowed() {
            arrived(&world, &asked, received);
        } else {
            assert_eq!(self::received(&world), received, "{asked:?} {row:?}");
            assert_eq!(world.names.asked().len(), names, "a denied name was resolved: {asked:?}");
        }
        assert_eq!(world.canary.hits(), 0, "{asked:?}");
    }
}

/// Exactly what was asked and judged: it would be judged the same again, byte for byte.
fn arrived(world: &World, asked: &Asked, before: usize) {
    assert_eq!(received(world), before + 1, "{asked:?}");
    let row = world.log.rows().last().cloned().unwrap();
    let got = world.upstream(asked.host).received().last().cloned().unwrap();
    let target = got.request_line().split(' ').nth(1).unwrap().to_owned();
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let said = asked.target.split_once('?').map(|(_, query)| query);
    assert_eq!(got.request_line(), format!("{} {target} HTTP/1.1", asked.method));
    let logged = path.replace('*', "%2A");
    assert_eq!((Some(&*logged), query), (row.decision.path.as_deref(), said), "{asked:?}");
    assert_eq!(got.header("host").as_deref(), Some(asked.host));
    let facts = Facts::parse(asked.method, &format!("https://{}{target}", asked.host)).expect("it can be read again");
    assert_eq!(facts.path_and_query(), target, "reading it changes nothing");
    let again = world.family.policy.load().at(policies::Moment::FAR).decide(facts);
    assert!(matches!(again, Verdict::Allow(_)), "{asked:?}");
    let taken =
        ["x-http-method-override", "x-original-url", "x-forwarded-host", "forwarded", "via", "connection", "te"];
    assert!(taken.iter().all(|name| got.header(name).is_none()), "{}", got.text());
}

fn received(world: &World) -> usize {
    world.upstreams().map(|upstream| upstream.received().len()).sum()
}

/// Whether it could be sent: an HTTP/2 library may reject it.
async fn ask(world: &World, asked: &Asked) -> bool {
    let authority = format!("{}:443", asked.host);
    if !asked.http2 {
        let mut client: Client = world.family.tunnel(&authority).await;
        let more: String = asked.headers.iter().map(|line| format!("{line}\r\n")).collect();
        client.send(format!("{} {} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", asked.method, asked.target, asked.host)).await;
        client.answer().await;
        return true;
    }
    let mut request = Request::builder().method(asked.method).uri(format!("https://{}{}", asked.host, asked.target));
    for (name, value) in asked.headers.iter().filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else { return false };
    if request.headers().contains_key("connection") {
        return false;
    }
    let client = Http2Client::connect(&world.family, &authority).await;
    let _ = client.send(request, None).await;
    true
}
