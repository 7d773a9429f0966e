//! Fields that ask for another method, whole and in pieces.
#![allow(clippy::unwrap_used)]

use http::HeaderValue;

use super::*;

mod batch;

fn headers(kind: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
    }
    headers
}

fn asking() -> Look {
    let refusal = Refusal::new(Code::MethodDenied, "no");
    Look { is_one: Box::new(policies::field_asks), in_json: true, refusal: Box::new(move |_, _| refusal.clone()) }
}

fn authenticating() -> Look {
    let refusal = Refusal::new(Code::CredentialNotSurrogate, "no");
    Look {
        is_one: Box::new(|name| name == "access_token"),
        in_json: false,
        refusal: Box::new(move |_, _| refusal.clone()),
    }
}

/// How many bytes of the body had passed when it was refused; `None` if all did.
fn went(headers: &HeaderMap, body: &[u8], piece: usize) -> Option<usize> {
    let mut watch = FieldWatch::of(headers, BODY, vec![asking(), authenticating()]).unwrap()?;
    let pieces = body.chunks(piece).scan(0, |at, piece| {
        let start = *at;
        *at += piece.len();
        Some((start, piece))
    });
    pieces.into_iter().find_map(|(start, piece)| watch.look(piece, false).is_err().then_some(start))
}

fn check(kind: &str, body: impl AsRef<[u8]>, asks: bool) {
    let body = body.as_ref();
    for piece in [1, 2, 3, 7, body.len().max(1)] {
        let went = went(&headers(kind), body, piece);
        assert_eq!(went.is_some(), asks, "{kind} in pieces of {piece}: {}", String::from_utf8_lossy(body));
    }
}

const BODY: Sent = Sent { query: false, body: true };
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const PARTS: &str = "multipart/form-data; boundary=b";

#[test]
fn a_field_of_a_form_that_asks_for_another_method_is_found() {
    for body in [
        "_method=DELETE",
        "a=1&_method=DELETE",
        "a=1;_method=DELETE",
        "a=1& _method=DELETE",
        "%5fmethod=DELETE",
        "_METHOD=x",
        "+.method=DELETE",
        ".method=DELETE",
        "_method%00x=DELETE",
        "_method[]=DELETE",
        "[_method]=DELETE",
        "[method=DELETE",
        "%u005fmethod=DELETE",
        "a&_method=DELETE",
        "X-HTTP-Method-Override=DELETE",
        "a==1&&;=&_method=DELETE",
    ] {
        check(FORM, body, true);
        check("", body, true);
    }
    check(FORM, format!("{}_method=DELETE", "+".repeat(10_000)), true);
    check(FORM, format!("{}&_method=DELETE", "long%".repeat(1_000)), true);
    check(FORM, format!("{}_method=DELETE", "long".repeat(1_000)), false);
    check("Application/X-WWW-Form-URLEncoded; charset=UTF-8", "_method=x", true);
    for body in [
        "",
        "method=DELETE",
        "a=_method=DELETE",
        "x[_method]=DELETE",
        "my_method=DELETE",
        "a=1&payment_method=card&methods=x",
        "{\"a\": \"_method\"}",
        "%=1&%u=2&%5=3&%u005=4",
        "caf%C3%A9_method=x",
    ] {
        check(FORM, body, false);
    }
    check("text/plain", "_method=DELETE", false);
    check("application/octet-stream", "_method=DELETE", false);
}

