#![allow(clippy::unwrap_used)]
use super::*;

impl BodyConditions {
    fn allow(&mut self, conditions: &Arc<[Condition]>, at: &RuleRef, lift: Vec<String>) {
        self.add(Some(conditions), Does::Open { at: at.clone(), lift });
    }

    fn deny(&mut self, conditions: &Arc<[Condition]>, refusal: Refusal) {
        self.add(Some(conditions), Does::Deny(refusal));
    }
}

fn conditions(list: &[(&str, Words)], effect: Effect) -> Arc<[Condition]> {
    list.iter().map(|(field, words)| Condition::new(Field::read(field).unwrap(), words.clone(), effect)).collect()
}

fn texts(texts: &[&str]) -> Vec<Wanted> {
    texts.iter().map(|text| Wanted::Text((*text).to_owned())).collect()
}

fn rule() -> RuleRef {
    RuleRef { file: "family.toml".into(), line: 7 }
}

/// Why a body is refused.
fn code(conditions: &BodyConditions, body: &str) -> Option<Code> {
    conditions.check(body.as_bytes()).err().map(|unfit| unfit.into_refusal().code)
}

/// The code that an allow with these conditions gives, or `ok`.
fn allowed(list: &[(&str, Words)], body: &str) -> &'static str {
    let mut all = BodyConditions::new(false);
    all.allow(&conditions(list, Effect::Allow), &rule(), Vec::new());
    code(&all, body).map_or("ok", Code::as_str)
}

/// Whether a deny with these conditions applies.
fn denied(list: &[(&str, Words)], body: &str) -> bool {
    let mut all = BodyConditions::new(false);
    all.deny(&conditions(list, Effect::Deny), Refusal::new(Code::DeniedByRule, "no"));
    let code = code(&all, body);
    assert!(matches!(code, None | Some(Code::DeniedByRule)), "{code:?}");
    code.is_some()
}

fn check(list: &[(&str, Words)], cases: &[(&str, &str)]) {
    for (body, want) in cases {
        assert_eq!(allowed(list, body), *want, "{body}");
    }
}

