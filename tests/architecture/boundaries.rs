//! What a boundary of lines.txt promises of what is left out, as far as a text shows it.

use crate::naming::Code;
use crate::reach::Ways;
use crate::sums::Promise;

/// What only the way out may make, and what becomes one of these: who can refuse and no more has none of it to give.
const PROOFS: [&str; 23] = [
    "Admitted",
    "Asked",
    "Audited",
    "AuditedTunnel",
    "BodyJudged",
    "By",
    "CheckedAddress",
    "Clean",
    "Counted",
    "Entered",
    "Exit",
    "Grant",
    "Judged",
    "JudgedTunnel",
    "Line",
    "Outbound",
    "OutboundHead",
    "Own",
    "Permit",
    "Sayable",
    "SayableFile",
    "TunnelPermit",
    "Yes",
];

/// Calls that no type keeps to one place, with the files or folders that may have them.
const ONE_PLACE: [(&str, &[&str]); 21] = [
    // By a policy that no group's file says.
    ("judge_own", &["proxy/src/refresh.rs"]),
    ("Policy::new", &["policies/file/src/compile.rs"]),
    ("Gate::new", &["proxy/src/door.rs"]),
    ("Door::new", &["src/gateway.rs"]),
    // A group's policy, from its files.
    ("for_a_door", &["src/gateway.rs", "src/gateway/policy_files/in_force.rs"]),
    ("put_in_force", &["src/gateway/policy_files.rs", "src/gateway/policy_files/in_force.rs"]),
    // A yes, of a question that the decision put.
    ("Grant::kept", &["policies/src/ask.rs"]),
    // What an owner's answer gives, and who uses it: the gate for the request that it holds, a deed for itself.
    ("Yes::Once", &["src/approvals/yes.rs", "src/approvals/deed.rs", "proxy/gate/src/asking.rs"]),
    ("Yes::Answer", &["src/approvals/yes.rs", "src/approvals/deed.rs", "proxy/gate/src/asking.rs"]),
    // The store keeps it.
    ("answer_ask", &["src/approvals/yes.rs"]),
    ("take_grant", &["src/approvals/yes.rs"]),
    // What is asked, and which message asks it.
    ("begin_ask", &["src/approvals/open.rs"]),
    ("put_asks", &["src/approvals/open.rs"]),
    // Who answers: whoever sends a message, and whoever is at the machine.
    ("said_by_owner", &["src/approvals/hearing.rs"]),
    ("By::command", &["src/approvals/hearing.rs"]),
    ("hears_answer", &["src/pipeline/intake.rs"]),
    ("answer_by_code", &["src/control/server.rs"]),
    ("Sayable::stored", &["src/store/outbox.rs"]),
    ("SayableFile::stored", &["src/store/outbox.rs"]),
    // Weaker than it should be, for the drill: who starts sandboxes for people and agents cannot.
    ("start_with_hole", &["containers/src/sandbox.rs", "src/sandboxes.rs", "src/drill/"]),
    ("open_with_one_resolver", &["src/drill/"]),
];

/// Such calls in other files, and other names for them.
pub fn elsewhere(code: &Code) -> Vec<String> {
    let mut findings = Vec::new();
    for (call, places) in
        ONE_PLACE.iter().filter(|(_, places)| !places.iter().any(|place| code.path.starts_with(place)))
    {
        let first = call.split("::").next().unwrap_or(call);
        let mut lines = code.says(call);
        lines.extend(code.renamed(&[first]));
        let places = places.join(", ");
        findings.extend(
            lines.into_iter().map(|line| format!("{}:{line}: `{call}` may stand in {places} alone", code.path)),
        );
    }
    findings
}

/// Functions of modules that are left out because they can only refuse, and give a proof.
pub fn giving(promises: &[Promise], ways: &Ways) -> Vec<String> {
    let left_out = promises.iter().flat_map(|promise| &promise.without);
    let refusing = left_out.filter(|(_, why)| why.starts_with("refuses: ")).flat_map(|(module, _)| ways.within(module));
    let files = refusing.map(|file| &ways.workspace.files[file]);
    files.flat_map(|file| proofs(&Code::read(&file.path, &file.text))).collect()
}

fn proofs(code: &Code) -> Vec<String> {
    let word = |at: usize| code.words.get(at).map_or("", |word| word.text.as_str());
    let mut findings = Vec::new();
    for at in (0..code.words.len()).filter(|at| word(*at) == "fn") {
        let end = (at..code.words.len()).find(|at| ["{", ";"].contains(&word(*at))).unwrap_or(code.words.len());
        let open = (at..end).find(|at| word(*at) == "(").unwrap_or(end);
        let given = code.closing(open) + 1..end;
        if let Some(proof) = given.map(word).find(|word| PROOFS.contains(word)) {
            let name = word(at + 1);
            findings.push(format!("{}: `{name}` gives a {proof}; lines.txt says that it only refuses", code.path));
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
    let found = |text: &str| proofs(&Code::read("a/src/b.rs", text)).len();
    assert_eq!(found("pub fn a(permit: Permit) -> Result<(), Refusal> {\n}\npub(crate) fn b(self) -> bool {\n}\n"), 0);
    for text in [
        "pub fn a(\n    b: u8,\n) -> Result<Permit, Refusal> {\n}\n",
        "pub(crate) async fn a() -> Option<CheckedAddress>;\n",
        "impl Permit {\n    pub fn a(self) -> Self {\n}\n}\n",
        "impl From<A> for Grant {\n    fn from(a: A) -> Self {\n}\n}\n",
        "pub trait A {\n    fn a(&self, b: impl Fn() -> u8) -> Sayable;\n}\n",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
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
    let found = |path: &str, text: &str| elsewhere(&Code::read(path, text)).len();
    assert_eq!(found("proxy/src/flow.rs", "let own = judge_own(&policy, case, facts)?;\n"), 1);
    assert_eq!(found("proxy/src/refresh.rs", "let own = judge_own(&policy, case, facts)?;\n"), 0);
    assert_eq!(found("proxy/gate/src/judge.rs", "pub fn judge_own(owners: &Policy) -> Own {\n"), 0);
    for text in [
        "use gate::judge_own as own;\n",
        "let own = requests.map(judge_own);\n",
        "let grant = policies::Grant::kept(id, what, gives);\n",
        "use policies::Grant as Yes;\n",
        "impl A for Policy {\n    fn a() { Self::new(rules) }\n}\n",
        "let gateway = Gateway::open_with_one_resolver(home);\n",
        "let sandbox = sandboxes.start_with_hole(&group, hole).await?;\n",
        "let text = Sayable::stored(row, 2)?;\n",
        "Ok(Some(Yes::Once(id)))\n",
        "let id = self.store.answer_ask(ask, what, how, at, Some(&grant))?;\n",
        "let told = self.answer(ask, &answer, super::owner::By::command());\n",
    ] {
        assert_eq!(found("src/control/server.rs", text), 1, "{text}");
    }
}
