//! What only looks like a secret: private keys, keys of known vendors, card numbers.
//!
//! Nobody knows whose they are, so they are told apart from watched values: they are
//! noted, and stop a request only where the policy says so. Plain text alone is looked at.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// The beginning of a key, and what makes it one.
struct Shape {
    prefix: &'static str,
    name: &'static str,
    letters: fn(u8) -> bool,
    /// How many of these letters follow; exactly so many, where `exact`.
    count: usize,
    exact: bool,
}

const fn key(prefix: &'static str, name: &'static str, letters: fn(u8) -> bool, count: usize, exact: bool) -> Shape {
    Shape { prefix, name, letters, count, exact }
}

const SHAPES: [Shape; 21] = [
    key("ghp_", "a GitHub token", alphanumeric, 36, true),
    key("gho_", "a GitHub token", alphanumeric, 36, true),
    key("ghu_", "a GitHub token", alphanumeric, 36, true),
    key("ghs_", "a GitHub token", alphanumeric, 36, true),
    key("ghr_", "a GitHub token", alphanumeric, 36, true),
    key("github_pat_", "a GitHub token", is_word, 60, false),
    key("glpat-", "a GitLab token", is_word, 20, false),
    key("sk-ant-", "an Anthropic key", is_word, 40, false),
    key("sk-proj-", "an OpenAI key", is_word, 40, false),
    key("AKIA", "an AWS access key", upper, 16, true),
    key("ASIA", "an AWS access key", upper, 16, true),
    key("AIza", "a Google API key", is_word, 35, true),
    key("xoxb-", "a Slack token", is_word, 24, false),
    key("xoxp-", "a Slack token", is_word, 24, false),
    key("npm_", "an npm token", alphanumeric, 36, true),
    key("pypi-AgEI", "a PyPI token", is_word, 50, false),
    key("sk_live_", "a Stripe key", alphanumeric, 24, false),
    key("rk_live_", "a Stripe key", alphanumeric, 24, false),
    key("hf_", "a Hugging Face token", alphanumeric, 34, true),
    key("AGE-SECRET-KEY-1", "an age key", upper, 58, true),
    key("-----BEGIN ", PRIVATE_KEY, pem_label, 11, false),
];
const PRIVATE_KEY: &str = "a private key";
const CARD_NUMBER: &str = "a card number";

/// A run of letters is not followed further.
const LONGEST: usize = 256;
/// Fewer different letters make a placeholder.
const FEWEST_LETTERS: usize = 8;

/// None is the beginning of another, so "leftmost" finds what "standard" does, and only
/// for it does the crate search many bytes at a time.
static PREFIXES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let prefixes = SHAPES.iter().map(|shape| shape.prefix);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(prefixes).ok()
});

/// Looks at a stream going by.
#[derive(Default)]
pub(super) struct Lookalikes {
    /// The end of what came, as far as more bytes have to decide about it.
    tail: Vec<u8>,
    /// The byte before it, which says whether a word begins there.
    before: Option<u8>,
    keys_only: bool,
}

/// What is done with each that is found.
type Found<'a> = &'a mut dyn FnMut(&'static str, &[u8]);

impl Lookalikes {
    /// Leaves card numbers out.
    pub(super) fn keys_only() -> Self {
        Lookalikes { keys_only: true, ..Lookalikes::default() }
    }

    /// Takes the next bytes in. `last`: no more follow.
    pub(super) fn push(&mut self, chunk: &[u8], last: bool, found: Found<'_>) {
        let text = match self.tail.is_empty() {
            true => Cow::Borrowed(chunk),
            false => Cow::Owned([&self.tail, chunk].concat()),
        };
        let piece = Piece { text: &text, before: self.before, last };
        let keys = piece.keys(found);
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

/// What is there of a stream at a time.
struct Piece<'t> {
    text: &'t [u8],
    before: Option<u8>,
    last: bool,
}

impl Piece<'_> {
    fn byte_before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).map(|at| self.text[at]).or(self.before)
    }

    /// Finds keys; says from where on the text is undecided.
    fn keys(&self, found: Found<'_>) -> usize {
        let &Piece { text, last, .. } = self;
        let Some(prefixes) = &*PREFIXES else { return text.len() };
        let mut undecided = if last { text.len() } else { beginning_at_end(text) };
        for hit in prefixes.find_iter(text) {
            let shape = &SHAPES[hit.pattern().as_usize()];
            if self.byte_before(hit.start()).is_some_and(is_word) && shape.name != PRIVATE_KEY {
                continue;
            }
            let rest = &text[hit.end()..text.len().min(hit.end() + LONGEST)];
            let letters = rest.iter().take_while(|byte| (shape.letters)(**byte)).count();
            // The text ends before the run has, or before there is enough behind a label.
            let more_may_come = !last && rest.len() < LONGEST;
            let complete = match shape.name {
                PRIVATE_KEY => private_key(rest, letters),
                _ => Some(if shape.exact { letters == shape.count } else { letters >= shape.count }),
            };
            match complete {
                _ if more_may_come && (complete.is_none() || letters == rest.len()) => {
                    undecided = undecided.min(hit.start());
                }
                Some(true) => {
                    let token = &text[hit.start()..hit.end() + letters];
                    if shape.name == PRIVATE_KEY || looks_random(&token[shape.prefix.len()..]) {
                        found(shape.name, token);
                    }
                }
                _ => {}
            }
        }
        undecided
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

/// Where the text ends with the beginning of a prefix.
fn beginning_at_end(text: &[u8]) -> usize {
    let longest = SHAPES.iter().map(|shape| shape.prefix.len()).max().unwrap_or(0);
    let begins = |at: &usize| SHAPES.iter().any(|shape| shape.prefix.as_bytes().starts_with(&text[*at..]));
    (text.len().saturating_sub(longest)..text.len()).find(begins).unwrap_or(text.len())
}

/// Behind `-----BEGIN `: a label that ends like a private key's, and base64 behind it, in
/// lines of its own or in a JSON string. `None`: more text has to decide.
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

fn looks_random(key: &[u8]) -> bool {
    let mut seen = [false; 256];
    key.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() >= FEWEST_LETTERS && !key.ends_with(b"EXAMPLE")
}

/// A number that is longer has a digit at one of these steps.
const STEP: usize = 12;
/// 19 digits, each with what may stand between two.
const LONGEST_NUMBER: usize = 38;

/// Where the text ends with a number, or with one and what may stand between two digits.
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

/// Whether this byte is a digit, or stands between two.
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

/// Length and first digits of the large issuers, grouped as on cards or not at all, and
/// the check digit (ISO/IEC 7812-1).
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
        // The digits of its double, but for tens, which the last digit of the sum does not show.
        _ => 2 * digit + digit / 5,
    };
    let sum: u32 = digits.iter().rev().enumerate().map(doubled).sum();
    issued && grouped && sum.is_multiple_of(10)
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn pem_label(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b' '
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
