//! What a boundary of lines.txt promises of what is left out, as far as a text shows it.

use crate::reach::Ways;
use crate::source::Source;
use crate::sums::Promise;

/// What only the way out may make: who can refuse and no more has none of it to give.
const PROOFS: [&str; 14] = [
    "Admitted",
    "Asked",
    "Audited",
    "AuditedTunnel",
    "BodyJudged",
    "CheckedAddress",
    "Clean",
    "Exit",
    "Judged",
    "Line",
    "Outbound",
    "OutboundHead",
    "Permit",
    "TunnelPermit",
];

/// Calls that no type keeps to one place, with the one file that may have them.
const ONE_PLACE: [(&str, &str); 4] = [
    // By a policy that no group's file says.
    ("judge_own(", "proxy/src/refresh.rs"),
    ("Policy::new(", "policies/file/src/compile.rs"),
    ("Gate::new(", "proxy/src/door.rs"),
    (" Door::new(", "src/gateway.rs"),
];

/// Such calls in other files.
pub fn elsewhere(source: &Source) -> Vec<String> {
    let others = ONE_PLACE.iter().filter(|(_, place)| source.path != *place);
    let mut findings = Vec::new();
    for (call, place) in others {
        let lines = source.shipping().into_iter().filter(|(_, text)| text.contains(call) && !text.contains("fn "));
        let call = call.trim();
        findings.extend(lines.map(|(line, _)| format!("{}:{line}: `{call}` may stand in {place} alone", source.path)));
    }
    findings
}

/// Functions of modules that are left out because they can only refuse, and give a proof.
pub fn giving(promises: &[Promise], ways: &Ways) -> Vec<String> {
    let left_out = promises.iter().flat_map(|promise| &promise.without);
    let refusing = left_out.filter(|(_, why)| why.starts_with("refuses: ")).flat_map(|(module, _)| ways.within(module));
    let files = refusing.map(|file| &ways.workspace.files[file]);
    files.flat_map(|file| proofs(&Source::new(&file.path, &file.text))).collect()
}

fn proofs(source: &Source) -> Vec<String> {
    let code = source.shipping().into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    let mut findings = Vec::new();
    let is_public = |at: usize| code[..at].rsplit('\n').next().is_some_and(|before| before.contains("pub"));
    for (at, _) in code.match_indices("fn ").filter(|(at, _)| is_public(*at)) {
        let head = code[at..].split(['{', ';']).next().unwrap_or_default();
        let (name, given) = head.rsplit_once("->").unwrap_or((head, ""));
        let mut words = given.split(|c: char| !c.is_alphanumeric());
        if let Some(proof) = words.find(|word| PROOFS.contains(word)) {
            let name = name.split(['(', '<']).next().unwrap_or_default();
            findings.push(format!("{}: `{name}` gives a {proof}; lines.txt says that it only refuses", source.path));
        }
    }
    findings
}

/// Tests that a boundary rests on, and that are not there.
pub fn untested(promises: &[Promise], code: &str) -> Vec<String> {
    let left_out = promises.iter().flat_map(|promise| &promise.without);
    let shown = left_out.filter(|(_, why)| why.starts_with("shown: "));
    let is_tested = |why: &str| why.split('`').skip(1).step_by(2).any(|name| code.contains(&format!("fn {name}(")));
    let untested = shown.filter(|(_, why)| !is_tested(why));
    untested.map(|(module, _)| format!("lines.txt: no test shows what {module} reads")).collect()
}

#[test]
fn who_gives_a_proof_does_more_than_refuse() {
    let found = |text: &str| proofs(&Source::new("a/src/b.rs", text)).len();
    assert_eq!(found("pub fn a(permit: Permit) -> Result<(), Refusal> {\n}\npub(crate) fn b(self) -> bool {\n}\n"), 0);
    assert_eq!(found("pub fn a(\n    b: u8,\n) -> Result<Permit, Refusal> {\n}\n"), 1);
    assert_eq!(found("pub(crate) async fn a() -> Option<CheckedAddress>;\n"), 1);
    assert_eq!(found("fn own() -> Permit {\n}\n"), 0, "nobody outside can ask for it");
}

#[test]
fn a_boundary_without_its_test_is_found() {
    let text = "promise p\nwithout\n    a  shown: `reads_back` says so\n    b  type: x\n";
    let promises = crate::sums::promises(text).unwrap();
    assert_eq!(untested(&promises, "fn other() {}").len(), 1);
    assert_eq!(untested(&promises, "fn reads_back() {}").len(), 0);
}

#[test]
fn a_call_in_another_place_is_found() {
    let found = |path: &str, text: &str| elsewhere(&Source::new(path, text)).len();
    assert_eq!(found("proxy/src/flow.rs", "let own = judge_own(&policy, case, facts)?;\n"), 1);
    assert_eq!(found("proxy/src/refresh.rs", "let own = judge_own(&policy, case, facts)?;\n"), 0);
    assert_eq!(found("proxy/gate/src/judge.rs", "pub fn judge_own(owners: &Policy) -> Own {\n"), 0);
}
