//! `doorward undelivered`: texts that could not be sent to their chats. They are stored, and their owner reads them
//! here.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use desk::screen::{on_screen, text_on_screen};
use policies::GroupName;

use super::show::{Styled, Tone};
use super::{Failure, change, group, show, times};
use crate::home::Home;
use crate::store::{OutboxId, Store, Undelivered};

/// Read what could not be delivered to a chat
///
/// An answer that a network refuses for good, or that was tried for hours, is given up:
/// its chat hears of that, or else the main group does. The text is kept and printed here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward undelivered
  doorward undelivered family
  doorward undelivered --json
  doorward undelivered --save ~/files

Exit codes: 0; 1 where there is no such group.")]
pub struct UndeliveredArgs {
    /// Only of this group
    #[arg(value_parser = GroupName::parse)]
    group: Option<GroupName>,
    /// As JSON, one line for each
    #[arg(long)]
    json: bool,
    /// Write the files among them into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "json")]
    save: Option<PathBuf>,
}

pub(super) fn run(home: &Home, args: &UndeliveredArgs) -> Result<ExitCode, Failure> {
    let store = group::open_store(home)?;
    if let Some(group) = &args.group {
        change::registered_group(home, group)?;
    }
    let texts = store.undelivered(args.group.as_ref())?;
    if let Some(folder) = &args.save {
        save(&store, &texts, folder)?;
    } else if args.json {
        texts.iter().try_for_each(show::json)?;
    } else if texts.is_empty() {
        show::line("Everything was delivered, or waits to be.")?;
    } else {
        show::line(Styled::joined(texts.iter().map(words), "\n\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each under its number and name. Existing files stay.
fn save(store: &Store, texts: &[Undelivered], folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut saved = false;
    for text in texts {
        let Some(file) = store.outgoing_file(OutboxId(text.id))? else { continue };
        let path = folder.join(format!("{}-{}", text.id, file.name()));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = made.and_then(|mut made| made.write_all(file.bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
        show::line(format!("{}  {}", text.group, path.display()))?;
        saved = true;
    }
    if !saved {
        show::line("No file is among what could not be delivered.")?;
    }
    Ok(())
}

fn words(text: &Undelivered) -> Styled {
    let told = if text.chat_was_told { "its chat was told that there was one" } else { "its chat heard nothing" };
    let said: Vec<_> =
        text_on_screen(&text.text).lines().map(|line| format!("  {line}").trim_end().to_owned()).collect();
    let at = times::time(text.at, &times::zone());
    let file = text.file.as_ref().map(|file| format!("  the file {}", on_screen(file)));
    let said: Vec<_> = said.into_iter().filter(|line| !line.is_empty()).chain(file).collect();
    Tone::Strong.of(text.group.as_str()) + format!("  {at}: {}; {told}\n{}", text.why, said.join("\n"))
}
