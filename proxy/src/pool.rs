//! The upstream connections of one door. Never shared between doors, authorities or credentials,
//! and checked again before each use.
//!
//! An HTTP/1.1 connection is here while it is idle, and serves one request at a time. An HTTP/2
//! connection (a line) serves as many as its window has room for: a client that does not read takes
//! up only its own room, and the next request gets another line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use policies::{Authority, CheckedAddress, Code, Permit, Refusal};
use tokio::sync::Notify;
use tokio::time::timeout;

use gate::{Destination, Limits, Over, Shared, Single, Wait};

/// How often a waiting request looks for a place if it is not notified of one.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A body of which the host has taken nothing for this long holds up its line.
const HELD_UP: Duration = Duration::from_secs(1);

/// The connections that may be reused.
pub(crate) struct Pool<B> {
    kept: Mutex<Kept<B>>,
    freed: Arc<Notify>,
    limits: Limits,
}

struct Kept<B> {
    idle: HashMap<Destination, Vec<Idle<B>>>,
    lines: HashMap<Destination, Vec<PooledLine<B>>>,
    /// Lines being opened for destinations that already have some.
    opening: HashMap<Destination, usize>,
}

struct Idle<B> {
    single: Single<B>,
    since: Instant,
}

/// An HTTP/2 connection.
pub(crate) struct PooledLine<B> {
    shared: Shared<B>,
    used: Arc<Mutex<Used>>,
}

impl<B> Clone for PooledLine<B> {
    fn clone(&self) -> Self {
        PooledLine { shared: self.shared.clone(), used: self.used.clone() }
    }
}

/// How many requests use it, and since when it is idle.
struct Used {
    by: usize,
    last: Instant,
    /// Of the request bodies in transit.
    waits: Vec<Weak<Wait>>,
}

/// One request's place on a line. Freed when it is dropped, with the last part of the request.
pub(crate) struct Place {
    used: Arc<Mutex<Used>>,
    freed: Arc<Notify>,
}

/// A connection for one request.
pub(crate) enum Upstream<B> {
    /// A whole HTTP/1.1 connection.
    Single(Single<B>),
    /// A place on an HTTP/2 connection that the door's requests share.
    Line(PooledLine<B>, Option<Place>),
}

/// What the pool has for a request.
pub(crate) enum Found<B> {
    /// A connection that was used before.
    Kept(Upstream<B>),
    /// Nothing, but another may be opened.
    Room(Option<Opening<B>>),
}

/// The right to open one more line, held while it is opened.
pub(crate) struct Opening<B> {
    pool: Arc<Pool<B>>,
    key: Destination,
}

/// A connection in use. Returned only after a complete answer; dropped otherwise.
pub(crate) struct Lease<B> {
    pool: Arc<Pool<B>>,
    key: Destination,
    upstream: Upstream<B>,
    /// Whether it may be reused.
    keeps: bool,
}

impl<B> Upstream<B> {
    async fn is_ready(&mut self) -> bool {
        match self {
            Upstream::Single(single) => single.is_ready().await,
            Upstream::Line(line, _) => line.shared.is_ready().await,
        }
    }

    /// The request's turn on it. Its place is freed with the last part of the request.
    pub(crate) fn over(&mut self) -> Over<'_, B> {
        match self {
            Upstream::Single(single) => Over::Alone(single),
            Upstream::Line(line, place) => {
                let wait = line.wait();
                Over::Among(&mut line.shared, Box::new(place.take()), wait)
            }
        }
    }
}

