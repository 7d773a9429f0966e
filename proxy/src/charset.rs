//! Charsets: whether text in one is read as the scrubber reads it, as bytes of ASCII.
//!
//! In UTF-16, UTF-7 or EBCDIC a secret consists of other bytes than those searched for. So an
//! answer in a charset that is not known to preserve ASCII does not come back from a host with a
//! credential, and requests to such a host do not ask for one.

use http::header::{ACCEPT, HeaderValue};
use http::{HeaderMap, header};

use scan::packed::parameters;

/// Charsets whose first half is ASCII, without hyphens and the like (IANA's registry, and the
/// WHATWG's encodings except UTF-16 and ISO-2022-JP).
const KNOWN: [&str; 30] = [
    "ascii",
    "usascii",
    "ansix341968",
    "utf8",
    "utf8mb3",
    "utf8mb4",
    "utf8sig",
    "unicode11utf8",
    "latin1",
    "binary",
    "tis620",
    "viscii",
    "macintosh",
    "gb2312",
    "gbk",
    "gb18030",
    "xgbk",
    "big5",
    "big5hkscs",
    "shiftjis",
    "sjis",
    "xsjis",
    "mskanji",
    "xuserdefined",
    "l1",
    "ms932",
    "ms936",
    "ms949",
    "ms950",
    "windows65001",
];

/// The same, by prefix.
const BEGINNINGS: [&str; 13] = [
    "isolatin",
    "iso8859",
    "latin",
    "windows12",
    "windows874",
    "windows949",
    "windows31j",
    "windows936",
    "cp125",
    "koi8",
    "eucjp",
    "euckr",
    "xmac",
];

/// DOS code pages, which preserve ASCII; those of EBCDIC have other numbers.
const PAGES: [&str; 21] = [
    "437", "720", "737", "775", "850", "852", "855", "857", "858", "860", "861", "862", "863", "865", "866", "869",
    "932", "936", "949", "950", "65001",
];

/// Whether ASCII letters are encoded as themselves, and in no other way.
pub(crate) fn keeps_ascii(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let page = name.strip_prefix("cp").or_else(|| name.strip_prefix("ibm"));
    KNOWN.contains(&&*name)
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || page.is_some_and(|page| PAGES.contains(&page))
}

/// A charset that the head names and that does not preserve ASCII.
pub(crate) fn declared(headers: &HeaderMap) -> Option<String> {
    let types = headers.get_all(header::CONTENT_TYPE).iter();
    let texts = types.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    // `charset*` is the same in the form of RFC 8187: charset, language, value.
    let mut named = texts.flat_map(|text| {
        let extended = parameters(&text, "charset*").into_iter().map(|text| match text.rsplit_once('\'') {
            Some((_, name)) => name.to_owned(),
            None => text,
        });
        extended.chain(parameters(&text, "charset")).collect::<Vec<_>>()
    });
    // Some frameworks give it twice: `utf-8,utf-8`.
    named.find(|name| name.split(',').any(|name| !name.trim().is_empty() && !keeps_ascii(name)))
}

/// Names a charset to ASP.NET, for the query and forms, if `User-Agent` begins with `UP` (rule
/// 920490 of the OWASP CRS).
const OF_FORMS: &str = "x-up-devcap-post-charset";

