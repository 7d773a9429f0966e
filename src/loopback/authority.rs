//! A certificate authority that lives as long as the tour or the drill.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Signs the certificates of loopback servers. Its key is only in memory.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It could not be signed.
    #[error("a certificate for the servers on this machine could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up with it.
    #[error("TLS for the servers on this machine could not be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Authority {
    /// Makes a new one.
    pub fn new(name: &str) -> Result<Self, AuthorityError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Authority { pem, issuer: Issuer::new(params, key) })
    }

    /// The certificate for `extra_ca`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A TLS server configuration for these names.
    pub fn server(&self, names: &[&str]) -> Result<Arc<ServerConfig>, AuthorityError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        Ok(Arc::new(config))
    }
}
