//! An attack case from a file under `tests/vectors`; the README there describes the format.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::Limits;
use serde::Deserialize;

use crate::support::owner::Says;
use crate::support::{packing, spelled};

/// One file: one attack, in one or more spellings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    pub id: String,
    pub title: String,
    /// Where it comes from: an advisory, an issue, a specification.
    pub source: Vec<String>,
    #[serde(rename = "case", default)]
    pub cases: Vec<Case>,
    /// Cases that go through no door: `src/approvals/tests/vectors.rs` runs these.
    #[serde(default)]
    pub chat: Vec<toml::Table>,
    /// Likewise: `src/operations/tests/vectors.rs`.
    #[serde(default)]
    pub file: Vec<toml::Table>,
}

/// One or more requests on one connection, and the expected result.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    #[serde(default = "family")]
    pub door: String,
    /// Rules in addition to the fixture's.
    #[serde(default)]
    pub also: String,
    /// The owner's answer when asked.
    #[serde(default)]
    pub owner: Says,
    #[serde(default)]
    pub limits: BTreeMap<String, u64>,

    /// Target of an ordinary CONNECT.
    pub connect: Option<String>,
    /// A whole CONNECT, byte by byte.
    pub connect_raw: Option<String>,
    /// The name in the TLS handshake; `""` for none. By default the CONNECT's host.
    pub sni: Option<String>,
    #[serde(default = "yes")]
    pub tls: bool,
    /// A request in readable form: line breaks are sent as CRLF.
    pub request: Option<String>,
    /// Written after that, one after the other, byte by byte.
    #[serde(default)]
    pub send: Vec<String>,
    /// Each of them on a separate connection, one after the other.
    #[serde(default)]
    pub anew: bool,
    /// Sends `GET` of this path, with the right Host.
    pub get: Option<String>,
    /// HTTP/2 inside the tunnel, one frame per line.
    pub frames: Option<String>,
    /// How each of its streams ended, or the connection.
    #[serde(default)]
    pub came: Vec<String>,
    /// Other records are allowed beside the expected ones.
    #[serde(default)]
    pub among: bool,
    /// Answers have no bodies.
    #[serde(default)]
    pub head: bool,
    /// Closes the sending side after sending, before it reads.
    #[serde(default)]
    pub ends: bool,
    /// Keeps the connection open and silent after sending.
    #[serde(default)]
    pub silent: bool,
    /// The resolver's answers: for each query a list of addresses, the last repeated.
    #[serde(default)]
    pub names: BTreeMap<String, Vec<Vec<IpAddr>>>,
    /// The upstream's answer, in separate writes.
    #[serde(default)]
    pub answer: Vec<String>,

    pub verdict: Verdict,
    #[serde(default)]
    pub status: Vec<u16>,
    #[serde(default)]
    pub record: Vec<toml::Table>,
    /// Complete requests upstream; by default, as many as were allowed and succeeded.
    pub upstream: Option<usize>,
    #[serde(default)]
    pub upstream_has: Vec<String>,
    #[serde(default)]
    pub upstream_lacks: Vec<String>,
    #[serde(default)]
    pub client_has: Vec<String>,
    #[serde(default)]
    pub client_lacks: Vec<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Refused with an answer; nothing upstream.
    Block,
    /// The connection ends without an answer; nothing upstream.
    Close,
    /// Passes unchanged.
    Allow,
    /// Passes without the parts that must not be passed on.
    Strip,
    /// The answer comes back without the secret.
    Scrub,
    /// Part of it went up before it was cut; the upstream has no complete request.
    Cut,
}

fn family() -> String {
    "family".to_owned()
}

fn yes() -> bool {
    true
}

/// Every attack in the tree, by its family's letter.
pub fn all() -> Vec<(String, Attack)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let mut attacks: Vec<_> = files(&root).into_iter().map(|path| (family_of(&path), read(&path))).collect();
    attacks.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
    attacks
}

fn files(root: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let families = entries(root).into_iter().filter(|dir| dir.is_dir() && !dir.ends_with("fixture"));
    families.flat_map(|dir| entries(&dir)).collect()
}

