//! A permit is the proof of an allow. This looks for code that makes one, or another proof that its own crate could
//! make anywhere; the compiler keeps other crates from it.

use crate::naming::Code;

/// What may be made by its fields within its crate, and the one file that does. The fields of other proofs are seen
/// in their own file alone.
pub const MADE: [(&str, &str, usize); 4] = [
    ("Permit", "policies/src/decide.rs", 1),
    ("TunnelPermit", "policies/src/decide.rs", 1),
    ("Asked", "proxy/gate/src/audited.rs", 1),
    ("JudgedTunnel", "proxy/gate/src/judge.rs", 1),
];

/// What may stand before `Permit {` where no permit is made: a type, an impl, a function's result, a pattern.
const NOT_MAKING: [&str; 8] = ["struct", "impl", "for", "->", "let", "if", "&", "mut"];

/// The places that make one, or give it another name.
pub fn made(code: &Code, name: &str) -> Vec<usize> {
    let word = |at: usize| code.words.get(at).map_or("", |word| word.text.as_str());
    let opens = |at: &usize| word(*at) == name && ["{", "("].contains(&word(at + 1));
    let places = (0..code.words.len()).filter(opens).filter(|at| {
        let mut first = *at;
        while first > 1 && word(first - 1) == "::" {
            first -= 2;
        }
        let before = if first == 0 { "" } else { word(first - 1) };
        // `&'a Permit {` ends a function's head.
        let is_borrowed = before.starts_with('\'');
        let after = code.closing(at + 1) + 1;
        let is_pattern =
            ["=>", "=", "|", ":"].contains(&word(after + (after..).take_while(|at| word(*at) == ")").count()));
        !(NOT_MAKING.contains(&before) || is_borrowed || is_pattern)
    });
    // `permits.map(JudgedTunnel)` makes some as well.
    let is_handed_on = |at: &usize| {
        let call = *at > 2 && word(*at) == name && word(at - 1) == "(" && word(at + 1) == ")";
        call && word(at - 3) == "." && word(at - 2).starts_with(char::is_lowercase)
    };
    let places = places.chain((0..code.words.len()).filter(is_handed_on));
    let mut lines: Vec<_> = places.map(|at| code.words[at].line).collect();
    lines.extend(code.renamed(&[name]));
    lines
}

#[test]
fn making_a_permit_is_found() {
    let count = |text: &str| made(&Code::read("policies/src/compile.rs", text), "Permit").len();
    for text in [
        "    let permit = Permit { facts, rule };\n",
        "    Verdict::Allow(crate::Permit {\n        facts,\n    })\n",
        "    Verdict::Allow(Permit\n    { facts })\n",
        "impl Permit {\n    fn forge(facts: Facts) -> Self {\n        Self { facts }\n    }\n}\n",
        "impl From<Facts> for Permit {\n    fn from(facts: Facts) -> Self {\n        Self { facts }\n    }\n}\n",
        "use crate::Permit as P;\n",
        "type P = crate::Permit;\n",
    ] {
        assert_eq!(count(text), 1, "{text}");
    }
    let tunnels = |text: &str| made(&Code::read("policies/src/upheld.rs", text), "JudgedTunnel").len();
    assert_eq!(tunnels("    Some(JudgedTunnel(permit))\n    let all = permits.map(JudgedTunnel);\n"), 2);
}

#[test]
fn naming_a_permit_is_fine() {
    let count = |text: &str| made(&Code::read("policies/src/verdict.rs", text), "Permit").len();
    for text in [
        "pub struct Permit {\n    pub(crate) facts: Facts,\n}\n",
        "pub struct Permit(pub(crate) Facts);\n",
        "impl Permit {\n    fn facts(self) -> Facts {\n        let Permit { facts, .. } = self;\n",
        "impl fmt::Display for Permit {\n",
        "fn a() -> Permit {\nfn b() -> &Permit {\nfn c<'a>() -> &'a Permit {\nfn d() -> &mut Permit {\n",
        "    Verdict::Allow(Permit { facts, .. }) => 1\n",
        "impl Facts {\n    fn new() -> Self {\n        Self { a }\n",
        "    let a = HttpPermit { a };\n",
        "fn a(Permit(facts): Permit, b: &Permit) {}\n",
    ] {
        assert_eq!(count(text), 0, "{text}");
    }
}
