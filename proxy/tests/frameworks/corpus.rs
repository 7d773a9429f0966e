//! The requests of the test: telling names, in every spelling that some server could read as the
//! same, in each place where names occur.

use std::collections::BTreeSet;

use percent_encoding::percent_decode;

/// A foreign key; plain enough that only its name gives it away.
pub const ATTACKER: &str = "attackerskey";

/// A request, and the intended effect of its spelling.
pub struct Case {
    pub name: String,
    pub host: &'static str,
    pub request: Vec<u8>,
    pub does: Does,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Another method than the one in its first line.
    OtherMethod,
    /// A path outside of `/public/`.
    OtherPath,
    /// A parameter or field of this name with [`ATTACKER`] in it.
    ForeignKey(&'static str),
    Nothing,
}

/// GET, HEAD and POST under `/public/`.
const OPEN: &str = "ro.allowed.test";
/// A credential in the parameter `key`, and nothing else may authenticate.
const BOUND: &str = "query.bound.test";

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const PARTS: &str = "Content-Type: multipart/form-data; boundary=b\r\n";

pub fn attacks(surrogate: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in spellings("_method", true) {
        cases.push(post("query", &format!("/public/7?{name}=DELETE"), FORM, "a=1", Does::OtherMethod));
        cases.push(post("form", "/public/7", FORM, &format!("a=1&{name}=DELETE"), Does::OtherMethod));
    }
    for name in ["_method", "_METHOD", ".method", "\\u005fmethod", "_m\\u0065thod", " _method", "_method\\u0000"] {
        let body = format!("{{\"a\":1,\"{name}\":\"DELETE\"}}");
        cases.push(post("JSON", "/public/7", JSON, &body, Does::OtherMethod));
        cases.push(post("JSON", "/public/7", &JSON.replace("json", "vnd.api+json"), &body, Does::OtherMethod));
    }
    for kind in ["", "text/plain", "text/html; charset=utf-16", "application/octet-stream", "application/csp-report"] {
        let head = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        cases.push(post("JSON under another type", "/public/7", &head, "{\"_method\":\"DELETE\"}", Does::OtherMethod));
    }
    for head in other_letters() {
        cases.push(post("letters", "/public/7?%5Cx5fmethod=DELETE", &head, "a=1", Does::OtherMethod));
        cases.push(post("letters", "/public/7?%2BAF8-method=DELETE", &head, "a=1", Does::OtherMethod));
        let with = |case: Case| Case { host: BOUND, ..case };
        for key in ["%5Cx6bey", "%2BAGs-ey", "%92%85%A8"] {
            let query = format!("/save?{key}={ATTACKER}");
            cases.push(with(post("letters", &query, &head, "", Does::ForeignKey("key"))));
        }
    }
    cases.extend(parts("_method", "DELETE", Does::OtherMethod));
    // Rack takes a body without a type for a form.
    cases.push(post("form without a word", "/public/7", "", "_method=DELETE", Does::OtherMethod));
    // Or with a type that goes no further than the door.
    for kind in ["text/plain", "application/octet-stream", "application/json", "multipart/form-data; boundary=b"] {
        let head = format!("Content-Type: {kind}\r\nConnection: Content-Type\r\n");
        cases.push(post("a type for the door alone", "/public/7", &head, "_method=DELETE", Does::OtherMethod));
        let body = format!("a=1&access_token={ATTACKER}");
        let key = post("a type for the door alone", "/save", &head, &body, Does::ForeignKey("access_token"));
        cases.push(Case { host: BOUND, ..key });
    }
    // Without a type that has fields, a body that cannot be unpacked is taken for a file.
    for (head, body) in [(JSON, "gzip"), ("Content-Type: text/plain\r\n", "br"), ("", "br")].map(|(head, coding)| {
        (format!("{head}Content-Encoding: {coding}\r\nConnection: content-encoding\r\n"), "{\"_method\":\"DELETE\"}")
    }) {
        cases.push(post("a coding for the door alone", "/public/7", &head, body, Does::OtherMethod));
    }
    for header in header_spellings("X-HTTP-Method-Override").into_iter().chain(header_spellings("X-HTTP-Method")) {
        cases.push(post("header", "/public/7", &format!("{header}: DELETE\r\n"), "", Does::OtherMethod));
    }
    for header in header_spellings("X-Original-URL").into_iter().chain(header_spellings("X-Rewrite-URL")) {
        cases.push(post("header", "/public/7", &format!("{header}: /private\r\n"), "", Does::OtherPath));
    }
    cases.extend(paths().into_iter().map(|path| get(OPEN, &path, Does::OtherPath)));
    for (name, pairs) in [("key", true), ("api_key", true), ("access_token", false), ("consumer_key", false)] {
        for spelling in spellings(name, pairs) {
            cases.push(get(BOUND, &format!("/save?{spelling}={ATTACKER}"), Does::ForeignKey(name)));
            let beside = format!("/save?key={surrogate}&{spelling}={ATTACKER}");
            cases.push(get(BOUND, &beside, Does::ForeignKey(name)));
        }
    }
    for name in ["key", "api_key", "access_token"] {
        for spelling in spellings(name, false) {
            let body = format!("a=1&{spelling}={ATTACKER}");
            cases.push(Case { host: BOUND, ..post("form", "/save", FORM, &body, Does::ForeignKey(name)) });
        }
        let parts = parts(name, ATTACKER, Does::ForeignKey(name));
        cases.extend(parts.into_iter().map(|case| Case { host: BOUND, ..case }));
    }
    cases.into_iter().map(addressed).collect()
}

/// Requests that pass today, and must continue to.
pub fn benign(surrogate: &str) -> Vec<Case> {
    let nothing = Does::Nothing;
    let mut cases = vec![
        post("method of an RPC", "/public/rpc", JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}", nothing),
        post("method of a form", "/public/rpc", FORM, "method=auth.getSession&format=json", nothing),
        post("method in a query", "/public/rest?method=flickr.photos.search&api=1", FORM, "a=1", nothing),
        post("JSON as curl sends it", "/public/7", FORM, "{\"a\": \"b & c = d; e\"}", nothing),
        post("nested", "/public/7", JSON, "{\"form\":{\"_method\":\"DELETE\"},\"list\":[{\"_method\":1}]}", nothing),
        post("a text about it", "/public/7", JSON, "{\"text\":\"{\\\"_method\\\": \\\"DELETE\\\"}\"}", nothing),
        post("a payment", "/public/7", FORM, "payment_method=card&methods[]=a&http_method_name=b", nothing),
        post("text", "/public/7", "Content-Type: text/plain\r\n", "_method=DELETE", nothing),
        post("a wide text", "/public/7", "Content-Type: text/plain; charset=utf-16\r\n", "\0_\0m", nothing),
        post("letters of ASCII", "/public/7?q=%5Cx5f", "Content-Type: text/plain; charset=latin1\r\n", "x", nothing),
    ];
    let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"notes on _method.txt\"\r\n\
                Content-Type: text/plain\r\n\r\n_method=DELETE&{\"_method\":1}\r\n--b--\r\n";
    cases.push(post("a file", "/public/7", PARTS, file, nothing));
    for path in [
        "/public/a%20b",
        "/public/caf%C3%A9",
        "/public/%E6%97%A5%E6%9C%AC",
        "/public/To_be_continued%E2%80%A6",
        "/public/a...b",
        "/public/...",
        "/public/.well-known/x",
        "/public/x.tar.gz",
        "/public/a:b@c,d=e;v=1",
        "/public/x?q=mutation+testing+(biology)",
        "/public/x?query=query%20mutation%7Ba%7D",
        "/public/x?q=a%20b&filter%5Bname%5D=x&page[size]=2",
        "/public/x?q=;&r=%00%ff",
        "/public/x?_methods=a&method=get",
    ] {
        cases.push(get(OPEN, path, nothing));
    }
    for query in [
        "sort_key=name&order=asc",
        "start_key=a1b2c3d4e5f6a7b8c9d0e1f2&exclusive_start_key=x",
        "keyword=monkey&author_id=7&authors[]=me",
        "pageToken=abc&maxResults=5&max_tokens=7",
        "filter%5Bproject_key%5D=NOTES&key_type=rsa&key-marker=photos/",
        "q=what+is+an+api+key",
    ] {
        cases.push(get(BOUND, &format!("/list?key={surrogate}&{query}"), nothing));
        cases.push(get(BOUND, &format!("/list?{query}"), nothing));
    }
    let form = format!("/save?key={surrogate}");
    let fields = "title=a+key+and+a+token&sort_key=b&body=access_token%3Dx";
    cases.push(Case { host: BOUND, ..post("a form beside the surrogate", &form, FORM, fields, nothing) });
    let json = "{\"key\":\"NOTES-1\",\"access_token_lifetime\":60}";
    cases.push(Case { host: BOUND, ..post("JSON beside the surrogate", &form, JSON, json, nothing) });
    cases.into_iter().map(addressed).collect()
}

/// Every spelling of a name that some server could read as the same; `pairs`: also with something
/// before it and after it.
fn spellings(name: &str, pairs: bool) -> BTreeSet<String> {
    const BETWEEN: [&str; 12] = ["_", ".", "+", "%20", "[", "%5F", "%5f", "%2E", "%5B", "%u005f", "-", "%00"];
    const BEFORE: [&str; 13] = ["", "+", "%20", "?", "??", "[", "]", ".", "%00", ";", "&", "%0A", "%EF%BB%BF"];
    const BEHIND: [&str; 13] = ["", "[]", "[0]", "[x]", "]", "[", "%00", "%00x", ".", "+", "%20", "%0A", "%E2%80%8B"];
    let mut all = BTreeSet::new();
    for between in BETWEEN {
        let word = name.replace('_', between);
        all.extend(BEFORE.map(|before| format!("{before}{word}")));
        all.extend(BEHIND.map(|behind| format!("{word}{behind}")));
        if pairs && matches!(between, "_" | "." | "[") {
            all.extend(BEFORE.iter().flat_map(|before| BEHIND.map(|behind| format!("{before}{word}{behind}"))));
        }
    }
    all.insert(name.to_uppercase());
    for (at, letter) in name.char_indices() {
        let (before, behind) = (&name[..at], &name[at + 1..]);
        all.insert(format!("{before}%{:02X}{behind}", u32::from(letter)));
        all.insert(format!("{before}%{:02x}{behind}", u32::from(letter)));
        all.insert(format!("{before}{}{behind}", letter.to_ascii_uppercase()));
    }
    all
}

/// Heads that make a server read the query in another charset.
fn other_letters() -> Vec<String> {
    let mut heads = vec!["X-Up-Devcap-Post-Charset: ibm037\r\nUser-Agent: UP.Browser\r\n".to_owned()];
    for charset in ["unicode_escape", "raw_unicode_escape", "utf-7", "ibm037", "cp500", "utf-16"] {
        for parameter in
            [format!("charset={charset}"), format!("charset=\"{charset}\""), format!("charset*=utf-8''{charset}")]
        {
            for kind in ["text/plain", "application/x-www-form-urlencoded"] {
                heads.push(format!("Content-Type: {kind}; {parameter}\r\n"));
            }
        }
    }
    heads
}

fn header_spellings(name: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for between in ["-", "_", ".", "~", "!", "--", "-_"] {
        let word = name.replace('-', between);
        all.extend(["", "-", "_"].map(|before| format!("{before}{word}")));
        all.extend(["-", "_", "."].map(|behind| format!("{word}{behind}")));
    }
    all.insert(name.to_uppercase());
    all.insert(name.to_lowercase());
    all
}

/// A part of a form with this name, in each way of naming a part.
fn parts(name: &str, value: &str, does: Does) -> Vec<Case> {
    let dotted = name.replacen('_', ".", 1);
    let escaped = name.replacen('_', "%5F", 1);
    let headers = [
        format!("Content-Disposition: form-data; name=\"{name}\""),
        format!("content-disposition:form-data;name={name}"),
        format!("CONTENT-DISPOSITION: FORM-DATA; NAME=\"{name}\""),
        format!("Content-Disposition: form-data; name='{name}'"),
        format!("Content-Disposition: form-data; name = \"{name}\""),
        format!("Content-Disposition: form-data; name=\"{dotted}\""),
        format!("Content-Disposition: form-data; name=\" {name}\""),
        format!("Content-Disposition: form-data; name=\"{name} \""),
        format!("Content-Disposition: form-data; name=\"{name}[]\""),
        format!("Content-Disposition: form-data; name=\"[{name}]\""),
        format!("Content-Disposition: form-data; name=\"{escaped}\""),
        format!("Content-Disposition: form-data; name=\"\\{name}\""),
        format!("Content-Disposition: form-data; name*=utf-8''{name}"),
        format!("Content-Disposition: form-data; name*=utf-8''{escaped}"),
        format!("Content-Disposition: form-data; name*0=\"{}\"; name*1=\"{}\"", &name[..2], &name[2..]),
        format!("Content-Disposition: form-data; name=\"=?utf-8?Q?{name}?=\""),
        format!("Content-Disposition: form-data;\r\n name=\"{name}\""),
        format!("Content-Disposition: form-data;\r\n\tname=\"{name}\""),
        format!("Content-Disposition: form-data; x=\"a;b\"; name=\"{name}\""),
        format!("Content-Disposition: form-data; name=\"x\"; name=\"{name}\""),
        format!("Content-Disposition: form-data; name=\"{name}\"; name=\"x\""),
        format!("Content-Disposition : form-data; name=\"{name}\""),
        format!("X-Content-Disposition: form-data; name=\"{name}\""),
        format!("X: y\nContent-Disposition: form-data; name=\"{name}\""),
        format!("Content-Disposition: attachment; name=\"{name}\""),
        format!("Content-Disposition: form-data\nX: a; name=\"{name}\""),
        format!("Content-Disposition: form-data; x=\"\nX: a\"; name=\"{name}\""),
        format!("Content-Disposition: form-data; name\x0c=\"{name}\""),
        format!("Content-Disposition: form-data; name\x0b =\"{name}\""),
        format!("Content-Disposition: form-data; nam\r\ne={name}\n\n{value}\r\n--b\r\nX: y"),
        format!("Content-Disposition: form-data; nam\r\ne={name}\n\r\n{value}\r\n--b\r\nX: y"),
        format!("Content-Disposition: name*=utf-8''qform-data; filename=\"{name}\""),
        format!("Content-Disposition: form-data; xname=y; filename=\"{name}\""),
        format!("Content-ID: {name}"),
        format!("Content-Type: text/plain\r\nContent-ID: {name}"),
    ];
    let mut cases = Vec::new();
    for header in headers {
        let part = format!("--b\r\n{header}\r\n\r\n{value}\r\n--b--\r\n");
        for kind in [PARTS, "Content-Type: multipart/form-data; boundary=\"b\"; charset=utf-8\r\n"] {
            cases.push(post("a part", "/public/7", kind, &part, does));
        }
        let bare = part.replace("\r\n", "\n");
        cases.push(post("a part, bare line ends", "/public/7", PARTS, &bare, does));
    }
    cases
}

/// Paths that could lead out of `/public/`.
fn paths() -> BTreeSet<String> {
    const UP: [&str; 30] = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "..;",
        "..;x=1",
        "..%3B",
        "..%20",
        "%20..",
        "..%09",
        "..%00",
        "..%0a",
        "..%2f..",
        "..%5c..",
        "..\\..",
        "%252e%252e",
        "%u002e%u002e",
        "%c0%ae%c0%ae",
        "%c0%2e%c0%2e",
        "%e0%80%ae%e0%80%ae",
        "%ff%fe..",
        "..%ff",
        "%EF%BC%8E%EF%BC%8E",
        "%E2%80%A5",
        ".%E2%80%8B.",
        "..%C2%A0",
        "..%E2%88%95..",
        "..%EF%BC%8F..",
        ".. .",
        "...",
    ];
    let mut all = BTreeSet::new();
    for up in UP.iter().filter(|up| !up.contains(' ')) {
        for path in
            ["/public/{}/private", "/public/a/{}/{}/private", "/public/{}", "/{}/private", "/public//{}/private"]
        {
            all.insert(path.replace("{}", up));
        }
    }
    all
}

