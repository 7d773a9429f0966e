//! `make lines`: what somebody has to read who wants to believe a promise of Doorward's, computed from
//! the modules that `lines.txt` names. With `1`, the files of each as well; with a word, those of the
//! promises that have it in their name.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a tool of the tree's own")]
#![allow(missing_docs, unreachable_pub)]

mod files;
mod layout;
#[expect(dead_code, reason = "circles and floors ask for more")]
mod modules;
#[expect(dead_code, reason = "circles and floors ask for arrows")]
mod reach;
#[expect(dead_code, reason = "searches ask for more")]
mod reading;
mod resolving;
mod shipped;
mod sums;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::process::ExitCode;

use modules::Workspace;
use reach::{Reached, Ways};
use sums::{Promise, Sum, thousands};

fn main() -> ExitCode {
    match told(std::env::args().nth(1).as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the sums; whether all are in order.
fn told(listed: Option<&str>) -> Result<bool, String> {
    let workspace = Workspace::read(&files::workspace());
    let lines = layout::lines(&workspace)?;
    let promises = sums::promises(include_str!("lines.txt"))?;
    let ways = Ways::of(&workspace);
    let sums = sums::sums(&promises, &ways, &lines);
    let mut shown = Vec::new();
    for (promise, sum) in promises.iter().zip(&sums) {
        shown.push(row(promise, sum, &workspace));
        if listed.is_some_and(|word| word == "1" || promise.name.contains(word)) {
            shown.extend(list(promise, sum, &workspace, &lines));
        }
    }
    // Who reads the first lines alone has closed the pipe.
    _ = writeln!(io::stdout(), "{}", shown.join("\n"));
    let wrong = sums::wrong(&promises, &sums, &ways);
    wrong.iter().for_each(|wrong| eprintln!("{wrong}"));
    Ok(wrong.is_empty())
}

/// The line of a promise.
fn row(promise: &Promise, sum: &Sum, workspace: &Workspace) -> String {
    let texts = sum.reached.iter().map(|reached| workspace.files[reached.file].text.as_str());
    let tokens = texts.map(|text| tokens::tokens(text).len()).sum();
    let goal = promise.goal.map_or(String::new(), |goal| format!(", goal {}", thousands(goal)));
    format!(
        "{:<46}{:>7} lines {:>5} files {:>9} tokens   (limit {}{goal})",
        promise.name,
        thousands(sum.lines),
        sum.reached.len(),
        thousands(tokens),
        thousands(promise.limit),
    )
}

/// Its files in reading order, each with what leads there, and what is left out.
fn list(promise: &Promise, sum: &Sum, workspace: &Workspace, lines: &BTreeMap<String, usize>) -> Vec<String> {
    let path = |file: usize| workspace.files[file].path.as_str();
    let row = |reached: &Reached| {
        let size = lines[path(reached.file)];
        let how = reached.from.as_ref().map_or("a root".to_owned(), |(from, edge)| match edge.line {
            0 => format!("{}: {}", path(*from), edge.by),
            line => format!("{}:{line}: {}", path(*from), edge.by),
        });
        format!("  {:<44}{size:>5}   {how}", path(reached.file))
    };
    let data = sum.reached.iter().flat_map(|reached| &workspace.files[reached.file].data).collect::<BTreeSet<_>>();
    let data = data.into_iter().map(|path| format!("  {path:<44}    –   embedded; no code, not counted"));
    let without = promise.without.iter().map(|(name, why)| format!("  without {name}: {why}"));
    sum.reached.iter().map(row).chain(data).chain(without).collect()
}
