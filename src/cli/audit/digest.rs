//! `doorward audit digest`: where each group's data went, on one screen.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use desk::screen::on_screen;
use jiff::tz::TimeZone;
use policies::GroupName;

use super::verify::NOTE;
use super::{is_there, nothing, open, reasons};
use crate::cli::show::{Columns, Screen, Styled};
use crate::cli::times::{self, time};
use crate::cli::when::When;
use crate::config::Config;
use crate::digest::{Sources, words};
use crate::home::Home;
use crate::store::ledger::{AuditEntry, AuditReader, Digest, Events, Filter, Happened, Way};
use crate::store::{Millis, Store};

#[derive(Debug, clap::Args)]
pub(super) struct DigestArgs {
    /// Only this group
    #[arg(long, value_name = "GROUP", value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// From this time on: `2h` ago, `7d` ago, `yesterday`, `monday 17:00`, `17:00`, `2026-11-23`,
    /// `2026-11-23T18:30`
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: When,
    /// Of the log that an older Doorward kept, `audit.db`
    #[arg(long)]
    old: bool,
    /// As JSON, one line, with every host
    #[arg(long)]
    json: bool,
    /// As the main chat gets it every day
    #[arg(long, conflicts_with_all = ["group", "old", "json"])]
    daily: bool,
}

const HEADINGS: [&str; 8] = ["GROUP", "HOST", "REQUESTS", "UP", "DOWN", "REFUSED", "ALARMS", "MOSTLY BECAUSE"];

/// The most hosts of a group that are listed: a sandbox can ask for any number.
const HOSTS_AT_MOST: usize = 15;

/// How many of the newest events are searched for answers.
const EVENTS_READ: u32 = 2000;

/// A host's name can have 253 characters; a line on a screen has fewer.
const HOST_AT_MOST: usize = 60;

