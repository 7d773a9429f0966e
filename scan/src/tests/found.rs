use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Form, Watched, WatchedKind, Watchlist};
use super::encodings::{self, Encoded};
use super::{chunks, filtered, secret, watching};

/// Asserts that a value in a form is found, whole and in pieces, and that its end is never let out.
fn assert_found(value: &[u8], (name, encoded): &Encoded, before: &[u8], after: &[u8], cuts: &[usize]) {
    let list = watching(&[b"another-secret-0123456789", value]);
    let text = [before, encoded, after].concat();
    let found = list.find_in(&text).unwrap_or_else(|| panic!("{name} is not found in {text:?}"));
    assert_eq!(found.what, secret("c1"), "{name}");
    let (out, stopped) = filtered(list.filter(), chunks(&text, cuts));
    assert!(stopped.is_some(), "{name} is not found in pieces of {text:?}");
    assert!(text.starts_with(&out) && out.len() < before.len() + encoded.len(), "{name} went out");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_bytes_in_any_form(
        value in vec(any::<u8>(), 8..80), before in "[a-zA-Z0-9 ,.:=\n]{0,60}", after in "[ ,.:=]{1,60}",
        cuts in vec(any::<usize>(), 0..40),
    ) {
        for encoded in encodings::of_bytes(&value) {
            assert_found(&value, &encoded, before.as_bytes(), after.as_bytes(), &cuts);
        }
    }

    #[test]
    fn any_text_in_any_form(
        value in "[ -~]{8,80}|\\PC{8,40}|[!-~]{20}\n[!-~]{20}", before in "[a-zA-Z0-9 ,.:=\n]{0,60}",
        after in "[ ,.:=]{1,60}", cuts in vec(any::<usize>(), 0..40),
    ) {
        for encoded in encodings::of_text(&value).into_iter().chain(encodings::of_bytes(value.as_bytes())) {
            assert_found(value.as_bytes(), &encoded, before.as_bytes(), after.as_bytes(), &cuts);
        }
    }

    #[test]
    fn raw_among_any_bytes(
        value in vec(any::<u8>(), 8..80), before in vec(any::<u8>(), 0..3000), after in vec(any::<u8>(), 0..300),
        cuts in vec(any::<usize>(), 0..9),
    ) {
        let encoded = ("raw".to_owned(), value.clone());
        let list = watching(&[&value]);
        let text = [&before[..], &value, &after].concat();
        prop_assert_eq!(list.find_in(&text).map(|f| f.what), Some(secret("c0")));
        let (out, stopped) = filtered(list.filter(), chunks(&text, &cuts));
        prop_assert!(stopped.is_some() && out.len() < before.len() + encoded.1.len());
    }
}

const TOKEN: &str = "ghp_q7\"\\/&<%41 .*+é😀[x]{2}$^Zz-09";

#[test]
fn every_form_cut_at_every_byte() {
    for encoded in encodings::of_text(TOKEN).into_iter().chain(encodings::of_bytes(TOKEN.as_bytes())) {
        let length = encoded.1.len() + 4;
        for cut in 0..=length {
            assert_found(TOKEN.as_bytes(), &encoded, b"a: ", b".", &[cut]);
        }
        let every: Vec<usize> = (0..=length).collect();
        assert_found(TOKEN.as_bytes(), &encoded, b"a: ", b".", &every);
    }
}

#[test]
fn the_form_is_named() {
    let list = watching(&[b"tok-0123/456"]);
    let form = |text: &str| list.find_in(text.as_bytes()).map(|found| found.form);
    assert_eq!(form("x tok-0123/456"), Some(Form::Raw));
    assert_eq!(form("746f6b2d303132332f343536"), Some(Form::Hex));
    assert_eq!(form("dG9rLTAxMjMvNDU2"), Some(Form::Base64));
    assert_eq!(form("tok-0123%2f456"), Some(Form::Percent));
    assert_eq!(form("tok-0123\\/456"), Some(Form::Json));
    assert_eq!(form("tok-0123&#x2F;456"), Some(Form::Html));
    assert_eq!(form("tok-0123-456"), None);
}

