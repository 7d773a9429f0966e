//! The cases in `tests/corpus`: what must not leave, each with a near miss beside it. The format is
//! that of agent-egress-bench; texts and values are our own, and no key is real.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::{Watched, WatchedKind, Watchlist};
use super::{chunks, filtered};

struct Case {
    id: String,
    /// The head as it is searched, and the body or messages after it.
    head: Vec<u8>,
    bodies: Vec<Vec<u8>>,
    known: Vec<String>,
    /// Whether it must be stopped if its values are watched, and if only shapes are.
    watched: bool,
    shapes: bool,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn bytes(value: &Value, encoding: &Value) -> Vec<u8> {
    match encoding.as_str() {
        Some("base64") => STANDARD.decode(text(value)).unwrap(),
        _ => text(value).into_bytes(),
    }
}

impl Case {
    fn read(case: &Value) -> Case {
        let payload = &case["payload"];
        let headers = payload["headers"].as_object().into_iter().flatten();
        let headers: String = headers.map(|(name, value)| format!("{name}: {}\n", text(value))).collect();
        let frames = payload["frames"].as_array().into_iter().flatten();
        let mut bodies: Vec<_> = frames.map(|frame| bytes(&frame["payload"], &frame["encoding"])).collect();
        bodies.extend(payload.get("body").map(|body| bytes(body, &payload["body_encoding"])));
        Case {
            id: text(&case["id"]),
            head: format!("{}\n{headers}", text(&payload["url"])).into_bytes(),
            bodies,
            known: case["known"].as_array().unwrap().iter().map(text).collect(),
            watched: case["watched"] == "block",
            shapes: case["shapes"] == "block",
        }
    }

    fn is_stopped(&self, list: &Arc<Watchlist>, shapes: bool) -> bool {
        let in_head = list.find_in(&self.head).is_some() || (shapes && !list.lookalikes_in(&self.head).is_empty());
        in_head
            || self.bodies.iter().any(|body| {
                let filter = if shapes { list.filter().with_lookalikes() } else { list.filter() };
                let cuts = [body.len() / 3, body.len() / 2];
                filtered(filter, chunks(body, &cuts)).1.is_some()
            })
    }
}

fn cases() -> Vec<(String, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let all: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        (file.file_stem().unwrap().to_string_lossy().into_owned(), all.iter().map(Case::read).collect())
    };
    files.iter().map(read).collect()
}

fn watching(known: &[String]) -> Arc<Watchlist> {
    let what = || WatchedKind::Canary { name: "bait".into() };
    let items = known.iter().map(|value| Watched { what: what(), value: value.clone().into_bytes().into() });
    Arc::new(Watchlist::build(items).unwrap())
}

#[test]
fn every_case_of_the_corpus_is_stopped_and_every_near_miss_passes() {
    let mut wrong = Vec::new();
    for (class, cases) in cases() {
        let attacks = cases.iter().filter(|case| case.watched || case.shapes).count();
        assert!(attacks >= 5 && cases.len() - attacks >= 5, "{class} has {attacks} attacks of {}", cases.len());
        for case in &cases {
            if case.is_stopped(&watching(&case.known), false) != case.watched {
                wrong.push(format!("{} where its values are watched", case.id));
            }
            if case.is_stopped(&Arc::default(), true) != case.shapes {
                wrong.push(format!("{} where shapes are looked for", case.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// If nothing is searched for, nothing is stopped: the cases can fail.
#[test]
fn without_the_leak_check_the_corpus_passes() {
    assert!(cases().iter().flat_map(|(_, cases)| cases).all(|case| !case.is_stopped(&Arc::default(), false)));
}
