//! Long bodies: what is held is bounded, and their length is not.

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{DataFormat, MZFlush};

use super::*;

/// Far more than may be held at once.
const LONG: u64 = 5 << 28;
/// The most that is held while it passes.
const HELD: u64 = 20 << 20;

/// Something that does not compress well.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x3f
    };
    (0..length).map(step).collect()
}

/// Pieces of one deflate stream that may be repeated any number of times.
fn deflated(text: &[u8]) -> Vec<u8> {
    let flags = create_comp_flags_from_zip_params(1, DataFormat::Raw.to_window_bits(), 0);
    let mut state = CompressorOxide::new(flags);
    let mut out = vec![0; text.len() + 1024];
    let made = deflate(&mut state, text, &mut out, MZFlush::Full);
    assert_eq!(made.bytes_consumed, text.len());
    out.truncate(made.bytes_written);
    out
}

/// The peak memory of this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Passes a body that unpacks to at least this much, and checks that little of it is held.
fn goes_by(head: &[u8], (piece, times): (&[u8], u64), tail: &[u8]) {
    let before = peak();
    let (mut look, mut made, mut came, mut waited) = (Look::into_answer(&HeaderMap::new()).unwrap(), 0, 0, 0);
    let mut sink = |depth: usize, piece: Piece<'_>| {
        let Piece::Unpacked(bytes) = piece else { return Ok(()) };
        if depth == 1 {
            made += bytes.len() as u64;
        }
        assert!(bytes.len() <= 256 << 10);
        Ok(())
    };
    let mut push = |look: &mut Look, bytes: &[u8]| {
        for chunk in bytes.chunks(64 << 10) {
            look.push(chunk, &mut sink).unwrap();
            came += chunk.len() as u64;
            waited = waited.max(came - look.digested(&|_| 0));
        }
    };
    push(&mut look, head);
    (0..times).for_each(|_| push(&mut look, piece));
    push(&mut look, tail);
    look.finish(&mut sink).unwrap();
    assert!(made >= LONG, "{made}");
    assert!(waited < HELD, "{waited} waited");
    assert!(peak() - before < HELD + (16 << 20), "{} more", peak() - before);
}

#[test]
fn a_long_gzip_goes_by() {
    let text = noise(1 << 20);
    let end = miniz_oxide::deflate::compress_to_vec(b"end", 6);
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    goes_by(&head, (&deflated(&text), LONG >> 20), &[&end[..], &[0; 8]].concat());
}

#[test]
fn a_long_zstd_goes_by_in_one_frame() {
    // A window of 2 MiB, and blocks of 128 KiB that are not packed.
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x58];
    let size: u32 = 128 << 10;
    let block = [&(size << 3).to_le_bytes()[..3], &noise(size as usize)].concat();
    goes_by(&head, (&block.repeat(8), LONG >> 20), &[1, 0, 0]);
}

#[test]
fn a_layer_of_an_image_goes_by() {
    // One long file in a tar.gz: the file's length stands in its header.
    let text = noise(1 << 20);
    let packed = deflated(&text);
    let times = LONG >> 20;
    let mut header = packing::tar(&[("layer", b"")])[..512].to_vec();
    header[124..136].copy_from_slice(format!("{:011o}\0", times << 20).as_bytes());
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let head = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &deflated(&header)].concat();
    let end = miniz_oxide::deflate::compress_to_vec(&[0; 1024], 6);
    goes_by(&head, (&packed, times), &[&end[..], &[0; 8]].concat());
}

#[test]
fn a_window_that_is_too_wide_is_told() {
    let wide = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x70, 1, 0, 0];
    let refused = |bytes: &[u8]| {
        let mut look = Look::into_answer(&HeaderMap::new()).unwrap();
        look.push(bytes, &mut |_, _| Ok(()))
    };
    assert_eq!(refused(&wide), Err(Unreadable::Wide));
    // Empty blocks: they produce nothing and must not wait for ever.
    let look = Look::sniffing();
    let mut filter = watching(b"needle-in-the-haystack").looking(Some(look));
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x58];
    let mut stopped = filter.push(Bytes::copy_from_slice(&head)).err();
    let nothing = Bytes::from([0, 0, 0].repeat(100_000));
    let mut held = 0;
    while stopped.is_none() {
        stopped = filter.push(nothing.clone()).err();
        held = held.max(filter.held());
        assert!(held < HELD as usize, "{held} held");
    }
    assert_eq!(stopped, Some(Stop::Unreadable(Unreadable::Wide)));
}
