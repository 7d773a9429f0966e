use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::{Replacement, Scrubber};
use super::{chunks, filtered, scrubbed, watching};

const LOCK_FILE: &str = r#"
    "node_modules/ms": {
      "version": "2.1.3",
      "resolved": "https://registry.example/ms/-/ms-2.1.3.tgz",
      "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==",
"#;
const UUIDS: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6 6BA7B810-9DAD-11D1-80B4-00C04FD430C8\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x06\0\0\0\x5c\x72\xa8\x66";
const SOURCE: &str =
    "let key = std::env::var(\"GITHUB_TOKEN\")?; // AKIAIOSFODNN7EXAMPLE\nprintln!(\"{}%\\n\", 100 & !1);\n";
const URLS: &str = "q=100%25&x=%E4%BD%A0&amp;y=a+b sk-ant-api03- ghp_ github_pat_ eyJhbGciOiJIUzI1NiJ9.e30.\n";

#[test]
fn harmless_data_passes_and_is_not_changed() {
    let values: [&[u8]; 4] = [
        b"sk-ant-api03-R2D2c3poBB8x7f9q0Zz1Yy2Xx3Ww4Vv5Uu6Tt7Ss8Rr9Qq",
        b"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        b"AKIAIOSFODNN8EXAMPLE",
        b"correct horse battery staple",
    ];
    let corpus = [
        LOCK_FILE.as_bytes(),
        UUIDS.as_bytes(),
        PNG,
        SOURCE.as_bytes(),
        URLS.as_bytes(),
        STANDARD.encode(SOURCE.repeat(9)).as_bytes(),
        serde_json::to_string(&[SOURCE, LOCK_FILE, URLS]).unwrap().as_bytes(),
    ]
    .concat()
    .repeat(20);
    let cuts: Vec<usize> = (0..corpus.len()).step_by(1000).collect();
    let list = watching(&values);
    assert_eq!(list.find_all(&corpus), []);
    assert_eq!(filtered(list.filter(), chunks(&corpus, &cuts)), (corpus.clone(), None));
    let secret =
        |value: &&[u8]| Replacement { secret: String::from_utf8_lossy(value).as_ref().into(), surrogate: "s".into() };
    let mut scrubber = Scrubber::new(&values.iter().map(secret).collect::<Vec<_>>());
    assert_eq!(scrubbed(&mut scrubber, chunks(&corpus, &cuts)), corpus);
}
