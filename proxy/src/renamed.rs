//! Fields of a body that make another request of it: one that asks for another method,
//! `_method` in a form, in a part of a form, in a JSON object (attack G07); and in a form to
//! a host with a credential, one that authenticates (attack K08). And requests in parts
//! (`batch.rs`), which ask for any method.
//!
//! The first is watched for where the policy would refuse the request with another method.
//! The body goes by as it comes; the piece that ends the name of such a field stays here, so
//! no server ever has the field. What a server could read otherwise than these readers is
//! taken for such a field as well.
//!
//! What it is not: a parser of forms. Borders of parts are not looked for, because
//! servers differ in where they find them: a part's header counts wherever it stands.

use std::cell::Cell;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use policies::{Code, NameWriter, Refusal};

use crate::room::aside;
use scan::packed::Unpacker;

mod batch;
mod escapes;
mod form;
mod json;
mod multipart;

use batch::Batch;
use escapes::Escapes;
use form::Form;
use json::Json;
use multipart::Multipart;

/// Looks for such fields in one body.
pub(crate) struct FieldWatch {
    looks: Vec<Look>,
    readers: Vec<Reader>,
    unpacker: Option<Unpacker>,
}

/// Which names are looked for, and what to say where one is found.
pub(crate) struct Look {
    /// Whether it is one of them, by its normal form.
    pub(crate) is_one: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Whether keys of JSON count as well.
    pub(crate) in_json: bool,
    /// What is said about one of this name.
    pub(crate) refusal: Box<SaysWhy>,
}

/// Says why a field is refused: by its name, and its value where that is there whole.
pub(crate) type SaysWhy = dyn Fn(&str, Option<&str>) -> Refusal + Send + Sync;

enum Reader {
    Batch(Batch),
    Form(Form),
    Json(Json),
    Multipart(Multipart),
}

/// Whether the name of a field, in its normal form, is looked for.
type IsOne<'a> = &'a dyn Fn(&str) -> bool;

impl FieldWatch {
    /// For a body with this head. Nothing for one that no server reads fields from.
    pub(crate) fn of(headers: &HeaderMap, looks: Vec<Look>) -> Result<Option<Self>, Refusal> {
        let kind = kind(headers);
        let mut readers = Vec::new();
        if kind.form && !looks.is_empty() {
            readers.push(Reader::Form(Form::default()));
        }
        if kind.json && looks.iter().any(|look| look.in_json) {
            readers.push(Reader::Json(Json::default()));
        }
        if kind.multipart && !looks.is_empty() {
            readers.push(Reader::Multipart(Multipart::default()));
        }
        if kind.batch && !looks.is_empty() {
            readers.push(Reader::Batch(Batch::default()));
        }
        if readers.is_empty() {
            return Ok(None);
        }
        if kind.other_letters {
            return Err(unreadable("its charset is none in which a form or JSON is sent; send it in UTF-8"));
        }
        let unpacker = Unpacker::of_request(headers).map_err(|error| unreadable(&error.to_string()))?;
        if unpacker.as_ref().is_some_and(Unpacker::is_large) {
            return Err(unreadable("it is packed with br or zstd; send it as it is, or as gzip"));
        }
        Ok(Some(FieldWatch { looks, readers, unpacker }))
    }

    /// Looks at the next piece, before it goes on. `last`: nothing comes behind it.
    pub(crate) fn look(&mut self, piece: &[u8], last: bool) -> Result<(), Refusal> {
        let FieldWatch { looks, readers, unpacker } = self;
        let mut look = |bytes: &[u8]| readers.iter_mut().find_map(|reader| reader.finds(bytes, last, looks));
        let found = match unpacker {
            Some(unpacker) => aside(|| unpacker.push(piece).map(|bytes| look(&bytes)))
                .map_err(|error| unreadable(&error.to_string()))?,
            None => look(piece),
        };
        found.map_or(Ok(()), Err)
    }
}

