//! The frameworks: small servers that report how they read each request (`servers/`), installed by
//! `scripts/frameworks.sh`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How one framework reads one request.
#[derive(Debug)]
pub struct Reading {
    pub framework: String,
    pub method: String,
    /// Unescaped.
    pub path: Vec<u8>,
    pub query: Value,
    pub form: Value,
}

#[derive(Deserialize)]
struct Said {
    framework: String,
    method: String,
    path: String,
    query: Value,
    form: Value,
}

/// One of the servers, for one framework or several.
pub struct Server {
    child: Child,
    address: SocketAddr,
}

/// Longer than any of them takes to start or to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts all of them, and waits until they answer.
pub async fn start() -> Vec<Server> {
    let top = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let installed = command(top.join("scripts/frameworks.sh")).output().expect("scripts/frameworks.sh");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let modules = String::from_utf8(installed.stdout).unwrap().trim().to_owned();
    let folder = top.join("proxy/tests/frameworks/servers");
    let mut servers = Vec::new();
    for (program, file) in [
        ("php", "php.php"),
        ("ruby", "ruby.rb"),
        ("/usr/bin/python3", "wsgi.py"),
        ("/usr/bin/python3", "asgi.py"),
        ("node", "express.js"),
        ("perl", "perl.pl"),
    ] {
        let address = free_address();
        let mut command = command(program);
        match program {
            "php" => command.args(["-q", "-d", "opcache.enable_cli=1", "-S", &address.to_string()]),
            _ => &mut command,
        };
        command.arg(folder.join(file)).env("NODE_PATH", &modules);
        if program != "php" {
            command.arg(address.port().to_string());
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        servers.push(Server { child: child.unwrap_or_else(|error| panic!("{program}: {error}")), address });
    }
    for server in &mut servers {
        server.answers().await;
    }
    servers
}

#[expect(clippy::disallowed_methods, reason = "the frameworks are programs")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

#[expect(clippy::disallowed_methods, reason = "a port that nobody listens at")]
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().unwrap()
}

impl Server {
    async fn answers(&mut self) {
        let started = Instant::now();
        while self.ask(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.is_empty() {
            assert!(started.elapsed() < PATIENCE, "{} does not answer", self.address);
            assert!(self.child.try_wait().unwrap().is_none(), "the server at {} ended", self.address);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks one after another.
    pub async fn ask_each(&self, requests: &[Vec<u8>]) -> Vec<Vec<Reading>> {
        let mut all = Vec::with_capacity(requests.len());
        for request in requests {
            all.push(self.ask(request).await);
        }
        all
    }

    /// How a request is read; nothing if it is refused.
    #[expect(clippy::disallowed_methods, reason = "the frameworks are asked directly as well")]
    async fn ask(&self, request: &[u8]) -> Vec<Reading> {
        let request = last_of_its_connection(request);
        let asking = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(&request).await?;
            let mut answer = Vec::new();
            // A refusal may come before everything was sent.
            let _ = stream.read_to_end(&mut answer).await;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
            panic!("{} neither answered nor ended: {:?}", self.address, String::from_utf8_lossy(&request))
        });
        let answer = answer.unwrap_or_default();
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(&b""[..], |at| &answer[at + 4..]);
        let said: Vec<Said> = serde_json::from_slice(body).unwrap_or_default();
        said.into_iter().map(Reading::from).collect()
    }
}

impl From<Said> for Reading {
    fn from(said: Said) -> Self {
        let path = percent_decode_str(&said.path).collect();
        Reading { framework: said.framework, method: said.method, path, query: said.query, form: said.form }
    }
}

/// With `Connection: close`, so that the end of the answer is the end of the connection. That takes the place of what the
/// request says of its connection: Mojolicious knows `close` alone.
fn last_of_its_connection(request: &[u8]) -> Vec<u8> {
    let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(request.len());
    let (head, rest) = request.split_at(head);
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let is_own = |line: &&[u8]| line.len() >= 11 && line[..11].eq_ignore_ascii_case(b"connection:");
    let others = lines.filter(|line| !is_own(line));
    let mut last = [first, b"\r\nConnection: close"].concat();
    for line in others {
        last.extend_from_slice(b"\r\n");
        last.extend_from_slice(line);
    }
    last.extend_from_slice(rest);
    last
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