/// The charset in which a server may read a request's query and fields, if it does not preserve ASCII (`ibm037` evades
/// filters). Accepts any notation, because servers differ in how they parse parameters.
pub(crate) fn of_request(headers: &HeaderMap) -> Option<String> {
    if !headers.contains_key(header::CONTENT_TYPE) && !headers.contains_key(OF_FORMS) {
        return None;
    }
    let word = |text: &str| {
        let text = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let named = headers.get_all(header::CONTENT_TYPE).iter().flat_map(|value| {
        let text = text(value);
        let named = text.split("charset").skip(1).map(|rest| match rest.strip_prefix('*') {
            // As `declared` reads it; no client needs to send it in parts (RFC 2231, `charset*0=`).
            Some(rest) if rest.trim_start().starts_with('=') => String::new(),
            Some(_) => "in parts".to_owned(),
            None => word(rest),
        });
        named.collect::<Vec<_>>()
    });
    let of_forms = headers.get_all(OF_FORMS).iter().map(|value| word(&text(value)));
    named.chain(of_forms).find(|name| !name.is_empty() && !keeps_ascii(name)).or_else(|| declared(headers))
}

/// Whether it can be undone like a disguise: ASCII letters with zeros between them.
pub(crate) fn is_wide(name: &str) -> bool {
    name.starts_with("utf-16") || name.starts_with("utf-32")
}

/// How much of a body is needed to decide its charset.
pub(crate) const ENOUGH: usize = 1 << 10;

/// The charset that the first bytes of a text show, if it does not preserve ASCII: by a byte order
/// mark, by zeros between the first letters, or by a declaration. `whole`: nothing follows.
pub(crate) fn in_text(start: &[u8], is_html: bool, whole: bool) -> Option<String> {
    let marks: [(&[u8], &str); 9] = [
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"+/v8", "utf-7"),
        (b"+/v9", "utf-7"),
        (b"+/v+", "utf-7"),
        (b"+/v/", "utf-7"),
        (b"\xdd\x73\x66\x73", "utf-ebcdic"),
        // `<?xm` in EBCDIC (XML 1.0, appendix F).
        (b"\x4c\x6f\xa7\x94", "ebcdic"),
    ];
    if let Some((_, name)) = marks.into_iter().find(|(mark, _)| start.starts_with(mark)) {
        return Some(name.to_owned());
    }
    // RFC 4627 §3: text begins with two ASCII letters.
    for (width, letters, name) in [(2, 3, "utf-16"), (4, 2, "utf-32")] {
        if is_wide_text(start, width, letters, whole) {
            return Some(name.to_owned());
        }
    }
    let start = &start[..start.len().min(ENOUGH)];
    // Other text declares nothing, so it is not copied.
    if !is_html && !is_xml(start) {
        return None;
    }
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    let xml = text.trim_start_matches('\u{feff}').strip_prefix("<?xml").and_then(|rest| rest.split("?>").next());
    let named = xml.and_then(|rest| after(rest, "encoding"));
    // A declaration that can be read here is not UTF-16; HTML treats it as a mistake (its §4.2.5.5).
    let in_html = || is_html.then(|| after(&text, "charset")).flatten().filter(|name| !name.starts_with("utf-16"));
    named.or_else(in_html).filter(|name| !keeps_ascii(name))
}

/// Whether units of this many bytes are characters, the first ones ASCII. Tables of small numbers
/// and sound begin like that too, but soon have a unit that no text contains.
fn is_wide_text(start: &[u8], width: usize, letters: usize, whole: bool) -> bool {
    const UNITS: usize = 16;
    let start = &start[..start.len().min(width * UNITS)];
    if start.len() < width * UNITS && !whole {
        return false;
    }
    let fold = |unit: u32, byte: &u8| unit << 8 | u32::from(*byte);
    let big = start.chunks_exact(width).map(|unit| unit.iter().fold(0, fold));
    let little = start.chunks_exact(width).map(|unit| unit.iter().rev().fold(0, fold));
    [big.collect::<Vec<u32>>(), little.collect()].iter().any(|units| {
        let first = units.get(..letters).unwrap_or_default();
        let is_letter = |unit: &u32| matches!(unit, 9 | 10 | 13 | 0x20..=0x7e);
        let is_none = |unit: &u32| !matches!(unit, 9 | 10 | 13 | 0x20..=0x7e | 0xa0..=0xfffd | 0x1_0000..=0x10_fffd);
        !first.is_empty() && first.iter().all(is_letter) && !units.iter().any(is_none)
    })
}

fn is_xml(mut start: &[u8]) -> bool {
    while let Some(behind) = start.strip_prefix("\u{feff}".as_bytes()) {
        start = behind;
    }
    start.get(..5).is_some_and(|sign| sign.eq_ignore_ascii_case(b"<?xml"))
}

