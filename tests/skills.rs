//! Skills in real sandboxes: each that ships against a stand-in of its service, and what becomes of one over time.

mod fifty;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::{Anthropic, Does, Home, Key, Response, Upstream, require_engine_and, until};
use doorward::skills::{shipped, shipped_names};
use tempfile::TempDir;
use toml_edit::{DocumentMut, Item, Table};

/// What a skill is tried with: `tests/skills/NAME.toml`.
struct Case {
    name: String,
    document: DocumentMut,
}

/// Between what one command printed and the next.
const NEXT: &str = "==next==";

impl Case {
    fn all() -> Vec<Case> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skills");
        let read = |name: &str| fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap().parse().unwrap();
        shipped_names().map(|name| Case { name: name.to_owned(), document: read(name) }).collect()
    }

    fn tables(&self, key: &str) -> Vec<Table> {
        self.document.get(key).and_then(Item::as_array_of_tables).into_iter().flatten().cloned().collect()
    }

    fn hosts(&self) -> Vec<String> {
        texts(self.document.get("hosts"))
    }

    fn pairs(&self, key: &str) -> Vec<(String, String)> {
        let table = self.document.get(key).and_then(Item::as_table_like);
        table
            .into_iter()
            .flat_map(|table| table.iter().map(|(key, value)| (key.to_owned(), text(Some(value)))))
            .collect()
    }

    /// Every command, one after the other.
    fn script(&self) -> String {
        let runs = self.tables("run");
        let runs = runs
            .iter()
            .map(|run| format!("( cd /workspace/skills/{}\n{}\n) 2>&1\n", self.name, text(run.get("command"))));
        runs.collect::<Vec<_>>().join(&format!("echo; echo {NEXT}\n"))
    }

    /// What did not come out as the case says.
    fn failures(&self, printed: &str) -> Vec<String> {
        let parts: Vec<&str> = printed.split(NEXT).collect();
        let mut failures = Vec::new();
        for (at, run) in self.tables("run").iter().enumerate() {
            let part = parts.get(at).copied().unwrap_or("(nothing)");
            let missing = texts(run.get("prints")).into_iter().filter(|wanted| !part.contains(wanted));
            let said = texts(run.get("never")).into_iter().filter(|never| part.contains(never));
            failures.extend(missing.map(|wanted| format!("{}: {wanted:?} is not in:\n{part}", self.name)));
            failures.extend(said.map(|never| format!("{}: {never:?} is in:\n{part}", self.name)));
        }
        failures
    }
}

fn text(item: Option<&Item>) -> String {
    item.and_then(Item::as_str).unwrap_or_default().to_owned()
}

