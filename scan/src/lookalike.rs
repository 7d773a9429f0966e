//! What only looks like a secret: private keys, keys of known vendors, web tokens, wallets, account
//! and card numbers (`shapes.rs`).
//!
//! Nobody knows whose they are, so they are kept apart from watched values: they are noted, and
//! stop a request only if the policy says so. They are searched for in plain text, in base64 and in
//! hex, and in a request's head under escapes and other disguises too.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem::Finder;

use super::bits::{BLOCK, bits, blocks, set};
use super::layer::Layer;
use super::needles::NeedleSet;
use super::shapes::{self, is_word};
use super::undo::undo;

const PRIVATE_KEY: &str = "a private key";
const CARD_NUMBER: &str = "a card number";
const BEGIN: &[u8] = b"-----BEGIN ";
static PEM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEGIN));

/// The fewest letters that a key has in a row, counting dots.
const SHORTEST: usize = 15;
/// A longer one is looked at up to here, unless it is a web token.
const LONGEST: usize = 1024;
const LONGEST_WEB_TOKEN: usize = 8192;

/// Looks at a stream as it passes.
#[derive(Default)]
pub(super) struct Lookalikes {
    /// The end of the text, as far as more bytes are needed to decide.
    tail: Vec<u8>,
    /// The byte before the tail, which says whether a word begins there.
    before: Option<u8>,
    keys_only: bool,
}

/// Called for each one found.
type Found<'a> = &'a mut dyn FnMut(&'static str, &[u8]);

impl Lookalikes {
    /// Leaves out what no account issues, and what is encoded.
    pub(super) fn keys_only() -> Self {
        Lookalikes { keys_only: true, ..Lookalikes::default() }
    }

    /// Takes the next bytes. `last`: no more follow.
    pub(super) fn push(&mut self, chunk: &[u8], last: bool, found: Found<'_>) {
        let text = match self.tail.is_empty() {
            true => Cow::Borrowed(chunk),
            false => Cow::Owned([&self.tail, chunk].concat()),
        };
        let piece = Piece { text: &text, before: self.before, last };
        let keys = piece.tokens(self.keys_only, found).min(piece.private_keys(found));
        let cards = if self.keys_only { keys } else { piece.card_numbers(found) };
        let (decided, tail) = text.split_at(keys.min(cards));
        self.before = decided.last().copied().or(self.before);
        self.tail = tail.to_vec();
    }

    /// How many of the last bytes may be the beginning of something.
    pub(super) fn undecided(&self) -> usize {
        self.tail.len()
    }
}

/// A private key or a known vendor's key in part of a file: the kind of the first.
pub fn key_in(text: &[u8]) -> Option<&'static str> {
    let mut first = None;
    Lookalikes::keys_only().push(text, true, &mut |kind, _| {
        // A web token may belong to anybody's session, and it expires.
        if kind != shapes::WEB_TOKEN {
            first.get_or_insert(kind);
        }
    });
    first
}

/// Searches a complete text, also under up to two layers of disguise.
pub(super) fn in_whole(text: &[u8], found: Found<'_>) {
    /// Views keep what is near a change, as far as a value reaches: here, as far as a key does.
    static REACH: LazyLock<NeedleSet> = LazyLock::new(|| NeedleSet::new([&[b'k'; LONGEST][..]].into_iter()));
    fn descend(text: &[u8], below: &[Layer], found: Found<'_>) {
        Lookalikes::default().push(text, true, found);
        if below.len() < 2 {
            for &layer in Layer::upon(below.last().copied()) {
                if let Some(view) = undo(layer, text, &REACH, true) {
                    descend(&view.text, &[below, &[layer]].concat(), found);
                }
            }
        }
    }
    descend(text, &[], found);
}

/// The part of a stream that is in hand.
struct Piece<'t> {
    text: &'t [u8],
    before: Option<u8>,
    last: bool,
}

