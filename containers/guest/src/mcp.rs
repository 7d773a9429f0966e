//! `mcp`: MCP over stdin and stdout, for agents that support nothing else. Each message goes to
//! `http://doorward.internal/mcp` through the door, and the answer comes back as a line.
//!
//! What it is not: it knows no tools. Which there are, and who may use them, is for the host to say.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use lines::LineBuffer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::agents::complain;
use crate::door::SOCKET;
use crate::host::{Answer, Request, Unanswered};

/// The longest message: as much as the host takes.
const LONGEST: usize = 256 << 10;

/// How many messages may wait for their answers.
const AT_ONCE: usize = 16;

/// Serves its caller until stdin ends.
pub fn run() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(serve(tokio::io::stdin(), tokio::io::stdout(), SOCKET.into()));
    if let Err(why) = &served {
        complain(why);
    }
    // A thread may still be blocked on stdin, so do not wait for the runtime.
    std::process::exit(i32::from(served.is_err()))
}

async fn serve(
    mut from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin + Send + 'static,
    door: PathBuf,
) -> Result<(), String> {
    let (say, said) = mpsc::channel(AT_ONCE);
    let writer = tokio::spawn(write(said, to));
    let (door, places) = (Arc::new(door), Arc::new(Semaphore::new(AT_ONCE)));
    let mut asking = JoinSet::new();
    let mut lines = LineBuffer::new(LONGEST);
    let mut buffer = vec![0; 64 << 10];
    let ended = 'reading: loop {
        match from.read(&mut buffer).await {
            Ok(0) => break Ok(()),
            Ok(count) => lines.push(&buffer[..count]),
            Err(error) => break Err(format!("cannot read stdin: {error}")),
        }
        loop {
            let line = match lines.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(too_long) => {
                    let _ = say.send(error(&Value::Null, -32600, &format!("there is {too_long}"))).await;
                    break 'reading Err(format!("stdin has {too_long}"));
                }
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { continue };
            let (say, door) = (say.clone(), Arc::clone(&door));
            asking.spawn(async move {
                if let Some(answer) = answer(&line, &door).await {
                    let _ = say.send(answer).await;
                }
                drop(place);
            });
            while asking.try_join_next().is_some() {}
        }
    };
    while asking.join_next().await.is_some() {}
    drop(say);
    let _ = writer.await;
    ended
}

async fn write(mut said: mpsc::Receiver<Value>, mut to: impl AsyncWrite + Unpin) {
    while let Some(answer) = said.recv().await {
        // Compact, so that it contains no newline.
        let line = format!("{answer}\n");
        if to.write_all(line.as_bytes()).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The answer to a message; nothing if it needs none.
async fn answer(line: &[u8], door: &Path) -> Option<Value> {
    let Ok(message) = serde_json::from_slice::<Value>(line) else {
        return Some(error(&Value::Null, -32700, "a message is one line of JSON"));
    };
    let id = message.get("id").cloned();
    let heard = Request { method: "POST", path: "/mcp", body: line }.ask(door).await;
    let why = match heard {
        Ok(Answer { status: 202, .. }) => return None,
        Ok(Answer { status, body }) => match serde_json::from_slice::<Value>(&body) {
            Ok(answer) if answer.get("jsonrpc").is_some() => return Some(answer),
            // Refused before it was parsed as MCP, for example because the owner has locked the group.
            Ok(refusal) => refusal.to_string(),
            Err(_) => format!("Doorward answered with {status}"),
        },
        Err(Unanswered::Unreached(why) | Unanswered::Lost(why)) => why,
    };
    id.map(|id| error(&id, -32000, &why))
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::Door;

    /// The answers to these lines, in the order of their ids.
    async fn said(door: &Door, lines: &str) -> (Vec<Value>, Result<(), String>) {
        let (mut near, far) = tokio::io::duplex(4 << 20);
        let served = tokio::spawn({
            let (lines, door) = (lines.to_owned(), door.socket());
            async move { serve(std::io::Cursor::new(lines.into_bytes()), far, door).await }
        });
        let mut answers = String::new();
        near.read_to_string(&mut answers).await.unwrap();
        let mut answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        answers.sort_by_key(|answer| answer["id"].as_i64());
        (answers, served.await.unwrap())
    }

    #[tokio::test]
    async fn each_message_goes_to_the_host_and_each_answer_is_a_line() {
        let door = Door::open(|asked| {
            let message: Value = serde_json::from_str(&asked.body).unwrap();
            match message["method"].as_str() {
                Some("notifications/initialized") => (202, String::new()),
                Some("locked") => (403, json!({ "code": "locked", "why": "the owner\nhas locked it" }).to_string()),
                _ => (
                    200,
                    format!("{:#}", json!({ "jsonrpc": "2.0", "id": message["id"], "result": message["method"] })),
                ),
            }
        });
        let (answers, ended) = said(
            &door,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}\n\n\
             {\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\nnonsense\n\
             {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"locked\"}\n",
        )
        .await;
        assert_eq!(ended, Ok(()));
        assert_eq!(answers[0]["error"]["code"], -32700);
        assert_eq!((&answers[1]["result"], &answers[2]["result"]), (&json!("initialize"), &json!("tools/list")));
        assert!(answers[3]["error"]["message"].as_str().unwrap().contains("locked"), "{answers:?}");
        assert!(answers.len() == 4 && door.asked().iter().all(|asked| asked.line == "POST /mcp"));
    }

    #[tokio::test]
    async fn a_door_that_is_shut_and_a_line_without_end_are_told() {
        let door = Door::open(|_| (0, String::new()));
        let (answers, _) = said(&door, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}\n").await;
        assert_eq!((&answers[0]["id"], &answers[0]["error"]["code"]), (&json!("a"), &json!(-32000)));
        let (answers, ended) = said(&door, &"x".repeat(LONGEST + 1)).await;
        assert_eq!(answers[0]["error"]["code"], -32600);
        assert!(ended.is_err());
    }
}
