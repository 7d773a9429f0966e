//! A channel program of the tests' own: the channel protocol, line by line.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Home, PATIENCE};

/// A connection to a group's chat that sends what ids it likes.
pub struct Chat {
    reader: BufReader<UnixStream>,
    group: String,
    shown: Arc<Mutex<HashSet<u64>>>,
}

impl Chat {
    /// Connects as the terminal of a group.
    #[track_caller]
    pub fn open(home: &Home, group: &str) -> Self {
        let stream = UnixStream::connect(home.at("data/run/control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (group, shown) = (group.to_owned(), home.shown.clone());
        let mut chat = Chat { reader: BufReader::new(stream), group, shown };
        chat.write(&json!({"command": "channel", "group": &chat.group}));
        chat.write(&json!({"type": "hello", "v": 1, "channel": "terminal", "program": "test"}));
        assert_eq!(chat.next()["type"], "welcome");
        chat
    }

    /// Sends a message under an id of the test's choice.
    pub fn send(&mut self, id: &str, text: &str) {
        self.send_to(&self.group.clone(), id, text);
    }

    /// Sends it as if it had been written in this chat.
    pub fn send_to(&mut self, chat: &str, id: &str, text: &str) {
        let sender = json!({"id": "owner", "name": "owner"});
        let at = 1_795_000_000_000_i64;
        self.write(&json!({"type": "message", "id": id, "chat": chat, "sender": sender, "text": text, "at": at}));
    }

    /// The next line of any kind but typing signs. What is to be sent is confirmed; what was sent before, over an
    /// earlier connection too, is confirmed again and passed over: a daemon that ended before it took the first
    /// confirmation sends again under the same id (docs/channels.md, rule 3).
    #[track_caller]
    pub fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("the daemon says something in time");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            match line["type"].as_str() {
                Some("typing") => continue,
                Some("send") => {
                    self.write(&json!({"type": "sent", "id": line["id"]}));
                    if !self.shown.lock().unwrap().insert(line["id"].as_u64().unwrap()) {
                        continue;
                    }
                }
                _ => {}
            }
            return line;
        }
    }

    /// The next line of this type.
    #[track_caller]
    pub fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let line = self.next();
            if line["type"] == kind {
                return line;
            }
        }
    }

    /// Everything that is sent until a message is done: (kind, text, in reply to).
    #[track_caller]
    pub fn until_done(&mut self, id: &str) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        loop {
            let line = self.next_of("send");
            let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            all.push((field("kind"), field("text"), field("in_reply_to")));
            if line["kind"] == "done" && line["in_reply_to"] == id {
                return all;
            }
        }
    }

    fn write(&mut self, line: &Value) {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
