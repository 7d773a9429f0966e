//! Request headers, rebuilt by listed rules: those that address the next hop, name a network, or
//! override what was judged are not passed on.

use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, header};
use policies::{HeadHash, normal_name};

use crate::anew::is_left_out;

mod spelt;
mod told;

pub(crate) use spelt::{refuse_dns, refuse_other_methods, refuse_second_spellings};
pub use told::Beside;
pub(crate) use told::beside;

/// The header that carried a surrogate, and the text beside it there, which is sent as it is:
/// `Bearer` and the like, or the other half of Basic credentials.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// The header.
    pub header: HeaderName,
    /// The text beside the surrogate.
    pub beside: String,
}

/// Speaks to one hop only (RFC 9110 §7.6.1), or to a proxy.
pub const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removed from requests: settled at the door, says where we are, or asks the upstream to read
/// another request than the one judged. Names in normal form.
const NOT_OUT: [&str; 29] = [
    "alt_used", // names another authority (RFC 7838)
    "cf_connecting_ip",
    "client_ip",
    "content_length", // in another spelling; its own is kept, and framing is made anew
    "expect",
    "forwarded",
    "front_end_https",
    "host",
    "http2_settings",
    "http_method",
    "http_method_override",
    "method_override",
    "proxy", // the variable HTTP_PROXY of programs behind CGI (CVE-2016-5385)
    "script_name",
    "true_client_ip",
    "via",
    "x_accel_mapping", // Rack::Sendfile reads paths from these two (CVE-2025-61780)
    "x_backend_host",
    "x_client_ip",
    "x_forwarded",
    "x_host",
    "x_host_override",
    "x_proxy_url",
    "x_raw_request_uri", // Play
    "x_real_ip",
    "x_request_uri",
    "x_script_name",
    "x_sendfile_type",
    "x_url_scheme",
];

/// The same, by prefix: `X-Original-URL` and `X-Rewrite-URL` come from IIS and are read by Symfony
/// and Zend; `X-HTTP-Method…` and `X-Method-Override` by Rack, Symfony, OData, Google.
const NOT_OUT_BEGINNINGS: [&str; 7] =
    ["x_envoy_", "x_forwarded_", "x_http_host", "x_http_method", "x_method_", "x_original_", "x_rewrite_"];
/// Read by Astro (CVE-2026-33768), and by Next.js (CVE-2025-29927) and its hosts.
const OF_FRAMEWORKS: [&str; 4] = ["x_astro_", "x_invoke_", "x_matched_", "x_middleware_"];

/// The longest value of a header that a yes leaves out, or that is not worth showing: a longer one could say anything.
const SHORT: usize = 256;

/// The total length of the values that a yes leaves out: more could say anything.
const SHORT_IN_ALL: usize = 2048;

/// What a yes binds of an outgoing head. A credential is bound by its name, because its surrogate
/// differs in the next sandbox.
pub(crate) fn bound(headers: &HeaderMap, carrier: Option<&Carrier>) -> HeadHash {
    let left_out = |name: &HeaderName, value: &[u8]| {
        is_left_out(name.as_str()) && value.len() <= SHORT && headers.get_all(name).iter().nth(1).is_none()
    };
    let loose = spoken(headers, carrier).filter(|(name, value)| left_out(name, value));
    let is_short = loose.map(|(_, value)| value.len()).sum::<usize>() <= SHORT_IN_ALL;
    let fields = spoken(headers, carrier).filter(|(name, value)| !is_short || !left_out(name, value));
    let fields = fields.map(|(name, value)| (name.as_str(), value));
    let mut fields: Vec<(&str, &[u8])> = fields.collect();
    // Fields of one name stay in order, because the order has a meaning.
    fields.sort_by_key(|(name, _)| *name);
    HeadHash::of(fields)
}

/// All fields; the one with the credential as the text beside it.
fn spoken<'h>(
    headers: &'h HeaderMap,
    carrier: Option<&'h Carrier>,
) -> impl Iterator<Item = (&'h HeaderName, &'h [u8])> {
    headers.iter().map(move |(name, value)| match carrier {
        Some(carrier) if carrier.header == *name => (name, carrier.beside.as_bytes()),
        _ => (name, value.as_bytes()),
    })
}

/// The headers that go upstream, before any credential is put on. `Host` is left empty: the
/// authority is written from what was judged.
pub fn outgoing(came: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(came.len() + 2);
    // Reserves its place: HTTP/1.1 wants it first (RFC 9110 §7.2).
    out.insert(HOST, HeaderValue::from_static(""));
    let nominated = nominated(came);
    for (name, value) in came {
        if (name == CONTENT_LENGTH || !stays_here(name)) && !nominated.contains(name) {
            out.append(name.clone(), value.clone());
        }
    }
    join_cookies(&mut out);
    out
}

