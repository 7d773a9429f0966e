//! A channel program of the tests' own: the channel protocol, line by line.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Home, PATIENCE};

/// A connection to a group's chat that sends what ids it likes.
pub struct Chat {
    reader: BufReader<UnixStream>,
    group: String,
    patience: Duration,
    shown: Arc<Mutex<HashSet<u64>>>,
}

impl Chat {
    /// Connects as the terminal of a group.
    #[track_caller]
    pub fn open(home: &Home, group: &str) -> Self {
        Self::try_open(home, group, &json!({})).expect("the daemon is there")
    }

    /// The same with a daemon that may be gone at any moment, and with more in its `hello`.
    pub fn try_open(home: &Home, group: &str, more: &Value) -> Option<Self> {
        let stream = UnixStream::connect(home.at("data/run/control.sock")).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (group, shown) = (group.to_owned(), home.shown.clone());
        let mut chat = Chat { reader: BufReader::new(stream), group, patience: PATIENCE, shown };
        let mut hello = json!({"type": "hello", "v": 1, "channel": "terminal", "program": "test"});
        hello.as_object_mut()?.extend(more.as_object().cloned().unwrap_or_default());
        chat.try_write(&json!({"command": "channel", "group": &chat.group})).ok()?;
        chat.try_write(&hello).ok()?;
        assert_eq!(chat.try_next()?["type"], "welcome");
        Some(chat)
    }

    /// Has it wait longer for the next line: a task may rest before it is tried again.
    pub fn wait_for(&mut self, time: Duration) {
        self.patience = time;
        self.reader.get_ref().set_read_timeout(Some(time)).unwrap();
    }

    /// Sends a message under an id of the test's choice.
    pub fn send(&mut self, id: &str, text: &str) {
        self.send_to(&self.group.clone(), id, text);
    }

    /// Sends it as if it had been written in this chat.
    pub fn send_to(&mut self, chat: &str, id: &str, text: &str) {
        self.try_write(&message(chat, id, text)).unwrap();
    }

    /// Somebody of this name writes in the chat.
    pub fn writes(&mut self, who: &str, id: &str, text: &str) {
        let mut line = message(&self.group, id, text);
        line["sender"] = json!({"id": who.to_lowercase(), "name": who});
        self.try_write(&line).unwrap();
    }

    /// Sends it to a daemon that may be gone.
    pub fn try_send(&mut self, id: &str, text: &str) {
        let _ = self.try_write(&message(&self.group.clone(), id, text));
    }

    /// The next line of any kind but typing signs. What is to be sent is confirmed; what was sent before, over an
    /// earlier connection too, is confirmed again and passed over: a daemon that ended before it took the first
    /// confirmation sends again under the same id (docs/channels.md, rule 3).
    #[track_caller]
    pub fn next(&mut self) -> Value {
        self.try_next().expect("the daemon says something")
    }

    /// The same; nothing once the daemon is gone.
    #[track_caller]
    pub fn try_next(&mut self) -> Option<Value> {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < self.patience, "nothing but typing signs for {:?}", self.patience);
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if !line.ends_with('\n') => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the daemon says something in time: {error}"),
            }
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            match line["type"].as_str() {
                Some("typing") => continue,
                Some("send") => {
                    // Of one that is gone, it comes again.
                    let _ = self.try_write(&json!({"type": "sent", "id": line["id"]}));
                    if !self.shown.lock().unwrap().insert(line["id"].as_u64().unwrap()) {
                        continue;
                    }
                }
                _ => {}
            }
            return Some(line);
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

    fn try_write(&mut self, line: &Value) -> io::Result<()> {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes())
    }
}

fn message(chat: &str, id: &str, text: &str) -> Value {
    let sender = json!({"id": "owner", "name": "owner"});
    let at = 1_795_000_000_000_i64;
    json!({"type": "message", "id": id, "chat": chat, "sender": sender, "text": text, "at": at})
}
