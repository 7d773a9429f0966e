//! opencode with models of several houses, and with one at home: each behind a scripted server that speaks its API.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{Completions, Conversation, Does, Form, Home, Running, Served, random_key};

/// Looks at the folder, then says what it saw.
fn looks(asked: &Conversation) -> Does {
    match asked.results().as_slice() {
        [] => Does::Uses("bash", json!({ "command": "pwd; echo milk", "description": "looks" })),
        results => Does::Says(format!("I saw: {}", results.join("; "))),
    }
}

/// What an owner writes for a model of one of these houses.
struct House {
    service: &'static str,
    model: &'static str,
    host: &'static str,
    form: Form,
    path: &'static str,
    key: &'static str,
    header: &'static str,
    before: &'static str,
}

const HOUSES: [House; 3] = [
    House {
        service: "mistral",
        model: "mistral/mistral-large-latest",
        host: "api.mistral.ai",
        form: Form::Chat,
        path: "/v1/chat/completions",
        key: "",
        header: "authorization",
        before: "Bearer ",
    },
    House {
        service: "openrouter",
        model: "openrouter/z-ai/glm-5",
        host: "openrouter.ai",
        form: Form::Chat,
        path: "/api/v1/chat/completions",
        key: "sk-or-v1-",
        header: "authorization",
        before: "Bearer ",
    },
    House {
        service: "gemini",
        model: "google/gemini-3.1-pro-preview",
        host: "generativelanguage.googleapis.com",
        form: Form::Gemini,
        path: "/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent",
        key: "AIza",
        header: "x-goog-api-key",
        before: "",
    },
];

impl House {
    /// Its preset, its key, and a question that takes a tool: the key stays outside, and nobody else is asked.
    fn answers(&self) {
        let key = random_key(self.key);
        let shown = format!("{}{key}", self.before);
        let served =
            Served { form: self.form, host: Some(self.host), path: self.path, key: Some((self.header, &shown)) };
        let server = Completions::start(served, looks);
        let home = Home::new().host(self.host, &server.upstream).group("family");
        let add = home.command(&["credential", "add", self.service]);
        Running::start(add, &format!("{key}\n")).wait().ok();
        home.run(&["agent", "set", "family", "opencode", "--model", self.model, "--no-question"]).ok();
        let policy = std::fs::read_to_string(home.policy_file("family")).unwrap();
        assert!(policy.contains(self.service), "{policy}");
        let loopback =
            format!("[[allow]]\nhost = \"{}\"\ndo = [\"POST /**\"]\nprivate = [\"127.0.0.1/32\"]\n", self.host);
        home.write_policy("family", &format!("{policy}\n{loopback}"));
        let _daemon = home.up();
        home.chat("family", "what is there?").ok().prints("I saw:").prints("milk").prints("/workspace/group");
        assert_eq!(server.refused(), [""; 0], "{}", self.service);
        let others: Vec<_> = home.audit().0.into_iter().filter(|one| one["host"] != self.host).collect();
        assert!(others.iter().all(|one| one["host"] == "doorward.internal"), "{others:#?}");
    }
}

fn house(service: &str) -> &'static House {
    support::require_engine_and("opencode");
    HOUSES.iter().find(|house| house.service == service).unwrap()
}

#[test]
fn opencode_thinks_with_mistral() {
    house("mistral").answers();
}

#[test]
fn opencode_thinks_with_a_model_of_openrouter() {
    house("openrouter").answers();
}

#[test]
fn opencode_thinks_with_gemini() {
    house("gemini").answers();
}

/// A model that opencode does not know is nobody's: it asks no other in its place.
#[test]
fn a_model_that_is_not_known_is_told_and_nobody_is_asked() {
    let house = house("mistral");
    let key = random_key(house.key);
    let served = Served { form: house.form, host: Some(house.host), path: house.path, key: None };
    let server = Completions::start(served, looks);
    let home = Home::new().host(house.host, &server.upstream).group("family");
    Running::start(home.command(&["credential", "add", house.service]), &format!("{key}\n")).wait().ok();
    home.run(&["agent", "set", "family", "opencode", "--model", "mistral/no-such-model", "--no-question"]).ok();
    let _daemon = home.up();
    let told = home.chat("family", "what is there?");
    assert!(format!("{}{}", told.out, told.err).contains("no-such-model"), "{told:?}");
    assert_eq!(server.upstream.lines(), [""; 0]);
    let asked: Vec<_> = home.audit().0.into_iter().filter(|one| one["host"] != "doorward.internal").collect();
    assert!(asked.is_empty(), "{asked:#?}");
}

/// A model at home: no key, no TLS, a name of the owner's own network.
#[test]
fn opencode_thinks_with_a_model_at_home() {
    support::require_engine_and("opencode");
    let served = Served { form: Form::Chat, host: None, path: "/v1/chat/completions", key: None };
    let server = Completions::start(served, |asked| {
        assert_eq!(asked.model(), "llama3.2");
        looks(asked)
    });
    let home = Home::new().host("nas.home", &server.upstream).group("family");
    let endpoint = "http://nas.home:11434/v1";
    let set = ["agent", "set", "family", "opencode", "--model", "llama3.2", "--endpoint", endpoint, "--no-question"];
    home.run(&set).ok();
    let policy = std::fs::read_to_string(home.policy_file("family")).unwrap();
    home.write_policy("family", &policy.replace("model = true", "model = true\nprivate = [\"127.0.0.1/32\"]"));
    let _daemon = home.up();
    home.chat("family", "what is there?").ok().prints("I saw:").prints("milk");
    assert_eq!(server.refused(), [""; 0]);
}
