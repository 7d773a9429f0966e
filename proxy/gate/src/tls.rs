//! The client side of TLS: whom a door trusts upstream.

use std::sync::Arc;

use rustls::client::{Resumption, VerifierBuilderError};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::{ClientConfig, RootCertStore};

use crate::revocations::Revocations;

/// HTTP/2 in ALPN (RFC 9113 §3.1).
pub const H2: &[u8] = b"h2";

const HTTP1: &[u8] = b"http/1.1";

/// At most this many hosts per door have resumable sessions.
const SESSIONS: usize = 64;

/// TLS towards upstreams cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// TLS configuration.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A revocation list.
    #[error("a revocation list cannot be used: {0}")]
    Revocations(#[from] VerifierBuilderError),
}

/// The client side of TLS of one door.
pub struct DoorTls {
    /// HTTP/2 or HTTP/1.1, as the host prefers.
    pub(crate) any: Arc<ClientConfig>,
    /// For protocols that need HTTP/1.1.
    pub(crate) http1: Arc<ClientConfig>,
}

/// The client side of TLS towards upstreams: the web's roots and the owner's own.
pub fn upstream_tls(extra_roots: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(upstream_tls_with(extra_roots, &[])?.0)
}

/// The same, with revocation lists, which can be replaced later.
pub fn upstream_tls_with(
    extra_roots: &[CertificateDer<'static>],
    lists: &[CertificateRevocationListDer<'static>],
) -> Result<(Arc<ClientConfig>, Arc<Revocations>), TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra_roots {
        roots.add(root.clone())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Revocations::new(Arc::new(roots), provider.clone(), lists)?);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    config.alpn_protocols = alpn();
    Ok((Arc::new(config), verifier))
}

/// The same for one door, with sessions of its own: shared sessions would tell the host that
/// several groups belong together, and tell them, by timing, where others have been.
pub fn of_one_door(shared: &ClientConfig) -> DoorTls {
    let mut any = shared.clone();
    any.resumption = Resumption::in_memory_sessions(SESSIONS);
    let mut http1 = any.clone();
    http1.alpn_protocols = vec![HTTP1.to_vec()];
    DoorTls { any: Arc::new(any), http1: Arc::new(http1) }
}

/// What both ends offer, best first.
pub fn alpn() -> Vec<Vec<u8>> {
    vec![H2.to_vec(), HTTP1.to_vec()]
}
