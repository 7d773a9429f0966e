//! The resources that one sandbox can use: each has a bound.

use std::time::Duration;

/// How much of a body may be buffered for one HTTP/2 stream.
pub const STREAM_WINDOW: u32 = 256 << 10;
/// The same for one connection.
pub const CONNECTION_WINDOW: u32 = 1 << 20;

/// No limit goes below this: the door would be useless.
const LEAST: usize = 4;

/// The resources that one sandbox can use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections through one door at a time; more wait.
    pub connections: usize,
    /// Requests in flight through one door; more are refused.
    pub requests: usize,
    /// Bodies held in memory at a time, and as many being unpacked; more wait.
    pub whole_bodies: usize,
    /// WebSockets open at a time; more are refused.
    pub websockets: usize,
    /// Bytes of request line and headers.
    pub head_bytes: usize,
    /// Header fields.
    pub headers: usize,
    /// HTTP/2 streams at a time on one connection.
    pub streams: u32,
    /// The time to send a request's head; also how long a kept-alive connection may idle.
    pub head_time: Duration,
    /// The time to finish a TLS handshake, on either side.
    pub handshake_time: Duration,
    /// The time to reach one address of an upstream.
    pub connect_time: Duration,
    /// The time to send a body that a rule looks into.
    pub body_time: Duration,
    /// How long either side may leave bytes for it waiting, or owe the next piece of a body.
    /// Silence while neither side waits is no reason to end anything.
    pub idle_body_time: Duration,
    /// The time until the upstream's head arrives: models think for minutes.
    pub answer_time: Duration,
    /// Leaf certificates kept in the cache, and made in a burst.
    pub leaves: usize,
    /// The pace of making leaves beyond that.
    pub leaf_pace: Duration,
    /// Idle upstream connections kept for one authority; for HTTP/2, all connections.
    pub idle_upstreams: usize,
    /// The same for all authorities together.
    pub idle_upstreams_in_all: usize,
    /// How long an idle one is kept: shorter than servers keep theirs.
    pub idle_time: Duration,
    /// How long a request waits for a place on a shared connection.
    pub place_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 512,
            requests: 512,
            whole_bodies: 4,
            websockets: 64,
            head_bytes: 64 << 10,
            headers: 100,
            streams: 100,
            head_time: Duration::from_secs(60),
            handshake_time: Duration::from_secs(10),
            connect_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            idle_body_time: Duration::from_secs(5 * 60),
            answer_time: Duration::from_secs(15 * 60),
            leaves: 512,
            leaf_pace: Duration::from_millis(20),
            // As many as the total: each one closed costs another handshake.
            idle_upstreams: 256,
            idle_upstreams_in_all: 256,
            idle_time: Duration::from_secs(20),
            place_time: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The defaults, lowered to what this many file descriptors allow: a client's connection takes
    /// one, and a second while bytes wait on it; an idle upstream takes one, and a request two
    /// while its host's name is resolved.
    pub fn within(descriptors: usize) -> Self {
        let (usual, part) = (Limits::default(), (descriptors / 5).max(LEAST));
        Limits {
            connections: usual.connections.min(part),
            requests: usual.requests.min(part),
            idle_upstreams_in_all: usual.idle_upstreams_in_all.min(part),
            ..usual
        }
    }
}
