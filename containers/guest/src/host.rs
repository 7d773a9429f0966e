//! Requests to Doorward itself, at `http://doorward.internal` through the door: one request per
//! connection. The agent could send the same requests.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The longest answer.
const LONGEST: usize = 4 << 20;

/// Longer than an operation waits for its owner.
const PATIENCE: Duration = Duration::from_secs(90);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Nothing was sent.
    Unreached(String),
    /// The request may have been carried out all the same.
    Lost(String),
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    /// JSON.
    pub(crate) body: &'a [u8],
}

impl Request<'_> {
    /// Sends it to a door.
    pub(crate) async fn ask(self, door: &Path) -> Result<Answer, Unanswered> {
        let connected = UnixStream::connect(door).await;
        let stream = connected.map_err(|error| Unanswered::Unreached(format!("the door is shut: {error}")))?;
        match timeout(PATIENCE, self.exchange(stream)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Unanswered::Lost(why)),
            Err(_) => Err(Unanswered::Lost("no answer came in time".to_owned())),
        }
    }

    async fn exchange(self, mut stream: UnixStream) -> Result<Answer, String> {
        let Request { method, path, body } = self;
        let head = format!(
            "{method} http://doorward.internal{path} HTTP/1.1\r\nHost: doorward.internal\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let lost = |error: std::io::Error| format!("the door broke off: {error}");
        stream.write_all(head.as_bytes()).await.map_err(lost)?;
        // A door that refuses by the head may not read all of the body.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        stream.take(LONGEST as u64).read_to_end(&mut answer).await.map_err(lost)?;
        read(&answer).ok_or_else(|| "the door's answer cannot be read".to_owned())
    }
}

/// An answer with a length and nothing else, which is how the door itself answers.
fn read(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &answer[end + 4..];
    (body.len() == length.unwrap_or(0)).then(|| Answer { status, body: body.to_vec() })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use tokio::net::UnixListener;

    use super::*;

    /// A request to a door that a test serves.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct Asked {
        pub(crate) line: String,
        pub(crate) body: String,
    }

    /// A door in its own folder.
    pub(crate) struct Door {
        pub(crate) dir: tempfile::TempDir,
        asked: Arc<Mutex<Vec<Asked>>>,
    }

    impl Door {
        /// `answer` returns a status and a body.
        pub(crate) fn open(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(dir.path().join("door.sock")).unwrap();
            let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
            let (heard, answer) = (Arc::clone(&asked), Arc::new(answer));
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                    tokio::spawn(async move { serve(stream, &heard, &*answer).await });
                }
            });
            Door { dir, asked }
        }

        pub(crate) fn socket(&self) -> PathBuf {
            self.dir.path().join("door.sock")
        }

        pub(crate) fn asked(&self) -> Vec<Asked> {
            self.asked.lock().unwrap().clone()
        }
    }

    async fn serve(
        mut stream: UnixStream,
        heard: &Mutex<Vec<Asked>>,
        answer: &(dyn Fn(&Asked) -> (u16, String) + Sync),
    ) {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        let asked = loop {
            let count = stream.read(&mut chunk).await.unwrap();
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                let line = head.lines().next().unwrap().replace("http://doorward.internal", "");
                break Asked { line: line.trim_end_matches(" HTTP/1.1").to_owned(), body: body.to_owned() };
            }
        };
        heard.lock().unwrap().push(asked.clone());
        let (status, body) = answer(&asked);
        if status == 0 {
            return;
        }
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_is_whole_or_none() {
        let door = Door::open(|asked| (u16::from(asked.line != "GET /cut") * 200, asked.line.clone()));
        let socket = door.socket();
        let ask = |path| Request { method: "GET", path, body: b"" }.ask(&socket);
        let answer = ask("/x").await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"GET /x".as_slice()));
        assert!(matches!(ask("/cut").await, Err(Unanswered::Lost(_))));
        let nowhere = door.dir.path().join("no.sock");
        let unreached = Request { method: "GET", path: "/x", body: b"" }.ask(&nowhere).await;
        assert!(matches!(unreached, Err(Unanswered::Unreached(_))));
        for cut in ["HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.0 200 x\r\n\r\n", "HTTP/1.1 200 x\r\n", ""]
        {
            assert!(read(cut.as_bytes()).is_none(), "{cut:?}");
        }
    }
}
