//! `doorward policy test`: runs the `[[test]]`s of a group, or of all groups.

use std::process::ExitCode;

use policies::GroupName;
use policy_file::TestReport;

use super::show::{Styled, Tone};
use super::{Failure, compile, groups_with_files, show, wrong};
use crate::gateway::policy_files;
use crate::home::Home;

pub(super) fn run(home: &Home, group: Option<GroupName>, json: bool) -> Result<ExitCode, Failure> {
    let groups = match group {
        Some(group) if !home.policy_file(&group).exists() => {
            compile(home, &group)?;
            vec![group]
        }
        Some(group) => vec![group],
        None => groups_with_files(home)?,
    };
    let mut all_passed = true;
    for group in groups {
        let reports = reports(home, &group)?;
        all_passed &= reports.iter().all(|report| report.passed);
        if json {
            show::json(&serde_json::json!({ "group": group, "tests": reports }))?;
        } else {
            show::line(words(&group, &reports))?;
        }
    }
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub(super) fn reports(home: &Home, group: &GroupName) -> Result<Vec<TestReport>, Failure> {
    policy_file::run_tests(group, &policy_files::read(home, group)?).map_err(|problems| wrong(group.as_str(), problems))
}

pub(super) fn words(group: &GroupName, reports: &[TestReport]) -> Styled {
    if reports.is_empty() {
        return format!("{group}: no tests; a [[test]] with `request` and `want` is one").into();
    }
    let line = |report: &TestReport| {
        let mark = if report.passed { Tone::Good.of("ok") + "    " } else { Tone::Bad.of("FAILED") };
        let when = report.when.as_ref().map(|when| format!(" at {when}")).unwrap_or_default();
        let mut words = format!("  {} is wanted for {}{when} ({})", report.want, report.request, report.at);
        if !report.passed {
            words += &format!("\n        {}", report.why);
        }
        mark + words
    };
    let passed = reports.iter().filter(|report| report.passed).count();
    let mut lines: Vec<Styled> = reports.iter().map(line).collect();
    lines.push(format!("{group}: {passed} of {} tests hold", reports.len()).into());
    Styled::joined(lines, "\n")
}
