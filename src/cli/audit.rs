//! `doorward audit`: the requests at the door and their results.
//!
//! Reads the log's own files: works with or without a running daemon.

mod csv;
mod digest;
mod follow;
mod nothing;
mod reasons;
mod show;
mod table;
mod verify;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use policies::GroupName;
use proxy::audit::Seq;

use super::show::{Screen, Styled};
use super::times;
use super::when::{self, When};
use crate::home::Home;
use crate::store::ledger::{AuditEntry, AuditReader, Events, Filter, Which};

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
    /// Show one record in full, in words
    Show(show::OneArgs),
    /// Check that no record was changed, removed, moved or put in
    Verify(verify::VerifyArgs),
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
    /// In a table too: what Claude Code asks at each of its starts, and is refused. JSON and CSV have it anyway
    #[arg(long)]
    all: bool,
    /// Only that of which the owner was told at once
    #[arg(long)]
    alarms: bool,
    /// Only what was allowed
    #[arg(long)]
    allowed: bool,
    /// Only what was asked at a door
    #[arg(long, conflicts_with = "events")]
    requests: bool,
    /// Only what happened besides: doors, policies, stops, answers to chats
    #[arg(long)]
    events: bool,
    /// Only from this time on: `2h` ago, `today`, `yesterday`, `monday 17:00`, `17:00`, `2026-11-23`,
    /// `2026-11-23T18:30`
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only up to this time, written in the same way
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<When>,
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
    /// From the log that an older Doorward kept, `audit.db`
    #[arg(long, conflicts_with = "follow")]
    old: bool,
    /// As CSV that is safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The form of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    Json,
    Csv,
}

/// How often a followed log is checked. Each check is one short read.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many records of an export are read at a time.
const AT_ONCE: u32 = 1_000;

/// The default length of a table, and of the start of a followed one.
const IN_A_TABLE: u32 = 50;

/// Runs the command; writes to standard output.
pub fn run(args: &AuditArgs, home: &Home) -> anyhow::Result<ExitCode> {
    let (out, screen) = (&mut std::io::stdout().lock(), Screen::stdout());
    match &args.command {
        Some(AuditCommand::Show(one)) => show::run(one, home, screen, out),
        Some(AuditCommand::Verify(verify_args)) => verify::run(verify_args, home, screen, out),
        Some(AuditCommand::Digest(digest_args)) => digest::run(digest_args, home, screen, out),
        None => list(&args.show, home, screen, out),
    }
}

/// A home's whole log as the command shows it: for the tour.
pub(super) fn whole(home: &Home, screen: Screen) -> anyhow::Result<Styled> {
    let mut text = Vec::new();
    table(&open(home, false)?, &Filter { events: Events::With, ..Filter::default() }, screen, &mut text)?;
    Ok(Styled::drawn(String::from_utf8_lossy(&text).trim_end().to_owned()))
}

