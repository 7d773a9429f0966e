//! Lookalikes are told apart from other text, however the text is cut.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{LeakFilter, WatchedKind, Watchlist};
use super::{chunks, filtered};

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi8CwZ0b3bH\n";
const PEM_IN_JSON: &str =
    r#"{"key": "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi8CwZ0b3bH\n"}"#;

/// Made up here: none of them opens anything.
fn secrets() -> Vec<(&'static str, String)> {
    let letters = |count: usize| "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7".chars().cycle().take(count).collect::<String>();
    let upper = |count| letters(count).to_uppercase();
    vec![
        ("a private key", PEM.to_owned()),
        ("a private key", PEM_IN_JSON.to_owned()),
        ("a GitHub token", format!("ghp_{}", letters(36))),
        ("a GitHub token", format!("github_pat_{}", letters(82))),
        ("an Anthropic key", format!("sk-ant-api03-{}", letters(80))),
        ("an OpenAI key", format!("sk-proj-{}", letters(120))),
        ("an AWS access key", format!("AKIA{}", upper(16))),
        ("a Google API key", format!("AIza{}", letters(35))),
        ("a Slack token", format!("xoxb-{}", letters(48))),
        ("a GitLab token", format!("glpat-{}", letters(20))),
        ("an npm token", format!("npm_{}", letters(36))),
        ("a Stripe key", format!("sk_live_{}", letters(24))),
        ("a Hugging Face token", format!("hf_{}", letters(34))),
        ("a SendGrid key", format!("SG.{}.{}", letters(22), letters(43))),
        ("an API key", format!("sk-test-{}", letters(24))),
        ("a web token", format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx{}.{}", letters(12), letters(43))),
        ("a wallet's address", "1Ez1F2r26YWkj79jmJDG6SbLX6ZT7vp4Ch".to_owned()),
        ("an IBAN", "DE95850155492945239719".to_owned()),
        ("a card number", "4111111111111111".to_owned()),
        ("a card number", "5555 5555 5555 4444".to_owned()),
        ("a card number", "3782-822463-10005".to_owned()),
    ]
}

fn noted(text: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut filter = blocking().tolerating(|_| true);
    for chunk in chunks(text, cuts) {
        let length = chunk.len();
        let passed = filter.push(chunk).unwrap().map_or(0, |bytes| bytes.len());
        assert_eq!(passed, length, "what is only noted waits for nothing");
    }
    filter.finish().unwrap();
    filter.noted().iter().map(|finding| finding.what.to_string()).collect()
}

fn blocking() -> LeakFilter {
    Arc::new(Watchlist::default()).filter().with_lookalikes()
}

proptest! {
    #[test]
    fn each_is_noted_and_stopped_in_any_pieces(
        before in "[a-zA-Z ,.:{\"]{0,300}[ ,:{\"]", after in "[ ,.:}\"][a-zA-Z ,.:{\"]{0,40}", cuts in vec(any::<usize>(), 0..30),
    ) {
        for (name, secret) in secrets() {
            let text = [before.as_bytes(), secret.as_bytes(), after.as_bytes()].concat();
            let name = format!("something that looks like {name}");
            let found = noted(&text, &cuts);
            prop_assert!(found.contains(&name), "{name} in {:?}: {found:?}", String::from_utf8_lossy(&text));
            let (out, stopped) = filtered(blocking(), chunks(&text, &cuts));
            prop_assert_eq!(stopped.map(|found| found.what.to_string()), Some(name));
            prop_assert!(out.len() <= before.len() + 11, "its beginning went out: {:?}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn what_looks_like_nothing_passes_a_filter_that_stops(text in "[a-zA-Z0-9 ,.:{\"\n-]{0,600}", cuts in vec(any::<usize>(), 0..30)) {
        let (out, stopped) = filtered(blocking(), chunks(text.as_bytes(), &cuts));
        prop_assert_eq!((out, stopped), (text.into_bytes(), None));
    }
}

#[test]
fn what_is_near_is_not_it() {
    for text in [
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3Tz2\n",
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa\n",
        "look for -----BEGIN PRIVATE KEY----- in the file",
        "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA3Tz2mr7SZiAM",
        "AKIAIOSFODNN7EXAMPL and AKIA and AKIAxxxx",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-ant-api03-... goes into ANTHROPIC_API_KEY",
        "4111111111111112 is no card, nor is 1234567812345670",
        "id=94111111111111111, 0.4111111111111111, x4111111111111111, 0000000000000000",
        "4111 1111 1111 11111, 41111111-11111111, 1700000000000000000",
    ] {
        for cut in 0..text.len() {
            assert_eq!(noted(text.as_bytes(), &[cut]), Vec::<String>::new(), "{text} cut at {cut}");
        }
    }
}

/// Each signed URL of AWS names the key that signed it; the other half of the key is the secret.
#[test]
fn who_signed_a_url_is_no_secret() {
    let key = "AKIAVCODYLSA53PQK4ZA";
    let found = |text: &str| !noted(text.as_bytes(), &[]).is_empty();
    for scope in ["/20261130/us-east-1/s3/aws4_request", "%2F20261130%2Fus-east-1%2Fs3", "%2f20261130%2fus"] {
        assert!(!found(&format!("X-Amz-Credential={key}{scope}&X-Amz-Date=20261130T100000Z")), "{scope}");
        assert!(found(&format!("X-Amz-Credential={key}{scope}&key={key}")), "{scope}");
        let token = "ghp_0123456789abcdefABCDEF0123456789abcd";
        assert!(found(&format!("{token}/20261130/x")), "of AWS alone");
    }
    for behind in ["", "/", "/20261130", "/20261130x/", "/2026113/us", "/19991130/us", "%2F", ".x/20261130/us"] {
        assert!(found(&format!("Credential={key}{behind}")), "{behind}");
    }
}

/// A key begins where a word does, a card number where a number does. What stands far before it, or
/// was no key itself, hides neither.
#[test]
fn where_one_may_stand() {
    for (name, secret) in secrets() {
        let name = format!("something that looks like {name}");
        let found = |before: &str| noted(format!("{before}{secret}, \"and\" more").as_bytes(), &[]).contains(&name);
        for before in ["", "(", "key=\"", "AKIAxxxx ", "1234567890123, ", "sk_live_ghp_, ", "4111111111111112; "] {
            assert!(found(before), "{name} behind {before}");
        }
        let inside = secret.starts_with("-----BEGIN") || secret.starts_with('{');
        assert_eq!(found("x"), inside, "{name} behind x");
    }
}

/// Text that turns out to be no key goes on at once, even where a key would stop the stream.
#[test]
fn a_near_miss_waits_no_longer_than_it_must() {
    for text in ["AKIAxxxx and so on, ", "-----BEGIN CERTIFICATE-----\nMIIDdz\n", "ghp_0123, and;", "4111 1111. So "] {
        assert_eq!(blocking().push(text.into()).unwrap().unwrap(), text);
    }
    for (text, waits) in [
        ("see AKIAIOSF", 8),
        ("a word may go on", 2),
        ("see AK", 2),
        ("see 4111 1111 ", 10),
        ("see a text that is longer, and then 4111-", 5),
        ("see -----BEGIN PRIV", 15),
    ] {
        let mut filter = blocking();
        assert_eq!(filter.push(text.into()).unwrap().map_or(0, |bytes| bytes.len()), text.len() - waits, "{text}");
        assert_eq!(filter.finish().unwrap().unwrap().len(), waits);
    }
    // A word does not wait for its end, however long it goes on.
    let long = format!("hf_{}", "aB3dE6gH9j".repeat(200));
    assert!(blocking().push(long.into()).is_ok_and(|passed| passed.is_some()));
    let digits = "1234567890".repeat(200);
    assert!(blocking().push(digits.into()).is_ok_and(|passed| passed.is_some()));
}

#[test]
fn what_is_known_is_no_lookalike() {
    let known = format!("sk-ant-api03-{}", "aB3dE6gH9j".repeat(8));
    let what = WatchedKind::Canary { name: "bait".into() };
    let item = super::super::Watched { what, value: known.clone().into_bytes().into() };
    let list = Arc::new(Watchlist::build([item]).unwrap());
    let tolerating = |what: &WatchedKind| matches!(what, WatchedKind::Canary { .. });
    let (_, stopped) = filtered(list.filter().with_lookalikes().tolerating(tolerating), vec![known.clone().into()]);
    assert_eq!(stopped, None);
    assert_eq!(list.lookalikes_in(known.as_bytes()), []);
    assert_eq!(list.lookalikes_in(known.replace("3d", "3x").as_bytes()).len(), 1);
}
