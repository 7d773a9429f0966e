#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "../../tests/support/packing.rs"]
mod packing;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use packing::{CODINGS, Method, packed, zip};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Look, Piece, Unpacker, Unreadable};
use crate::{LeakFilter, Stop, Watched, WatchedKind, Watchlist};

mod files;
mod frames;
mod streams;

fn said(coding: &str) -> HeaderMap {
    let coding = coding.split(", without").next().unwrap();
    HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap())])
}

fn declared(coding: &str) -> Result<Option<Unpacker>, Unreadable> {
    Unpacker::declared(&said(coding))
}

fn look(coding: &str) -> Option<Look> {
    Some(Look::declared(&said(coding)).unwrap())
}

fn unpacked(mut unpacker: Unpacker, bytes: &[u8], size: usize) -> Result<Vec<u8>, Unreadable> {
    let mut out = Vec::new();
    for chunk in bytes.chunks(size) {
        out.extend(unpacker.push(chunk)?);
    }
    out.extend(unpacker.finish()?);
    Ok(out)
}

/// What a filter lets out, and what stopped it. The rest is held: nothing is lost on the way.
fn filtered(mut filter: LeakFilter, bytes: &[u8], size: usize) -> (Vec<u8>, Option<Stop>) {
    let (mut out, mut came) = (Vec::new(), 0);
    for chunk in bytes.chunks(size) {
        came += chunk.len();
        match filter.push(Bytes::copy_from_slice(chunk)) {
            Ok(bytes) => out.extend(bytes.unwrap_or_default()),
            Err(stop) => return (out, Some(stop)),
        }
        assert_eq!(out.len() + filter.held(), came);
    }
    match filter.finish() {
        Ok(bytes) => out.extend(bytes.unwrap_or_default()),
        Err(stop) => return (out, Some(stop)),
    }
    (out, None)
}

fn watching(value: &[u8]) -> LeakFilter {
    let what = WatchedKind::Secret { credential: "bank".into() };
    let list = Watchlist::build([Watched { what, value: value.to_vec().into() }]).unwrap();
    std::sync::Arc::new(list).filter()
}

/// Archives that only their first bytes reveal.
fn archives(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", packing::gzip(text)),
        ("zstd", packing::zstd(text)),
        ("zlib", packing::zlib(text)),
        ("bzip2", packing::bzip2(text)),
        ("xz", packing::xz(text)),
        ("pdf", packing::pdf(text, false)),
        (
            "deb",
            packing::ar(&[("debian-binary", b"2.0\n"), ("data.tar.xz", &packing::xz(&packing::tar(&[("a", text)])))]),
        ),
        ("gzip in gzip", packing::gzip(&packing::gzip(text))),
        ("zip in zip", zip(&[("a", &zip(&[("b", text, Method::Deflated)]), Method::Stored)])),
        ("tar.gz", packing::gzip(&packing::tar(&[("a", b"harmless"), ("b", text)]))),
        ("zip in tar.zst", packing::zstd(&packing::tar(&[("a", &zip(&[("b", text, Method::Streamed)]))]))),
        ("gzip in tar", packing::tar(&[("empty", b""), ("a", &packing::gzip(text))])),
        ("form", packing::multipart("x", &packing::gzip(text))),
        (
            "zip",
            zip(&[("a", b"harmless", Method::Stored), ("empty", b"", Method::Stored), ("b", text, Method::Deflated)]),
        ),
        ("zip, streamed", zip(&[("a", b"harmless", Method::Streamed), ("b", text, Method::Streamed)])),
        ("zip, stored", zip(&[("a", b"harmless", Method::Deflated), ("b", text, Method::Stored)])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_packed_is_unpacked(text in vec(any::<u8>(), 0..3000), times in 1usize..40, size in 1usize..5000) {
        let text = text.repeat(times);
        for coding in CODINGS {
            let unpacker = declared(coding).unwrap().unwrap();
            let out = unpacked(unpacker, &packed(coding, &text), size);
            prop_assert!(out.as_ref() == Ok(&text), "{coding}: {:?}", out.map(|out| out.len()));
        }
    }

    #[test]
    fn a_value_is_found_in_whatever_it_is_packed(
        value in "[!-~]{8,60}", before in vec(any::<u8>(), 0..20_000), after in vec(any::<u8>(), 0..3000),
        size in 1usize..5000,
    ) {
        let text = [&before, value.as_bytes(), &after].concat();
        let codings = CODINGS.map(|coding| (coding, packed(coding, &text), look(coding)));
        let archives = archives(&text).into_iter().map(|(name, bytes)| (name, bytes, None));
        for (name, bytes, look) in codings.into_iter().chain(archives) {
            let (out, stopped) = filtered(watching(value.as_bytes()).looking(look), &bytes, size);
            prop_assert!(matches!(stopped, Some(Stop::Found(_))), "{name}: {stopped:?}");
            prop_assert!(bytes.starts_with(&out) && out.len() < bytes.len(), "{name} went out");
        }
    }

    #[test]
    fn what_holds_nothing_goes_out_as_it_came(text in vec(any::<u8>(), 0..20_000), size in 1usize..5000) {
        let codings = CODINGS.map(|coding| (coding, packed(coding, &text), look(coding)));
        let archives = archives(&text).into_iter().map(|(name, bytes)| (name, bytes, None));
        for (name, bytes, look) in codings.into_iter().chain(archives) {
            let sent = filtered(watching(b"needle-in-the-haystack").looking(look), &bytes, size);
            prop_assert_eq!(sent, (bytes, None), "{}", name);
        }
    }

    #[test]
    fn any_bytes_at_all_come_to_an_end(bytes in vec(any::<u8>(), 0..3000), size in 1usize..500, cut in any::<usize>()) {
        for coding in CODINGS {
            let whole = packed(coding, &bytes);
            // Truncated, damaged, and something else entirely.
            let mut damaged = whole.clone();
            let at = cut % damaged.len();
            damaged[at] ^= 1 << (cut % 8);
            for bytes in [&whole[..at], &damaged, &bytes] {
                let _ = unpacked(declared(coding).unwrap().unwrap(), bytes, size);
            }
        }
    }
}

#[test]
fn the_first_bytes_may_come_one_by_one() {
    let value = b"needle-in-the-haystack";
    for (name, bytes) in archives(value) {
        for size in 1..8 {
            assert!(filtered(watching(value), &bytes, size).1.is_some(), "{name} in pieces of {size}");
        }
    }
}

#[test]
fn members_follow_each_other() {
    let bytes = [packing::gzip(b"one "), packing::gzip(b"two")].concat();
    for size in 1..bytes.len() {
        let unpacker = declared("gzip").unwrap().unwrap();
        assert_eq!(unpacked(unpacker, &bytes, size), Ok(b"one two".to_vec()));
    }
    let skipped = [b"\x5a\x2a\x4d\x18\x03\0\0\0abc", &packing::zstd(b"one ")[..], &packing::zstd(b"two")].concat();
    assert_eq!(unpacked(declared("zstd").unwrap().unwrap(), &skipped, 7), Ok(b"one two".to_vec()));
}

#[test]
fn bombs_are_refused_before_they_fill_anything() {
    let zeros = vec![0; 16 << 20];
    for coding in ["gzip", "deflate", "br", "gzip, gzip"] {
        let bytes = packed(coding, &zeros);
        let unpacker = declared(coding).unwrap().unwrap();
        assert_eq!(unpacked(unpacker, &bytes, 16 << 10), Err(Unreadable::Bomb), "{coding}");
    }
    // One frame of blocks that each say "128 KiB of this byte".
    let block = [0x02, 0x00, 0x10, b'x'];
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58][..], &block.repeat(20_000), &[1, 0, 0]].concat();
    assert_eq!(unpacked(declared("zstd").unwrap().unwrap(), &frame, 16 << 10), Err(Unreadable::Bomb));
    // Within the ratio, but too much at once.
    let mut random = 1_u32;
    let noise = (0..900 << 10).map(|_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    });
    let large = packed("deflate", &noise.chain(std::iter::repeat_n(0, 70 << 20)).collect::<Vec<u8>>());
    assert!(large.len() as u64 * super::RATIO > 72 << 20, "it is no bomb by its ratio");
    assert_eq!(unpacked(declared("deflate").unwrap().unwrap(), &large, large.len()), Err(Unreadable::Bomb));
    // Nothing declares it as one, and it is one all the same.
    let (_, stopped) = filtered(watching(b"needle-in-the-haystack"), &packing::gzip(&zeros), 16 << 10);
    assert_eq!(stopped, Some(Stop::Unreadable(Unreadable::Bomb)));
}

