use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Replacement, Scrubber, Watchlist};
use super::{chunks, filtered, scrubbed, watching};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_holds_nothing_passes_unchanged(
        values in vec("[ -~]{8,60}", 1..6), text in vec(any::<u8>(), 0..4000), cuts in vec(any::<usize>(), 0..30),
    ) {
        let list = watching(&values.iter().map(String::as_bytes).collect::<Vec<_>>());
        let (out, stopped) = filtered(list.filter(), chunks(&text, &cuts));
        prop_assert_eq!(stopped, None);
        prop_assert_eq!(&out, &text);
        let replacements: Vec<_> = values.iter().map(|v| Replacement { secret: v.as_str().into(), surrogate: "s".into() }).collect();
        let mut scrubber = Scrubber::new(&replacements);
        prop_assert_eq!(scrubbed(&mut scrubber, chunks(&text, &cuts)), text);
        prop_assert_eq!(scrubber.count(), 0);
    }

    #[test]
    fn no_more_than_a_beginning_is_held(value in "[a-c]{8,20}", text in "[a-c]{0,400}", cuts in vec(any::<usize>(), 0..60)) {
        let list = watching(&[value.as_bytes()]);
        let longest = 2 * value.len();
        let mut filter = list.filter();
        let mut passed = Vec::new();
        for chunk in chunks(text.as_bytes(), &cuts) {
            let Ok(bytes) = filter.push(chunk) else { return Ok(()) };
            passed.extend_from_slice(&bytes.unwrap_or_default());
            let held = &text.as_bytes()[passed.len()..passed.len() + filter.held()];
            prop_assert!(held.len() < longest);
            prop_assert!(held.is_empty() || starts_a_form(&value, held), "{:?} is held", held);
        }
    }
}

/// Whether a form of the value, base64 at any alignment included, starts with these bytes.
fn starts_a_form(value: &str, held: &[u8]) -> bool {
    super::encodings::of_bytes(value.as_bytes())
        .iter()
        .flat_map(|(_, encoded)| (0..4).map(move |skip| &encoded[skip..]))
        .any(|form| form.len() >= held.len() && form[..held.len()].eq_ignore_ascii_case(held))
}

#[test]
fn events_are_not_delayed() {
    let list = watching(&[b"sk-ant-0123456789abcdef", b"ghp_0123456789abcdef"]);
    let mut filter = list.filter();
    let mut scrubber =
        Scrubber::new(&[Replacement { secret: "sk-ant-0123456789".into(), surrogate: "sk-ant-x".into() }]);
    for event in
        ["data: {\"text\":\"100% s\\u00e9r\"}\n\n", "data: a&b\r\n\r\n", ": ping\n\n", "{\"a\":1}\n", "a b c\n"]
    {
        assert_eq!(filter.push(event.into()).unwrap().unwrap(), event);
        assert_eq!(scrubber.push(event.into()).unwrap(), event);
        assert_eq!((filter.held(), scrubber.held()), (0, 0), "{event:?}");
    }
}

#[test]
fn only_the_beginning_waits() {
    let list = watching(&[b"needle-in-the-haystack"]);
    let mut filter = list.filter();
    assert_eq!(filter.push("see needle-in".into()).unwrap().unwrap(), "see ");
    assert_eq!(filter.push("-the-hay".into()).unwrap(), None);
    assert_eq!(filter.held(), 17);
    assert_eq!(filter.push("loft".into()).unwrap().unwrap(), "needle-in-the-hayloft");
    assert_eq!(filter.push("need".into()).unwrap(), None);
    assert_eq!(filter.finish().unwrap().unwrap(), "need");
}

#[test]
fn a_chunk_that_holds_nothing_is_not_copied() {
    let list = watching(&[b"needle-in-the-haystack"]);
    let chunk = bytes::Bytes::from(vec![b'.'; 4096]);
    let out = list.filter().push(chunk.clone()).unwrap().unwrap();
    assert_eq!(out.as_ptr(), chunk.as_ptr());
    let mut scrubber = Scrubber::new(&[Replacement { secret: "needle-in".into(), surrogate: "x".into() }]);
    assert_eq!(scrubber.push(chunk.clone()).unwrap().as_ptr(), chunk.as_ptr());
}

#[test]
fn an_empty_list_lets_everything_pass() {
    let list = std::sync::Arc::new(Watchlist::default());
    assert!(list.is_empty() && list.find_in(b"anything").is_none());
    assert_eq!(list.filter().push("any%".into()).unwrap().unwrap(), "any%");
    assert_eq!(Scrubber::new(&[]).push("any%".into()).unwrap(), "any%");
}
