//! What is written is what was judged, except for the one value.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn swap(slot: Slot, secret: &str) -> Swap {
    Swap { credential: "key".into(), place: "somewhere".to_owned(), slot, secret: secret.to_owned().into() }
}

/// A request's path and query, and a range of each to replace.
fn pieces() -> impl Strategy<Value = (String, String, Range<usize>, Range<usize>)> {
    let segment = prop_oneof![4 => "[a-z0-9.:~-]{0,6}", 1 => "%[0-9A-F]{2}|[!$&'*+,;=@]{1,3}"];
    let path = prop::collection::vec(segment, 1..5).prop_map(|parts| format!("/{}", parts.join("/")));
    let query = "([a-z_]{1,4}(=[a-zA-Z0-9%=/?]{0,5})?(&[a-z_]{1,4}(=[a-z0-9]{0,5})?){0,3})?";
    (path, query).prop_flat_map(|(path, query)| {
        let within =
            |length: usize| (0..=length + 1, 0..=length + 1).prop_map(|(one, other)| one.min(other)..one.max(other));
        (Just(path.clone()), Just(query.clone()), within(path.len()), within(query.len()))
    })
}

proptest! {
    /// Whatever range a slot names and whatever the secret is: what goes out has the judged path
    /// and query, except for one segment or one value, and is parsed the same way again.
    #[test]
    fn what_is_written_is_what_was_judged_but_for_one_value(
        (path, query, in_path, in_query) in pieces(),
        secret in "[ -~]{1,12}|[a-z0-9]{1,12}|\\.\\.?|[a-z]é",
        which in 0..3,
    ) {
        let url = if query.is_empty() { format!("https://a.test{path}") } else { format!("https://a.test{path}?{query}") };
        let Ok(facts) = Facts::parse("GET", &url) else { return Ok(()) };
        let slot = match which {
            0 => Slot::Path(in_path),
            1 => Slot::Query(in_query),
            _ => Slot::Header(http::header::AUTHORIZATION),
        };
        let Ok(written) = target(&facts, Some(&swap(slot.clone(), &secret))) else { return Ok(()) };
        let judged = facts.path_and_query();
        let again = Facts::parse("GET", &format!("https://a.test{written}")).unwrap();
        prop_assert_eq!((again.scheme, &again.authority, again.method), (facts.scheme, &facts.authority, facts.method));
        prop_assert_eq!(again.path_and_query(), written.as_str(), "what is sent has one reading");
        let (sent_path, sent_query) = (written.path(), written.query().unwrap_or_default());
        let (own_path, own_query) = (facts.path.as_str(), facts.query.as_ref().map_or("", |query| query.as_str()));
        let others = |sent: &str, own: &str, by: char| {
            let (sent, own): (Vec<_>, Vec<_>) = (sent.split(by).collect(), own.split(by).collect());
            sent.len() == own.len() && sent.iter().zip(&own).filter(|(sent, own)| sent != own).count() <= 1
        };
        match slot {
            Slot::Path(_) => {
                prop_assert_eq!(sent_query, own_query);
                prop_assert!(others(sent_path, own_path, '/'), "{written} for {judged}");
            }
            Slot::Query(_) => {
                prop_assert_eq!(sent_path, own_path);
                prop_assert!(others(sent_query, own_query, '&'), "{written} for {judged}");
                let names = |query: &str| query.split('&').map(|one| one.split('=').next().unwrap_or("").to_owned()).collect::<Vec<_>>();
                prop_assert_eq!(names(sent_query), names(own_query), "{} for {}", written, judged);
            }
            _ => prop_assert_eq!(written.as_str(), judged),
        }
    }

    /// A body stays the same except for one string of its JSON.
    #[test]
    fn a_body_is_the_same_around_the_secret(before in "[a-z]{0,4}", key in "[a-z]{0,9}", secret in "[ -~]{1,12}", shift in 0usize..4) {
        let json = serde_json::json!({ "a": before, "key": key, "z": 1 }).to_string();
        let body = Bytes::from(json.clone());
        let written = format!("\"{key}\"");
        let start = json.find(&format!("\"key\":{written}")).unwrap() + 6;
        let at = start + shift..start + written.len();
        let put = put_in_body(&mut HeaderMap::new(), &body, &swap(Slot::Body(at), &secret));
        prop_assert_eq!(put.is_ok(), shift == 0, "only a whole string is replaced");
        if let Ok(put) = put {
            let read: serde_json::Value = serde_json::from_slice(&put).unwrap();
            prop_assert_eq!(read, serde_json::json!({ "a": before, "key": secret, "z": 1 }));
        }
    }
}

/// A header that says whom a request is for, what it is, or where it ends, takes no secret.
#[test]
fn no_secret_goes_on_a_header_of_the_gates() {
    for name in
        ["host", "content-length", "transfer-encoding", "connection", "x-http-method-override", "x-original-url"]
    {
        let name = HeaderName::from_static(name);
        let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]);
        put_on_headers(&mut headers, &swap(Slot::Header(name), "evil.test")).unwrap_err();
    }
    let name = HeaderName::from_static("authorization");
    put_on_headers(&mut HeaderMap::new(), &swap(Slot::Header(name.clone()), "x")).unwrap_err();
    let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("surrogate"))]);
    put_on_headers(&mut headers, &swap(Slot::Header(name.clone()), "secret")).unwrap();
    assert!(headers[&name] == "secret" && headers[&name].is_sensitive());
}
