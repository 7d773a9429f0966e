//! A multipart form as it passes: the names of its parts.
//!
//! `Content-Disposition: form-data; name="_method"` (RFC 7578), with quotes or without, as `name*=utf-8''_method`
//! (RFC 2231), folded over lines; and `Content-ID`, which Rack takes for the name of a part without one, as it does
//! `filename`. Like Rack, this finds the header anywhere, even within a line.
//!
//! A line break in it is read in two ways: as nothing (PHP joins a line without a colon to the previous one) and as a
//! blank (Rack, and Django if it is not CRLF). Each reading ends at the empty line or at a line that begins like
//! another header; what ends a line is also read in two ways: any break, or only CRLF (Django, and PHP if it is a CR).

use memchr::{memchr2, memmem};

use super::{FieldName, IsOne};

#[derive(Default)]
pub(super) struct Multipart {
    header: Header,
    /// The header with line breaks removed, and with blanks for them; both again with only CRLF as a line break.
    readings: [Reading; 4],
    /// The last bytes.
    end: [u8; 4],
    /// How far this line could be a header's name; nothing once it cannot.
    line: Option<usize>,
    /// Whether it begins after a CRLF.
    is_behind_crlf: bool,
}

/// The name of a header.
#[derive(Clone, Copy, Default)]
enum Header {
    #[default]
    Elsewhere,
    /// Inside the name, matching so far.
    Within { so_far: usize, id: bool },
    /// After one of the two names, before its colon.
    Named { id: bool },
}

/// The header's value.
#[derive(Default)]
struct Reading {
    state: State,
    name: FieldName,
    /// The last byte.
    before: u8,
    /// Whether only blanks have followed the last semicolon.
    begins_parameter: bool,
    /// Whether the part has a name that all servers read.
    is_named: bool,
    /// Whether its file's name is looked for.
    file_is_one: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Elsewhere,
    /// This far into `name` or `filename`, and whether all servers see a parameter there.
    Parameters { name: usize, file: usize, to_all: bool },
    /// After it, before `=`; with a star, and with a number, which splits a name.
    Equals { starred: bool, file: bool, to_all: bool },
    /// In the name of a part, or of its file.
    Value { file: bool },
}

const START: &[u8] = b"content-";
const DISPOSITION: &[u8] = b"content-disposition";
const ID: &[u8] = b"content-id";
const NAME: &[u8] = b"name";
const FILE: &[u8] = b"filename";
const PARAMETERS: State = State::Parameters { name: 0, file: 0, to_all: false };

impl Multipart {
    /// Where a name that is looked for ends.
    pub(super) fn finds(&mut self, piece: &[u8], is_one: IsOne<'_>) -> Option<usize> {
        let mut bytes = piece;
        loop {
            if matches!(self.header, Header::Elsewhere) && self.readings.iter().all(Reading::is_idle) {
                bytes = &bytes[memchr2(b'c', b'C', bytes)?..];
            }
            let (&byte, rest) = bytes.split_first()?;
            bytes = rest;
            if self.next(byte, is_one) {
                return Some(piece.len() - bytes.len());
            }
        }
    }

    fn next(&mut self, byte: u8, is_one: IsOne<'_>) -> bool {
        self.end.rotate_left(1);
        self.end[3] = byte;
        let begins_header = byte == b':' && self.line.is_some_and(|letters| letters > 0);
        let is_break = matches!(byte, b'\r' | b'\n');
        if is_break {
            self.is_behind_crlf = self.end.ends_with(b"\r\n");
        }
        self.line = match byte {
            b'\r' | b'\n' => Some(0),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => self.line.map(|letters| letters + 1),
            _ => None,
        };
        let is_over = self.end == *b"\r\n\r\n";
        // To PHP and others; servers that do not accept these as the end read on.
        let may_be_over = [&b"\n\n"[..], b"\n\r\n", b"\r\r"].iter().any(|end| self.end.ends_with(end));
        let (none, blank) = ((!is_break).then_some(byte), Some(if is_break { b' ' } else { byte }));
        let (any, crlf) = (begins_header, begins_header && self.is_behind_crlf);
        let ways = [(none, any), (blank, any), (none, crlf), (blank, crlf)];
        let found = self.readings.iter_mut().zip(ways).any(|(reading, (read, begins_header))| match read {
            _ if is_over => reading.part_begins(is_one),
            _ if begins_header => {
                reading.begins(State::Elsewhere);
                false
            }
            _ if may_be_over && reading.is_named_so(is_one) => true,
            Some(read) => reading.next(read, is_one),
            None => false,
        });
        let named = matches!(self.header, Header::Named { .. }) && byte == b':';
        match self.header {
            Header::Named { id } if named => {
                let state = if id { State::Value { file: false } } else { PARAMETERS };
                self.readings.iter_mut().for_each(|reading| reading.begins(state));
                self.header = Header::Elsewhere;
            }
            header => self.header = header.next(byte),
        }
        found
    }
}

