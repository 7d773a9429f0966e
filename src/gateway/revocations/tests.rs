#![allow(clippy::unwrap_used)]
use std::time::Duration;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn issuer() -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    (Issuer::new(params, key), certificate)
}

fn list(next: SystemTime) -> rcgen::CertificateRevocationList {
    list_of(&issuer().0, next, &[])
}

fn list_of(issuer: &Issuer<'static, KeyPair>, next: SystemTime, numbers: &[u64]) -> rcgen::CertificateRevocationList {
    let taken_back = |number: &u64| RevokedCertParams {
        serial_number: (*number).into(),
        revocation_time: (SystemTime::now() - DAY).into(),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: (SystemTime::now() - 30 * DAY).into(),
        next_update: next.into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: numbers.iter().map(taken_back).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
    .signed_by(issuer)
    .unwrap()
}

fn said(text: &[u8]) -> Result<usize, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lists.pem");
    std::fs::write(&path, text).unwrap();
    read(&[path]).map(|lists| lists.len()).map_err(|error| error.to_string())
}

#[test]
fn a_file_may_hold_several_lists_or_one_in_der() {
    let (one, other) = (list(SystemTime::now() + DAY), list(SystemTime::now() + 40 * 365 * DAY));
    assert_eq!(said(format!("{}{}", one.pem().unwrap(), other.pem().unwrap()).as_bytes()), Ok(2));
    assert_eq!(said(other.der()), Ok(1), "a year from 2050 on is written with four digits");
}

#[test]
fn a_list_that_cannot_be_used_is_an_error_that_names_the_file() {
    let ended = list(SystemTime::now() - DAY).pem().unwrap();
    for (text, wanted) in [
        (ended.as_bytes(), "ended at 20"),
        (b"", "no list of revoked certificates in it"),
        (b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n", "no list of revoked certificates (RFC"),
        (b"\x30\x84\xff\xff\xff\xff", "no list of revoked certificates (RFC"),
        (b"\x30", "no list of revoked certificates (RFC"),
    ] {
        let error = said(text).unwrap_err();
        assert!(error.contains(wanted) && error.contains("lists.pem") && error.starts_with("crl: "), "{error}");
    }
    let missing = read(&["/nowhere/lists.pem".into()]).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/lists.pem") && missing.contains("No such file"), "{missing}");
}

#[test]
fn times_are_read_as_rfc_5280_writes_them() {
    assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
    assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
    assert_eq!(seconds(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
    for wrong in ["", "49", "491231235959", "491331235959Z", "\u{e9}91231235959Z"] {
        assert_eq!(seconds(UTC_TIME, wrong), None, "{wrong}");
    }
}

/// An issuer, one of its leaves with serial number 7, and a file with its lists.
struct Lists {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    leaf: CertificateDer<'static>,
    files: [PathBuf; 1],
    revocations: Arc<Revocations>,
}

impl Lists {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (issuer, root) = issuer();
        let mut params = CertificateParams::new(vec!["nas.home".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(7));
        let leaf = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone();
        let files = [dir.path().join(".").join("lists.pem")];
        std::fs::write(&files[0], Self::text(&issuer, &[])).unwrap();
        let (_, revocations) = proxy::upstream_tls_with(&[root], &read(&files).unwrap()).unwrap();
        Lists { dir, issuer, leaf, files, revocations }
    }

    fn text(issuer: &Issuer<'static, KeyPair>, numbers: &[u64]) -> String {
        list_of(issuer, SystemTime::now() + DAY, numbers).pem().unwrap()
    }

    fn folders(&self) -> BTreeSet<&Path> {
        self.files.iter().filter_map(|file| file.parent()).collect()
    }

    fn believed(&self) -> bool {
        let name = ServerName::try_from("nas.home").unwrap();
        self.revocations.verify_server_cert(&self.leaf, &[], &name, &[], UnixTime::now()).is_ok()
    }

    fn move_into_place(&self, numbers: &[u64]) {
        std::fs::write(self.dir.path().join("new"), Self::text(&self.issuer, numbers)).unwrap();
        std::fs::rename(self.dir.path().join("new"), &self.files[0]).unwrap();
    }

    fn until_believed(&self, believed: bool) {
        let started = std::time::Instant::now();
        while self.believed() != believed {
            assert!(started.elapsed() < Duration::from_secs(20), "the new list is not taken up");
            std::thread::yield_now();
        }
    }
}

/// Lists expire, so a daemon that runs for weeks reads new ones.
#[test]
fn a_list_that_is_moved_into_place_is_in_force() {
    let lists = Lists::new();
    let _watcher = watch(&lists.files, &lists.revocations).unwrap();
    assert!(lists.believed());
    lists.move_into_place(&[7]);
    lists.until_believed(false);
    std::fs::write(&lists.files[0], "no list").unwrap();
    assert!(!lists.believed(), "what cannot be read changes nothing");
}

/// The same where the system has no watches left.
#[test]
fn a_list_is_taken_up_by_looking_too() {
    let lists = Lists::new();
    let reader = reader(&lists.files, &lists.revocations, is_seen);
    let _watcher = watching(|| looking(Duration::from_millis(20), reader), &lists.folders()).unwrap();
    lists.move_into_place(&[7]);
    lists.until_believed(false);
    lists.move_into_place(&[8]);
    lists.until_believed(true);
    // Gone for a while, and back.
    std::fs::remove_file(&lists.files[0]).unwrap();
    lists.move_into_place(&[7]);
    lists.until_believed(false);
}
