//! Sends bytes to the door exactly as given: `curl` would normalise them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::Outcome;
use crate::door;

const MAX_ANSWER: u64 = 4096;

/// Sends the bytes and returns the beginning of the answer; for the attacker, a 2xx status is success.
pub(super) fn raw(escaped: &str) -> Outcome {
    let bytes = unescape(escaped)?;
    let mut stream = TcpStream::connect(door::LISTEN).map_err(|error| format!("the door is closed: {error}"))?;
    let sent = stream.set_read_timeout(Some(Duration::from_secs(5))).and_then(|()| stream.write_all(&bytes));
    sent.map_err(|error| format!("the door does not take it: {error}"))?;
    let mut answer = Vec::new();
    // A time-out or a reset after the answer keeps what came before it.
    let _ = stream.take(MAX_ANSWER).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let accepted =
        answer.lines().next().and_then(|line| line.split(' ').nth(1)).is_some_and(|code| code.starts_with('2'));
    if accepted { Ok(answer) } else { Err(if answer.is_empty() { "closed without an answer".into() } else { answer }) }
}

/// `\r`, `\n`, `\t`, `\\` and `\xHH`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is not a byte"))?
            }
            _ => return Err("a backslash that escapes nothing".to_owned()),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(unescape(r"GET / HTTP/1.1\r\n\x00\\").unwrap(), b"GET / HTTP/1.1\r\n\x00\\");
        assert!(unescape(r"\q").is_err());
        assert!(unescape(r"\xZ1").is_err());
    }
}
