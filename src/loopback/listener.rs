//! A listener on one address of this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::exchange::{self, Request};
use super::heard::{Heard, KNOCK};

/// A server's answer: a status and a body.
pub type Answers = Arc<dyn Fn(&Request<'_>) -> (u16, String) + Send + Sync>;

/// A listener, until it is dropped.
pub struct Listener {
    address: SocketAddr,
    heard: Arc<Heard>,
    transport: Transport,
    serving: AbortHandle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl Listener {
    /// Listens for TCP connections: plain ones, or TLS if `tls` is given.
    pub async fn tcp(ip: IpAddr, tls: Option<Arc<ServerConfig>>, answers: Answers) -> io::Result<Self> {
        Self::tcp_at(SocketAddr::new(ip, 0), tls, answers).await
    }

    /// The same on a given port.
    #[expect(clippy::disallowed_methods, reason = "it listens, and answers who asks")]
    pub async fn tcp_at(address: SocketAddr, tls: Option<Arc<ServerConfig>>, answers: Answers) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let (address, heard) = (listener.local_addr()?, Arc::<Heard>::default());
        let serving = tokio::spawn(accept(listener, tls, answers, heard.clone())).abort_handle();
        Ok(Listener { address, heard, transport: Transport::Tcp, serving })
    }

    /// Listens for datagrams; each is treated as a DNS query: names under `knows` resolve to this machine's loopback,
    /// with a TTL of a minute, others get "no such name" (RFC 1035 §4.1.1), so that nobody asks twice.
    #[expect(clippy::disallowed_methods, reason = "it listens, and answers who asks")]
    pub async fn udp(ip: IpAddr, knows: &'static str) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).await?;
        let (address, heard) = (socket.local_addr()?, Arc::<Heard>::default());
        let serving = tokio::spawn(receive(socket, knows, heard.clone())).abort_handle();
        Ok(Listener { address, heard, transport: Transport::Udp, serving })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has received so far.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Probes itself from outside and waits for the probe: then the listener works, and everything that reached it
    /// earlier has been recorded too.
    #[expect(clippy::disallowed_methods, reason = "it knocks at itself")]
    pub async fn fence(&self) -> io::Result<()> {
        let knock = [KNOCK, format!("{:016x}", rand::random::<u64>()).as_bytes()].concat();
        let knocking = async {
            match self.transport {
                Transport::Tcp => {
                    let mut stream = TcpStream::connect(self.address).await?;
                    stream.write_all(&knock).await?;
                    stream.shutdown().await?;
                }
                Transport::Udp => {
                    let any: SocketAddr =
                        if self.address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
                    UdpSocket::bind(any).await?.send_to(&knock, self.address).await?;
                }
            }
            self.heard.until_ours(&knock).await;
            Ok(())
        };
        let silent = || io::Error::new(io::ErrorKind::TimedOut, format!("{} does not hear", self.address));
        tokio::time::timeout(std::time::Duration::from_secs(5), knocking).await.unwrap_or_else(|_| Err(silent()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<Arc<ServerConfig>>, answers: Answers, heard: Arc<Heard>) {
    // Aborted with this task: a connection must not outlive its listener.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = heard.arrived(b"");
        let (tls, heard, answers) = (tls.clone(), heard.clone(), answers.clone());
        connections.spawn(async move {
            let Some(tls) = tls else { return exchange::serve(stream, &heard, number, &answers).await };
            let mut first = [0; 64];
            // A probe is no TLS handshake.
            match stream.peek(&mut first).await {
                Ok(count) if first[..count].starts_with(KNOCK) => heard.add(number, &first[..count]),
                Ok(_) => {
                    if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                        exchange::serve(stream, &heard, number, &answers).await;
                    }
                }
                Err(_) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(socket: UdpSocket, knows: &'static str, heard: Arc<Heard>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        // A rejected answer of ours comes back as an error here, which means nothing.
        let Ok((count, from)) = socket.recv_from(&mut buffer).await else { continue };
        heard.arrived(&buffer[..count]);
        if let Some(answer) = answered(&buffer[..count], knows) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

fn answered(question: &[u8], knows: &str) -> Option<Vec<u8>> {
    let (mut end, mut name) = (12, String::new());
    while *question.get(end)? != 0 {
        let next = end + usize::from(*question.get(end)?) + 1;
        name = format!("{name}.{}", String::from_utf8_lossy(question.get(end + 1..next)?));
        end = next;
    }
    let mut answer = question.get(..end + 5)?.to_vec();
    let address = match question.get(end + 1..end + 3)? {
        [0, 1] => Ipv4Addr::LOCALHOST.octets().to_vec(),
        [0, 28] => Ipv6Addr::LOCALHOST.octets().to_vec(),
        _ => Vec::new(),
    };
    if !knows.is_empty() && !address.is_empty() && name.to_ascii_lowercase().ends_with(&format!(".{knows}")) {
        // A response, recursion available; one question and one answer.
        answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        // A record for the queried name and type, class IN, TTL sixty seconds.
        answer.extend([0xc0, 12, 0, question[end + 2], 0, 1, 0, 0, 0, 60, 0, u8::try_from(address.len()).ok()?]);
        answer.extend(address);
        return Some(answer);
    }
    // NXDOMAIN; one question and nothing else.
    answer[2..12].copy_from_slice(&[0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
    Some(answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "somebody has to come by")]
    async fn listeners_hear_all_that_came_before_a_fence() {
        let answers: Answers = Arc::new(|request| (200, request.target.to_owned()));
        let tls = super::super::Authority::new("test").unwrap().server(&["a.test"]).unwrap();
        for tls in [None, Some(tls)] {
            let listener = Listener::tcp(HERE, tls, answers.clone()).await.unwrap();
            listener.fence().await.unwrap();
            assert_eq!(listener.heard().contacts(), 0);
            let _silent = TcpStream::connect(listener.address()).await.unwrap();
            listener.fence().await.unwrap();
            assert_eq!(listener.heard().contacts(), 1);
        }
        let listener = Listener::udp(HERE, "").await.unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let question = b"\xd0\x0d\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01";
        socket.send_to(question, listener.address()).await.unwrap();
        listener.fence().await.unwrap();
        assert!(listener.heard().holds("test"));
        let mut answer = [0; 64];
        let count = socket.recv(&mut answer).await.unwrap();
        assert_eq!((count, answer[3] & 15), (question.len(), 3));
    }
}
