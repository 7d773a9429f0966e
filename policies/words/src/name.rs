//! One normal form for the names of parameters, fields and headers, and the names that a server
//! acts on before anything else.
//!
//! Programs disagree about names: PHP turns `.method`, `[method` and `_method%00` into `_method`,
//! gateways write `-` as `_`, .NET ignores case, Google takes `apiKey` for `api_key`. So names are
//! compared without anything that some reader drops or changes: as lower-case letters and digits,
//! with one `_` for whatever separates them. Two names with the same form are one name here.
//! `tests/frameworks` checks that against real frameworks.

use crate::{Facts, Method, graphql};

/// Writes a name in its normal form, a character at a time.
#[derive(Clone, Debug, Default)]
pub struct NameWriter {
    text: String,
    gap: bool,
}

impl NameWriter {
    /// Adds the next character, with escapes undone.
    pub fn push(&mut self, c: char) {
        match letter(c) {
            Some(c) => {
                if std::mem::take(&mut self.gap) {
                    self.text.push('_');
                }
                self.text.push(c);
            }
            // PHP drops the blanks that a name begins with (main/php_variables.c).
            None if c == ' ' && self.text.is_empty() && !self.gap => {}
            None => self.gap = true,
        }
    }

    /// The normal form so far: `_method`, `api_key`.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The normal form of a name that has no escapes: a header's, a key of JSON.
pub fn normal_name(name: &str) -> String {
    let mut writer = NameWriter::default();
    name.chars().for_each(|c| writer.push(c));
    writer.text
}

/// Only the letters and digits of a normal form, for comparisons where separators between words
/// mean nothing.
pub fn letters_of(normal: &str) -> String {
    normal.replace('_', "")
}

/// Keys as Go's encoding/json compares them: ignoring case, where the long s and the Kelvin sign
/// count as s and k (the Kelvin sign's lower case is k anyway). A body with both `Tools` and
/// `tools` has two readings.
pub fn fold_key(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            _ => c.to_lowercase().next().unwrap_or(c),
        })
        .collect()
}

/// What two spellings of a key share, whether words are written apart or together: protobuf's JSON,
/// and so Google, takes `fileUri` for `file_uri` and vice versa.
pub fn key_letters(key: &str) -> String {
    letters_of(&normal_name(key))
}

/// Every name, in normal form, that some server makes of a parameter's name from a query or a form.
pub fn parameter_names(raw: &str) -> Vec<String> {
    let mut writer = NameWriter::default();
    let (mut names, mut cut) = (Vec::new(), [false; 2]);
    for c in undo_escapes(raw).chars() {
        // A NUL ends a name for PHP; a bracket begins an index, or is dropped (Rack, qs).
        let ends = match c {
            '\0' => Some(0),
            '[' | ']' => Some(1),
            _ => None,
        };
        if let Some(which) = ends.filter(|which| !cut[*which] && !writer.text.is_empty()) {
            cut[which] = true;
            names.push(writer.text.clone());
        }
        writer.push(c);
    }
    names.push(writer.text);
    names.dedup();
    names
}

