//! The layers that a text may stand under, and what is undone upon what.

use super::spelling::Form;

/// A layer that a text may stand under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// `%41` (RFC 3986, section 2.1).
    Percent,
    /// `\u0041`, `\/`, `\n` (RFC 8259, section 7), and what its relatives have besides:
    /// `\x41`, `\101`, `\u{41}`, `\U00000041`, `\-`, and a line that goes on in the next.
    Json,
    /// `&#65;`, `&#x41;` and the five names that HTML and XML share.
    Html,
    /// The line breaks inside wrapped base64 (RFC 2045, section 6.8).
    Wrapped,
    /// `=41`, and lines that go on behind a `=` (RFC 2045, section 6.7).
    Quoted,
    /// UTF-16 and UTF-32, in either order of bytes.
    Wide,
    /// Characters that show nothing, and letters that look like those of ASCII.
    Folded,
    /// One and the same separator after each character, or after each few.
    Spaced,
    /// Names between values: of parameters, of fields, of parts.
    Joined,
}

impl Layer {
    /// What is undone in the text as it came, and what in a text that has layer `below` undone
    /// already. Not every pair is: each costs, and most are nothing that software makes. What
    /// is told of them in docs/leak-check.md is this table.
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

    /// What is looked for in the beginning of a stream alone: see [`super::search::DISGUISED`].
    pub(super) fn is_disguise(self) -> bool {
        matches!(self, Layer::Folded | Layer::Spaced | Layer::Wide | Layer::Quoted)
    }

    /// How a raw value is called that stood under this layer.
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