#[test]
fn not_finds_every_item() {
    check(
        &[("tools[*].type", Words::Not(texts(&["web_fetch*", "code_execution*"])))],
        &[
            ("{}", "ok"),
            (r#"{"tools":null}"#, "ok"),
            (r#"{"tools":[]}"#, "ok"),
            (r#"{"tools":[{"name":"x"},{"type":null},null]}"#, "ok"),
            (r#"{"tools":[{"type":"custom"}],"x":{"tools":[{"type":"web_fetch"}]}}"#, "ok"),
            (r#"{"tools":[{"type":"custom"},{"type":"web_fetch_20250910"}]}"#, "body_condition"),
            (r#"{"tools":[{"type":"web\u005ffetch"}]}"#, "body_condition"),
            (r#"{"t\u006fols":[{"type":"web_fetch"}]}"#, "body_condition"),
            (r#"{"tools":[{"type":"WEB_Fetch"}]}"#, "body_condition"),
            // Of another type: refused, not guessed.
            (r#"{"tools":{"0":{"type":"web_fetch"}}}"#, "body_condition"),
            (r#"{"tools":"[{\"type\":\"web_fetch\"}]"}"#, "body_condition"),
            (r#"{"tools":[[{"type":"web_fetch"}]]}"#, "body_condition"),
            (r#"{"tools":[{"type":["web_fetch"]}]}"#, "body_condition"),
            (r#"{"tools":[{"type":7}]}"#, "body_condition"),
            (r#"{"tools":[{"type":true}]}"#, "body_condition"),
            (r#"["tools"]"#, "body_condition"),
            ("7", "body_condition"),
            // Servers that ignore case would read these.
            (r#"{"Tools":[{"type":"web_fetch"}]}"#, "body_condition"),
            (r#"{"tool\u017f":[{"type":"web_fetch"}]}"#, "body_condition"),
            (r#"{"tools":[{"TYPE":"web_fetch"}]}"#, "body_condition"),
        ],
    );
}

/// Google reads `file_uri` as `fileUri` and vice versa: a condition that refuses looks behind both,
/// and one that allows does not accept the other spelling.
#[test]
fn a_key_has_two_spellings() {
    for (field, body) in [
        ("parts[*].file_data.file_uri", r#"{"parts":[{"fileData":{"fileUri":"x"}}]}"#),
        ("parts[*].fileData.fileUri", r#"{"parts":[{"file_data":{"file_uri":"x"}}]}"#),
        ("parts[*].fileData.fileUri", r#"{"parts":[{"file-data":{"file_uri":"x"}}]}"#),
    ] {
        check(&[(field, Words::Absent)], &[(body, "body_condition"), (r#"{"parts":[{"text":"x"}]}"#, "ok")]);
        check(&[(field, Words::Not(texts(&["x"])))], &[(body, "body_condition")]);
        check(&[(field, Words::Not(texts(&["y"])))], &[(body, "ok")]);
        check(&[(field, Words::Only(texts(&["y"])))], &[(body, "body_condition")]);
        check(&[(field, Words::Any(texts(&["x"])))], &[(body, "body_condition")]);
        check(&[(field, Words::Present)], &[(body, "body_condition")]);
        assert!(denied(&[(field, Words::Present)], body) && denied(&[(field, Words::Any(texts(&["x"])))], body));
        assert!(denied(&[(field, Words::Absent)], body) && denied(&[(field, Words::Not(texts(&["x"])))], body));
        assert!(!denied(&[(field, Words::Any(texts(&["y"])))], body));
    }
    check(&[("dry_run", Words::Any(texts(&["yes"])))], &[(r#"{"dry_run":"no","dryRun":"yes"}"#, "body_condition")]);
}

#[test]
fn only_binds_every_value() {
    check(
        &[("model", Words::Only(texts(&["claude-*"])))],
        &[
            ("{}", "ok"),
            (r#"{"model":"claude-x"}"#, "ok"),
            (r#"{"model":"CLAUDE-x"}"#, "body_condition"),
            (r#"{"model":"gpt"}"#, "body_condition"),
            (r#"{"model":["claude-x"]}"#, "body_condition"),
            (r#"{"model":1}"#, "body_condition"),
        ],
    );
    let kinds = [("kind", Words::Only(vec![Wanted::Text("a*".to_owned()), Wanted::Bool(true)]))];
    check(&kinds, &[(r#"{"kind":true}"#, "ok"), (r#"{"\u212aind":"b"}"#, "body_condition")]);
    assert_eq!(
        kinds.map(|(_, words)| Condition::new(Field::read("kind").unwrap(), words, Effect::Allow).to_string()),
        ["every `kind` is \"a*\" or true"]
    );
    check(
        &[("input[1]", Words::Only(texts(&["b"])))],
        &[(r#"{"input":["a","b"]}"#, "ok"), (r#"{"input":["a"]}"#, "ok"), (r#"{"input":["b","a"]}"#, "body_condition")],
    );
}

#[test]
fn booleans_are_compared_as_such() {
    check(
        &[("store", Words::Only(vec![Wanted::Bool(false)]))],
        &[
            ("{}", "ok"),
            (r#"{"store":false}"#, "ok"),
            (r#"{"store":true}"#, "body_condition"),
            (r#"{"store":"false"}"#, "body_condition"),
        ],
    );
    check(
        &[("store", Words::Not(vec![Wanted::Bool(true)]))],
        &[(r#"{"store":true}"#, "body_condition"), (r#"{"store":1}"#, "body_condition")],
    );
}

#[test]
fn present_and_absent() {
    let absent = [("a.file_url", Words::Absent)];
    check(
        &absent,
        &[
            (r#"{"a":{}}"#, "ok"),
            (r#"{"a":{"file_url":null}}"#, "ok"),
            (r#"{"a":{"file_url":""}}"#, "body_condition"),
            (r#"{"a":{"file_url":[]}}"#, "body_condition"),
            (r#"{"a":{"FILE_URL":"x"}}"#, "body_condition"),
            (r#"{"a":[{"file_url":"x"}]}"#, "body_condition"),
        ],
    );
    check(
        &[("a", Words::Present)],
        &[("{}", "body_condition"), (r#"{"a":0}"#, "ok"), (r#"{"a":null}"#, "body_condition")],
    );
    check(&[("a", Words::Any(texts(&["x"])))], &[("{}", "body_condition"), (r#"{"a":"x"}"#, "ok")]);
}

#[test]
fn a_text_may_stand_for_a_list_where_the_field_says_so() {
    let field = "messages[*].content?[*].source.type";
    check(
        &[(field, Words::Not(texts(&["url"])))],
        &[
            (r#"{"messages":[{"content":"hi"}]}"#, "ok"),
            (r#"{"messages":[{"content":[{"source":{"type":"base64"}}]}]}"#, "ok"),
            (r#"{"messages":[{"content":[{"source":{"type":"url"}}]}]}"#, "body_condition"),
            (r#"{"messages":[{"content":["hi"]}]}"#, "body_condition"),
            (r#"{"messages":[{"content":7}]}"#, "body_condition"),
            (r#"{"messages":"hi"}"#, "body_condition"),
        ],
    );
}

#[test]
fn denies_hold_where_all_conditions_do() {
    let both = [("model", Words::Any(texts(&["big-*"]))), ("store", Words::Present)];
    assert!(denied(&both, r#"{"model":"big-1","store":true}"#));
    assert!(denied(&both, r#"{"model":"BIG-1","store":true}"#));
    assert!(!denied(&both, r#"{"model":"big-1"}"#));
    assert!(!denied(&both, r#"{"model":"small","store":true}"#));
    assert!(!denied(&both, "{}"));
    // What cannot be evaluated is assumed to be the worse.
    assert!(denied(&both, r#"{"model":["big-1"],"store":true}"#));
    assert!(denied(&[("model", Words::Not(texts(&["small"])))], "{}"));
}

#[test]
fn one_of_several_allows_is_enough() {
    let mut all = BodyConditions::new(false);
    all.allow(&conditions(&[("model", Words::Only(texts(&["a"])))], Effect::Allow), &rule(), vec!["lift".to_owned()]);
    all.allow(&conditions(&[("model", Words::Only(texts(&["b"])))], Effect::Allow), &rule(), Vec::new());
    assert!(all.check(br#"{"model":"a"}"#).is_ok() && all.check(br#"{"model":"b"}"#).is_ok());
    let refusal = all.check(br#"{"model":"c"}"#).unwrap_err().into_refusal();
    assert_eq!(refusal.why, "the rule wants that in the body every `model` is \"a\"");
    assert_eq!((refusal.rule, refusal.lift), (Some(rule()), vec!["lift".to_owned()]));
    let refusal = all.check(br#"{"model":["a"]}"#).unwrap_err().into_refusal();
    assert_eq!(refusal.why, "`model` in the body is not of the kind that the rule expects there");
    all.deny(
        &conditions(&[("model", Words::Any(texts(&["a"])))], Effect::Deny),
        Refusal::new(Code::DeniedByRule, "no"),
    );
    assert_eq!(all.check(br#"{"model":"a"}"#).unwrap_err().into_refusal().code, Code::DeniedByRule);
    assert!(all.check(br#"{"model":"b"}"#).is_ok());
}

#[test]
fn bodies_that_two_readers_could_read_in_two_ways() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let keys = |count: usize| format!("{{{}}}", (0..count).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","));
    let inside = |json: String| format!("{{\"x\":{json}}}");
    let list = [("a", Words::Absent)];
    for body in [
        "",
        " ",
        "a=1&b=2",
        "{",
        "{}{}",
        "{} x",
        "{'a':1}",
        "{\"a\":1,}",
        "// no\n{}",
        "\u{feff}{}",
        "NaN",
        r#"{"b":1,"b":1}"#,
        r#"{"b":1,"\u0062":1}"#,
        r#"{"x":[{"y":{"z":1,"z":2}}]}"#,
        r#"{"b":"\ud800"}"#,
        "{\"b\":\"\u{1}\"}",
        &inside(deep(64)),
        &inside(keys(4097)),
    ] {
        assert_eq!(allowed(&list, body), "body_unreadable", "{}", body.get(..40).unwrap_or(body));
    }
    for body in
        ["{}", " {}\r\n", &inside(deep(63)), &inside(keys(4096)), r#"{"b":1e300,"c":-1,"d":18446744073709551615}"#]
    {
        assert_eq!(allowed(&list, body), "ok", "{}", body.get(..40).unwrap_or(body));
    }
    let mut all = BodyConditions::new(false);
    all.deny(&conditions(&list, Effect::Deny), Refusal::new(Code::DeniedByRule, "no"));
    assert_eq!(all.check(b"{\"b\":\"\xff\"}").unwrap_err().into_refusal().code, Code::BodyUnreadable);
    assert_eq!(all.check(&[0x1f, 0x8b, 8, 0]).unwrap_err().into_refusal().code, Code::BodyUnreadable);
    let long = vec![b' '; 16 * 1024 * 1024 + 1];
    assert_eq!(all.check(&long).unwrap_err().into_refusal().code, Code::TooLarge);
    assert_eq!(all.check(&long[1..]).unwrap_err().into_refusal().code, Code::BodyUnreadable);
    assert_eq!(all.limit(), 16 * 1024 * 1024);
}

/// A GET without a body has no fields; a POST without one is not JSON.
#[test]
fn no_body_has_no_fields_where_none_is_needed() {
    let mut read = BodyConditions::new(true);
    read.allow(&conditions(&[("a", Words::Absent)], Effect::Allow), &rule(), Vec::new());
    assert!(read.check(b"").is_ok());
    assert_eq!(read.check(b"x").unwrap_err().into_refusal().code, Code::BodyUnreadable);
    read.allow(&conditions(&[], Effect::Allow), &rule(), Vec::new());
    assert!(BodyConditions::new(true).is_empty() && !read.is_empty());
}

#[test]
fn fields() {
    for text in ["a", "a.b", "a[*]", "[*].a", "a?[*].b", "a[*]?[0].b-c_d$", "ä.b", "a[9999]"] {
        assert_eq!(Field::read(text).unwrap().to_string(), text);
    }
    let deepest = vec!["a"; 16].join(".");
    assert_eq!(Field::read(&deepest).unwrap().to_string(), deepest);
    let long = vec!["a"; 17].join(".");
    for text in [
        "", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[10000]", "a]b", "a*", "a b", "a?", "a[*]?",
        "a.?b", "a\"b", "[*]a", &long,
    ] {
        assert!(Field::read(text).is_err(), "{text}");
    }
}