/// The segments that a path leads to, if it leads anywhere.
pub fn resolved(path: &[u8]) -> Option<String> {
    let path = String::from_utf8_lossy(path).into_owned();
    let mut segments = Vec::new();
    for segment in path.trim_start_matches('/').split('/') {
        match segment {
            ".." => drop(segments.pop()?),
            "." => {}
            other => segments.push(other),
        }
    }
    Some(segments.join("/"))
}

fn get(host: &'static str, target: &str, does: Does) -> Case {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    Case { name: format!("GET {target}"), host, request, does }
}

fn post(what: &str, target: &str, headers: &str, body: &str, does: Does) -> Case {
    let length = body.len();
    let request = format!("POST {target} HTTP/1.1\r\nHost: HOST\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    let shown = format!("{} {}", headers.trim(), body.replace("\r\n", " "));
    let name = format!("{what}: POST {target} {}", shown.trim());
    Case { name, host: OPEN, request: request.into_bytes(), does }
}

/// Adds the name of its host.
fn addressed(case: Case) -> Case {
    let text = String::from_utf8(case.request).unwrap();
    Case { request: text.replacen("Host: HOST", &format!("Host: {}", case.host), 1).into_bytes(), ..case }
}

#[test]
fn a_path_leads_where_its_dots_say() {
    let leads = |path: &str| resolved(&percent_decode(path.as_bytes()).collect::<Vec<_>>());
    assert_eq!(leads("/public/../private").as_deref(), Some("private"));
    assert_eq!(leads("/public/./%2e%2e/a").as_deref(), Some("a"));
    assert_eq!(leads("/public/a/.../b").as_deref(), Some("public/a/.../b"));
    assert_eq!(leads("/../a"), None);
}
