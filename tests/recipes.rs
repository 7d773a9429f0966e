//! What docs/agents.md has recipes for, as its reader would do it, with what registries really give: it takes minutes and a
//! network, so it belongs to `make test-long`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::ToSocketAddrs as _;

use crate::support::{
    Completions, Conversation, Does, Form, Home, Named, Response, Running, Served, Upstream, random_key,
};

/// The code block that follows these words of the page.
fn block(after: &str) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/agents.md")).unwrap();
    let rest = page.split_once(after).unwrap_or_else(|| panic!("docs/agents.md does not say {after:?}")).1;
    rest.split("```").nth(1).unwrap().split_once('\n').unwrap().1.to_owned()
}

/// On some networks a registry shows a certificate of whoever is in between, whom the machine trusts.
fn trusts_whom_this_machine_trusts(home: &Home) {
    let mut file = fs::OpenOptions::new().append(true).open(home.at("test-ca.pem")).unwrap();
    let machines = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    file.write_all(&machines).unwrap();
}

/// Builds an image, and lets it read what it is refused, wherever that is: this network's addresses are its own.
fn build(home: &Home, image: &Named) {
    let mut allowed = BTreeSet::new();
    loop {
        let built = image.build(home);
        if built.code == Some(0) {
            return;
        }
        let refused = built.err.lines().filter_map(|line| line.trim().strip_prefix("GET ")?.split_once(": "));
        let before = allowed.len();
        allowed.extend(refused.map(|(url, _)| rule(url)));
        assert!(allowed.len() > before, "{built:?}");
        home.write_policy(&image.policy(), &allowed.iter().map(String::as_str).collect::<String>());
    }
}

/// The site for reading; what has an escaped slash in its path is named.
fn rule(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let addresses = (host, 443).to_socket_addrs().into_iter().flatten();
    let addresses: Vec<String> =
        addresses.map(|at| format!("\"{}/{}\"", at.ip(), if at.is_ipv4() { 32 } else { 128 })).collect();
    let what = if path.contains("%2F") { format!("do = [\"GET /{path}\"]") } else { "access = \"read\"".to_owned() };
    let networks = addresses.join(", ");
    format!("[[allow]]\nhost = \"{host}\"\nscheme = \"{scheme}\"\n{what}\nprivate = [{networks}]\n\n")
}

fn says_hello(asked: &Conversation, tool: &'static str) -> Does {
    match asked.results().as_slice() {
        [] => Does::Uses(
            tool,
            serde_json::json!({ "command": "pwd; echo milk", "description": "looks", "is_background": false }),
        ),
        results => Does::Says(format!("I saw: {}", results.join("; "))),
    }
}

/// An agent of somebody else's, in an image of the owner's, thinks with a scripted model.
fn answers(what: &str, service: &str, served: Served<'_>, key: &str, settings: &str) {
    let image = Named::new(what);
    let server = Completions::start(served, |asked| says_hello(asked, "run_shell_command"));
    let host = served.host.unwrap();
    let home = Home::new().host(host, &server.upstream).group("family");
    let add = home.command(&["credential", "add", service]);
    Running::start(add, &format!("{key}\n")).wait().ok();
    home.run(&["policy", "use", "family", service]).ok();
    let policy = fs::read_to_string(home.policy_file("family")).unwrap();
    let loopback = format!("[[allow]]\nhost = \"{host}\"\ndo = [\"POST /**\"]\nprivate = [\"127.0.0.1/32\"]\n");
    home.write_policy("family", &format!("{policy}\n{loopback}"));
    trusts_whom_this_machine_trusts(&home);
    let _daemon = home.up();
    home.run(&["image", "new", &image.name]).ok();
    image.write(&home, "fetch", &block(&format!("`images/{what}/fetch`:")));
    image.write(&home, "Dockerfile.add", &block(&format!("`images/{what}/Dockerfile.add`:")));
    build(&home, &image);
    fs::write(home.at("groups/family.toml"), settings.replace("IMAGE", &image.name)).unwrap();
    home.chat("family", "what is there?").ok().prints("I saw:").prints("milk").prints("/workspace/group");
    assert_eq!(server.refused(), [""; 0]);
    let audit = home.audit();
    let fetched: Vec<_> = audit.0.iter().filter(|one| one["group"] == *image.policy()).collect();
    assert!(fetched.iter().any(|one| one["verdict"] == "allow"), "what was fetched stands in the log");
}

