//! Names to addresses, the owner's way: fixed ones from `[upstream.hosts]`, then
//! the system's resolver or the one that the configuration names.
//!
//! What it is not: a judge. Which addresses may be dialled is for the permit to say.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use policies::HostName;
use proxy::ports::{Pending, Resolved, Resolver, Unresolved};
use std::collections::BTreeMap;

use crate::config;

/// The resolver port, as configured.
pub struct Names {
    fixed: BTreeMap<HostName, Resolved>,
    dns: Result<TokioResolver, String>,
}

impl Names {
    /// Sets the resolver up. One that cannot be set up is told when it is needed:
    /// fixed names work without.
    pub fn new(upstream: &config::Upstream) -> Self {
        let pinned = |(name, pinned): (&HostName, &config::Pinned)| {
            (name.clone(), Resolved { ip: pinned.ip, port: pinned.port })
        };
        Names { fixed: upstream.hosts.iter().map(pinned).collect(), dns: dns(upstream.resolver) }
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Pending<'a, Result<Vec<Resolved>, Unresolved>> {
        Box::pin(async move {
            if let Some(fixed) = self.fixed.get(name) {
                return Ok(vec![*fixed]);
            }
            let dns = self.dns.as_ref().map_err(|why| Unresolved(why.clone()))?;
            // The dot keeps search domains out: `a` would become `a.example.com`.
            let found = dns.lookup_ip(format!("{name}.")).await.map_err(|error| Unresolved(in_words(&error)))?;
            Ok(found.iter().map(|ip| Resolved { ip, port: None }).collect())
        })
    }
}

fn dns(server: config::Resolver) -> Result<TokioResolver, String> {
    let mut builder = match server {
        config::Resolver::System => TokioResolver::builder_tokio().map_err(|error| {
            format!("the system's resolver configuration cannot be used ({error}); set [upstream] resolver")
        })?,
        config::Resolver::Server(address) => {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            udp.port = address.port();
            tcp.port = address.port();
            let server = NameServerConfig::new(address.ip(), true, vec![udp, tcp]);
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), vec![server]),
                TokioRuntimeProvider::default(),
            )
        }
    };
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().map_err(|error| format!("the resolver cannot be set up: {error}"))
}

fn in_words(error: &hickory_resolver::net::NetError) -> String {
    if error.is_no_records_found() { "no such name".to_owned() } else { error.to_string() }
}
