//! The forms of a value, written without the code under test.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A name for messages, and the value in that form.
pub(super) type Encoded = (String, Vec<u8>);

/// The forms of any bytes.
pub(super) fn of_bytes(value: &[u8]) -> Vec<Encoded> {
    let mut all = vec![
        ("raw".into(), value.to_vec()),
        ("upper".into(), value.to_ascii_uppercase()),
        ("hex".into(), hex(value).into_bytes()),
        ("HEX".into(), hex(value).to_uppercase().into_bytes()),
        ("hEx".into(), mixed_case(&hex(value))),
        ("percent, all".into(), percent(value, |_| false).into_bytes()),
        ("percent, lower case".into(), percent(value, |_| false).to_lowercase().into_bytes()),
        ("percent, some".into(), percent(value, u8::is_ascii_alphanumeric).into_bytes()),
        ("percent twice".into(), percent(percent(value, |_| false).as_bytes(), |_| false).into_bytes()),
        ("\\x".into(), value.iter().map(|b| format!("\\x{b:02x}")).collect::<String>().into_bytes()),
    ];
    for before in 0..4 {
        let padded = [&b"us:"[..before.min(3)], value, &b":tail"[..before]].concat();
        for (name, engine) in
            [("", &STANDARD), ("url", &URL_SAFE), ("nopad", &STANDARD_NO_PAD), ("url nopad", &URL_SAFE_NO_PAD)]
        {
            all.push((format!("base64 {name} after {before}"), engine.encode(&padded).into_bytes()));
        }
        let text = STANDARD.encode(&padded);
        all.push((
            format!("base64 percent after {before}"),
            percent(text.as_bytes(), u8::is_ascii_alphanumeric).into_bytes(),
        ));
        all.push((format!("base64 php after {before}"), text.replace('/', "\\/").into_bytes()));
        for (width, end) in [(20, "\n"), (64, "\n"), (76, "\r\n")] {
            all.push((format!("base64 at {width} after {before}"), wrapped(&text, width, end).into_bytes()));
            let in_json = wrapped(&text, width, "\\n");
            all.push((format!("base64 at {width} in JSON after {before}"), in_json.into_bytes()));
        }
    }
    all
}

/// The additional forms of text.
pub(super) fn of_text(value: &str) -> Vec<Encoded> {
    let json = serde_json::to_string(value).unwrap();
    let all: Vec<(&str, String)> = vec![
        ("json", json.clone()),
        ("json, slashes", json.replace('/', "\\/")),
        ("json, all", utf16(value)),
        ("json, blanks", json.replace(' ', "\\u0020")),
        ("json in json", serde_json::to_string(&json).unwrap()),
        ("json, all, in json", serde_json::to_string(&utf16(value)).unwrap()),
        ("percent in json", percent(value.as_bytes(), |_| false).replace('%', "\\u0025")),
        ("json in percent", percent(utf16(value).as_bytes(), |_| false)),
        ("form", percent(value.as_bytes(), |b| *b == b' ' || b.is_ascii_alphanumeric()).replace(' ', "+")),
        (
            "html",
            value
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;"),
        ),
        ("html, decimal", value.chars().map(|c| format!("&#{};", u32::from(c))).collect()),
        ("html, hex", value.chars().map(|c| format!("&#x{:04X};", u32::from(c))).collect()),
    ];
    all.into_iter().map(|(name, text)| (name.into(), text.into_bytes())).collect()
}

fn hex(value: &[u8]) -> String {
    value.iter().map(|b| format!("{b:02x}")).collect()
}

fn mixed_case(text: &str) -> Vec<u8> {
    text.bytes().enumerate().map(|(i, b)| if i % 3 == 0 { b.to_ascii_uppercase() } else { b }).collect()
}

