//! Forms beyond single escapes: other encodings, invisible and look-alike characters, separators.
//! Each is found and scrubbed, and near misses are not.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Form, Replacement, Scrubber};
use super::encodings::{of_a_key, spelt};
use super::{chunks, filtered, scrubbed, secret, watching};

const KEY: &str = "sk-real1-d3c9Q7pXaK5vT0bW8nZ2eRfJ4mHcY6uG1a8dc";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_key_in_any_form(
        value in "b[a-z]-([A-Z0-9]{2}[a-z]){3,16}", before in "(([a-zA-Z0-9]{1,9}[,.:=\n] ){0,9}[a-zA-Z]{12,20}\n)?", after in "(\n[a-zA-Z]{12,20}[,.:\n]( [a-zA-Z0-9]{1,9}[,.:=\n]){0,9})?",
        cuts in vec(any::<usize>(), 0..40),
    ) {
        let list = watching(&[b"another-secret-0123456789", value.as_bytes()]);
        for (name, encoded) in of_a_key(&value) {
            let text = [before.as_bytes(), &encoded, after.as_bytes()].concat();
            prop_assert_eq!(list.find_in(&text).map(|found| found.what), Some(secret("c1")), "{} in {:?}", name, String::from_utf8_lossy(&text));
            let (out, stopped) = filtered(list.filter(), chunks(&text, &cuts));
            prop_assert!(stopped.is_some(), "{} is not found in pieces of {:?}", name, text);
            prop_assert!(text.starts_with(&out) && out.len() < before.len() + encoded.len(), "{} went out", name);
        }
    }

    #[test]
    fn no_form_of_a_key_is_left(
        value in "b[a-z]_([A-Z0-9]{2}[a-z]){3,16}", before in "(([a-zA-Z0-9]{1,9}[,.:=\n] ){0,9}[a-zA-Z]{12,20}\n)?", after in "(\n[a-zA-Z]{12,20}[,.:\n]( [a-zA-Z0-9]{1,9}[,.:=\n]){0,9})?",
        cuts in vec(any::<usize>(), 0..40),
    ) {
        let list = watching(&[value.as_bytes()]);
        for (name, encoded) in of_a_key(&value) {
            let text = [before.as_bytes(), &encoded, after.as_bytes()].concat();
            let replacement = Replacement { secret: value.as_str().into(), surrogate: "SURROGATE_01234567890".into() };
            let mut scrubber = Scrubber::new(&[replacement]);
            let out = scrubbed(&mut scrubber, chunks(&text, &cuts));
            prop_assert_eq!(list.find_in(&out), None, "{} is left in {:?}", name, String::from_utf8_lossy(&out));
            prop_assert!(scrubber.count() > 0, "{} is not counted", name);
        }
    }

    /// A separator that splits one value in these forms splits no other text.
    #[test]
    fn nothing_else_is_found(text in vec(any::<u8>(), 0..3000), words in "([a-z]{1,5}[ -]|[0-9a-f]{2}:|[а-яa]{1,3} ){0,300}") {
        let list = watching(&[KEY.as_bytes(), b"correct horse battery staple", b"0123456789abcdef"]);
        prop_assert_eq!(list.find_in(&text), None);
        prop_assert_eq!(list.find_in(words.as_bytes()), None);
    }
}

#[test]
fn every_form_cut_at_every_byte() {
    let list = watching(&[KEY.as_bytes()]);
    for (name, encoded) in of_a_key(KEY) {
        let text = [b"a: ", &encoded[..], b"."].concat();
        for cut in 0..=text.len() {
            let (out, stopped) = filtered(list.filter(), chunks(&text, &[cut]));
            assert!(stopped.is_some() && out.len() < text.len(), "{name} is not found cut at {cut}");
        }
        let every: Vec<usize> = (0..=text.len()).collect();
        assert!(filtered(list.filter(), chunks(&text, &every)).1.is_some(), "{name} is not found byte by byte");
    }
}

#[test]
fn the_form_is_named() {
    let list = watching(&[KEY.as_bytes()]);
    let form = |name: &str| {
        let (_, text) = of_a_key(KEY).into_iter().find(|(form, _)| form == name).unwrap();
        list.find_in(&text).map(|found| found.form).unwrap()
    };
    assert_eq!(form("UTF-16BE"), Form::Wide);
    assert_eq!(form("UTF-32LE"), Form::Wide);
    assert_eq!(form("octal"), Form::Json);
    assert_eq!(form("quoted-printable"), Form::Quoted);
    assert_eq!(form("zero width"), Form::Folded);
    assert_eq!(form("full width"), Form::Folded);
    assert_eq!(form("look-alikes"), Form::Folded);
    assert_eq!(form("spaces"), Form::Spaced);
    assert_eq!(form("hex with colons"), Form::Hex);
    assert_eq!(form("base32"), Form::Base32);
    assert_eq!(form("base64 of UTF-16 after 1"), Form::Base64);
}

