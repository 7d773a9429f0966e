//! The daemon is killed at any moment, under load, while its disk is full and its clock jumps. Whatever comes: what
//! went out has its record, the chain is whole, and what stands torn behind it is put aside and reported.
//!
//! `DOORWARD_KILLS=300` kills it that often (`make test-long`).

use crate::household::{clock, disk};

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::{self, Door, Home, Response, Upstream, until};
use clock::Clock;
use disk::Disk;

const POLICY: &str = "\
[[allow]]
host = \"notes.example\"
scheme = \"http\"
do = [\"GET /r/*\", \"POST /r/*\"]
private = [\"127.0.0.1/32\"]
";

/// So many programs ask at once.
const PROGRAMS: usize = 4;

/// So often one home is used; the next one is new.
const OF_ONE_HOME: u64 = 20;

/// How many seconds the clock may be wrong.
const WRONG: [i64; 7] = [-40 * 24 * 3600, -3 * 24 * 3600, -3600, 0, 3600, 11 * 3600, 23 * 3600];

#[test]
fn whatever_is_killed_nothing_went_out_without_its_record() {
    let kills: u64 = std::env::var("DOORWARD_KILLS").map_or(4, |number| number.parse().expect("a number"));
    let seed = rand::random_range(0..1 << 32);
    eprintln!("{kills} kills, seed {seed}");
    let (mut dice, mut refused) = (StdRng::seed_from_u64(seed), 0);
    let mut left = kills;
    while left > 0 {
        let mut stage = Stage::new();
        for _ in 0..left.min(OF_ONE_HOME) {
            left -= 1;
            stage.round(&mut dice);
        }
        refused += stage.refused;
    }
    assert!(kills < 10 || refused > 0, "the disk was never full for a request");
}

/// One home with its log, over several lives of its daemon.
struct Stage {
    upstream: Upstream,
    clock: Clock,
    next: AtomicU64,
    /// How often an end was torn.
    torn: usize,
    /// Requests that a full disk has refused.
    refused: u64,
    disk: Disk,
    home: Home,
}

/// What is drawn for one life.
#[derive(Debug)]
struct Drawn {
    /// After how many answers something happens, and what.
    events: Vec<(u64, Event)>,
    /// How much longer it lives after the last of them.
    rest: Duration,
    /// Whether part of a line is left behind, as a power cut leaves it.
    tears: bool,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Full,
    Free,
    Clock(i64),
}

impl Drawn {
    fn by(dice: &mut StdRng) -> Self {
        let mut events = Vec::new();
        for _ in 0..dice.random_range(1..5) {
            let event = match dice.random_range(0..5) {
                0 | 1 => Event::Full,
                2 => Event::Free,
                _ => Event::Clock(*WRONG.choose(dice).unwrap()),
            };
            events.push((dice.random_range(0..60), event));
        }
        let rest = Duration::from_micros(dice.random_range(0..100_000));
        Drawn { events, rest, tears: dice.random_range(0..3) == 0 }
    }
}

impl Stage {
    fn new() -> Self {
        let upstream = Upstream::plain(|_| Response::ok("noted\n"));
        let home = Home::new().host("notes.example", &upstream);
        let disk = Disk::of(64, &home.at("data"));
        let home = home.group("club").policy("club", POLICY);
        let clock = Clock::new(home.path());
        Stage { upstream, clock, next: AtomicU64::new(0), torn: 0, refused: 0, disk, home }
    }

    /// A life of the daemon, its end, and what is left.
    fn round(&mut self, dice: &mut StdRng) {
        let drawn = Drawn::by(dice);
        let environment = self.clock.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let daemon = self.home.up_in(&environment);
        let door = Door::open(&self.home, "club");
        let load = Load::default();
        let full = std::thread::scope(|scope| {
            for _ in 0..PROGRAMS {
                scope.spawn(|| load.ask(&door.socket, &self.next));
            }
            let full = self.befalls(&drawn, &load);
            std::thread::sleep(drawn.rest);
            daemon.kill();
            load.ended.store(true, Ordering::SeqCst);
            full
        });
        // The daemon that would have removed it is gone.
        fs::remove_file(&door.socket).unwrap();
        self.refused += load.refused.load(Ordering::SeqCst);
        if full {
            self.disk.free();
        }
        if drawn.tears || self.ends_torn() {
            self.tear();
        }
        self.holds(&drawn);
    }

    /// What befalls the daemon under load; whether its disk is full at the end.
    fn befalls(&self, drawn: &Drawn, load: &Load) -> bool {
        let mut full = false;
        for (answers, event) in &drawn.events {
            let begun = load.answers.load(Ordering::SeqCst);
            until("answers", || load.answers.load(Ordering::SeqCst) >= begun + answers);
            match event {
                Event::Full if !full => {
                    self.disk.fill();
                    full = true;
                }
                Event::Free if full => {
                    self.disk.free();
                    full = false;
                }
                Event::Clock(seconds) => self.clock.set(*seconds),
                Event::Full | Event::Free => {}
            }
        }
        full
    }

    fn ends_torn(&self) -> bool {
        fs::read(self.newest()).unwrap().last().is_some_and(|last| *last != b'\n')
    }

    /// Leaves part of a line behind the last one, unless it is there.
    fn tear(&mut self) {
        self.torn += 1;
        if !self.ends_torn() {
            let mut file = OpenOptions::new().append(true).open(self.newest()).unwrap();
            file.write_all(b"{\"seq\":9999,\"at\":\"2026-11-29T10:35:57.123Z\",\"kind\":\"deci").unwrap();
        }
    }

    /// What must hold, whatever came.
    fn holds(&self, drawn: &Drawn) {
        let (sent, recorded) = (self.sent(), self.recorded());
        let missing: Vec<_> = sent.difference(&recorded).collect();
        assert!(missing.is_empty(), "{drawn:?}: these went out, and are not in the log: {missing:?}");
        let verified = self.home.run(&["audit", "verify"]);
        assert_eq!(verified.code, Some(0), "{drawn:?}: {verified:?}");
        assert_eq!(self.ends_torn(), verified.out.contains("no whole record"), "{drawn:?}: {verified:?}");
        // What was torn before is aside, and reported.
        let aside = self.files().iter().filter(|path| name(path).starts_with("torn-")).count();
        let reported = self.home.audit_with(&["--events"]).events("torn_end").len();
        let before = self.torn - usize::from(self.ends_torn());
        assert_eq!((aside, reported), (before, before), "{drawn:?}");
    }

    /// What has reached the other side.
    fn sent(&self) -> BTreeSet<String> {
        self.upstream.requests().iter().map(|request| request.path().to_owned()).collect()
    }

    /// What the journal says was allowed.
    fn recorded(&self) -> BTreeSet<String> {
        let mut recorded = BTreeSet::new();
        for file in self.files().iter().filter(|path| name(path).ends_with(".jsonl")) {
            let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
            let allowed = text.lines().filter(|line| line.contains("\"verdict\":\"allow\""));
            let path = |line: &str| Some(line.split_once("\"path\":\"")?.1.split_once('"')?.0.to_owned());
            recorded.extend(allowed.filter_map(path));
        }
        recorded
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.home.at("data/audit")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn newest(&self) -> PathBuf {
        self.files().into_iter().filter(|path| name(path).ends_with(".jsonl")).max().unwrap()
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Programs behind the door, which ask one thing after the other.
#[derive(Default)]
struct Load {
    answers: AtomicU64,
    refused: AtomicU64,
    ended: AtomicBool,
}

impl Load {
    fn ask(&self, door: &Path, next: &AtomicU64) {
        let patience = Instant::now() + 2 * support::PATIENCE;
        while !self.ended.load(Ordering::SeqCst) && Instant::now() < patience {
            // A door that is shut, or a connection that is cut: the next one.
            let _ = self.connection(door, next);
        }
    }

    fn connection(&self, door: &Path, next: &AtomicU64) -> io::Result<()> {
        let stream = UnixStream::connect(door)?;
        stream.set_read_timeout(Some(support::PATIENCE))?;
        let mut stream = BufReader::new(stream);
        while !self.ended.load(Ordering::SeqCst) {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let (method, body) = if number.is_multiple_of(2) { ("GET", "") } else { ("POST", "milk") };
            let head = format!("{method} http://notes.example/r/{number} HTTP/1.1\r\nhost: notes.example\r\n");
            let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            stream.get_mut().write_all(request.as_bytes())?;
            let status = answer(&mut stream)?;
            self.answers.fetch_add(1, Ordering::SeqCst);
            self.refused.fetch_add(u64::from(status == 503), Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Reads an answer with a length; its status.
fn answer(stream: &mut impl BufRead) -> io::Result<u16> {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        match (status, line.strip_prefix("content-length:")) {
            (None, _) => status = line.split(' ').nth(1).and_then(|status| status.parse().ok()),
            (Some(status), _) if line.is_empty() => {
                io::copy(&mut stream.take(length), &mut io::sink())?;
                return Ok(status);
            }
            (_, Some(value)) => length = value.trim().parse().map_err(io::Error::other)?,
            (_, None) => {}
        }
    }
}
