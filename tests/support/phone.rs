//! A chat network of the tests' own, and the channel program that faces it.
//!
//! The network keeps what was not acknowledged and delivers it again. It does not
//! notice that a message is sent twice: whatever it is given, it shows.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Home, PATIENCE};

/// Bytes go by between the daemon and the network. What Doorward starts has no
/// environment, so it finds the network beside itself.
const PROGRAM: &str = r#"#!/usr/bin/env python3
import os, socket, threading
here = os.path.dirname(os.path.abspath(__file__))
network = socket.socket(socket.AF_UNIX)
network.connect(os.path.join(here, "network.sock"))

def carry(read, write):
    while data := read(65536):
        write(data)
    os._exit(0)

threading.Thread(target=carry, args=(lambda size: os.read(0, size), network.sendall), daemon=True).start()
carry(network.recv, lambda data: os.write(1, data))
"#;

/// One message as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub id: u64,
    pub chat: String,
    pub kind: String,
    pub text: String,
    pub to: String,
}

/// The network.
pub struct Phone {
    folder: TempDir,
    network: Arc<Network>,
}

#[derive(Default)]
struct Network {
    state: Mutex<State>,
    changed: Condvar,
}

/// What the network knows.
#[derive(Default)]
pub struct State {
    /// Said to the daemon once it is there, and again until it is accepted.
    unheard: VecDeque<Value>,
    pub accepted: BTreeSet<String>,
    pub ignored: BTreeSet<String>,
    pub shown: Vec<Shown>,
    /// How many lines of the daemon each connection bears, the next one first.
    cuts: Vec<usize>,
    pub connections: usize,
    /// How many lines of the daemon were heard.
    pub lines: usize,
    stream: Option<UnixStream>,
    welcome: bool,
    line: Option<mpsc::Sender<String>>,
}

impl Phone {
    /// A network that a program can reach.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("phone-").tempdir().unwrap();
        let program = folder.path().join("channel");
        fs::write(&program, PROGRAM).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let listener = UnixListener::bind(folder.path().join("network.sock")).unwrap();
        let phone = Phone { folder, network: Arc::default() };
        let network = Arc::clone(&phone.network);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                network.serve(stream);
            }
        });
        phone
    }

    /// What makes a daemon run its program, for `doorward.toml`.
    pub fn config(&self) -> String {
        format!("[channels.whatsapp]\nenabled = true\nprogram = {:?}", self.folder.path().join("channel"))
    }

    /// Faces a daemon without a program, and again whenever the connection is cut.
    pub fn dial(&self, home: &Home) {
        let (network, socket): (_, PathBuf) = (Arc::clone(&self.network), home.at("data/run/control.sock"));
        std::thread::spawn(move || {
            while let Ok(mut stream) = UnixStream::connect(&socket) {
                if stream.write_all(b"{\"command\":\"channel\"}\n").is_ok() {
                    network.serve(stream);
                }
            }
        });
    }

    /// Cuts the connections to come after so many lines of the daemon each.
    pub fn cut_after(&self, lines: Vec<usize>) {
        self.network.lock().cuts = lines;
    }

    /// Cuts the connection that there is.
    pub fn cut(&self) {
        if let Some(stream) = &self.network.lock().stream {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Somebody writes in a chat.
    pub fn write(&self, chat: &str, id: &str, text: &str) {
        self.deliver(json!({"type": "message", "id": id, "chat": chat, "sender": {"id": "anna", "name": "Anna"},
            "text": text, "at": 1_795_000_000_000_i64}));
    }

    /// A line of the program's; messages stay until they are accepted.
    pub fn deliver(&self, line: Value) {
        let mut state = self.network.lock();
        // Before the welcome a message would overtake those that it will be said after.
        if line["type"] != "message" || state.welcome {
            state.say(&line);
        }
        if line["type"] == "message" {
            state.unheard.push_back(line);
        }
    }

    /// Bytes that no program should write.
    pub fn babble(&self, line: &str) {
        self.network.lock().write(line.to_owned());
    }

    /// Waits until the network knows something.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut state = self.network.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let (next, timeout) = self.network.changed.wait_timeout(state, PATIENCE).unwrap();
            state = next;
            assert!(
                !timeout.timed_out() || look(&state).is_some(),
                "waited in vain: {what}; shown: {:#?}",
                state.shown
            );
        }
    }

    /// Waits until a message is answered, or its failure told.
    #[track_caller]
    pub fn until_done(&self, chat: &str, id: &str) {
        let done = |shown: &Shown| (&*shown.kind, &*shown.chat, &*shown.to) == ("done", chat, id);
        self.until(&format!("an answer to {id}"), |state| state.shown.iter().any(done).then_some(()));
    }

    /// What the network knows by now.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.network.lock())
    }

    /// All that was shown.
    pub fn shown(&self) -> Vec<Shown> {
        self.network.lock().shown.clone()
    }
}

impl Network {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// One connection, until it ends or is cut.
    fn serve(&self, stream: UnixStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let (line, to_write) = mpsc::channel::<String>();
        let mut writer = stream.try_clone().unwrap();
        // By itself: who only writes when it has read would wait for a daemon that waits for it.
        std::thread::spawn(move || {
            while let Ok(line) = to_write.recv()
                && writer.write_all(format!("{line}\n").as_bytes()).is_ok()
            {}
        });
        let bears = {
            let mut state = self.lock();
            state.connections += 1;
            state.line = Some(line);
            state.stream = stream.try_clone().ok();
            state.say(&json!({"type": "hello", "v": 1, "channel": "whatsapp", "program": "phone"}));
            state.cuts.pop().unwrap_or(usize::MAX)
        };
        let mut line = String::new();
        for _ in 0..bears {
            line.clear();
            if !lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                break;
            }
            let Ok(said) = serde_json::from_str(&line) else { break };
            self.lock().hear(&said);
            self.changed.notify_all();
        }
        {
            let mut state = self.lock();
            (state.line, state.stream, state.welcome) = (None, None, false);
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
        self.changed.notify_all();
    }
}

impl State {
    /// Whether a daemon is there.
    pub fn is_up(&self) -> bool {
        self.line.is_some() && self.welcome
    }

    fn say(&mut self, line: &Value) {
        self.write(line.to_string());
    }

    /// A connection that has just been cut is noticed by whoever reads it.
    fn write(&mut self, line: String) {
        if let Some(writer) = &self.line {
            let _ = writer.send(line);
        }
    }

    fn hear(&mut self, said: &Value) {
        self.lines += 1;
        let text = |field: &str| said[field].as_str().unwrap_or_default().to_owned();
        match said["type"].as_str() {
            Some("welcome") => {
                self.welcome = true;
                self.say(&json!({"type": "state", "state": "connected", "detail": "the test's network"}));
                for message in self.unheard.clone() {
                    self.say(&message);
                }
            }
            Some(answer @ ("accepted" | "ignored")) => {
                let known = if answer == "accepted" { &mut self.accepted } else { &mut self.ignored };
                known.insert(text("id"));
                self.unheard.retain(|message| message["id"] != said["id"]);
            }
            Some("send") => {
                let id = said["id"].as_u64().unwrap();
                let to = text("in_reply_to");
                self.shown.push(Shown { id, chat: text("chat"), kind: text("kind"), text: text("text"), to });
                self.say(&json!({"type": "sent", "id": id, "sent_as": format!("NET-{id}")}));
            }
            _ => {}
        }
    }
}
