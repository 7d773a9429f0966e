//! Certificates that their issuers have revoked: checked against the lists that the owner gives
//! (`[upstream] crl`), each valid for its own issuer's certificates.
//!
//! What it is not: an online check. No list is fetched and no responder (OCSP) is asked, which
//! would tell a stranger where a sandbox goes. An issuer without a list here is trusted until its
//! certificate ends.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The lists in force; they may be replaced while doors are open.
#[derive(Debug)]
pub struct Revocations {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    verifier: ArcSwap<WebPkiServerVerifier>,
}

impl Revocations {
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
        lists: &[CertificateRevocationListDer<'static>],
    ) -> Result<Self, VerifierBuilderError> {
        let verifier = ArcSwap::new(verifier(&roots, &provider, lists)?);
        Ok(Revocations { roots, provider, verifier })
    }

    /// Replaces all lists by these. If one cannot be read, the previous lists stay.
    pub fn replace(&self, lists: &[CertificateRevocationListDer<'static>]) -> Result<(), VerifierBuilderError> {
        self.verifier.store(verifier(&self.roots, &self.provider, lists)?);
        Ok(())
    }
}

/// A certificate without a list has unknown status and passes: most of the web has none here. An
/// expired list says nothing about today, so the certificates under it are refused.
fn verifier(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    lists: &[CertificateRevocationListDer<'static>],
) -> Result<Arc<WebPkiServerVerifier>, VerifierBuilderError> {
    WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
        .with_crls(lists.iter().cloned())
        .allow_unknown_revocation_status()
        .enforce_revocation_expiration()
        .build()
}

impl ServerCertVerifier for Revocations {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.load().verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.load().verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.load().verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.load().supported_verify_schemes()
    }
}