#[test]
#[ignore = "fetches from registries; scripts/test-long.sh images"]
fn qwen_code_answers_by_its_recipe() {
    let key = random_key("sk-proj-");
    let shown = format!("Bearer {key}");
    let served = Served {
        form: Form::Chat,
        host: Some("api.openai.com"),
        path: "/v1/chat/completions",
        key: Some(("authorization", &shown)),
    };
    let settings = "agent = \"acp\"\ncommand = [\"qwen\", \"--acp\", \"--auth-type\", \"openai\"]\nimage = \"IMAGE\"\n";
    answers("qwen", "openai", served, &key, settings);
}

#[test]
#[ignore = "fetches from registries; scripts/test-long.sh images"]
fn gemini_cli_answers_by_its_recipe() {
    let key = random_key("AIza");
    let served = Served {
        form: Form::Gemini,
        host: Some("generativelanguage.googleapis.com"),
        // It has a smaller model choose the one that answers.
        path: "enerateContent",
        key: Some(("x-goog-api-key", &key)),
    };
    let settings = "agent = \"acp\"\ncommand = [\"gemini\", \"--acp\"]\nimage = \"IMAGE\"\n";
    answers("gemini", "gemini", served, &key, settings);
}

const PAGE: &str = "<!doctype html><title>Weather</title><body style='background:#9cf'><h1>Today</h1><p id=w>loading</p>\
                    <script>document.getElementById('w').textContent = 'Sun' + ' all day'</script></body>";

/// A page whose scripts run, over TLS through the door, as text and as a picture; a refused one shows the refusal; what the
/// door's authority has not signed is not trusted.
#[test]
#[ignore = "fetches from registries; scripts/test-long.sh images"]
fn a_browser_reads_pages_through_the_door() {
    let server = Upstream::start(&["weather.example"], |_| Response::ok(PAGE).header("content-type", "text/html"));
    let image = Named::new("browser");
    let home = Home::new().host("weather.example", &server).group("family");
    home.write_policy(
        "family",
        "[[allow]]\nhost = \"weather.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n",
    );
    trusts_whom_this_machine_trusts(&home);
    let _daemon = home.up();
    home.run(&["image", "new", &image.name, "--with", "browser"]).ok();
    build(&home, &image);
    home.run(&["group", "set", "family", "image", &image.name]).ok();
    let seen = home
        .exec("family", "doorward-browse https://weather.example/ page.png && head -c 8 page.png | od -c | head -1");
    seen.ok().prints("Today").prints("Sun all day").never_says("loading").prints("P   N   G");
    let refused = home.exec("family", "doorward-browse https://evil.example/");
    assert!(refused.out.contains("no rule of group family names evil.example"), "{refused:?}");
    let bare = "rm -r ~/.pki; /usr/lib/chromium/chromium --headless --no-sandbox --proxy-server=$HTTPS_PROXY \
                --user-data-dir=/tmp/bare --dump-dom https://weather.example/";
    let untrusted = home.exec("family", bare);
    assert!(!untrusted.out.contains("Sun all day"), "certificates are verified: {untrusted:?}");
    // Without our settings it also asks its maker.
    let audit = home.audit();
    let before = audit.0.iter().filter(|one| one["group"] == "family").take_while(|one| one["host"] != "evil.example");
    assert!(before.clone().count() > 1 && before.clone().all(|one| one["host"] == "weather.example"), "{audit:#?}");
}
