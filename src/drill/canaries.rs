//! The canaries: listeners on this machine that must receive not one byte.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use containers::Network;

use crate::loopback::{Answers, Authority, AuthorityError, Listener};

/// Which canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Ear {
    // At the address where a sandbox with a network would reach this machine.
    Tcp,
    Udp,
    Tcp6,
    Dns,
    DnsTcp,
    // On loopback, under names below drill.test.
    Open,
    Keyed,
    Shut,
    Inside,
    Plain,
    Ssh,
    Relay,
    // On loopback, by address.
    Loopback,
    Metadata,
}

/// The names that resolve to a canary.
const NAMES: [(&str, Ear); 7] = [
    ("open.drill.test", Ear::Open),
    ("keyed.drill.test", Ear::Keyed),
    ("shut.drill.test", Ear::Shut),
    ("inside.drill.test", Ear::Inside),
    ("plain.drill.test", Ear::Plain),
    ("ssh.drill.test", Ear::Ssh),
    ("relay.drill.test", Ear::Relay),
];

/// Names that the DNS canary resolves: to this machine.
const KNOWN: &str = "names.drill.test";

pub(super) struct Canaries {
    host: IpAddr,
    listeners: BTreeMap<Ear, Listener>,
}

/// Why a canary could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// It cannot listen.
    #[error("the canary {0:?} cannot listen on this machine: {1}")]
    Listen(Ear, io::Error),
    /// It listens but does not receive.
    #[error("the canary {0:?} does not hear what is sent to it: {1}")]
    Deaf(Ear, io::Error),
    /// Its certificate cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// This machine has no address that a sandbox with a network would reach.
    #[error("this machine has no address that a sandbox with a network could reach: {0}")]
    NoAddress(io::Error),
}

impl Canaries {
    /// Opens all of them, and checks that each one receives.
    pub(super) async fn open(authority: &Authority, network: &Network) -> Result<Self, CanaryError> {
        let host = reachable(network).map_err(CanaryError::NoAddress)?;
        let answers: Answers = Arc::new(|_| (200, "canary\n".to_owned()));
        let mut listeners = BTreeMap::new();
        for (ear, knows) in [(Ear::Udp, ""), (Ear::Dns, KNOWN)] {
            listeners.insert(ear, Listener::udp(host, knows).await.map_err(|error| CanaryError::Listen(ear, error))?);
        }
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut places = vec![(Ear::Tcp, host), (Ear::DnsTcp, host)];
        if network.gateway6.is_some() {
            // The bridge's own address can only be bound once it is in use.
            places.push((Ear::Tcp6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        }
        let local = [
            Ear::Open,
            Ear::Keyed,
            Ear::Shut,
            Ear::Inside,
            Ear::Plain,
            Ear::Ssh,
            Ear::Relay,
            Ear::Loopback,
            Ear::Metadata,
        ];
        for (ear, ip) in places.into_iter().chain(local.map(|ear| (ear, here))) {
            let tls = match NAMES.iter().find(|(_, named)| *named == ear) {
                Some((name, Ear::Open | Ear::Keyed | Ear::Shut | Ear::Inside)) => Some(authority.server(&[name])?),
                _ => None,
            };
            let listener = Listener::tcp(ip, tls, answers.clone()).await;
            listeners.insert(ear, listener.map_err(|error| CanaryError::Listen(ear, error))?);
        }
        let canaries = Canaries { host, listeners };
        for (ear, listener) in &canaries.listeners {
            listener.fence().await.map_err(|error| CanaryError::Deaf(*ear, error))?;
        }
        Ok(canaries)
    }

    /// The canary of this name; `None` if the machine lacks what it needs (IPv6).
    pub(super) fn get(&self, ear: Ear) -> Option<&Listener> {
        self.listeners.get(&ear)
    }

    /// The address at which a sandbox with a network would reach this machine.
    pub(super) fn host(&self) -> IpAddr {
        self.host
    }

    /// For `[upstream.hosts]`.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        NAMES.iter().filter_map(|(name, ear)| Some((*name, self.get(*ear)?.address())))
    }

    /// How many canaries there are.
    pub(super) fn count(&self) -> usize {
        self.listeners.keys().collect::<BTreeSet<_>>().len()
    }
}

/// The host's end of the network, or, if that is inside a rootless engine, the address from which this machine sends to
/// elsewhere (nothing is sent to find out).
#[expect(clippy::disallowed_methods, reason = "the drill looks which address the machine has; nothing is sent")]
fn reachable(network: &Network) -> io::Result<IpAddr> {
    if UdpSocket::bind((network.gateway, 0)).is_ok() {
        return Ok(network.gateway.into());
    }
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    Ok(socket.local_addr()?.ip())
}

/// How many echo requests this machine's kernel has received.
pub(super) fn echoes() -> io::Result<u64> {
    let table = std::fs::read_to_string("/proc/net/snmp")?;
    let mut rows = table.lines().filter_map(|line| line.strip_prefix("Icmp: "));
    let (names, values) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
    let column = names.split(' ').position(|name| name == "InEchos");
    let value = column.and_then(|column| values.split(' ').nth(column)?.parse().ok());
    value.ok_or_else(|| io::Error::other("/proc/net/snmp does not count echo requests"))
}