/// Whether a reader that goes by the head takes the body for JSON in UTF-8: a server may read a
/// form, or another charset, in what was judged as JSON (RFC 8259 §8.1). Without a type, Rack reads
/// a form, which has at most one field if no separator occurs.
pub(crate) fn says_json(headers: &HeaderMap, body: &[u8]) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or_default());
    let (Some(first), None) = (types.next(), types.next()) else {
        return !headers.contains_key(CONTENT_TYPE) && !body.iter().any(|byte| matches!(byte, b'&' | b';'));
    };
    let mut parts = first.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = parts.next().unwrap_or_default();
    let utf8 = |part: String| match part.split_once('=') {
        Some(("charset", charset)) => matches!(charset.trim_matches('"'), "utf-8" | "utf8"),
        _ => !part.contains("charset"),
    };
    let json = kind.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"));
    json && parts.all(utf8)
}

/// The coding of the body that the head names, if it is a known one.
pub(crate) fn packs(headers: &HeaderMap) -> Option<&'static str> {
    let said = headers.get(CONTENT_ENCODING)?.as_bytes();
    ["gzip", "x-gzip", "deflate", "br", "zstd"].into_iter().find(|coding| said.eq_ignore_ascii_case(coding.as_bytes()))
}

/// HTTP/2 may send cookies in several fields; HTTP/1.1 has one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// Removes what `Connection` names from a request before anybody reads by it: whoever read a body by the type that it
/// came with would read another than the host, which gets no type (RFC 9110 §7.6.1). What never goes out stays, so
/// that it can be refused.
pub(crate) fn drop_nominated(came: &mut HeaderMap) {
    for name in nominated(came).into_iter().filter(|name| *name != HOST && !is_the_gates(name)) {
        came.remove(name);
    }
}

/// The headers that `Connection` names are not passed on either. This happens before a credential
/// is put on, so nominating `authorization` does not remove ours.
pub fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// Whether only the gate writes this header.
pub(crate) fn is_the_gates(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || stays_here(name)
}