impl Reading {
    fn is_idle(&self) -> bool {
        self.state == State::Elsewhere && !self.is_named && !self.file_is_one
    }

    fn begins(&mut self, state: State) {
        (self.state, self.name, self.before) = (state, FieldName::default(), b':');
    }

    /// The headers are over.
    fn part_begins(&mut self, is_one: IsOne<'_>) -> bool {
        let found = self.is_named_so(is_one);
        *self = Reading::default();
        found
    }

    /// Whether the text so far names the part, also by its file's name if there is no other.
    fn is_named_so(&self, is_one: IsOne<'_>) -> bool {
        let by_name = matches!(self.state, State::Value { file: false }) && self.name.is_found(is_one);
        let in_file = matches!(self.state, State::Value { file: true }) && self.name.is_found(is_one);
        by_name || ((self.file_is_one || in_file) && !self.is_named)
    }

    fn next(&mut self, byte: u8, is_one: IsOne<'_>) -> bool {
        let found = match self.state {
            State::Elsewhere => false,
            State::Parameters { name, file, to_all } => {
                self.state = self.parameter(name, file, byte, to_all);
                false
            }
            State::Equals { starred, file, to_all } => match byte {
                b'=' => {
                    // Not all servers read `name*`, nor a parameter without a semicolon before it.
                    self.is_named |= !file && !starred && to_all;
                    self.state = State::Value { file };
                    false
                }
                b'*' => {
                    self.state = State::Equals { starred: true, file, to_all };
                    false
                }
                // `name*0=`: a name in pieces, which no form needs.
                b'0'..=b'9' if starred && !file => true,
                0..=b' ' => false,
                _ => {
                    self.state = PARAMETERS;
                    false
                }
            },
            // An encoded word (RFC 2047), which Tomcat decodes: no field name needs one.
            State::Value { file: false } if byte == b'?' && self.before == b'=' => true,
            State::Value { file } => {
                let found = self.value(byte, is_one);
                self.file_is_one |= found && file;
                found && !file
            }
        };
        self.before = byte;
        self.begins_parameter = byte == b';' || (self.begins_parameter && byte <= b' ');
        found
    }

    fn parameter(&self, name: usize, file: usize, byte: u8, to_all: bool) -> State {
        let to_all = if name == 0 && file == 0 { self.begins_parameter } else { to_all };
        let begins = !(self.before.is_ascii_alphanumeric() || matches!(self.before, b'-' | b'_'));
        let on = |so_far: usize, word: &[u8]| match byte.to_ascii_lowercase() == word[so_far] && (so_far > 0 || begins)
        {
            true => so_far + 1,
            false => 0,
        };
        match (on(name, NAME), on(file, FILE)) {
            (name, _) if name == NAME.len() => State::Equals { starred: false, file: false, to_all },
            (_, file) if file == FILE.len() => State::Equals { starred: false, file: true, to_all },
            (name, file) => State::Parameters { name, file, to_all },
        }
    }

    /// A name may end at any of these, or go on after it.
    fn value(&mut self, byte: u8, is_one: IsOne<'_>) -> bool {
        match byte {
            b'"' | b'\'' | b';' | b',' | b' ' | b'\t' => {
                let found = self.name.is_found(is_one);
                match byte {
                    b';' => {
                        self.state = PARAMETERS;
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

/// The content of the part whose name ends before these bytes, if it is complete.
pub(super) fn value(bytes: &[u8], last: bool) -> Option<&[u8]> {
    let value = &bytes[memmem::find(bytes, b"\r\n\r\n")? + 4..];
    match memmem::find(value, b"\r\n--") {
        Some(end) => Some(&value[..end]),
        None => last.then_some(value),
    }
}

impl Header {
    /// The two names are alike up to the hyphen.
    fn next(self, byte: u8) -> Self {
        let byte = byte.to_ascii_lowercase();
        match self {
            Header::Elsewhere => Header::begin(byte),
            Header::Within { so_far, id } => {
                let id = id || (so_far == START.len() && byte == ID[so_far]);
                let name = if id { ID } else { DISPOSITION };
                match name.get(so_far) == Some(&byte) {
                    true if so_far + 1 == name.len() => Header::Named { id },
                    true => Header::Within { so_far: so_far + 1, id },
                    false => Header::begin(byte),
                }
            }
            Header::Named { .. } if matches!(byte, b' ' | b'\t') => self,
            Header::Named { .. } => Header::begin(byte),
        }
    }

    /// Not in a name; this byte may begin one.
    fn begin(byte: u8) -> Self {
        if byte.eq_ignore_ascii_case(&START[0]) { Header::Within { so_far: 1, id: false } } else { Header::Elsewhere }
    }
}
