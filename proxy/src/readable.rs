//! Whether an answer from a host with a credential can be read in the way the scrubber reads it.
//! What cannot be scrubbed does not come back (attacks I03, I13 to I16).

use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use policies::{Code, Refusal};

use crate::charset;
use scan::packed::{Look, Unpacker, Unreadable};

/// How the body of an answer is read.
pub(crate) struct Reading {
    /// Undoes codings that the host was asked not to use.
    pub(crate) unpacker: Option<Unpacker>,
    /// Looks into it, if anything can be seen there.
    pub(crate) look: Option<Look>,
    /// Whether it is an HTML page, which declares its own charset.
    pub(crate) is_html: bool,
    /// Whether the rule lets it pass unread if it cannot be read.
    pub(crate) opaque: bool,
}

/// Decides by the head. `opaque`: the rule lets it pass unread.
pub(crate) fn by_head(status: StatusCode, headers: &HeaderMap, opaque: bool) -> Result<Reading, Refusal> {
    let unpacker = match coding(headers) {
        Err(_) if opaque && !is_transferred_packed(headers) => None,
        unpacker => unpacker?,
    };
    whole(status, headers)?;
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes()).to_ascii_lowercase();
    let is_html = kind.windows(4).any(|word| word == b"html");
    let look = match Look::into_answer(headers) {
        Err(why) if !opaque => return Err(closed(why)),
        look => look.ok(),
    };
    match charset::declared(headers) {
        Some(name) if !opaque => Err(in_charset(&name)),
        _ => Ok(Reading { unpacker, look, is_html, opaque }),
    }
}

/// Types of answers in which nothing was packed for the request, by parts of their names.
const AS_THEY_ARE: [&str; 9] = ["text/", "image/", "audio/", "video/", "font/", "json", "xml", "javascript", "yaml"];

/// Whether the length of an answer is that of its text: nothing in it was packed for the request.
pub(crate) fn is_as_long(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes()).to_ascii_lowercase();
    let kind = String::from_utf8_lossy(kind.split(|byte| *byte == b';').next().unwrap_or_default()).into_owned();
    let uncoded = !headers.keys().any(|name| name.as_str().ends_with("encoding"));
    // Office documents are zip archives, even with XML in their name.
    uncoded && AS_THEY_ARE.iter().any(|part| kind.contains(part)) && !kind.contains("officedocument")
}

/// Undoes the codings of an answer that was asked to have none. hyper undoes no transfer coding
/// except chunks.
pub(crate) fn coding(headers: &HeaderMap) -> Result<Option<Unpacker>, Refusal> {
    transferred(headers)?;
    Unpacker::declared(headers).map_err(|why| {
        unreadable(format!(
            "the host says that it packed its answer, although it was asked not to, and {}, so it cannot be scrubbed; \
             the owner can say `opaque = true` in a rule for this exact path",
            told(&why)
        ))
    })
}

/// The header applies to one hop, so the client would not know.
pub(crate) fn transferred(headers: &HeaderMap) -> Result<(), Refusal> {
    if is_transferred_packed(headers) {
        let why = "the host packed its answer although it was asked not to, in a way that is not undone here \
                   (Transfer-Encoding)";
        return Err(unreadable(why));
    }
    Ok(())
}

fn is_transferred_packed(headers: &HeaderMap) -> bool {
    let codings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().map(|coding| coding.as_bytes()).collect();
    // RFC 2616 §3.6 had a name for no coding.
    let none = codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"identity");
    !none && codings.iter().any(|coding| !coding.eq_ignore_ascii_case(b"chunked"))
}

