//! `doorward status`: which groups are being answered, which wait, and which task is next.

use std::process::ExitCode;

use containers::protocol::{McpPlace, McpServer};
use policies::GroupName;
use serde::Serialize;

use super::{Failure, change, doctor, environment, progress, refused, show, times};
use crate::config::{Config, GroupSettings};
use crate::control::client::{Client, ClientError};
use crate::control::planned::{PlannedTasks, TaskFailed, TaskPaused};
use crate::control::protocol::{Answer, PausedGroup, Request, Status};
use crate::digest::LastDrill;
use crate::home::Home;
use crate::meters::{self, Report};
use crate::pipeline::pausing;
use crate::skills;
use crate::store::ledger::AuditReader;
use crate::store::now;

/// Show what the daemon is doing: which groups have a sandbox, which wait for one, how tasks and channels stand, what waits
/// for you, and what models cost today.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  doorward status
  doorward status --json

Exit codes: 0 a daemon runs, 1 none does for this home.")]
pub struct StatusArgs {
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// The most tasks with problems that are named; `doorward task list` has them all.
const LINES_AT_MOST: usize = 10;

pub(super) async fn run(home: &Home, args: StatusArgs) -> Result<ExitCode, Failure> {
    let Some(client) = Client::connect(home).await.map_err(environment)? else {
        let held = doctor::held(home);
        return Err(refused(anyhow::anyhow!("no daemon runs for this home; `doorward up` starts one{held}")));
    };
    let drill = LastDrill::read(&home.last_drill());
    let (today, skills) = (Today::of(home), changed_skills(home));
    match progress::while_waiting("asking the daemon", client.ask(&Request::Status {})).await? {
        (Answer::Status(status), _) if args.json => {
            show::json(&Whole { status, today: today.ok(), last_drill: drill, changed_skills: skills })?;
        }
        (Answer::Status(status), _) => {
            let told = told(&skills);
            let parts = [text(&status), servers(home), beside(&status), spent(&today), told, drilled(drill)];
            show::line(parts.concat())?;
        }
        _ => return Err(ClientError::Unexpected.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The daemon's report, and what is known without it.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    status: Status,
    /// `None` if the log cannot be read.
    today: Option<Today>,
    last_drill: Option<LastDrill>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed_skills: Vec<String>,
}

/// The owner's MCP servers, from the groups' files.
fn servers(home: &Home) -> String {
    let of_group = |group: &GroupName| {
        let servers = GroupSettings::load(home, group).map(|settings| settings.servers).unwrap_or_default();
        let told: Vec<String> = servers.iter().map(server).collect();
        (!told.is_empty()).then(|| format!("\nMCP servers of {group}: {}", told.join(", ")))
    };
    change::registered(home).unwrap_or_default().iter().filter_map(of_group).collect()
}

fn server(server: &McpServer) -> String {
    match &server.place {
        McpPlace::Program { command, .. } => {
            format!("{} ({})", server.name, command.first().map_or("?", String::as_str))
        }
        McpPlace::Host { url, .. } => format!("{} ({url})", server.name),
    }
}

/// What all groups' models have used since midnight.
#[derive(Debug, Default, Serialize)]
struct Today {
    tokens: u64,
    /// In millionths of a US dollar.
    cost: u64,
}

impl Today {
    fn of(home: &Home) -> anyhow::Result<Self> {
        if !home.audit_log().is_dir() {
            return Ok(Today::default());
        }
        let used = AuditReader::open(&home.audit_log())?.tokens_since(None, times::clock(home).start_of_day())?;
        // Wrong settings are reported by the doctor.
        let prices = Config::load(home).unwrap_or_default().prices.with_shipped();
        let add = |sum: Today, report: Report| Today {
            tokens: sum.tokens.saturating_add(report.tokens),
            cost: sum.cost.saturating_add(report.cost),
        };
        Ok(meters::report(used, &prices).into_iter().fold(Today::default(), add))
    }
}

/// That usage in words. An unreadable log hides nothing else of the daemon's state.
fn spent(today: &anyhow::Result<Today>) -> String {
    match today {
        Ok(Today { tokens: 0, .. }) => String::new(),
        Ok(Today { tokens, cost }) => {
            format!("\nModels today: {tokens} tokens, {}; `doorward usage` has more", desk::money::about(*cost))
        }
        Err(error) => format!("\nModels today: not known: {error}; `doorward doctor` says what to do"),
    }
}

/// The daemon's surroundings, and what waits for the owner.
fn beside(status: &Status) -> String {
    let mut lines = vec![format!("Engine: {}", status.engine)];
    lines.extend(status.channels.iter().map(|channel| {
        let stands = match (channel.runs, channel.connected) {
            (true, true) => "connected",
            (true, false) => "not connected to its network; `doorward whatsapp status` says why",
            (false, _) => "its program does not run; `doorward logs` says why",
        };
        format!("Channel {}: {stands}", channel.channel)
    }));
    lines.extend(tasks(&status.tasks));
    let waits = |count: usize, what: &str, command: &str| match count {
        0 => None,
        count => Some(format!("{count} {what}{}: `{command}`", if count == 1 { "" } else { "s" })),
    };
    lines.extend(waits(status.asks, "open question", "doorward ask"));
    lines.extend(waits(status.undelivered, "undelivered message", "doorward undelivered"));
    lines.iter().map(|line| format!("\n{line}")).collect()
}

/// The next task, and those with problems.
fn tasks(PlannedTasks { planned, next, failed, paused }: &PlannedTasks) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(next) = next {
        let at = times::time(next.at_ms, &times::zone());
        lines.push(format!("Tasks: {planned} planned; the next is task {} of {}, at {at}", next.task, next.group));
    }
    let failed = failed.iter().map(|TaskFailed { task, group, times }| {
        let often = if *times == 1 { "failed".to_owned() } else { format!("failed {times} times") };
        format!("Task {task} of {group} {often} within a day; `doorward task show {task}` says why")
    });
    lines.extend(failed.take(LINES_AT_MOST));
    let paused = paused.iter().map(|TaskPaused { task, group, why }| {
        format!("Task {task} of {group} is paused: {why}; `doorward task resume {task}` has it go on")
    });
    lines.extend(paused.take(LINES_AT_MOST));
    lines
}

/// The skills that differ from what was accepted.
fn changed_skills(home: &Home) -> Vec<String> {
    let groups = change::registered(home).unwrap_or_default();
    let of_group = |group: &GroupName| {
        let all = skills::read(home, group).ok().and_then(Result::ok).unwrap_or_default();
        let changed = all.into_iter().filter(|skill| skills::state(home, skill).told(group, skill).is_some());
        changed.map(|skill| format!("{} of {group}", skill.name)).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of_group).collect()
}

fn told(skills: &[String]) -> String {
    match skills {
        [] => String::new(),
        names => format!("\nNot what you accepted by now: {}; `doorward skill check`", names.join(", ")),
    }
}

fn drilled(last: Option<LastDrill>) -> String {
    match last {
        None => "\nLast drill: none yet; `doorward drill` attacks your own installation".to_owned(),
        Some(LastDrill { at, group, passed }) => {
            let came = if passed { "nothing got out" } else { "FAILED; hold it again, and read what got out" };
            format!("\nLast drill: {}, from {group}: {came}", times::time(at, &times::zone()))
        }
    }
}

fn text(status: &Status) -> String {
    let mut lines = vec![format!(
        "The daemon runs (version {}, pid {}); sandboxes: {}, at most {} at once and one more for the main group.",
        status.version,
        status.pid,
        status.sandboxes.len(),
        status.cap
    )];
    for group in &status.locked {
        let what = if group == "*" { "Every group is" } else { group };
        let verb = if group == "*" { "" } else { " is" };
        lines.push(format!("  {what}{verb} locked: nothing goes out; `doorward unlock` opens it again"));
    }
    for PausedGroup { group, until } in &status.paused {
        let until = pausing::shown(*until, now(), &times::zone());
        lines.push(match group.as_str() {
            "*" => format!("  Every group is paused until {until}; `doorward resume` ends it"),
            group => format!("  {group} is paused until {until}; `doorward resume {group}` ends it"),
        });
    }
    if status.owner_away {
        let away = "  No word of yours came for a long time: groups reach their models and nothing\n  else, until you write in the main group's chat or run `doorward unlock`";
        lines.push(away.to_owned());
    }
    for live in &status.sandboxes {
        let what = if live.busy { "is being answered" } else { "is idle" };
        lines.push(format!("  {} {what}, for {}", live.group, length(live.seconds)));
        let own = status.helpers.iter().filter(|helper| helper.group == live.group);
        lines.extend(
            own.map(|helper| format!("    its helper {} is at work, for {}", helper.name, length(helper.seconds))),
        );
    }
    for (at, group) in status.waiting.iter().enumerate() {
        let waited = status.waited.get(at).map(|seconds| format!(", for {}", length(*seconds))).unwrap_or_default();
        lines.push(format!("  {group} waits for a free sandbox{waited} ({} in line)", at + 1));
    }
    for group in &status.resting {
        lines.push(format!("  {group} failed and is tried again shortly"));
    }
    if status.sandboxes.iter().any(|live| live.busy) {
        lines.push("`doorward stop GROUP` ends what runs for a group.".to_owned());
    }
    lines.join("\n")
}

fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::planned::NextTask;
    use crate::control::protocol::{ChannelThere, LiveGroup, LiveHelper};

    #[test]
    fn who_sits_and_who_waits_is_said() {
        let live = |group: &str, busy, seconds| LiveGroup { group: group.to_owned(), busy, seconds };
        let status = Status {
            version: "1".into(),
            pid: 7,
            sandboxes: vec![live("family", true, 95), live("work", false, 300)],
            helpers: vec![LiveHelper { group: "family".into(), name: "news".into(), seconds: 12 }],
            waiting: vec!["club".into()],
            waited: vec![12],
            resting: vec!["lab".into()],
            cap: 2,
            locked: vec!["work".into()],
            paused: vec![PausedGroup { group: "club".into(), until: i64::MAX / 1_000_000 }],
            owner_away: true,
            policies: Vec::new(),
            settings: None,
            engine: "Docker 27".into(),
            channels: vec![ChannelThere { channel: "whatsapp".into(), runs: true, connected: false }],
            asks: 1,
            undelivered: 2,
            tasks: PlannedTasks {
                planned: 3,
                next: Some(NextTask { task: 4, group: "family".into(), at_ms: 0 }),
                failed: vec![TaskFailed { task: 2, group: "club".into(), times: 3 }],
                paused: vec![TaskPaused { task: 5, group: "work".into(), why: "it failed 5 times in a row".into() }],
            },
        };
        let drill = LastDrill { at: 0, group: "family".into(), passed: true };
        let today = Ok(Today { tokens: 94_068, cost: 420_000 });
        let skills = told(&["weather of club".to_owned()]);
        let text = [text(&status), beside(&status), spent(&today), skills, drilled(Some(drill))].concat();
        show::assert_fits(&text.as_str().into());
        for line in [
            "family is being answered, for 95 s",
            "    its helper news is at work, for 12 s",
            "work is idle, for 5 min",
            "club waits for a free sandbox, for 12 s (1 in line)",
            "lab failed",
            "work is locked",
            "club is paused until",
            "No word of yours",
            "doorward stop GROUP",
            "Engine: Docker 27",
            "Channel whatsapp: not connected",
            "Tasks: 3 planned; the next is task 4 of family, at ",
            "Task 2 of club failed 3 times within a day",
            "Task 5 of work is paused: it failed 5 times in a row; `doorward task resume 5` has it go on",
            "Models today: 94068 tokens, 0.42 USD",
            "1 open question: `doorward ask`",
            "2 undelivered messages: `doorward undelivered`",
            "Not what you accepted by now: weather of club",
            "from family: nothing got out",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_hides_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        assert_eq!(spent(&Today::of(&home)), "", "without a log nothing was used up");
        let said = spent(&Err(anyhow::anyhow!("the index is locked")));
        assert!(said.starts_with("\nModels today: not known: the index is locked; `doorward doctor`"), "{said}");
    }
}
