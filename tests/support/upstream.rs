//! A web server on loopback, with real TLS, that keeps what it received.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use doorward::loopback::Authority;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Signs every server of this process.
static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("Doorward's tests").unwrap());

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// A server, for as long as the test runs.
pub struct Upstream {
    address: SocketAddr,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    connections: AtomicUsize,
    requests: Mutex<Vec<Request>>,
}

/// TLS for these names, and the protocols that it offers inside.
pub(super) fn server_config(names: &[&str], protocols: &[&[u8]]) -> ServerConfig {
    signed_by(&AUTHORITY, names, protocols)
}

/// The same with a certificate that another authority signed.
pub(super) fn signed_by(authority: &Authority, names: &[&str], protocols: &[&[u8]]) -> ServerConfig {
    let mut config = (*authority.server(names).unwrap()).clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When its head had come.
    pub at: Instant,
}

/// What is answered.
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Upstream {
    /// Serves these names over TLS, each request by `handler`, which may take its time.
    pub fn start(names: &[&str], handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::serve(Some(AUTHORITY.server(names).unwrap()), handler)
    }

    /// Serves plain HTTP.
    pub fn plain(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::serve(None, handler)
    }

    fn serve(tls: Option<Arc<ServerConfig>>, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, kept) = (listener.local_addr().unwrap(), Arc::<Kept>::default());
        let (handler, mine): (Arc<Handler>, _) = (Arc::new(handler), kept.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                mine.connections.fetch_add(1, Ordering::SeqCst);
                let (tls, handler, kept) = (tls.clone(), handler.clone(), mine.clone());
                // A client that breaks off is for the test to notice, in what was received.
                std::thread::spawn(move || connection(stream, tls, &handler, &kept));
            }
        });
        Upstream { address, kept }
    }

    /// The certificate that signs all of them, for `extra_ca`.
    pub fn authority() -> &'static str {
        AUTHORITY.pem()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.kept.connections.load(Ordering::SeqCst)
    }

    /// Everything that arrived, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.kept.requests.lock().unwrap().clone()
    }

    /// `METHOD TARGET` of everything that arrived.
    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }

    /// Whether this text arrived anywhere in a request.
    pub fn received(&self, text: &str) -> bool {
        self.requests().iter().any(|request| format!("{request:?}").contains(text))
    }
}

impl From<&Upstream> for SocketAddr {
    fn from(server: &Upstream) -> Self {
        server.address
    }
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Response {
    /// 200 with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Response { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// 404.
    pub fn not_found() -> Self {
        Response { status: 404, headers: Vec::new(), body: b"not found\n".to_vec() }
    }

    /// The same with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn connection(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    handler: &Arc<Handler>,
    kept: &Kept,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => exchanges(BufReader::new(stream), handler, kept),
        Some(tls) => {
            let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
            exchanges(BufReader::new(StreamOwned::new(connection, stream)), handler, kept)
        }
    }
}

fn exchanges<S: Read + Write>(mut stream: BufReader<S>, handler: &Arc<Handler>, kept: &Kept) -> io::Result<()> {
    while let Some(request) = read(&mut stream)? {
        kept.requests.lock().unwrap().push(request.clone());
        let response = handler(&request);
        let mut head = format!("HTTP/1.1 {} Answer\r\ncontent-length: {}\r\n", response.status, response.body.len());
        for (name, value) in &response.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let body = if request.method == "HEAD" { &[][..] } else { &response.body };
        stream.get_mut().write_all(&[head.as_bytes(), b"\r\n", body].concat())?;
        stream.get_mut().flush()?;
    }
    Ok(())
}

/// The next request; `None` once the client has nothing more to say.
fn read(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request { method, target, headers, body: Vec::new(), at: Instant::now() };
    if request.header("transfer-encoding").is_some() {
        request.body = chunks(stream)?;
    } else if let Some(length) = request.header("content-length") {
        request.body = vec![0; length.parse().map_err(io::Error::other)?];
        stream.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

pub(super) fn chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
