//! The upstream connections of one door. Never shared between doors, authorities or
//! credentials, and checked again before each use.
//!
//! One that speaks HTTP/1.1 is here while it idles, and serves one request at a time. One
//! that speaks HTTP/2 (a line) serves as many as its window has room for: whoever does not
//! read uses up no room but its own, and the next request gets another line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::client::conn::http2;
use policies::{Authority, CheckedAddress, Code, Permit, Refusal, Scheme};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::outbound::Carried;
use super::speak::AbortOnDrop;
use super::{Single, Upstream};
use crate::connection::Limits;
use crate::door::Door;
use crate::streams::{Streams, Wait};

/// Requests on one connection of HTTP/2 at a time, where the host takes so many: its
/// window is as large as theirs together.
pub(super) const STREAMS: usize = 8;

/// How often whoever waits for a place looks for one, if nobody says that there is one.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A body of which the host takes nothing for so long holds up its line.
const HELD_UP: Duration = Duration::from_secs(1);

/// What two requests must have in common to use one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    scheme: Scheme,
    authority: Authority,
    credential: Option<Arc<str>>,
}

/// The connections that may be used again.
pub(crate) struct Pool {
    kept: Mutex<Kept>,
    freed: Arc<Notify>,
    limits: Limits,
}

#[derive(Default)]
struct Kept {
    idle: HashMap<Key, Vec<Idle>>,
    lines: HashMap<Key, Vec<Line>>,
    /// Lines that are being opened where there are some already.
    opening: HashMap<Key, usize>,
}

struct Idle {
    single: Single,
    since: Instant,
}

/// A connection of HTTP/2.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) sender: http2::SendRequest<Carried>,
    pub(super) streams: Streams,
    /// How many streams at a time the host takes, as far as it has said so.
    most: Arc<dyn Fn() -> usize + Send + Sync>,
    pub(super) address: CheckedAddress,
    pub(super) driver: Arc<AbortOnDrop>,
    used: Arc<Mutex<Used>>,
}

/// By how many requests, and since when by none.
struct Used {
    by: usize,
    last: Instant,
    /// Of the bodies on their way.
    waits: Vec<Weak<Wait>>,
}

/// One request's place on a line. Given up when it is dropped, with the last of the request.
pub(crate) struct Place {
    used: Arc<Mutex<Used>>,
    freed: Arc<Notify>,
}

/// What there is for a request.
pub(super) enum Found {
    /// A connection that others have used before.
    Kept(Upstream),
    /// Nothing; another may be opened.
    Room(Option<Opening>),
}

/// The right to open one more line, for as long as that takes.
pub(super) struct Opening {
    door: Arc<Door>,
    key: Key,
}

/// A connection in use. Given back only after a whole answer; dropped otherwise.
pub(crate) struct Lease {
    door: Arc<Door>,
    key: Key,
    upstream: Upstream,
    /// Whether it may be used again.
    keeps: bool,
}

impl Key {
    pub(crate) fn of(permit: &Permit) -> Self {
        let facts = permit.facts();
        Key { scheme: facts.scheme, authority: facts.authority.clone(), credential: permit.credential().cloned() }
    }
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Self {
        Pool { kept: Mutex::default(), freed: Arc::default(), limits }
    }

    /// A place on a line, or the connection that idled least, if it is alive and its address
    /// is still one that this permit may reach. Where every line that may be has no place
    /// left, one is waited for, but not for long.
    pub(super) async fn take(&self, door: &Arc<Door>, key: &Key, permit: &Permit) -> Result<Found, Refusal> {
        let until = tokio::time::Instant::now() + self.limits.place_time;
        loop {
            let freed = self.freed.notified();
            match self.find(door, key, permit) {
                Some(Found::Kept(mut upstream)) => {
                    if upstream.is_ready().await {
                        return Ok(Found::Kept(upstream));
                    }
                    // It has ended meanwhile, and is not found again.
                }
                Some(room) => return Ok(room),
                None if tokio::time::Instant::now() >= until => return Err(full(&key.authority)),
                // A host that takes more streams from now on tells nobody here.
                None => drop(timeout(LOOK_AGAIN, freed).await),
            }
        }
    }

    fn find(&self, door: &Arc<Door>, key: &Key, permit: &Permit) -> Option<Found> {
        let allowed = |address: CheckedAddress| permit.check_address(address.get()).is_ok();
        let mut kept = self.lock();
        while let Some(idle) = kept.idle.get_mut(key).and_then(Vec::pop) {
            if self.is_good(&idle) && allowed(idle.single.address) {
                return Some(Found::Kept(Upstream::Single(idle.single)));
            }
        }
        let Kept { lines, opening, .. } = &mut *kept;
        let Some(lines) = lines.get_mut(key) else { return Some(Found::Room(None)) };
        lines.retain(|line| line.is_good(&self.limits) && allowed(line.address));
        let on = |line: &Line| Some(Found::Kept(Upstream::Line(line.clone(), Some(self.place(line)?))));
        if let Some(found) = lines.iter().filter(|line| !line.is_held_up()).find_map(on) {
            return Some(found);
        }
        let begun = opening.get(key).copied().unwrap_or(0);
        if lines.len() + begun >= self.limits.idle_upstreams.max(1) {
            return lines.iter().find_map(on);
        }
        opening.insert(key.clone(), begun + 1);
        Some(Found::Room(Some(Opening { door: door.clone(), key: key.clone() })))
    }

