//! A JSON object as it passes: the keys of the outermost one, which Laravel takes for the fields of
//! a request.

use memchr::memchr2;

use super::{FieldName, IsOne};

#[derive(Default)]
pub(super) struct Json {
    begins: Begins,
    depth: usize,
    state: State,
    /// The current or last string, if it may be a key.
    name: FieldName,
    found: bool,
}

/// Whether the body is read as JSON.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Begins {
    #[default]
    AsJson,
    /// Not declared as JSON: only if it begins with an object.
    Somehow,
    AsNone,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Text,
    /// After a backslash.
    Escaped,
    /// After `\u`, with the number of digits so far and their value.
    Code(u8, u32),
}

impl Json {
    /// A body of another type, which some servers read as JSON all the same (Parse Server, and
    /// Express if set to `type: "*/*"`).
    pub(super) fn under_another_type() -> Self {
        Json { begins: Begins::Somehow, ..Json::default() }
    }

    pub(super) fn is_under_another_type(&self) -> bool {
        self.begins == Begins::Somehow
    }

    /// Whether this piece is to be read.
    fn goes_on(&mut self, piece: &[u8]) -> bool {
        if self.begins == Begins::Somehow {
            let blank = |byte: u8| matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf | 0xff | 0xfe);
            match piece.iter().find(|byte| !blank(**byte)) {
                Some(b'{') => self.begins = Begins::AsJson,
                Some(_) => self.begins = Begins::AsNone,
                None => {}
            }
        }
        self.begins == Begins::AsJson
    }

    /// Where a key that is looked for ends.
    pub(super) fn finds(&mut self, piece: &[u8], is_one: IsOne<'_>) -> Option<usize> {
        if !self.goes_on(piece) {
            return None;
        }
        let mut bytes = piece;
        loop {
            if self.state == State::Text && (self.depth != 1 || self.name.other) {
                let end = memchr2(b'"', b'\\', bytes)?;
                bytes = &bytes[end..];
            }
            let (&byte, rest) = bytes.split_first()?;
            bytes = rest;
            // Some servers accept JSON in UTF-16 and UTF-32 (RFC 4627 §3): zeros are skipped.
            if byte != 0 && self.next(byte, is_one) {
                return Some(piece.len() - bytes.len());
            }
        }
    }

    fn next(&mut self, byte: u8, is_one: IsOne<'_>) -> bool {
        match self.state {
            State::Between => return self.between(byte),
            State::Text => match byte {
                b'"' => {
                    self.state = State::Between;
                    self.found = self.depth == 1 && self.name.ends(is_one);
                }
                b'\\' => self.state = State::Escaped,
                _ => self.read(char::from(byte), is_one),
            },
            State::Escaped => {
                self.state = if byte == b'u' { State::Code(0, 0) } else { State::Text };
                if byte != b'u' {
                    // None of these is a letter: \n, \t, \/, …
                    self.read('\n', is_one);
                }
            }
            State::Code(digits, code) => {
                let code = code << 4 | char::from(byte).to_digit(16).unwrap_or_default();
                if digits < 3 {
                    self.state = State::Code(digits + 1, code);
                } else {
                    self.state = State::Text;
                    self.read(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), is_one);
                }
            }
        }
        false
    }

    fn between(&mut self, byte: u8) -> bool {
        match byte {
            b'"' => {
                self.state = State::Text;
                self.name = FieldName::default();
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' => return self.found && self.depth == 1,
            b' ' | b'\t' | b'\r' | b'\n' => return false,
            _ => {}
        }
        self.found = false;
        false
    }

    /// Keys have no form escapes.
    fn read(&mut self, c: char, is_one: IsOne<'_>) {
        if self.depth == 1 {
            self.name.push_char(c, is_one);
        }
    }
}
