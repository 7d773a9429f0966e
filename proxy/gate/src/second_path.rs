//! Headers that name a second thing to read: storage services copy it to the path of the request,
//! where it can be fetched. So each is judged as a GET of what it names, and also as a DELETE if
//! the original is removed. (COPY and MOVE, which name a second path to write to, are methods that
//! no rule can have.)

use http::HeaderMap;
use policies::{Code, Facts, Method, Path, PolicyAt, Query, Refusal, normal_name};

/// How names of such headers end, in their normal form: `X-Amz-Copy-Source` of S3 and its
/// relatives (`x-goog-`, `x-ms-`, `x-oss-`, `x-obs-`, `x-cos-`), `X-Copy-From`,
/// `X-Symlink-Target` and `X-Object-Manifest` of OpenStack's Swift, `x-ms-rename-source` of
/// Azure's Data Lake, `x-oss-symlink-target`, `x-upyun-move-source`, `x-qs-fetch-source`.
const ENDINGS: [&str; 7] =
    ["copy_source", "copy_from", "fetch_source", "move_source", "rename_source", "symlink_target", "object_manifest"];
/// Those that remove what they name.
const MOVES: [&str; 2] = ["move_source", "rename_source"];

/// Refuses a request that makes its host read something that the policy would refuse; returns what it reaches.
pub(crate) fn judge(policy: PolicyAt<'_>, facts: &Facts, headers: &HeaderMap) -> Result<Vec<Facts>, Refusal> {
    let mut reached = Vec::new();
    for (name, value) in headers {
        let normal = normal_name(name.as_str());
        if !ENDINGS.iter().any(|ending| normal.ends_with(ending)) {
            continue;
        }
        let text = value.to_str().map_err(|_| "it is not ASCII; send it percent-encoded".to_owned());
        let named = text.and_then(|text| read(facts, text)).map_err(|error| {
            Refusal::new(Code::PathAmbiguous, format!("the header {name} names what is read by it, and {error}"))
        })?;
        let removed = Facts { method: Method::Delete, ..named.clone() };
        let moves = MOVES.iter().any(|ending| normal.ends_with(ending));
        for named in std::iter::once(named).chain(moves.then_some(removed)) {
            policy.reaches(&named).map_err(|refusal| {
                let does = if named.method == Method::Delete { "remove" } else { "read" };
                let why = format!(
                    "the header {name} has the host {does} {}, and that is judged like a {} of it: {}",
                    named.url_without_query(),
                    named.method,
                    refusal.why
                );
                Refusal { why, ..refusal }
            })?;
            reached.push(named);
        }
    }
    Ok(reached)
}

/// A path on the same host, with or without the leading slash; or a URL.
fn read(facts: &Facts, text: &str) -> Result<Facts, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.contains("://") {
        return Facts::parse("GET", text).map_err(|error| error.to_string());
    }
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let path =
        Path::parse(&format!("/{}", path.strip_prefix('/').unwrap_or(path))).map_err(|error| error.to_string())?;
    let query = query.map(Query::parse).transpose().map_err(|error| error.to_string())?;
    let (scheme, authority) = (facts.scheme, facts.authority.clone());
    Ok(Facts { scheme, authority, method: Method::Get, path, query, upgrade: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{HeaderName, HeaderValue};
    use policies::{GroupName, Moment};
    use policy_file::Source;

    use super::*;

    const POLICY: &str = r#"
        [[allow]]
        host = "s3.test"
        do = ["PUT /out/**", "GET /out/**", "GET /shared/*", "GET /tmp/*", "DELETE /tmp/*"]
        [[allow]]
        host = "open.test"
        access = "read"
        [[allow]]
        host = "bare.test"
        do = ["GET /**"]
        query = {}
        [[deny]]
        host = "s3.test"
        do = ["* /out/locked"]
    "#;

    fn refused(name: &'static str, value: &str) -> Option<Code> {
        refused_by(POLICY, name, value.as_bytes())
    }

    fn refused_by(policy: &str, name: &'static str, value: &[u8]) -> Option<Code> {
        let group = GroupName::parse("family").unwrap();
        let source = Source { name: "family.toml".to_owned(), text: policy.to_owned() };
        let policy = policy_file::compile(&group, &source, None).unwrap().policy;
        let facts = Facts::parse("PUT", "https://s3.test/out/copy").unwrap();
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())]);
        judge(policy.at(Moment::FAR), &facts, &headers).err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_query_of_what_is_read_is_judged_with_it() {
        for (value, passes) in [
            ("https://bare.test/x", true),
            ("https://bare.test/x?what=ever", false),
            ("https://bare.test/x?", false),
            ("https://open.test/x?what=ever", true),
            ("https://open.test/x?_method=DELETE", false),
            ("/shared/x?versionId=3", true),
            ("shared/x?_method=DELETE", false),
        ] {
            assert_eq!(refused("x-ms-copy-source", value).is_none(), passes, "{value}");
        }
    }

    /// Where all that could be read instead may be read.
    #[test]
    fn a_name_that_cannot_be_read_is_no_other_name() {
        const OPEN: &str = "[[allow]]\nhost = \"s3.test\"\ndo = [\"* /**\"]\n\n\
                            [[deny]]\nhost = \"s3.test\"\ndo = [\"* /private/**\"]\n";
        let refused = |value: &[u8]| refused_by(OPEN, "x-ms-copy-source", value).is_some();
        assert!(!refused(b"/out/x") && !refused(b"/out/%C3%A9"));
        for value in ["", " ", "/private/x?y=\u{e9}", "/out/\u{e9}", "https://unlisted.test/x?\u{e9}", "/private/x"] {
            assert!(refused(value.as_bytes()), "{value}");
        }
        assert!(refused(b"/private/\xff") && refused(b"\t/private/x"));
    }

    #[test]
    fn what_a_header_has_the_host_read_is_judged_like_a_get_of_it() {
        for name in [
            "x-amz-copy-source",
            "x_amz_copy_source",
            "x-goog-copy-source",
            "x-ms-copy-source",
            "x-oss-copy-source",
            "x-cos-copy-source",
            "x-qs-fetch-source",
            "x-copy-from",
            "x-symlink-target",
            "x-oss-symlink-target",
            "x-object-manifest",
        ] {
            for value in ["/private/y", "private/y", "/out/locked", "out/LOCKED", "/", "", "https://s3.test/private/y"]
            {
                assert!(refused(name, value).is_some(), "{name}: {value}");
            }
            for value in ["/out/../private/y", "/out%2f..%2fprivate", "/out//private", "https://u@s3.test/out/x"] {
                assert!(refused(name, value).is_some(), "{name}: {value}");
            }
            assert_eq!(refused(name, "https://evil.test/out/x"), Some(Code::NotAllowed), "{name}");
            for value in ["/out/y", "out/y/z", " /shared/a ", "/out/y?versionId=3", "https://open.test/x?sig=1"] {
                assert_eq!(refused(name, value), None, "{name}: {value}");
            }
        }
        for name in ["x-amz-rename-source", "x-ms-rename-source", "x-upyun-move-source", "x-nos-move-source"] {
            for value in ["/private/y", "/out/locked", "/shared/a", "out/y"] {
                assert!(refused(name, value).is_some(), "{name}: {value}");
            }
            assert_eq!(refused(name, "/tmp/y"), None, "it may be read and removed");
        }
        for name in ["x-amz-copy-source-if-match", "x-amz-meta-source", "referer", "x-copied-from"] {
            assert_eq!(refused(name, "/private/y"), None, "{name}");
        }
    }
}
