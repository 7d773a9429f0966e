//! Everyday clients in a real sandbox, as people call them: the door's environment
//! and its CA bundle are all they need.

mod handed_out;
mod libraries;
mod names;
mod trust;
mod uploads;

use std::sync::{Arc, OnceLock};

use crate::support::{Daemon, GitServer, Home, Live, Request, Response, Upstream, docker, folder};

/// A home whose group may reach `site.example`, in all that `rule` says.
fn with_site(rule: &str, answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> (Home, Upstream, Daemon) {
    let site = Upstream::start(&["site.example"], answer);
    let policy = format!("[[allow]]\nhost = \"site.example\"\nprivate = [\"127.0.0.1/32\"]\n{rule}\n");
    let home = Home::new().host("site.example", &site).group("family").policy("family", &policy);
    let daemon = home.up();
    (home, site, daemon)
}

/// A site that serves what the sandbox itself has put into its folder `site`.
fn with_own_files() -> (Home, Upstream, Daemon) {
    let root: Arc<OnceLock<std::path::PathBuf>> = Arc::default();
    let served = root.clone();
    let all = with_site("access = \"read\"", move |request| folder(served.get().unwrap(), request));
    root.set(all.0.group_folder("family").join("site")).unwrap();
    all
}

#[test]
fn curl_downloads_and_uploads() {
    let page = "x".repeat(3 << 20);
    let (home, site, _daemon) =
        with_site("do = [\"GET /big\", \"PUT /kept\"]", move |request| match &*request.method {
            "GET" => Response::ok(page.clone()),
            _ => Response::ok(request.body.len().to_string()),
        });
    let script = "curl -sSo big https://site.example/big && wc -c < big && curl -sS -T big https://site.example/kept";
    home.exec("family", script).ok().prints("3145728\n3145728");
    assert_eq!(site.lines(), ["GET /big", "PUT /kept"]);
    let audit = home.audit();
    assert_eq!(audit.only("path", "/big")["outcome"]["bytes_down"], 3 << 20);
    assert_eq!(audit.only("path", "/kept")["outcome"]["bytes_up"], 3 << 20);
}

#[test]
fn git_clones_and_cannot_push() {
    let server = GitServer::new("remember the milk\n");
    let rule = "do = [\"GET /notes.git/info/refs\", \"POST /notes.git/git-upload-pack\"]";
    let (home, site, _daemon) = with_site(rule, move |request| server.answer(request));
    let cloned = home.exec("family", "git clone -q https://site.example/notes.git && cat notes/README").ok();
    cloned.prints("remember the milk");
    assert!(site.lines().iter().any(|line| line == "POST /notes.git/git-upload-pack"), "{:?}", site.lines());

    let push = "cd notes && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m out && git push -q";
    let pushed = home.exec("family", push);
    assert_ne!(pushed.code, Some(0), "{pushed:#?}");
    assert!(site.lines().iter().all(|line| line != "POST /notes.git/git-receive-pack"), "{:?}", site.lines());
}

#[test]
fn python_opens_urls() {
    let (home, site, _daemon) = with_site("access = \"read\"", |_| Response::ok("hello from the site"));
    let script = "import urllib.request as u; print(u.urlopen('https://site.example/page').read().decode())";
    home.exec("family", &format!("python3 -c \"{script}\"")).ok().prints("hello from the site");
    assert_eq!(site.lines(), ["GET /page"]);
}

#[test]
fn pip_downloads_from_an_index() {
    let (home, site, _daemon) = with_own_files();
    let wheel = "hello-1.0-py3-none-any.whl";
    let build = format!(
        "mkdir -p site/simple/hello w/hello-1.0.dist-info && cd w && echo 'word = \"milk\"' > hello.py && \
         printf 'Metadata-Version: 2.1\\nName: hello\\nVersion: 1.0\\n' > hello-1.0.dist-info/METADATA && \
         printf 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n' \
         > hello-1.0.dist-info/WHEEL && : > hello-1.0.dist-info/RECORD && \
         python3 -m zipfile -c ../site/{wheel} hello.py hello-1.0.dist-info && \
         echo '<a href=\"/{wheel}\">{wheel}</a>' > ../site/simple/hello/index.html"
    );
    home.exec("family", &build).ok();
    let install = "python3 -m venv /tmp/v && /tmp/v/bin/pip install -q --disable-pip-version-check \
                   --index-url https://site.example/simple/ hello && /tmp/v/bin/python -c 'import hello; print(hello.word)'";
    home.exec("family", install).ok().prints("milk");
    assert!(site.lines().contains(&format!("GET /{wheel}")), "{:?}", site.lines());
}

#[test]
fn npm_installs_from_a_registry() {
    let (home, site, _daemon) = with_own_files();
    let build = "mkdir -p site/tarballs p && cd p && \
                 echo '{\"name\":\"hello\",\"version\":\"1.0.0\",\"main\":\"m.js\"}' > package.json && \
                 echo 'module.exports = \"milk\"' > m.js && npm pack --silent && mv hello-1.0.0.tgz ../site/tarballs/ && \
                 echo '{\"name\":\"hello\",\"dist-tags\":{\"latest\":\"1.0.0\"},\"versions\":{\"1.0.0\":{\"name\":\"hello\",\
                 \"version\":\"1.0.0\",\"main\":\"m.js\",\"dist\":{\"tarball\":\
                 \"https://site.example/tarballs/hello-1.0.0.tgz\"}}}}' > ../site/hello";
    home.exec("family", build).ok();
    let install = "mkdir app && cd app && npm install --silent --registry https://site.example/ hello && \
                   node -p 'require(\"hello\")'";
    home.exec("family", install).ok().prints("milk");
    assert!(site.lines().contains(&"GET /tarballs/hello-1.0.0.tgz".to_owned()), "{:?}", site.lines());
}

/// Node before 22.21 knows no proxy variables: its own `https` fails closed. Through
/// the door by hand it trusts the CA like everything else.
#[test]
fn node_reaches_out_through_the_door_or_not_at_all() {
    let (home, site, _daemon) = with_site("access = \"read\"", |_| Response::ok("hello from the site"));
    let plain = "require('https').get('https://site.example/page', r => { r.pipe(process.stdout) })";
    let ran = home.exec("family", &format!("node -e \"{plain}\""));
    if ran.code != Some(0) {
        assert_eq!(site.connections(), 0, "{ran:#?}");
    }
    let by_hand = "const h = require('http'), s = require('https'); \
        h.request({ port: 3128, host: '127.0.0.1', method: 'CONNECT', path: 'site.example:443', \
        headers: { host: 'site.example:443' } }) \
         .on('connect', (_, socket) => s.get({ host: 'site.example', path: '/page', socket, agent: false }, \
              r => { r.pipe(process.stdout); r.on('end', () => process.exit(0)) })).end()";
    home.exec("family", &format!("node -e \"{by_hand}\"")).ok().prints("hello from the site");
    assert!(site.lines().contains(&"GET /page".to_owned()));
}

#[test]
fn plain_http_goes_through_where_a_rule_says_so() {
    let site = Upstream::plain(|_| Response::ok("in the clear"));
    let policy =
        "[[allow]]\nhost = \"plain.example\"\nscheme = \"http\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";
    let home = Home::new().host("plain.example", &site).group("family").policy("family", policy);
    let _daemon = home.up();
    home.exec("family", "curl -sS http://plain.example/page").ok().prints("in the clear");
    let request = &site.requests()[0];
    assert_eq!((request.target.as_str(), request.header("host")), ("/page", Some("plain.example")));
    assert!(request.headers.iter().all(|(name, _)| !name.starts_with("proxy-")), "{request:?}");
}

#[test]
fn two_sandboxes_do_not_share_an_authority() {
    let (home, ..) = with_site("access = \"read\"", |_| Response::ok("hello"));
    let mine = "tail -n 20 $SSL_CERT_FILE | sha256sum";
    let (one, two) = (home.exec("family", mine).ok().out, home.exec("family", mine).ok().out);
    assert_ne!(one, two);
}

/// The cargo that builds this, without a compiler: it reads a sparse index and fetches
/// the crate that it finds there.
#[test]
fn cargo_fetches_from_a_sparse_registry() {
    let (home, site, _daemon) = with_own_files();
    let folder = home.group_folder("family");
    std::fs::copy(env!("CARGO"), folder.join("cargo")).unwrap();
    let build = "mkdir -p site/he/ll site/dl/hello/1.0.0 hello-1.0.0/src app/src && echo 'pub const WORD: &str = \"milk\";' > \
                 hello-1.0.0/src/lib.rs && printf '[package]\nname = \"hello\"\nversion = \"1.0.0\"\n' > \
                 hello-1.0.0/Cargo.toml && tar czf site/dl/hello/1.0.0/download hello-1.0.0 && \
                 sum=$(sha256sum site/dl/hello/1.0.0/download | cut -d' ' -f1) && \
                 echo '{\"dl\":\"https://site.example/dl\"}' > site/config.json && \
                 echo \"{\\\"name\\\":\\\"hello\\\",\\\"vers\\\":\\\"1.0.0\\\",\\\"deps\\\":[],\\\"features\\\":{},\
                 \\\"yanked\\\":false,\\\"cksum\\\":\\\"$sum\\\"}\" > site/he/ll/hello && touch app/src/lib.rs && \
                 printf '[package]\nname = \"app\"\nversion = \"0.1.0\"\n[dependencies]\nhello = { version = \"1\", registry = \"site\" }\n' \
                 > app/Cargo.toml";
    home.exec("family", build).ok();
    let vendor = "cd app && export CARGO_HOME=/tmp/cargo CARGO_REGISTRIES_SITE_INDEX=sparse+https://site.example/ && \
                  ../cargo vendor -q > /dev/null && cat vendor/hello/src/lib.rs";
    home.exec("family", vendor).ok().prints("milk");
    let lines = site.lines();
    for wanted in ["GET /config.json", "GET /he/ll/hello", "GET /dl/hello/1.0.0/download"] {
        assert!(lines.iter().any(|line| line == wanted), "{lines:?}");
    }
}

/// A home whose group may reach `live.example`, in all that `rule` says.
fn with_live(home: Home, live: &Live, rule: &str) -> (Home, Daemon) {
    let policy = format!("[[allow]]\nhost = \"live.example\"\nprivate = [\"127.0.0.1/32\"]\n{rule}\n");
    let home = home.host("live.example", live).group("family").policy("family", &policy);
    let daemon = home.up();
    (home, daemon)
}

/// The next event is sent only when the client has told that it has the one before.
#[test]
fn events_arrive_one_by_one() {
    let live = Live::events("live.example");
    let (home, _daemon) = with_live(Home::new(), &live, "do = [\"GET /events\", \"POST /seen\"]");
    let script = "curl -sSN -m 100 https://live.example/events | while read -r line; do case $line in data:*) \
                  echo \"$line\"; curl -sS -X POST https://live.example/seen;; esac; done";
    home.exec("family", script).ok().prints("data: 1\ndata: 2\ndata: 3");
}

/// A home in whose image there are clients for gRPC and WebSocket.
fn with_clients() -> Home {
    Home::new().config(&format!("[engine]\nimage = \"{}\"", docker::image_of_clients()))
}

/// Google's own client: HTTP/2 from end to end, trailers, and a stream in which each
/// message waits for the answer to the one before.
#[test]
fn grpc_calls_and_streams() {
    let live = Live::grpc("live.example");
    let (home, _daemon) = with_live(with_clients(), &live, "do = [\"POST /test.Echo/*\"]");
    let script = r#"
import grpc, os, queue
roots = grpc.ssl_channel_credentials(open(os.environ["SSL_CERT_FILE"], "rb").read())
channel = grpc.secure_channel("live.example:443", roots)
print(channel.unary_unary("/test.Echo/Say")(b"milk", timeout=100).decode())
said = queue.Queue()
answers = channel.stream_stream("/test.Echo/Talk")(iter(said.get, None), timeout=100)
for word in [b"bread", b"x" * 100000, b"eggs"]:
    said.put(word)
    assert next(answers) == word
said.put(None)
assert list(answers) == []
try:
    channel.unary_unary("/test.Other/Say")(b"milk", timeout=100)
except grpc.RpcError as error:
    print("refused", error.code())
"#;
    std::fs::write(home.group_folder("family").join("call.py"), script).unwrap();
    let ran = home.exec("family", "python3 call.py").ok();
    ran.prints("milk").prints("refused StatusCode.PERMISSION_DENIED");
    let audit = home.audit();
    assert_eq!(audit.only("path", "/test.Echo/Talk")["verdict"], "allow");
    assert_eq!(audit.only("path", "/test.Other/Say")["verdict"], "deny");
}

#[test]
fn a_websocket_talks_both_ways() {
    let live = Live::websocket("live.example");
    let (home, _daemon) = with_live(with_clients(), &live, "do = [\"GET /live\"]\nwebsocket = true");
    let script = r#"
import websocket
socket = websocket.create_connection("wss://live.example/live", timeout=100)
for word in ["milk", "x" * 100000, "eggs"]:
    socket.send(word)
    assert socket.recv() == word
socket.close()
try:
    websocket.create_connection("wss://live.example/other", timeout=100)
except websocket.WebSocketBadStatusException as error:
    print("refused", error.status_code)
"#;
    std::fs::write(home.group_folder("family").join("talk.py"), script).unwrap();
    home.exec("family", "python3 talk.py").ok().prints("refused 403");
    assert_eq!(home.audit().only("path", "/live")["verdict"], "allow");
}