fn family_of(path: &Path) -> String {
    path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

fn read(path: &Path) -> Attack {
    let attack: Attack = toml::from_str(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = path.file_name().unwrap().to_str().unwrap();
    assert!(file.starts_with(&format!("{}-", attack.id)), "{file} is not about {}", attack.id);
    attack
}

impl Case {
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for (key, value) in &self.limits {
            let time = Duration::from_millis(*value);
            match key.as_str() {
                "head_ms" => limits.head_time = time,
                "handshake_ms" => limits.handshake_time = time,
                "answer_ms" => limits.answer_time = time,
                _ => panic!("{}: no limit {key}", self.name),
            }
        }
        limits
    }
}

/// Fills in a text: `<<NAME>>` is a value, `<<way argument>>` a value in some encoding.
pub struct Filler<'a> {
    pub values: BTreeMap<&'a str, String>,
}

impl Filler<'_> {
    pub fn text(&self, text: &str) -> String {
        String::from_utf8(self.bytes(text)).expect("text, not bytes")
    }

    pub fn bytes(&self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("<<") {
            let (inside, behind) = after.split_once(">>").expect("a >> for every <<");
            out.extend_from_slice(before.as_bytes());
            out.extend(self.filled(inside));
            rest = behind;
        }
        out.extend_from_slice(rest.as_bytes());
        out
    }

    fn filled(&self, inside: &str) -> Vec<u8> {
        let Some((way, argument)) = inside.split_once(' ') else {
            return self.values.get(inside).unwrap_or_else(|| panic!("no value {inside}")).clone().into_bytes();
        };
        let named = self.named(argument);
        if let Some(way) = way.strip_prefix("chunked-") {
            let text = self.filled(&format!("{way} {argument}"));
            return [format!("{:x}\r\n", text.len()).as_bytes(), &text, b"\r\n"].concat();
        }
        if let Some(way) = way.strip_prefix("chunks-") {
            let text = self.filled(&format!("{way} {argument}"));
            return text.iter().flat_map(|byte| [&b"1\r\n"[..], &[*byte], b"\r\n"].concat()).collect();
        }
        if let Some(way) = way.strip_prefix("length-") {
            return self.filled(&format!("{way} {argument}")).len().to_string().into_bytes();
        }
        if let Some(way) = way.strip_prefix("packed-") {
            return packed(way, &named);
        }
        match way {
            "raw" => named.into_bytes(),
            "behind" => named["CANARY_KEY_".len()..].to_owned().into_bytes(),
            "reversed" => named.bytes().rev().collect(),
            "base64twice" => spelled::base64(&spelled::base64(&named)).into_bytes(),
            "base64-lines" => spelled::base64_lines(&named).into_bytes(),
            "percent-twice" => spelled::percent(&spelled::percent(&named)).into_bytes(),
            "json-in-json" => spelled::json(&named).replace('\\', "\\\\").into_bytes(),
            "bomb" => packing::gzip(&vec![0; argument.parse::<usize>().expect("megabytes") << 20]),
            "utf16le" => named.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf16be" => named.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            "utf32be" => named.chars().flat_map(|c| (c as u32).to_be_bytes()).collect(),
            "html" => named.bytes().map(|byte| format!("&#{byte};")).collect::<String>().into_bytes(),
            "chunks64" => chunks(&spelled::base64(&named)).into_bytes(),
            "base64" => spelled::base64(&named).into_bytes(),
            "base64url" => spelled::base64(&named).replace('+', "-").replace('/', "_").into_bytes(),
            "hex" => spelled::hex(&named).into_bytes(),
            "HEX" => spelled::hex(&named).to_uppercase().into_bytes(),
            "percent" => spelled::percent(&named).into_bytes(),
            "component" => spelled::component(&named).into_bytes(),
            "json" => spelled::json(&named).into_bytes(),
            "upper" => named.to_uppercase().into_bytes(),
            "half1" => named[..named.len() / 2].to_owned().into_bytes(),
            "half2" => named[named.len() / 2..].to_owned().into_bytes(),
            "chunks" => chunks(&named).into_bytes(),
            "chunk" => format!("{:x}\r\n{named}\r\n", named.len()).into_bytes(),
            "length" => named.len().to_string().into_bytes(),
            "bytes" => argument.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect(),
            "repeat" => {
                let (times, what) = argument.split_once(' ').expect("repeat TIMES WHAT");
                what.repeat(times.parse().expect("a number")).into_bytes()
            }
            "hello" => client_hello(&argument.split(' ').collect::<Vec<_>>()),
            "half-hello" => {
                let hello = client_hello(&[argument]);
                hello[..hello.len() / 2].to_vec()
            }
            _ => spelled::disguised(way, &named).unwrap_or_else(|| panic!("no way {way}")),
        }
    }

    /// The text with every value's name replaced.
    fn named(&self, text: &str) -> String {
        // Longer names first: WORKSUR1 contains SUR1.
        let mut names: Vec<_> = self.values.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        names.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// A text in a coding, or in an archive.
fn packed(way: &str, text: &str) -> Vec<u8> {
    let member =
        |method| packing::zip(&[("a", b"harmless", packing::Method::Streamed), ("b", text.as_bytes(), method)]);
    match way {
        "raw-deflate" => packing::packed("deflate, without its frame", text.as_bytes()),
        "gzip-gzip" => packing::packed("gzip, gzip", text.as_bytes()),
        "gzip-aws-chunked" => packing::packed("gzip, aws-chunked", text.as_bytes()),
        "gzip-br" => packing::packed("gzip, br", text.as_bytes()),
        "gzip-of-base64" => packing::gzip(spelled::base64(text).as_bytes()),
        "gzip-behind" => packing::gzip(format!("{}{text}", "x y".repeat(1_400_000)).as_bytes()),
        "zip" => member(packing::Method::Deflated),
        "encrypted-zip" => member(packing::Method::Encrypted),
        "zlib" => packing::zlib(text.as_bytes()),
        "bzip2" => packing::bzip2(text.as_bytes()),
        "xz" => packing::xz(text.as_bytes()),
        "tar-gz" => packing::gzip(&packing::tar(&[("a", b"harmless"), ("b", text.as_bytes())])),
        "zip-in-tar-gz" => packing::gzip(&packing::tar(&[("a", &member(packing::Method::Deflated))])),
        "zip-under-gzip" => packing::gzip(&member(packing::Method::Deflated)),
        "zip-in-zip" => packing::zip(&[("a", &member(packing::Method::Deflated), packing::Method::Stored)]),
        "deb" => packing::ar(&[("data.tar.gz", &packing::gzip(&packing::tar(&[("b", text.as_bytes())])))]),
        "pdf" => packing::pdf(text.as_bytes(), false),
        "encrypted-pdf" => packing::pdf(text.as_bytes(), true),
        "form" => packing::multipart("b", &member(packing::Method::Deflated)),
        "message" => message(1, &packing::gzip(text.as_bytes())),
        "plain-message" => message(0, text.as_bytes()),
        coding => packing::packed(coding, text.as_bytes()),
    }
}

/// A gRPC message.
fn message(flags: u8, text: &[u8]) -> Vec<u8> {
    [&[flags], &(text.len() as u32).to_be_bytes()[..], text].concat()
}

/// One chunk per character.
fn chunks(text: &str) -> String {
    text.chars().map(|c| format!("1\r\n{c}\r\n")).collect()
}

/// A TLS 1.2 ClientHello with several names, which no library would send.
fn client_hello(names: &[&str]) -> Vec<u8> {
    let sized = |width: usize, body: Vec<u8>| [&body.len().to_be_bytes()[8 - width..], &body].concat();
    let extension = |kind: u16, body: Vec<u8>| [kind.to_be_bytes().to_vec(), sized(2, body)].concat();
    let entries = names.iter().flat_map(|name| [vec![0], sized(2, name.as_bytes().to_vec())].concat()).collect();
    let extensions = [
        extension(0, sized(2, entries)),
        extension(10, sized(2, vec![0, 29, 0, 23])),
        extension(11, sized(1, vec![0])),
        extension(13, sized(2, vec![4, 3, 8, 4, 4, 1])),
    ]
    .concat();
    let ciphers = sized(2, vec![0xc0, 0x2b, 0xc0, 0x2f]);
    let body = [vec![3, 3], vec![7; 32], vec![0], ciphers, vec![1, 0], sized(2, extensions)].concat();
    let handshake = [vec![1], sized(3, body)].concat();
    [vec![0x16, 3, 1], sized(2, handshake)].concat()
}
