//! Whether an answer from a host with a credential can be read as what the scrubber reads.
//! What cannot be scrubbed does not come back (attacks I03, I13 to I16).

use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use policies::{Code, Refusal};

use crate::charset;
use scan::packed::{Look, Unpacker, Unreadable};

/// How the body of an answer is read.
pub(crate) struct Reading {
    /// What undoes the codings that it was asked not to have.
    pub(crate) unpacker: Option<Unpacker>,
    /// What looks into it, where anything can be seen there.
    pub(crate) look: Option<Look>,
    /// Whether it is a page, which says its charset in itself.
    pub(crate) is_html: bool,
    /// Whether the rule lets it pass unread where it cannot be read.
    pub(crate) opaque: bool,
}

/// By its head. `opaque`: the rule lets it pass unread.
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

/// Kinds of answers in which nothing is packed for the request, by what their types hold.
const AS_THEY_ARE: [&str; 9] = ["text/", "image/", "audio/", "video/", "font/", "json", "xml", "javascript", "yaml"];

/// Whether the length of an answer is that of its text: nothing in it was packed for the request.
pub(crate) fn is_as_long(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes()).to_ascii_lowercase();
    let kind = String::from_utf8_lossy(kind.split(|byte| *byte == b';').next().unwrap_or_default()).into_owned();
    let uncoded = !headers.keys().any(|name| name.as_str().ends_with("encoding"));
    // Documents of offices are zip archives, whatever of XML is in their name.
    uncoded && AS_THEY_ARE.iter().any(|part| kind.contains(part)) && !kind.contains("officedocument")
}

/// What undoes the codings of an answer that was asked to have none. hyper undoes no coding
/// of a transfer but chunks.
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

/// Whoever gets it would not know: the header speaks to one hop.
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
    // RFC 2616 §3.6 had a word for none.
    let none = codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"identity");
    !none && codings.iter().any(|coding| !coding.eq_ignore_ascii_case(b"chunked"))
}

/// Of a piece nobody knows what it is a piece of: a secret could be fetched bit by bit.
fn whole(status: StatusCode, headers: &HeaderMap) -> Result<(), Refusal> {
    let pieces = headers
        .get_all(CONTENT_TYPE)
        .iter()
        .any(|value| value.as_bytes().to_ascii_lowercase().trim_ascii_start().starts_with(b"multipart/byteranges"));
    // How long the whole is stands in a refusal of a range (RFC 9110 §15.5.17).
    let ranged = headers.contains_key(CONTENT_RANGE) && status != StatusCode::RANGE_NOT_SATISFIABLE;
    // A change to what the client has, or a range of it (RFC 3229); the newest of a feed is whole.
    let changes = headers.get_all("im").iter().any(|kind| !kind.as_bytes().eq_ignore_ascii_case(b"feed"));
    if status == StatusCode::PARTIAL_CONTENT || ranged || pieces || changes {
        let why = "the host answered with a part of what was asked for, and a part cannot be scrubbed; \
                   ask for the whole, without a range under any name";
        return Err(unreadable(why));
    }
    Ok(())
}

/// How charsets are called that are met, as far as it tells them apart.
const MET: [&str; 9] = ["utf-16", "utf-32", "utf-7", "utf-ebcdic", "ucs-2", "iso-2022", "hz-gb-2312", "ibm", "ebcdic"];

/// The refusal for a charset. Any other name is of the host's making, a secret as well as any.
pub(crate) fn in_charset(name: &str) -> Refusal {
    let name = name.to_ascii_lowercase();
    let name = MET.into_iter().find(|met| name.starts_with(met)).unwrap_or("that it says");
    let why = format!(
        "the answer is in the charset {name}, in which secrets cannot be found to take them off; ask for utf-8, or \
         where nobody can read this answer anyway, the owner can say `opaque = true` in a rule for this exact path"
    );
    unreadable(why)
}

/// But for a name, which is the host's word.
fn told(why: &Unreadable) -> String {
    match why {
        Unreadable::Unknown(_) => {
            "its Content-Encoding is not one of gzip, deflate, br, zstd and aws-chunked".to_owned()
        }
        why => why.to_string(),
    }
}

/// The refusal for what cannot be looked into.
pub(crate) fn closed(why: Unreadable) -> Refusal {
    let why = format!(
        "the answer is looked into for secrets, and {}; ask for it in another form, or the owner can say \
         `opaque = true` in a rule for this exact path",
        told(&why)
    );
    unreadable(why)
}

/// The refusal for a coding that does not hold what it says.
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

/// Headers that ask for a part of something, of HTTP, of object stores and of old browsers: a
/// server may give the whole instead (RFC 9110 §14.2).
const RANGES: [&str; 8] =
    ["range", "if-range", "request-range", "x-range", "x-amz-range", "x-goog-range", "x-ms-range", "x-oss-range"];

/// Takes off what asks for a part, and says which. Where such a header may say what is written,
/// or has the host itself copy a part to where it can be fetched whole, the request is refused.
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
