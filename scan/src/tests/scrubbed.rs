use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Borders, InPieces, Replacement, Scrubber};
use super::{chunks, encodings, scrubbed, watching};

const SECRET: &str = "sk-\"real\"/0123456789 é";
const SURROGATE: &str = "sk-look-alike-9876543210";

fn scrubber(secret: &str, surrogate: &str) -> Scrubber {
    Scrubber::new(&[Replacement { secret: secret.into(), surrogate: surrogate.into() }])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_form_is_left(
        secret in "[ -~]{8,80}|\\PC{8,40}", surrogate in "[A-Z]{4}_[0-9]{26}", before in "[a-zA-Z0-9 ,.:\n]{0,60}",
        after in "[ ,.:=]{0,60}", cuts in vec(any::<usize>(), 0..40),
    ) {
        let list = watching(&[secret.as_bytes()]);
        for (name, encoded) in encodings::of_text(&secret).into_iter().chain(encodings::of_bytes(secret.as_bytes())) {
            let text = [before.as_bytes(), &encoded, after.as_bytes()].concat();
            let mut scrubber = scrubber(&secret, &surrogate);
            let out = scrubbed(&mut scrubber, chunks(&text, &cuts));
            prop_assert_eq!(list.find_in(&out), None, "{} is left in {:?}", name, out);
            prop_assert!(scrubber.count() > 0, "{} is not counted", name);
            prop_assert!(out.starts_with(before.as_bytes()) && out.ends_with(after.as_bytes()), "{}: {:?}", name, out);
            prop_assert_eq!(scrubber.held(), 0);
        }
    }

    #[test]
    fn the_cuts_change_nothing(
        secret in "[ab]{8,12}", other in "[ab]{8,12}", text in "[ab]{0,200}", cuts in vec(any::<usize>(), 0..40),
    ) {
        let both = || Scrubber::new(&[
            Replacement { secret: secret.as_str().into(), surrogate: "-".into() },
            Replacement { secret: other.as_str().into(), surrogate: "=".into() },
        ]);
        let whole = both().scrub_once(text.as_bytes()).unwrap_or_else(|| text.clone().into_bytes());
        prop_assert_eq!(scrubbed(&mut both(), chunks(text.as_bytes(), &cuts)), whole.clone());
        let whole = String::from_utf8(whole).unwrap();
        prop_assert!(!whole.contains(&secret) && !whole.contains(&other));
    }
}

#[test]
fn each_form_gets_the_surrogate_in_that_form() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let once =
        |text: String| String::from_utf8(scrubber(SECRET, SURROGATE).scrub_once(text.as_bytes()).unwrap()).unwrap();

    assert_eq!(once(format!("key={SECRET}!")), format!("key={SURROGATE}!"));
    let json = serde_json::to_string(&format!("key={SECRET}")).unwrap();
    assert_eq!(serde_json::from_str::<String>(&once(json)).unwrap(), format!("key={SURROGATE}"));
    assert_eq!(once("sk-%22real%22%2F0123456789%20%C3%A9".into()), SURROGATE);
    assert_eq!(once("sk-&quot;real&quot;/0123456789 &#233;".into()), SURROGATE);

    // Whatever the surrogate contains (in ASCII): JSON, a query or markup stays valid, and hex keeps its case.
    let odd = "sk-\"odd\"\\\u{1}<>&~";
    let odd_once = |text: &str| String::from_utf8(scrubber(SECRET, odd).scrub_once(text.as_bytes()).unwrap()).unwrap();
    let json = serde_json::to_string(&format!("key={SECRET}")).unwrap();
    assert_eq!(serde_json::from_str::<String>(&odd_once(&json)).unwrap(), format!("key={odd}"));
    let query = odd_once("sk-%22real%22%2F0123456789%20%C3%A9");
    assert_eq!(percent_encoding::percent_decode_str(&query).decode_utf8().unwrap(), odd);
    assert!(query.starts_with("sk-%22odd%22%5C%01%3C%3E%26~"), "{query}");
    assert_eq!(odd_once("sk-&quot;real&quot;/0123456789 &#233;"), "sk-&#34;odd&#34;&#92;&#1;&#60;&#62;&#38;~");
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(once(hex(SECRET)), hex(SURROGATE));
    assert_eq!(once(hex(SECRET).to_uppercase()), hex(SURROGATE).to_uppercase());

    // As long as the secret, so that base64 stays valid except for the characters at the seams.
    let same_length = &SURROGATE[..SECRET.len()];
    let text = STANDARD.encode(format!("me:{SECRET}:me"));
    let out = scrubber(SECRET, same_length).scrub_once(text.as_bytes()).unwrap();
    let decoded = String::from_utf8_lossy(&STANDARD.decode(out).unwrap()).into_owned();
    assert!(decoded.starts_with("me:") && decoded.ends_with(":me"), "{decoded}");
    assert!(decoded.contains(&same_length[1..same_length.len() - 1]), "{decoded}");
}

