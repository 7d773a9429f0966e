//! A permit is the proof of an allow. This looks for code that makes one; the
//! compiler keeps other crates from it, this keeps `policies` from it.

use crate::source::Source;

/// What may stand before `Permit {` where no permit is made: a type, an impl, a
/// function's result, a pattern.
const NOT_MAKING: [&str; 6] = ["struct", "impl", "for", "->", "let", "impl<>"];

/// The places in shipping code that make a permit.
pub fn made(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let mut in_impl = false;
    for (line, text) in source.shipping() {
        if text.starts_with("impl") {
            in_impl = text.trim_end().ends_with("Permit {");
        }
        let by_name = text.match_indices("Permit {").any(|(at, _)| makes(&text, at));
        let by_self = in_impl && text.match_indices("Self {").any(|(at, _)| makes(&text, at));
        if by_name || by_self {
            findings.push(format!("{}:{line}: makes a `Permit`; only policies/src/decide.rs may", source.path));
        }
    }
    findings
}

fn makes(text: &str, at: usize) -> bool {
    // `HttpPermit {` is another word, `policies::Permit {` is not.
    let before = text[..at].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let word = &text[before.len()..at];
    if !(word.is_empty() || word.ends_with("::")) {
        return false;
    }
    let pattern =
        text[at..].split_once('}').is_some_and(|(_, after)| after.trim_start_matches([')', ' ']).starts_with('='));
    // `-> &'a mut Permit {` ends in a borrow, which makes nothing.
    let before = before.trim_end().trim_end_matches(" mut").trim_end();
    let borrowed = before.ends_with('&') || before.rsplit_once("&'").is_some_and(|(_, name)| !name.contains(' '));
    !(pattern || borrowed || NOT_MAKING.iter().any(|kind| before.ends_with(kind)))
}

#[test]
fn making_a_permit_is_found() {
    let count = |text: &str| made(&Source::new("policies/src/compile.rs", text)).len();
    assert_eq!(count("    let permit = Permit { facts, rule };\n"), 1);
    assert_eq!(count("    Verdict::Allow(crate::Permit {\n        facts,\n    })\n"), 1);
    assert_eq!(count("impl Permit {\n    fn forge(facts: Facts) -> Self {\n        Self { facts }\n    }\n}\n"), 1);
}

#[test]
fn naming_a_permit_is_fine() {
    let count = |text: &str| made(&Source::new("policies/src/verdict.rs", text)).len();
    assert_eq!(count("pub struct Permit {\n    pub(crate) facts: Facts,\n}\n"), 0);
    assert_eq!(count("impl Permit {\n    fn facts(self) -> Facts {\n        let Permit { facts, .. } = self;\n"), 0);
    assert_eq!(
        count(
            "impl fmt::Display for Permit {\nfn a() -> Permit {\nfn b() -> &Permit {\nfn c<'a>() -> &'a Permit {\n    Verdict::Allow(Permit { facts, .. }) => 1\n"
        ),
        0
    );
    assert_eq!(count("impl Facts {\n    fn new() -> Self {\n        Self { a }\n"), 0);
}
