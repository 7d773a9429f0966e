//! Headers that are refused: those that ask for another method, in all spellings that servers
//! accept, other spellings of headers that are read here, and DNS over HTTPS.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use policies::{Code, Method, Refusal, normal_name};

/// Headers that name a method.
const OTHER_METHODS: [&str; 4] = ["http_method", "http_method_override", "method_override", "x_original_method"];
const OTHER_METHOD_BEGINNINGS: [&str; 2] = ["x_http_method", "x_method_"];

/// Names that are read at the door. A second spelling beside the plain one decides where names are handed to programs:
/// uWSGI and Puma join `Content_Type` and `Content-Type` (CVE-2024-45614). Others are not passed on in any spelling.
const READ_HERE: [&str; 12] = [
    "accept",
    "authorization",
    "content_disposition",
    "content_encoding",
    "content_range",
    "content_type",
    "cookie",
    "if_match",
    "if_modified_since",
    "if_none_match",
    "if_unmodified_since",
    "sec_websocket_protocol",
];

/// Refuses a request with a header that makes a server take it for another method: with the header
/// it is not what was judged, and without it not what was meant.
pub(crate) fn refuse_other_methods(came: &HeaderMap, method: Method) -> Result<(), Refusal> {
    let asks = |name: &HeaderName| {
        let normal = normal_name(name.as_str());
        let normal = normal.trim_start_matches('_');
        OTHER_METHODS.contains(&normal) || OTHER_METHOD_BEGINNINGS.iter().any(|one| normal.starts_with(one))
    };
    let is_another =
        |value: &HeaderValue| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(method.as_str().as_bytes());
    match came.iter().find(|(name, value)| asks(name) && is_another(value)) {
        Some((name, _)) => {
            let why = format!(
                "the header {name} asks the host to take this {method} for another method; send it with that method, \
                 which the policy then judges"
            );
            Err(Refusal::new(Code::Unsupported, why))
        }
        None => Ok(()),
    }
}

/// Refuses a header that some servers, but not this door, would read as one of those.
pub(crate) fn refuse_second_spellings(came: &HeaderMap) -> Result<(), Refusal> {
    let is_plain = |name: &str| {
        let signs = name.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-'));
        !signs && !name.contains("--") && !name.starts_with('-') && !name.ends_with('-')
    };
    for name in came.keys().filter(|name| !is_plain(name.as_str())) {
        let normal = normal_name(name.as_str());
        if let Some(read) = READ_HERE.iter().find(|read| **read == normal.trim_matches('_')) {
            let plain = read.replace('_', "-");
            let why =
                format!("the header {name} is {plain} to some servers and not to others; send it as {plain}, once");
            return Err(Refusal::new(Code::Unsupported, why));
        }
    }
    Ok(())
}

/// DNS over HTTPS, recognised by its media types, to a host that is allowed for another purpose.
/// The verdict refuses it by its URL (attack C10; RFC 8484 §4.1, RFC 9230).
pub(crate) fn refuse_dns(headers: &HeaderMap) -> Result<(), Refusal> {
    let speaks = |value: &HeaderValue| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        ["application/dns-", "application/oblivious-dns-"].iter().any(|kind| value.contains(kind))
    };
    match [CONTENT_TYPE, ACCEPT].iter().any(|name| headers.get_all(name).iter().any(speaks)) {
        true => Err(Refusal::dns_over_https()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Attack G07, and a request that would mean something else without its header.
    #[test]
    fn a_header_that_asks_for_another_method_is_refused() {
        let asks = |name: &'static str, value: &'static str| {
            let came = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            refuse_other_methods(&came, Method::Post).is_err()
        };
        for name in [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "http-method-override",
            "method-override",
            "x_http_method_override",
            "x.http.method.override",
            "x-original-method",
        ] {
            assert!(
                asks(name, "DELETE") && asks(name, "get") && asks(name, "POST, DELETE") && asks(name, ""),
                "{name}"
            );
            assert!(!asks(name, "POST") && !asks(name, " post "), "{name}");
        }
        for name in ["x-method", "method", "access-control-request-method", "x-http-version", "x-payment-method"] {
            assert!(!asks(name, "DELETE"), "{name}");
        }
    }

    #[test]
    fn what_is_read_here_has_one_spelling() {
        let refused = |name: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            refuse_second_spellings(&HeaderMap::from_iter([(name, HeaderValue::from_static("x"))])).is_err()
        };
        for name in [
            "content_type",
            "Content_Type",
            "content.type",
            "content--type",
            "_content-type",
            "content_encoding",
            "If_Match",
            "cookie_",
        ] {
            assert!(refused(name), "{name}");
        }
        for name in
            ["content-type", "x_request_id", "content_language", "my_content_type", "cookie", "range", "x-range"]
        {
            assert!(!refused(name), "{name}");
        }
    }
}