/// Undoes the escapes of a query or a form: `%5F`, `+`, and the `%u005F` of ASP.NET
/// (`HttpUtility.UrlDecode`).
pub fn undo_escapes(raw: &str) -> String {
    if !raw.contains(['%', '+']) {
        return raw.to_owned();
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let (digits, wide) = match behind.first() {
            Some(b'u' | b'U') => (behind.get(1..5), true),
            _ => (behind.get(..2), false),
        };
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok()).filter(|digits| is_hex(digits));
        match (byte, code.and_then(|digits| u32::from_str_radix(digits, 16).ok())) {
            (b'%', Some(code)) if wide => {
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &behind[5..];
            }
            (b'%', Some(code)) => {
                out.push(u8::try_from(code).unwrap_or_default());
                rest = &behind[2..];
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A name by which a server lets a request replace its method.
struct Override {
    letters: &'static str,
    /// Only with a separator before it: `_method`. `method` alone is an ordinary word.
    marked: bool,
    /// Whether it also counts as a field of a body.
    in_body: bool,
}

/// What is read, and by whom. `tests/frameworks` asked some of them; the others are from their
/// documents and sources.
const OVERRIDES: [Override; 8] = [
    // Rack::MethodOverride and so Rails and Sinatra (forms), Symfony's Request::getMethod and so
    // Laravel (query, forms, JSON), Mojolicious (query), method-override of Express (query), Spring's
    // HiddenHttpMethodFilter, CakePHP, Yii (`methodParam`), Slim's MethodOverrideMiddleware, Django
    // REST framework before 3.3 (forms).
    Override { letters: "method", marked: true, in_body: true },
    // ASP.NET MVC's HttpRequestExtensions.GetHttpMethodOverride takes the header's name in query
    // and form as well.
    Override { letters: "xhttpmethodoverride", marked: false, in_body: true },
    Override { letters: "httpmethodoverride", marked: false, in_body: true },
    Override { letters: "xhttpmethod", marked: false, in_body: true },
    Override { letters: "xmethodoverride", marked: false, in_body: true },
    // Plack's MethodOverride (query).
    Override { letters: "xtunneledmethod", marked: false, in_body: true },
    // Google's front end (`$httpMethod`: Closure's goog.net.rpc.HttpCors, which its JavaScript
    // clients use to go without a preflight) and Salesforce's REST API (`_HttpMethod`).
    Override { letters: "httpmethod", marked: false, in_body: false },
    // The same for headers, including those above (`$httpHeaders`).
    Override { letters: "httpheaders", marked: false, in_body: false },
];

/// Whether a query parameter (`name=value` as it stands) asks the server to treat a request with
/// this method as another one.
pub fn parameter_asks(pair: &str, method: Method) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    if name.is_empty() {
        return false;
    }
    let names = parameter_names(name);
    let asks = |name: &String| is_override(name, |_| true) || (*name == "method" && is_another(value, method));
    names.iter().any(asks)
}

/// The same for a field of a form or a JSON body, by its normal form.
pub fn field_asks(normal: &str) -> bool {
    is_override(normal, |one| one.in_body)
}

/// Whether a GET does more than read: a GraphQL mutation in a parameter.
pub fn parameter_writes(pair: &str) -> bool {
    let value = pair.split_once('=').map_or(pair, |(_, value)| value);
    // Escapes are undone only for the few values that can be one.
    value.len() > "mutation".len() && graphql::holds_mutation(&undo_escapes(value))
}

impl Facts {
    /// Whether it is a query of DNS over HTTPS, by its URL (RFC 8484 §4.1).
    pub fn asks_for_names(&self) -> bool {
        let is_dns = |one: &str| {
            let key = one.split('=').next().unwrap_or_default();
            percent_encoding::percent_decode_str(key).eq(*b"dns")
        };
        let asked = self.query.as_ref().is_some_and(|query| query.as_str().split('&').any(is_dns));
        asked && self.path.undone().split('/').any(|segment| segment.eq_ignore_ascii_case("dns-query"))
    }
}

fn is_override(normal: &str, counts: impl Fn(&Override) -> bool) -> bool {
    // Most names are none of these.
    if !normal.ends_with(['d', 'e', 's']) {
        return false;
    }
    let letters = letters_of(normal);
    OVERRIDES.iter().any(|one| one.letters == letters && (!one.marked || normal.starts_with('_')) && counts(one))
}

/// `method=delete` at Facebook's Graph API. Many APIs use the word, so the value decides: if it
/// names no method, or the request's own, it asks for nothing.
fn is_another(value: &str, method: Method) -> bool {
    const WITHOUT_RULES: [&str; 6] = ["COPY", "MOVE", "LINK", "UNLINK", "PURGE", "SEARCH"];
    let value = undo_escapes(value).trim().to_ascii_uppercase();
    match Method::parse(&value) {
        Some(other) => other != method && !(other.is_read() && method.is_read()),
        None => WITHOUT_RULES.contains(&value.as_str()),
    }
}

/// Letters and digits as they are compared: .NET and Go ignore case, and for Go's encoding/json the
/// long s and the Kelvin sign are s and k.
fn letter(c: char) -> Option<char> {
    match c {
        'a'..='z' | '0'..='9' => Some(c),
        'A'..='Z' => Some(c.to_ascii_lowercase()),
        '\u{17f}' => Some('s'),
        '\u{212a}' => Some('k'),
        // Letters of other scripts do not separate words.
        _ => (!c.is_ascii() && c.is_alphanumeric()).then_some(c),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_normal_form() {
        for (raw, want) in [
            ("api_key", "api_key"),
            ("api.key", "api_key"),
            ("api+key", "api_key"),
            ("API%2dKEY", "api_key"),
            ("++api%20_.key", "api_key"),
            ("%u0061pi%5Fkey", "api_key"),
            ("_method", "_method"),
            ("+.method", "_method"),
            ("+method", "method"),
            ("%00method", "_method"),
            ("x%2", "x_2"),
            ("%zz", "_zz"),
            ("caf%C3%A9", "caf\u{e9}"),
            ("a%ffb", "a_b"),
            ("to\u{212a}en", "token"),
            ("", ""),
        ] {
            assert_eq!(parameter_names(raw).last().map(String::as_str), Some(want), "{raw}");
        }
        assert_eq!(parameter_names("_method%00x"), ["_method", "_method_x"]);
        assert_eq!(parameter_names("api[key"), ["api", "api_key"]);
        assert_eq!(parameter_names("[_method]"), ["_method"]);
        assert_eq!(parameter_names("a%00[b]c]d"), ["a", "a_b_c_d"]);
    }

    #[test]
    fn a_method_is_replaced_by_many_names_and_by_no_plain_word() {
        for pair in [
            "_method=DELETE",
            ".method=DELETE",
            "+.method=DELETE",
            "_method%00x=DELETE",
            "_METHOD=delete",
            "?_method=DELETE",
            "__method=DELETE",
            "[_method]=DELETE",
            "_method[]=DELETE",
            "_method",
            "$httpMethod=DELETE",
            "%24httpMethod=DELETE",
            "httpmethod=x",
            "_HttpMethod=PATCH",
            "$httpHeaders=X-HTTP-Method-Override%3ADELETE",
            "x-http-method-override=x",
            "X_HTTP.Method%20Override=x",
            "method=DELETE",
            "Method=delete",
            "method=purge",
            "x-tunneled-method=DELETE",
        ] {
            assert!(parameter_asks(pair, Method::Get), "{pair}");
        }
        for pair in [
            "method=flickr.photos.search",
            "method=1",
            "method=get",
            "method=HEAD",
            "my_method=DELETE",
            "x[_method]=DELETE",
            "payment.method=DELETE",
            "methods=DELETE",
            "http_method_name=x",
            "q=_method",
            "",
        ] {
            assert!(!parameter_asks(pair, Method::Get), "{pair}");
        }
        assert!(parameter_asks("method=get", Method::Post) && !parameter_asks("method=post", Method::Post));
        assert!(field_asks("_method") && field_asks("x_http_method_override"));
        // JSON-RPC, and the fields in which AWS's gateway describes a request.
        assert!(!field_asks("method") && !field_asks("http_method") && !field_asks("httpmethod"));
    }
}