/// Far into a long text, and far from anything similar.
#[test]
fn far_into_a_long_stream() {
    let list = watching(&[KEY.as_bytes()]);
    let filler = [
        "plain text, a b c d. ",
        "0,1,0,1,1,0,2,",
        "русский текст — ",
        "ａ中文，字",
        "=\n",
        "a\0b\0c\0d\0e\0\0\0",
        "\u{200b}",
    ];
    for (name, encoded) in of_a_key(KEY) {
        for filler in filler {
            let before = filler.repeat(3_000 / filler.len()) + &"plain text ".repeat(12);
            let text = [before.as_bytes(), &encoded, "\nplain text".repeat(12).as_bytes(), before.as_bytes()].concat();
            assert!(list.find_in(&text).is_some(), "{name} behind {filler:?}");
            let cuts: Vec<usize> = (0..text.len()).step_by(1024).collect();
            let (out, stopped) = filtered(list.filter(), chunks(&text, &cuts));
            assert!(stopped.is_some() && out.len() <= before.len() + 2, "{name} in pieces behind {filler:?}");
        }
    }
}

/// Endless bytes that stand for nothing are not held for ever.
#[test]
fn what_stands_for_nothing_is_let_go() {
    let list = watching(&[KEY.as_bytes()]);
    for filler in
        ["=\n", "\\\n", "\u{200b}", "\u{2060}\u{ad}", "=\r\n\u{200b}", "a\0b\0c\0d\0", "a b c d ", "x\u{200b}"]
    {
        let text = filler.repeat(300_000 / filler.len()).into_bytes();
        let mut filter = list.filter();
        let mut most = 0;
        for chunk in text.chunks(8192) {
            filter.push(bytes::Bytes::copy_from_slice(chunk)).unwrap();
            most = most.max(filter.held());
        }
        assert!(most < 200_000, "{most} bytes of {filler:?} are held");
        assert!(filter.finish().is_ok());
    }
}

#[test]
fn what_comes_near_a_form_is_none() {
    let list = watching(&[KEY.as_bytes()]);
    let spelt = |group, separator| spelt(KEY, group, separator);
    for text in [
        // Not the same separator, and not the same distance.
        spelt(1, " ").replacen(' ', "", 9).replacen(' ', "--", 9),
        KEY.replace('a', "а b"),
        // A character is missing or replaced.
        spelt(1, ".").replacen("d.", "", 1),
        spelt(1, ".").replacen("d.", "b.", 1),
        KEY.replace('a', "\u{e4}"),
        KEY.replace('1', "=3"),
        KEY.replace('1', "\\7"),
        KEY.encode_utf16().flat_map(|unit| [unit as u8, 1]).map(char::from).collect(),
        // Complete, but split once.
        format!("{} {}", &KEY[..20], &KEY[20..]),
    ] {
        assert_eq!(list.find_in(text.as_bytes()), None, "{text}");
    }
}

/// The replacement for a secret in UTF-16 is UTF-16.
#[test]
fn a_surrogate_is_written_as_the_secret_was() {
    let once = |text: &[u8]| {
        let replacement = Replacement { secret: KEY.into(), surrogate: "sk-look-alike".into() };
        Scrubber::new(&[replacement]).scrub_once(text).unwrap()
    };
    for (name, order) in [("UTF-16LE", u16::to_le_bytes as fn(u16) -> [u8; 2]), ("UTF-16BE", u16::to_be_bytes)] {
        let wide = |text: &str| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        assert_eq!(once(&wide(&format!("key: {KEY}\r\n"))), wide("key: sk-look-alike\r\n"), "{name}");
    }
    let wide: Vec<u8> = format!("key: {KEY}\r\n").chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let clean: Vec<u8> = "key: sk-look-alike\r\n".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    assert_eq!(once(&wide), clean);
    let mail = KEY.replace('-', "=2D");
    assert_eq!(once(format!("a: {mail}=\n.").as_bytes()), b"a: sk-look-alike=\n.");
    let list = serde_json::json!({"key": KEY.chars().map(String::from).collect::<Vec<_>>()}).to_string();
    assert_eq!(once(list.as_bytes()), b"{\"key\":[\"sk-look-alike\"]}");
}

/// Where the search for disguises ends does not depend on how a stream is cut.
#[test]
fn disguises_are_looked_for_in_the_first_mebibyte() {
    let list = watching(&[KEY.as_bytes()]);
    let limit = usize::try_from(super::super::search::DISGUISED).unwrap();
    let spaced: String = KEY.chars().flat_map(|letter| [letter, ' ']).collect();
    for (begins, found) in [(limit - 1, true), (limit, false)] {
        let text = "x\n".repeat(begins / 2) + &"\n".repeat(begins % 2) + &spaced + "\n and so on";
        for size in [text.len(), 100_000, 16_384, 4099] {
            let cuts: Vec<usize> = (0..text.len()).step_by(size).collect();
            let (_, stopped) = filtered(list.filter(), chunks(text.as_bytes(), &cuts));
            assert_eq!(stopped.is_some(), found, "{begins} in pieces of {size}");
        }
        // Forms that software writes are found anywhere.
        let text = "x\n".repeat(begins) + &KEY.replace('-', "%2d");
        assert!(filtered(list.filter(), chunks(text.as_bytes(), &[])).1.is_some());
    }
}