/// Two layers of escapes are undone and no more. Deeper ones are out of scope: undoing everything
/// would let the sender decide the cost of a scan.
#[test]
fn two_layers_are_undone() {
    let list = watching(&[b"tok-0123456789"]);
    let percent = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
    let json = |text: &str| text.bytes().map(|b| format!("\\u{b:04x}")).collect::<String>();
    let found = |text: String| list.find_in(text.as_bytes()).is_some();
    let value = "tok-0123456789";
    assert!(found(percent(&percent(value))) && found(json(&percent(value))) && found(percent(&json(value))));
    assert!(!found(percent(&percent(&percent(value)))) && !found(json(&percent(&json(value)))));
}

/// Something that begins like an escape and is none stands for itself, even inside a value.
#[test]
fn what_is_no_escape_stands_for_itself() {
    for (value, text) in [
        ("tok-0123456%", "tok%2d0123456%"),
        ("tok-0123456\\", "tok\\u002d0123456\\"),
        ("tok-&#;-0123", "tok&#45;&#;-0123"),
        ("tok-0123456", "\\ud83d\\u0074ok-0123456"),
        ("tok-0123456", "\\ud83dtok\\u002d0123456"),
    ] {
        assert!(watching(&[value.as_bytes()]).find_in(text.as_bytes()).is_some(), "{value} in {text}");
    }
    // A line of prose is not a line of base64.
    let prose = watching(&[b"abcdefghijklmnop more words"]);
    assert!(prose.find_in(b"abcdefghijklmnop\n more words").is_none());
}

#[test]
fn far_into_a_long_stream() {
    let list = watching(&[b"needle-in-the-haystack"]);
    for filler in ["x", "needle-in-the-haystac", "%41", "\\n"] {
        let mut text = filler.repeat(3_000_000 / filler.len()).into_bytes();
        let clean = text.len();
        text.extend_from_slice(b" needle-in-the-hays%74ack");
        let cuts: Vec<usize> = (0..text.len()).step_by(16_384).collect();
        let (out, stopped) = filtered(list.filter(), chunks(&text, &cuts));
        assert_eq!(stopped.map(|f| f.form), Some(Form::Percent), "{filler}");
        assert!(out.len() <= clean + 1, "{filler}");
    }
}

#[test]
fn escapes_far_apart_do_not_hide_each_other() {
    let list = watching(&[b"needle-in-the-haystack"]);
    let gap = "plain text ".repeat(1000);
    let text = format!("{gap}%20{gap}nee%64le-in-the-haystack{gap}%20{gap}");
    assert_eq!(list.find_all(text.as_bytes()).len(), 1);
    assert!(list.find_in(text.replace("haystack", "hayst%20ack").as_bytes()).is_none());
    let torn = format!("%20needle-in-{gap}the-haystack%20");
    assert!(list.find_in(torn.as_bytes()).is_none());
}

/// One layer under another stretches a value: all of it is searched, and nothing that stood apart
/// is joined.
#[test]
fn what_stands_around_an_escape_is_seen_as_far_as_a_value_reaches() {
    let value = "needle-in-the-haystack";
    let list = watching(&[value.as_bytes()]);
    let filler = "plain text ".repeat(1000);
    let stretched: String = value.bytes().map(|b| format!("\\u{b:04x}")).collect();
    for text in [stretched.replacen('\\', "%5c", 1), stretched[..126].to_owned() + "%5cu006b"] {
        let found = list.find_in(format!("{filler}{text}{filler}").as_bytes());
        assert!(found.is_some(), "{text}");
    }
    let torn = watching(&[b"aaaa\x00bbbb", b"aaaa\x01bbbb"]);
    for near in 0..200 {
        let near = "x".repeat(near);
        let text = format!("%41{near}aaaa{filler}bbbb{near}%41");
        assert!(torn.find_in(text.as_bytes()).is_none(), "{near}");
    }
}

