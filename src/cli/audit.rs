//! `doorward audit`: what was asked at the door, and what became of it.
//!
//! Reads the log's own file: works with a running daemon and without one.

mod csv;
mod digest;
mod follow;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::{Span, Timestamp, Zoned, civil};
use policies::GroupName;
use proxy::audit::Seq;

use super::times;
use crate::home::Home;
use crate::store::Millis;
use crate::store::ledger::{AuditEntry, AuditReader, Events, Filter, Verified, VerifyError, Which};

use follow::Follower;

/// What `doorward audit` understands.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, clap::Subcommand)]
enum AuditCommand {
    /// Check that no record was changed, removed, moved or put in
    Verify(VerifyArgs),
    /// Show where the data of each group went
    Digest(digest::DigestArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Only this group
    #[arg(long, value_name = "GROUP", value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// Only this host; `*` stands for any characters
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Only what was denied, or broken off after it was allowed
    #[arg(long, conflicts_with = "allowed")]
    denied: bool,
    /// Only what was allowed
    #[arg(long)]
    allowed: bool,
    /// Only what was asked at a door
    #[arg(long, conflicts_with = "events")]
    requests: bool,
    /// Only what happened besides: doors, policies, stops, answers to chats
    #[arg(long)]
    events: bool,
    /// Only from this time on: `2h`, `7d`, `2026-11-23`, `2026-11-23T18:30`
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Millis>,
    /// From the record of this number on: what an earlier export does not have
    #[arg(long, value_name = "SEQ")]
    from_seq: Option<u64>,
    /// At most so many: the newest, or the first from `--from-seq` on; 0: all. Unless said, a
    /// table holds 50, and JSON and CSV all
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Go on showing what comes, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// One line of JSON each, with every field
    #[arg(long)]
    json: bool,
    /// As CSV that is safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What an entry is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    Json,
    Csv,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// A head that an earlier `verify` printed: finds a tail that was cut off
    #[arg(long, value_name = "HEX")]
    head: Option<String>,
    /// The result as JSON
    #[arg(long)]
    json: bool,
}

/// How often a followed log is looked at. The question itself is one short read.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// So many records of an export are read at a time.
const AT_ONCE: u32 = 1_000;

/// So many a table holds where nothing is said, and is begun with where it is followed.
const IN_A_TABLE: u32 = 50;

/// Runs the command; writes to standard output.
pub fn run(args: &AuditArgs, home: &Home) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    match &args.command {
        Some(AuditCommand::Verify(verify_args)) => verify(verify_args, home, out),
        Some(AuditCommand::Digest(digest_args)) => digest::run(digest_args, home, out),
        None => show(&args.show, home, out),
    }
}

/// All of a home's log as the command shows it: for the tour.
pub(super) fn whole(home: &Home) -> anyhow::Result<String> {
    Ok(table::table(
        &open(home, false)?.entries(&Filter { events: Events::With, ..Filter::default() })?,
        &times::zone(),
    ))
}

