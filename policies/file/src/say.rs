//! `[[say]]` in a file, and the placeholders in its text.

use desk::ValueError;
use policies::{Field, RequestPattern, Say};

use crate::table::{Block, rule_ref, unreadable};
use crate::{blocks, keys};

/// A piece of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Literal text.
    Words(String),
    /// The segment matched by a star, counted from 0.
    Star(usize),
    /// The value of a parameter.
    Query(String),
    /// A field of a JSON body.
    Json(Field),
}

const LONGEST: usize = 200;
const FORM: &str = "write {1} for the segment of the first star, {query.name} for a value of the query, {json.title} \
                    for a field of a JSON body";

pub(crate) fn say(block: &mut Block<'_, '_>) -> Option<Say> {
    block.known_keys("[[say]]", &keys::SAY);
    let requests = blocks::requests(block);
    if !block.has("do") {
        block.missing("do", "[[say]]", "[\"POST /notes/*\"]");
    }
    let at = rule_ref(block, &block.span);
    let word = block.needed("text", "[[say]]", "write a note for {1}")?;
    let text = block.meaning(word, |text| {
        let pieces = pieces(text)?;
        let most = requests.iter().map(stars).min().unwrap_or_default();
        match pieces.iter().find_map(|piece| {
            if let Piece::Star(star) = piece { Some(*star) } else { None }.filter(|star| *star >= most)
        }) {
            Some(star) => Err(ValueError::new(
                format!("{{{}}} has no star in every request of `do`", star + 1),
                Some(FORM.to_owned()),
            )),
            None => Ok(text.to_owned()),
        }
    })?;
    (!requests.is_empty()).then_some(Say { at, requests, text })
}

fn stars(request: &RequestPattern) -> usize {
    request.path().split('/').filter(|segment| segment.contains('*')).count()
}

/// Splits a text at its placeholders.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, ValueError> {
    let wrong = |message: String| ValueError::new(message, Some(FORM.to_owned()));
    if text.trim().is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(wrong(format!("`text` is one line of 1 to {LONGEST} bytes")));
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((words, behind)) = rest.split_once('{') {
        let (place, after) = behind.split_once('}').ok_or_else(|| wrong(format!("{{{behind} has no closing brace")))?;
        pieces.extend((!words.is_empty()).then(|| Piece::Words(words.to_owned())));
        pieces.push(piece(place).ok_or_else(|| wrong(format!("{{{place}}} is no place of a request")))?);
        rest = after;
    }
    if rest.contains('}') {
        return Err(wrong("a closing brace has no opening one".to_owned()));
    }
    pieces.extend((!rest.is_empty()).then(|| Piece::Words(rest.to_owned())));
    Ok(pieces)
}

fn piece(place: &str) -> Option<Piece> {
    if let Some(name) = place.strip_prefix("query.") {
        return (!name.is_empty() && !name.contains('{')).then(|| Piece::Query(name.to_owned()));
    }
    if let Some(field) = place.strip_prefix("json.") {
        let one = !field.contains("[*]") && !field.contains('?') && !field.contains('{');
        return Field::read(field).map_err(unreadable).ok().filter(|_| one).map(Piece::Json);
    }
    let plain = place.len() <= 2 && !place.starts_with('0') && place.bytes().all(|b| b.is_ascii_digit());
    place.parse::<usize>().ok().filter(|_| plain).map(|star| Piece::Star(star - 1))
}
