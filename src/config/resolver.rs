//! `[upstream] resolver`: which resolver is asked, and its address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use policies::{Authority, Host, HostName, Path};

use super::{Pinned, values};

/// Who resolves names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolver {
    /// The machine's own resolver.
    #[default]
    System,
    /// This server, by plain DNS.
    Server(SocketAddr),
    /// This server, by DNS over HTTPS (RFC 8484).
    Https(HttpsServer),
}

/// A server that is asked over HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsServer {
    /// Its address: nobody else is asked for it.
    pub address: SocketAddr,
    /// The host that its certificate must name.
    pub host: Host,
    /// The path of its queries.
    pub path: Path,
}

/// `system`, `1.1.1.1`, `[2606:4700::1111]:53`, `https://1.1.1.1/dns-query`.
pub(super) fn resolver(text: &str, hosts: &BTreeMap<HostName, Pinned>) -> Result<Resolver, String> {
    if text == "system" {
        return Ok(Resolver::System);
    }
    if let Some(rest) = text.strip_prefix("https://") {
        return over_https(rest, hosts).map(Resolver::Https);
    }
    let pinned = values::address(text).map_err(
        |_| "not a resolver; write \"system\", \"1.1.1.1\", \"192.168.1.1:53\" or \"https://1.1.1.1/dns-query\"",
    )?;
    Ok(Resolver::Server(SocketAddr::new(pinned.ip, pinned.port.unwrap_or(53))))
}

/// Parses the part after `https://`.
fn over_https(text: &str, hosts: &BTreeMap<HostName, Pinned>) -> Result<HttpsServer, String> {
    let wanted = || {
        "not a server of DNS over HTTPS; write it as \"https://1.1.1.1/dns-query\", without user, query or fragment"
            .to_owned()
    };
    let (authority, path) = text.find('/').map_or((text, "/dns-query"), |at| text.split_at(at));
    let Authority { host, port } = Authority::parse(authority, Some(443)).map_err(|_| wanted())?;
    let path = Path::parse(path).ok().filter(Path::is_plain).ok_or_else(wanted)?;
    let address = match &host {
        Host::Ip(ip @ IpAddr::V4(_)) => SocketAddr::new(*ip, port),
        Host::Ip(IpAddr::V6(_)) => {
            return Err("an IPv6 address cannot stand in this URL; write the server's name here, and its address \
                        in [upstream.hosts]"
                .to_owned());
        }
        Host::Name(name) => {
            let pinned = hosts.get(name).ok_or_else(|| {
                format!("nobody else is asked where {name} is; say so in [upstream.hosts]: \"{name}\" = \"192.0.2.53\"")
            })?;
            SocketAddr::new(pinned.ip, pinned.port.unwrap_or(port))
        }
    };
    Ok(HttpsServer { address, host, path })
}
