//! How much of a stream is held back, and that this reveals nothing about what is searched for
//! (invariant 16).

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Borders, LeakFilter, Replacement, Scrubber, Watchlist};
use super::{chunks, encodings, filtered, scrubbed, watching};

/// How much is held of a stream of plain text without borders, for short values.
const HELD: usize = 511;

fn scrubbing(secret: &str) -> Scrubber {
    Scrubber::new(&[Replacement { secret: secret.into(), surrogate: "surrogate-0123456789".into() }])
}

/// What a filter gives out, piece by piece; `None` from the piece that stops it.
fn given_out(filter: LeakFilter, pieces: &[Bytes]) -> Vec<Option<Bytes>> {
    let mut filter = filter;
    let mut out: Vec<_> =
        pieces.iter().map(|piece| filter.push(piece.clone()).ok().map(Option::unwrap_or_default)).collect();
    out.push(filter.finish().ok().map(Option::unwrap_or_default));
    out
}

fn scrubbed_pieces(scrubber: Scrubber, pieces: &[Bytes]) -> Vec<Option<Bytes>> {
    let mut scrubber = scrubber;
    let mut out: Vec<_> =
        pieces.iter().map(|piece| scrubber.push(piece.clone()).ok().map(Option::unwrap_or_default)).collect();
    out.push(scrubber.finish().ok().map(Option::unwrap_or_default));
    out
}

/// The formats of streams, each made anew for every use.
const BORDERS: [fn() -> Borders; 5] = [
    || Borders::End,
    || Borders::Pieces,
    || Borders::Lines,
    || Borders::Events,
    || Borders::going_up(&[(http::header::CONTENT_TYPE, "application/grpc".parse().unwrap())].into_iter().collect()),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The same text passes once where the value it almost holds is watched, and once where another
    /// of the same length is. What is given out, and when, must not differ.
    #[test]
    fn no_part_of_a_value_changes_what_is_given_out(
        value in "[ -~]{8,60}", other in "[A-Z]{60}", before in vec(any::<u8>(), 0..1200), after in vec(any::<u8>(), 0..1200),
        part in any::<(usize, usize)>(), cuts in vec(any::<usize>(), 0..12), newline in any::<bool>(),
    ) {
        let other = &other[..value.len()];
        let (is, is_not) = (watching(&[value.as_bytes()]), watching(&[other.as_bytes()]));
        for (form, encoded) in encodings::of_text(&value).into_iter().chain(encodings::of_bytes(value.as_bytes())) {
            // Any part of any form, with ends at borders too.
            let from = part.0 % encoded.len();
            let to = from + 1 + part.1 % (encoded.len() - from);
            let text = [&before[..], &encoded[from..to], if newline { b"\n" } else { b"" }, &after[..]].concat();
            if is.find_in(&text).is_some() || is_not.find_in(&text).is_some() {
                continue;
            }
            let seam = [before.len() + to - from];
            let pieces = chunks(&text, &[&cuts[..], &seam[..]].concat());
            for borders in BORDERS {
                let [one, two] = [&is, &is_not].map(|list| given_out(list.filter().within(borders()), &pieces));
                prop_assert!(one == two, "a part of {form} can be told on the way up");
                let [one, two] = [value.as_str(), other]
                    .map(|secret| scrubbed_pieces(scrubbing(secret).within(borders()), &pieces));
                prop_assert!(one == two, "a part of {form} can be told on the way down");
            }
        }
    }

    #[test]
    fn what_holds_nothing_passes_unchanged(
        values in vec("[ -~]{8,60}", 1..6), text in vec(any::<u8>(), 0..4000), cuts in vec(any::<usize>(), 0..30),
    ) {
        let list = watching(&values.iter().map(String::as_bytes).collect::<Vec<_>>());
        let replacements: Vec<_> = values.iter().map(|v| Replacement { secret: v.as_str().into(), surrogate: "s".into() }).collect();
        for borders in BORDERS {
            let (out, stopped) = filtered(list.filter().within(borders()), chunks(&text, &cuts));
            prop_assert_eq!(stopped, None);
            prop_assert_eq!(&out, &text);
            let mut scrubber = Scrubber::new(&replacements).within(borders());
            prop_assert_eq!(&scrubbed(&mut scrubber, chunks(&text, &cuts)), &text);
            prop_assert_eq!(scrubber.count(), 0);
        }
    }

    #[test]
    fn so_many_last_bytes_are_held(length in 0usize..5000, size in 1usize..3000) {
        let list = watching(&[b"needle-in-the-haystack"]);
        let mut filter = list.filter();
        let mut passed = 0;
        for chunk in vec![b'.'; length].chunks(size) {
            passed += filter.push(Bytes::copy_from_slice(chunk)).unwrap().unwrap_or_default().len();
            // Small pieces are collected until they are half as long as the part held.
            prop_assert!(filter.held() <= HELD + HELD / 2 && (filter.held() >= HELD || passed == 0));
        }
        passed += filter.finish().unwrap().unwrap_or_default().len();
        prop_assert_eq!(passed, length);
    }
}