pub(super) fn run(args: &DigestArgs, home: &Home, screen: Screen, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let since = args.since.millis()?;
    if args.daily {
        writeln!(out, "{}", Styled::from(daily(home, since)?).on(screen))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut digest = Digest { ways: Vec::new(), events: Vec::new(), head: None };
    let mut asked = String::new();
    if is_there(home, args.old) {
        let reader = open(home, args.old)?;
        digest = reader.digest(args.group.as_ref(), Some(since))?;
        if !args.json {
            asked = answers(&reader, args.group.as_ref(), since)?;
        }
        if let Some(group) = &args.group
            && let Some(words) = nothing::unknown_group(&reader, group)?
        {
            crate::cli::show::aside(words);
        }
    }
    if args.json {
        let whole =
            serde_json::json!({ "since_ms": since, "ways": digest.ways, "events": digest.events, "head": digest.head });
        writeln!(out, "{}", desk::screen::in_json(whole.to_string()))?;
    } else {
        write!(out, "{}", text(&digest, &asked, since, &times::zone(), screen).on(screen))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The text of the daily digest.
fn daily(home: &Home, since: Millis) -> anyhow::Result<String> {
    let (log, store) = (open(home, false)?, Store::open(&home.main_db())?);
    let prices = Config::load(home)?.prices.with_shipped();
    let (clock, drill) = (times::clock(home), home.last_drill());
    let sources = Sources { log: &log, store: &store, prices: &prices, clock: &clock, drill: &drill };
    Ok(words(&sources.gather(since)?).in_english())
}

/// The digest for people.
fn text(digest: &Digest, asked: &str, since: Millis, zone: &TimeZone, screen: Screen) -> Styled {
    let mut text = if digest.ways.is_empty() {
        Styled::from(format!("Nothing was asked at a door since {}.\n", time(since, zone)))
    } else {
        Styled::from(format!("Where data went since {}:\n\n", time(since, zone))) + table(&digest.ways, screen)
    };
    let open: u64 = digest.ways.iter().map(|way| way.open).sum();
    if open > 0 {
        text = text
            + format!(
                "\nAllowed requests without an outcome: {open}. They are under way or were interrupted; what their bodies \
             held is not counted.\n"
            );
    }
    let routine: u64 = digest.ways.iter().map(|way| way.routine).sum();
    if routine > 0 {
        text = text
            + format!(
                "\nRefused at each start of Claude Code, which works without, and not counted as refused: {routine}.\n"
            );
    }
    let abandoned: u64 = digest.ways.iter().map(|way| way.abandoned).sum();
    if abandoned > 0 {
        text = text
            + format!(
                "\nAnswers that were left before they were whole, of which hosts hear that were reached: {abandoned}.\n"
            );
    }
    text = text + credited(&digest.ways);
    text = text + asked;
    text = text + besides(&digest.events);
    if let Some(head) = &digest.head {
        text = text + format!("\nThe log ends with record {}. {NOTE}{}\n", head.seq, head.hash);
    }
    text
}

/// The traffic by credential, a line for each with its destinations.
fn credited(ways: &[Way]) -> String {
    let mut lines = Vec::new();
    for way in ways {
        for (credential, with) in &way.credentials {
            lines.push(format!(
                "{}: {} of {} to {}, {} up, {} down\n",
                on_screen(credential),
                if with.requests == 1 { "1 request".to_owned() } else { format!("{} requests", with.requests) },
                on_screen(&way.group),
                host(way),
                desk::size::about(with.bytes_up),
                desk::size::about(with.bytes_down),
            ));
        }
    }
    lines.sort();
    let rest = lines.split_off(lines.len().min(HOSTS_AT_MOST));
    if !rest.is_empty() {
        lines.push(format!("({} more; --json has them)\n", rest.len()));
    }
    if lines.is_empty() { String::new() } else { format!("\nWith credentials:\n{}", lines.concat()) }
}

/// The newest questions and answers, each with its sentence.
fn answers(reader: &AuditReader, group: Option<&GroupName>, since: Millis) -> anyhow::Result<String> {
    let filter = Filter {
        group: group.cloned(),
        since: Some(since),
        events: Events::Alone,
        limit: Some(EVENTS_READ),
        ..Filter::default()
    };
    let entries = reader.entries(&filter)?;
    let answered = |entry: &AuditEntry| {
        let event = entry.event.as_ref().filter(|event| event.what == "ask_answered")?;
        Some(format!("{}: {}\n", on_screen(&entry.decision.group), on_screen(&event.text)))
    };
    let mut lines: Vec<_> = entries.iter().filter_map(answered).collect();
    let more = lines.len().saturating_sub(HOSTS_AT_MOST);
    lines.drain(..more);
    if more > 0 {
        lines.push(format!("({more} more; `doorward audit --events` has them)\n"));
    }
    Ok(if lines.is_empty() { String::new() } else { format!("\nWhat you were asked:\n{}", lines.concat()) })
}

/// Events other than requests, a line for each group.
fn besides(events: &[Happened]) -> String {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for event in events {
        let group = event.group.as_deref().unwrap_or("(all groups)");
        let bytes = if event.bytes > 0 { format!(" ({})", desk::size::about(event.bytes)) } else { String::new() };
        let words = format!("{} {}{bytes}", event.what.replace('_', " "), event.times);
        groups.entry(group).or_default().push(words);
    }
    let lines =
        groups.into_iter().map(|(group, events)| format!("{}: {}\n", on_screen(group), on_screen(&events.join(", "))));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\nBesides requests:\n{lines}") }
}

fn table(ways: &[Way], screen: Screen) -> Styled {
    let mut groups: BTreeMap<&str, Vec<&Way>> = BTreeMap::new();
    ways.iter().for_each(|way| groups.entry(&way.group).or_default().push(way));
    let mut rows = Vec::new();
    for (_, mut ways) in groups {
        // Most important first: alarms, then most data sent.
        ways.sort_by_key(|way| std::cmp::Reverse((way.alarms, way.bytes_up, way.requests)));
        let rest = ways.split_off(ways.len().min(HOSTS_AT_MOST));
        rows.extend(ways.iter().map(|way| cells(way, host(way))));
        if !rest.is_empty() {
            rows.push(cells(&sum(&rest), format!("({} more hosts)", rest.len())));
        }
    }
    let mut columns = Columns::new(&HEADINGS).numbers(&[2, 3, 4, 5, 6]);
    rows.iter().for_each(|row| columns.fit(row));
    let fitted = columns.on(screen);
    let lines = fitted.headings().into_iter().chain(rows.iter().map(|row| fitted.row(row)));
    Styled::drawn(lines.map(|line| line + "\n").collect())
}

fn host(way: &Way) -> String {
    let host = way.host.as_deref().map_or_else(|| "(none could be read)".to_owned(), on_screen);
    super::table::cut(&host, HOST_AT_MOST)
}

fn cells(way: &Way, host: String) -> [Styled; 8] {
    [
        on_screen(&way.group),
        host,
        way.requests.to_string(),
        desk::size::about(way.bytes_up),
        desk::size::about(way.bytes_down),
        way.refused.to_string(),
        way.alarms.to_string(),
        way.reason.as_deref().map(reasons::sentence).map(on_screen).unwrap_or_default(),
    ]
    .map(Styled::from)
}

fn sum(ways: &[&Way]) -> Way {
    let mut all = Way::default();
    for way in ways {
        all.group.clone_from(&way.group);
        all.requests += way.requests;
        all.bytes_up += way.bytes_up;
        all.bytes_down += way.bytes_down;
        all.refused += way.refused;
        all.routine += way.routine;
        all.alarms += way.alarms;
    }
    all
}