fn list(args: &ShowArgs, home: &Home, screen: Screen, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if !is_there(home, args.old) && !args.follow {
        match args.form() {
            Form::Table => {
                let nothing = Styled::from(format!("Nothing was asked at a door of {home} yet."));
                writeln!(out, "{}", nothing.on(screen))?;
            }
            Form::Json | Form::Csv => export_of(&[], args.form(), true, out)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    // A follower may start before the daemon's first start.
    while args.follow && !is_there(home, false) {
        std::thread::sleep(LOOK_EVERY);
    }
    let reader = open(home, args.old)?;
    if args.follow {
        return follow(args, home, reader, screen, out);
    }
    let filter = args.filter()?;
    let shown = match args.form() {
        Form::Table => table(&reader, &filter, screen, out)?,
        form => export(&reader, filter.clone(), form, out)?,
    };
    let aside = match (args.form(), shown) {
        (Form::Json | Form::Csv, 0) => Some(nothing::words(&reader, &filter)?),
        (Form::Json | Form::Csv, _) => None,
        (Form::Table, shown) => what_is_missing(&reader, &filter, shown)?,
    };
    aside.into_iter().for_each(super::show::aside);
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A note if a table does not show everything.
fn what_is_missing(reader: &AuditReader, filter: &Filter, shown: u64) -> anyhow::Result<Option<String>> {
    let all = match filter.limit {
        Some(limit) if shown >= u64::from(limit) => reader.count(filter)?,
        _ => shown,
    };
    let which = if filter.after.is_some() { "first" } else { "newest" };
    let newest = (all > shown).then(|| format!("These are the {which} {shown} of {all}; --limit 0 shows all."));
    let routine = if filter.without_routine {
        reader.count(&Filter { without_routine: false, ..filter.clone() })?.saturating_sub(all)
    } else {
        0
    };
    let routine = (routine > 0).then(|| {
        format!(
            "Left out: what Claude Code asks at each of its starts, and is refused ({routine} times); --all shows it."
        )
    });
    Ok(newest.into_iter().chain(routine).reduce(|one, other| format!("{one}\n{other}")))
}

/// A table as wide as its widest cells, which are measured first, or as its screen; returns the number of entries.
fn table(reader: &AuditReader, filter: &Filter, screen: Screen, out: &mut dyn Write) -> anyhow::Result<u64> {
    let (zone, until) = (times::zone(), reader.last()?);
    let mut columns = table::columns();
    let all = pages(reader, filter.clone(), until, |entries| {
        entries.iter().for_each(|entry| columns.fit(&table::cells(entry, &zone)));
        Ok(())
    })?;
    if all == 0 {
        writeln!(out, "{}", Styled::from(nothing::words(reader, filter)?).on(screen))?;
        return Ok(0);
    }
    let fitted = columns.on(screen);
    fitted.headings().map_or(Ok(()), |headings| writeln!(out, "{headings}"))?;
    pages(reader, filter.clone(), until, |entries| {
        entries.iter().try_for_each(|entry| writeln!(out, "{}", fitted.row(&table::cells(entry, &zone))))
    })
}

/// Writes all matching entries one by one; returns their number.
fn export(reader: &AuditReader, filter: Filter, form: Form, out: &mut dyn Write) -> anyhow::Result<u64> {
    export_of(&[], form, true, out)?;
    pages(reader, filter, reader.last()?, |entries| export_of(entries, form, false, out))
}

/// Passes on the matching entries up to a record, page by page: a log may be larger than memory. Returns their number.
fn pages(
    reader: &AuditReader,
    mut filter: Filter,
    until: Seq,
    mut take: impl FnMut(&[AuditEntry]) -> std::io::Result<()>,
) -> anyhow::Result<u64> {
    let (mut left, mut taken) = (filter.limit.unwrap_or(u32::MAX), 0);
    if filter.after.is_none() {
        let newest = filter.limit.map(|limit| reader.before_the_newest(&filter, limit)).transpose()?;
        filter.after = Some(newest.unwrap_or(Seq(0)));
    }
    while left > 0 {
        filter.limit = Some(AT_ONCE.min(left));
        let mut entries = reader.entries(&filter)?;
        entries.retain(|entry| entry.seq <= until);
        let Some(last) = entries.last().map(|last| last.seq) else { break };
        take(&entries)?;
        left = left.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        taken += entries.len() as u64;
        filter.after = Some(last);
    }
    Ok(taken)
}

fn follow(
    args: &ShowArgs,
    home: &Home,
    mut reader: AuditReader,
    screen: Screen,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let (zone, fitted) = (times::zone(), table::columns_of_a_stream().on(screen));
    let mut follower = Follower::start(&reader, args.filter()?)?;
    let mut first = true;
    loop {
        if reader.catch_up()? || first || follower.is_waiting() {
            reader = reader.while_served(home.is_served());
            let entries = follower.step(&reader)?;
            match args.form() {
                Form::Table => {
                    entries
                        .iter()
                        .try_for_each(|entry| writeln!(out, "{}", fitted.row(&table::cells(entry, &zone))))?;
                    out.flush()?;
                }
                form => export_of(&entries, form, first, out)?,
            }
            first = false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Entries line by line, for programs; the first of a CSV file come after its headings.
fn export_of(entries: &[AuditEntry], form: Form, first: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if first && form == Form::Csv {
        write!(out, "{}\r\n", csv::HEADINGS)?;
    }
    for entry in entries {
        match form {
            Form::Csv => write!(out, "{}\r\n", csv::record(entry))?,
            Form::Json | Form::Table => writeln!(out, "{}", entry.to_json())?,
        }
    }
    out.flush()
}

/// Whether there is a log to show.
fn is_there(home: &Home, old: bool) -> bool {
    if old { home.old_audit_db().exists() } else { home.audit_log().exists() }
}

/// Opens the log, or an older version's.
fn open(home: &Home, old: bool) -> anyhow::Result<AuditReader> {
    match old {
        true => Ok(AuditReader::open_old(&home.old_audit_db())?),
        false => Ok(AuditReader::open(&home.audit_log())?.while_served(home.is_served())),
    }
}

impl ShowArgs {
    fn form(&self) -> Form {
        match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        }
    }

    fn filter(&self) -> anyhow::Result<Filter> {
        let (since, until) = when::span(self.since.as_ref(), self.until.as_ref())?;
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
        Ok(Filter {
            group: self.group.clone(),
            host: self.host.clone(),
            which,
            alarms: self.alarms,
            since,
            until,
            // Record numbers start at 1.
            after: self.from_seq.map(|from| Seq(from.saturating_sub(1))),
            limit: self.limit().filter(|limit| *limit > 0),
            events,
            without_routine: self.form() == Form::Table && !self.all,
            ..Filter::default()
        })
    }

    fn limit(&self) -> Option<u32> {
        let usual = (self.form() == Form::Table || self.follow).then_some(IN_A_TABLE);
        self.limit.or(usual)
    }
}

#[cfg(test)]
mod tests;
