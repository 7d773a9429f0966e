//! The one reading of a request: authority, method, path, query. Everything later
//! uses this reading, and what cannot be read in exactly one way is refused here.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Version};
use policies::{Authority, AuthorityError, Code, Facts, Method, Path, Query, Refusal, Scheme, Upgrade};

use crate::connection::Tunnel;

/// Where a request wants to go.
pub(crate) struct Target {
    scheme: Scheme,
    authority: Authority,
}

impl Target {
    /// Reads CONNECT: `host:port`, nothing else, no body (RFC 9110 §9.3.6).
    pub(crate) fn connect<B>(request: &http::Request<B>) -> Result<Authority, Refusal> {
        let uri = request.uri();
        let text = match (uri.scheme(), uri.authority(), uri.path_and_query()) {
            (None, Some(authority), None) => authority.as_str(),
            _ => return Err(malformed("CONNECT takes host:port and nothing else")),
        };
        let authority = Authority::parse(text, None).map_err(unreadable)?;
        if request.headers().contains_key(CONTENT_LENGTH) || request.headers().contains_key(TRANSFER_ENCODING) {
            return Err(Refusal::new(Code::Framing, "CONNECT has no body"));
        }
        if let Some(host) = only_host(request.headers())? {
            same_authority(host, &authority, authority.port)?;
        }
        Ok(authority)
    }

    /// Inside a tunnel the authority is the tunnel's; outside, the absolute form
    /// says it (RFC 9112 §3.2).
    fn of<B>(tunnel: Option<&Tunnel>, request: &http::Request<B>) -> Result<Self, Refusal> {
        let uri = request.uri();
        let said = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => Some((scheme, authority.as_str())),
            (None, None) => None,
            _ => return Err(malformed("the request target is neither a path nor a whole URL")),
        };
        match (tunnel, said) {
            // RFC 9113 §8.3.1 lets `host` stand in; two places for one thing are one too many.
            (Some(_), None) if request.version() == Version::HTTP_2 => Err(malformed("the :authority is missing")),
            (Some(tunnel), None) => Ok(Target { scheme: Scheme::Https, authority: tunnel.authority.clone() }),
            (Some(tunnel), Some((scheme, authority))) => {
                if scheme != "https" {
                    return Err(mismatch("the request target names another scheme than the tunnel"));
                }
                same_authority(authority, &tunnel.authority, 443)?;
                Ok(Target { scheme: Scheme::Https, authority: tunnel.authority.clone() })
            }
            (None, Some(("http", authority))) => {
                let authority = Authority::parse(authority, Some(80)).map_err(unreadable)?;
                Ok(Target { scheme: Scheme::Http, authority })
            }
            (None, Some(_)) => Err(Refusal::new(Code::Unsupported, "only http:// goes here; use CONNECT for https://")),
            (None, None) => {
                Err(Refusal::new(Code::SelfTarget, "this is Doorward's door, a proxy: it serves no pages of its own"))
            }
        }
    }
}

/// Reads a request whole. `tunnel` is the tunnel it came through, if it did.
pub(crate) fn read<B>(tunnel: Option<&Tunnel>, request: &http::Request<B>) -> Result<Facts, Refusal> {
    check_framing(request.version(), request.headers())?;
    let Target { scheme, authority } = Target::of(tunnel, request)?;
    match only_host(request.headers())? {
        Some(host) => same_authority(host, &authority, scheme.default_port())?,
        None if request.version() == Version::HTTP_10 => {}
        // HTTP/2 says it in `:authority`, which `Target::of` has compared.
        None if request.version() == Version::HTTP_2 && request.uri().authority().is_some() => {}
        None => return Err(malformed("the Host header is missing")),
    }
    let method = Method::parse(request.method().as_str()).ok_or_else(|| {
        Refusal::new(Code::MethodDenied, "this method is not one that Doorward carries (methods are case-sensitive)")
    })?;
    let ambiguous = |error: policies::PathError| Refusal::new(Code::PathAmbiguous, error.to_string());
    let path = Path::parse(request.uri().path()).map_err(ambiguous)?;
    let query = request.uri().query().map(Query::parse).transpose().map_err(ambiguous)?;
    Ok(Facts { scheme, authority, method, path, query, upgrade: upgrade(request.headers()) })
}

/// hyper has refused most of what smuggles; what it lets through is refused here
/// (probed on hyper 1.12: equal double lengths, `identity, chunked`).
fn check_framing(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let framing = |why| Err(Refusal::new(Code::Framing, why));
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return framing("more than one Content-Length");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(_), _) if version == Version::HTTP_2 => framing("Transfer-Encoding in HTTP/2"),
        (Some(_), _) if version == Version::HTTP_10 => framing("Transfer-Encoding in HTTP/1.0"),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => framing("a Transfer-Encoding other than chunked"),
    }
}

/// WebSocket goes on in another protocol, so a rule must say so; h2c is stripped later.
fn upgrade(headers: &HeaderMap) -> Option<Upgrade> {
    let websocket =
        |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().windows(9).any(|part| part == b"websocket");
    headers.get_all(UPGRADE).iter().any(websocket).then_some(Upgrade::WebSocket)
}

fn only_host(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => text(host).map(Some),
        _ => Err(malformed("more than one Host header")),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Refusal> {
    value.to_str().map_err(|_| malformed("the Host header is not ASCII"))
}

fn same_authority(said: &str, authority: &Authority, default_port: u16) -> Result<(), Refusal> {
    let said = Authority::parse(said, Some(default_port)).map_err(unreadable)?;
    if said == *authority {
        return Ok(());
    }
    Err(mismatch(format!("the connection is for {authority}, the request names another host")))
}

fn unreadable(error: AuthorityError) -> Refusal {
    malformed(error.to_string())
}

fn malformed(why: impl Into<String>) -> Refusal {
    Refusal::new(Code::AuthorityMalformed, why)
}

fn mismatch(why: impl Into<String>) -> Refusal {
    Refusal::new(Code::AuthorityMismatch, why)
}
