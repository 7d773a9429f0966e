//! The forms that a value is given here, written without the code under test.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A name for messages, and the value in that form.
pub(super) type Encoded = (String, Vec<u8>);

/// The forms that any bytes have.
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

/// The forms that text has besides.
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
