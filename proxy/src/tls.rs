//! The certificate authority that a sandbox trusts, and its leaf certificates.
//!
//! Each sandbox has its own authority, in memory only, with its own leaf cache: a shared one would
//! tell a group, by timing, where others have been.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use policies::Host;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;

use gate::alpn;

/// How long an authority and its leaves are valid: longer than any sandbox lives.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);

/// Clocks inside and outside may differ a little.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// Making the authority or a leaf failed.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Certificate generation.
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS configuration.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The certificate authority of one sandbox, with the leaves it has made.
pub(crate) struct SandboxCa {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all leaves: making a key costs more than signing with one.
    leaf_key: KeyPair,
    leaves: Mutex<Leaves>,
    capacity: usize,
    pace: Duration,
}

/// Bounded: the oldest leaf makes room for the newest.
#[derive(Default)]
struct Leaves {
    by_host: HashMap<Host, Arc<ServerConfig>>,
    order: VecDeque<Host>,
    /// When the leaves requested so far will be made, at the allowed pace.
    done_at: Option<Instant>,
}

impl SandboxCa {
    /// Keeps this many leaves, and makes as many in a burst; from then on one per `pace`.
    pub(crate) fn new(capacity: usize, pace: Duration) -> Result<Self, CaError> {
        let mut params = CertificateParams::default();
        validity(&mut params);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Doorward sandbox authority");
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(SandboxCa { pem, issuer, leaf_key: KeyPair::generate()?, leaves: Mutex::default(), capacity, pace })
    }

    /// The certificate, for the sandbox's bundle. The key never leaves this struct.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// How long a sandbox that keeps asking for new hosts has to wait for this leaf; `None` if that
    /// is longer than allowed. Signing costs the daemon, not the sandbox.
    pub(crate) fn turn(&self, host: &Host, longest: Duration) -> Option<Duration> {
        let (mut leaves, now) = (self.lock(), Instant::now());
        if leaves.by_host.contains_key(host) {
            return Some(Duration::ZERO);
        }
        let done_at = leaves.done_at.map_or(now, |done_at| done_at.max(now)) + self.pace;
        let at_once = self.pace.saturating_mul(u32::try_from(self.capacity).unwrap_or(u32::MAX));
        let wait = done_at.saturating_duration_since(now + at_once);
        (wait <= longest).then(|| {
            leaves.done_at = Some(done_at);
            wait
        })
    }

    /// The server side of TLS for a host, with a leaf minted on demand.
    pub(crate) fn server_config(&self, host: &Host) -> Result<Arc<ServerConfig>, CaError> {
        if let Some(config) = self.lock().by_host.get(host) {
            return Ok(config.clone());
        }
        let config = Arc::new(self.mint(host)?);
        let mut leaves = self.lock();
        if leaves.by_host.insert(host.clone(), config.clone()).is_none() {
            leaves.order.push_back(host.clone());
        }
        if leaves.order.len() > self.capacity
            && let Some(oldest) = leaves.order.pop_front()
        {
            leaves.by_host.remove(&oldest);
        }
        Ok(config)
    }

    fn mint(&self, host: &Host) -> Result<ServerConfig, CaError> {
        let mut params = CertificateParams::default();
        validity(&mut params);
        params.subject_alt_names = alternative_names(host)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.alpn_protocols = alpn();
        config.send_tls13_tickets = 1;
        Ok(config)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Leaves> {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn validity(params: &mut CertificateParams) {
    let now = SystemTime::now();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + VALIDITY).into();
}

/// For an IPv6 address that stands for an IPv4 one, some clients look for the one, some for the other.
fn alternative_names(host: &Host) -> Result<Vec<SanType>, CaError> {
    Ok(match host {
        Host::Name(name) => vec![SanType::DnsName(name.as_str().try_into()?)],
        Host::Ip(ip) if ip.to_canonical() != *ip => {
            vec![SanType::IpAddress(*ip), SanType::IpAddress(ip.to_canonical())]
        }
        Host::Ip(ip) => vec![SanType::IpAddress(*ip)],
    })
}

/// The configuration for a client that offers only protocols we do not speak (`curl -0` offers HTTP/1.0): none is
/// agreed on (RFC 7301 §3.2 allows that too), and what it sends is parsed as HTTP/1.
pub(crate) fn fitting(config: Arc<ServerConfig>, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
    if hello.alpn().is_none_or(|mut offered| offered.any(|one| config.alpn_protocols.iter().any(|ours| ours == one))) {
        return config;
    }
    let mut without = ServerConfig::clone(&config);
    without.alpn_protocols.clear();
    Arc::new(without)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PACE: Duration = Duration::from_secs(3600);

    fn host(name: &str) -> Host {
        Host::parse(name).unwrap()
    }

    #[test]
    fn a_leaf_is_made_once_and_by_one_authority() {
        let (one, other) = (SandboxCa::new(8, PACE).unwrap(), SandboxCa::new(8, PACE).unwrap());
        let leaf = one.server_config(&host("a.test")).unwrap();
        assert!(Arc::ptr_eq(&leaf, &one.server_config(&host("A.TEST.")).unwrap()));
        assert!(!Arc::ptr_eq(&leaf, &one.server_config(&host("b.test")).unwrap()));
        assert!(!Arc::ptr_eq(&leaf, &other.server_config(&host("a.test")).unwrap()), "a cache of its own");
        assert_ne!(one.pem(), other.pem());
    }

    /// Attack M03.
    #[test]
    fn leaves_are_made_at_a_pace() {
        let ca = SandboxCa::new(2, PACE).unwrap();
        let asks = |name: &str| {
            let turn = ca.turn(&host(name), PACE / 2);
            turn.inspect(|_| drop(ca.server_config(&host(name)).unwrap()))
        };
        assert_eq!([asks("1.test"), asks("2.test")], [Some(Duration::ZERO); 2]);
        assert_eq!(asks("3.test"), None, "not before an hour has gone by");
        assert_eq!(asks("2.test"), Some(Duration::ZERO), "one that is there");
        assert!(ca.turn(&host("3.test"), PACE).is_some_and(|wait| wait > PACE / 2), "who waits gets it");
    }

    /// Attack M03.
    #[test]
    fn the_oldest_leaf_makes_room() {
        let ca = SandboxCa::new(2, PACE).unwrap();
        let leaf = |name| ca.server_config(&host(name)).unwrap();
        let kept = || {
            let leaves = ca.lock();
            (leaves.by_host.len(), leaves.order.len())
        };
        let (first, second) = (leaf("1.test"), leaf("2.test"));
        leaf("3.test");
        assert!(Arc::ptr_eq(&second, &leaf("2.test")));
        assert_eq!(kept(), (2, 2));
        assert!(!Arc::ptr_eq(&first, &leaf("1.test")), "made anew");
        assert_eq!(kept(), (2, 2));
    }
}
