//! HTTP/2 as public tools speak it (h2load, nghttp, curl), through a real door: what holds for our
//! own test clients must hold for independent ones.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "support/mod.rs"]
mod support;

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use policies::Code;
use support::http2::{Http2Upstream, Reply};
use support::{Client, World};
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Longer than any of the tools takes on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// A port on loopback that leads through family's door: as a proxy, or, for tools without proxy
/// support, straight into a tunnel to the host.
struct Way {
    port: u16,
    task: AbortHandle,
}

impl Way {
    #[expect(clippy::disallowed_methods, reason = "a server is what it stands for")]
    async fn open(world: &World, host: Option<&'static str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (socket, ca) = (world.family.socket().to_owned(), world.family.door.ca_pem().to_owned());
        let task = tokio::spawn(async move {
            loop {
                let (mut outer, _) = listener.accept().await.unwrap();
                let (socket, ca): (PathBuf, String) = (socket.clone(), ca.clone());
                tokio::spawn(async move {
                    let mut client = Client::connect(&socket, &ca).await;
                    if let Some(host) = host {
                        client = client.connected(&format!("{host}:443")).await;
                    }
                    let (mut inner, _) = client.into_parts();
                    let _ = copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        Way { port, task: task.abort_handle() }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A program's complete output.
#[expect(clippy::disallowed_methods, reason = "the tools are what is tested with")]
async fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(program);
    let run = command.args(arguments).kill_on_drop(true).output();
    let output = timeout(PATIENCE, run)
        .await
        .expect("it ends")
        .unwrap_or_else(|error| panic!("{program} cannot be started ({error}): `scripts/setup.sh test` installs it"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

/// Many streams on a few connections, each judged separately, all answered.
async fn h2load(world: &World, requests: usize, more: &[&str]) {
    let way = Way::open(world, Some("cdn.allowed.test")).await;
    let (to, count) = (format!("--connect-to=127.0.0.1:{}", way.port), format!("-n{requests}"));
    let fixed = [&*to, &*count, "-c4", "-m10"];
    let said = run("h2load", &[&fixed[..], more, &["https://cdn.allowed.test/load"]].concat()).await;
    let wanted = [
        format!("{requests} succeeded, 0 failed, 0 errored, 0 timeout"),
        format!("{requests} 2xx, 0 3xx, 0 4xx, 0 5xx"),
    ];
    assert!(wanted.iter().all(|line| said.contains(line)), "{said}");
    world.settled().await;
    assert_eq!(world.log.codes(), vec![None; requests]);
}

fn file(bytes: usize) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'.'; bytes]).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_to_an_upstream_of_http1() {
    h2load(&World::new().await, 400, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_to_an_upstream_of_http2() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    h2load(&world, 400, &[]).await;
    assert_eq!(upstream.received().len(), 400);
}

/// Larger than every window on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_bodies_in_both_directions() {
    for http2 in [false, true] {
        let world = World::new().await;
        let body = Bytes::from(vec![b'x'; 3_000_000]);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        world.upstream("cdn.allowed.test").answers([head.as_bytes(), &body].concat());
        let upstream = if http2 { Some(Http2Upstream::instead_of(&world, "cdn.allowed.test").await) } else { None };
        if let Some(upstream) = &upstream {
            upstream.answers(Reply { body: vec![body.clone()], ..Reply::default() });
        }
        let sent = file(2_000_000);
        h2load(&world, 8, &["-d", sent.path().to_str().unwrap()]).await;
        let rows = world.log.rows();
        let moved = rows.iter().map(|row| (row.outcome().bytes_up, row.outcome().bytes_down));
        assert!(moved.into_iter().all(|both| both == (2_000_000, 3_000_000)), "{http2}");
    }
}

/// The smallest windows, and no header table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_windows_and_no_table() {
    let world = World::new().await;
    world
        .upstream("cdn.allowed.test")
        .answers(format!("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n{}", "x".repeat(50_000)));
    h2load(&world, 40, &["-w10", "-W16", "--header-table-size=0", "--encoder-header-table-size=0"]).await;
}

/// As gRPC does: a body and trailers up, a body and trailers down. The trailers going up are dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_in_both_directions() {
    let world = World::new().await;
    let upstream = Http2Upstream::instead_of(&world, "cdn.allowed.test").await;
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    upstream.answers(Reply { body: vec!["answered".into()], trailers: Some(trailers), ..Reply::default() });
    let (way, sent) = (Way::open(&world, Some("cdn.allowed.test")).await, file(100_000));
    let url = format!("https://127.0.0.1:{}/service/method", way.port);
    let data = format!("--data={}", sent.path().display());
    let authority = ["-H:authority: cdn.allowed.test", "--trailer=x: y", "-v", "-y"];
    let said = run("nghttp", &[&authority[..], &[&data, &url]].concat()).await;
    assert!(said.contains(":status: 200") && said.contains("grpc-status: 0"), "{said}");
    let got = upstream.only();
    assert_eq!((got.body.len(), got.head.uri().path(), got.complete), (100_000, "/service/method", true));
    world.settled().await;
    assert_eq!(world.log.codes(), [None], "its goodbye is no misdeed");
}

/// curl knows proxies, checks the door's certificate, and takes either protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_through_the_door_as_its_proxy() {
    let world = World::new().await;
    let way = Way::open(&world, None).await;
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), world.family.door.ca_pem()).unwrap();
    let (proxy, ca) = (format!("http://127.0.0.1:{}", way.port), ca.path().to_str().unwrap().to_owned());
    let sent = file(1_000_000);
    let data = format!("@{}", sent.path().display());
    for (protocol, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let fixed = ["-sS", "-x", &proxy, "--cacert", &ca, protocol, "-w", " %{http_version} %{http_code}"];
        let ask = async |more: &[&str]| run("curl", &[&fixed[..], more].concat()).await;
        let asked = ask(&["--data-binary", &data, "https://cdn.allowed.test/up"]).await;
        assert_eq!(asked, format!("ok {version} 200"));
        let refused = ask(&["https://ro.allowed.test/private"]).await;
        assert!(refused.contains("path_denied") && refused.ends_with(&format!("{version} 403")), "{refused}");
    }
    world.settled().await;
    assert_eq!(world.log.codes(), [None, Some(Code::PathDenied), None, Some(Code::PathDenied)]);
}
