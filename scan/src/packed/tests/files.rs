//! Files in bodies and in each other: found, or refused.

use std::cell::RefCell;

use http::header::CONTENT_TYPE;

use super::*;

const SECRET: &[u8] = b"needle-in-the-haystack";

fn headers(kind: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())])
}

/// What a look finds at each depth.
fn seen(mut look: Look, bytes: &[u8], size: usize) -> Result<Vec<(usize, Vec<u8>)>, Unreadable> {
    let seen: RefCell<Vec<(usize, Vec<u8>)>> = RefCell::default();
    let sink = &mut |depth: usize, piece: Piece<'_>| {
        let Piece::Unpacked(bytes) = piece else { return Ok(()) };
        let mut seen = seen.borrow_mut();
        match seen.iter_mut().find(|one| one.0 == depth) {
            Some(one) => one.1.extend_from_slice(bytes),
            None => seen.push((depth, bytes.to_vec())),
        }
        Ok(())
    };
    for chunk in bytes.chunks(size) {
        look.push(chunk, sink)?;
        assert!(look.digested(&|_| 0) <= bytes.len() as u64);
    }
    look.finish(sink)?;
    let mut all = seen.into_inner();
    all.sort_by_key(|(depth, _)| *depth);
    Ok(all)
}

fn answer(kind: &str) -> Look {
    Look::into_answer(&headers(kind)).unwrap()
}

fn found(seen: Result<Vec<(usize, Vec<u8>)>, Unreadable>) -> bool {
    seen.is_ok_and(|seen| seen.iter().any(|(_, text)| text.windows(SECRET.len()).any(|part| part == SECRET)))
}

#[test]
fn an_answer_is_looked_into_as_deep_as_it_goes() {
    for (name, bytes) in archives(SECRET) {
        for size in [1, 7, 1000, bytes.len()] {
            let holds = bytes.windows(SECRET.len()).any(|part| part == SECRET);
            assert!(holds || found(seen(answer("application/octet-stream"), &bytes, size)), "{name} by {size}");
        }
    }
    let nested = |levels: usize| (0..levels).fold(SECRET.to_vec(), |inner, _| packing::gzip(&inner));
    assert!(found(seen(answer("a/b"), &nested(super::super::DEEPEST_FILE), 50)));
    for look in [answer("a/b"), Look::sniffing()] {
        assert_eq!(seen(look, &nested(super::super::DEEPEST_FILE + 1), 50), Err(Unreadable::Nested));
    }
}

#[test]
fn what_only_lies_in_a_file_is_not_given_out_again() {
    let text = b"harmless ".repeat(200);
    let boxes = [packing::tar(&[("a", &text)]), packing::ar(&[("a", &text)]), packing::multipart("x", &text), text];
    for bytes in boxes {
        assert_eq!(seen(answer("a/b"), &bytes, 100), Ok(Vec::new()));
    }
}

#[test]
fn the_parts_of_a_form_are_files() {
    for (name, file) in archives(SECRET) {
        let body = packing::multipart("b-o-u", &file);
        for size in [1, 5, 64, body.len()] {
            for kind in ["multipart/form-data; boundary=b-o-u", "multipart/mixed; x=y; boundary=\"b-o-u\"", "a/b"] {
                let holds = body.windows(SECRET.len()).any(|part| part == SECRET);
                assert!(holds || found(seen(answer(kind), &body, size)), "{name} in {kind} by {size}");
                let look = Look::declared(&headers(kind)).unwrap();
                let stopped = filtered(watching(SECRET).looking(Some(look)), &body, size).1;
                assert!(matches!(stopped, Some(Stop::Found(_))), "{name} in {kind} by {size}: {stopped:?}");
            }
        }
    }
    let two = headers("multipart/form-data; boundary=x; boundary=y");
    assert_eq!(Look::declared(&two).err(), Some(Unreadable::Broken), "some take the first, and some the last");
    // A form in a form, and something that only looks like a boundary.
    let inner = packing::multipart("inner", &packing::gzip(SECRET));
    let outer = packing::multipart("x", &inner);
    assert!(found(seen(answer("multipart/mixed; boundary=x"), &outer, 9)));
    let deflated = miniz_oxide::deflate::compress_to_vec(SECRET, 6);
    let fake = [b"\x1f\x8b\x08\x08\0\0\0\0\0\xff\n--xy\n\n\0", &deflated[..], &[0; 8]].concat();
    assert!(found(seen(answer("multipart/mixed; boundary=x"), &packing::multipart("x", &fake), 9)));
    let stored = zip(&[("a", &[b"--x\n\n --x \n\n", SECRET].concat(), Method::Deflated)]);
    assert!(found(seen(answer("multipart/mixed; boundary=x"), &packing::multipart("x", &stored), 3)));
}