impl Piece<'_> {
    fn byte_before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).map(|at| self.text[at]).or(self.before)
    }

    /// Finds keys in tokens; says from where on the text is undecided.
    fn tokens(&self, keys_only: bool, found: Found<'_>) -> usize {
        let text = self.text;
        let mut take = |start: usize, end: usize| {
            if end - start >= SHORTEST && (end < text.len() || self.last) {
                let begins = self.byte_before(start).is_none_or(|before| !is_letter(before));
                let (token, signs) = (&text[start..end], names_who_signs(&text[end..]));
                in_token(token, begins, !keys_only, &mut |of, key| {
                    if !(signs && of == shapes::OF_AWS && key.len() == token.len()) {
                        found(of, key);
                    }
                });
            }
        };
        let (blocks, rest) = blocks(text, 0);
        // Start of the token that extends into the next block.
        let mut open = 0;
        for (n, block) in blocks.iter().chain([&rest]).enumerate() {
            let at = n * BLOCK;
            let letters = bits(block, is_letter);
            if letters == u64::MAX {
                continue;
            }
            take(open, at + letters.trailing_ones() as usize);
            let two = letters & letters >> 1;
            let four = two & two >> 2;
            let eight = four & four >> 4;
            let long = eight & eight >> (SHORTEST - 8);
            for place in set(long & !(long << 1)).filter(|place| *place > 0) {
                let length = (letters >> place).trailing_ones() as usize;
                if place + length < BLOCK {
                    take(at + place, at + place + length);
                }
            }
            open = at + BLOCK - letters.leading_ones() as usize;
        }
        if self.last { text.len() } else { self.token_at_end() }
    }

    /// Start of a token at the end that may continue.
    fn token_at_end(&self) -> usize {
        let text = self.text;
        let start = text.len() - letters_at_end(text).min(LONGEST_WEB_TOKEN);
        let is_web_token = text[start..].starts_with(shapes::WEB_TOKEN_BEGINS.as_bytes());
        let most = if is_web_token { LONGEST_WEB_TOKEN } else { LONGEST };
        if text.len() - start < most { start } else { text.len() }
    }

    /// Finds private keys; says from where on the text is undecided.
    fn private_keys(&self, found: Found<'_>) -> usize {
        let &Piece { text, last, .. } = self;
        let begins = |at: &usize| BEGIN.starts_with(&text[*at..]);
        let mut undecided = (text.len().saturating_sub(BEGIN.len())..text.len()).find(begins).unwrap_or(text.len());
        for at in PEM.find_iter(text) {
            let rest = &text[at + BEGIN.len()..text.len().min(at + LONGEST)];
            let label = rest.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b' ').count();
            match private_key(rest, label) {
                Some(true) => found(PRIVATE_KEY, &text[at..at + BEGIN.len() + label]),
                Some(false) if label < rest.len() => {}
                _ => undecided = undecided.min(at),
            }
        }
        if last { text.len() } else { undecided }
    }

    /// Finds card numbers; says from where on the text is undecided.
    fn card_numbers(&self, found: Found<'_>) -> usize {
        let &Piece { text, last, .. } = self;
        let mut at = 0;
        while at < text.len() {
            if !is_number(text, at) {
                at += STEP;
                continue;
            }
            let (start, end) = number_around(text, at);
            let before = self.byte_before(start);
            let apart = |byte: Option<u8>| byte.is_none_or(|byte| !is_word(byte) && !b"+/=%".contains(&byte));
            let decided = last || end < text.len();
            if decided
                && before != Some(b'.')
                && apart(before)
                && apart(text.get(end).copied())
                && is_card(&text[start..end])
            {
                found(CARD_NUMBER, &text[start..end]);
            }
            at = end + STEP;
        }
        if last { text.len() } else { number_at_end(text) }
    }
}

/// Whether the AWS key before this only names who signed something, as in every signed URL: a day
/// follows (`/20261130/us-east-1/s3/aws4_request`).
fn names_who_signs(behind: &[u8]) -> bool {
    let slash = |text: &[u8]| match text {
        [b'/', ..] => Some(1),
        [b'%', b'2', b'F' | b'f', ..] => Some(3),
        _ => None,
    };
    let day = slash(behind).and_then(|length| behind.get(length..length + 8));
    let Some(day) = day.filter(|day| day.iter().all(u8::is_ascii_digit)) else { return false };
    day.starts_with(b"20") && slash(&behind[slash(behind).unwrap_or(0) + 8..]).is_some()
}

/// How many letters a text ends with, counted no further than a token is long.
fn letters_at_end(text: &[u8]) -> usize {
    let mut count = 0;
    for block in text.rchunks(BLOCK) {
        let letters = match block.first_chunk::<BLOCK>() {
            Some(block) => bits(block, is_letter).leading_ones() as usize,
            None => block.iter().rev().take_while(|b| is_letter(**b)).count(),
        };
        count += letters;
        if letters < BLOCK || count >= LONGEST_WEB_TOKEN {
            break;
        }
    }
    count
}

#[inline(always)]
fn is_letter(b: u8) -> bool {
    let letter = (b | 0x20).wrapping_sub(b'a') < 26;
    let digit = b.wrapping_sub(b'0') < 10;
    letter | digit | (b == b'_') | (b == b'-') | (b == b'.')
}

