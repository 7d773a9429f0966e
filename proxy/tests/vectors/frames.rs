//! HTTP/2 as the cases write it, one frame per line, and the reply. Frames by hand: no library
//! would send most of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Filler;
use crate::support::Client;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// By their numbers (RFC 9113 §7).
const REASONS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// Converts a script to bytes.
struct Writer<'a> {
    filler: &'a Filler<'a>,
    /// `:authority` in abbreviated heads.
    authority: &'a str,
    bytes: Vec<u8>,
    last: u32,
    /// Streams that the client has ended: their answers are awaited.
    ended: BTreeSet<u32>,
}

/// What arrived on a connection.
#[derive(Default)]
pub struct Came {
    unread: Vec<u8>,
    streams: BTreeMap<u32, String>,
    over: BTreeSet<u32>,
    goaway: Option<String>,
    closed: bool,
}

/// Sends a script and reads until every stream that it ended is over.
pub async fn speak(script: &str, filler: &Filler<'_>, authority: &str, client: &mut Client) -> Vec<String> {
    let mut writer = Writer { filler, authority, bytes: PREFACE.to_vec(), last: 0, ended: BTreeSet::new() };
    let mut came = Came::default();
    // No table: the reply can be read without one.
    writer.frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut rest = &lines[..];
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["await", stream] => {
                let stream = writer.stream(stream);
                client.send(std::mem::take(&mut writer.bytes)).await;
                came.until_over(stream, client).await;
            }
            ["times", count] => {
                let end = rest.iter().position(|line| line.trim() == "done").expect("done");
                for _ in 0..count.parse::<usize>().expect("a number") {
                    writer.write(&rest[..end]);
                }
                rest = &rest[end + 1..];
            }
            _ => {
                let fields = rest.iter().take_while(|line| line.starts_with("  ")).count();
                writer.write(&lines[lines.len() - rest.len() - 1..][..=fields]);
                rest = &rest[fields..];
            }
        }
    }
    client.send(std::mem::take(&mut writer.bytes)).await;
    // If no request is complete, this waits for the end of the connection.
    let ended = if writer.ended.is_empty() && came.over.is_empty() { BTreeSet::from([0]) } else { writer.ended };
    for stream in ended {
        came.until_over(stream, client).await;
    }
    came.events()
}

impl Writer<'_> {
    /// Frames, one per line, with their fields on indented lines below.
    fn write(&mut self, mut lines: &[&str]) {
        while let Some((line, rest)) = lines.split_first() {
            let fields = rest.iter().take_while(|line| line.starts_with("  ")).count();
            self.statement(line, &rest[..fields]);
            lines = &rest[fields..];
        }
    }

    fn statement(&mut self, line: &str, fields: &[&str]) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if kind == "raw" {
            let [kind, flags, stream, payload] = rest.splitn(4, ' ').collect::<Vec<_>>()[..] else {
                panic!("raw KIND FLAGS STREAM PAYLOAD: {line}")
            };
            let (stream, payload) = (self.stream(stream), self.filler.bytes(payload));
            return self.frame(kind.parse().unwrap(), flags.parse().unwrap(), stream, &payload);
        }
        if kind == "settings" {
            let payload = self.filler.bytes(rest);
            return self.frame(SETTINGS, 0, 0, &payload);
        }
        let (stream, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let stream = self.stream(stream);
        let block: Vec<u8> = fields.iter().flat_map(|line| self.field(line)).collect();
        let (ends, more) = (rest.starts_with("end"), rest.ends_with("more"));
        let flags = if ends { END_STREAM } else { 0 } | if more { 0 } else { END_HEADERS };
        match kind {
            "headers" => self.headers(flags, stream, &block),
            "continuation" => self.frame(CONTINUATION, flags & END_HEADERS, stream, &block),
            "get" => self.whole("GET", rest, END_STREAM | END_HEADERS, stream, &block),
            "post" => self.whole("POST", rest, END_HEADERS, stream, &block),
            "data" => {
                let text = rest.strip_prefix("end").unwrap_or(rest).trim_start();
                let payload = self.filler.bytes(text);
                if ends {
                    self.ended.insert(stream);
                }
                self.frame(DATA, flags & END_STREAM, stream, &payload);
            }
            "reset" => {
                let reason = REASONS.iter().position(|name| *name == rest).expect("a reason") as u32;
                self.ended.remove(&stream);
                self.frame(RST_STREAM, 0, stream, &reason.to_be_bytes());
            }
            "window" => self.frame(WINDOW_UPDATE, 0, stream, &rest.parse::<u32>().expect("a number").to_be_bytes()),
            _ => panic!("no frame {line:?}"),
        }
    }

    fn whole(&mut self, method: &str, path: &str, flags: u8, stream: u32, more: &[u8]) {
        let path = self.filler.bytes(path);
        let head = [
            literal(b":method", method.as_bytes()),
            literal(b":scheme", b"https"),
            literal(b":authority", self.authority.as_bytes()),
            literal(b":path", &path),
        ];
        self.headers(flags, stream, &[&head.concat(), more].concat());
    }

    fn headers(&mut self, flags: u8, stream: u32, block: &[u8]) {
        if flags & END_STREAM != 0 {
            self.ended.insert(stream);
        }
        self.frame(HEADERS, flags, stream, block);
    }

    /// `name: value`; a name may begin with a colon.
    fn field(&self, line: &str) -> Vec<u8> {
        let line = line.trim_start();
        let colon = line[1..].find(": ").expect("name: value") + 1;
        literal(&self.filler.bytes(&line[..colon]), &self.filler.bytes(&line[colon + 2..]))
    }

    /// A number; `+` for the next new stream, `=` for the same one again.
    fn stream(&mut self, word: &str) -> u32 {
        let stream = match word {
            "=" => return self.last,
            "+" if self.last == 0 => 1,
            "+" => self.last + 2,
            number => number.parse().expect("a stream"),
        };
        self.last = self.last.max(stream);
        stream
    }

    /// RFC 9113 §4.1.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.bytes.extend([&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat());
    }
}