#[test]
fn a_key_of_a_json_object_that_asks_for_another_method_is_found() {
    for body in [
        "{\"_method\":\"DELETE\"}",
        "{\"a\":{\"b\":[\"}\"]},\"_method\" : \"DELETE\"}",
        "{\"\\u005fmethod\":1}",
        "{\"_\\u006Dethod\":1}",
        "\u{feff}{\"_Method\":1}",
        "{\"a\":\"\\\"\\\\\",\"_method\":1}",
        "{\"x-http-method-override\":1}",
    ] {
        check(JSON, body, true);
        check("application/vnd.api+json; charset=utf-8", body, true);
        let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(JSON, wide, true);
    }
    let long = "long\\\"".repeat(1_000);
    check(JSON, format!("{{\"a\":\"{long}\",\"_method\":1}}"), true);
    check(JSON, format!("{{\"{long}_method\":1}}"), false);
    for body in [
        "{\"method\":\"DELETE\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}",
        "{\"httpMethod\":\"DELETE\"}",
        "{\"a\":{\"_method\":1}}",
        "[{\"_method\":1}]",
        "{\"a\":\"_method\"}",
        "{\"a\":\"_method\",\"b\":1}",
        "{\"a\":\"{\\\"_method\\\":1}\"}",
        "\"_method\":",
    ] {
        check(JSON, body, false);
    }
}

#[test]
fn a_part_of_a_form_that_asks_for_another_method_is_found() {
    let part = |header: &str| format!("--b\r\n{header}\r\n\r\nDELETE\r\n--b--\r\n");
    for header in [
        "Content-Disposition: form-data; name=\"_method\"",
        "content-disposition:form-data;name=_method",
        "Content-Disposition: form-data; filename=\"a\"; name='_method'",
        "Content-Disposition: form-data;\r\n name=\"_method\"",
        "Content-Disposition : form-data; NAME = \"_method\"",
        "Content-Disposition: form-data; name=\"_method[]\"",
        "Content-Disposition: form-data; name=\".method\"",
        "Content-Disposition: form-data; name*=utf-8''_method",
        "Content-Disposition: form-data; name*=utf-8''%5Fmethod",
        "Content-Disposition: form-data; name*0=_me; name*1=thod",
        "Content-Disposition: form-data; name==?utf-8?Q?_method?=",
        "Content-Disposition: form-data; name=\"=?utf-8?B?X21ldGhvZA==?=\"",
        "Content-Disposition: form-data; name=\"\\_method\"",
        "X: y\nContent-Disposition: form-data; name=\"_method\"",
        "X-Content-Disposition: form-data; name=\"_method\"",
        "Content-Type: text/plain\r\nContent-ID: <_method>",
        "Content-ID: _method",
        "CcContent-Id:_method",
        "contContent-Disposition: form-data; name=\"_method\"",
    ] {
        check(PARTS, part(header), true);
    }
    for header in [
        "Content-Disposition: form-data; name=\"method\"",
        "Content-Disposition: form-data; name=\"a\"; filename=\"_method\"",
        "Content-Disposition: form-data; name=\"a\"\r\nX-Name: name=_method",
        "Content-Disposition: form-data; name=\"a\"\r\n\r\nname=_method",
        "Content-Type: text/plain; name=_method",
        "Content-Idea: _method",
    ] {
        check(PARTS, part(header), false);
    }
}

/// PHP joins a line without a colon to the previous one, Rack reads a name after any blanks, Django up to a CRLF.
#[test]
fn a_name_in_the_next_line_of_a_header_is_found() {
    let part = |header: &str| format!("--b\r\n{header}\r\n\r\nDELETE\r\n--b--\r\n");
    for header in [
        "Content-Disposition: form-data;\r\nname=\"_method\"",
        "Content-Disposition: form-data; x=y;\r\nname=\"_method\"",
        "Content-Disposition: form-data;\nname=\"_method\"",
        "Content-Disposition: form-data;\rname=\"_method\"",
        "Content-Disposition: form-data; x=y;\n\nname=\"_method\"",
        "Content-Disposition: form-data;\r\n\x0bname=\"_method\"",
        "Content-Disposition: form-data; na\r\nme=\"_method\"",
        "Content-Disposition: form-data; name=\"_me\r\nthod\"",
        "Content-Disposition: form-data; name=\r\n\"_method\"",
        "Content-Disposition: form-data; name=_me\r\nthod",
        "Content-Disposition:\r\nform-data; name=\"_method\"",
        "Content-Disposition: form-data;\r\nname=\"_method\"; a=b:c",
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"_method\"",
        "Content-Disposition: form-data; filename=\"_method\"",
        "Content-Disposition: attachment;\r\nfilename=_method",
    ] {
        check(PARTS, part(header), true);
    }
    for header in [
        "Content-Disposition: form-data; filename=\"_method\"; name=\"a\"",
        "Content-Disposition: form-data; filename=\"_method\";\r\n name=\"a\"",
        "Content-Disposition: attachment; filename=\"=?utf-8?B?X21ldGhvZA==?=\"",
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; name=_method",
        "Content-Disposition: form-data; name=\"a\"\r\n_method: x",
    ] {
        check(PARTS, part(header), false);
    }
}