    /// A place on a line that has one left.
    pub(super) fn place(&self, line: &Line) -> Option<Place> {
        let most = STREAMS.min((line.most)());
        let mut used = lock(&line.used);
        (used.by < most).then(|| {
            used.by += 1;
            Place { used: line.used.clone(), freed: self.freed.clone() }
        })
    }

    /// Lets others use a line. One that is not kept serves the one request that it was opened for.
    pub(super) fn share(&self, key: Key, line: Line) {
        let mut kept = self.lock();
        if self.has_room(&mut kept) {
            let lines = kept.lines.entry(key).or_default();
            if lines.len() < self.limits.idle_upstreams {
                lines.push(line);
                drop(kept);
                self.freed.notify_waiters();
            }
        }
    }

    fn put(&self, key: Key, single: Single) {
        let mut kept = self.lock();
        if !self.has_room(&mut kept) {
            return;
        }
        let idle = kept.idle.entry(key).or_default();
        idle.retain(|idle| self.is_good(idle));
        if idle.len() < self.limits.idle_upstreams {
            idle.push(Idle { single, since: Instant::now() });
        }
    }

    fn has_room(&self, kept: &mut Kept) -> bool {
        if kept.count() >= self.limits.idle_upstreams_in_all {
            self.prune(kept);
        }
        kept.count() < self.limits.idle_upstreams_in_all
    }

    /// Lets go of those that nobody used in time, whoever they lead to.
    pub(crate) fn review(&self) {
        self.prune(&mut self.lock());
    }

    fn prune(&self, kept: &mut Kept) {
        kept.idle.retain(|_, idle| {
            idle.retain(|idle| self.is_good(idle));
            !idle.is_empty()
        });
        kept.lines.retain(|_, lines| {
            lines.retain(|line| line.is_good(&self.limits));
            !lines.is_empty()
        });
    }

    fn is_good(&self, idle: &Idle) -> bool {
        idle.since.elapsed() < self.limits.idle_time && !idle.single.sender.is_closed()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

impl Kept {
    fn count(&self) -> usize {
        self.idle.values().map(Vec::len).sum::<usize>() + self.lines.values().map(Vec::len).sum::<usize>()
    }
}

impl Line {
    pub(super) fn new(
        sender: http2::SendRequest<Carried>,
        streams: Streams,
        most: Arc<dyn Fn() -> usize + Send + Sync>,
        address: CheckedAddress,
        driver: Arc<AbortOnDrop>,
    ) -> Self {
        let used = Arc::new(Mutex::new(Used { by: 0, last: Instant::now(), waits: Vec::new() }));
        Line { sender, streams, most, address, driver, used }
    }

    /// For a body that goes up.
    pub(super) fn wait(&self) -> Arc<Wait> {
        let wait = Arc::<Wait>::default();
        let waits = &mut lock(&self.used).waits;
        waits.retain(|wait| wait.strong_count() > 0);
        waits.push(Arc::downgrade(&wait));
        wait
    }

    /// Whether the host leaves one of the bodies unread. What it has room for is for all
    /// streams of the line together: others would wait as well.
    fn is_held_up(&self) -> bool {
        lock(&self.used).waits.iter().filter_map(Weak::upgrade).any(|wait| wait.is_over(HELD_UP))
    }

    fn is_good(&self, limits: &Limits) -> bool {
        let used = lock(&self.used);
        !self.sender.is_closed() && (used.by > 0 || used.last.elapsed() < limits.idle_time)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut used = lock(&self.used);
        used.by -= 1;
        used.last = Instant::now();
        drop(used);
        self.freed.notify_waiters();
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let pool = &self.door.pool;
        let mut kept = pool.lock();
        if let Some(begun) = kept.opening.get_mut(&self.key) {
            *begun -= 1;
            if *begun == 0 {
                kept.opening.remove(&self.key);
            }
        }
        drop(kept);
        pool.freed.notify_waiters();
    }
}

impl Lease {
    pub(super) fn new(door: Arc<Door>, key: Key, upstream: Upstream) -> Self {
        Lease { door, key, upstream, keeps: true }
    }

    /// Of a connection that was opened because the host had ended another: it has just shown
    /// that it keeps none for long.
    pub(super) fn for_once(self) -> Self {
        Lease { keeps: false, ..self }
    }

    /// For the next request. A line has never left the pool.
    pub(crate) fn give_back(self) {
        match self.upstream {
            Upstream::Single(single) if self.keeps && !single.sender.is_closed() => {
                self.door.pool.put(self.key, single)
            }
            _ => {}
        }
    }
}

fn full(authority: &Authority) -> Refusal {
    let why = format!(
        "every connection to {authority} that this sandbox may have is busy with requests of its own; let some of them end"
    );
    Refusal::new(Code::GroupLimit, why)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
