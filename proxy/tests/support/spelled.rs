//! The encodings of a secret, implemented here independently: a check that used the proxy's own
//! list would miss what that list misses.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Raw, base64 at three offsets in both alphabets, hex, percent, JSON.
pub fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        ("raw", secret.as_bytes().to_vec()),
        ("hex", hex(secret).into_bytes()),
        ("upper-case hex", hex(secret).to_uppercase().into_bytes()),
        ("percent", percent(secret).into_bytes()),
        ("encodeURIComponent", component(secret).into_bytes()),
        ("json", json(secret).into_bytes()),
    ];
    for offset in 0..3 {
        forms.push(("base64", inner(&STANDARD, secret, offset)));
        forms.push(("base64url", inner(&URL_SAFE, secret, offset)));
    }
    forms
}

/// Which form of the secret the bytes contain, if any.
pub fn find(secret: &str, bytes: &[u8]) -> Option<&'static str> {
    let bytes = bytes.to_ascii_lowercase();
    let holds = |form: &Vec<u8>| memchr::memmem::find(&bytes, &form.to_ascii_lowercase()).is_some();
    forms(secret).into_iter().find(|(_, form)| holds(form)).map(|(name, _)| name)
}

/// The characters that depend only on the secret, whatever is around it.
fn inner(engine: &impl Engine, secret: &str, offset: usize) -> Vec<u8> {
    let text = engine.encode([&vec![0; offset][..], secret.as_bytes()].concat());
    let (first, end) = ((8 * offset).div_ceil(6), 8 * (offset + secret.len()) / 6);
    text.as_bytes()[first..end].to_vec()
}

pub fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Every byte escaped.
pub fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Only characters that a URL component may not contain.
pub fn component(text: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!*'()".contains(&byte);
    text.bytes().map(|byte| if stays(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Every character as `\u0041`.
pub fn json(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// In lines of 20, as mail has lines of 76.
pub fn base64_lines(text: &str) -> String {
    base64(text)
        .as_bytes()
        .chunks(20)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect::<Vec<_>>()
        .join("\r\n")
}

/// The text in another encoding, or with something in it that hides it.
pub fn disguised(way: &str, text: &str) -> Option<Vec<u8>> {
    let each = |write: &dyn Fn(char) -> String| text.chars().map(write).collect::<String>().into_bytes();
    let shifted = |by: u32| each(&|c| char::from_u32(u32::from(c) + by).map(String::from).unwrap_or_default());
    let parted =
        |text: &str, group: usize, separator: &[u8]| text.as_bytes().chunks(group).collect::<Vec<_>>().join(separator);
    Some(match way {
        "utf16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "utf32le" => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        "quoted-printable" => each(&|c| format!("={:02X}", u32::from(c))),
        "octal" => each(&|c| format!("\\{:03o}", u32::from(c))),
        "braces" => each(&|c| format!("\\u{{{:x}}}", u32::from(c))),
        "zero-width" => each(&|c| format!("{c}\u{200b}")),
        "full-width" => shifted(0xFEE0),
        "tags" => shifted(0xE0000),
        "spaced" => parted(text, 1, b" "),
        "colons" => parted(&hex(text), 2, b":"),
        "base32" => {
            let bits: Vec<u8> = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
            let five = |bits: &[u8]| (0..5).fold(0, |five, bit| five << 1 | usize::from(*bits.get(bit).unwrap_or(&0)));
            bits.chunks(5).map(|bits| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[five(bits)]).collect()
        }
        _ => return None,
    })
}
