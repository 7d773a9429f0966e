//! Values that answers brought to a sandbox and that could be keys: a registry's token, the header
//! for a git-lfs transfer, a signed URL. Sent back to the host, such a value is refused like any
//! other key, but without an alarm: it came from the host, not from a stranger.
//!
//! Hosts with the same credential count as one: registries issue tokens at one name for another.
//! Only hashes are kept, up to a maximum. They are taken after scrubbing, so nothing here depends
//! on a secret.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::values;

/// The most that are remembered for one sandbox.
const MOST: usize = 4096;

/// How much of each answer is looked at.
const LOOKED_AT: usize = 64 << 10;

/// Longer runs are not keys.
const LONGEST: usize = 16 << 10;

/// What a sandbox was given, as hashes.
#[derive(Default)]
pub(crate) struct HandedOut {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    oldest_first: VecDeque<u64>,
    all: HashSet<u64>,
}

impl HandedOut {
    /// What the hosts of these credentials gave out.
    pub(super) fn by<'a>(&'a self, credentials: &'a [Arc<str>]) -> Brought<'a> {
        Brought { handed_out: self, credentials }
    }

    fn hash(&self, credential: &str, row: &[u8]) -> u64 {
        self.hasher.hash_one((credential, row))
    }

    fn take_in(&self, credentials: &[Arc<str>], row: &[u8]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for hash in credentials.iter().map(|credential| self.hash(credential, row)) {
            if known.all.insert(hash) {
                known.oldest_first.push_back(hash);
            }
            if known.oldest_first.len() > MOST
                && let Some(oldest) = known.oldest_first.pop_front()
            {
                known.all.remove(&oldest);
            }
        }
    }
}

/// What the hosts of some credentials gave out.
#[derive(Clone, Copy)]
pub(super) struct Brought<'a> {
    handed_out: &'a HandedOut,
    credentials: &'a [Arc<str>],
}

impl Brought<'_> {
    /// Whether every run in this value that could be a key came from there.
    pub(super) fn holds(self, value: &str) -> bool {
        let mut rows: Vec<Vec<u8>> = Vec::new();
        let mut reader = Rows::default();
        reader.push(value.as_bytes(), &mut |row| rows.push(row.to_vec()));
        reader.end(&mut |row| rows.push(row.to_vec()));
        let known = self.handed_out.known.lock().unwrap_or_else(PoisonError::into_inner);
        let came = |row: &Vec<u8>| {
            self.credentials.iter().any(|credential| known.all.contains(&self.handed_out.hash(credential, row)))
        };
        !rows.is_empty() && rows.iter().all(came)
    }
}

/// Records the keys in an answer on its way to the sandbox.
pub(crate) struct Handing {
    handed_out: Arc<HandedOut>,
    credentials: Arc<[Arc<str>]>,
    rows: Rows,
    left: usize,
}

impl Handing {
    pub(super) fn new(handed_out: Arc<HandedOut>, credentials: Arc<[Arc<str>]>) -> Self {
        Handing { handed_out, credentials, rows: Rows::default(), left: LOOKED_AT }
    }

    /// Reads the next bytes before they go on.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let Handing { handed_out, credentials, rows, left } = self;
        let seen = &bytes[..bytes.len().min(*left)];
        *left -= seen.len();
        rows.push(seen, &mut |row| handed_out.take_in(credentials, row));
    }

    /// The text is complete.
    pub(crate) fn end(&mut self) {
        let Handing { handed_out, credentials, rows, .. } = self;
        rows.end(&mut |row| handed_out.take_in(credentials, row));
    }
}

/// Splits a text into runs of key characters, with JSON and URL escapes undone.
#[derive(Default)]
struct Rows {
    row: Vec<u8>,
    escape: Vec<u8>,
}

impl Rows {
    fn push(&mut self, bytes: &[u8], found: &mut dyn FnMut(&[u8])) {
        let mut rest = bytes;
        while let [byte, behind @ ..] = rest {
            if !self.escape.is_empty() {
                self.escape.push(*byte);
                self.undo(found);
                rest = behind;
                continue;
            }
            // Most of a text is letters, and most runs are short.
            let letters = rest.iter().position(|byte| !is_letter(*byte)).unwrap_or(rest.len());
            self.row.extend_from_slice(&rest[..letters.min(LONGEST.saturating_sub(self.row.len()))]);
            rest = &rest[letters..];
            if let [byte, behind @ ..] = rest {
                self.next(*byte, found);
                rest = behind;
            }
        }
    }