fn percent(value: &[u8], stays: impl Fn(&u8) -> bool) -> String {
    value.iter().map(|b| if stays(b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn utf16(value: &str) -> String {
    value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn wrapped(text: &str, width: usize, end: &str) -> String {
    text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join(end)
}

/// The additional forms of a key: printable ASCII without blanks.
pub(super) fn of_a_key(value: &str) -> Vec<Encoded> {
    let bytes = value.as_bytes();
    let utf16 = |order: fn(u16) -> [u8; 2]| value.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let utf32 = |order: fn(u32) -> [u8; 4]| value.chars().flat_map(|c| order(u32::from(c))).collect::<Vec<u8>>();
    let wide = "mn\u{e9}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let hex = hex(bytes);
    let each = |write: &dyn Fn(char) -> String| value.chars().map(write).collect::<String>();
    let letters = |from: u32| {
        each(&|c| match c {
            'A'..='Z' => char::from_u32(from + u32::from(c) - 0x41).unwrap().to_string(),
            'a'..='z' => char::from_u32(from + 26 + u32::from(c) - 0x61).unwrap().to_string(),
            _ => c.to_string(),
        })
    };
    let alike = each(&|c| match c {
        'a' => "а".into(),
        'e' => "е".into(),
        'o' => "о".into(),
        'p' => "р".into(),
        'c' => "с".into(),
        'K' => "Κ".into(),
        '-' => "‐".into(),
        _ => c.to_string(),
    });
    let mut all: Vec<(String, Vec<u8>)> = vec![
        ("UTF-16LE".into(), utf16(u16::to_le_bytes)),
        ("UTF-16BE".into(), utf16(u16::to_be_bytes)),
        ("UTF-32LE".into(), utf32(u32::to_le_bytes)),
        ("UTF-32BE".into(), utf32(u32::to_be_bytes)),
        ("UTF-16LE with a mark".into(), [&b"\xff\xfe"[..], &utf16(u16::to_le_bytes)].concat()),
        ("UTF-16BE with a mark".into(), [&b"\xfe\xff"[..], &utf16(u16::to_be_bytes)].concat()),
        ("UTF-16LE behind other letters".into(), [wide, utf16(u16::to_le_bytes)].concat()),
        ("UTF-16LE, then percent".into(), percent(&utf16(u16::to_le_bytes), |_| false).into_bytes()),
        ("JSON, then UTF-16LE".into(), self::utf16(value).bytes().flat_map(|b| [b, 0]).collect()),
    ];
    for (name, text) in [
        ("octal", bytes.iter().map(|b| format!("\\{b:03o}")).collect::<String>()),
        ("octal of echo", bytes.iter().map(|b| format!("\\0{b:03o}")).collect()),
        ("octal, some", each(&|c| if c.is_ascii_digit() { format!("\\{:o}", u32::from(c)) } else { c.into() })),
        ("\\u{}", each(&|c| format!("\\u{{{:x}}}", u32::from(c)))),
        ("\\U", each(&|c| format!("\\U{:08x}", u32::from(c)))),
        ("of a shell", each(&|c| if c.is_ascii_alphanumeric() { c.into() } else { format!("\\{c}") })),
        ("over two lines of a shell", format!("{}\\\n{}", &value[..value.len() / 2], &value[value.len() / 2..])),
        ("quoted-printable, all", bytes.iter().map(|b| format!("={b:02X}")).collect()),
        ("quoted-printable", mail(value, "\r\n")),
        ("quoted-printable in JSON", serde_json::to_string(&mail(value, "\n")).unwrap()),
        ("zero width", each(&|c| format!("{c}\u{200b}"))),
        ("a soft hyphen", format!("{}\u{ad}{}", &value[..4], &value[4..])),
        ("many joiners", each(&|c| format!("{}{c}", "\u{2060}".repeat(9)))),
        ("zero width, in JSON", each(&|c| format!("{c}\\u200d"))),
        ("zero width, in percent", each(&|c| format!("{c}%E2%80%8B"))),
        ("full width", each(&|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap().to_string())),
        ("full width, in JSON", each(&|c| format!("\\u{:04x}", u32::from(c) + 0xFEE0))),
        ("mathematical", letters(0x1D5D4)),
        ("tags", each(&|c| char::from_u32(u32::from(c) + 0xE0000).unwrap().to_string())),
        ("look-alikes", alike.clone()),
        ("look-alikes, and zero width", alike.chars().map(|c| format!("{c}\u{200b}")).collect()),
        ("spaces", spelt(value, 1, " ")),
        ("dots", spelt(value, 1, ".")),
        ("lines", spelt(value, 1, "\n")),
        ("lines of Windows", spelt(value, 1, "\r\n")),
        ("a list of letters", format!("[\"{}\"]", spelt(value, 1, "\",\""))),
        ("spaces in percent", spelt(value, 1, "%20")),
        ("spaces that do not break", spelt(value, 1, "\u{a0}")),
        ("lines in JSON", spelt(value, 1, "\\n")),
        ("hex with colons", spelt(&hex, 2, ":")),
        ("hex with blanks", spelt(&hex, 2, " ")),
        ("HEX with dashes", spelt(&hex.to_uppercase(), 2, "-")),
        ("hex in a list", format!("0x{}", spelt(&hex, 2, ", 0x"))),
        ("base32", base32(bytes, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
        ("base32, small", base32(bytes, b"abcdefghijklmnopqrstuvwxyz234567")),
        ("base32hex", base32(bytes, b"0123456789ABCDEFGHIJKLMNOPQRSTUV")),
    ] {
        all.push((name.into(), text.into_bytes()));
    }
    for before in 0..5 {
        let padded = [&b"user:"[..before], bytes, &b":tail"[..before]].concat();
        all.push((format!("base32 after {before}"), base32(&padded, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").into_bytes()));
        let wide: Vec<u8> = String::from_utf8_lossy(&padded).encode_utf16().flat_map(u16::to_le_bytes).collect();
        all.push((format!("base64 of UTF-16 after {before}"), STANDARD.encode(wide).into_bytes()));
    }
    if value.len() > 20 {
        let base32 = base32(bytes, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
        all.push(("base32 with blanks".into(), spelt(&base32, 4, " ").into_bytes()));
        all.push(("hex, four each".into(), spelt(&hex, 4, " ").into_bytes()));
        all.push(("groups of four".into(), spelt(value, 4, " ").into_bytes()));
        all.push(("groups of three".into(), spelt(value, 3, "-").into_bytes()));
    }
    if value.len() > 40 {
        all.push(("groups of eight".into(), spelt(value, 8, "\n").into_bytes()));
    }
    all
}

/// Groups of this many characters, with the same separator between them.
pub(super) fn spelt(text: &str, group: usize, separator: &str) -> String {
    let groups: Vec<_> =
        text.as_bytes().chunks(group).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join(separator)
}

/// As in mail: lines of nine characters, with `=3D` for a `=` in the value.
fn mail(value: &str, end: &str) -> String {
    let text = value.replace('=', "=3D");
    let mut lines = vec![String::new()];
    for c in text.chars() {
        if lines.last().is_some_and(|line| line.len() >= 9 && !line[line.len() - 2..].contains('=')) {
            lines.push(String::new());
        }
        lines.last_mut().unwrap().push(c);
    }
    lines.join(&format!("={end}"))
}

pub(super) fn base32(value: &[u8], alphabet: &[u8; 32]) -> String {
    let mut text = String::new();
    for five in value.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + five.len()].copy_from_slice(five);
        let number = u64::from_be_bytes(block);
        let characters = (five.len() * 8).div_ceil(5);
        text.extend((0..8).map(|n| match n < characters {
            true => char::from(alphabet[(number >> (35 - 5 * n) & 31) as usize]),
            false => '=',
        }));
    }
    text
}
