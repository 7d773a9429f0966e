//! The only parser of requests: authority, method, path, query. Everything later uses this reading,
//! and a request that can be read in more than one way is refused here.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Version};
use policies::{Authority, AuthorityError, Code, Facts, Method, Path, Query, Refusal, Scheme, Upgrade};

/// The inside of an opened CONNECT tunnel: after a TLS handshake, or plain.
pub struct Intercepted {
    /// The CONNECT target, and the name in the TLS handshake if there is one.
    pub authority: Authority,
    /// Whether TLS is spoken inside.
    pub scheme: Scheme,
    /// The name in the TLS handshake.
    pub sni: Option<String>,
    /// Whether CONNECT spelt the host's own name as required.
    pub to_ourselves: bool,
}

/// The destination of a request.
struct Target {
    scheme: Scheme,
    authority: Authority,
}

impl Target {
    /// Inside a tunnel the authority is the tunnel's; outside, it comes from the absolute form
    /// (RFC 9112 §3.2).
    fn of<B>(tunnel: Option<&Intercepted>, request: &http::Request<B>) -> Result<Self, Refusal> {
        let uri = request.uri();
        let said = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => Some((scheme, authority.as_str())),
            (None, None) => None,
            _ => return Err(malformed("the request target is neither a path nor a whole URL")),
        };
        match (tunnel, said) {
            // RFC 9113 §8.3.1 lets `host` stand in, but two places for one value are one too many.
            (Some(_), None) if request.version() == Version::HTTP_2 => Err(malformed("the :authority is missing")),
            (Some(tunnel), None) => Ok(Target { scheme: tunnel.scheme, authority: tunnel.authority.clone() }),
            (Some(tunnel), Some((scheme, authority))) => {
                if scheme != tunnel.scheme.as_str() {
                    return Err(mismatch("the request target names another scheme than the tunnel"));
                }
                same_authority(authority, &tunnel.authority, tunnel.scheme.default_port())?;
                Ok(Target { scheme: tunnel.scheme, authority: tunnel.authority.clone() })
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

/// The sandbox's own end of the door, which FFmpeg and others write as Host of a CONNECT.
const OWN_END: [&str; 3] = ["127.0.0.1:3128", "localhost:3128", "[::1]:3128"];

/// Reads CONNECT: `host:port`, nothing else, no body. The target decides where it goes (RFC 9110 §9.3.6).
pub fn connect<B>(request: &http::Request<B>) -> Result<Authority, Refusal> {
    let uri = request.uri();
    let text = match (uri.scheme(), uri.authority(), uri.path_and_query()) {
        (None, Some(authority), None) => authority.as_str(),
        _ => return Err(malformed("CONNECT takes host:port and nothing else")),
    };
    let authority = Authority::parse(text, None).map_err(unreadable)?;
    if request.headers().contains_key(CONTENT_LENGTH) || request.headers().contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::new(Code::Framing, "CONNECT has no body"));
    }
    if let Some(host) = only_host(request.headers())?.filter(|host| !OWN_END.contains(host)) {
        same_authority(host, &authority, authority.port)?;
    }
    Ok(authority)
}

/// Reads a whole request. `tunnel`: the tunnel that it came through, if any.
pub fn read<B>(tunnel: Option<&Intercepted>, request: &http::Request<B>) -> Result<Facts, Refusal> {
    check_framing(request.version(), request.headers())?;
    refuse_fragment(request)?;
    let Target { scheme, authority } = Target::of(tunnel, request)?;
    match only_host(request.headers())? {
        Some(host) => same_authority(host, &authority, scheme.default_port())?,
        None if request.version() == Version::HTTP_10 => {}
        // HTTP/2 has it in `:authority`, which `Target::of` has compared.
        None if request.version() == Version::HTTP_2 && request.uri().authority().is_some() => {}
        None => return Err(malformed("the Host header is missing")),
    }
    let method = request.method().as_str();
    let method = Method::parse(method).ok_or_else(|| Refusal::new(Code::MethodDenied, Method::instead(method)))?;
    let ambiguous = |error: policies::PathError| Refusal::new(Code::PathAmbiguous, error.to_string());
    let path = Path::parse(request.uri().path()).map_err(ambiguous)?;
    let query = request.uri().query().map(Query::parse).transpose().map_err(ambiguous)?;
    Ok(Facts { scheme, authority, method, path, query, upgrade: upgrade(request.headers()) })
}

/// Reads a hypothetical request: adds what its headers, in their HTTP/1.1 form, say beside its URL.
pub(crate) fn supposed(facts: Facts, headers: &HeaderMap) -> Result<Facts, Refusal> {
    check_framing(Version::HTTP_11, headers)?;
    if let Some(host) = only_host(headers)? {
        same_authority(host, &facts.authority, facts.scheme.default_port())?;
    }
    Ok(Facts { upgrade: facts.upgrade.or_else(|| upgrade(headers)), ..facts })
}

/// An extension of a request whose target had a fragment, set by the code that saw its bytes: the
/// library cuts it off.
#[derive(Clone, Copy)]
pub struct Fragment;

/// A target has no fragment (RFC 9112 §3.2); with the fragment cut off it is not the request that was made.
fn refuse_fragment<B>(request: &http::Request<B>) -> Result<(), Refusal> {
    match request.extensions().get::<Fragment>() {
        Some(Fragment) => Err(Refusal::new(
            Code::PathAmbiguous,
            "the request target holds a # (a fragment is never sent; a # in a path or a query is %23)",
        )),
        None => Ok(()),
    }
}

/// hyper refuses most smuggling attempts; what it lets through is refused here (probed on hyper
/// 1.12: equal double lengths, `identity, chunked`).
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

/// WebSocket switches the protocol, so a rule must allow it; h2c is stripped later.
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
    if said.host == authority.host {
        return Err(mismatch(format!(
            "the connection is for {authority}, the request names port {} (in Host, or by leaving the port out)",
            said.port
        )));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tunnel(authority: &str) -> Intercepted {
        of_scheme(Scheme::Https, authority)
    }

    fn of_scheme(scheme: Scheme, authority: &str) -> Intercepted {
        let authority = Authority::parse(authority, None).unwrap();
        Intercepted { authority, scheme, sni: None, to_ourselves: false }
    }

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> http::Request<()> {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn read_code(tunnel: Option<&Intercepted>, request: &http::Request<()>) -> Result<String, Code> {
        read(tunnel, request).map(|facts| facts.url_without_query()).map_err(|refusal| refusal.code)
    }

    /// Attacks D02, D03, D06.
    #[test]
    fn a_tunnel_has_one_authority() {
        let tunnel = tunnel("a.test:443");
        let inside = |target, host| read_code(Some(&tunnel), &request("GET", target, &[("host", host)]));
        assert_eq!(inside("/x", "a.test"), Ok("https://a.test/x".to_owned()));
        assert_eq!(inside("/x", "A.TEST.:443"), Ok("https://a.test/x".to_owned()));
        assert_eq!(inside("https://a.test/x", "a.test"), Ok("https://a.test/x".to_owned()));
        assert_eq!(inside("/x", "b.test"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("/x", "a.test:80"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("https://b.test/x", "a.test"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("http://a.test/x", "a.test"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("/x", ""), Err(Code::AuthorityMalformed));
        assert_eq!(inside("/x", "u@a.test"), Err(Code::AuthorityMalformed));
    }

    /// The same if the inside is plain.
    #[test]
    fn a_plain_tunnel_has_one_authority_too() {
        let inside = |tunnel: &str, target, host| {
            read_code(Some(&of_scheme(Scheme::Http, tunnel)), &request("GET", target, &[("host", host)]))
        };
        assert_eq!(inside("a.test:80", "/x", "a.test"), Ok("http://a.test/x".to_owned()));
        assert_eq!(inside("a.test:80", "/x", "A.TEST.:80"), Ok("http://a.test/x".to_owned()));
        assert_eq!(inside("a.test:80", "http://a.test/x", "a.test"), Ok("http://a.test/x".to_owned()));
        assert_eq!(inside("a.test:443", "/x", "a.test:443"), Ok("http://a.test:443/x".to_owned()));
        assert_eq!(inside("a.test:443", "/x", "a.test"), Err(Code::AuthorityMismatch), "that is port 80");
        assert_eq!(inside("a.test:80", "/x", "a.test:443"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("a.test:80", "/x", "b.test"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("a.test:80", "http://b.test/x", "a.test"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("a.test:80", "https://a.test/x", "a.test"), Err(Code::AuthorityMismatch));
        assert_eq!(inside("a.test:80", "/x", "u@a.test"), Err(Code::AuthorityMalformed));
    }

    #[test]
    fn a_plain_request_says_where_to_in_absolute_form() {
        let plain = |target, host| read_code(None, &request("GET", target, &[("host", host)]));
        assert_eq!(plain("http://a.test/x", "a.test"), Ok("http://a.test/x".to_owned()));
        assert_eq!(plain("http://a.test:8080/x", "a.test:8080"), Ok("http://a.test:8080/x".to_owned()));
        assert_eq!(plain("http://a.test/x", "b.test"), Err(Code::AuthorityMismatch));
        assert_eq!(plain("https://a.test/x", "a.test"), Err(Code::Unsupported));
        assert_eq!(plain("/x", "a.test"), Err(Code::SelfTarget));
    }

    #[test]
    fn host_may_only_be_missing_in_http_1_0() {
        let mut request = request("GET", "http://a.test/x", &[]);
        assert_eq!(read_code(None, &request), Err(Code::AuthorityMalformed));
        *request.version_mut() = Version::HTTP_10;
        assert_eq!(read_code(None, &request), Ok("http://a.test/x".to_owned()));
    }

    /// Attacks E01, E02: what hyper may let through.
    #[test]
    fn framing_has_one_reading() {
        let tunnel = tunnel("a.test:443");
        let framed = |headers: &[(&str, &str)]| {
            let headers = [&[("host", "a.test")], headers].concat();
            read_code(Some(&tunnel), &request("POST", "/", &headers)).map(drop)
        };
        assert_eq!(framed(&[("content-length", "5")]), Ok(()));
        assert_eq!(framed(&[("transfer-encoding", "Chunked")]), Ok(()));
        assert_eq!(framed(&[("content-length", "5"), ("content-length", "5")]), Err(Code::Framing));
        for coding in ["identity, chunked", "gzip", "chunked, chunked", ""] {
            assert_eq!(framed(&[("transfer-encoding", coding)]), Err(Code::Framing), "{coding}");
        }
        assert_eq!(framed(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]), Err(Code::Framing));
    }

    /// HTTP/2 names the authority and frames bodies itself; HTTP/1.0 has no chunks.
    #[test]
    fn each_version_says_it_in_its_own_way() {
        let tunnel = tunnel("a.test:443");
        let read_as = |version, target, headers: &[(&str, &str)]| {
            let mut request = request("POST", target, headers);
            *request.version_mut() = version;
            read_code(Some(&tunnel), &request).map(drop)
        };
        let chunked = ("transfer-encoding", "chunked");
        assert_eq!(read_as(Version::HTTP_2, "https://a.test/", &[]), Ok(()));
        assert_eq!(read_as(Version::HTTP_2, "/", &[("host", "a.test")]), Err(Code::AuthorityMalformed));
        assert_eq!(read_as(Version::HTTP_2, "https://a.test/", &[chunked]), Err(Code::Framing));
        assert_eq!(read_as(Version::HTTP_10, "/", &[]), Ok(()));
        assert_eq!(read_as(Version::HTTP_10, "/", &[chunked]), Err(Code::Framing));
        assert_eq!(read_as(Version::HTTP_11, "/", &[("host", "a.test"), chunked]), Ok(()));
    }

    /// Attacks F05, F07.
    #[test]
    fn websockets_are_told_to_the_verdict_and_h2c_is_left_for_stripping() {
        let tunnel = tunnel("a.test:443");
        let upgrade = |to| {
            let headers = [("host", "a.test"), ("connection", "upgrade"), ("upgrade", to)];
            read(Some(&tunnel), &request("GET", "/", &headers)).unwrap().upgrade
        };
        assert_eq!(upgrade("websocket"), Some(Upgrade::WebSocket));
        assert_eq!(upgrade("h2c, WebSocket"), Some(Upgrade::WebSocket));
        assert_eq!(upgrade("h2c"), None);
    }

    #[test]
    fn connect_is_host_and_port() {
        let connected = |target, headers: &[(&str, &str)]| {
            let read = connect(&request("CONNECT", target, headers));
            read.map(|authority| authority.to_string()).map_err(|refusal| refusal.code)
        };
        assert_eq!(connected("A.test.:443", &[]), Ok("a.test:443".to_owned()));
        assert_eq!(connected("a.test", &[]), Err(Code::AuthorityMalformed));
        assert_eq!(connected("a.test:443", &[("host", "a.test")]), Ok("a.test:443".to_owned()));
        assert_eq!(connected("a.test:443", &[("host", "b.test")]), Err(Code::AuthorityMismatch));
        assert_eq!(connected("a.test:443", &[("content-length", "0")]), Err(Code::Framing));
        for own_end in OWN_END {
            assert_eq!(connected("a.test:443", &[("host", own_end)]), Ok("a.test:443".to_owned()));
            assert_eq!(connected(own_end, &[("host", "a.test:443")]), Err(Code::AuthorityMismatch));
        }
        for other in ["127.0.0.1:3129", "127.0.0.1", "127.0.0.2:3128", "localhost", "localhost:3128.", "[::1]:80", ""] {
            assert!(connected("a.test:443", &[("host", other)]).is_err(), "{other}");
        }
        let twice = [("host", "127.0.0.1:3128"), ("host", "a.test:443")];
        assert_eq!(connected("a.test:443", &twice), Err(Code::AuthorityMalformed));
        assert_eq!(connected("u@a.test:443", &[]), Err(Code::AuthorityMalformed));
    }
}
