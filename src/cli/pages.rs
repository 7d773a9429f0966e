//! `doorward pages`: manual pages and completions, made of the command line's own description for the
//! package and `make install`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Failure};

/// Write the manual pages and the shells' completions into a folder
#[derive(Debug, clap::Args)]
pub struct PagesArgs {
    /// Where `man1`, `bash`, `zsh` and `fish` are made
    folder: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &PagesArgs) -> Result<ExitCode, Failure> {
    write(&args.folder).with_context(|| format!("cannot write in {}", args.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path) -> std::io::Result<()> {
    let mut command = Cli::command();
    let manual = folder.join("man1");
    fs::create_dir_all(&manual)?;
    clap_mangen::generate_to(command.clone(), &manual)?;
    for (shell, file) in [(Shell::Bash, "doorward"), (Shell::Zsh, "_doorward"), (Shell::Fish, "doorward.fish")] {
        let folder = folder.join(shell.to_string());
        fs::create_dir_all(&folder)?;
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "doorward", &mut text);
        fs::write(folder.join(file), text)?;
    }
    Ok(())
}
