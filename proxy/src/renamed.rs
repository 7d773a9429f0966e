//! Fields of a body that turn it into another request: `_method` in a form, in a part of a form, or
//! in a JSON object, which asks for another method (attack G07); in a form to a host with a
//! credential, a field that authenticates (attack K08); and requests in parts (`batch.rs`), which
//! can ask for any method. A charset unlike ASCII in the head can turn other fields, in the query
//! too, into such ones (Django, ASP.NET): there it is refused.
//!
//! The first is watched for if the policy would refuse the request with another method. The body is
//! streamed; the piece that ends the name of such a field is held back, so no server ever gets the
//! field. Anything that a server could read differently from these readers counts as such a field
//! as well.
//!
//! What it is not: a form parser. Boundaries of parts are not tracked, because servers differ in
//! where they find them: a part's header counts wherever it occurs.

use std::cell::Cell;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use policies::{Code, NameWriter, Refusal};

use crate::charset;
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

/// The parts of a request in which such a field could be.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) query: bool,
    pub(crate) body: bool,
}

/// The names to look for, and the refusal for each.
pub(crate) struct Look {
    /// Whether a name, in normal form, is one of them.
    pub(crate) is_one: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Whether keys of JSON count as well.
    pub(crate) in_json: bool,
    /// The refusal for a field of this name.
    pub(crate) refusal: Box<SaysWhy>,
}

/// Makes the refusal for a field: from its name, and its value if that is complete.
pub(crate) type SaysWhy = dyn Fn(&str, Option<&str>) -> Refusal + Send + Sync;

enum Reader {
    Batch(Batch),
    Form(Form),
    Json(Json),
    Multipart(Box<Multipart>),
}

/// Whether the name of a field, in normal form, is looked for.
type IsOne<'a> = &'a dyn Fn(&str) -> bool;

impl FieldWatch {
    /// For a request with this head. Nothing if no server reads fields from its body.
    pub(crate) fn of(headers: &HeaderMap, sent: Sent, looks: Vec<Look>) -> Result<Option<Self>, Refusal> {
        let other_letters = charset::of_request(headers);
        if let (Some(charset), true, false) = (&other_letters, sent.query, looks.is_empty()) {
            let why = format!("it would be read in {}, which its head names; send it in UTF-8", in_words(charset));
            return Err(Refusal::new(
                Code::BodyUnreadable,
                format!("a parameter of this query could ask for another method or authenticate it, and {why}"),
            ));
        }
        if !sent.body {
            return Ok(None);
        }
        let kind = kind(headers);
        let mut readers = Vec::new();
        if kind.form && !looks.is_empty() {
            readers.push(Reader::Form(Form::default()));
        }
        let in_json = looks.iter().any(|look| look.in_json);
        if kind.json && in_json {
            readers.push(Reader::Json(Json::default()));
        }
        if kind.multipart && !looks.is_empty() {
            readers.push(Reader::Multipart(Box::default()));
        }
        if kind.batch && !looks.is_empty() {
            readers.push(Reader::Batch(Batch::default()));
        }
        let is_declared = !readers.is_empty();
        if !(kind.json || kind.multipart || kind.urlencoded) && in_json {
            readers.push(Reader::Json(Json::under_another_type()));
        }
        if readers.is_empty() {
            return Ok(None);
        }
        // Without a type that has fields, the JSON reader copes with letters that have zeros between them.
        if other_letters.is_some_and(|charset| is_declared || !charset::is_wide(&charset)) {
            return Err(unreadable("its charset is none in which a form or JSON is sent; send it in UTF-8"));
        }
        let unpacker = match Unpacker::of_request(headers) {
            Ok(unpacker) if unpacker.as_ref().is_none_or(|unpacker| !unpacker.is_large()) => unpacker,
            // A file, as far as is known.
            Ok(_) | Err(_) if !is_declared => return Ok(None),
            Ok(_) => return Err(unreadable("it is packed with br or zstd; send it as it is, or as gzip")),
            Err(error) => return Err(unreadable(&error.to_string())),
        };
        Ok(Some(FieldWatch { looks, readers, unpacker }))
    }

    /// Whether a part of a batch, as far as it has passed, contains Authorization.
    pub(crate) fn says_authorization(&self) -> bool {
        let says = |one: &Reader| matches!(one, Reader::Batch(parts) if parts.authorization);
        self.readers.iter().any(says)
    }

    /// Looks at the next piece, before it goes on. `last`: nothing follows.
    pub(crate) fn look(&mut self, piece: &[u8], last: bool) -> Result<(), Refusal> {
        let FieldWatch { looks, readers, unpacker } = self;
        let mut look = |bytes: &[u8]| readers.iter_mut().find_map(|reader| reader.finds(bytes, last, looks));
        let found = match unpacker {
            Some(unpacker) => aside(|| unpacker.push(piece).map(|bytes| look(&bytes))),
            None => Ok(look(piece)),
        };
        match found {
            Ok(found) => found.map_or(Ok(()), Err),
            // If it is not declared as JSON and cannot be unpacked, it is not JSON.
            Err(_) if readers.iter().all(Reader::is_under_another_type) => {
                readers.clear();
                *unpacker = None;
                Ok(())
            }
            Err(error) => Err(unreadable(&error.to_string())),
        }
    }
}

impl Reader {
    fn is_under_another_type(&self) -> bool {
        matches!(self, Reader::Json(json) if json.is_under_another_type())
    }

    /// The refusal, if these bytes complete a name that is looked for.
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

/// A charset's name, if it is one.
fn in_words(charset: &str) -> String {
    charset.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect()
}

fn unreadable(why: &str) -> Refusal {
    let why = format!("a field of this body could ask for another method or authenticate it, and {why}");
    Refusal::new(Code::BodyUnreadable, why)
}

/// How a server may read a body.
#[derive(Default)]
struct Kind {
    form: bool,
    /// Whether it is declared as a form.
    urlencoded: bool,
    json: bool,
    multipart: bool,
    /// Multipart, but not a form: its parts may be requests.
    batch: bool,
}

fn kind(headers: &HeaderMap) -> Kind {
    let types: Vec<_> = headers.get_all(CONTENT_TYPE).iter().collect();
    let Ok(texts) = types.iter().map(|value| value.to_str()).collect::<Result<Vec<_>, _>>() else {
        return Kind { form: true, urlencoded: true, json: true, multipart: true, batch: true };
    };
    let text = texts.join(",").to_ascii_lowercase();
    if text.trim().is_empty() {
        // Rack takes a POST without a type for a form.
        return Kind { form: true, ..Kind::default() };
    }
    let urlencoded = text.contains("urlencoded");
    Kind {
        form: urlencoded,
        urlencoded,
        json: text.contains("json"),
        multipart: text.contains("multipart"),
        batch: text.contains("multipart/mixed") || text.contains("multipart/batch"),
    }
}

/// The name of a field as it passes.
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
        // Some servers end the name here (`policies::parameter_names`).
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

    /// Whether the name that ends here is looked for; starts the next one.
    fn ends(&mut self, is_one: IsOne<'_>) -> bool {
        let mut escapes = std::mem::take(&mut self.escapes);
        escapes.finish(|c| self.push_char(c, is_one));
        std::mem::take(self).is_found(is_one)
    }
}

#[cfg(test)]
mod tests;