    fn end(&mut self, found: &mut dyn FnMut(&[u8])) {
        self.escape.clear();
        if self.row.len() < LONGEST && values::word_could_be_a_key(&self.row) {
            found(&self.row);
        }
        self.row.clear();
    }

    fn next(&mut self, byte: u8, found: &mut dyn FnMut(&[u8])) {
        match byte {
            b'\\' | b'%' => self.escape.push(byte),
            _ if !is_letter(byte) => self.end(found),
            _ if self.row.len() < LONGEST => self.row.push(byte),
            _ => {}
        }
    }

    /// `\/`, `\u002f`, `%2F`; any other escape ends a run.
    fn undo(&mut self, found: &mut dyn FnMut(&[u8])) {
        let (digits, whole) = match &*self.escape {
            [b'\\', b'/'] => return self.undone(Some(b'/'), found),
            [b'\\', b'u', digits @ ..] => (digits, 4),
            [b'%', digits @ ..] => (digits, 2),
            _ => return self.undone(None, found),
        };
        let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        match text {
            None => self.undone(None, found),
            Some(text) if digits.len() == whole => {
                self.undone(u32::from_str_radix(text, 16).ok().and_then(|code| u8::try_from(code).ok()), found);
            }
            Some(_) => {}
        }
    }

    fn undone(&mut self, byte: Option<u8>, found: &mut dyn FnMut(&[u8])) {
        self.escape.clear();
        match byte {
            Some(b'\\' | b'%') | None => self.end(found),
            Some(byte) => self.next(byte, found),
        }
    }
}

/// The characters that keys consist of.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "gitauth-v1-b3RoZXI6a2V5MTIzNDU2Nzg5MA";

    fn of(credential: &str) -> [Arc<str>; 1] {
        [credential.into()]
    }

    fn after(answer: &str, piece: usize) -> Arc<HandedOut> {
        let handed_out = Arc::new(HandedOut::default());
        let mut handing = Handing::new(handed_out.clone(), of("a").into());
        answer.as_bytes().chunks(piece).for_each(|piece| handing.push(piece));
        handing.end();
        handed_out
    }

    #[test]
    fn a_key_that_an_answer_brought_is_known_in_any_piece_and_escape() {
        let answers = [
            format!("{{\"header\":{{\"Authorization\":\"RemoteAuth {KEY}\"}}}}"),
            KEY.to_owned(),
            format!("https:\\/\\/a.test\\/o?sig\\u003d{KEY}\\u0026se=1"),
            format!("href=\"/o?x=1&sig={}\"", KEY.replace('-', "%2D")),
        ];
        for answer in &answers {
            for piece in [1, 2, 3, 7, 1000] {
                let known = after(answer, piece);
                for value in [KEY.to_owned(), format!("RemoteAuth {KEY}"), format!("Bearer {KEY}==")] {
                    assert!(known.by(&of("a")).holds(&value), "{answer} {piece} {value}");
                }
            }
        }
    }

    #[test]
    fn what_no_answer_brought_is_not_known() {
        let known = after(&format!("{{\"token\":\"{KEY}\",\"other\":\"short\"}}"), 5);
        let other = KEY.replace("v1", "v2");
        for value in ["", "short", &other, &format!("{KEY} {other}"), &KEY[..30], &format!("{KEY}x")] {
            assert!(!known.by(&of("a")).holds(value), "{value}");
        }
        assert!(!known.by(&of("b")).holds(KEY), "of another credential");
    }

    #[test]
    fn only_so_many_are_remembered() {
        let known = Arc::new(HandedOut::default());
        for n in 0..MOST + 8 {
            let mut handing = Handing::new(known.clone(), of("a").into());
            handing.push(format!("key0123456789AbC{n:08}").as_bytes());
            handing.end();
        }
        assert_eq!(known.known.lock().unwrap().all.len(), MOST);
        assert!(!known.by(&of("a")).holds("key0123456789AbC00000000"));
        assert!(known.by(&of("a")).holds(&format!("key0123456789AbC{:08}", MOST + 7)));
        let late = format!("{}{KEY}", " ".repeat(LOOKED_AT));
        assert!(!after(&late, 4096).by(&of("a")).holds(KEY), "not beyond the beginning");
    }
}
