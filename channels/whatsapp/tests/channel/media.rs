//! The server's media hosts, on its own port: each upload gets an address.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::server::{Seen, State};

/// Whether a connection is for an upload.
pub(super) async fn is_upload(stream: &TcpStream) -> bool {
    let mut first = [0; 4];
    while let Ok(count) = stream.peek(&mut first).await {
        if count == 0 || count == first.len() {
            break;
        }
    }
    &first == b"POST"
}

/// Takes one file.
pub(super) async fn take(mut stream: TcpStream, state: &Arc<Mutex<State>>) {
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    let body = loop {
        let Ok(count) = stream.read(&mut chunk).await else { return };
        if count == 0 {
            return;
        }
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        if bytes.len() - end - 4 == length {
            break bytes.split_off(end + 4);
        }
    };
    let (status, answer) = {
        let state = state.lock().await;
        // Answers the question whether it already has a file.
        if state.no_media || body.is_empty() {
            ("404 Not Found", "{}")
        } else {
            state.tell(Seen::Uploaded(body));
            ("200 OK", r#"{"url":"https://media.test/v/file","direct_path":"/v/file"}"#)
        }
    };
    let length = answer.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}");
    let _ = stream.write_all(answer.as_bytes()).await;
}
