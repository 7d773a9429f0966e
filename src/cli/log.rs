//! The daemon's own log, on standard error and in two files. Lines that a sandbox, a chat or a broken disk can cause
//! without limit are written [`WRITTEN`] times a minute and then counted, so that nobody can fill the machine's
//! journal.

pub(super) mod file;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use desk::{Counted, Pace, lock};
use tokio::sync::Notify;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::show::Screen;
use crate::home::Home;
use file::LogFile;

/// How many lines of one kind and group are written per minute.
const WRITTEN: u64 = 20;

const MINUTE: Duration = Duration::from_secs(60);

/// The shortest interval between two checks for expired minutes.
const LOOK: Duration = Duration::from_secs(5);

/// The log; when this is dropped, it writes the outstanding counts.
pub(super) struct Log(Bounded);

/// Bounds the log's lines.
#[derive(Clone)]
struct Bounded {
    kinds: Arc<Mutex<Pace<Kind, String>>>,
    said: Arc<Notify>,
}

/// The source of a line, and the group that it concerns.
type Kind = (Identifier, String);

/// The state of one kind of line.
#[derive(Default)]
struct Line {
    says: String,
    group: String,
}

/// Sets up the log for the life of the process: on standard error, and in the home's own files.
#[expect(clippy::disallowed_methods, reason = "what is logged is no setting of a home's")]
pub(super) fn begin(home: &Home, json: bool) -> anyhow::Result<Log> {
    // Agents' MCP messages are private, and at every level that library logs some of them.
    let filter = wanted(std::env::var("RUST_LOG").ok().as_deref()).with_target("rmcp", LevelFilter::OFF);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(Screen::stderr().colours());
    let lines = if json { lines.json().boxed() } else { lines.compact().boxed() };
    let bounded = Bounded::default();
    // Without the files the daemon carries on; standard error says why they are missing.
    let files = LogFile::open(home);
    let kept = files.as_ref().ok().map(|files| fmt::layer().with_writer(files.clone()).with_ansi(false).compact());
    let set = tracing_subscriber::registry().with(lines).with(kept).with(bounded.clone()).with(filter).try_init();
    if let Err(error) = &files {
        tracing::warn!(%error, "What is said is not kept for `doorward logs`");
    }
    set.map_err(|error| anyhow::anyhow!("logging cannot be set up: {error}"))?;
    tokio::spawn(tell(bounded.clone()));
    Ok(Log(bounded))
}

/// The level to show: from `RUST_LOG`, which may be `debug` or `doorward=debug,proxy=trace`.
fn wanted(said: Option<&str>) -> Targets {
    let said = said.filter(|said| !said.trim().is_empty()).and_then(|said| said.parse().ok());
    said.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO))
}

/// Writes the counts as their minutes end. Sleeps while nothing was logged lately.
async fn tell(bounded: Bounded) {
    loop {
        let next = lock(&bounded.kinds).next();
        match next {
            None => bounded.said.notified().await,
            Some(next) => {
                let next = next.max(Instant::now() + LOOK);
                tokio::time::sleep_until(next.into()).await;
                bounded.tell_due(Some(Instant::now()));
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.tell_due(None);
    }
}

impl Default for Bounded {
    fn default() -> Self {
        Bounded { kinds: Arc::new(Mutex::new(Pace::new(WRITTEN, MINUTE))), said: Arc::default() }
    }
}

impl Bounded {
    /// Writes the counts of expired minutes; all with `None`.
    fn tell_due(&self, now: Option<Instant>) {
        let due = lock(&self.kinds).due(now);
        for ((_, group), Counted { count: more, kept: says }) in due {
            // Exempt from its own bound: see `event_enabled`.
            if group.is_empty() {
                tracing::warn!(more, "More of the same within a minute, not written one by one: {says}");
            } else {
                tracing::warn!(more, group, "More of the same within a minute, not written one by one: {says}");
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Bounded {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let about = event.metadata();
        // More detail than the default is not bounded.
        if *about.level() > Level::INFO || about.target() == module_path!() {
            return true;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let Line { says, group } = line;
        self.said.notify_one();
        lock(&self.kinds).passes((about.callsite(), group), Instant::now(), |first| first.unwrap_or(says))
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.says = format!("{value:?}"),
            name if name.rsplit('.').next() == Some("group") => self.group = format!("{value:?}"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_shown_can_be_chosen() {
        for (said, doorward, hyper) in [
            (None, Level::INFO, Some(Level::INFO)),
            (Some(" "), Level::INFO, Some(Level::INFO)),
            (Some("no such=level"), Level::INFO, Some(Level::INFO)),
            (Some("debug"), Level::DEBUG, Some(Level::DEBUG)),
            (Some("doorward=debug,hyper=warn"), Level::DEBUG, Some(Level::WARN)),
            (Some("doorward=debug"), Level::DEBUG, None),
        ] {
            let most = |target: &str| {
                let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
                levels.into_iter().find(|level| wanted(said).would_enable(target, level))
            };
            assert_eq!((most("doorward::daemon"), most("hyper")), (Some(doorward), hyper), "{said:?}");
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The output of a flood, including the end of its minute.
    fn written(flood: impl FnOnce(&Bounded)) -> Vec<String> {
        let (written, bounded) = (Written::default(), Bounded::default());
        let to = written.clone();
        let lines = fmt::layer().with_writer(move || to.clone()).with_ansi(false);
        let log = tracing_subscriber::registry().with(lines).with(bounded.clone());
        tracing::subscriber::with_default(log, || {
            flood(&bounded);
            bounded.tell_due(None);
        });
        let bytes = lock(&written.0);
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    fn refused() {
        tracing::error!(error = "the disk is full", "Audit log is down, requests are refused");
    }

    fn ends(group: &str) {
        tracing::warn!(sandbox.group = %group, "A sandbox was ended");
    }

    #[test]
    fn a_flood_of_one_kind_is_told_by_its_number() {
        let lines = written(|_| (0..1000).for_each(|_| refused()));
        assert_eq!(lines.len() as u64, WRITTEN + 1);
        let last = lines.last().map(String::as_str).unwrap_or_default();
        assert!(last.contains("requests are refused") && last.contains("more=980"), "{last}");
    }

    #[test]
    fn one_groups_flood_hides_no_line_of_another_nor_of_another_kind() {
        let lines = written(|_| {
            (0..1000).for_each(|_| ends("noisy"));
            ends("quiet");
            refused();
        });
        let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
        assert_eq!([count("group=quiet"), count("requests are refused")], [1, 1]);
        assert_eq!(count("noisy") as u64, WRITTEN + 1, "the count names its group");
    }

    #[test]
    fn a_minute_later_it_is_said_again() {
        let lines = written(|bounded| {
            (0..30).for_each(|_| refused());
            bounded.tell_due(Some(Instant::now()));
            bounded.tell_due(Some(Instant::now() + MINUTE));
            (0..30).for_each(|_| refused());
        });
        let counts = lines.iter().filter(|line| line.contains("more=10")).count();
        assert_eq!((lines.len() as u64, counts), (2 * (WRITTEN + 1), 2));
    }

    #[test]
    fn what_was_asked_for_beyond_the_usual_is_not_bounded() {
        let lines = written(|_| (0..100).for_each(|_| tracing::debug!("a step")));
        assert_eq!(lines.len(), 100);
    }
}
