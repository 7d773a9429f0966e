//! What must pass: files and conversations of ordinary work, all made here. No watched value may be
//! found in them; how many seem to hold a secret is counted.

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

use super::super::{LeakFilter, Replacement, Scrubber, Stop, Watched, WatchedKind, Watchlist};
use super::{chunks, scrubbed, secret};

/// How many of each kind.
const EACH: u64 = 40;

/// The same numbers on every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, most: u64) -> u64 {
        (self.next() >> 33) % most
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 40) as u8).collect()
    }

    fn hex(&mut self, count: usize) -> String {
        self.bytes(count).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn base64(&mut self, count: usize) -> String {
        STANDARD.encode(self.bytes(count))
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 24] = [
            "door", "token", "secret", "key", "value", "list", "render", "parse", "group", "policy", "house", "river",
            "async", "return", "const", "window", "stream", "table", "buffer", "header", "query", "model", "agent",
            "note",
        ];
        WORDS[self.below(WORDS.len() as u64) as usize]
    }

    fn sentence(&mut self, words: u64) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }

    fn lines(&mut self, count: u64, line: impl Fn(&mut Self) -> String) -> Vec<u8> {
        (0..count).map(|_| line(self) + "\n").collect::<String>().into_bytes()
    }

    fn uuid(&mut self) -> String {
        let hex = self.hex(16);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    fn version(&mut self) -> String {
        format!("{}.{}.{}", self.below(9), self.below(30), self.below(99))
    }

    fn source(&mut self) -> Vec<u8> {
        self.lines(60, |n| {
            let (a, b) = (n.word(), n.word());
            format!("let {a} = std::env::var(\"{}_API_KEY\")?; // {b}: 100%\\n {:#x}", b.to_uppercase(), n.next())
        })
    }

    fn pem(&mut self, label: &str) -> Vec<u8> {
        let text = self.base64(294);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
    }
}