#[test]
fn a_value_inside_another_is_found_as_well() {
    let list = watching(&[b"token-0123456789", b"token-01", b"3456789-and-on"]);
    let all = list.find_all(b"(token-0123456789-and-on)");
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn the_filter_stays_shut() {
    let list = watching(&[b"needle-in-the-haystack"]);
    let mut filter = list.filter();
    assert!(filter.push("needle-in-the-haystack".into()).is_err());
    assert!(filter.push("harmless".into()).is_err());
    assert!(filter.finish().is_err());
}

#[test]
fn what_is_tolerated_hides_nothing() {
    let surrogate = WatchedKind::Surrogate {
        credential: "github".into(),
        sandbox: words::SandboxId::new("ab12").unwrap(),
        group: words::GroupName::parse("family").unwrap(),
        retired: false,
    };
    let item = |what, value: &str| Watched { what, value: value.as_bytes().to_vec().into() };
    let list = Watchlist::build([item(surrogate, "ghp_look_alike"), item(secret("github"), "ghp_real_thing")]);
    let list = std::sync::Arc::new(list.unwrap());
    let filter = || list.filter().tolerating(|what| matches!(what, WatchedKind::Surrogate { .. }));

    let mut quoted = filter();
    assert_eq!(quoted.push_last("my key is ghp_look_alike!".into()).unwrap().unwrap().len(), 25);
    assert_eq!(quoted.noted()[0].to_string(), "surrogate of credential github in plain text");
    let (_, stopped) = filtered(filter(), vec!["ghp_look_alike ghp_real_thing".into()]);
    assert_eq!(stopped.unwrap().to_string(), "secret of credential github in plain text");
}

#[test]
fn too_short_to_watch() {
    let item = Watched { what: secret("pin"), value: b"1234567".to_vec().into() };
    let problem = Watchlist::build([item]).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "the secret of credential pin has only 7 bytes; at least 8 are needed to tell it from other text"
    );
}

#[test]
fn no_message_shows_a_value() {
    let list = watching(&[b"needle-in-the-haystack", b"another-0123456789"]);
    let found = list.find_in(b"needle-in-the-haystack");
    let shown = format!("{list:?} {found:?} {}", found.as_ref().unwrap());
    assert!(!shown.contains("needle") && !shown.contains("110, 101"), "{shown}");
    assert!(shown.starts_with("Watchlist { values: 2"), "{shown}");
}

/// Whatever was added and removed before, a list finds what a new one finds.
#[test]
fn a_list_that_is_rebuilt_finds_its_values_and_no_others() {
    // Of all lengths, so that the shortest of a class comes and goes.
    let value = |n: usize| format!("{n:03}-{}", "kR7zQ9wX2mLp".repeat(6)).into_bytes()[..8 + n * 7 % 40].to_vec();
    let watched = |n: usize| Watched { what: secret(&n.to_string()), value: value(n).into() };
    let mut list = Watchlist::default();
    for round in 0..12_usize {
        let here: Vec<usize> = (0..60).filter(|n| n % (round % 4 + 2) != 0 && *n < 20 * (round % 5)).collect();
        list = list.rebuilt(here.iter().map(|n| watched(*n))).unwrap();
        assert_eq!(list.len(), here.len());
        for n in 0..60 {
            for (form, encoded) in encodings::of_bytes(&value(n)) {
                let found = list.find_all(&encoded).into_iter().any(|finding| finding.what == secret(&n.to_string()));
                assert_eq!(found, here.contains(&n), "{n} in {form}, round {round}");
            }
        }
    }
}

/// Odd bytes before the first or after the last character of a value hide no escape in it.
#[test]
fn odd_bytes_beside_an_escaped_value_hide_nothing() {
    let value = "$ecret-of-a-bench-42!";
    let list = watching(&[value.as_bytes()]);
    let marked = value.replace('$', "\\$").replace('-', "\\-").replace('!', "\\!");
    let octal: String = value.bytes().map(|b| format!("\\{b:03o}")).collect();
    for escaped in [marked, octal, value.replace('$', "\\44"), value.replace('!', "\\!")] {
        for odd in [&b""[..], b"\xff", b"\0\x01\xfe\x80", "\u{e9}".as_bytes()] {
            let text = [odd, escaped.as_bytes(), odd].concat();
            assert!(list.find_in(&text).is_some(), "{escaped} between {odd:?}");
            for cut in 0..text.len() {
                assert!(filtered(list.filter(), chunks(&text, &[cut])).1.is_some(), "{escaped}, cut at {cut}");
            }
        }
    }
    for near in ["$ecret\\of\\-a\\-bench\\-42!", "$ecret\\056of-a-bench-42!"] {
        assert_eq!(list.find_in(near.as_bytes()), None, "{near}");
    }
}
