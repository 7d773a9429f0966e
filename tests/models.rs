//! opencode with models of several houses, and with one at home: each behind a scripted server that speaks its API.

use crate::support::{self, Completions, Conversation, Does, Form, Home, Running, Served, random_key};
use serde_json::json;

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
        path: ":streamGenerateContent",
        key: "AIza",
        header: "x-goog-api-key",
        before: "",
    },
];

impl House {
    /// A question that takes a tool: the key stays outside, and nobody else is asked.
    fn answers(&self) {
        let (home, server) = self.home(self.model);
        let _daemon = home.up();
        home.chat("family", "what is there?").ok().prints("I saw:").prints("milk").prints("/workspace/group");
        assert_eq!(server.refused(), [""; 0], "{}", self.service);
        self.is_asked_alone(&home);
    }

    /// A group that thinks with a model of this house: by its preset and its key.
    fn home(&self, model: &str) -> (Home, Completions) {
        let key = random_key(self.key);
        let shown = format!("{}{key}", self.before);
        let served =
            Served { form: self.form, host: Some(self.host), path: self.path, key: Some((self.header, &shown)) };
        let server = Completions::start(served, looks);
        let home = Home::new().host(self.host, &server.upstream).group("family");
        let add = home.command(&["credential", "add", self.service]);
        Running::start(add, &format!("{key}\n")).wait().ok();
        home.run(&["agent", "set", "family", "opencode", "--model", model, "--no-question"]).ok();
        let policy = std::fs::read_to_string(home.policy_file("family")).unwrap();
        assert!(policy.contains(self.service), "{policy}");
        let host = self.host;
        let loopback = format!("[[allow]]\nhost = \"{host}\"\ndo = [\"POST /**\"]\nprivate = [\"127.0.0.1/32\"]\n");
        home.write_policy("family", &format!("{policy}\n{loopback}"));
        (home, server)
    }

    fn is_asked_alone(&self, home: &Home) {
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

/// Whatever opencode does about a model that it does not know, it is not its own makers' that it asks.
#[test]
fn a_model_that_is_not_known_is_looked_for_at_no_other_house() {
    let house = house("gemini");
    let (home, _server) = house.home("google/no-such-model");
    let _daemon = home.up();
    home.chat("family", "what is there?");
    house.is_asked_alone(&home);
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