/// Some servers read the first content type, others the last.
#[test]
fn of_two_types_none_may_hide_parts() {
    let types = |all: &[&'static str]| -> HeaderMap {
        all.iter().map(|text| (CONTENT_TYPE, HeaderValue::from_static(text))).collect()
    };
    let parts = "multipart/form-data; boundary=b";
    for hidden in [
        &["text/plain", parts][..],
        &[parts, "text/plain"],
        &["multipart/form-data; boundary=a", parts],
        &["text/plain", "application/json", "application/grpc"],
        &["application/connect+proto", ""],
    ] {
        assert!(Look::declared(&types(hidden)).is_err() && Look::into_answer(&types(hidden)).is_err(), "{hidden:?}");
    }
    for read in [&[][..], &[parts], &[parts, parts], &["text/html", "text/html; charset=utf-8"]] {
        assert!(Look::declared(&types(read)).is_ok() && Look::into_answer(&types(read)).is_ok(), "{read:?}");
    }
}

#[test]
fn between_the_members_of_a_zip_may_lie_anything() {
    let one = zip(&[("a", b"harmless", Method::Deflated)]);
    let two = zip(&[("b", SECRET, Method::Deflated)]);
    // Another one after the first, bytes before the directory (like Android's signature), a folder.
    let at = one.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    // Stored without a length, as Go's library does; and one that is damaged before it.
    let mut loose = zip(&[("b", &packing::gzip(SECRET), Method::Stored)]);
    loose[6] = 8;
    loose[18..26].fill(0);
    let mut damaged = one.clone();
    damaged[31] = 0xff;
    let signed = [&one[..at], b"APK Sig Block 42 PKPK\x03", &two, &one[at..]].concat();
    let folder = zip(&[("d/", b"", Method::Stored), ("b", SECRET, Method::Streamed)]);
    for bytes in [[&one[..], &two].concat(), signed, folder, loose, [damaged, two.clone()].concat()] {
        for size in 1..20 {
            assert!(found(seen(answer("application/zip"), &bytes, size)));
        }
    }
}

#[test]
fn a_file_that_nobody_can_read_is_told_of_an_answer() {
    let encrypted = zip(&[("a", b"harmless", Method::Encrypted)]);
    let refused = |bytes: &[u8]| seen(answer("a/b"), bytes, 7).err();
    assert_eq!(refused(&encrypted), Some(Unreadable::Encrypted));
    assert_eq!(refused(&packing::gzip(&packing::tar(&[("a", &encrypted)]))), Some(Unreadable::Encrypted));
    assert_eq!(refused(&packing::pdf(&SECRET.repeat(9), true)), Some(Unreadable::Encrypted));
    for sign in [
        &b"7z\xbc\xaf\x27\x1c\0\x04 more of it"[..],
        b"Rar!\x1a\x07\x01\0 more of it",
        b"\x04\x22\x4d\x18 more of it",
        b"LZIP\x01 more of it",
        b"\x1f\x9d\x90 more of it",
        b"MSCF\0\0\0\0 more of it",
        b"hsqs\x07\0\0\0 more of it",
        b"xar!\0\x1c\0\x01 more of it",
        b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0 more of it",
        b"\x5d\0\0\x80\0\x07\x02\0\0\0\0\0\0\0 more of it",
        b"\x02\0\0\x18\0\xff\xff\xff\xff\xff\xff\xff\xff\0 more of it",
    ] {
        assert!(matches!(refused(sign), Some(Unreadable::Kind(_))), "{sign:?}");
        assert!(matches!(refused(&packing::gzip(sign)), Some(Unreadable::Kind(_))), "{sign:?}");
        // A sandbox may send what it packed itself.
        assert_eq!(filtered(watching(SECRET), sign, 3), (sign.to_vec(), None));
    }
    for kind in ["application/x-7z-compressed", "Application/X-Brotli; a=b", "application/vnd.rar"] {
        assert!(matches!(Look::into_answer(&headers(kind)), Err(Unreadable::Kind(_))), "{kind}");
    }
    // Damaged within a file: as much is seen as any reader sees.
    let half = &packing::gzip(&SECRET.repeat(9))[..30];
    assert_eq!((refused(half), refused(&packing::tar(&[("a", half)]))), (Some(Unreadable::Broken), None));
    // Damaged or truncated.
    for (name, bytes) in archives(&SECRET.repeat(30)) {
        if matches!(name, "gzip" | "zstd" | "bzip2" | "xz" | "tar.gz") {
            assert!(refused(&bytes[..bytes.len() / 2]).is_some(), "{name}");
        }
    }
}

