//! Channel programs: what any of them must do (the conformance test), and what the
//! daemon does with one.
//!
//! To run the conformance test against your own program, name its command line:
//! `DOORWARD_CHANNEL="./mychannel --flag" cargo test --test channels conformance`.
//! It needs no network of its own: only what holds for every channel is asked.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests drive programs, and fail by panicking")]

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use doorward::channels::lines::{LineReader, LineWriter};
use doorward::channels::program::{self, Pauses, Program};
use doorward::channels::protocol::{
    FromChannel, Incoming, MAX_LINE, Outgoing, OutgoingKind, Sender, ToChannel, VERSION,
};
use doorward::channels::terminal::Link;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// The daemon's end of a program.
struct Daemon {
    child: Child,
    reader: LineReader<ChildStdout>,
    writer: LineWriter<ChildStdin>,
}

impl Daemon {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().env("PATH", "/usr/bin:/bin");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let reader = LineReader::new(child.stdout.take().unwrap(), MAX_LINE);
        let writer = LineWriter::new(child.stdin.take().unwrap());
        Daemon { child, reader, writer }
    }

    async fn say(&mut self, line: &ToChannel) {
        self.writer.send(line).await.unwrap();
    }

    async fn next(&mut self) -> FromChannel {
        let line = tokio::time::timeout(PATIENCE, self.reader.next()).await.expect("the program says nothing");
        line.expect("every line is a message of the protocol").expect("the program has ended")
    }

    /// The next line that is no state: a state may come at any time.
    async fn heard(&mut self) -> FromChannel {
        loop {
            let line = self.next().await;
            if !matches!(line, FromChannel::State { .. }) {
                return line;
            }
        }
    }

    async fn greeted(&mut self, chats: &[&str]) {
        let hello = self.next().await;
        let FromChannel::Hello { v, channel, program, .. } = &hello else { panic!("hello comes first, not {hello:?}") };
        assert_eq!(*v, VERSION);
        assert!(!channel.is_empty() && !program.is_empty());
        let chats = chats.iter().map(ToString::to_string).collect();
        self.say(&ToChannel::Welcome { v: VERSION, chats }).await;
    }

    async fn ends(mut self) {
        drop(self.writer);
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends when stdin does").unwrap();
    }
}

fn outgoing(id: u64, chat: &str, text: &str) -> ToChannel {
    let (chat, text) = (chat.to_owned(), text.to_owned());
    ToChannel::Send(Outgoing {
        id,
        chat,
        kind: OutgoingKind::Reply,
        text,
        in_reply_to: None,
        reacts_to: None,
        reacts_to_sender: None,
        file: None,
    })
}

/// What holds for every channel program, with no network behind it.
async fn conforms(words: &[&str]) {
    let mut daemon = Daemon::start(words);
    daemon.greeted(&[]).await;
    // A chat that is not registered is never written to, and trying again cannot help.
    daemon.say(&outgoing(1, "nobody", "psst")).await;
    let answer = daemon.heard().await;
    assert!(matches!(&answer, FromChannel::Failed { id: 1, retry: false, why } if !why.is_empty()), "{answer:?}");
    // What it does not expect does not end it.
    daemon.say(&ToChannel::Accepted { id: "never asked".into() }).await;
    daemon.say(&ToChannel::Ignored { id: "never asked".into(), why: "no".into() }).await;
    daemon.say(&ToChannel::Typing { chat: "nobody".into(), on: true }).await;
    daemon.say(&ToChannel::Chats { chats: Vec::new() }).await;
    daemon.say(&outgoing(2, "nobody", "psst")).await;
    assert!(matches!(daemon.heard().await, FromChannel::Failed { id: 2, retry: false, .. }));
    daemon.ends().await;

    // A daemon that goes before it has answered hello leaves no program behind.
    Daemon::start(words).ends().await;
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/channels/folder.py")
}

#[tokio::test]
async fn conformance_of_the_example_or_of_yours() {
    if let Ok(command) = std::env::var("DOORWARD_CHANNEL") {
        return conforms(&command.split_whitespace().collect::<Vec<_>>()).await;
    }
    let root = tempfile::tempdir().unwrap();
    conforms(&["python3", example().to_str().unwrap(), root.path().to_str().unwrap()]).await;
}

