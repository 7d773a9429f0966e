//! `doorward pages`: manual pages and completions, generated from the command line's definition for the package and
//! `make install`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, Failure};

/// Write the manual pages and the shells' completions into a folder
#[derive(Debug, clap::Args)]
pub struct PagesArgs {
    /// Where `man1`, `bash`, `zsh` and `fish` are made
    folder: PathBuf,
}

pub(super) fn run(args: &PagesArgs) -> Result<ExitCode, Failure> {
    write(&args.folder).with_context(|| format!("cannot write in {}", args.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path) -> std::io::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let manual = folder.join("man1");
    fs::create_dir_all(&manual)?;
    page(&command, &manual)?;
    for (shell, file) in [(Shell::Bash, "doorward"), (Shell::Zsh, "_doorward"), (Shell::Fish, "doorward.fish")] {
        let folder = folder.join(shell.to_string());
        fs::create_dir_all(&folder)?;
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "doorward", &mut text);
        fs::write(folder.join(file), text)?;
    }
    Ok(())
}

/// A page for a command, and one for each subcommand.
fn page(command: &Command, folder: &Path) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone()).manual("Doorward");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
        text.extend_from_slice(as_it_stands(&more.to_string()).as_bytes());
    }
    fs::write(folder.join(format!("{name}.1")), text)?;
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| page(below, folder))
}

/// Examples and tables, line by line: a manual page would reflow them.
fn as_it_stands(text: &str) -> String {
    let text =
        ["Examples:\n", "Example:\n"].iter().fold(text, |text, heading| text.strip_prefix(heading).unwrap_or(text));
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = escaped.lines().map(|line| format!("\\&{line}\n"));
    format!(".SH EXAMPLES\n.nf\n{}.fi\n", lines.collect::<String>())
}