type Kind = (&'static str, fn(&mut Numbers) -> Vec<u8>);

const KINDS: [Kind; 21] = [
    ("npm lock file", |n| {
        n.lines(80, |n| {
            let (name, version, sum) = (n.word(), n.version(), n.base64(64));
            format!("\"node_modules/{name}\": {{ \"version\": \"{version}\", \"resolved\": \"https://registry.example/{name}/-/{name}-{version}.tgz\", \"integrity\": \"sha512-{sum}\" }},")
        })
    }),
    ("Cargo.lock", |n| {
        n.lines(80, |n| {
            format!(
                "[[package]]\nname = \"{}\"\nversion = \"{}\"\nchecksum = \"{}\"\n",
                n.word(),
                n.version(),
                n.hex(32)
            )
        })
    }),
    ("pip metadata", |n| {
        n.lines(60, |n| format!("{{\"digests\":{{\"blake2b_256\":\"{}\",\"md5\":\"{}\",\"sha256\":\"{}\"}},\"size\":{},\"upload_time_iso_8601\":\"2026-01-{:02}T10:11:12.{:06}Z\"}}", n.hex(32), n.hex(16), n.hex(32), n.below(9_999_999), n.below(28), n.below(999_999)))
    }),
    ("git pack", |n| {
        let objects = (0..20).flat_map(|_| [vec![0xb5, 0x0e], compress_to_vec_zlib(&n.source(), 6)].concat());
        let mut pack = [b"PACK\0\0\0\x02\0\0\0\x14".to_vec(), objects.collect()].concat();
        pack.extend(n.bytes(20));
        pack
    }),
    ("git push", |n| {
        format!(
            "00a8{} {} refs/heads/main\0 report-status-v2 side-band-64k object-format=sha1 agent=git/2.39.5-0000PACK",
            n.hex(20),
            n.hex(20)
        )
        .into_bytes()
    }),
    ("PNG", |n| {
        let pixels: Vec<u8> = (0..40_000u32).map(|at| (at / 200) as u8 ^ (n.next() >> 61) as u8).collect();
        [
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\xc8\0\0\0\xc8\x08\0\0\0\0\0\0\0\0\0\0\0\0IDAT".to_vec(),
            compress_to_vec_zlib(&pixels, 6),
        ]
        .concat()
    }),
    ("JPEG", |n| {
        let scan: Vec<u8> = n.bytes(30_000).into_iter().filter(|byte| *byte != 0xff).collect();
        [b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xda\0\x08".to_vec(), scan, b"\xff\xd9".to_vec()]
            .concat()
    }),
    ("public key", |n| n.pem("PUBLIC KEY")),
    ("SSH keys", |n| {
        n.lines(9, |n| format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} {}@{}", n.base64(31), n.word(), n.word()))
    }),
    ("certificates", |_| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.test".to_owned(), "b.test".to_owned()]).unwrap();
        let signed = params.self_signed(&key).unwrap();
        [signed.pem().repeat(3).into_bytes(), key.public_key_pem().into_bytes()].concat()
    }),
    ("minified script", |n| {
        let one = |n: &mut Numbers| {
            format!(
                "function {}({}){{return{}[{}]||(e=>{{t.{}=e*{}e{}}})}}",
                n.word(),
                n.word(),
                n.word(),
                n.below(9999),
                n.word(),
                n.below(99),
                n.below(15)
            )
        };
        (0..400).map(|_| one(n)).collect::<String>().into_bytes()
    }),
    ("Messages API", |n| {
        let turns: Vec<_> = (0..12)
            .map(|at| {
                let text = format!("{} Set ANTHROPIC_API_KEY=sk-ant-... or GITHUB_TOKEN=ghp_… and call {}; C:\\temp\\n {}", n.sentence(40), n.word(), n.base64(12));
                let result = format!("HOME=/home/agent\nOPENAI_API_KEY is not set\n{}  -\n{}", n.hex(32), String::from_utf8_lossy(&n.source()));
                serde_json::json!({"role": if at % 2 == 0 { "user" } else { "assistant" }, "content": [
                    {"type": "text", "text": text},
                    {"type": "tool_use", "id": format!("toolu_01{}", URL_SAFE_NO_PAD.encode(n.bytes(16))), "name": "bash", "input": {"command": "env | sort"}},
                    {"type": "tool_result", "tool_use_id": "toolu_01", "content": result},
                    {"type": "thinking", "thinking": n.sentence(30), "signature": n.base64(120)}]})
            })
            .collect();
        serde_json::json!({"model": "claude", "max_tokens": 32000, "messages": turns}).to_string().into_bytes()
    }),
    ("chat completions", |n| {
        let turns: Vec<_> = (0..12).map(|_| serde_json::json!({"role": "tool", "tool_call_id": format!("call_{}", n.hex(12)), "content": serde_json::json!({"file": String::from_utf8_lossy(&n.source()), "sha": n.hex(20)}).to_string()})).collect();
        serde_json::json!({"model": "gpt", "messages": turns, "tools": [{"type": "function", "function": {"name": "api_key_help"}}]}).to_string().into_bytes()
    }),
    ("a surrogate told to a model", |n| {
        format!("{{\"content\":\"BANK_TOKEN={SURROGATE}\\n{}\"}}", n.sentence(50)).into_bytes()
    }),
    ("base64 attachment", |n| {
        let text = STANDARD.encode(n.bytes(20_000));
        text.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect()
    }),
    ("base64 in JSON", |n| format!("{{\"media_type\":\"image/png\",\"data\":\"{}\"}}", n.base64(20_000)).into_bytes()),
    ("UUIDs", |n| n.lines(200, Numbers::uuid)),
    ("hashes", |n| n.lines(200, |n| format!("{}  {}-{}.tar.gz", n.hex(32), n.word(), n.version()))),
    ("table of numbers", |n| {
        n.lines(200, |n| {
            format!(
                "{},{},2026-11-{:02}T08:00:00Z,+49 30 {:07},{:.4},{}",
                n.below(999_999),
                n.next() >> 1,
                n.below(28),
                n.below(9_999_999),
                n.below(99_999) as f64 / 7.0,
                1_700_000_000_000_000 + n.below(99_999_999_999)
            )
        })
    }),
    ("gzip file", |n| {
        let text = [n.source(), n.pem("PUBLIC KEY")].concat();
        [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &compress_to_vec(&text, 6), &[0; 8]].concat()
    }),
    ("any bytes", |n| n.bytes(30_000)),
];

const SURROGATE: &str = "sk-ant-api03-Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe9Dc8Ba7ZyXwVu";

/// What an installation with a few credentials looks for.
fn watchlist(n: &mut Numbers) -> Arc<Watchlist> {
    let item = |what, value: Vec<u8>| Watched { what, value: value.into() };
    let prefixes = ["sk-ant-api03-", "ghp_", "AKIA", "xoxb-", "", "glpat-", "bot", "sk-proj-"];
    let mut items: Vec<_> = (0..24)
        .map(|at| {
            let value = format!("{}{}", prefixes[at % 8], URL_SAFE_NO_PAD.encode(n.bytes(24)));
            item(secret(&format!("c{at}")), value.into_bytes())
        })
        .collect();
    items.push(item(secret("phrase"), b"correct horse battery staple".to_vec()));
    let surrogate = WatchedKind::Surrogate {
        credential: "bank".into(),
        sandbox: words::SandboxId::new("ab12").unwrap(),
        group: words::GroupName::parse("family").unwrap(),
        retired: false,
    };
    items.push(item(surrogate, SURROGATE.into()));
    Arc::new(Watchlist::build(items).unwrap())
}

/// As on the way to a model: surrogates may be quoted, lookalikes are noted.
fn filter(list: &Arc<Watchlist>) -> LeakFilter {
    let passes = |what: &WatchedKind| matches!(what, WatchedKind::Surrogate { .. } | WatchedKind::Lookalike { .. });
    list.filter().with_lookalikes().tolerating(passes)
}

/// What a filter lets out of a body, and how many findings other than the surrogate it noted.
fn sent(mut filter: LeakFilter, body: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, Vec<String>), Stop> {
    let mut out = Vec::new();
    for chunk in chunks(body, cuts) {
        out.extend(filter.push(chunk)?.unwrap_or_default());
    }
    out.extend(filter.finish()?.unwrap_or_default());
    let noted = filter.noted().iter().filter(|finding| matches!(finding.what, WatchedKind::Lookalike { .. }));
    Ok((out, noted.map(|finding| finding.what.to_string()).collect()))
}

#[test]
#[expect(clippy::print_stderr, reason = "the rates are a result of this test")]
fn ordinary_work_passes_unchanged() {
    let mut n = Numbers(0x5DEE_CE66_D1CE_4E5B);
    let list = watchlist(&mut n);
    let replacement = Replacement { secret: "correct horse battery staple".into(), surrogate: "s".into() };
    let (mut bodies, mut bytes, mut blocked, mut lookalikes) = (0, 0, Vec::new(), Vec::new());
    for (name, make) in KINDS {
        for _ in 0..EACH {
            let body = make(&mut n);
            let cuts: Vec<usize> = (0..body.len()).step_by(4000 + n.below(9000) as usize).collect();
            bodies += 1;
            bytes += body.len();
            match sent(filter(&list), &body, &cuts) {
                Err(stop) => blocked.push(format!("{name}: {stop:?}")),
                Ok((out, noted)) => {
                    assert!(out == body, "{name} was changed");
                    lookalikes.extend(noted.into_iter().map(|what| format!("{name}: {what}")));
                }
            }
            let mut scrubber = Scrubber::new(std::slice::from_ref(&replacement));
            assert!(scrubbed(&mut scrubber, chunks(&body, &cuts)) == body, "{name} was scrubbed");
            // As messages of a WebSocket: none may wait for the next one.
            assert_eq!(scrubber.push_last(body.clone().into()).unwrap().unwrap_or_default(), body, "{name}");
        }
    }
    let mut report =
        format!("{bodies} harmless bodies of {} kinds, {} KiB: {} blocked", KINDS.len(), bytes >> 10, blocked.len());
    write!(report, ", {} lookalikes ({:.2} %)", lookalikes.len(), 100.0 * lookalikes.len() as f64 / f64::from(bodies))
        .unwrap();
    eprintln!("{report}");
    assert!(blocked.is_empty(), "{blocked:#?}");
    assert!(lookalikes.len() * 100 < bodies as usize, "{lookalikes:#?}");
}
