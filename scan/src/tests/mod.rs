//! Tests of the scan: what is found and scrubbed, whatever its form and however the text is cut.
#![allow(clippy::unwrap_used)]

mod benign;
mod corpus;
mod encodings;
mod forms;
mod found;
mod held;
mod lookalike;
mod needles;
mod scrubbed;

use std::sync::Arc;

use bytes::Bytes;

use super::{Finding, LeakFilter, Scrubber, Stop, Watched, WatchedKind, Watchlist};

fn secret(name: &str) -> WatchedKind {
    WatchedKind::Secret { credential: name.into() }
}

fn watching(values: &[&[u8]]) -> Arc<Watchlist> {
    let items = values
        .iter()
        .enumerate()
        .map(|(i, value)| Watched { what: secret(&format!("c{i}")), value: value.to_vec().into() });
    Arc::new(Watchlist::build(items).unwrap())
}

/// Cuts a text at the given places, which may come in any order and lie outside.
fn chunks(text: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).chain([0, text.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| Bytes::copy_from_slice(&text[pair[0]..pair[1]])).collect()
}

/// What a filter lets out, and what stopped it.
fn filtered(mut filter: LeakFilter, chunks: Vec<Bytes>) -> (Vec<u8>, Option<Finding>) {
    let mut out = Vec::new();
    for chunk in chunks {
        match filter.push(chunk) {
            Ok(bytes) => out.extend_from_slice(&bytes.unwrap_or_default()),
            Err(stop) => return (out, Some(found(stop))),
        }
    }
    match filter.finish() {
        Ok(bytes) => out.extend_from_slice(&bytes.unwrap_or_default()),
        Err(stop) => return (out, Some(found(stop))),
    }
    (out, None)
}

fn found(stop: Stop) -> Finding {
    match stop {
        Stop::Found(finding) => finding,
        Stop::Unreadable(why) => panic!("{why}"),
    }
}

fn scrubbed(scrubber: &mut Scrubber, chunks: Vec<Bytes>) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&scrubber.push(chunk).unwrap().unwrap_or_default());
    }
    out.extend_from_slice(&scrubber.finish().unwrap().unwrap_or_default());
    out
}
