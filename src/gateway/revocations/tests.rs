#![allow(clippy::unwrap_used)]
use std::time::Duration;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    SerialNumber,
};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn list(next: SystemTime) -> rcgen::CertificateRevocationList {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = Issuer::new(params, KeyPair::generate().unwrap());
    CertificateRevocationListParams {
        this_update: (SystemTime::now() - 30 * DAY).into(),
        next_update: next.into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
    .signed_by(&issuer)
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
