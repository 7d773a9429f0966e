//! Resolves names as the owner configured: fixed addresses from `[upstream.hosts]`, then `/etc/hosts`, then the
//! system's resolver or the configured one, by plain DNS or over HTTPS. If that one fails, no other is asked.
//!
//! What it is not: a judge. Which addresses may be dialled is for the permit to decide.

use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::{Resolver as Dns, ResolverBuilder};
use policies::HostName;
use proxy::ports::{NewResolver, Pending, Resolved, Resolver, Unresolved};
use rustls::ClientConfig;
use rustls::client::Resumption;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config;
use connecting::Connecting;
use hosts::Hosts;

mod connecting;
mod hosts;

/// The longest reason for a resolver's failure, in characters.
const LONGEST: usize = 200;

/// The resolver port, as configured.
pub struct Names {
    fixed: BTreeMap<HostName, Resolved>,
    hosts: Hosts,
    dns: Result<Dns<Connecting>, String>,
}

impl Names {
    /// One for all doors. Wrong on purpose: for the drill.
    pub fn of_all_doors(upstream: &config::Upstream, tls: &ClientConfig) -> NewResolver {
        let shared = Arc::new(Names::new(upstream, tls));
        Arc::new(move || shared.clone())
    }

    /// One per door, with its own connections and cache.
    pub fn of_each_door(upstream: config::Upstream, tls: &Arc<ClientConfig>) -> NewResolver {
        let tls = tls.clone();
        Arc::new(move || Arc::new(Names::new(&upstream, &tls)))
    }

    /// Sets up the resolver. A failure to do so is reported when it is needed: fixed names work without it. `tls` says
    /// which certificates are trusted.
    pub fn new(upstream: &config::Upstream, tls: &ClientConfig) -> Self {
        let pinned = |(name, pinned): (&HostName, &config::Pinned)| {
            (name.clone(), Resolved { ip: pinned.ip, port: pinned.port })
        };
        let fixed = upstream.hosts.iter().map(pinned).collect();
        Names { fixed, hosts: Hosts::default(), dns: dns(&upstream.resolver, tls) }
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Pending<'a, Result<Vec<Resolved>, Unresolved>> {
        Box::pin(async move {
            if let Some(fixed) = self.fixed.get(name) {
                return Ok(vec![*fixed]);
            }
            // The file's answer is complete: nobody else learns the name, and nobody adds addresses.
            if let Some(known) = self.hosts.addresses(name.as_str()).map_err(Unresolved)? {
                return Ok(known.into_iter().map(|ip| Resolved { ip, port: None }).collect());
            }
            let dns = self.dns.as_ref().map_err(|why| Unresolved(why.clone()))?;
            // The trailing dot keeps search domains out: `a` would become `a.example.com`.
            let found = dns.lookup_ip(format!("{name}.")).await.map_err(|error| Unresolved(in_words(&error)))?;
            Ok(found.iter().map(|ip| Resolved { ip, port: None }).collect())
        })
    }
}

fn dns(server: &config::Resolver, tls: &ClientConfig) -> Result<Dns<Connecting>, String> {
    let mut builder = match server {
        config::Resolver::System => Dns::builder(Connecting::default()).map_err(|error| {
            unusable("the system's resolver configuration cannot be used; set [upstream] resolver", &error)
        })?,
        config::Resolver::Server(address) => {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            udp.port = address.port();
            tcp.port = address.port();
            only(NameServerConfig::new(address.ip(), true, vec![udp, tcp]))
        }
        config::Resolver::Https(server) => {
            let (name, path) = (server.host.to_string(), server.path.as_str());
            let mut https = ConnectionConfig::https(name.into(), Some(path.into()));
            https.port = server.address.port();
            // RFC 8484 wants HTTP/2, and the library speaks nothing else.
            let mut tls = tls.clone();
            tls.alpn_protocols = vec![b"h2".to_vec()];
            // What one door did before, no other resumes.
            tls.resumption = Resumption::in_memory_sessions(4);
            only(NameServerConfig::new(server.address.ip(), true, vec![https])).with_tls_config(tls)
        }
    };
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // The library looks there per record type, and would ask the network for the other type.
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(|error| unusable("the resolver cannot be set up", &error))
}

/// What agents are told; the daemon's log has the reason, which names files of the host.
fn unusable(told: &str, error: &NetError) -> String {
    tracing::error!(%error, "No name can be resolved: {told}");
    told.to_owned()
}

fn only(server: NameServerConfig) -> ResolverBuilder<Connecting> {
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    Dns::builder_with_config(config, Connecting::default())
}

/// What agents and the log are told. A server may answer with a whole page of HTML: one line is enough.
fn in_words(error: &NetError) -> String {
    if error.is_no_records_found() {
        return "no such name".to_owned();
    }
    let text = error.to_string();
    let line: String = text.lines().next().unwrap_or_default().chars().take(LONGEST).collect();
    format!("the resolver gives no answer: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_page_of_html_one_short_line_is_told() {
        let told = in_words(&NetError::from(format!("http unsuccessful code: 503\n<p>{}", "x".repeat(60_000))));
        assert_eq!(told, "the resolver gives no answer: http unsuccessful code: 503");
        let long = in_words(&NetError::from("\u{e9}".repeat(60_000)));
        assert_eq!(long.chars().count(), "the resolver gives no answer: ".len() + LONGEST);
    }

    /// A server that receives queries and never answers, over UDP and TCP.
    #[expect(clippy::disallowed_methods, reason = "a server is what it stands for")]
    fn silent() -> (std::net::UdpSocket, std::net::TcpListener) {
        loop {
            let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = std::net::TcpListener::bind(udp.local_addr().unwrap()) {
                udp.set_nonblocking(true).unwrap();
                tcp.set_nonblocking(true).unwrap();
                return (udp, tcp);
            }
        }
    }

    /// With any resolver, one address family in the file is the whole answer, as in glibc.
    #[tokio::test]
    async fn a_name_in_etc_hosts_is_asked_of_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        std::fs::write(&path, "127.0.0.9 four.home\n::9 six.home\n127.0.0.9 both.home\n::9 both.home\n").unwrap();
        let roots = rustls::RootCertStore::empty();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        for over_https in [false, true] {
            let (udp, tcp) = silent();
            let address = udp.local_addr().unwrap();
            let (host, at) = (policies::Host::Ip(address.ip()), policies::Path::parse("/dns-query").unwrap());
            let https = config::HttpsServer { address, host, path: at };
            let server = if over_https { config::Resolver::Https(https) } else { config::Resolver::Server(address) };
            let names = Names { fixed: BTreeMap::new(), hosts: Hosts::at(&path), dns: dns(&server, &tls) };
            for (name, wanted) in
                [("four.home", vec!["127.0.0.9"]), ("six.home", vec!["::9"]), ("both.home", vec!["127.0.0.9", "::9"])]
            {
                let found = names.resolve(&HostName::parse(name).unwrap()).await.unwrap();
                let found: Vec<_> = found.iter().map(|one| one.ip.to_string()).collect();
                assert_eq!(found, wanted);
            }
            assert!(udp.recv(&mut [0; 512]).is_err() && tcp.accept().is_err(), "somebody was asked");
            // A name that is not in the file is asked for.
            let name = HostName::parse("other.home").unwrap();
            let asking = names.resolve(&name);
            let heard = async {
                while udp.recv(&mut [0; 512]).is_err() && tcp.accept().is_err() {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                _ = asking => panic!("nobody answers"),
                () = heard => {}
            }
        }
    }
}
