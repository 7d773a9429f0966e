//! A form in parts as it goes by: what names a part.
//!
//! `Content-Disposition: form-data; name="_method"` (RFC 7578), with quotes or without, as
//! `name*=utf-8''_method` (RFC 2231), folded over lines; and `Content-ID`, which Rack takes
//! for the name of a part without one. The header is found wherever it stands, within a
//! line too, as Rack finds it.

use memchr::{memchr2, memmem};

use super::{FieldName, IsOne};

#[derive(Default)]
pub(super) struct Multipart {
    state: State,
    name: FieldName,
    /// The last byte.
    before: u8,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Elsewhere,
    /// Within the name of a header, so far alike.
    Header { so_far: usize, id: bool },
    /// Behind one of the two names, before its colon.
    Named { id: bool },
    /// In the header, so far into `name`.
    Parameters(usize),
    /// Behind `name`, before `=`; with a star, and with a number, which parts a name.
    Equals { starred: bool },
    /// In the name of a part.
    Value,
}

const START: &[u8] = b"content-";
const DISPOSITION: &[u8] = b"content-disposition";
const ID: &[u8] = b"content-id";
const NAME: &[u8] = b"name";

impl Multipart {
    /// Where the name ends that is looked for.
    pub(super) fn finds(&mut self, piece: &[u8], is_one: IsOne<'_>) -> Option<usize> {
        let mut bytes = piece;
        loop {
            if matches!(self.state, State::Elsewhere) {
                let start = memchr2(b'c', b'C', bytes)?;
                bytes = &bytes[start..];
            }
            let (&byte, rest) = bytes.split_first()?;
            bytes = rest;
            if self.next(byte, is_one) {
                return Some(piece.len() - bytes.len());
            }
            self.before = byte;
        }
    }

    fn next(&mut self, byte: u8, is_one: IsOne<'_>) -> bool {
        // A line that does not go on with a blank ends the header.
        let ended = self.before == b'\n' && !matches!(byte, b' ' | b'\t');
        match self.state {
            State::Elsewhere => self.state = State::begin(byte),
            State::Header { so_far, id } => self.state = State::header(so_far, id, byte),
            State::Named { id: true } if byte == b':' => self.state = State::Value,
            State::Named { id: false } if byte == b':' => self.state = State::Parameters(0),
            State::Named { .. } if matches!(byte, b' ' | b'\t') => {}
            State::Named { .. } => self.state = State::begin(byte),
            State::Value | State::Parameters(_) | State::Equals { .. } if ended => {
                self.name = FieldName::default();
                self.state = State::begin(byte);
            }
            State::Parameters(so_far) => self.state = self.parameter(so_far, byte),
            State::Equals { starred } => match byte {
                b'=' => self.state = State::Value,
                b'*' => self.state = State::Equals { starred: true },
                // `name*0=`: a name in pieces, which no form needs.
                b'0'..=b'9' if starred => return true,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.state = State::Parameters(0),
            },
            State::Value => return self.value(byte, is_one),
        }
        false
    }

    fn parameter(&self, so_far: usize, byte: u8) -> State {
        let begins = so_far > 0 || !(self.before.is_ascii_alphanumeric() || matches!(self.before, b'-' | b'_'));
        match byte.to_ascii_lowercase() == NAME[so_far] && begins {
            true if so_far + 1 == NAME.len() => State::Equals { starred: false },
            true => State::Parameters(so_far + 1),
            false => State::Parameters(0),
        }
    }

    /// A name may end at any of these, and go on behind it.
    fn value(&mut self, byte: u8, is_one: IsOne<'_>) -> bool {
        match byte {
            // An encoded word (RFC 2047), which Tomcat undoes: no form needs one.
            b'?' if self.before == b'=' => true,
            b'"' | b'\'' | b';' | b',' | b' ' | b'\t' | b'\r' | b'\n' => {
                let found = self.name.is_found(is_one);
                match byte {
                    b';' => {
                        self.state = State::Parameters(0);
                        self.name = FieldName::default();
                    }
                    // Between the charset and the name, or around it.
                    b'\'' | b'"' => self.name = FieldName::default(),
                    _ => self.name.push(byte, is_one),
                }
                found
            }
            _ => {
                self.name.push(byte, is_one);
                self.name.found
            }
        }
    }
}

/// What the part holds whose name ends before these bytes, if all of it is there.
pub(super) fn value(bytes: &[u8], last: bool) -> Option<&[u8]> {
    let value = &bytes[memmem::find(bytes, b"\r\n\r\n")? + 4..];
    match memmem::find(value, b"\r\n--") {
        Some(end) => Some(&value[..end]),
        None => last.then_some(value),
    }
}

impl State {
    /// Within the name of a header: the two are alike up to the hyphen.
    fn header(so_far: usize, id: bool, byte: u8) -> State {
        let byte = byte.to_ascii_lowercase();
        let id = id || (so_far == START.len() && byte == ID[so_far]);
        let name = if id { ID } else { DISPOSITION };
        match name.get(so_far) == Some(&byte) {
            true if so_far + 1 == name.len() => State::Named { id },
            true => State::Header { so_far: so_far + 1, id },
            false => State::begin(byte),
        }
    }

    /// Not in one; this byte may begin it.
    fn begin(byte: u8) -> State {
        if byte.eq_ignore_ascii_case(&START[0]) { State::Header { so_far: 1, id: false } } else { State::Elsewhere }
    }
}
