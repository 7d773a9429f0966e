//! What watching for secrets costs: the list, and a body that is searched.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use scan::{Watched, WatchedKind, Watchlist};
use secrecy::SecretString;

use crate::chart::{Chart, Line};
use crate::{Reach, millis, sizes};

/// A body that goes up, in pieces as it comes.
const BODY: usize = 1 << 20;
const PIECE: usize = 16 << 10;

/// With what such texts hold: escapes, and a URL with a query.
const ROW: &str =
    r#"{"id":4711,"url":"https://api.example.com/notes?page=1&per_page=30","title":"caf\u00e9 \"x\"","open":true},"#;

pub(crate) fn charts(reach: Reach) -> Vec<Chart> {
    let mut chart = Chart {
        name: "secrets",
        title: "Secrets that are watched for",
        across: "secrets",
        up: "milliseconds",
        lines: ["a mebibyte of JSON goes up", "a mebibyte of random bytes goes up", "the list is made"]
            .map(Line::new)
            .into(),
    };
    let json = Bytes::from(ROW.repeat(BODY / ROW.len()));
    let random = Bytes::from((0..BODY).map(|_| rand::random::<u8>()).collect::<Vec<_>>());
    for secrets in sizes(reach, 1, [20, 1_000, 1_000]) {
        let values: Vec<String> = (0..secrets).map(|_| format!("key-{:032x}", rand::random::<u128>())).collect();
        let list = Arc::new(list(&values));
        let made = millis(5, || drop(crate::secrets::list(&values)));
        chart.add(secrets, [searched(&list, &json), searched(&list, &random), made]);
    }
    vec![chart]
}

fn searched(list: &Arc<Watchlist>, body: &Bytes) -> f64 {
    millis(5, || {
        let mut filter = list.filter();
        for from in (0..body.len()).step_by(PIECE) {
            let piece = body.slice(from..body.len().min(from + PIECE));
            assert!(black_box(filter.push(piece)).is_ok());
        }
        assert!(filter.finish().is_ok());
    })
}

fn list(values: &[String]) -> Watchlist {
    let watched = values.iter().map(|value| {
        let what = WatchedKind::Secret { credential: "bench".into() };
        Watched::new(what, &SecretString::from(value.as_str()))
    });
    Watchlist::build(watched).unwrap()
}
