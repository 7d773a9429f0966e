//! A client that sends raw bytes through a door and reads raw bytes back.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::upstream::{Stream, header};

/// Longer than anything here takes; a test that waits this long fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One connection to a door, or the inside of a tunnel through it.
pub struct Client {
    stream: Box<dyn Stream>,
    ca_pem: String,
    /// Everything that has come back so far.
    pub raw: Vec<u8>,
    read: usize,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: Vec<u8>,
    /// Without chunk framing.
    pub body: Vec<u8>,
    /// Whether it ended according to its framing.
    pub complete: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub async fn connect(socket: &Path, ca_pem: &str) -> Self {
        let stream = UnixStream::connect(socket).await.expect("a door");
        Client { stream: Box::new(stream), ca_pem: ca_pem.to_owned(), raw: Vec::new(), read: 0 }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The door may close while we still send: what counts is its answer.
        let sending = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        let _ = timeout(PATIENCE, sending).await.expect("the door reads or closes");
    }

    /// Writes as much as is accepted; an error if nothing is accepted for `patience`.
    pub async fn write_some(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        timeout(patience, self.stream.write(bytes)).await?
    }

    /// Sends what was written and not sent yet.
    pub async fn flush(&mut self) {
        timeout(PATIENCE, self.stream.flush()).await.expect("the door reads").expect("an open door");
    }

    /// CONNECT, and TLS inside it.
    pub async fn tunnel(self, authority: &str) -> Self {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.trim_end_matches('.').to_owned();
        self.connected(authority).await.tls(&host, true).await.expect("a handshake")
    }

    /// The same, speaking HTTP/2 inside.
    pub async fn tunnel_http2(self, authority: &str) -> Self {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        let (root, client) = (self.root(), self.connected(authority).await);
        client.tls_trusting(root, &host, true, b"h2").await.expect("a handshake")
    }

    /// CONNECT only.
    pub async fn connected(mut self, authority: &str) -> Self {
        self.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await;
        let answer = self.head_answer().await.expect("an answer to CONNECT");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.head));
        self
    }

    fn root(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).expect("a certificate")
    }

    /// TLS over the connection, trusting only the door's authority. `said`: whether the handshake
    /// names the host.
    pub async fn tls(self, host: &str, said: bool) -> io::Result<Self> {
        self.tls_speaking(host, said, b"http/1.1").await
    }

    /// The same, offering one protocol.
    pub async fn tls_speaking(self, host: &str, said: bool, protocol: &[u8]) -> io::Result<Self> {
        let root = self.root();
        self.tls_trusting(root, host, said, protocol).await
    }

    /// The same, trusting another authority and offering one protocol.
    pub async fn tls_trusting(
        self,
        root: CertificateDer<'static>,
        host: &str,
        said: bool,
        protocol: &[u8],
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        config.enable_sni = said;
        let name = server_name(host);
        assert_eq!(self.read, self.raw.len(), "nothing comes before the handshake");
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, self.stream);
        let stream = timeout(PATIENCE, connecting).await.expect("a handshake or its end")?;
        assert_eq!(stream.get_ref().1.alpn_protocol().unwrap_or(protocol), protocol);
        Ok(Client { stream: Box::new(stream), ..self })
    }

    /// The underlying stream, and the bytes that were received but not read.
    pub fn into_parts(mut self) -> (Box<dyn Stream>, Vec<u8>) {
        (self.stream, self.raw.split_off(self.read))
    }

    /// The next answer; `None` if the connection ends before one begins.
    pub async fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.head_answer().await?;
        if answer.status < 200 || matches!(answer.status, 204 | 304) {
            return Some(answer);
        }
        answer.complete = match (answer.header("transfer-encoding"), answer.header("content-length")) {
            (Some(_), _) => self.chunks(&mut answer.body).await,
            (None, Some(length)) => self.exactly(length.parse().unwrap(), &mut answer.body).await,
            (None, None) => {
                while self.fill().await {}
                answer.body.extend_from_slice(&self.raw[self.read..]);
                self.read = self.raw.len();
                true
            }
        };
        Some(answer)
    }

    /// The next answer without a body: to HEAD, or to CONNECT.
    pub async fn head_answer(&mut self) -> Option<Answer> {
        let end = loop {
            let found = self.raw[self.read..].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = found {
                break self.read + end + 4;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head = self.raw[self.read..end].to_vec();
        self.read = end;
        let status = String::from_utf8_lossy(&head).split(' ').nth(1).and_then(|status| status.parse().ok());
        Some(Answer { status: status.expect("a status"), head, body: Vec::new(), complete: true })
    }

    /// One more chunk of a chunked body, or of whatever comes.
    pub async fn some(&mut self) -> Vec<u8> {
        if self.read == self.raw.len() {
            self.fill().await;
        }
        let some = self.raw[self.read..].to_vec();
        self.read = self.raw.len();
        some
    }

    /// Closes the sending side.
    pub async fn half_close(&mut self) {
        let _ = timeout(PATIENCE, self.stream.shutdown()).await.expect("a door that takes the end");
    }

    /// Half-closes, and returns what still arrives until the end.
    pub async fn finish(&mut self) -> Vec<u8> {
        self.half_close().await;
        while self.fill().await {}
        let rest = self.raw[self.read..].to_vec();
        self.read = self.raw.len();
        rest
    }

    /// Chunks of a body that need not end, until they contain this many bytes, and everything else that has arrived.
    pub async fn chunks_of(&mut self, length: usize) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < length || self.read < self.raw.len() {
            let line = self.line().await.expect("one more chunk");
            let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
            assert!(self.exactly(size, &mut body).await && self.line().await.is_some(), "a whole chunk");
        }
        body
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(line) = self.line().await else { return false };
            let size =
                usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).expect("a chunk size");
            if size == 0 {
                // Trailers end with an empty line.
                while self.line().await.is_some_and(|line| !line.is_empty()) {}
                return true;
            }
            if !self.exactly(size, body).await || self.line().await.is_none() {
                return false;
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.raw[self.read..].windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.raw[self.read..self.read + end]).into_owned();
                self.read += end + 2;
                return Some(line);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, length: usize, body: &mut Vec<u8>) -> bool {
        while self.raw.len() - self.read < length {
            if !self.fill().await {
                return false;
            }
        }
        body.extend_from_slice(&self.raw[self.read..self.read + length]);
        self.read += length;
        true
    }

    /// Reads once; `false` at the end, in whatever way it came.
    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        let read = timeout(PATIENCE, self.stream.read(&mut chunk)).await.expect("the door answers or closes");
        let count = read.unwrap_or(0);
        self.raw.extend_from_slice(&chunk[..count]);
        count > 0
    }
}

fn server_name(host: &str) -> ServerName<'static> {
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    match ip {
        Ok(ip) => ServerName::IpAddress(ip.into()),
        Err(_) => ServerName::try_from(host.to_owned()).expect("a name"),
    }
}