/// The length of watched values is not revealed either, up to a power of two.
#[test]
fn short_and_long_values_hold_back_the_same() {
    let text =
        vec![Bytes::from("a%20b".repeat(1000)), Bytes::from("x".repeat(3000)), Bytes::from("\\u0041".repeat(600))];
    let held = |length: usize| given_out(watching(&[&vec![b'k'; length]]).filter(), &text);
    for length in 9..=192 {
        assert!(held(8) == held(length), "{length}");
    }
    assert!(held(8) != held(193));
}

#[test]
fn events_are_not_delayed() {
    let mut scrubber = scrubbing("sk-ant-0123456789").within(Borders::Lines);
    for event in
        ["data: {\"text\":\"100% s\\u00e9r\"}\n\n", "data: a&b\r\n\r\n", ": ping\n\n", "{\"a\":1}\n", "data: sk-an\n"]
    {
        assert_eq!(scrubber.push(event.into()).unwrap().unwrap(), event);
        assert_eq!(scrubber.held(), 0, "{event:?}");
    }
}

#[test]
fn messages_go_as_they_are_whole_and_a_value_over_two_stops_them() {
    let list = watching(&[b"needle-in-the-haystack"]);
    let mut filter = list.filter().within(Borders::Pieces);
    for message in ["see needle-in", " the haystack", "needle-in", "-the-hay"] {
        assert_eq!(filter.push(message.into()).unwrap().unwrap(), message);
    }
    assert!(filter.push("stack".into()).is_err());
}

/// What stands between the pieces is known, so it separates nothing.
#[test]
fn a_value_over_two_events_or_two_messages_ends_the_stream() {
    let grpc = || BORDERS[4]();
    let message = |text: &str| [&[0, 0, 0, 0, text.len() as u8][..], text.as_bytes()].concat();
    let event = |text: &str| format!("data: {text}\n\n").into_bytes();
    let value = "needle-in-the-haystack";
    for cut in 1..value.len() {
        let (first, last) = value.split_at(cut);
        for (borders, made) in
            [(grpc as fn() -> Borders, &message as &dyn Fn(&str) -> Vec<u8>), (|| Borders::Events, &event)]
        {
            let pieces = [made(&format!("see {first}")), made(&format!("{last}, or")), made("more")];
            let mut scrubber = scrubbing(value).within(borders());
            assert_eq!(scrubber.push(pieces[0].clone().into()).unwrap().unwrap(), pieces[0]);
            assert!(scrubber.push(pieces[1].clone().into()).is_err(), "{cut}");
            let together = Bytes::from(pieces.concat());
            assert!(scrubbing(value).within(borders()).push(together).is_err(), "{cut}: no piece of it gets through");
            // Complete in one of them, it is scrubbed every time.
            let mut scrubber = scrubbing(value).within(borders());
            for _ in 0..2 {
                let clean = scrubber.push(made(value).into()).unwrap().unwrap();
                assert!(clean.windows(9).any(|some| some == b"surrogate"), "{clean:?}");
            }
            assert_eq!(scrubber.count(), 2);
        }
        let mut filter = watching(&[value.as_bytes()]).filter().within(grpc());
        assert_eq!(filter.push(message(first).into()).unwrap().unwrap(), message(first));
        assert!(filter.push(message(last).into()).is_err(), "{cut}");
    }
}

#[test]
fn a_text_that_is_there_as_a_whole_is_not_copied() {
    let list = watching(&[b"needle-in-the-haystack"]);
    let text = Bytes::from(vec![b'.'; 4096]);
    assert_eq!(list.filter().push_last(text.clone()).unwrap().unwrap().as_ptr(), text.as_ptr());
    assert_eq!(scrubbing("needle-in").push_last(text.clone()).unwrap().unwrap().as_ptr(), text.as_ptr());
}

#[test]
fn an_empty_list_lets_everything_pass() {
    let list = std::sync::Arc::new(Watchlist::default());
    assert!(list.is_empty() && list.find_in(b"anything").is_none());
    assert_eq!(list.filter().push("any%".into()).unwrap().unwrap(), "any%");
    assert_eq!(Scrubber::new(&[]).push("any%".into()).unwrap().unwrap(), "any%");
}

/// However a text is written, at most this much of it is held: text far back is let go, even if
/// little of it was undone.
#[test]
fn no_text_makes_the_door_hold_more_and_more() {
    let list = watching(&[b"needle-in-the-haystack"]);
    let gap = "plain text ".repeat(900);
    let rare = [
        "%41",
        "\\u0041",
        "&#65;",
        "QUJDREVGR0hJSktMTU5P\nUFFSU1RVVldYWVphYmNk",
        "=41=\r\n",
        "a\u{200b}b",
        "\u{430}bc",
        "\0a\0b\0c\0d\0e\0f",
        "a b c d e f g h i j k l m n",
        "61:62:63:64:65:66:67:68:69",
        "\\",
        "%",
        "&#",
        "=",
    ];
    for one in rare {
        for text in
            [one.repeat(300_000 / one.len()), format!("{one}{gap}").repeat(60), format!("{gap}{one}").repeat(60)]
        {
            let mut filter = list.filter();
            for chunk in text.as_bytes().chunks(16_384) {
                filter.push(Bytes::copy_from_slice(chunk)).unwrap();
                assert!(filter.held() <= 64 << 10, "{} bytes are held of {one:?}", filter.held());
            }
            assert!(filter.finish().is_ok());
        }
    }
}