/// A part does not show what it is a part of: a secret could be fetched bit by bit.
fn whole(status: StatusCode, headers: &HeaderMap) -> Result<(), Refusal> {
    let pieces = headers
        .get_all(CONTENT_TYPE)
        .iter()
        .any(|value| value.as_bytes().to_ascii_lowercase().trim_ascii_start().starts_with(b"multipart/byteranges"));
    // The refusal of a range states the total length (RFC 9110 §15.5.17).
    let ranged = headers.contains_key(CONTENT_RANGE) && status != StatusCode::RANGE_NOT_SATISFIABLE;
    // A delta to what the client has, or a range of it (RFC 3229); the newest part of a feed is complete.
    let changes = headers.get_all("im").iter().any(|kind| !kind.as_bytes().eq_ignore_ascii_case(b"feed"));
    if status == StatusCode::PARTIAL_CONTENT || ranged || pieces || changes {
        let why = "the host answered with a part of what was asked for, and a part cannot be scrubbed; \
                   ask for the whole, without a range under any name";
        return Err(unreadable(why));
    }
    Ok(())
}

/// Names of charsets that occur, as far as needed to distinguish them.
const MET: [&str; 9] = ["utf-16", "utf-32", "utf-7", "utf-ebcdic", "ucs-2", "iso-2022", "hz-gb-2312", "ibm", "ebcdic"];

/// The refusal for a charset. Any other name is the host's own text and could be a secret.
pub(crate) fn in_charset(name: &str) -> Refusal {
    let name = name.to_ascii_lowercase();
    let name = MET.into_iter().find(|met| name.starts_with(met)).unwrap_or("that it says");
    let why = format!(
        "the answer is in the charset {name}, in which secrets cannot be found to take them off; ask for utf-8, or \
         where nobody can read this answer anyway, the owner can say `opaque = true` in a rule for this exact path"
    );
    unreadable(why)
}

/// Without a name, which is the host's own text.
fn told(why: &Unreadable) -> String {
    match why {
        Unreadable::Unknown(_) => {
            "its Content-Encoding is not one of gzip, deflate, br, zstd and aws-chunked".to_owned()
        }
        why => why.to_string(),
    }
}

/// The refusal for an answer that cannot be searched.
pub(crate) fn closed(why: Unreadable) -> Refusal {
    let why = format!(
        "the answer is looked into for secrets, and {}; ask for it in another form, or the owner can say \
         `opaque = true` in a rule for this exact path",
        told(&why)
    );
    unreadable(why)
}

/// The refusal for a body that does not match its coding.
pub(crate) fn packed(why: Unreadable) -> Refusal {
    let why = format!("the host packed its answer although it was asked not to, and {why}, so it cannot be scrubbed");
    unreadable(why)
}

/// The refusal for a long answer that was packed.
pub(crate) fn packed_long() -> Refusal {
    unreadable(
        "the host packed its answer although it was asked not to, and it is too long to be held until its end; the \
         owner can say `opaque = true` in a rule for this exact path",
    )
}

fn unreadable(why: impl Into<String>) -> Refusal {
    Refusal::new(Code::UpstreamUnreadable, why)
}

/// Headers that ask for a part, from HTTP, object stores and old browsers: a server may send the
/// whole instead (RFC 9110 §14.2).
const RANGES: [&str; 8] =
    ["range", "if-range", "request-range", "x-range", "x-amz-range", "x-goog-range", "x-ms-range", "x-oss-range"];

/// Removes headers that ask for a part, and returns which. If such a header may control what is
/// written, or make the host copy a part to where it can be fetched whole, the request is refused.
pub(crate) fn ask_for_all(headers: &mut HeaderMap, reads: bool) -> Result<Vec<HeaderName>, Refusal> {
    let hyphened = |name: &HeaderName| name.as_str().replace(['_', '.'], "-");
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| RANGES.contains(&&*hyphened(name)) && reads).cloned().collect();
    for name in &names {
        headers.remove(name);
    }
    let parts = |name: &&HeaderName| {
        let name = hyphened(name);
        RANGES.contains(&&*name)
            || (name.ends_with("-range") && (reads || name.ends_with("source-range")) && name != "content-range")
    };
    match headers.keys().find(parts) {
        Some(name) => {
            let why = format!(
                "the header {name} is about a part of something, and from a host with a credential nothing comes in \
                 parts; ask for the whole, or copy it"
            );
            Err(Refusal::new(Code::Unsupported, why))
        }
        None => Ok(names),
    }
}
