//! `doorward whatsapp`: runs the channel's program for a person.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, anyhow};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};

use super::{Failure, environment, refused, show, usage};
use crate::channels::lines::LineReader;
use crate::channels::program;
use crate::config::{Config, WHATSAPP, WHATSAPP_PROGRAM, WhatsappMode};
use crate::home::Home;
use crate::registration::whatsapp as ids;
use crate::store::{Group, Store};

/// Link a WhatsApp account, see how it stands, give it up.
///
/// The channel is a program of its own, doorward-whatsapp. It speaks to WhatsApp
/// unofficially, which WhatsApp's terms do not allow: use a spare number. Read
/// docs/whatsapp.md first. `doorward setup` does all of it step by step.
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
    Chats {
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Give the account up and delete its keys here
    Unlink,
}

/// The channel's program and the folder with the account's keys.
#[derive(Debug)]
pub(super) struct Account {
    program: PathBuf,
    folder: PathBuf,
}

/// The link's state, as reported by the program.
#[derive(Debug, Deserialize)]
pub(super) struct Standing {
    /// Whether there are keys that the phone has not revoked.
    pub(super) linked: bool,
    /// The channel's last report.
    pub(super) last: Option<Last>,
}

/// The channel's last report.
#[derive(Debug, Deserialize)]
pub(super) struct Last {
    /// The state in one word.
    pub(super) state: crate::channels::protocol::ChannelState,
    /// In plain words.
    pub(super) detail: String,
}

/// The chats of an account.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    /// The account's own number, in digits.
    pub(super) own_number: Option<String>,
    /// Its groups, by name.
    pub(super) groups: Vec<ListedGroup>,
}

/// A group on WhatsApp.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ListedGroup {
    /// Its id on WhatsApp.
    pub(super) id: String,
    /// Its name for its members.
    pub(super) name: String,
}

/// A line of the program while it waits for a code.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Heard {
    /// The code came from this chat.
    Proven {
        /// The chat.
        chat: String,
        /// The sender's name there.
        name: String,
    },
    /// Codes are received from now on.
    Listens {},
    /// A message without the code arrived.
    Other {},
}

/// A program waiting for a code; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Expecting {
    child: Child,
    lines: LineReader<tokio::process::ChildStdout>,
}