#[test]
fn what_cannot_be_looked_into_is_named() {
    let refused = |coding| declared(coding).err();
    assert_eq!(refused("x-foo"), Some(Unreadable::Unknown("x-foo".into())));
    assert_eq!(refused("compress"), Some(Unreadable::Unknown("compress".into())));
    assert_eq!(refused("gzip, x-foo"), Some(Unreadable::Unknown("x-foo".into())));
    assert_eq!(refused("gzip, gzip, gzip"), Some(Unreadable::Nested));
    assert!(declared("identity").unwrap().is_none() && declared("").unwrap().is_none());
    assert!(declared("GZIP, identity").unwrap().is_some());
    let grpc = HeaderMap::from_iter([("grpc-encoding".parse().unwrap(), HeaderValue::from_static("gzip"))]);
    assert_eq!(Unpacker::declared(&grpc).err(), Some(Unreadable::Message));

    for method in [Method::Encrypted, Method::Bzip2] {
        let archive = zip(&[("a", b"harmless", Method::Deflated), ("b", b"hidden", method)]);
        let stopped = filtered(watching(b"needle-in-the-haystack"), &archive, 7).1;
        assert_eq!(stopped, Some(Stop::Unreadable(Unreadable::Encrypted)));
    }
}

#[test]
fn a_declared_coding_that_is_broken_is_refused_and_an_undeclared_one_is_none() {
    let text = b"plain text, and more of it".repeat(20);
    for coding in CODINGS {
        let whole = packed(coding, &text);
        let behind = [&whole[..], b"more"].concat();
        for bytes in [&text[..], &whole[..whole.len() - 1], &behind] {
            let refused = unpacked(declared(coding).unwrap().unwrap(), bytes, 11);
            assert_eq!(refused, Err(Unreadable::Broken), "{coding}");
        }
    }
    let whole = packing::gzip(&text);
    for bytes in [[&whole[..], b"more"].concat(), whole[..40].to_vec(), b"\x1f\x8b\x08 nothing of the kind".to_vec()] {
        assert_eq!(filtered(watching(b"needle-in-the-haystack"), &bytes, 11), (bytes, None));
    }
}
