//! Uploads in aws-chunked frames.

use super::*;
use crate::fuzzed::{self, NEEDLE};

const SIGNATURE: &str = ";chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";

fn head(fields: &[(&str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

/// The verdict on a head with a body.
fn sent(fields: &[(&str, &str)], bytes: &[u8]) -> Result<(), Unreadable> {
    let look = Look::declared(&head(fields))?;
    let (out, stopped) = filtered(watching(NEEDLE.as_bytes()).looking(Some(look)).with_lookalikes(), bytes, 7);
    match stopped {
        None => assert_eq!(out, bytes, "as it came"),
        Some(Stop::Unreadable(why)) => return Err(why),
        Some(Stop::Found(finding)) => panic!("{finding}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The second reader is the fuzzer's.
    #[test]
    fn an_upload_in_frames_is_judged_like_the_same_without_them(
        before in vec(any::<u8>(), 0..300), needle in proptest::bool::ANY, packed in 0..3, after in "[ -~]{0,80}",
        lengths in vec(1usize..40, 1..6), signed in proptest::bool::ANY,
    ) {
        let needle = if needle { NEEDLE } else { &NEEDLE[1..] };
        let text = [&before, needle.as_bytes(), after.as_bytes()].concat();
        let text = match packed {
            0 => text,
            1 => packing::gzip(&text),
            _ => packing::gzip(&packing::tar(&[("a", b"harmless"), ("b", &text)])),
        };
        fuzzed::frames(&packing::frames(&text, &lengths, if signed { SIGNATURE } else { "" }));
    }

    #[test]
    fn what_was_damaged_on_the_way_is_judged_as_another_reader_reads_it(
        text in vec(any::<u8>(), 0..60), lengths in vec(1usize..20, 1..4), at in any::<prop::sample::Index>(), by in any::<u8>(),
        cut in proptest::bool::ANY,
    ) {
        let mut bytes = packing::frames(&[&text, NEEDLE.as_bytes()].concat(), &lengths, "");
        let at = at.index(bytes.len());
        bytes[at] = by;
        if cut {
            bytes.truncate(at + 1);
        }
        fuzzed::frames(&bytes);
    }
}

#[test]
fn as_clients_write_them() {
    let boto = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let s3 = [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", "5")];
    assert_eq!(sent(&s3, boto), Ok(()));
    // With signatures, as older clients write them; and in two extra lines, as others do.
    let signed = format!("5{SIGNATURE}\r\nhello\r\n0{SIGNATURE}\r\n");
    let sums = "x-amz-checksum-crc32c:sOO8/Q==";
    let of_sums = format!("x-amz-trailer-signature:{}", &SIGNATURE[17..]);
    for rest in ["\r\n", &format!("{sums}\r\n{of_sums}\r\n\r\n"), &format!("{sums}\n\r\n{of_sums}\r\n\r\n"), ""] {
        assert_eq!(sent(&s3, format!("{signed}{rest}").as_bytes()), Ok(()), "{rest:?}");
    }
    // SigV4A, padded.
    let asymmetric = format!(";chunk-signature={}****", "3045022100abcdef".repeat(8) + &"0".repeat(12));
    assert_eq!(sent(&s3, &packing::frames(b"hello", &[5], &asymmetric)), Ok(()));
    // An empty body, and a length that was not known in advance.
    assert_eq!(
        sent(&[("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", "0")], b"0\r\n\r\n"),
        Ok(())
    );
    assert_eq!(sent(&[("content-encoding", "aws-chunked")], boto), Ok(()));
}

#[test]
fn frames_lie_outermost_wherever_they_are_named() {
    let bytes = packing::packed("gzip, aws-chunked", NEEDLE.as_bytes());
    for coding in ["gzip, aws-chunked", "aws-chunked,gzip", "AWS-Chunked, x-gzip"] {
        let look = Look::declared(&head(&[("content-encoding", coding)])).unwrap();
        let stopped = filtered(watching(NEEDLE.as_bytes()).looking(Some(look)), &bytes, 5).1;
        assert!(matches!(stopped, Some(Stop::Found(_))), "{coding}: {stopped:?}");
        assert_eq!(
            sent(&[("content-encoding", coding)], &packing::gzip(b"hello")),
            Err(Unreadable::Frames),
            "{coding}"
        );
    }
    // Frames count among the codings.
    for coding in ["aws-chunked, gzip, gzip", "aws-chunked, aws-chunked", "aws-chunked, gzip, aws-chunked"] {
        assert_eq!(sent(&[("content-encoding", coding)], b""), Err(Unreadable::Nested), "{coding}");
    }
    assert_eq!(sent(&[("content-encoding", "aws-chunked, lz4")], b""), Err(Unreadable::Unknown("lz4".into())));
    // No host answers in frames: an answer that claims to is unreadable.
    assert!(declared("aws-chunked").is_err());
}

/// S3 reads frames if the body's checksum header says so, whatever the coding says.
#[test]
fn frames_that_only_a_sum_tells_of_are_read_as_well() {
    let cut = packing::frames(NEEDLE.as_bytes(), &[9], SIGNATURE);
    for said in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        let fields = [("x-amz-content-sha256", said)];
        let look = Look::declared(&head(&fields)).unwrap();
        let stopped = filtered(watching(NEEDLE.as_bytes()).looking(Some(look)), &cut, 5).1;
        assert!(matches!(stopped, Some(Stop::Found(_))), "{said}: {stopped:?}");
        assert_eq!(sent(&fields, b"no frames"), Err(Unreadable::Frames), "{said}");
    }
    // Event streams have frames of their own, and a checksum does not announce frames.
    for said in ["STREAMING-AWS4-HMAC-SHA256-EVENTS", "UNSIGNED-PAYLOAD", "e3b0c44298fc1c149afbf4c8996fb924"] {
        assert_eq!(sent(&[("x-amz-content-sha256", said)], b"no frames"), Ok(()), "{said}");
    }
}

#[test]
fn frames_that_are_wrong_are_refused() {
    let promised = |length| [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", length)];
    let hello = b"5\r\nhello\r\n0\r\n\r\n";
    for length in ["4", "6", "0", "", "-5", "+5", "0x5", "5, 5", "five", "99999999999999999999"] {
        assert_eq!(sent(&promised(length), hello), Err(Unreadable::Frames), "{length}");
    }
    let twice = [promised("5").to_vec(), promised("6")[1..].to_vec()].concat();
    assert_eq!(sent(&twice, hello), Err(Unreadable::Frames));

    for bytes in [
        "hello",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0",
        "5\r\nhell",
        "5\r\nhello0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        ";chunk-signature=00\r\nhello\r\n0\r\n\r\n",
        "5;chunk-signature=\r\nhello\r\n0\r\n\r\n",
        "5;chunk-signature=xyz\r\nhello\r\n0\r\n\r\n",
        "5;other=00\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\nmore",
        "5\r\nhello\r\n0\r\nauthorization:Bearer 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-amz-checksum-:1\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-amz-meta-a:1\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:1",
    ] {
        assert_eq!(
            sent(&[("content-encoding", "aws-chunked")], bytes.as_bytes()),
            Err(Unreadable::Frames),
            "{bytes:?}"
        );
    }
    let endless = format!("0\r\n{}", "x-amz-checksum-a:1\r\n".repeat(300));
    assert_eq!(sent(&[("content-encoding", "aws-chunked")], endless.as_bytes()), Err(Unreadable::Frames));
}

#[test]
fn what_is_refused_is_named_with_what_to_do() {
    let told = |coding: &str| {
        let why = Look::declared(&said(coding)).err().unwrap();
        format!("{why}; {}", why.advice())
    };
    for coding in ["snappy", "lz4", "compress", "x-foo"] {
        assert!(told(coding).contains(&format!("its Content-Encoding, {coding}, is")), "{}", told(coding));
        assert!(told(coding).ends_with("send it as it is, or as gzip"), "{}", told(coding));
    }
    for coding in ["UTF-8", "none", "amz-1.0", "iso-8859-1"] {
        assert!(told(coding).contains(&coding.to_ascii_lowercase()) && told(coding).ends_with("leave the header out"));
    }
    assert!(told("red<b>\"'&;%").contains(", redb, is"), "{}", told("red<b>\"'&;%"));
    assert!(Unreadable::Frames.advice().contains("AWS_REQUEST_CHECKSUM_CALCULATION=when_required"));
}