/// Bytes before a file take nothing from the search in it, packed or not.
#[test]
fn disguises_are_looked_for_in_the_first_mebibyte_of_each_file() {
    let long = b"a line of a log\n".repeat(80_000);
    let text = String::from_utf8(SECRET.to_vec()).unwrap();
    let spaced: String = text.chars().flat_map(|letter| [letter, ' ']).collect();
    let spaced = format!("\n{spaced}\n");
    let disguised = spaced.as_bytes();
    let head = b"--b\r\nContent-A: b\r\n\r\n";
    let parts = [&head[..], &long, b"\r\n", head, disguised, b"\r\n--b--\r\n"].concat();
    let files = [("a", &*long), ("b", disguised)];
    let zips = [Method::Stored, Method::Deflated].map(|way| zip(&files.map(|(name, text)| (name, text, way))));
    let tar = packing::tar(&files);
    let bodies = [parts, packing::gzip(&zips[0]), packing::gzip(&tar), tar].into_iter().chain(zips);
    for (n, body) in bodies.enumerate() {
        for size in [body.len(), 50_000] {
            let stopped = filtered(watching(SECRET), &body, size).1;
            assert!(matches!(stopped, Some(Stop::Found(_))), "{n} by {size}: {stopped:?}");
        }
    }
}

/// In the form that self-extracting programs write and readers accept.
#[test]
fn what_is_packed_behind_other_bytes_is_looked_into() {
    let script = format!("#!/bin/sh\nexec java -jar $0 {}\n", "# and more\n".repeat(1000));
    let before: [&[u8]; 8] = [
        b"\n",
        b"\xef\xbb\xbf",
        b" \r\n\r\n",
        b"#!/usr/bin/env python3\n",
        b"Cr24\x03\0\0\0\x04\0\0\0abcd",
        b"\xff\xd8\xff\xe0 a picture \xff\xd9",
        b"a PK\x03\x04 and no header; \x1f\x8b\x08\xff no gzip; ",
        script.as_bytes(),
    ];
    let text = [&b"harmless ".repeat(80)[..], SECRET].concat();
    for (name, bytes) in archives(&text)
        .into_iter()
        .filter(|(name, _)| !name.contains("tar") && (name.starts_with("zip") || name.starts_with("gzip")))
    {
        for before in before {
            let bytes = [before, &bytes[..]].concat();
            let holds = bytes.windows(SECRET.len()).any(|part| part == SECRET);
            for size in [1, 7, 600, bytes.len()] {
                assert!(holds || found(seen(answer("a/b"), &bytes, size)), "{name} behind {} by {size}", before.len());
                let stopped = filtered(watching(SECRET), &bytes, size).1;
                assert!(
                    matches!(stopped, Some(Stop::Found(_))),
                    "{name} behind {} by {size}: {stopped:?}",
                    before.len()
                );
            }
        }
    }
    let pdf = packing::pdf(&text, false);
    for (before, finds) in
        [(vec![b'\n'], true), (b"X: y\r\n\r\n".to_vec(), true), (vec![b' '; 1000], true), (vec![b' '; 1100], false)]
    {
        let length = before.len();
        for size in [1, 100, 5000] {
            assert_eq!(found(seen(answer("a/b"), &[&before[..], &pdf].concat(), size)), finds, "{length} by {size}");
        }
    }
    // This far and no further.
    let far = vec![b' '; 70_000];
    assert!(!found(seen(answer("a/b"), &[far, packing::gzip(&text)].concat(), 5000)));
}

