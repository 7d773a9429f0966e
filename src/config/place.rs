//! Places in a request, as the owner writes them: `header:authorization`, `path:/bot{}`.

use std::sync::Arc;

use http::HeaderName;
use proxy::{BasicPart, Field, Place, Segment};

/// The most places of one credential: each is checked in every request to its hosts.
pub(super) const MOST: usize = 8;

/// Where a surrogate may stand.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "header" => header(name).map(Place::Header),
        "basic" => {
            match name {
                "username" => Ok(Place::Basic(BasicPart::Username)),
                "password" => Ok(Place::Basic(BasicPart::Password)),
                _ => Err("`basic:` wants the half that holds the secret: \"basic:password\" or \"basic:username\""
                    .to_owned()),
            }
        }
        "query" => parameter(name).map(Place::Query),
        "path" => Segment::parse(name).map(Place::Path),
        "json" => Field::parse(name).map(Place::Json),
        _ => Err("not a place in a request; write it as \"header:authorization\", \"basic:password\", \"query:key\", \
                  \"path:/bot{}\" or \"json:api_key\""
            .to_owned()),
    }
}

/// A place that authenticates nobody. Parameters may have any name here, unescaped: `$top`.
pub(super) fn harmless(text: &str) -> Result<Place, String> {
    let fixed = ["authorization", "cookie"];
    if let Some(name) = text.strip_prefix("query:") {
        return any_parameter(name).map(Place::Query);
    }
    match place(text) {
        Ok(Place::Header(name)) if fixed.contains(&name.as_str()) => {
            Err(format!("the header {name} authenticates, wherever it is sent"))
        }
        Ok(place @ (Place::Header(_) | Place::Query(_) | Place::Basic(BasicPart::Username))) => Ok(place),
        _ => Err("`harmless` names headers, parameters and the user name beside a key: \"header:x-job-token\", \
                  \"query:session\" or \"basic:username\""
            .to_owned()),
    }
}

fn header(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "`header:` wants the name of a header behind it: \"header:authorization\"".to_owned())?;
    // Framing and routing, on which both the verdict and the request depend.
    let fixed = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "cookie"];
    if fixed.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
        return Err("this header cannot hold a credential here; use one that only authenticates".to_owned());
    }
    Ok(name)
}

fn any_parameter(name: &str) -> Result<Arc<str>, String> {
    let cut = |c: char| matches!(c, '&' | ';' | '=') || c.is_control();
    if name.is_empty() || name.chars().count() > 64 || name.contains(cut) {
        return Err("`query:` wants the name of a parameter behind it, of 64 characters at most, without & ; and = : \
                    \"query:nextToken\""
            .to_owned());
    }
    if policies::undo_escapes(name) != name && name.contains('%') {
        return Err("write the name without escapes, as the host reads it: \"query:page[size]\"".to_owned());
    }
    Ok(name.into())
}

/// A name without characters to escape, so that it has only one spelling.
fn parameter(name: &str) -> Result<Arc<str>, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(
            "`query:` wants the name of a parameter behind it, of letters, digits and - _ . : \"query:key\"".to_owned()
        );
    }
    Ok(name.into())
}
