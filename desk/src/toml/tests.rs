use super::*;

static FILE: Vocabulary = Vocabulary {
    top: &["mode", "queue", "rule"],
    tables: &[
        TableKeys { header: "[queue]", keys: &["idle", "most"] },
        TableKeys { header: "[[rule]]", keys: &["host", "most"] },
    ],
    synonyms: &[("domain", "host"), ("way", "mode")],
    planned: &["later"],
};

/// The problems of a file with two tables.
fn problems(text: &str) -> String {
    let mut reader = Reader::new(Text::new("a.toml", text), &FILE, ());
    reader.read(|file| {
        file.known_keys("this file", FILE.top);
        if let Some(mut queue) = file.section("queue", "[queue]") {
            queue.known_keys("[queue]", FILE.tables[0].keys);
            queue.whole("most", "from 1 to 9", |most| (1..=9).contains(&most).then_some(most));
            queue.number("idle", "from 0.5 to 2", |idle| (0.5..=2.0).contains(&idle).then_some(idle));
        }
        file.each("rule", "[[rule]]", |rule| {
            rule.known_keys("[[rule]]", FILE.tables[1].keys);
            rule.needed("host", "[[rule]]", "a.example")
        });
    });
    reader.finish(()).err().map(|problems| problems.to_string()).unwrap_or_default()
}

#[test]
fn keys_that_are_not_known_say_where_they_belong() {
    for (text, told) in [
        ("mdoe = 1", "1:1: this file has no key `mdoe`; did you mean `mode`?"),
        ("zzz = 1", "1:1: this file has no key `zzz`; known here: mode, queue, rule"),
        ("way = 1", "1:1: this file has no key `way`; did you mean `mode`?"),
        ("most = 1", "1:1: this file has no key `most`; `most` belongs into [queue] or a [[rule]]"),
        ("[later]", "1:2: `[later]` is not supported by this version; remove it"),
        (
            "\n[queue]\nmode = 1",
            "3:1: [queue] has no key `mode`; `mode` belongs to the whole file: write it above the first [table], above line 2",
        ),
        ("[queue]\nrule = 1", "2:1: [queue] has no key `rule`; write it as [[rule]]"),
        ("[queue]\ndomain = 1", "2:1: [queue] has no key `domain`; known here: idle, most"),
        ("[[rule]]\ndomain = \"a\"\nhost = \"a\"", "2:1: [[rule]] has no key `domain`; did you mean `host`?"),
    ] {
        assert_eq!(problems(text), format!("a.toml:{told}"), "{text}");
    }
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    assert_eq!(
        problems("rule = [1, {}]\nqueue = { most = 10, idle = \"x\" }"),
        "a.toml:1:9: `rule` must be written as [[rule]], not a number\n\
         a.toml:1:12: this [[rule]] has no `host`; add host = \"a.example\"\n\
         a.toml:2:18: `most` must be a number from 1 to 9\n\
         a.toml:2:29: `idle` must be a number, like 1.5, not a text"
    );
    assert_eq!(problems("queue = 7"), "a.toml:1:9: `queue` must be a table, written as [queue], not a number");
    for fine in ["[queue]\nmost = 0x9\nidle = 1", "[queue]\nidle = 1.5", "[[rule]]\nhost = \"a\"", ""] {
        assert_eq!(problems(fine), "", "{fine}");
    }
}

#[test]
fn what_is_no_toml_says_so_and_nothing_else() {
    assert_eq!(problems("mode = 1\nmode = 2"), "a.toml:2:1: this key is there twice; keep one of them");
    assert_eq!(problems("[queue]\n[queue]\nzzz = 1"), "a.toml:2:2: this key is there twice; keep one of them");
    assert!(problems("zzz = \"").starts_with("a.toml:1:8: this is not TOML: "), "{}", problems("zzz = \""));
}

#[test]
fn a_file_with_secrets_shows_no_value_of_a_wrong_type() {
    let text = Text::with_secrets("a.toml", "mode = [\"s3cret\"]\nqueue = { idle = \"s3cret\" }\nrule = \"s3cret\" \"");
    let mut reader = Reader::new(text.clone(), &FILE, ());
    assert_eq!(reader.read(|_| ()), None);
    let fine = Text::with_secrets("a.toml", "mode = [\"s3cret\"]\nqueue = [\"s3cret\"]\nrule = [\"s3cret\"]");
    let mut other = Reader::new(fine, &FILE, ());
    other.read(|file| {
        file.string("mode");
        assert!(file.section("queue", "[queue]").is_none());
        file.each("rule", "[[rule]]", |_| Some(()));
    });
    let all = [reader.into_problems(), other.into_problems()].concat();
    assert_eq!(all.len(), 4);
    let shown: String =
        all.into_iter().map(|problem| format!("{problem:?} {:?}", miette::Report::new(problem.clone()))).collect();
    assert!(!shown.contains("s3cret"), "{shown}");
}
