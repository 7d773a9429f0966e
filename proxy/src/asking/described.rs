//! Describes a body for a person: the names of its fields, and no value. It judges nothing.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::IgnoredAny;

/// The most names.
const MOST: usize = 32;

/// The longest name, in characters: a waiting request holds these beside its body.
const NAME: usize = 64;

/// The names of the fields of a form or of JSON; none if they cannot be read.
pub(super) fn fields(headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (kind, another) = (kinds.next(), kinds.next());
    if body.is_empty() || headers.contains_key(CONTENT_ENCODING) || another.is_some() {
        return Vec::new();
    }
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let mut names = if kind.starts_with("application/x-www-form-urlencoded") {
        of_form(body)
    } else if kind.starts_with("multipart/form-data") {
        of_parts(body)
    } else {
        of_json(body)
    };
    names.truncate(MOST);
    for name in &mut names {
        if let Some((end, _)) = name.char_indices().nth(NAME) {
            *name = name[..end].to_owned();
        }
    }
    names
}

fn of_form(body: &[u8]) -> Vec<String> {
    let name = |field: &[u8]| {
        let name: Vec<u8> = field.split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
        let name: Vec<u8> = name.into_iter().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
        percent_encoding::percent_decode(&name).decode_utf8_lossy().into_owned()
    };
    body.split(|byte| *byte == b'&').filter(|field| !field.is_empty()).map(name).take(MOST + 1).collect()
}

fn of_parts(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let heads = text.lines().filter(|line| line.to_ascii_lowercase().starts_with("content-disposition:"));
    let name = |line: &str| Some(line.split(" name=\"").nth(1)?.split('"').next()?.to_owned());
    heads.filter_map(name).take(MOST + 1).collect()
}

fn of_json(body: &[u8]) -> Vec<String> {
    let fields: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_slice(body);
    fields.map(|fields| fields.into_keys().take(MOST + 1).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(kind: &str, body: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        fields(&headers, body.as_bytes())
    }

    #[test]
    fn names_are_told_and_no_value() {
        assert_eq!(of("application/x-www-form-urlencoded", "full+name=Anna&d%61te=1&&x"), ["full name", "date", "x"]);
        assert_eq!(of("application/json; charset=utf-8", r#"{"title":"a","body":{"deep":1}}"#), ["body", "title"]);
        let parts = "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n..\r\n--b--";
        assert_eq!(of("multipart/form-data; boundary=b", parts), ["photo"]);
        for (kind, body) in [("text/plain", "a=b"), ("application/json", "[1]"), ("application/json", "{"), ("x/y", "")]
        {
            assert!(of(kind, body).is_empty(), "{kind} {body}");
        }
        let many = (0..100).map(|n| format!("f{n}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(of("application/x-www-form-urlencoded", &many).len(), MOST);
        let long = of("application/x-www-form-urlencoded", &"%C3%A9".repeat(1000));
        assert_eq!(long, ["\u{e9}".repeat(NAME)]);
        let mut two = HeaderMap::new();
        two.append(CONTENT_TYPE, "application/json".parse().unwrap());
        two.append(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        assert!(fields(&two, b"a=1").is_empty(), "two kinds have two readings");
    }
}
