//! `doorward drill`: attacks your own installation and reports the result.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::anyhow;
use containers::Engine;
use policies::GroupName;

use super::show::{Styled, Tone};
use super::{Failure, environment, image, refused, show, up};
use crate::config::Config;
use crate::digest::LastDrill;
use crate::drill::attacks::Area;
use crate::drill::{self, DrillError, Fence, Order, Report, Tried, Weaken};
use crate::home::{Home, make_private_file};
use crate::store::now;

/// Attack your own installation from a real sandbox, and see that nothing gets out.
///
/// Uses your engine, image, limits and the group's policy and folder. Canaries on this
/// computer listen for whatever gets through; the internet is not touched. Each attack
/// is also run where it must succeed (its control), so that a broken attack does not
/// pass for a refused one. Works beside a running daemon and without one.
///
/// The exit code is 0 only if every attack failed and every control succeeded.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward drill
  doorward drill --group family --json
  doorward drill --weaken network      see what it looks like when something gets out")]
pub struct DrillArgs {
    /// Whose sandbox to attack from; the main group where none is said
    #[arg(long, value_name = "GROUP", value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// Weaken the sandbox under attack on purpose: the drill must then fail
    #[arg(long, value_name = "WHAT", value_enum)]
    weaken: Option<Hole>,
    /// The result as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Hole {
    /// Join it to a network
    Network,
    /// Give it the engine's own system call filter instead of Doorward's
    Seccomp,
    /// Put a proxy that lets everything through behind its door
    Proxy,
}

pub(super) async fn run(home: &Home, args: DrillArgs) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let weaken = args.weaken.map(|hole| match hole {
        Hole::Network => Weaken::Network,
        Hole::Seccomp => Weaken::Seccomp,
        Hole::Proxy => Weaken::Proxy,
    });
    let (report, cleared) = hold(Order { home, group: args.group, weaken }).await?;
    if args.json {
        show::json(&as_json(&report, weaken))?;
    } else {
        show::line(as_text(&report, weaken, started.elapsed().as_secs()))?;
    }
    cleared?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one drill for a group and reports it in a sentence; returns whether nothing got out.
pub(super) async fn in_short(home: &Home, group: &GroupName) -> Result<bool, Failure> {
    let started = Instant::now();
    let (report, cleared) = hold(Order { home, group: Some(group.clone()), weaken: None }).await?;
    show::line(verdict(&report, started.elapsed().as_secs()))?;
    cleared?;
    Ok(report.passed())
}

/// Holds a drill; returns the report, and whether everything could be removed.
async fn hold(order: Order<'_>) -> Result<(Report, Result<(), Failure>), Failure> {
    let (home, weaken) = (order.home, order.weaken);
    let config = Config::load(home)?;
    let engine = Engine::connect(config.engine.host.as_deref()).await.map_err(environment)?;
    if config.engine.image.is_none() {
        image::ensure(home, &engine, "base").await?;
    }
    let fence = Fence::new(engine.clone());
    let progress = |what: &str| show::aside(format!("doorward: {what} …"));
    let held = tokio::select! {
        held = drill::hold(order, &engine, &fence, &progress) => held.map_err(failed),
        () = up::interrupted() => Err(refused(anyhow!("the drill was interrupted, so it proves nothing"))),
    };
    if let Ok(report) = &held
        && weaken.is_none()
    {
        keep(home, report);
    }
    let cleared = fence.clear().await.map_err(|why| anyhow!("something of the drill could not be removed: {why}"));
    Ok((held?, cleared.map_err(environment)))
}

/// For `doorward status` and the daily digest. A failure to write it does not undo the drill.
fn keep(home: &Home, report: &Report) {
    if !home.data().is_dir() {
        return;
    }
    let last = LastDrill { at: now(), group: report.group.to_string(), passed: report.passed() };
    let written = || -> anyhow::Result<()> {
        make_private_file(&home.last_drill())?;
        Ok(std::fs::write(home.last_drill(), serde_json::to_vec(&last)?)?)
    };
    if let Err(error) = written() {
        show::aside(format!("doorward: when this drill was held could not be kept: {error}"));
    }
}

fn failed(error: DrillError) -> Failure {
    let own = matches!(error, DrillError::NoGroup(_) | DrillError::Policy(_) | DrillError::Config(_));
    let error = anyhow::Error::new(error);
    if own { refused(error) } else { environment(error.context("the drill could not be held, so it proves nothing")) }
}

fn as_text(report: &Report, weaken: Option<Weaken>, seconds: u64) -> Styled {
    let whose = if report.throw_away {
        "a throw-away group (you have none yet)".to_owned()
    } else {
        format!("group {}", report.group)
    };
    let mut text = Styled::from(format!(
        "Drill: {} attacks from a real sandbox of {whose}, {} canaries listening\n{}, image {}\n",
        report.tried.len(),
        report.canaries,
        report.engine,
        report.image
    ));
    if let Some(weaken) = weaken {
        let what = format!("The sandbox under attack is weakened on purpose: {}.", weakened(weaken));
        text = text + "\n" + Tone::Warning.of(&what) + "\n";
    }
    let width = report.tried.iter().map(|tried| tried.attack.id.len()).max().unwrap_or(0);
    for area in Area::ALL {
        text = text + "\n" + Tone::Strong.of(area.title()) + format!("\n{}\n\n", indented(area.explained(), 2));
        for tried in report.tried.iter().filter(|tried| tried.attack.area == area) {
            text = text + attack_as_text(tried, width);
        }
    }
    if !report.left_out.is_empty() {
        let left_out = report.left_out.join(", ");
        text = text + format!("\nLeft out, because sandboxes of all groups are one user here: {left_out}\n");
    }
    text + "\n" + amiss(report) + verdict(report, seconds)
}

