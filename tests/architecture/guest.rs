//! The guest is linked into the daemon for what both must say alike. It may open sockets and start programs, since it
//! runs in a sandbox: nothing else of it is for the daemon.

use crate::naming::Code;

/// What of the guest the daemon takes: the lines between them, and where folders are in a sandbox.
const TAKEN: [&str; 7] = [
    "protocol",
    "agents::EXTRA",
    "agents::GLOBAL",
    "agents::HOME",
    "agents::SKILLS",
    "agents::WORKSPACE",
    "ipc::FOLDER",
];

/// What else a source of the daemon's takes of it.
pub fn used(code: &Code) -> Vec<String> {
    let imports = code.imports.iter().map(|(line, path, name)| (*line, path, name.is_none()));
    let paths = code.paths.iter().map(|(line, path)| (*line, path, false));
    let of_it = imports.chain(paths).filter(|(_, path, _)| path[0] == "doorward_guest");
    let is_taken = |path: &[String], is_glob: bool| {
        let rest = path[1..].join("::");
        TAKEN.iter().any(|taken| rest == *taken && !is_glob) || rest.starts_with("protocol::")
    };
    let others = of_it.filter(|(_, path, is_glob)| !is_taken(path, *is_glob));
    others
        .map(|(line, path, _)| format!("{}:{line}: `{}` is for the guest alone", code.path, path.join("::")))
        .collect()
}

#[test]
fn what_runs_in_a_sandbox_is_not_for_the_daemon() {
    let found = |text: &str| used(&Code::read("containers/src/a.rs", text)).len();
    for text in [
        "use doorward_guest::door::listen;\n",
        "use doorward_guest as guest;\n",
        "use doorward_guest::{self as guest};\n",
        "use doorward_guest::*;\n",
        "pub use doorward_guest::shell;\n",
        "use doorward_guest::{protocol::Agent, agents};\n",
        "fn a() {\n    ::doorward_guest::kernel::call(b);\n}\n",
        "fn a() {\n    <doorward_guest::shell::Shell>::begin(b);\n}\n",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    let taken = "pub use doorward_guest::protocol;\nuse doorward_guest::protocol::{Agent, MAX_LINE};\nconst HOME: &str = doorward_guest::agents::HOME;\n";
    assert_eq!(found(taken), 0);
}
