//! What a listener received: one arrival per connection or datagram.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use desk::lock;
use tokio::sync::Notify;

/// Everything that reached a listener, in order.
#[derive(Default)]
pub struct Heard {
    arrivals: Mutex<Vec<Arrival>>,
    changed: Notify,
}

struct Arrival {
    bytes: Vec<u8>,
    /// Our own probe, which does not count.
    ours: bool,
}

impl Heard {
    /// How many connections and datagrams arrived, without our own probes.
    pub fn contacts(&self) -> usize {
        self.lock().iter().filter(|arrival| !arrival.ours).count()
    }

    /// Whether this text has arrived.
    pub fn holds(&self, text: &str) -> bool {
        self.lock().iter().any(|arrival| !arrival.ours && contains(&arrival.bytes, text.as_bytes()))
    }

    /// The last arrival, as text.
    pub fn last(&self) -> Option<String> {
        let arrivals = self.lock();
        let last = arrivals.iter().rev().find(|arrival| !arrival.ours)?;
        Some(String::from_utf8_lossy(&last.bytes).into_owned())
    }

    /// Waits until this text has arrived; returns whether it did in time.
    pub async fn until(&self, text: &str, patience: Duration) -> bool {
        let arrived = async {
            loop {
                // Created before the check, so that nothing is missed in between.
                let changed = self.changed.notified();
                if self.holds(text) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, arrived).await.is_ok()
    }

    /// Waits for our own probe.
    pub(super) async fn until_ours(&self, knock: &[u8]) {
        loop {
            let changed = self.changed.notified();
            if self.lock().iter().any(|arrival| arrival.ours && contains(&arrival.bytes, knock)) {
                return;
            }
            changed.await;
        }
    }

    /// A new arrival; more may follow under this number.
    pub(super) fn arrived(&self, bytes: &[u8]) -> usize {
        let mut arrivals = self.lock();
        arrivals.push(Arrival { bytes: bytes.to_vec(), ours: bytes.starts_with(KNOCK) });
        let number = arrivals.len() - 1;
        drop(arrivals);
        self.changed.notify_waiters();
        number
    }

    pub(super) fn add(&self, number: usize, bytes: &[u8]) {
        if let Some(arrival) = self.lock().get_mut(number) {
            arrival.bytes.extend_from_slice(bytes);
            arrival.ours = arrival.bytes.starts_with(KNOCK);
        }
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        lock(&self.arrivals)
    }
}

/// The prefix of our own probes.
pub(super) const KNOCK: &[u8] = b"doorward-knocks-";

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn knocks_are_not_counted_and_nothing_else_is_missed() {
        let heard = Heard::default();
        let number = heard.arrived(b"");
        assert_eq!(heard.contacts(), 1);
        heard.add(number, b"GET /se");
        heard.add(number, b"cret HTTP/1.1");
        assert!(heard.holds("secret") && !heard.holds("") && !heard.holds("other"));
        heard.arrived(b"doorward-knocks-1");
        assert_eq!(heard.contacts(), 1);
        assert!(heard.until("secret", Duration::ZERO).await);
        assert!(!heard.until("knocks", Duration::from_millis(1)).await);
    }
}