/// Problems other than attacks.
fn amiss(report: &Report) -> Styled {
    let mut text = Styled::default();
    for finding in &report.findings {
        text = text + Tone::Bad.of("NOT AS IT MUST BE") + format!("  {}\n", cut(finding));
    }
    if let Err(why) = &report.open {
        let so = "not even what the policy allows goes through, so refusals prove nothing";
        text = text + Tone::Bad.of("SHUT") + format!("  {so}: {why}\n");
    }
    text
}

fn attack_as_text(tried: &Tried, width: usize) -> Styled {
    let result = if tried.result.through { Tone::Bad.of("GOT OUT") } else { Tone::Good.of("blocked") };
    let control = if tried.control.through { Tone::Good.of("control ok    ") } else { Tone::Bad.of("CONTROL FAILED") };
    let what = format!("  {:<width$}  {}\n", tried.attack.id, tried.attack.tries);
    let mut text = Styled::from("  ") + result + "  " + control + what + happened(&tried.result.what);
    if !tried.control.through {
        text = text + happened(&format!("its control: {}", tried.control.what));
    }
    text
}

/// What happened, for below its attack: may contain a sandbox's words.
fn happened(text: &str) -> String {
    format!("{:INDENT$}{}\n", "", cut(text))
}

/// In one line of bounded length.
fn cut(text: &str) -> String {
    const MOST: usize = 300;
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().take(MOST).collect()
}

/// The indent of what happened.
const INDENT: usize = 11;

fn verdict(report: &Report, seconds: u64) -> Styled {
    let count = report.tried.len();
    if report.passed() {
        let all = format!("All {count} attacks failed, and all {count} controls succeeded: nothing gets out.");
        return Tone::Good.of(&all) + format!(" ({seconds} s)");
    }
    let ids = |tried: Vec<&Tried>| tried.iter().map(|tried| tried.attack.id).collect::<Vec<_>>().join(", ");
    let (through, unproven): (Vec<_>, Vec<_>) = (report.through().collect(), report.unproven().collect());
    let mut lines = vec![format!(" ({seconds} s)")];
    if !through.is_empty() {
        lines.push(format!("{} of {count} attacks got out: {}", through.len(), ids(through)));
    }
    if !unproven.is_empty() {
        lines.push(format!(
            "{} of {count} prove nothing, because their control failed: {}",
            unproven.len(),
            ids(unproven)
        ));
    }
    if !report.findings.is_empty() {
        lines.push("The sandbox is not what it must be; see above.".to_owned());
    }
    Tone::Bad.of("The drill FAILED.") + lines.join("\n")
}

fn as_json(report: &Report, weaken: Option<Weaken>) -> serde_json::Value {
    let attacks: Vec<_> = report
        .tried
        .iter()
        .map(|tried| {
            serde_json::json!({
                "id": tried.attack.id,
                "area": tried.attack.area.as_str(),
                "tries": tried.attack.tries,
                "result": if tried.result.through { "got_out" } else { "refused" },
                "what": tried.result.what,
                "control": tried.attack.control.as_str(),
                "control_result": if tried.control.through { "succeeded" } else { "failed" },
                "control_what": tried.control.what,
            })
        })
        .collect();
    serde_json::json!({
        "passed": report.passed(),
        "group": report.group,
        "throw_away_group": report.throw_away,
        "engine": report.engine,
        "image": report.image,
        "canaries": report.canaries,
        "weakened": weaken.map(|weaken| match weaken {
            Weaken::Network => "network",
            Weaken::Seccomp => "seccomp",
            Weaken::Proxy => "proxy",
        }),
        "findings": report.findings,
        "allowed_way": report.open.as_ref().map_or_else(|why| why.as_str(), |()| "open"),
        "got_out": report.through().map(|tried| tried.attack.id).collect::<Vec<_>>(),
        "unproven": report.unproven().map(|tried| tried.attack.id).collect::<Vec<_>>(),
        "left_out": report.left_out,
        "attacks": attacks,
    })
}

fn weakened(weaken: Weaken) -> &'static str {
    match weaken {
        Weaken::Network => "it is joined to a network",
        Weaken::Seccomp => "it has the engine's own system call filter",
        Weaken::Proxy => "a proxy that lets everything through stands behind its door",
    }
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}", "")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use policies::GroupName;

    use super::*;
    use crate::drill::Attempt;
    use crate::drill::attacks::ATTACKS;

    /// With every attack, each with a different result.
    #[test]
    fn a_report_fits_every_terminal() {
        let attempt = |through: bool, what: &str| Attempt { through, what: what.to_owned() };
        let blocked =
            attempt(false, "authority_mismatch: CONNECT named open.drill.test, the TLS handshake another host");
        let tried = ATTACKS.iter().enumerate().map(|(at, attack)| Tried {
            attack,
            result: if at % 7 == 3 { attempt(true, "it answered") } else { blocked.clone() },
            control: if at % 11 == 5 {
                attempt(false, "cannot connect: Network is unreachable (os error 101)")
            } else {
                attempt(true, "it answered")
            },
        });
        let report = Report {
            group: GroupName::parse("grandparents-and-cousins").unwrap(),
            throw_away: false,
            engine: "Docker 20.10.24+dfsg1".to_owned(),
            image: "doorward/base:817cf1b57bf3".to_owned(),
            canaries: 14,
            findings: vec!["it has a capability that it must not have".to_owned()],
            open: Err("the door does not answer".to_owned()),
            tried: tried.collect(),
            left_out: vec!["neighbour", "files"],
        };
        show::assert_fits(&as_text(&report, Some(Weaken::Network), 18));
        show::assert_fits(&verdict(&report, 18));
    }
}