/// Whether a header is not passed on, in any spelling of servers that hand names to programs: CGI
/// (RFC 3875 §4.1.18), WSGI and Rack treat `-` and `_` as the same.
fn stays_here(name: &HeaderName) -> bool {
    let normal = normal_name(name.as_str());
    let normal = normal.trim_start_matches('_');
    let spelt = normal.replace('_', "-");
    HOP_BY_HOP.iter().any(|hop| *hop == *spelt)
        || NOT_OUT.contains(&normal)
        || NOT_OUT_BEGINNINGS.iter().chain(&OF_FRAMEWORKS).any(|beginning| normal.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_is_what_says_so_and_nothing_else() {
        let says = |types: &[&'static str]| {
            let headers = types.iter().map(|text| (CONTENT_TYPE, HeaderValue::from_static(text)));
            says_json(&headers.collect(), b"{}")
        };
        assert!(says(&[]));
        for form in [&b"{\"to\":\"anna\",\"x\":\"&to=thief\"}"[..], b"{\"to\":\"anna\",\"x\":\";to=thief\"}"] {
            assert!(!says_json(&HeaderMap::new(), form), "Rack reads a form");
        }
        for json in
            ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.api+json;charset=\"utf-8\""]
        {
            assert!(says(&[json]), "{json}");
        }
        for other in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a",
            "application/json; charset=utf-7",
            "application/json; x=y; charset = utf-16",
            "application/json, text/html",
            "json",
        ] {
            assert!(!says(&[other]), "{other}");
        }
        assert!(!says(&["application/json", "text/html"]));
    }

    fn carrier(beside: &str) -> Carrier {
        Carrier { header: header::AUTHORIZATION, beside: beside.to_owned() }
    }

    /// Attacks O04, O05: the owner sees which headers carry data, and a yes does not let it change.
    #[test]
    fn what_a_head_says_beside_is_told() {
        let of = |fields: &[(&'static str, &str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
            outgoing(&fields.collect())
        };
        let (long, ordinary) =
            ("x".repeat(300), [("accept", "*/*"), ("user-agent", "curl/8"), ("content-type", "a/b")]);
        assert_eq!(beside(&of(&ordinary), None), Beside::default());
        let told = beside(
            &of(&[("x-data", "abc"), ("user-agent", &long), ("authorization", "Basic x")]),
            Some(&carrier("me")),
        );
        assert_eq!((told.names.len(), told.bytes), (2, 303), "{told:?}");
        // A value that a yes would leave out if it were short or occurred once.
        let asked = bound(&of(&[("baggage", "a")]), None);
        assert_eq!(bound(&of(&[("baggage", "b")]), None), asked);
        assert_ne!(bound(&of(&[("baggage", &long)]), None), asked);
        assert_ne!(bound(&of(&[("baggage", "a"), ("baggage", "b")]), None), asked);
        // Nor many short ones.
        let many = |value: &str| {
            let names = (0..9).map(|n| HeaderName::try_from(format!("x-{n}-request-id")).unwrap());
            names.map(|name| (name, HeaderValue::try_from(value.repeat(250)).unwrap())).collect::<HeaderMap>()
        };
        assert_ne!(bound(&outgoing(&many("a")), None), bound(&outgoing(&many("b")), None));
        // The other half of Basic credentials is another account.
        let basic = of(&[("authorization", "Basic x")]);
        assert_ne!(bound(&basic, Some(&carrier("anna"))), bound(&basic, Some(&carrier("ben"))));
    }

    /// Attack O04: a request with another head is another request; the same one retried is the same.
    #[test]
    fn a_yes_is_for_the_head_that_goes_out() {
        let of = |fields: &[(&'static str, &'static str)]| {
            let fields =
                fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            bound(&outgoing(&fields.collect()), Some(&carrier("Bearer")))
        };
        let asked = [("content-type", "text/plain"), ("accept", "*/*"), ("authorization", "Bearer one")];
        let with = |more: (&'static str, &'static str)| of(&[&asked[..], &[more]].concat());
        for same in [
            ("user-agent", "curl/8"),
            ("accept-encoding", "gzip"),
            ("traceparent", "00-1"),
            ("idempotency-key", "k1"),
            ("amz-sdk-invocation-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("amz-sdk-request", "attempt=2; max=3"),
            ("x-amz-date", "20261130T100000Z"),
            ("x-ms-client-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("x-ms-correlation-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("x-goog-api-client", "gl-python/3.11 gccl-invocation-id/0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"),
            ("x-datadog-trace-id", "1234567890"),
            ("x-stainless-retry-count", "1"),
            ("content-length", "5"),
            ("connection", "close"),
            ("x-forwarded-for", "10.0.0.1"),
        ] {
            assert_eq!(with(same), of(&asked), "{same:?}");
        }
        for other in [
            ("content-type", "application/json"),
            ("content_type", "application/json"),
            ("content-encoding", "gzip"),
            ("if-match", "\"1\""),
            ("if-none-match", "*"),
            ("prefer", "return=minimal"),
            ("range", "bytes=0-1"),
            ("x-amz-copy-source", "/a"),
            ("x-amz-acl", "public-read"),
            ("stripe-account", "acct_2"),
            ("cookie", "account=2"),
            ("x-api-key", "other"),
            ("accept-language", "de"),
            ("soapaction", "Delete"),
        ] {
            assert_ne!(with(other), of(&asked), "{other:?}");
        }
        let [kind, accept, key] = asked;
        assert_eq!(of(&[key, accept, kind]), of(&asked));
        assert_eq!(of(&[kind, accept, ("authorization", "Bearer of the next sandbox")]), of(&asked));
        assert_ne!(of(&[("x-a", "1"), ("x-a", "2")]), of(&[("x-a", "2"), ("x-a", "1")]));
        assert_ne!(of(&[kind]), of(&asked));
        let nobodys =
            |value| bound(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]), None);
        assert_ne!(nobodys("Bearer one"), nobodys("Bearer two"), "what is no credential of ours is another account");
    }

    /// What reads the rest of a request reads it by what goes out; what is refused by its name is still there.
    #[test]
    fn what_is_nominated_is_read_by_nobody() {
        let names =
            ["content-type", "content-encoding", "cookie", "x-tag", "host", "content-length", "x-http-method-override"];
        let mut came: HeaderMap =
            names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).into_iter().collect();
        for text in ["Content-Type , content-encoding", "cookie,X-Tag, host", "content-length, x-http-method-override"]
        {
            came.append(CONNECTION, HeaderValue::from_static(text));
        }
        drop_nominated(&mut came);
        let mut left: Vec<_> = came.keys().filter(|name| *name != CONNECTION).map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-http-method-override"]);
    }

    /// Attacks E08, E09, G07.
    #[test]
    fn only_end_to_end_headers_go_out() {
        let came: HeaderMap = [
            ("host", "other.test"),
            ("connection", "x-tag, authorization, close"),
            ("x-tag", "1"),
            ("authorization", "Bearer x"),
            ("proxy-authorization", "Basic x"),
            ("x-http-method-override", "DELETE"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x_http_method_override", "DELETE"),
            ("x.http.method.override", "DELETE"),
            ("x_original_url", "/private"),
            ("x-forwarded-uri", "/private"),
            ("x-rewrite-url", "/private"),
            ("transfer_encoding", "chunked"),
            ("content_length", "5"),
            ("proxy_authorization", "Basic x"),
            ("x_host", "other.test"),
            ("x~http!method--override", "DELETE"),
            ("method-override", "DELETE"),
            ("-x-original-url-", "/private"),
            ("x-envoy-original-path", "/private"),
            ("proxy", "http://other.test"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        let out = outgoing(&came);
        let names: Vec<_> = out.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(names, [("host", ""), ("accept", "*/*")]);
    }
}
