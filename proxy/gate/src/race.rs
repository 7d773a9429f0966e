//! Several attempts at one thing: in which order, and which of them counts (RFC 8305). What it is
//! not: an attempt. It polls what it is given.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

/// How long one attempt has before the next is tried as well (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// At most this many are tried at a time: each takes a file descriptor.
const AT_ONCE: usize = 4;

/// The first attempt to succeed; the others are dropped. Each gets a head start, and where one fails
/// the next begins at once. The error is the reason of the last that gave one.
pub(crate) async fn first_of<T>(
    attempts: impl Iterator<Item = impl Future<Output = Result<T, Option<String>>>>,
) -> Result<T, String> {
    let mut reason = "it took too long".to_owned();
    let mut waiting = attempts.peekable();
    let mut under_way = FuturesUnordered::new();
    let mut goes = true;
    loop {
        if goes && let Some(attempt) = waiting.next() {
            under_way.push(attempt);
        }
        let more = waiting.peek().is_some() && under_way.len() < AT_ONCE;
        tokio::select! {
            biased;
            ended = under_way.next() => match ended {
                Some(Ok(won)) => return Ok(won),
                Some(Err(Some(why))) => reason = why,
                Some(Err(None)) => {}
                None => return Err(reason),
            },
            () = sleep(HEAD_START), if more => {}
        }
        goes = under_way.len() < AT_ONCE;
    }
}

/// Alternates two kinds, such as address families, each in the order received (RFC 8305 §4): where
/// one leads nowhere, the other is tried at once.
pub(crate) fn in_turns<T: Copy>(all: &[T], kind: impl Fn(&T) -> bool) -> impl Iterator<Item = T> {
    let first = all.first().is_some_and(&kind);
    let (one, other): (Vec<T>, Vec<T>) = all.iter().copied().partition(|one| kind(one) == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(move || match (one.next(), other.next()) {
        (None, None) => None,
        pair => Some([pair.0, pair.1]),
    })
    .flatten()
    .flatten()
}
