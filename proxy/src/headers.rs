//! Headers are rebuilt by listed rules, in both directions; never passed by default
//! where they speak to the next hop, name a network, or override what was judged.

use http::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, header};
use policies::{Code, Facts, Refusal};

/// Speaks to one hop only (RFC 9110 §7.6.1), or to a proxy.
const HOP_BY_HOP: [HeaderName; 9] = [
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

/// Taken off requests: settled at the door, says where we are, or asks the
/// upstream to read the request as another one than was judged.
const NOT_OUT: [&str; 16] = [
    "expect",
    "http2-settings",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-host",
];

/// Taken off responses: names other ways to the upstream, or acts by itself.
const NOT_BACK: [&str; 3] = ["alt-svc", "refresh", "clear-site-data"];

/// The headers that go upstream, before any credential is put on.
pub(crate) fn outgoing(facts: &Facts, came: &HeaderMap) -> Result<HeaderMap, Refusal> {
    let mut out = HeaderMap::with_capacity(came.len() + 2);
    let host = facts.authority.host_header(facts.scheme);
    let host = HeaderValue::try_from(host)
        .map_err(|_| Refusal::new(Code::AuthorityMalformed, "the host does not fit into a header"))?;
    out.insert(HOST, host);
    let nominated = nominated(came);
    for (name, value) in came {
        let stays = name != HOST && !is_hop_by_hop(name, &nominated) && !NOT_OUT.contains(&name.as_str());
        if stays {
            out.append(name.clone(), value.clone());
        }
    }
    Ok(out)
}

/// The headers that come back, before anything is scrubbed.
pub(crate) fn incoming(came: &HeaderMap) -> HeaderMap {
    let nominated = nominated(came);
    let mut back = HeaderMap::with_capacity(came.len());
    for (name, value) in came {
        if !is_hop_by_hop(name, &nominated) && !NOT_BACK.contains(&name.as_str()) {
            back.append(name.clone(), value.clone());
        }
    }
    back
}

/// What `Connection` names goes no further either. This happens before a
/// credential is put on, so nominating `authorization` takes nothing of ours off.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

fn is_hop_by_hop(name: &HeaderName, nominated: &[HeaderName]) -> bool {
    HOP_BY_HOP.contains(name) || nominated.contains(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use policies::{Authority, Method, Path, Scheme};

    fn facts() -> Facts {
        Facts {
            scheme: Scheme::Https,
            authority: Authority::parse("api.test:443", None).unwrap(),
            method: Method::Get,
            path: Path::parse("/").unwrap(),
            query: None,
            upgrade: None,
        }
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
            ("upgrade", "h2c"),
            ("accept", "*/*"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        let out = outgoing(&facts(), &came).unwrap();
        let names: Vec<_> = out.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(names, [("host", "api.test"), ("accept", "*/*")]);
    }
}