/// Finds keys in a token, wherever a word begins in it, and in what it decodes to.
fn in_token(token: &[u8], begins: bool, all: bool, found: Found<'_>) {
    let starts = memchr::memchr_iter(b'.', &token[..token.len().min(LONGEST_WEB_TOKEN)]).map(|dot| dot + 1);
    for start in begins.then_some(0).into_iter().chain(starts) {
        let rest = &token[start..];
        match shapes::of_a_key(rest) {
            Some((name, key)) if all || name != shapes::WEB_TOKEN => found(name, key),
            _ => {}
        }
        let word = &rest[..memchr::memchr(b'.', rest).unwrap_or(rest.len())];
        if let Some(name) = shapes::of_a_number(word).filter(|_| all) {
            found(name, word);
        }
    }
    if !all || token.len() > LONGEST_WEB_TOKEN {
        return;
    }
    let word = token.strip_suffix(b".").unwrap_or(token);
    let decoded = from_hex(word).or_else(|| from_base64(word)).unwrap_or_default();
    for piece in decoded.split(|b| !is_letter(*b)).filter(|piece| piece.len() >= SHORTEST) {
        in_token(piece, true, false, found);
    }
}

/// Hex, with or without dashes between the digits.
fn from_hex(word: &[u8]) -> Option<Vec<u8>> {
    if !word.iter().take(8).all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') {
        return None;
    }
    let digits = word.iter().filter(|byte| **byte != b'-');
    let digits =
        digits.map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8)).collect::<Option<Vec<u8>>>()?;
    Some(digits.chunks_exact(2).map(|two| two[0] << 4 | two[1]).collect())
}

/// Base64 of text, recognised by its first character.
fn from_base64(word: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    // The first of four characters holds six bits of the first byte.
    let is_text = |byte: &u8| matches!(byte, b'C' | b'I'..=b'Z' | b'a'..=b'f');
    if !word.iter().step_by(4).take(4).all(is_text) {
        return None;
    }
    let whole = word.len() - usize::from(word.len() % 4 == 1);
    LENIENT.decode(&word[..whole]).ok()
}

/// After `-----BEGIN `: a label that ends like a private key's, followed by base64 in lines of its
/// own or in a JSON string. `None`: more text is needed.
fn private_key(rest: &[u8], letters: usize) -> Option<bool> {
    let label = rest[..letters].trim_ascii();
    if !label.ends_with(b"PRIVATE KEY") && !label.ends_with(b"PRIVATE KEY BLOCK") {
        return Some(false);
    }
    let behind = rest[letters..].iter().skip_while(|byte| **byte == b'-');
    let body: Vec<u8> = behind.skip_while(|byte| b"\r\n\\nr".contains(byte)).take(32).copied().collect();
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/:-, \r\n\\".contains(byte);
    if body.iter().all(base64) { (body.len() == 32).then_some(true) } else { Some(false) }
}

/// A card number is at least this long, so one of these steps falls into it.
const STEP: usize = 15;
/// 19 digits, each with a separator.
const LONGEST_NUMBER: usize = 38;

/// Start of a number at the end of the text, with or without a separator after it.
fn number_at_end(text: &[u8]) -> usize {
    let digits = text.strip_suffix(b" ").or(text.strip_suffix(b"-")).unwrap_or(text);
    match digits.iter().enumerate().next_back() {
        Some((at, byte)) if byte.is_ascii_digit() => {
            let (start, end) = number_around(digits, at);
            if end - start <= LONGEST_NUMBER { start } else { text.len() }
        }
        _ => text.len(),
    }
}

/// Whether this byte is a digit or between two digits.
fn is_number(text: &[u8], at: usize) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
    digit(Some(at)) || (is_separator(text[at]) && digit(at.checked_sub(1)) && digit(Some(at + 1)))
}

fn is_separator(byte: u8) -> bool {
    byte == b' ' || byte == b'-'
}

fn number_around(text: &[u8], at: usize) -> (usize, usize) {
    let number = |at: &usize| is_number(text, *at);
    let before = (0..at).rev().take(LONGEST_NUMBER).take_while(number).count();
    let behind = (at..text.len()).take(LONGEST_NUMBER).take_while(number).count();
    (at - before, at + behind)
}

/// Length and first digits of the large issuers, grouped as on cards or not at all, and the check
/// digit (ISO/IEC 7812-1).
fn is_card(number: &[u8]) -> bool {
    let groups: Vec<usize> = number.split(|byte| is_separator(*byte)).map(<[u8]>::len).collect();
    let digits: Vec<u32> =
        number.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
    let first = |count: usize| digits.iter().take(count).fold(0, |number, digit| number * 10 + digit);
    let issued = match digits.len() {
        15 => matches!(first(2), 34 | 37),
        16 => matches!(first(1), 4) || matches!(first(2), 51..=55 | 65) || matches!(first(4), 2221..=2720 | 6011),
        _ => false,
    };
    let grouped = [&[15][..], &[16], &[4, 4, 4, 4], &[4, 6, 5]].contains(&groups.as_slice());
    let doubled = |(place, digit): (usize, &u32)| match place % 2 {
        0 => *digit,
        // The digit sum of its double, except for tens, which do not affect the last digit of the
        // sum.
        _ => 2 * digit + digit / 5,
    };
    let sum: u32 = digits.iter().rev().enumerate().map(doubled).sum();
    issued && grouped && sum.is_multiple_of(10)
}
