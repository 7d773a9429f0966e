//! Who plays: the servers, the model, and what is written so that something comes of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use super::plan::{Chat, Says};
use crate::support::{Anthropic, Asked, Does, Key, Response, Upstream, random_key};

/// What the club, the family and the others may reach.
pub const POLICY: &str = "\
[[allow]]
host = \"notes.example\"
do = [\"GET /page/*\", \"POST /notes/*\", \"POST /slow/*\"]
credential = \"notes\"
private = [\"127.0.0.1/32\"]
";

/// Lines of an answer that needs more than one message.
pub const LINES: usize = 1500;

/// The servers, and what they know.
pub struct Cast {
    pub key: Key,
    pub notes_key: String,
    pub notes: Upstream,
    pub anthropic: Anthropic,
    pub released: Arc<Released>,
}

/// What waits upstream, until it is let go.
#[derive(Default)]
pub struct Released {
    state: Mutex<(BTreeSet<String>, bool)>,
    changed: Condvar,
}

impl Released {
    pub fn release(&self, id: &str) {
        self.state.lock().unwrap().0.insert(id.to_owned());
        self.changed.notify_all();
    }

    pub fn all(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    fn wait_for(&self, id: &str) {
        let waits = |state: &mut (BTreeSet<String>, bool)| !state.1 && !state.0.contains(id);
        drop(self.changed.wait_while(self.state.lock().unwrap(), waits).unwrap());
    }
}

impl Cast {
    pub fn new() -> Self {
        let (key, notes_key, released) = (Key::api(), random_key("notes-"), Arc::<Released>::default());
        let (wanted, waits) = (format!("Bearer {notes_key}"), Arc::clone(&released));
        let notes = Upstream::start(&["notes.example", "more.example"], move |request| {
            if request.header("host") == Some("notes.example") && request.header("authorization") != Some(&wanted) {
                return Response { status: 401, ..Response::ok("wrong key\n") };
            }
            let id = request.path().rsplit('/').next().unwrap_or_default();
            if request.path().starts_with("/slow/") {
                waits.wait_for(id);
            }
            Response::ok(format!("answer-{id}\n"))
        });
        let waits = Arc::clone(&released);
        let anthropic = Anthropic::start(key.clone(), move |asked| think(asked, &waits));
        Cast { key, notes_key, notes, anthropic, released }
    }

    /// How often something was written upstream for this message.
    pub fn writes(&self, id: &str) -> usize {
        let requests = self.notes.requests();
        requests.iter().filter(|request| request.method == "POST" && request.path().ends_with(id)).count()
    }

    /// Whether the model was asked for it.
    pub fn was_asked(&self, id: &str) -> bool {
        self.anthropic.asked().iter().any(|asked| asked.mentions(&format!(":{id}#")))
    }

    /// Every real secret.
    pub fn secrets(&self) -> [&str; 2] {
        [self.key.secret(), &self.notes_key]
    }

    /// The message as somebody writes it.
    pub fn words(&self, chat: Chat, says: Says, id: &str) -> String {
        match (chat, says) {
            (Chat::Family, Says::Talk) => format!("the ferry is at nine ({id})"),
            (Chat::Family, Says::Stop) => "@Doorward stop".to_owned(),
            (Chat::Family, Says::SendsKey | Says::ShowsKey) => {
                format!("@Doorward #say:{id}# is {} still good?", self.key.secret())
            }
            (Chat::Family, says) => format!("@Doorward #{}:{id}# please", verb(says)),
            (_, says) => self.command(says, id),
        }
    }

    fn command(&self, says: Says, id: &str) -> String {
        match says {
            Says::Plain | Says::Talk => format!("echo answer-{id}"),
            Says::Nothing => "true".to_owned(),
            Says::Long => format!("seq -f 'answer-{id} %g' 1 {LINES}"),
            Says::Hangs => format!("touch at-{id}; sleep 600"),
            Says::ShowsKey => format!("echo {}", self.notes_key),
            Says::SendsKey => post("notes", id, &self.notes_key),
            Says::Stop => "stop".to_owned(),
            Says::StopClub => "stop club".to_owned(),
            Says::Waits => format!("{}; echo answer-{id}", waits(id)),
            Says::Reads => get(id),
            Says::Writes => post("notes", id, id),
            Says::WritesAndWaits => format!("{}; {}", post("notes", id, id), waits(id)),
            Says::Held => post("slow", id, id),
            Says::Refused => format!("curl -sS https://elsewhere.example/{id}"),
        }
    }
}

fn get(id: &str) -> String {
    format!("curl -sS -H \"Authorization: Bearer $NOTES_TOKEN\" https://notes.example/page/{id}")
}

fn post(folder: &str, id: &str, body: &str) -> String {
    format!(
        "curl -sS -H \"Authorization: Bearer $NOTES_TOKEN\" -H 'Idempotency-Key: {id}' -d {body} \
         https://notes.example/{folder}/{id}"
    )
}

fn waits(id: &str) -> String {
    format!("touch at-{id}; until [ -e go-{id} ]; do sleep 0.05; done")
}

/// What the model is told by a message of the family's.
fn verb(says: Says) -> &'static str {
    match says {
        Says::Reads => "read",
        Says::Writes => "write",
        Says::Waits => "wait",
        Says::WritesAndWaits => "writewait",
        Says::Held => "held",
        Says::Refused => "refused",
        Says::Hangs => "hang",
        Says::Nothing => "nothing",
        Says::Long => "long",
        _ => "say",
    }
}

/// The model: does what the open messages ask for, one after the other, and then answers
/// all of them together.
fn think(asked: &Asked, released: &Released) -> Does {
    let open = open(asked);
    let used = used(asked);
    for (verb, id) in &open {
        let command = match &**verb {
            _ if used.contains(id) => continue,
            "read" => get(id),
            "write" => post("notes", id, id),
            "wait" => waits(id),
            "writewait" => format!("{}; {}", post("notes", id, id), waits(id)),
            "held" => post("slow", id, id),
            "refused" => format!("curl -sS https://elsewhere.example/{id}"),
            "hang" => {
                // The model itself says nothing any more, and its agent waits.
                released.wait_for(id);
                return Does::Says(format!("answer-{id}"));
            }
            _ => continue,
        };
        // The id stands in what is run, so that it is known as done.
        return Does::Uses("Bash", json!({ "command": command, "description": format!("for {id}") }));
    }
    if open.iter().all(|(verb, _)| verb == "nothing") {
        return Does::Says("  \n".to_owned());
    }
    let mut said = String::new();
    for (verb, id) in open {
        match &*verb {
            "long" => {
                for line in 1..=LINES {
                    said += &format!("answer-{id} {line}\n")
                }
            }
            // What came of other messages' tools is theirs.
            "refused" => {
                let of_this = asked.results().into_iter().filter(|result| result.contains(&id));
                said += &format!("answer-{id} {}\n", of_this.collect::<Vec<_>>().join(" "));
            }
            _ => said += &format!("answer-{id}\n"),
        }
    }
    Does::Says(said)
}

/// What people asked since the model last said something, each once.
fn open(asked: &Asked) -> Vec<(String, String)> {
    let mut open: Vec<(String, String)> = Vec::new();
    for message in asked.0["messages"].as_array().into_iter().flatten() {
        let from_model = message["role"] == "assistant";
        for text in texts(&message["content"]) {
            if from_model && !text.trim().is_empty() {
                open.clear();
            }
            if !from_model {
                open.extend(orders(&text));
            }
        }
    }
    let mut seen = BTreeSet::new();
    open.retain(|(_, id)| seen.insert(id.clone()));
    open
}

/// The ids for which a tool was used.
fn used(asked: &Asked) -> BTreeSet<String> {
    let messages = asked.0["messages"].as_array().into_iter().flatten();
    let blocks = messages.flat_map(|message| message["content"].as_array().into_iter().flatten());
    let uses = blocks.filter(|block| block["type"] == "tool_use");
    uses.filter_map(|block| block["input"]["description"].as_str()?.strip_prefix("for ").map(str::to_owned)).collect()
}

fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(blocks) => blocks
            .iter()
            .filter(|block| block["type"] == "text")
            .filter_map(|block| block["text"].as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// `#say:m001#`
fn orders(text: &str) -> Vec<(String, String)> {
    let order = |part: &str| {
        let (verb, id) = part.split_once(':')?;
        let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain(verb) && plain(id)).then(|| (verb.to_owned(), id.to_owned()))
    };
    text.split('#').filter_map(order).collect()
}