impl<B> Pool<B> {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let kept = Kept { idle: HashMap::new(), lines: HashMap::new(), opening: HashMap::new() };
        Arc::new(Pool { kept: Mutex::new(kept), freed: Arc::default(), limits })
    }

    /// A place on a line, or the most recently used idle connection, if it is alive and this permit
    /// may still reach its address. If all lines that may exist are full, this waits for a place,
    /// but not for long.
    pub(crate) async fn take(self: &Arc<Self>, key: &Destination, permit: &Permit) -> Result<Found<B>, Refusal> {
        let until = tokio::time::Instant::now() + self.limits.place_time;
        loop {
            let freed = self.freed.notified();
            match self.find(key, permit) {
                Some(Found::Kept(mut upstream)) => {
                    if upstream.is_ready().await {
                        return Ok(Found::Kept(upstream));
                    }
                    // It has ended meanwhile, and will not be found again.
                }
                Some(room) => return Ok(room),
                None if tokio::time::Instant::now() >= until => return Err(full(key.authority())),
                // There is no notification when a host begins to take more streams.
                None => drop(timeout(LOOK_AGAIN, freed).await),
            }
        }
    }

    fn find(self: &Arc<Self>, key: &Destination, permit: &Permit) -> Option<Found<B>> {
        let allowed = |address: CheckedAddress| permit.check_address(address.get()).is_ok();
        let mut kept = self.lock();
        while let Some(idle) = kept.idle.get_mut(key).and_then(Vec::pop) {
            if self.is_good(&idle) && allowed(idle.single.address()) {
                return Some(Found::Kept(Upstream::Single(idle.single)));
            }
        }
        let Kept { lines, opening, .. } = &mut *kept;
        let Some(lines) = lines.get_mut(key) else { return Some(Found::Room(None)) };
        lines.retain(|line| line.is_good(&self.limits) && allowed(line.shared.address()));
        let on = |line: &PooledLine<B>| Some(Found::Kept(Upstream::Line(line.clone(), Some(self.place(line)?))));
        if let Some(found) = lines.iter().filter(|line| !line.is_held_up()).find_map(on) {
            return Some(found);
        }
        let begun = opening.get(key).copied().unwrap_or(0);
        if lines.len() + begun >= self.limits.idle_upstreams.max(1) {
            // A place on a line that is held up is better than none.
            return lines.iter().find_map(on);
        }
        opening.insert(key.clone(), begun + 1);
        Some(Found::Room(Some(Opening { pool: self.clone(), key: key.clone() })))
    }

    /// A place on a line, if one is free.
    fn place(&self, line: &PooledLine<B>) -> Option<Place> {
        let most = line.shared.most();
        let mut used = lock(&line.used);
        (used.by < most).then(|| {
            used.by += 1;
            Place { used: line.used.clone(), freed: self.freed.clone() }
        })
    }

    /// Adds an HTTP/2 connection that was opened: its opener gets a place on it. From then on
    /// others can use it.
    pub(crate) fn opened(&self, key: &Destination, shared: Shared<B>) -> Result<Upstream<B>, Refusal> {
        let line = PooledLine::new(shared);
        let place = self.place(&line);
        let place = place.ok_or_else(|| Refusal::new(Code::UpstreamFailed, "the host takes no requests now"))?;
        self.share(key.clone(), line.clone());
        Ok(Upstream::Line(line, Some(place)))
    }

    /// Shares a line. One that is not kept serves only the request for which it was opened.
    fn share(&self, key: Destination, line: PooledLine<B>) {
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

    fn put(&self, key: Destination, single: Single<B>) {
        let mut kept = self.lock();
        if !self.has_room(&mut kept) {
            return;
        }
        let idle = kept.idle.entry(key).or_default();
        if idle.len() >= self.limits.idle_upstreams {
            idle.retain(|idle| self.is_good(idle));
        }
        if idle.len() < self.limits.idle_upstreams {
            idle.push(Idle { single, since: Instant::now() });
        }
    }

    fn has_room(&self, kept: &mut Kept<B>) -> bool {
        if kept.count() >= self.limits.idle_upstreams_in_all {
            self.prune(kept);
        }
        kept.count() < self.limits.idle_upstreams_in_all
    }

    /// Drops connections that have been idle too long, wherever they lead.
    pub(crate) fn review(&self) {
        self.prune(&mut self.lock());
    }

    fn prune(&self, kept: &mut Kept<B>) {
        kept.idle.retain(|_, idle| {
            idle.retain(|idle| self.is_good(idle));
            !idle.is_empty()
        });
        kept.lines.retain(|_, lines| {
            lines.retain(|line| line.is_good(&self.limits));
            !lines.is_empty()
        });
    }

    fn is_good(&self, idle: &Idle<B>) -> bool {
        idle.since.elapsed() < self.limits.idle_time && !idle.single.is_closed()
    }

    fn lock(&self) -> MutexGuard<'_, Kept<B>> {
        lock(&self.kept)
    }
}

impl<B> Kept<B> {
    fn count(&self) -> usize {
        self.idle.values().map(Vec::len).sum::<usize>() + self.lines.values().map(Vec::len).sum::<usize>()
    }
}

impl<B> PooledLine<B> {
    fn new(shared: Shared<B>) -> Self {
        let used = Arc::new(Mutex::new(Used { by: 0, last: Instant::now(), waits: Vec::new() }));
        PooledLine { shared, used }
    }

    /// For a body in transit.
    fn wait(&self) -> Arc<Wait> {
        let wait = Arc::<Wait>::default();
        let waits = &mut lock(&self.used).waits;
        waits.retain(|wait| wait.strong_count() > 0);
        waits.push(Arc::downgrade(&wait));
        wait
    }

    /// Whether the host leaves one of the bodies unread. The connection's window is shared by all
    /// streams of the line, so others would wait as well.
    fn is_held_up(&self) -> bool {
        lock(&self.used).waits.iter().filter_map(Weak::upgrade).any(|wait| wait.is_over(HELD_UP))
    }

    fn is_good(&self, limits: &Limits) -> bool {
        let used = lock(&self.used);
        !self.shared.is_closed() && (used.by > 0 || used.last.elapsed() < limits.idle_time)
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

impl<B> Drop for Opening<B> {
    fn drop(&mut self) {
        let pool = &self.pool;
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

impl<B> Lease<B> {
    pub(crate) fn new(pool: &Arc<Pool<B>>, key: Destination, upstream: Upstream<B>) -> Self {
        Lease { pool: pool.clone(), key, upstream, keeps: true }
    }

    /// For a connection that was opened because the host had ended another: it has just shown that
    /// it keeps none for long.
    pub(crate) fn for_once(self) -> Self {
        Lease { keeps: false, ..self }
    }

    /// Returns it for the next request. A line has never left the pool.
    pub(crate) fn give_back(self) {
        match self.upstream {
            Upstream::Single(single) if self.keeps && !single.is_closed() => self.pool.put(self.key, single),
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
