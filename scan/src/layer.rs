//! The layers that a text may be under, and which are undone on top of which.

use super::spelling::Form;

/// A layer that a text may be under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// `%41` (RFC 3986, section 2.1).
    Percent,
    /// `\u0041`, `\/`, `\n` (RFC 8259, section 7), and the additions of its relatives: `\x41`,
    /// `\101`, `\u{41}`, `\U00000041`, `\-`, and a line that continues in the next.
    Json,
    /// `&#65;`, `&#x41;` and the five names that HTML and XML share.
    Html,
    /// The line breaks inside wrapped base64 (RFC 2045, section 6.8).
    Wrapped,
    /// `=41`, and lines that continue after a `=` (RFC 2045, section 6.7).
    Quoted,
    /// UTF-16 and UTF-32, in either byte order.
    Wide,
    /// Invisible characters, and letters that look like ASCII ones.
    Folded,
    /// The same separator after each character, or each few.
    Spaced,
    /// Names between values: of parameters, fields or parts.
    Joined,
}

impl Layer {
    /// The layers undone in the text as it came, or in a text from which layer `below` was already
    /// undone. Not every pair is here: each costs time, and software makes few of them.
    /// docs/leak-check.md describes this table.
    pub(super) fn upon(below: Option<Layer>) -> &'static [Layer] {
        use Layer::{Folded, Html, Joined, Json, Percent, Quoted, Spaced, Wide, Wrapped};
        match below {
            None => &[Percent, Json, Html, Wrapped, Quoted, Wide, Folded, Spaced, Joined],
            Some(Percent | Json) => &[Percent, Json, Html, Wrapped, Quoted, Wide, Folded, Spaced],
            Some(Html | Wide) => &[Percent, Json, Html, Wrapped, Folded, Spaced],
            Some(Quoted) => &[Percent, Json, Html, Folded, Spaced],
            Some(Wrapped) => &[Percent, Json, Html],
            Some(Folded) => &[Percent, Folded, Spaced],
            Some(Joined) => &[Percent, Json],
            Some(Spaced) => &[],
        }
    }

    /// Whether it is searched for at the beginning of a stream only: see
    /// [`super::search::DISGUISED`].
    pub(super) fn is_disguise(self) -> bool {
        matches!(self, Layer::Folded | Layer::Spaced | Layer::Wide | Layer::Quoted)
    }

    /// The form that is reported for a raw value under this layer.
    pub(super) fn form(self) -> Form {
        match self {
            Layer::Percent => Form::Percent,
            Layer::Json => Form::Json,
            Layer::Html => Form::Html,
            Layer::Wrapped => Form::Raw,
            Layer::Quoted => Form::Quoted,
            Layer::Wide => Form::Wide,
            Layer::Folded => Form::Folded,
            Layer::Spaced => Form::Spaced,
            Layer::Joined => Form::Joined,
        }
    }
}
