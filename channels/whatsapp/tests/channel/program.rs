//! The program under test: the real binary, with an empty environment, and the daemon's
//! end of its pipes.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use channel_protocol::{ChannelState, FromChannel, Incoming, Outgoing, OutgoingFile, OutgoingKind, ToChannel, VERSION};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use whatsapp_rust::waproto::whatsapp as wa;

use super::account::{linked, linked_as};
use super::server::{Seen, Server};

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A linked folder and its server.
pub(crate) struct House {
    folder: TempDir,
    pub(crate) server: Server,
}

/// The running program.
pub(crate) struct Program {
    child: Child,
    pub(crate) stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Messages that arrived while the test waited for something else.
    early: VecDeque<Incoming>,
}

impl House {
    /// A device as linking leaves it: WhatsApp's side of linking is not available here.
    pub(crate) async fn linked() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = linked(folder.path()).await;
        House { folder, server }
    }

    /// An account whose opaque id arrives with the login.
    pub(crate) async fn linked_without_lid() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = linked_as(folder.path(), false).await;
        House { folder, server }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder's files as they are; no program has them open.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_file()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    }

    /// Restores them in place of everything there.
    pub(crate) fn put_back(&self, files: &[(PathBuf, Vec<u8>)]) {
        self.files().iter().for_each(|(path, _)| std::fs::remove_file(path).unwrap());
        files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    }

    /// Starts the program and waits until it is ready.
    pub(crate) async fn run(&mut self, mode: &str, chats: &[&str]) -> Program {
        let mut program = Program::start(self.path(), Some(&self.server.url), mode);
        program.greet(chats).await;
        program.ready().await;
        program
    }

    pub(crate) async fn seen(&mut self) -> Seen {
        tokio::time::timeout(PATIENCE, self.server.seen.recv()).await.expect("the server saw nothing").unwrap()
    }

    /// The next message that a phone got.
    pub(crate) async fn message(&mut self) -> (String, String, wa::Message) {
        loop {
            if let Seen::Message { to, id, message } = self.seen().await {
                return (to, id, *message);
            }
        }
    }

    /// Messages that phones had to resend so far.
    pub(crate) fn asked_again(&mut self) -> HashSet<String> {
        let mut again = HashSet::new();
        while let Ok(seen) = self.server.seen.try_recv() {
            if let Seen::Retry { id } = seen {
                again.insert(id);
            }
        }
        again
    }

    pub(crate) async fn until(&mut self, wanted: Seen) {
        while self.seen().await != wanted {}
    }
}

impl Program {
    pub(crate) fn start(folder: &Path, server: Option<&str>, mode: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward-whatsapp"));
        command.arg("--folder").arg(folder);
        if let Some(url) = server {
            command.args(["--server", url]);
        }
        command.args(["run", "--mode", mode]).env_clear().current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Program { child, stdin, stdout, early: VecDeque::new() }
    }

    pub(crate) async fn greet(&mut self, chats: &[&str]) {
        let hello = self.next().await;
        assert!(matches!(&hello, FromChannel::Hello { v: VERSION, channel, .. } if channel == "whatsapp"), "{hello:?}");
        self.tell(&ToChannel::Welcome { v: VERSION, chats: words(chats) }).await;
    }

    pub(crate) async fn tell(&mut self, line: &ToChannel) {
        let mut bytes = serde_json::to_vec(line).unwrap();
        bytes.push(b'\n');
        self.stdin.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> FromChannel {
        let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await.expect("the program says nothing");
        let line = line.unwrap().expect("the program has ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Waits until it is connected. Messages that WhatsApp kept for it arrive before that, and
    /// WhatsApp waits for our answers.
    async fn ready(&mut self) {
        loop {
            match self.next().await {
                FromChannel::State { state: ChannelState::Connected, .. } => return,
                FromChannel::Message(message) => return self.early.push_back(message),
                _ => {}
            }
        }
    }

    pub(crate) async fn until(&mut self, wanted: ChannelState) -> String {
        loop {
            match self.next().await {
                FromChannel::State { state, detail } if state == wanted => return detail,
                _ => {}
            }
        }
    }

    /// The next message, accepted.
    pub(crate) async fn take(&mut self) -> Incoming {
        let message = self.hear().await;
        self.tell(&ToChannel::Accepted { id: message.id.clone() }).await;
        message
    }

    /// The next message, unanswered.
    pub(crate) async fn hear(&mut self) -> Incoming {
        if let Some(message) = self.early.pop_front() {
            return message;
        }
        loop {
            match self.next().await {
                FromChannel::Message(message) => return message,
                FromChannel::State { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn send(&mut self, id: u64, chat: &str, text: &str, in_reply_to: Option<&str>) {
        let message = Outgoing {
            id,
            chat: chat.to_owned(),
            kind: OutgoingKind::Reply,
            text: text.to_owned(),
            in_reply_to: in_reply_to.map(str::to_owned),
            reacts_to: None,
            reacts_to_sender: None,
            file: None,
        };
        self.tell(&ToChannel::Send(message)).await;
    }

    pub(crate) async fn send_file(&mut self, id: u64, chat: &str, caption: &str, file: OutgoingFile) {
        let message = Outgoing {
            id,
            chat: chat.to_owned(),
            kind: OutgoingKind::Reply,
            text: caption.to_owned(),
            in_reply_to: None,
            reacts_to: None,
            reacts_to_sender: None,
            file: Some(file),
        };
        self.tell(&ToChannel::Send(message)).await;
    }

    /// Has it react to a message.
    pub(crate) async fn react(&mut self, id: u64, chat: &str, sign: &str, to: &str) {
        self.react_to(id, chat, sign, (to, None)).await;
    }

    /// The same, with the author of the message.
    pub(crate) async fn react_to(&mut self, id: u64, chat: &str, sign: &str, (to, sender): (&str, Option<&str>)) {
        let message = Outgoing {
            id,
            chat: chat.to_owned(),
            kind: OutgoingKind::Reply,
            text: sign.to_owned(),
            in_reply_to: None,
            reacts_to: Some(to.to_owned()),
            reacts_to_sender: sender.map(str::to_owned),
            file: None,
        };
        self.tell(&ToChannel::Send(message)).await;
    }

    /// The result of a `send`.
    pub(crate) async fn outcome(&mut self, id: u64) -> Result<(), (String, bool)> {
        loop {
            match self.next().await {
                FromChannel::Sent { id: sent, .. } if sent == id => return Ok(()),
                FromChannel::Failed { id: failed, why, retry } if failed == id => return Err((why, retry)),
                FromChannel::State { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Closes stdin, as the daemon does at its end; returns the exit code.
    pub(crate) async fn close(self) -> i32 {
        let Program { mut child, stdin, mut stdout, .. } = self;
        drop(stdin);
        let drain = async { while let Ok(Some(_)) = stdout.next_line().await {} };
        tokio::time::timeout(PATIENCE, drain).await.expect("the program does not end");
        child.wait().await.unwrap().code().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> i32 {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("the program does not end")
            .unwrap()
            .code()
            .unwrap()
    }
}

/// Runs a command of the program; returns its exit code and output.
pub(crate) async fn command(folder: &Path, server: Option<&str>, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward-whatsapp"));
    command.arg("--folder").arg(folder);
    if let Some(url) = server {
        command.args(["--server", url]);
    }
    let output = tokio::time::timeout(PATIENCE, command.args(arguments).env_clear().output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

/// Every file below a folder that contains one of these words.
pub(crate) fn holds(folder: &Path, words: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holds(&path, words));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for word in words {
            if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
                found.push((path.clone(), (*word).to_owned()));
            }
        }
    }
    found
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}
