//! `doorward whatsapp`: runs the channel's program for what a person does with it.

use std::ffi::OsString;
use std::process::{ExitCode, Stdio};

use anyhow::Context as _;

use super::{Failure, environment};
use crate::channels::program;
use crate::config::{Config, WHATSAPP_PROGRAM};
use crate::home::Home;

/// Link a WhatsApp account, see how it stands, give it up.
///
/// The channel is a program of its own, doorward-whatsapp. It speaks to WhatsApp
/// unofficially, which WhatsApp's terms do not allow: use a spare number. Read
/// docs/whatsapp.md first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward whatsapp link
  doorward whatsapp link --phone +491701234567
  doorward whatsapp chats
  doorward group add family --channel whatsapp --chat 120363012345678901@g.us")]
pub struct WhatsappArgs {
    #[command(subcommand)]
    command: WhatsappCommand,
}

#[derive(Debug, clap::Subcommand)]
enum WhatsappCommand {
    /// Link this computer to a WhatsApp account, by QR code or by a code to type
    Link {
        /// Show a code to type on this phone instead of a QR code
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
    },
    /// Say how the link stands
    Status {
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// List the chats that can be registered as groups
    Chats,
    /// Give the account up and delete its keys here
    Unlink,
}

/// Runs the command.
#[expect(clippy::disallowed_methods, reason = "the channel's own program is what this command runs")]
pub(super) async fn run(home: &Home, args: WhatsappArgs) -> Result<ExitCode, Failure> {
    home.prepare()?;
    let config = Config::load(home)?;
    let named = config.channels.whatsapp.program.as_deref();
    let path = program::find(named, WHATSAPP_PROGRAM).map_err(environment)?;
    let mut command = tokio::process::Command::new(&path);
    command.arg("--folder").arg(home.channel_dir("whatsapp")).args(words(args.command)).env_clear();
    command.stdin(Stdio::null());
    let status = command.status().await.with_context(|| format!("cannot run {}", path.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(command: WhatsappCommand) -> Vec<OsString> {
    let words = match command {
        WhatsappCommand::Link { phone: None } => vec!["link".to_owned()],
        WhatsappCommand::Link { phone: Some(phone) } => vec!["link".to_owned(), format!("--phone={phone}")],
        WhatsappCommand::Status { json: false } => vec!["status".to_owned()],
        WhatsappCommand::Status { json: true } => vec!["status".to_owned(), "--json".to_owned()],
        WhatsappCommand::Chats => vec!["chats".to_owned()],
        WhatsappCommand::Unlink => vec!["unlink".to_owned()],
    };
    words.into_iter().map(OsString::from).collect()
}