/// Parse Server's own client sends JSON as text/plain, with `_method` in it.
#[test]
fn an_object_of_json_is_one_under_any_type() {
    let body = "{\"_method\":\"DELETE\"}";
    let wide = |body: &str| body.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    for kind in
        ["", "text/plain", "text/plain; charset=utf-16", "application/octet-stream", "application/csp-report", "x"]
    {
        for blank in ["", " \r\n\t", "\u{feff}"] {
            let body = format!("{blank}{body}");
            check(kind, &body, true);
            check(kind, wide(&body), true);
        }
        for other in ["x{\"_method\":1}", "[{\"_method\":1}]", "\"_method\":1", "{\"a\":{\"_method\":1}}", "", " "] {
            check(kind, other, false);
        }
    }
    check(FORM, body, false);
    check(PARTS, body, false);
    // If it is not JSON and is packed, it is a file.
    let packed = |coding| {
        let mut headers = headers("application/octet-stream");
        headers.insert("content-encoding", HeaderValue::from_static(coding));
        headers
    };
    assert_eq!(went(&packed("gzip"), b"no gzip at all", 3), None);
    assert_eq!(went(&packed("br"), b"anything", 3), None);
}

/// Servers differ in what ends a line, a head and a name (found by sending the same to PHP, Rack and Django).
#[test]
fn a_part_is_named_as_the_loosest_reader_has_it() {
    for head in [
        "Content-Disposition: form-data\nX: a; name=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data\rX: a; name=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data; x=\"\nX: a\"; name=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data; nam\r\ne=_method\n\nDELETE",
        "Content-Disposition: form-data; nam\r\ne=_method\n\r\nDELETE",
        "Content-Disposition: form-data; name=_method\r\rDELETE",
        "Content-Disposition: form-data; name\x0c=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data; name\x0b = \"_method\"\r\n\r\n",
        "Content-Disposition: name*=utf-8''qform-data; filename=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data; name*=utf-8''x; filename=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data; xname=y; filename=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data; filename=_method\n\nDELETE",
    ] {
        check(PARTS, format!("--b\r\n{head}DELETE\r\n--b--\r\n"), true);
    }
    for head in [
        "Content-Disposition: form-data; name=\"file\"; filename=\"_method\"\r\n\r\n",
        "Content-Disposition: form-data ; name = file ; filename=_method\r\n\r\n",
        "Content-Disposition: form-data; name=\"a\"\n\nx; name=\"b\"\r\n\r\n",
    ] {
        check(PARTS, format!("--b\r\n{head}DELETE\r\n--b--\r\n"), false);
    }
}

/// With a body or without.
#[test]
fn a_query_that_its_head_gives_other_letters_is_refused() {
    let of = |name: &str, value: &str, query, body| {
        let mut headers = HeaderMap::new();
        headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        let watch = FieldWatch::of(&headers, Sent { query, body }, vec![asking()]);
        watch.map(|watch| watch.is_some()).map_err(|refusal| refusal.code)
    };
    for kind in [
        "text/plain; charset=unicode_escape",
        "text/plain; charset=utf-7",
        "text/plain; CHARSET = \"ibm037\"",
        "text/plain; charset*=utf-8''unicode_escape",
        "text/plain; charset*0=unicode_; charset*1=escape",
        "text/plain; charset=utf-8; charset=utf-16",
        "image/png;charset=raw_unicode_escape",
    ] {
        for body in [false, true] {
            assert_eq!(of("content-type", kind, true, body), Err(Code::BodyUnreadable), "{kind}");
        }
        assert_eq!(of("content-type", kind, false, false), Ok(false), "{kind}");
    }
    assert_eq!(of("x-up-devcap-post-charset", "ibm037", true, false), Err(Code::BodyUnreadable));
    for kind in
        ["text/plain", "text/plain; charset=utf-8", "application/json; charset*=UTF-8''utf-8", "a/b; charset=gb18030"]
    {
        assert_eq!(of("content-type", kind, true, false), Ok(false), "{kind}");
    }
    assert_eq!(of("x-up-devcap-post-charset", "utf-8", true, false), Ok(false));
}

