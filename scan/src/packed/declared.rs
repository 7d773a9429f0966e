//! What a body's headers say about how it is packed.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::layer::Layer;
use super::messages::Messages;
use super::multipart::Multipart;
use super::{Look, Unreadable, codings_of_request};

impl Look {
    /// A look into a request's body, codings included.
    pub fn declared(headers: &HeaderMap) -> Result<Self, Unreadable> {
        let layers = codings_of_request(headers)?.into_iter().chain(form(headers)?);
        Ok(Look::into(layers.collect(), false))
    }

    /// A look into an answer's body, whose codings are already undone. Contents that cannot be
    /// looked into stop it.
    pub fn into_answer(headers: &HeaderMap) -> Result<Self, Unreadable> {
        if let Some(kind) = closed(headers) {
            return Err(Unreadable::Kind(kind));
        }
        Ok(Look::into(form(headers)?.into_iter().collect(), true))
    }
}

/// What the content type says: parts, or messages. If there are two types, some servers take the
/// first and some the last.
fn form(headers: &HeaderMap) -> Result<Option<Layer>, Unreadable> {
    let types = headers.get_all(CONTENT_TYPE).iter();
    let mut types: Vec<_> = types.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    types.dedup();
    let said = types.iter().map(|value| form_of(value)).collect::<Result<Vec<_>, _>>()?;
    match said.into_iter().flatten().next() {
        Some(_) if types.len() > 1 => Err(Unreadable::Broken),
        form => Ok(form),
    }
}

fn form_of(value: &str) -> Result<Option<Layer>, Unreadable> {
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind.starts_with("application/grpc") || kind.starts_with("application/connect+") {
        return Ok(Some(Layer::Messages(Messages::new(kind.starts_with("application/grpc-web-text")))));
    }
    if !kind.starts_with("multipart/") {
        return Ok(None);
    }
    // Without a boundary there are no parts, for any server.
    let boundaries = parameters(value, "boundary");
    let Some(first) = boundaries.first() else { return Ok(None) };
    let parts = Multipart::new(first.as_bytes()).filter(|_| boundaries.iter().all(|one| one == first));
    parts.map(|parts| Some(Layer::Multipart(parts))).ok_or(Unreadable::Broken)
}

/// Types for formats that no first bytes reveal.
const CLOSED: [(&str, &str); 6] = [
    ("application/x-lzma", "an lzma file"),
    ("application/x-brotli", "a brotli file"),
    ("application/brotli", "a brotli file"),
    ("application/x-7z-compressed", "a 7z archive"),
    ("application/vnd.rar", "a rar archive"),
    ("application/x-rar-compressed", "a rar archive"),
];

fn closed(headers: &HeaderMap) -> Option<&'static str> {
    let said = headers.get_all(CONTENT_TYPE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    said.map(|said| said.to_ascii_lowercase()).find_map(|said| {
        let kind = said.split(';').next().unwrap_or_default().trim().to_owned();
        CLOSED.into_iter().find(|(one, _)| *one == kind).map(|(_, words)| words)
    })
}

/// The parameters with this name in a header value (RFC 9110 §5.6.6), quoted or not. If there are
/// several, some servers take the first and some the last.
pub fn parameters(value: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = value.split_once(';').map(|(_, rest)| rest);
    while let Some((key, behind)) = rest.and_then(|rest| rest.split_once('=')) {
        let key = key.rsplit(';').next().unwrap_or_default().trim();
        let behind = behind.trim_start();
        let (text, next) = match behind.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = behind.find(';').unwrap_or(behind.len());
                (behind[..end].trim().to_owned(), &behind[end..])
            }
        };
        if key.eq_ignore_ascii_case(name) {
            found.push(text);
        }
        rest = next.split_once(';').map(|(_, rest)| rest);
    }
    found
}

fn unquoted(quoted: &str) -> (String, &str) {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, letter) in quoted.char_indices() {
        match letter {
            _ if std::mem::take(&mut escaped) => text.push(letter),
            '\\' => escaped = true,
            '"' => return (text, &quoted[at + 1..]),
            _ => text.push(letter),
        }
    }
    (text, "")
}