fn show(args: &ShowArgs, home: &Home, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if !home.audit_db().exists() && !args.follow {
        match args.form() {
            Form::Table => writeln!(out, "Nothing was asked at a door of {home} yet.")?,
            Form::Json | Form::Csv => print(&[], args.form(), true, out)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let reader = open(home, args.follow)?;
    if args.follow {
        return follow(args, home, reader, out);
    }
    let filter = args.filter();
    match args.form() {
        Form::Table => {
            let entries = reader.entries(&filter)?;
            match entries.is_empty() {
                true => writeln!(out, "Nothing in the log matches.")?,
                false => write!(out, "{}", table::table(&entries, &times::zone()))?,
            }
            if let Some(words) = what_is_missing(&reader, &filter, entries.len() as u64)? {
                writeln!(std::io::stderr(), "{words}")?;
            }
        }
        form => export(&reader, filter, form, out)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A table that does not hold all of it says so.
fn what_is_missing(reader: &AuditReader, filter: &Filter, shown: u64) -> anyhow::Result<Option<String>> {
    let all = match filter.limit {
        Some(limit) if shown >= u64::from(limit) => reader.count(filter)?,
        _ => shown,
    };
    let which = if filter.after.is_some() { "first" } else { "newest" };
    Ok((all > shown).then(|| format!("These are the {which} {shown} of {all}; --limit 0 shows all.")))
}

/// All that matches, a part at a time: a log may be larger than memory.
fn export(reader: &AuditReader, mut filter: Filter, form: Form, out: &mut dyn Write) -> anyhow::Result<()> {
    let (mut first, until) = (true, reader.last()?);
    let mut left = filter.limit.unwrap_or(u32::MAX);
    if filter.after.is_none() {
        let newest = filter.limit.map(|limit| reader.before_the_newest(&filter, limit)).transpose()?;
        filter.after = Some(newest.unwrap_or(Seq(0)));
    }
    loop {
        filter.limit = Some(AT_ONCE.min(left));
        let mut entries = reader.entries(&filter)?;
        entries.retain(|entry| entry.seq <= until);
        print(&entries, form, first, out)?;
        let Some(last) = entries.last() else { return Ok(()) };
        left = left.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        if left == 0 {
            return Ok(());
        }
        (filter.after, first) = (Some(last.seq), false);
    }
}

fn follow(args: &ShowArgs, home: &Home, mut reader: AuditReader, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut follower = Follower::start(&reader, args.filter())?;
    let (mut seen, mut first) = (None, true);
    loop {
        let version = reader.version()?;
        if seen != Some(version) || follower.is_waiting() {
            seen = Some(version);
            reader = reader.while_served(home.is_served());
            let entries = follower.step(&reader)?;
            print(&entries, args.form(), first, out)?;
            first = false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Entries line by line; the first of a CSV file are preceded by its headings.
fn print(entries: &[AuditEntry], form: Form, first: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if first && form == Form::Csv {
        write!(out, "{}\r\n", csv::HEADINGS)?;
    }
    for entry in entries {
        match form {
            Form::Table => writeln!(out, "{}", table::line(entry, &times::zone()))?,
            Form::Json => writeln!(out, "{}", entry.to_json())?,
            Form::Csv => write!(out, "{}\r\n", csv::record(entry))?,
        }
    }
    out.flush()
}

/// Opens the log. Whoever follows may come before the daemon's first start.
fn open(home: &Home, wait: bool) -> anyhow::Result<AuditReader> {
    while wait && !home.audit_db().exists() {
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(AuditReader::open(&home.audit_db())?.while_served(home.is_served()))
}

fn verify(args: &VerifyArgs, home: &Home, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if !home.audit_db().exists() {
        bail!("there is no audit log at {}", home.audit_db().display());
    }
    let head = args.head.as_deref();
    if head.is_some_and(|head| head.len() != 64 || !head.bytes().all(|b| b.is_ascii_hexdigit())) {
        bail!("--head wants the 64 hex digits that an earlier `doorward audit verify` printed");
    }
    let (good, found, text) = match AuditReader::open(&home.audit_db())?.verify(head) {
        Ok(whole) => {
            let found = serde_json::json!({ "whole": whole.holds_head != Some(false), "records": whole.records,
                                            "head": whole.head, "holds_head": whole.holds_head,
                                            "removed": whole.removed, "checkpoints": whole.checkpoints,
                                            "checkpoint_at_ms": whole.checkpoint_at, "key": whole.key });
            let text = match whole.holds_head {
                Some(false) if whole.removed > 0 => format!(
                    "The log is a whole chain, but the head you gave is no record of it: its tail was cut off, \
                     it was written anew, or the head is of one of the first {} records, which had their time and were \
                     removed.",
                    whole.removed
                ),
                Some(false) => {
                    "The log is a whole chain, but the head you gave is no record of it: its tail was cut off, \
                     or it was written anew."
                        .to_owned()
                }
                _ => in_words(&whole),
            };
            (whole.holds_head != Some(false), found, text)
        }
        Err(VerifyError::Bad(bad)) => {
            let found = serde_json::json!({ "whole": false, "seq": bad.seq, "what": bad.what });
            (false, found, format!("The log was tampered with: {bad}."))
        }
        Err(VerifyError::Store(error)) => return Err(error.into()),
    };
    if args.json {
        writeln!(out, "{found}")?
    } else {
        writeln!(out, "{text}")?
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A whole log.
fn in_words(whole: &Verified) -> String {
    let mut text = format!("All {} records are as they were written.\n", whole.records);
    if whole.removed > 0 {
        text += &format!("The {} before them had their time and were removed.\n", whole.removed);
    }
    if let (Some(at), Some(key)) = (whole.checkpoint_at, &whole.key) {
        let at = times::time(at, &times::zone());
        text += &format!("Signed checkpoints: {}, the last of {at}, with the key {key}\n", whole.checkpoints);
    }
    text + &format!("head {}", whole.head)
}

impl ShowArgs {
    fn form(&self) -> Form {
        match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        }
    }

    fn filter(&self) -> Filter {
        let which = match (self.allowed, self.denied) {
            (true, _) => Some(Which::Allowed),
            (_, true) => Some(Which::Denied),
            _ => None,
        };
        let events = match (self.requests, self.events) {
            (true, _) => Events::Without,
            (_, true) => Events::Alone,
            _ => Events::With,
        };
        Filter {
            group: self.group.clone(),
            host: self.host.clone(),
            which,
            since: self.since,
            // The numbers of records begin with 1.
            after: self.from_seq.map(|from| Seq(from.saturating_sub(1))),
            limit: self.limit().filter(|limit| *limit > 0),
            events,
            ..Filter::default()
        }
    }

    fn limit(&self) -> Option<u32> {
        let usual = (self.form() == Form::Table || self.follow).then_some(IN_A_TABLE);
        self.limit.or(usual)
    }
}

pub(super) fn since(text: &str) -> anyhow::Result<Millis> {
    since_at(text, &Zoned::now())
}

/// A length of time back from now, or a date (with a time) where the owner is.
fn since_at(text: &str, now: &Zoned) -> anyhow::Result<Millis> {
    if let Ok(span) = text.parse::<Span>() {
        // `2h` and `-2h` can only mean the past.
        let then = now.checked_sub(span.abs()).context("that is longer ago than time is counted")?;
        return Ok(then.timestamp().as_millisecond());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let date: civil::DateTime = text
        .parse()
        .ok()
        .context("write a length of time (`2h`, `7d`) or a date (`2026-11-23`, `2026-11-23T18:30`)")?;
    Ok(date.to_zoned(now.time_zone().clone())?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests;
