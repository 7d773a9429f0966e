//! Which requests a rule covers: by path, method and query.
#![allow(clippy::unwrap_used)]

use policies::*;

use super::verdicts::{check, decide, policy};

#[test]
fn paths_and_methods() {
    let text = r#"
[[allow]]
host = "a.test"
do = ["GET /x/**", "POST /repos/*/notes", "* /any", "PUT /v*/f.*", "GET /a/**/z", "GET /lit%2A", "DELETE /dir/"]
"#;
    check(
        text,
        &[
            ("GET https://a.test/x", "allow 2"),
            ("GET https://a.test/x/", "allow 2"),
            ("GET https://a.test/x/y/z", "allow 2"),
            ("GET https://a.test/%78/y", "allow 2"),
            ("GET https://a.test/x?q=1", "allow 2"),
            ("GET https://a.test/xy", "path_denied"),
            ("GET https://a.test/X", "path_denied"),
            ("GET https://a.test/", "path_denied"),
            ("HEAD https://a.test/x", "method_denied"),
            ("POST https://a.test/repos/me/notes", "allow 2"),
            ("POST https://a.test/repos/me/notes/", "path_denied"),
            ("POST https://a.test/repos/me/you/notes", "path_denied"),
            ("POST https://a.test/repos/notes", "path_denied"),
            ("GET https://a.test/repos/me/notes", "method_denied"),
            ("MKCOL https://a.test/any", "allow 2"),
            ("PUT https://a.test/v12/f.txt", "allow 2"),
            ("PUT https://a.test/v/f.", "allow 2"),
            ("PUT https://a.test/w/f.txt", "path_denied"),
            ("GET https://a.test/a/z", "allow 2"),
            ("GET https://a.test/a/b/c/z", "allow 2"),
            ("GET https://a.test/a/b/c", "path_denied"),
            ("GET https://a.test/lit*", "allow 2"),
            ("GET https://a.test/lit%2a", "allow 2"),
            ("GET https://a.test/litter", "path_denied"),
            ("DELETE https://a.test/dir/", "allow 2"),
            ("DELETE https://a.test/dir", "path_denied"),
        ],
    );
}

/// A lone star is one non-empty segment.
#[test]
fn a_star_wants_a_character() {
    let check = |pattern: &str, path: &str| {
        let pattern = RequestPattern::parse(pattern).unwrap();
        pattern.matches(policies::Method::Get, &Path::parse(path).unwrap())
    };
    assert!(check("GET /x/*", "/x/y"));
    assert!(!check("GET /x/*", "/x/"));
    assert!(!check("GET /*", "/"));
    assert!(check("GET /**", "/"));
    assert!(check("GET /", "/"));
    assert!(!check("GET /**/*", "/"));
    let error = RequestPattern::parse("GET x").unwrap_err();
    assert_eq!(error, "the path does not start with a slash; write /x");
}

#[test]
fn a_query_is_whole_or_none() {
    let text = r#"
[[allow]]
host = "a.test"
do = ["GET /whole"]
query = { service = "read", v = "2" }

[[allow]]
host = "a.test"
do = ["GET /none"]
query = {}
"#;
    check(
        text,
        &[
            ("GET https://a.test/whole?service=read&v=2", "allow 2"),
            ("GET https://a.test/whole?v=2&service=read", "allow 2"),
            ("GET https://a.test/whole?service=read", "path_denied"),
            ("GET https://a.test/whole?service=read&v=2&x", "path_denied"),
            ("GET https://a.test/whole", "path_denied"),
            ("GET https://a.test/none", "allow 7"),
            ("GET https://a.test/none?x=1", "path_denied"),
            ("GET https://a.test/none?x", "path_denied"),
        ],
    );
}

/// Attack G07: a request that asks for another method in its query needs all of them.
#[test]
fn method_overrides_are_no_reads() {
    let text = r#"
[[allow]]
host = "a.test"
access = "read"

[[allow]]
host = "a.test"
do = ["POST /form", "* /any/**"]

[[deny]]
host = "a.test"
do = ["DELETE /any/keep"]
"#;
    check(
        text,
        &[
            ("GET https://a.test/x?method=1&my_method=2", "allow 2"),
            ("GET https://a.test/x?_method=DELETE", "method_denied"),
            ("GET https://a.test/x?a=1&%5fMETHOD=DELETE", "method_denied"),
            ("GET https://a.test/x?a;_method=PUT", "method_denied"),
            ("GET https://a.test/x?_method[]=PUT", "method_denied"),
            ("GET https://a.test/x?a=1&+_method+=PUT", "method_denied"),
            ("GET https://a.test/x?X-HTTP-Method-Override=PUT", "method_denied"),
            ("POST https://a.test/form?_method=DELETE", "method_denied"),
            ("POST https://a.test/any/x?_method=DELETE", "allow 6"),
            ("POST https://a.test/any/keep?_method=DELETE", "denied_by_rule"),
            ("POST https://a.test/any/keep", "allow 6"),
        ],
    );
}

/// Another spelling that a server may accept for the same page does not dodge a denial.
#[test]
fn denials_read_widely() {
    let text = r#"
[[allow]]
host = "**.a.test"
do = ["* /**"]

[[deny]]
host = "api.a.test"
do = ["* /gists/**", "GET /Secret:page", "POST /star%2A", "* /w*t/end/"]
why = "gists are an upload channel."

[[deny]]
host = "**.bad.a.test"

[[deny]]
host = "*.odd.a.test"
ports = [443]
"#;
    check(
        text,
        &[
            ("GET https://api.a.test/gist", "allow 2"),
            ("GET https://api.a.test/gists", "denied_by_rule"),
            ("GET https://api.a.test/gists/", "denied_by_rule"),
            ("GET https://api.a.test/GISTS/1", "denied_by_rule"),
            ("GET https://api.a.test/gists;v=1/1", "denied_by_rule"),
            ("GET https://api.a.test/gists%3Bv=1/1", "denied_by_rule"),
            ("GET https://api.a.test/secret%3apage", "denied_by_rule"),
            ("HEAD https://api.a.test/Secret:page/", "denied_by_rule"),
            ("PUT https://api.a.test/Secret:page", "allow 2"),
            ("POST https://api.a.test/star*", "denied_by_rule"),
            ("POST https://api.a.test/STAR%2a", "denied_by_rule"),
            ("POST https://api.a.test/starry", "allow 2"),
            ("PUT https://api.a.test/WaiT/end", "denied_by_rule"),
            ("GET https://x.bad.a.test/", "denied_by_rule"),
            ("GET https://y.x.bad.a.test/", "denied_by_rule"),
            ("GET https://bad.a.test/", "allow 2"),
            ("GET https://x.odd.a.test/", "denied_by_rule"),
            ("GET https://odd.a.test/", "allow 2"),
        ],
    );
    let refusal = decide(&policy(text), "POST https://api.a.test/gists").unwrap_err();
    assert_eq!(refusal.why, "gists are an upload channel");
    assert_eq!(refusal.rule.unwrap().to_string(), "policies/family.toml:6");
    assert_eq!(refusal.lift, ["# remove the [[deny]] at policies/family.toml:6"]);
}