fn texts(item: Option<&Item>) -> Vec<String> {
    let all = item.and_then(Item::as_array).into_iter().flatten();
    all.map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// One server for the services of all cases. The answer that says the most about a request is its.
fn stand_in(cases: &[Case]) -> Upstream {
    let mut answers: Vec<(String, String, Response)> = Vec::new();
    for answer in cases.iter().flat_map(|case| case.tables("answer")) {
        let kind = answer.get("type").and_then(Item::as_str).unwrap_or("application/json");
        let status = answer.get("status").and_then(Item::as_integer).unwrap_or(200);
        let response = Response { status: u16::try_from(status).unwrap(), ..Response::ok(text(answer.get("body"))) };
        answers.push((text(answer.get("to")), text(answer.get("receives")), response.header("content-type", kind)));
    }
    let hosts: Vec<String> = cases.iter().flat_map(Case::hosts).map(|host| without_port(&host).to_owned()).collect();
    Upstream::start(&hosts.iter().map(String::as_str).collect::<Vec<_>>(), move |request| {
        let line = format!("{} {}", request.method, request.target);
        let body = String::from_utf8_lossy(&request.body);
        let fits = answers.iter().filter(|(to, receives, _)| line.starts_with(to) && body.contains(receives));
        let best = fits.max_by_key(|(to, receives, _)| (to.len(), receives.len()));
        best.map_or_else(
            || Response { status: 404, ..Response::ok(format!("no answer for {line}")) },
            |(_, _, response)| Response {
                status: response.status,
                headers: response.headers.clone(),
                body: response.body.clone(),
            },
        )
    })
}

fn without_port(host: &str) -> &str {
    host.split(':').next().unwrap()
}

/// A skill that ships as a folder whose rules lead to this machine as well, which takes one exact host: nothing else is
/// other than it ships.
fn on_this_machine(case: &Case, below: &Path) -> PathBuf {
    let folder = below.join(&case.name);
    for (path, content) in shipped(&case.name).unwrap().files() {
        let place = folder.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let mut content = String::from_utf8(content.to_vec()).unwrap();
        if path == "policy.toml" {
            let lines = content.lines().filter(|line| !line.starts_with("private = "));
            let here = lines.map(|line| match line {
                "[[allow]]" => "[[allow]]\nprivate = [\"127.0.0.1/32\"]".to_owned(),
                pattern if pattern.starts_with("host = \"*.") => format!("host = \"{}\"", case.hosts()[0]),
                line => line.to_owned(),
            });
            content = here.collect::<Vec<_>>().join("\n");
        }
        fs::write(place, content).unwrap();
    }
    folder
}

/// Each does what it is for, through the door, by its own rules alone; and all of them go together.
#[test]
fn every_skill_that_ships_works_in_a_sandbox() {
    let cases = Case::all();
    let (server, folders) = (stand_in(&cases), TempDir::new().unwrap());
    let mut home = Home::new().group("family");
    for host in cases.iter().flat_map(Case::hosts) {
        home = home.host(without_port(&host), &server);
    }
    let mut policy = String::new();
    for case in &cases {
        let own = text(case.document.get("policy"));
        policy += &own.replace("[[allow]]", "[[allow]]\nprivate = [\"127.0.0.1/32\"]");
        let of_credential = case.pairs("credential");
        let said = |key: &str| of_credential.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        if let (Some(name), Some(place), Some(env)) = (said("name"), said("place"), said("env")) {
            let host = case.hosts()[0].clone();
            let toml = format!("hosts = [\"{host}\"]\nplace = [\"{place}\"]\nenv = \"{env}\"");
            home = home.credential(&name, &format!("{name}-secret-0123456789"), &toml);
        }
    }
    let home = home.policy("family", &policy);
    let _daemon = home.up();
    let mut failures = Vec::new();
    for case in &cases {
        let folder = on_this_machine(case, folders.path());
        let settings = case.pairs("settings").into_iter().map(|(name, value)| format!("--set={name}={value}"));
        let mut args = vec!["skill".to_owned(), "add".to_owned(), folder.display().to_string()];
        args.extend(["--group", "family", "--yes"].map(str::to_owned).into_iter().chain(settings));
        home.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    }
    for case in &cases {
        let ran = home.exec("family", &case.script());
        failures.extend(case.failures(&ran.out));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let received = server.lines();
    for answer in cases.iter().flat_map(|case| case.tables("answer")) {
        let to = text(answer.get("to"));
        assert!(received.iter().any(|line| line.starts_with(&to)), "nobody asked {to}");
    }
    assert!(
        !received.iter().any(|line| line.contains("EmailSubmission") || line.starts_with("DELETE")),
        "{received:?}"
    );
    // By its own rules, which the log names.
    let log = home.run(&["audit", "--json"]).ok().out;
    for case in cases.iter().filter(|case| !case.hosts().is_empty() && case.document.get("policy").is_none()) {
        assert!(
            log.contains(&format!("\"skill:{}:", case.name)) || log.contains(&format!("skill:{}", case.name)),
            "{}",
            case.name
        );
    }
}

/// A skill of a test's own.
fn write_skill(folder: &Path, rules: &str, script: &str) {
    fs::create_dir_all(folder.join("scripts")).unwrap();
    let head = "---\nname: mine\ndescription: What a test wants to know. Use it for that and for nothing else.\n---\n\n# Mine\n";
    fs::write(folder.join("SKILL.md"), head).unwrap();
    fs::write(folder.join("policy.toml"), rules).unwrap();
    fs::write(folder.join("scripts/say.sh"), script).unwrap();
}

fn reads(host: &str) -> String {
    format!("[[allow]]\nhost = \"{host}\"\naccess = \"read\"\nwhy = \"a test\"\n")
}

/// What was accepted is what a sandbox sees and may reach, whatever becomes of the folder; and no other group has it.
#[test]
fn a_group_has_what_was_accepted_until_its_owner_says_otherwise() {
    let scene = TempDir::new().unwrap();
    let mine = scene.path().join("mine");
    let path = mine.display().to_string();
    write_skill(&mine, &reads("one.example.org"), "#!/bin/sh\necho first\n");
    let home = Home::new().group("family").group("work");
    let _daemon = home.up();
    let explain = |group: &str, host: &str| home.run(&["policy", "explain", group, "GET", &format!("https://{host}/")]);
    // What an agent could have written is nobody's skill.
    let planted = home.group_folder("family").join("mine");
    write_skill(&planted, "", "");
    home.run(&["skill", "add", &planted.display().to_string(), "--group", "family", "--yes"])
        .code(1)
        .says("where agents write");
    // Nothing without a yes.
    home.run(&["skill", "add", &path, "--group", "family"])
        .code(1)
        .prints("GET, HEAD, OPTIONS")
        .says("nothing was changed");
    explain("family", "one.example.org").code(1);
    home.run(&["skill", "add", &path, "--group", "family", "--yes"]).ok();
    explain("family", "one.example.org").ok().prints("skill:mine:1");
    explain("work", "one.example.org").code(1);
    let say = "/workspace/skills/mine/scripts/say.sh; echo x >> /workspace/skills/mine/SKILL.md || echo read only; \
               rm -r /workspace/skills/mine || echo stays; cat /workspace/skills/.claude/skills/mine/SKILL.md | head -2";
    home.exec("family", say).ok().prints("first\nread only\nstays\n---\nname: mine\n");
    home.exec("work", "ls /workspace/skills 2>&1 || echo none").ok().prints("none");
    // The folder changes: neither its rules nor its files are used, and it is told.
    write_skill(&mine, &reads("two.example.org"), "#!/bin/sh\necho second\n");
    home.exec("family", say).ok().prints("first\n");
    explain("family", "two.example.org").code(1);
    let told = home.run(&["audit", "--events"]).ok();
    told.prints("skill mine of group family").prints("was changed");
    home.run(&["skill", "check"]).code(1).prints("CHANGED");
    home.run(&["doctor"]).prints("skill mine of family").prints("doorward skill update mine --group family");
    home.run(&["status"]).ok().prints("mine of family");
    // An update that asks for more waits.
    let waits = home.run(&["skill", "update", "--group", "family"]).code(1);
    waits.prints("+ allow").says("waits for your yes");
    explain("family", "two.example.org").code(1);
    home.run(&["skill", "update", "mine", "--yes"]).ok();
    explain("family", "two.example.org").ok();
    explain("family", "one.example.org").code(1);
    home.exec("family", say).ok().prints("second\n");
    // One that asks for nothing more is taken when its owner says `update`.
    write_skill(&mine, "", "#!/bin/sh\necho third\n");
    home.run(&["skill", "update"]).ok().prints("- allow");
    explain("family", "two.example.org").code(1);
    home.exec("family", say).ok().prints("third\n");
    // Gone where it came from: what was accepted stays.
    fs::remove_dir_all(&mine).unwrap();
    home.exec("family", say).ok().prints("third\n");
    home.run(&["skill", "remove", "mine", "--group", "family"]).ok();
    home.exec("family", "ls /workspace/skills 2>&1 || echo none").ok().prints("none");
    assert!(fs::read_dir(home.at("data/skills")).unwrap().next().is_some(), "the version before can be put back");
}

/// A door that is open is held to what was accepted: what is removed ends there at once.
#[test]
fn rules_of_a_skill_come_and_go_while_a_sandbox_is_open() {
    let server = Upstream::start(&["one.example.org"], |_| Response::ok("served"));
    let scene = TempDir::new().unwrap();
    let mine = scene.path().join("mine");
    write_skill(&mine, &format!("{}private = [\"127.0.0.1/32\"]\n", reads("one.example.org")), "");
    let home = Home::new().host("one.example.org", &server).group("family");
    let _daemon = home.up();
    let script = "while [ ! -e done ]; do curl -s -o /dev/null -w '%{http_code}\\n' https://one.example.org/; done";
    let running = home.start(&["exec", "family", "--", "sh", "-c", script]);
    until("the door to refuse", || running.printed().contains("403"));
    home.run(&["skill", "add", &mine.display().to_string(), "--group", "family", "--yes"]).ok();
    until("the door to let it through", || running.printed().contains("200"));
    home.run(&["skill", "remove", "mine", "--group", "family"]).ok();
    until("the door to refuse again", || running.printed().ends_with("403\n"));
    let seen = server.lines().len();
    fs::write(home.group_folder("family").join("done"), "").unwrap();
    running.wait().ok();
    assert!(seen > 0);
}

/// Neither a damaged copy nor a planted one is mounted; its rules stay what was accepted.
#[test]
fn content_that_is_not_what_was_accepted_is_not_used() {
    let scene = TempDir::new().unwrap();
    let mine = scene.path().join("mine");
    write_skill(&mine, &reads("one.example.org"), "#!/bin/sh\necho first\n");
    let home = Home::new().group("family");
    let _daemon = home.up();
    home.run(&["skill", "add", &mine.display().to_string(), "--group", "family", "--yes"]).ok();
    let kept = fs::read_dir(home.at("data/skills")).unwrap().next().unwrap().unwrap().path();
    let script = kept.join("scripts/say.sh");
    fs::write(&script, "#!/bin/sh\necho planted\n").unwrap();
    let none = "ls /workspace/skills 2>&1 || echo none";
    home.exec("family", none).ok().prints("none");
    fs::remove_file(&script).unwrap();
    symlink("/etc/hostname", &script).unwrap();
    home.exec("family", none).ok().prints("none");
    home.run(&["skill", "check"]).code(1).prints("cannot be used");
    home.run(&["policy", "explain", "family", "GET", "https://one.example.org/"]).ok();
    // An update puts back what was accepted.
    home.run(&["skill", "update", "mine", "--group", "family"]).ok();
    home.exec("family", "/workspace/skills/mine/scripts/say.sh").ok().prints("first");
}

/// Claude Code and opencode list it by its description; a shell finds its folder.
#[test]
fn each_agent_finds_the_skills_of_its_group() {
    require_engine_and("opencode");
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |_| Does::Says("Done.".to_owned()));
    let home = Home::with_claude_family(&key, &anthropic);
    home.run(&["skill", "add", "weather", "--group", "family", "--yes"]).ok();
    for agent in ["claude", "opencode"] {
        let model = if agent == "opencode" { "model = \"anthropic/claude-sonnet-4-5\"\n" } else { "" };
        fs::write(home.at("groups/family.toml"), format!("agent = \"{agent}\"\n{model}")).unwrap();
        let before = anthropic.asked().len();
        let daemon = home.up();
        home.chat("family", "hello").ok().prints("Done.");
        daemon.stop().ok();
        let asked = anthropic.asked()[before..].iter().map(|asked| asked.0.to_string()).collect::<String>();
        assert!(asked.contains("The weather now and for the next days at any place"), "{agent} does not know of it");
    }
    let _daemon = home.up();
    home.exec("family", "ls /workspace/skills/weather").ok().prints("SKILL.md\npolicy.toml\nscripts\n");
}
