//! The few fields of a line that the index needs, found without parsing the rest: parsing is most of an index's cost.

use std::borrow::Cow;

use serde::Deserialize;

use super::tokens::Used;

/// The fields of a line that are looked at.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub(super) group: Text<'a>,
    pub(super) host: Text<'a>,
    pub(super) verdict: Text<'a>,
    pub(super) protocol: Text<'a>,
    pub(super) method: Text<'a>,
    pub(super) code: Text<'a>,
    pub(super) credential: Text<'a>,
    pub(super) address: Text<'a>,
    pub(super) what: Text<'a>,
    pub(super) path: Text<'a>,
    /// The file of the rule.
    pub(super) rule: Text<'a>,
    pub(super) query_bytes: Option<u64>,
    pub(super) run: Option<u64>,
    /// For an operation: whether it has an effect.
    pub(super) effect: bool,
    pub(super) asks_model: bool,
    pub(super) by_wildcard: bool,
    pub(super) alarm: bool,
    pub(super) abandoned: bool,
    pub(super) head_bytes: Option<u64>,
    pub(super) repeated: Option<u64>,
    pub(super) count: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) bytes_up: Option<u64>,
    pub(super) bytes_down: Option<u64>,
    pub(super) reserves: Option<Used>,
    pub(super) tokens: Option<Used>,
}

/// A text, if present.
type Text<'a> = Option<Cow<'a, str>>;

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    file: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    effect: bool,
}

/// What Claude Code requests at every start, whatever its settings: an organisation's settings, and what they allow.
/// The preset denies both, and it works without them.
const AT_EACH_START: [&str; 2] = ["/api/claude_code/settings", "/api/claude_code/policy_limits"];

impl<'a> Said<'a> {
    /// From a line; `None` if it is not JSON as the log writes it.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        let mut said = Said::default();
        let mut rest = line.strip_prefix(b"{")?;
        loop {
            let name = quoted(rest)?;
            let value = rest[name..].strip_prefix(b":")?;
            let end = value_end(value)?;
            said.take(&rest[1..name - 1], &value[..end])?;
            rest = match value.get(end)? {
                b',' => &value[end + 1..],
                b'}' => return Some(said),
                _ => return None,
            };
        }
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) -> Option<()> {
        match name {
            b"group" => self.group = text(value)?,
            b"host" => self.host = text(value)?,
            b"verdict" => self.verdict = text(value)?,
            b"protocol" => self.protocol = text(value)?,
            b"method" => self.method = text(value)?,
            b"code" => self.code = text(value)?,
            b"credential" => self.credential = text(value)?,
            b"address" => self.address = text(value)?,
            b"what" => self.what = text(value)?,
            b"path" => self.path = text(value)?,
            b"rule" => self.rule = json::<Option<Rule<'_>>>(value)?.map(|rule| rule.file),
            b"query_bytes" => self.query_bytes = number(value)?,
            b"run" => self.run = number(value)?,
            b"operation" => self.effect = json::<Option<Operation>>(value)?.is_some_and(|operation| operation.effect),
            b"asks_model" => self.asks_model = value == b"true",
            b"by_wildcard" => self.by_wildcard = value == b"true",
            b"alarm" => self.alarm = value == b"true",
            b"abandoned" => self.abandoned = value == b"true",
            b"head_bytes" => self.head_bytes = number(value)?,
            b"repeated" => self.repeated = number(value)?,
            b"count" => self.count = number(value)?,
            b"bytes" => self.bytes = number(value)?,
            b"bytes_up" => self.bytes_up = number(value)?,
            b"bytes_down" => self.bytes_down = number(value)?,
            b"reserves" => self.reserves = json(value)?,
            b"tokens" => self.tokens = json(value)?,
            _ => {}
        }
        Some(())
    }

    /// Whether this is exactly one of those two refusals, which say nothing about what an agent does.
    pub(super) fn is_routine(&self) -> bool {
        let is = |said: &Text<'_>, wanted: &str| said.as_deref() == Some(wanted);
        is(&self.code, "denied_by_rule")
            && is(&self.host, "api.anthropic.com")
            && is(&self.method, "GET")
            && self.path.as_deref().is_some_and(|path| AT_EACH_START.contains(&path))
            && is(&self.rule, "preset claude")
            && self.query_bytes.is_none_or(|bytes| bytes == 0)
            && !self.alarm
    }
}

/// The end of the quoted text that begins here, after its closing quote.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = text.starts_with(b"\"").then_some(1)?;
    loop {
        // Most are short: a vectorised search takes longer to start.
        at += text.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        match text[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The end of the value that begins here.
fn value_end(value: &[u8]) -> Option<usize> {
    match value.first()? {
        b'"' => quoted(value),
        b'{' | b'[' => nested_end(value),
        _ => value.iter().position(|byte| matches!(byte, b',' | b'}' | b']')),
    }
}

fn nested_end(value: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    loop {
        match value.get(at)? {
            b'"' => at += quoted(&value[at..])? - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

/// A text, or `null`.
fn text(value: &[u8]) -> Option<Text<'_>> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) else {
        return (value == b"null").then_some(None);
    };
    match inner.contains(&b'\\') {
        false => str::from_utf8(inner).ok().map(|text| Some(Cow::Borrowed(text))),
        true => json::<String>(value).map(|text| Some(Cow::Owned(text))),
    }
}

/// A number, or `null`.
fn number(value: &[u8]) -> Option<Option<u64>> {
    if value == b"null" {
        return Some(None);
    }
    let add = |sum: u64, digit: &u8| match digit {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    };
    value.iter().try_fold(0, add).map(Some)
}

fn json<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_looked_at_is_found_wherever_it_stands() {
        let line = r#"{"seq":7,"why":"a \"}, \\","rule":{"file":"a\"}b","line":3},"findings":["]",{"host":"x"}],
"host":"ä\n.example","path":"\\","code":null,"run":18446744073709551615,"alarm":true,"operation":{"effect":true},
"bytes_up":0,"tokens":{"model":"m","input":5},"lift":[],"chain":"00"}"#;
        let line = line.replace('\n', "");
        let said = Said::of(line.as_bytes()).unwrap();
        assert_eq!(said.rule.as_deref(), Some("a\"}b"));
        assert_eq!((said.host.as_deref(), said.path.as_deref()), (Some("ä\n.example"), Some("\\")));
        assert_eq!((said.code.as_deref(), said.run, said.bytes_up), (None, Some(u64::MAX), Some(0)));
        assert!(said.alarm && said.effect && !said.abandoned && said.tokens.is_some());
    }

    #[test]
    fn what_is_not_as_it_is_written_is_none() {
        for line in [
            "",
            "{",
            "{}",
            r#"{"host":"a"#,
            r#"{"host":"a"}"#.trim_end_matches('}'),
            r#"{"host":"\"#,
            r#"{"host":7}"#,
            r#"{"run":-1}"#,
            r#"{"run":18446744073709551616}"#,
            r#"{"rule":{"file":"a"}"#,
            r#"{"rule":{"line":3}}"#,
            r#"{"host" "a"}"#,
        ] {
            assert!(Said::of(line.as_bytes()).is_none(), "{line}");
        }
    }
}