/// Only the secret goes: text right beside it, and far before it, is unchanged.
#[test]
fn nothing_beside_the_secret_is_touched() {
    let once = |text: &str| {
        let out = scrubber("sk-real-0123456789", "sk-look-alike").scrub_once(text.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(once("%41sk-real%2d0123456789%42"), "%41sk-look-alike%42");
    assert_eq!(once("sk-real-01234567%389"), "sk-look-alike");
    assert_eq!(once("%73k-real-0123456789"), "sk-look-alike");
    let far = "plain text ".repeat(1000);
    assert_eq!(once(&format!("%41{far}sk-real%2d0123456789{far}%42")), format!("%41{far}sk-look-alike{far}%42"));
}

/// After a border nothing is held, whether a secret stood before it or not.
#[test]
fn an_event_that_holds_the_secret_is_not_delayed() {
    let mut scrubber = scrubber("sk-real-0123456789", SURROGATE).within(Borders::Lines);
    for _ in 0..3 {
        let event = scrubber.push("data: sk-real-0123456789\n\n".into()).unwrap().unwrap();
        assert_eq!(event, format!("data: {SURROGATE}\n\n"));
        assert_eq!(scrubber.held(), 0);
    }
    assert_eq!(scrubber.count(), 3);
    assert_eq!(scrubber.push("data: plain\ndata: sk-re".into()).unwrap().unwrap(), "data: plain\n");
    assert_eq!(scrubber.held(), 11);
}

/// What is gone cannot be scrubbed any more: the piece that completes it ends the stream.
#[test]
fn a_secret_over_a_border_ends_the_stream() {
    for cut in 1..18 {
        let (first, last) = "sk-real-0123456789".split_at(cut);
        let mut scrubber = scrubber("sk-real-0123456789", SURROGATE).within(Borders::Pieces);
        assert_eq!(scrubber.push(format!("see {first}").into()).unwrap().unwrap(), format!("see {first}"));
        assert_eq!(scrubber.push(format!("{last}, or").into()), Err(InPieces), "{cut}");
        // If both are in hand, it is scrubbed as usual.
        let mut scrubber = scrubber_of_lines();
        let wrapped = "c2stcmVhbC0wMTIzNDU2\nNzg5";
        let out = scrubber.push(format!("{wrapped}\n").into()).unwrap().unwrap();
        assert!(!out.starts_with(b"c2stcmVh") && scrubber.count() == 1, "{out:?}");
    }
}

fn scrubber_of_lines() -> Scrubber {
    scrubber("sk-real-0123456789", SURROGATE).within(Borders::Lines)
}

#[test]
fn a_secret_that_begins_another() {
    let both = || {
        Scrubber::new(&[
            Replacement { secret: "token-01".into(), surrogate: "SHORT".into() },
            Replacement { secret: "token-0123456789".into(), surrogate: "LONG".into() },
        ])
    };
    for cut in 0..20 {
        let text = b"(token-0123456789)";
        assert_eq!(scrubbed(&mut both(), chunks(text, &[cut])), b"(LONG)");
        assert_eq!(scrubbed(&mut both(), chunks(b"(token-01234-)", &[cut])), b"(SHORT234-)");
    }
    assert_eq!(scrubbed(&mut both(), vec!["(token-01".into()]), b"(SHORT");
    // Far into a long text as well.
    let before = ".".repeat(10_000);
    let text = format!("{before}token-0123456789");
    assert_eq!(scrubbed(&mut both(), chunks(text.as_bytes(), &[10_008])), format!("{before}LONG").into_bytes());
}

#[test]
fn a_repeating_text_is_not_held_for_ever() {
    let mut scrubber = scrubber("aaaaaaaa", "s");
    let mut out = Vec::new();
    for _ in 0..30_000 {
        out.extend_from_slice(&scrubber.push("aaa".into()).unwrap().unwrap_or_default());
        assert!(scrubber.held() < 16 * 1024);
    }
    out.extend_from_slice(&scrubber.finish().unwrap().unwrap_or_default());
    assert!(!out.windows(8).any(|eight| eight == b"aaaaaaaa"));
}