/// The word after `key=`.
fn after(text: &str, key: &str) -> Option<String> {
    let rest = text.split_once(key)?.1.trim_start().strip_prefix('=')?;
    let rest = rest.trim_start().trim_start_matches(['"', '\'']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')))?;
    Some(rest[..end].to_owned()).filter(|word| !word.is_empty())
}

/// Removes the charsets that `Accept` asks for, except the one in which everything is read anyway.
pub(crate) fn ask_for_none(headers: &mut HeaderMap) {
    let asks = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().windows(7).any(|word| word == b"charset");
    if !headers.get_all(ACCEPT).iter().any(asks) {
        return;
    }
    let kept: Vec<HeaderValue> = headers.get_all(ACCEPT).iter().filter_map(without_charset).collect();
    headers.remove(ACCEPT);
    for value in kept {
        headers.append(ACCEPT, value);
    }
}

fn without_charset(value: &HeaderValue) -> Option<HeaderValue> {
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let range = |range: &str| {
        let others = range.split(';').filter(|part| {
            let part = part.trim().to_ascii_lowercase();
            !part.starts_with("charset") || part == "charset=utf-8"
        });
        others.collect::<Vec<_>>().join(";")
    };
    let ranges: Vec<String> = text.split(',').map(range).collect();
    HeaderValue::try_from(ranges.join(",")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_charset_that_is_not_known_to_keep_ascii_is_none() {
        for name in [
            "utf-8",
            "UTF8",
            "us-ascii",
            "iso-8859-1",
            "ISO_8859-15",
            "windows-1252",
            "cp1251",
            "koi8-r",
            "gbk",
            "GB18030",
            "big5",
            "euc-jp",
            "EUC-KR",
            "Shift_JIS",
            "cp437",
            "ibm850",
            "tis-620",
            "x-mac-roman",
            "utf8mb4",
            "cp65001",
            "cp949",
            "ms932",
            "l1",
            "iso-latin-1",
        ] {
            assert!(keeps_ascii(name), "{name}");
        }
        for name in [
            "utf-16",
            "utf16le",
            "UTF_16_BE",
            "utf-32",
            "ucs-2",
            "iso-10646-ucs-4",
            "utf-7",
            "unicode-1-1-utf-7",
            "iso-2022-jp",
            "ISO-2022-KR",
            "hz-gb-2312",
            "cp037",
            "ibm500",
            "cp1047",
            "cp1140",
            "ibm1148",
            "ebcdic-us",
            "scsu",
            "bocu-1",
            "punycode",
            "unicode_escape",
            "raw-unicode-escape",
            "rot13",
            "cp930",
            "x-any",
            "",
        ] {
            assert!(!keeps_ascii(name), "{name}");
        }
    }

    #[test]
    fn a_charset_is_read_in_every_form_of_its_parameter() {
        let of = |value: &'static str| {
            declared(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        for value in [
            "text/plain;charset=utf-16",
            "text/plain; charset=\"utf-16\"",
            "text/plain; charset = utf-16 ; x=y",
            "TEXT/PLAIN; CHARSET=UTF-16",
            "text/plain; x=\"a;b=\\\"\"; charset=utf-16",
            "text/plain; x; charset=utf-16",
            "text/plain; charset=utf-8; charset=utf-16",
            "text/plain; charset=utf-16; charset=utf-8",
            "text/plain; charset*=us-ascii'en'utf-16",
            "text/plain; charset=utf-8; x=charset; charset*=''utf-7",
        ] {
            assert!(of(value).is_some(), "{value}");
        }
        assert!(of("text/plain; charset=\"utf-8,utf-16\"").is_some());
        for value in [
            "text/plain",
            "text/plain; charset=utf-8",
            "text/plain; charset=\"utf-8,utf-8\"",
            "a/b; x=\"charset=utf-16\"",
            "a/b; charset=",
            "a/b;",
        ] {
            assert_eq!(of(value), None, "{value}");
        }
        let two =
            [HeaderValue::from_static("text/plain; charset=utf-8"), HeaderValue::from_static("a/b; charset=utf-7")];
        assert!(declared(&two.into_iter().map(|value| (header::CONTENT_TYPE, value)).collect()).is_some());
    }

    #[test]
    fn a_text_says_by_its_first_bytes_what_it_is() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let long = |text: &str| text.chars().flat_map(|c| (c as u32).to_be_bytes()).collect::<Vec<u8>>();
        let marked = [b"\xfe\xff".to_vec(), wide("x")].concat();
        for start in [&marked, &wide("{\"a\""), &long("<a>"), &b"\xff\xfe".to_vec(), &b"+/v8-x".to_vec()] {
            assert!(in_text(start, false, true).is_some(), "{start:?}");
        }
        let utf7 = b"<?xml version='1.0' encoding = 'UTF-7' ?><a/>";
        assert_eq!(in_text(utf7, false, true).as_deref(), Some("utf-7"));
        let html = b"<!doctype html><meta http-equiv=content-type content=\"text/html; charset=iso-2022-jp\">";
        assert_eq!(in_text(html, true, true).as_deref(), Some("iso-2022-jp"));
        assert_eq!(in_text(html, false, true), None);
        for plain in [
            &b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>"[..],
            b"<meta charset=utf-16>",
            b"hello",
            b"",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"\0\x01\0\0\0\x0c\0\x80",
            b"RIFF\x24\0\0\0WAVE",
            b"\0asm\x01\0\0\0",
            // Tables of numbers, and quiet sound.
            b"\x20\0\x40\0\x60\0\x80\0\xa0\0",
            b"\x64\0\0\0\x65\0\0\0\x01\0\0\0",
            b"\x2d\0\x2c\0\x2b\0\xff\xff",
        ] {
            assert_eq!(in_text(plain, true, true), None, "{plain:?}");
        }
    }

    #[test]
    fn nobody_asks_for_a_charset() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("text/html;q=0.5, */*; Charset=utf-16;q=1"));
        headers.append(ACCEPT, HeaderValue::from_static("a/b"));
        ask_for_none(&mut headers);
        let accepted: Vec<_> = headers.get_all(ACCEPT).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(accepted, ["text/html;q=0.5, */*;q=1", "a/b"]);
    }
}
