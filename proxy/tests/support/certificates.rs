//! The test's own web: an authority that issues the upstreams' certificates, and certificates that
//! are wrong in one way each.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
    RevocationReason, RevokedCertParams,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

static TRUSTED: LazyLock<Authority> = LazyLock::new(|| authority("Test web"));
static UNKNOWN: LazyLock<Authority> = LazyLock::new(|| authority("Somebody else"));

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

/// The number of the revoked certificate.
const REVOKED: u64 = 4711;

/// The revocation list of the trusted authority, or of the other one, with its expiry.
pub fn revocations(trusted: bool, until: SystemTime) -> CertificateRevocationListDer<'static> {
    let issuer = if trusted { &TRUSTED.issuer } else { &UNKNOWN.issuer };
    let taken_back = RevokedCertParams {
        serial_number: REVOKED.into(),
        revocation_time: (SystemTime::now() - DAY).into(),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: (SystemTime::now() - 30 * DAY).into(),
        next_update: until.into(),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![taken_back],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).unwrap().into()
}

/// The root that the gateway trusts.
pub fn root() -> CertificateDer<'static> {
    TRUSTED.certificate.clone()
}

/// The server side of TLS. The first label of the requested name says what is wrong with the
/// certificate: `expired`, `future`, `wronghost`, `selfsigned`, `unknownca`, `revoked` (if a list
/// says so); any other gets a good one.
pub fn server(protocol: &[u8]) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName));
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

#[derive(Debug)]
struct ByName;

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // No name is sent for addresses.
        Some(Arc::new(certificate(hello.server_name().unwrap_or("127.0.0.10"))))
    }
}

fn certificate(name: &str) -> CertifiedKey {
    let flaw = name.split('.').next().unwrap_or_default();
    let now = SystemTime::now();
    let (from, until) = match flaw {
        "expired" => (now - 30 * DAY, now - DAY),
        "future" => (now + DAY, now + 30 * DAY),
        _ => (now - DAY, now + DAY),
    };
    let named = if flaw == "wronghost" { "somebody.else.test" } else { name };
    let mut params = CertificateParams::new(vec![named.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (from.into(), until.into());
    if flaw == "revoked" {
        params.serial_number = Some(REVOKED.into());
    }
    let key = KeyPair::generate().unwrap();
    let signed = match flaw {
        "selfsigned" => params.self_signed(&key),
        "unknownca" => params.signed_by(&key, &UNKNOWN.issuer),
        _ => params.signed_by(&key, &TRUSTED.issuer),
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = rustls::crypto::ring::sign::any_ecdsa_type(&key).unwrap();
    CertifiedKey::new(vec![signed.unwrap().der().clone()], key)
}