#[tokio::test]
async fn the_example_takes_messages_in_and_brings_answers_out() {
    let root = tempfile::tempdir().unwrap();
    for chat in ["family", "strangers"] {
        std::fs::create_dir_all(root.path().join(chat).join("inbox")).unwrap();
        std::fs::write(root.path().join(chat).join("inbox/m1"), "hello").unwrap();
    }
    let mut daemon = Daemon::start(&["python3", example().to_str().unwrap(), root.path().to_str().unwrap()]);
    daemon.greeted(&["family"]).await;
    let FromChannel::Message(message) = daemon.heard().await else { panic!("a message") };
    let sender = Sender { id: "me".into(), name: "Me".into() };
    let wanted = Incoming { id: "m1".into(), chat: "family".into(), sender, text: "hello".into(), ..message.clone() };
    assert_eq!(message, wanted);
    let file = root.path().join("family/inbox/m1");
    assert!(file.exists(), "it keeps what is not accepted");
    daemon.say(&ToChannel::Accepted { id: "m1".into() }).await;
    for id in [7, 7] {
        daemon.say(&outgoing(id, "family", "hi")).await;
        assert_eq!(daemon.heard().await, FromChannel::Sent { id, sent_as: None });
    }
    assert!(!file.exists(), "it forgets what is accepted");
    assert_eq!(std::fs::read_dir(root.path().join("family/outbox")).unwrap().count(), 1, "a resend shows once");
    assert!(root.path().join("strangers/inbox/m1").exists(), "nobody looks at other chats");
    daemon.ends().await;
}

/// Runs a shell script as a channel; gives back what each of its lives said first.
async fn lives(script: &str, wanted: usize) -> Vec<FromChannel> {
    let (heard, mut lines) = mpsc::unbounded_channel();
    let (ending, ended) = watch::channel(false);
    let program =
        Program { channel: "test", path: "/bin/sh".into(), arguments: vec!["-c".into(), script.to_owned().into()] };
    let first = Duration::from_millis(10);
    let pauses = Pauses { first, longest: first * 4, settled: PATIENCE, not_linked: first };
    let keeping = tokio::spawn(program::keep(program, pauses, ended, move |link: Link| {
        let heard = heard.clone();
        async move {
            // All of it: a link whose other half is dropped is closed.
            let mut link = link;
            if let Some(line) = link.from.recv().await {
                let _ = heard.send(line);
            }
            while link.from.recv().await.is_some() {}
            Ok::<(), Infallible>(())
        }
    }));
    let mut all = Vec::new();
    while all.len() < wanted {
        all.push(tokio::time::timeout(PATIENCE, lines.recv()).await.expect("another life").unwrap());
    }
    ending.send_replace(true);
    tokio::time::timeout(PATIENCE, keeping).await.expect("it ends with the daemon").unwrap();
    all
}

#[tokio::test]
async fn a_program_that_ends_is_started_again() {
    let hello = r#"{"type":"hello","v":1,"channel":"test","program":"sh"}"#;
    for script in [format!("echo '{hello}'"), format!("echo '{hello}'; kill -9 $$"), format!("echo '{hello}'; exit 3")]
    {
        assert_eq!(lives(&script, 3).await.len(), 3, "{script}");
    }
}

#[tokio::test]
async fn a_program_has_no_environment() {
    let script = r#"printf '{"type":"hello","v":1,"channel":"%s","program":"%s"}\n' "$(env | grep -cv '^\(PWD\|OLDPWD\|SHLVL\|_\)=')" "$HOME$PATH_OF_MINE""#;
    let all = lives(script, 1).await;
    assert_eq!(
        all,
        [FromChannel::Hello { v: 1, channel: "0".into(), program: String::new(), grows: false, takes: Vec::new() }]
    );
}

#[tokio::test]
async fn a_program_ends_with_the_daemon_even_if_it_hangs() {
    let script = r#"echo '{"type":"hello","v":1,"channel":"test","program":"sh"}'; cat > /dev/null"#;
    assert_eq!(lives(script, 1).await.len(), 1);
}

#[test]
fn a_program_that_is_not_there_is_said() {
    let error = program::find(Some(Path::new("/nowhere/doorward-whatsapp")), "doorward-whatsapp").unwrap_err();
    assert!(error.to_string().contains("or the package doorward-whatsapp brings it"), "{error}");
}
