//! How a value may be written: the spellings that are searched for byte by byte.
//!
//! Escapes and other disguises are no spellings; `undo.rs` undoes them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::zeroize::Zeroizing;

/// The form in which a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// As it is; case is ignored.
    Raw,
    /// Base64 or base64url, padded or not, at any alignment, in one line or wrapped.
    Base64,
    /// Base32 in either alphabet (RFC 4648, sections 6 and 7), padded or not, at any alignment.
    Base32,
    /// Hexadecimal.
    Hex,
    /// With percent escapes, or `+` for a blank.
    Percent,
    /// With the backslash escapes of JSON and its relatives.
    Json,
    /// With HTML character references.
    Html,
    /// In quoted-printable, as in mail.
    Quoted,
    /// In UTF-16 or UTF-32.
    Wide,
    /// With invisible characters in it, or letters that look like ASCII ones.
    Folded,
    /// With a repeated separator.
    Spaced,
    /// In pieces, in successive fields.
    Joined,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Raw => "plain text",
            Form::Base64 => "base64",
            Form::Base32 => "base32",
            Form::Hex => "hex",
            Form::Percent => "percent-encoding",
            Form::Json => "backslash escapes",
            Form::Html => "HTML escapes",
            Form::Quoted => "quoted-printable",
            Form::Wide => "UTF-16 or UTF-32",
            Form::Folded => "invisible or look-alike characters",
            Form::Spaced => "characters with separators between",
            Form::Joined => "several fields",
        })
    }
}

/// One way of writing a value down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Raw,
    /// A form field: blanks are written `+` (application/x-www-form-urlencoded).
    FormField,
    /// `before` bytes of something else precede it in the same base64 text.
    Base64 {
        url_safe: bool,
        before: usize,
    },
    /// The same for base32; `hex`: the other alphabet.
    Base32 {
        hex: bool,
        before: usize,
    },
    /// Base64 of the value in UTF-16, as `powershell -EncodedCommand` takes it.
    WideBase64 {
        before: usize,
    },
    Hex,
}

impl Spelling {
    pub(super) const ALL: [Spelling; 22] = [
        Spelling::Raw,
        Spelling::FormField,
        Spelling::Base64 { url_safe: false, before: 0 },
        Spelling::Base64 { url_safe: false, before: 1 },
        Spelling::Base64 { url_safe: false, before: 2 },
        Spelling::Base64 { url_safe: true, before: 0 },
        Spelling::Base64 { url_safe: true, before: 1 },
        Spelling::Base64 { url_safe: true, before: 2 },
        Spelling::Base32 { hex: false, before: 0 },
        Spelling::Base32 { hex: false, before: 1 },
        Spelling::Base32 { hex: false, before: 2 },
        Spelling::Base32 { hex: false, before: 3 },
        Spelling::Base32 { hex: false, before: 4 },
        Spelling::Base32 { hex: true, before: 0 },
        Spelling::Base32 { hex: true, before: 1 },
        Spelling::Base32 { hex: true, before: 2 },
        Spelling::Base32 { hex: true, before: 3 },
        Spelling::Base32 { hex: true, before: 4 },
        Spelling::WideBase64 { before: 0 },
        Spelling::WideBase64 { before: 1 },
        Spelling::WideBase64 { before: 2 },
        Spelling::Hex,
    ];

    pub(super) fn form(self) -> Form {
        match self {
            Spelling::Raw => Form::Raw,
            Spelling::FormField => Form::Percent,
            Spelling::Base64 { .. } | Spelling::WideBase64 { .. } => Form::Base64,
            Spelling::Base32 { .. } => Form::Base32,
            Spelling::Hex => Form::Hex,
        }
    }

    /// Writes a value this way.
    pub(super) fn of(self, value: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Spelling::Raw => value.to_vec(),
            Spelling::FormField => value.iter().map(|&b| if b == b' ' { b'+' } else { b }).collect(),
            Spelling::Base64 { url_safe, before } => inner_base64(value, url_safe, before),
            Spelling::Base32 { hex, before } => inner_base32(value, hex, before),
            Spelling::WideBase64 { before } => inner_base64(&Zeroizing::new(wide(value)), false, before),
            Spelling::Hex => hex(value),
        })
    }

    /// Writes the surrogate this way, to replace `length` characters that matched and read `found`.
    pub(super) fn in_place_of(self, found: &[u8], length: usize, surrogate: &[u8]) -> Vec<u8> {
        let written = self.of(surrogate);
        match self {
            Spelling::Raw | Spelling::FormField => written.to_vec(),
            // The length must stay, or the base64 text around it would no longer decode.
            Spelling::Base64 { .. } | Spelling::Base32 { .. } | Spelling::WideBase64 { .. } => {
                written.iter().copied().cycle().take(length).collect()
            }
            Spelling::Hex if found.iter().any(|b| matches!(b, b'A'..=b'F')) => written.to_ascii_uppercase(),
            Spelling::Hex => written.to_vec(),
        }
    }
}

/// The characters that depend on the value alone, whatever surrounds it: a base64 character is six
/// bits, and the value starts at bit `8 * before`.
fn inner_base64(value: &[u8], url_safe: bool, before: usize) -> Vec<u8> {
    let mut padded = Zeroizing::new(vec![0; before]);
    padded.extend_from_slice(value);
    let engine = if url_safe { &URL_SAFE_NO_PAD } else { &STANDARD_NO_PAD };
    let text = Zeroizing::new(engine.encode(&*padded));
    let first = (8 * before).div_ceil(6);
    let end = 8 * padded.len() / 6;
    text.as_bytes()[first..end].to_vec()
}

/// The same of base32: a character is five bits.
fn inner_base32(value: &[u8], hex: bool, before: usize) -> Vec<u8> {
    let alphabet = if hex { b"0123456789abcdefghijklmnopqrstuv" } else { b"abcdefghijklmnopqrstuvwxyz234567" };
    let bit = |at: usize| at.checked_sub(8 * before).map_or(0, |at| value[at / 8] >> (7 - at % 8) & 1);
    let character = |at: usize| (5 * at..5 * at + 5).fold(0, |five, at| five << 1 | bit(at));
    let (first, end) = ((8 * before).div_ceil(5), 8 * (before + value.len()) / 5);
    (first..end).map(|at| alphabet[usize::from(character(at))]).collect()
}

fn wide(value: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(value).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn hex(value: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    value.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).collect()
}
