//! A proxy that lets everything through: what the door must never be. It is behind the socket of a control's door, so
//! that the attack must succeed there.
//!
//! It reaches only this machine: a successful attack ends at a canary.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use policies::HostName;
use proxy::ports::Resolver;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::AbortHandle;

use crate::config;
use crate::resolver::Names;

const LONGEST_HEAD: usize = 64 << 10;

/// The proxy, until it is dropped.
pub(super) struct OpenProxy(AbortHandle);

struct Ways {
    names: Names,
    /// Replacements for addresses that are not on this machine.
    instead: BTreeMap<IpAddr, SocketAddr>,
}

impl OpenProxy {
    /// Replaces whatever listens at the socket.
    #[expect(clippy::disallowed_methods, reason = "the drill's deliberate hole, for its own sandbox")]
    pub(super) fn replace(
        socket: &Path,
        upstream: &config::Upstream,
        instead: BTreeMap<IpAddr, SocketAddr>,
    ) -> io::Result<Self> {
        std::fs::remove_file(socket)?;
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, Permissions::from_mode(0o666))?;
        // Its names are canaries: nothing is dialled over TLS.
        let tls = proxy::upstream_tls(&[]).map_err(io::Error::other)?;
        let ways = Arc::new(Ways { names: Names::new(upstream, &tls), instead });
        Ok(OpenProxy(tokio::spawn(serve(listener, ways)).abort_handle()))
    }
}

impl Drop for OpenProxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(listener: UnixListener, ways: Arc<Ways>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let ways = ways.clone();
        connections.spawn(async move {
            // A failure shows as an attack that did not succeed.
            let _ = relay(stream, &ways).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn relay(mut inner: UnixStream, ways: &Ways) -> io::Result<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if read.len() > LONGEST_HEAD || inner.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method == "CONNECT" {
        let mut outer = ways.dial(target, 443).await?;
        inner.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        outer.write_all(&read[end..]).await?;
        return copy_bidirectional(&mut inner, &mut outer).await.map(drop);
    }
    let authority = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let mut outer = ways.dial(authority, 80).await?;
    outer.write_all(&read).await?;
    copy_bidirectional(&mut inner, &mut outer).await.map(drop)
}

impl Ways {
    #[expect(clippy::disallowed_methods, reason = "the drill's deliberate hole, which ends at its canaries")]
    async fn dial(&self, authority: &str, usual: u16) -> io::Result<TcpStream> {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(usual)),
            _ => (authority, usual),
        };
        let address = self.address(host.trim_matches(['[', ']']), port).await.map_err(io::Error::other)?;
        if !address.ip().to_canonical().is_loopback() {
            return Err(io::Error::other("not on this machine"));
        }
        TcpStream::connect(address).await
    }

    async fn address(&self, host: &str, port: u16) -> Result<SocketAddr, String> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(self.instead.get(&ip).copied().unwrap_or(SocketAddr::new(ip, port)));
        }
        let name = HostName::parse(host).map_err(|error| error.to_string())?;
        let found = self.names.resolve(&name).await.map_err(|error| error.to_string())?;
        let first = found.first().ok_or("no address")?;
        Ok(SocketAddr::new(first.ip, first.port.unwrap_or(port)))
    }
}