#[test]
fn what_is_no_archive_passes() {
    let noise: Vec<u8> = (0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    for text in [
        &b"x\x9c is how some texts begin"[..],
        b"x^ is how others do",
        b"--hello\nworld",
        b"%PDF-1.4 without a stream, or a stream\nof words",
        b"PK and more",
        b"\x1f\x8b",
        b"",
        b"{\"a\":1}",
        b"xar! is how this text begins",
        b"hsqs is how this one does",
        // Big-endian numbers, and a dictionary of no round size.
        b"\0\0\0\x10\0\0\0\x10\0\0\0\0\0\0\0\0",
        b"\x5d\0\0\x90\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
        b"GIF89a \0\0",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        &noise,
        &[0; 1024],
    ] {
        for size in [1, 100, 4000] {
            assert!(seen(answer("a/b"), text, size).is_ok(), "{text:?}");
            assert_eq!(filtered(watching(SECRET), text, size), (text.to_vec(), None));
        }
    }
    // Zeros after a gzip file, and tape padding after a tar.
    let padded = [packing::gzip(b"x"), vec![0; 600], packing::gzip(SECRET), b"rest".to_vec()].concat();
    assert!(found(seen(answer("a/b"), &padded, 50)));
}

#[test]
fn a_compressed_message_is_told() {
    let frame = |flag: u8, text: &[u8]| [&[flag], &(text.len() as u32).to_be_bytes()[..], text].concat();
    let plain = [frame(0, b"one"), frame(0, b""), frame(0x80, b"grpc-status: 0\r\n")].concat();
    let packed = [frame(0, b"one"), frame(1, &packing::gzip(SECRET))].concat();
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc-web", "application/connect+json"] {
        for size in [1, 4, 100] {
            assert_eq!(seen(answer(kind), &plain, size), Ok(Vec::new()), "{kind}");
            assert_eq!(seen(answer(kind), &packed, size), Err(Unreadable::Message), "{kind}");
            let up = |bytes: &[u8]| {
                let look = Look::declared(&headers(kind)).unwrap();
                filtered(watching(SECRET).looking(Some(look)), bytes, size).1
            };
            assert_eq!((up(&plain), up(&packed)), (None, Some(Stop::Unreadable(Unreadable::Message))));
        }
    }
    let text = |bytes: &[u8]| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes()
    };
    let kind = "application/grpc-web-text+proto";
    assert_eq!(seen(answer(kind), &text(&plain), 3), Ok(Vec::new()));
    assert_eq!(seen(answer(kind), &text(&packed), 3), Err(Unreadable::Message));
    let said = HeaderMap::from_iter([("connect-content-encoding".parse().unwrap(), HeaderValue::from_static("gzip"))]);
    assert_eq!(Unpacker::declared(&said).err(), Some(Unreadable::Message));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However it is cut, the same is seen; a damaged file ends the look.
    #[test]
    fn cuts_change_nothing(text in vec(any::<u8>(), 0..3000), size in 1usize..700, flip in any::<usize>()) {
        for (name, bytes) in archives(&text) {
            let at_once = seen(answer("a/b"), &bytes, bytes.len());
            prop_assert!(at_once.is_ok() && at_once == seen(answer("a/b"), &bytes, size), "{}", name);
            let mut damaged = bytes;
            let at = flip % damaged.len();
            damaged[at] ^= 1 << (flip % 8);
            let _ = seen(answer("a/b"), &damaged, size);
        }
    }

    /// Nothing that anybody could still unpack passes unseen.
    #[test]
    fn what_comes_before_the_damage_is_seen(noise in vec(any::<u8>(), 3000..60_000), cut in 1usize..200, size in 1usize..5000) {
        let text = [SECRET, &noise[..]].concat();
        let packed = [packing::gzip(&text), packing::zlib(&text), packing::zstd(&text), packing::xz(&text)];
        for (n, whole) in packed.iter().enumerate() {
            let mut damaged = whole.clone();
            let at = damaged.len() - cut;
            damaged[at] ^= 0xff;
            for bytes in [&damaged[..], &whole[..at]] {
                let stopped = filtered(watching(SECRET), bytes, size).1;
                prop_assert!(matches!(stopped, Some(Stop::Found(_))), "{n}: {stopped:?}");
            }
        }
    }
}