/// The piece that ends the name is held back, and what passed before is not a field.
#[test]
fn the_name_of_such_a_field_never_goes_out_whole() {
    let form = b"a=1&_method=DELETE";
    for piece in 1..form.len() {
        let went = went(&headers(FORM), form, piece).unwrap();
        assert!(!form[..went].ends_with(b"_method=") && went <= 11, "{piece}: {went}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_other_bodies_are_not_looked_at() {
    let of = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        FieldWatch::of(&pairs.collect::<HeaderMap>(), BODY, vec![asking()])
            .map(|watch| watch.map_or(0, |watch| watch.readers.len()))
            .map_err(|refusal| refusal.code)
    };
    let kind = |kind| [("content-type", kind)];
    for charset in ["utf-16", "UTF-7", "ibm037", "\"cp500\"", "utf-32le"] {
        let kind = format!("{FORM}; charset={charset}");
        assert_eq!(of(&[("content-type", &kind)]), Err(Code::BodyUnreadable), "{charset}");
    }
    for charset in ["utf-8", "\"UTF-8\"", "iso-8859-15", "windows-1252", ""] {
        let kind = format!("{FORM}; charset={charset}");
        assert_eq!(of(&[("content-type", &kind)]), Ok(1), "{charset}");
    }
    // Any other body may be a JSON object, and is read once it begins like one.
    assert_eq!(of(&kind("text/html; charset=utf-16")), Ok(1));
    assert_eq!(of(&kind("text/html; charset=utf-7")), Err(Code::BodyUnreadable));
    assert_eq!(of(&[("content-type", "application/json"), ("content-type", FORM)]), Ok(2));
    assert_eq!(of(&[("content-type", JSON), ("content-encoding", "br")]), Err(Code::BodyUnreadable));
    assert_eq!(of(&[("content-type", "application/x-git"), ("content-encoding", "br")]), Ok(0));
    let mut odd = HeaderMap::new();
    odd.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(went(&odd, b"{\"_method\":1}", 4), Some(8));
}

#[test]
fn a_packed_form_is_unpacked_for_it() {
    let mut packed = headers(FORM);
    packed.insert("content-encoding", HeaderValue::from_static("gzip"));
    // RFC 1952 §2.3; the trailer after the deflated text does not matter here.
    let gzip = |text: &[u8]| {
        let text = miniz_oxide::deflate::compress_to_vec(text, 6);
        [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &text].concat()
    };
    assert!(went(&packed, &gzip(b"a=1&_method=DELETE"), 5).is_some());
    assert!(went(&packed, &gzip(b"a=1&method=DELETE"), 5).is_none());
    packed.insert("content-encoding", HeaderValue::from_static("aws-chunked"));
    assert!(went(&packed, b"7\r\na=1&_me\r\nb\r\nthod=DELETE\r\n0\r\n\r\n", 5).is_some());
    assert!(went(&packed, b"6\r\na=1&me\r\nb\r\nthod=DELETE\r\n0\r\n\r\n", 5).is_none());
}

/// JSON keys do not authenticate; each look has its own refusal.
#[test]
fn each_look_says_what_it_found() {
    let code = |kind: &str, body: &str| {
        let mut watch = FieldWatch::of(&headers(kind), BODY, vec![asking(), authenticating()]).unwrap().unwrap();
        watch.look(body.as_bytes(), true).map_err(|refusal| refusal.code)
    };
    assert_eq!(code(FORM, "a=1&access.token=x&_method=y"), Err(Code::CredentialNotSurrogate));
    assert_eq!(code(FORM, "_method=y&access_token=x"), Err(Code::MethodDenied));
    let part = "--b\r\nContent-Disposition: form-data; name=access_token\r\n\r\nx";
    assert_eq!(code(PARTS, part), Err(Code::CredentialNotSurrogate));
    assert_eq!(code(PARTS, &part.replace("name=", "name*0=")), Err(Code::MethodDenied));
    assert_eq!(code(JSON, "{\"access_token\":\"x\"}"), Ok(()));
    let watch = FieldWatch::of(&headers(JSON), BODY, vec![authenticating()]).unwrap();
    assert!(watch.is_none() && FieldWatch::of(&headers(FORM), BODY, Vec::new()).unwrap().is_none());
}

const MIXED: &str = "multipart/mixed; boundary=b";

#[test]
fn a_request_in_a_part_asks_for_any_method() {
    let part = |head: &str| format!("--b\r\n{head}\r\n\r\nDELETE /items/7 HTTP/1.1\r\n\r\n--b--\r\n");
    for head in [
        "Content-Type: application/http",
        "content-type:application/http; msgtype=request",
        "CONTENT-TYPE: Application/HTTP",
        "Content-Type : application/http",
        "Content-Type:\r\n application/http",
        "Content-Type: \t \r\n\tapplication/http",
        "Content-ID: 1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary",
        "Content-Type: message/http",
        "Content-Type: \"application/http\"",
        "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http",
    ] {
        check(MIXED, part(head), true);
        check("Multipart/Mixed;boundary=b", part(head), true);
        check("multipart/mixed; boundary=b; charset=utf-8", part(head).replace("\r\n", "\n"), true);
    }
    for head in [
        "Content-Type: application/json",
        "Content-Type: text/plain\r\nX-Content-Type: application/http",
        "Content-Description: application/http",
        "Content-Type: application/octet-stream\r\n\r\nContent types like application/http are",
        "Subject: Content-Type: application/http",
    ] {
        check(MIXED, part(head), false);
    }
    // A file in a form may be about anything.
    check(PARTS, part("Content-Type: application/http"), false);
}

/// An alarm is for a value that could be a key, and an incomplete one could be.
#[test]
fn a_value_is_told_where_all_of_it_is_there() {
    let told = |kind: &str, pieces: &[&str]| {
        let refusal = |_: &str, value: Option<&str>| Refusal::new(Code::NotHarmless, format!("{value:?}"));
        let look = Look { refusal: Box::new(refusal), ..authenticating() };
        let mut watch = FieldWatch::of(&headers(kind), BODY, vec![look]).unwrap().unwrap();
        let last = pieces.len() - 1;
        let mut pieces = pieces.iter().enumerate();
        let found = pieces.find_map(|(at, piece)| watch.look(piece.as_bytes(), at == last).err());
        found.map(|refusal| refusal.why)
    };
    let parts = |value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n{value}\r\n--b--\r\n")
    };
    for (kind, body, value) in [
        (FORM, "a=1&access_token=on&b=2", "on"),
        (FORM, "access_token=on", "on"),
        (FORM, "access_token&b=2", ""),
        (FORM, "access_token=;b=2", ""),
        (FORM, "access_token[0]=on", "on"),
        (PARTS, &parts("on"), "on"),
        (PARTS, &parts(""), ""),
    ] {
        assert_eq!(told(kind, &[body]), Some(format!("{:?}", Some(value))), "{body}");
    }
    for (kind, pieces) in [
        (FORM, ["access_token=o", "n&b=2"]),
        (FORM, ["access_token=", "on"]),
        (FORM, ["access_token[", "0]=on"]),
        (PARTS, ["Content-Disposition: form-data; name=\"access_token\"\r\n\r\no", "n\r\n--b--"]),
        (PARTS, ["Content-Disposition: form-data; name=\"access_token\"\r\n", "\r\non\r\n--b--"]),
    ] {
        assert_eq!(told(kind, &pieces), Some("None".to_owned()), "{pieces:?}");
    }
}