pub(super) async fn run(home: &Home, args: WhatsappArgs) -> Result<ExitCode, Failure> {
    home.prepare()?;
    let account = Account::find(home, &Config::load(home)?).map_err(environment)?;
    let is_listing = matches!(
        args.command,
        WhatsappCommand::Status { json: false } | WhatsappCommand::Chats { json: false } | WhatsappCommand::Unlink
    );
    let registered = match args.command {
        WhatsappCommand::Link { .. } | WhatsappCommand::Chats { .. } => {
            let store = Store::open_existing(&home.main_db()).map_err(anyhow::Error::from)?;
            let groups = store.map(|store| store.groups()).transpose().map_err(anyhow::Error::from)?;
            registered(&groups.unwrap_or_default())
        }
        WhatsappCommand::Status { .. } | WhatsappCommand::Unlink => Vec::new(),
    };
    let words = words(args.command, &registered)?;
    let succeeded = if is_listing { account.shown(&words).await? } else { account.run(&words).await? };
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(command: WhatsappCommand, registered: &[String]) -> Result<Vec<OsString>, Failure> {
    let words = match command {
        WhatsappCommand::Link { phone } => return link_words(phone.as_deref(), registered),
        WhatsappCommand::Status { json: false } => vec!["status"],
        WhatsappCommand::Status { json: true } => vec!["status", "--json"],
        WhatsappCommand::Chats { json: false } => return Ok(chats_words(&[], registered)),
        WhatsappCommand::Chats { json: true } => return Ok(chats_words(&["--json"], registered)),
        WhatsappCommand::Unlink => vec!["unlink"],
    };
    Ok(words.into_iter().map(OsString::from).collect())
}

fn link_words(phone: Option<&str>, registered: &[String]) -> Result<Vec<OsString>, Failure> {
    let mut words = vec![OsString::from("link")];
    if let Some(phone) = phone {
        let number = ids::number(phone).map_err(|why| usage(anyhow!("--phone {phone:?}: {why}")))?;
        words.push(format!("--phone={number}").into());
    }
    words.extend(registered.iter().map(OsString::from));
    Ok(words)
}

fn chats_words(more: &[&str], registered: &[String]) -> Vec<OsString> {
    ["chats"].iter().chain(more).map(OsString::from).chain(registered.iter().map(OsString::from)).collect()
}

/// What the program is told of the registered chats: whenever it connects, it leaves their messages to the daemon.
pub(super) fn registered(groups: &[Group]) -> Vec<String> {
    let chats = groups.iter().filter(|group| group.channel == WHATSAPP);
    chats.map(|group| format!("--registered={}", group.chat)).collect()
}

impl Account {
    /// The program of this installation.
    pub(super) fn find(home: &Home, config: &Config) -> std::io::Result<Self> {
        let program = program::find(config.channels.whatsapp.program.as_deref(), WHATSAPP_PROGRAM)?;
        Ok(Account { program, folder: home.channel_dir("whatsapp") })
    }

    /// The link's state.
    pub(super) async fn standing(&self) -> Result<Standing, Failure> {
        self.json(&["status", "--json"].map(OsString::from)).await
    }

    /// The account's groups.
    pub(super) async fn chats(&self, registered: &[String]) -> Result<Listed, Failure> {
        self.json(&chats_words(&["--json"], registered)).await
    }

    /// Links the account, for the person at the terminal.
    pub(super) async fn link(&self, phone: Option<&str>, registered: &[String]) -> Result<bool, Failure> {
        self.run(&link_words(phone, registered)?).await
    }

    /// Waits for a code.
    pub(super) fn expect(&self, mode: WhatsappMode, code: &str, registered: &[String]) -> Result<Expecting, Failure> {
        let mut words = vec!["expect".to_owned(), "--mode".to_owned(), mode.as_str().to_owned()];
        words.push(format!("--code={code}"));
        words.extend_from_slice(registered);
        let mut child =
            self.command(&words).stdout(Stdio::piped()).kill_on_drop(true).spawn().map_err(|why| self.not(&why))?;
        let stdout = child.stdout.take().ok_or_else(|| refused(anyhow!("the program has no output")))?;
        Ok(Expecting { child, lines: LineReader::new(stdout, crate::channels::protocol::MAX_LINE) })
    }

    async fn run(&self, words: &[OsString]) -> Result<bool, Failure> {
        let mut command = self.command(words);
        let output = command.stdout(Stdio::inherit()).stderr(Stdio::piped()).output().await;
        let output = output.map_err(|why| self.not(&why))?;
        tell(&output.stderr);
        Ok(output.status.success())
    }

    /// Shows its output, fitted to the screen; returns whether it succeeded.
    async fn shown(&self, words: &[OsString]) -> Result<bool, Failure> {
        let output = self.command(words).output().await.map_err(|why| self.not(&why))?;
        tell(&output.stderr);
        if !output.stdout.is_empty() {
            show::line(String::from_utf8_lossy(&output.stdout).trim_end())?;
        }
        Ok(output.status.success())
    }

    async fn json<T: DeserializeOwned>(&self, words: &[OsString]) -> Result<T, Failure> {
        let output = self.command(words).stderr(Stdio::inherit()).output().await.map_err(|why| self.not(&why))?;
        let said = serde_json::from_slice(&output.stdout);
        let first = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
        Ok(said.with_context(|| format!("`{} {first}` did not answer", self.program.display()))?)
    }

    fn not(&self, why: &std::io::Error) -> Failure {
        environment(anyhow!("cannot run {}: {why}", self.program.display()))
    }

    #[expect(clippy::disallowed_methods, reason = "the channel's own program is what this command runs")]
    fn command<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--folder").arg(&self.folder).args(words).env_clear().stdin(Stdio::null());
        command
    }
}

/// Shows the program's other output, fitted to the screen.
fn tell(words: &[u8]) {
    if !words.is_empty() {
        show::aside(String::from_utf8_lossy(words).trim_end());
    }
}

impl Expecting {
    /// Its next line; an error once it has given up, with its own words on the terminal.
    pub(super) async fn next(&mut self) -> Result<Heard, Failure> {
        match self.lines.next().await? {
            Some(heard) => Ok(heard),
            None => {
                let _ = self.child.wait().await;
                Err(refused(anyhow!("the main chat was not proven; run `doorward setup` again")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whatever_connects_is_told_of_the_registered_chats() {
        let group = |channel: &str, chat: &str| Group {
            name: policies::GroupName::parse(chat).unwrap(),
            channel: channel.to_owned(),
            chat: chat.to_owned(),
            is_main: false,
            created_at: 0,
        };
        let registered = registered(&[group(WHATSAPP, "family"), group("terminal", "notes")]);
        assert_eq!(registered, ["--registered=family"]);
        let phone = Some("+49 170 1111111".to_owned());
        for command in [
            WhatsappCommand::Link { phone: None },
            WhatsappCommand::Link { phone },
            WhatsappCommand::Chats { json: false },
            WhatsappCommand::Chats { json: true },
        ] {
            let words = words(command, &registered).unwrap();
            assert!(words.contains(&OsString::from("--registered=family")), "{words:?}");
        }
    }
}