/// A field that is neither indexed nor Huffman-coded (RFC 7541 §6.2.2).
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], sized(name), sized(value)].concat()
}

/// RFC 7541 §5.1 and §5.2.
fn sized(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if text.len() < 127 {
        out.push(text.len() as u8);
    } else {
        out.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            out.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text);
    out
}

impl Came {
    async fn until_over(&mut self, stream: u32, client: &mut Client) {
        while !self.closed && !self.over.contains(&stream) {
            let some = client.some().await;
            self.closed = some.is_empty();
            self.unread.extend(some);
            while let [a, b, c, kind, flags, s, t, r, m, ..] = self.unread[..] {
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                if self.unread.len() < 9 + length {
                    break;
                }
                let payload: Vec<u8> = self.unread.drain(..9 + length).skip(9).collect();
                self.take(kind, flags, u32::from_be_bytes([s, t, r, m]), &payload);
            }
        }
    }

    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let reason = |payload: &[u8]| {
            let number = u32::from_be_bytes(payload[..4].try_into().unwrap()) as usize;
            REASONS[number].to_owned()
        };
        match kind {
            HEADERS if !self.streams.contains_key(&stream) => {
                self.streams.insert(stream, status(payload));
            }
            RST_STREAM => {
                self.streams.entry(stream).or_insert_with(|| format!("reset {}", reason(payload)));
                self.over.insert(stream);
            }
            GOAWAY => self.goaway = Some(reason(&payload[4..])).filter(|reason| reason != "NO_ERROR"),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.over.insert(stream);
        }
    }

    /// How each stream ended, or the whole connection.
    fn events(self) -> Vec<String> {
        match self.goaway {
            Some(reason) => vec![format!("goaway {reason}")],
            None => self.streams.into_iter().map(|(stream, end)| format!("{stream} {end}")).collect(),
        }
    }
}

/// The `:status` of an answer: the first field, from the static table, in digits or Huffman-coded
/// (RFC 7541 appendices A and B: a digit below 3 takes five bits, others six).
fn status(block: &[u8]) -> String {
    let indexed = ["200", "204", "206", "304", "400", "404", "500"];
    // A table size update may come first.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    let block = &block[start..];
    if block[0] & 0x80 != 0 {
        return indexed[usize::from(block[0] & 0x7f) - 8].to_owned();
    }
    let length = usize::from(block[1] & 0x7f);
    let text = &block[2..][..length];
    if block[1] & 0x80 == 0 {
        return String::from_utf8_lossy(text).into_owned();
    }
    let bits: String = text.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut digits, mut rest) = (String::new(), &bits[..]);
    while digits.len() < 3 {
        let five = u8::from_str_radix(&rest[..5], 2).unwrap();
        let (digit, width) =
            if five < 3 { (five, 5) } else { (u8::from_str_radix(&rest[..6], 2).unwrap() - 0x19 + 3, 6) };
        digits.push(char::from(b'0' + digit));
        rest = &rest[width..];
    }
    digits
}