impl Reader {
    /// What to say where these bytes end a name that is looked for.
    fn finds(&mut self, bytes: &[u8], last: bool, looks: &[Look]) -> Option<Refusal> {
        let in_json = matches!(self, Reader::Json(_));
        let mut looks = looks.iter().filter(|look| look.in_json || !in_json);
        let found = Cell::new(None);
        let is_one = |name: &str| {
            let one = looks.clone().find(|look| (look.is_one)(name));
            found.set(one.map(|look| (look, name.to_owned())));
            one.is_some()
        };
        let end = match self {
            Reader::Batch(parts) => parts.finds(bytes, &is_one),
            Reader::Form(form) => form.finds(bytes, &is_one),
            Reader::Json(json) => json.finds(bytes, &is_one),
            Reader::Multipart(parts) => parts.finds(bytes, &is_one),
        };
        let end = end?;
        let value = match self {
            Reader::Form(_) => form::value(&bytes[end - 1..], last),
            Reader::Multipart(_) => multipart::value(&bytes[end..], last),
            Reader::Batch(_) | Reader::Json(_) => None,
        };
        let value = value.map(String::from_utf8_lossy);
        let (look, name) = found.take().or_else(|| Some((looks.next()?, String::new())))?;
        Some((look.refusal)(&name, value.as_deref()))
    }
}

fn unreadable(why: &str) -> Refusal {
    let why = format!("a field of this body could ask for another method or authenticate it, and {why}");
    Refusal::new(Code::BodyUnreadable, why)
}

/// What a server may read a body as.
#[derive(Default)]
struct Kind {
    form: bool,
    json: bool,
    multipart: bool,
    /// Parts that are none of a form, and may be requests.
    batch: bool,
    /// Whether it says that its bytes are no ASCII: `ibm037` is how filters are passed by.
    other_letters: bool,
}

fn kind(headers: &HeaderMap) -> Kind {
    let types: Vec<_> = headers.get_all(CONTENT_TYPE).iter().collect();
    let Ok(texts) = types.iter().map(|value| value.to_str()).collect::<Result<Vec<_>, _>>() else {
        return Kind { form: true, json: true, multipart: true, batch: true, other_letters: false };
    };
    let text = texts.join(",").to_ascii_lowercase();
    if text.trim().is_empty() {
        // Rack takes a POST that does not say what it is for a form.
        return Kind { form: true, ..Kind::default() };
    }
    Kind {
        form: text.contains("urlencoded"),
        json: text.contains("json"),
        multipart: text.contains("multipart"),
        batch: text.contains("multipart/mixed") || text.contains("multipart/batch"),
        other_letters: !charsets(&text).all(is_like_ascii),
    }
}

fn charsets(text: &str) -> impl Iterator<Item = &str> {
    text.split("charset").skip(1).map(|rest| {
        let value = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        value.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).next().unwrap_or_default()
    })
}

/// Charsets in which the letters of ASCII are themselves, by how their names begin.
fn is_like_ascii(charset: &str) -> bool {
    const LIKE_ASCII: [&str; 13] = [
        "utf-8",
        "utf8",
        "us-ascii",
        "ascii",
        "iso-8859-",
        "iso_8859-",
        "latin",
        "windows-125",
        "cp125",
        "koi8-",
        "gb",
        "big5",
        "euc-",
    ];
    charset.is_empty() || LIKE_ASCII.iter().any(|like| charset.starts_with(like))
}

/// The name of a field as it goes by.
#[derive(Default)]
struct FieldName {
    writer: NameWriter,
    escapes: Escapes,
    /// Too long to be one of those looked for.
    other: bool,
    found: bool,
}

/// Longer than any name that is looked for.
const LONGEST_NAME: usize = 64;

impl FieldName {
    fn push(&mut self, byte: u8, is_one: IsOne<'_>) {
        let mut escapes = std::mem::take(&mut self.escapes);
        escapes.push(byte, |c| self.push_char(c, is_one));
        self.escapes = escapes;
    }

    fn push_char(&mut self, c: char, is_one: IsOne<'_>) {
        // For some servers the name ends here (`policies::parameter_names`).
        if matches!(c, '\0' | '[' | ']') {
            self.found |= self.is_found(is_one);
        }
        if self.writer.text().len() < LONGEST_NAME {
            self.writer.push(c);
        } else {
            self.other = true;
        }
    }

    fn is_found(&self, is_one: IsOne<'_>) -> bool {
        self.found || (!self.other && !self.writer.text().is_empty() && is_one(self.writer.text()))
    }

    /// Whether the name that ends here is looked for; the next one begins.
    fn ends(&mut self, is_one: IsOne<'_>) -> bool {
        let mut escapes = std::mem::take(&mut self.escapes);
        escapes.finish(|c| self.push_char(c, is_one));
        std::mem::take(self).is_found(is_one)
    }
}

#[cfg(test)]
mod tests;
