//! Fields of a body that make another request of it: one that asks for another method,
//! `_method` in a form, in a part of a form, in a JSON object (attack G07); and in a form to
//! a host with a credential, one that authenticates (attack K08). And requests in parts
//! (`batch.rs`), which ask for any method. A charset in the head that is not like ASCII makes such fields of others, in the
//! query as well (Django, ASP.NET): there it is refused.
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

/// What a request has in which such a field could stand.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) query: bool,
    pub(crate) body: bool,
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
    Multipart(Box<Multipart>),
}

/// Whether the name of a field, in its normal form, is looked for.
type IsOne<'a> = &'a dyn Fn(&str) -> bool;

impl FieldWatch {
    /// For a request with this head. Nothing for one whose body no server reads fields from.
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
        // Where it is none of these by its type, the reader of JSON sees letters with zeros between them.
        if other_letters.is_some_and(|charset| is_declared || !charset::is_wide(&charset)) {
            return Err(unreadable("its charset is none in which a form or JSON is sent; send it in UTF-8"));
        }
        let unpacker = match Unpacker::of_request(headers) {
            Ok(unpacker) if unpacker.as_ref().is_none_or(|unpacker| !unpacker.is_large()) => unpacker,
            // A file, for all that is known.
            Ok(_) | Err(_) if !is_declared => return Ok(None),
            Ok(_) => return Err(unreadable("it is packed with br or zstd; send it as it is, or as gzip")),
            Err(error) => return Err(unreadable(&error.to_string())),
        };
        Ok(Some(FieldWatch { looks, readers, unpacker }))
    }

    /// Whether a part of a batch, as far as it went by, says Authorization.
    pub(crate) fn says_authorization(&self) -> bool {
        let says = |one: &Reader| matches!(one, Reader::Batch(parts) if parts.authorization);
        self.readers.iter().any(says)
    }

    /// Looks at the next piece, before it goes on. `last`: nothing comes behind it.
    pub(crate) fn look(&mut self, piece: &[u8], last: bool) -> Result<(), Refusal> {
        let FieldWatch { looks, readers, unpacker } = self;
        let mut look = |bytes: &[u8]| readers.iter_mut().find_map(|reader| reader.finds(bytes, last, looks));
        let found = match unpacker {
            Some(unpacker) => aside(|| unpacker.push(piece).map(|bytes| look(&bytes))),
            None => Ok(look(piece)),
        };
        match found {
            Ok(found) => found.map_or(Ok(()), Err),
            // What nothing says is JSON, and cannot be unpacked, is none.
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

/// A charset's name, as far as it is one.
fn in_words(charset: &str) -> String {
    charset.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect()
}

fn unreadable(why: &str) -> Refusal {
    let why = format!("a field of this body could ask for another method or authenticate it, and {why}");
    Refusal::new(Code::BodyUnreadable, why)
}

/// What a server may read a body as.
#[derive(Default)]
struct Kind {
    form: bool,
    /// Whether it says that it is a form.
    urlencoded: bool,
    json: bool,
    multipart: bool,
    /// Parts that are none of a form, and may be requests.
    batch: bool,
}

fn kind(headers: &HeaderMap) -> Kind {
    let types: Vec<_> = headers.get_all(CONTENT_TYPE).iter().collect();
    let Ok(texts) = types.iter().map(|value| value.to_str()).collect::<Result<Vec<_>, _>>() else {
        return Kind { form: true, urlencoded: true, json: true, multipart: true, batch: true };
    };
    let text = texts.join(",").to_ascii_lowercase();
    if text.trim().is_empty() {
        // Rack takes a POST that does not say what it is for a form.
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
