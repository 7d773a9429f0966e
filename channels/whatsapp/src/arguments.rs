//! The program's command line.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand, ValueEnum};

/// The WhatsApp channel of Doorward. `doorward whatsapp` runs it for you.
#[derive(Debug, Parser)]
#[command(version, name = "doorward-whatsapp")]
pub(crate) struct Arguments {
    /// Where WhatsApp's keys are kept; nobody but you may read it
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// For tests: a server on this machine instead of WhatsApp's
    #[arg(long, hide = true)]
    pub(crate) server: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Be the channel: speak with the daemon over stdin and stdout
    Run {
        /// Whose account this is
        #[arg(long, value_enum, default_value_t)]
        mode: Mode,
    },
    /// Link this computer to a WhatsApp account
    Link {
        /// Show a code to type on this phone instead of a QR code (international form, digits)
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
        /// A chat that is registered: what comes from it is left to the daemon
        #[arg(long, value_name = "CHAT")]
        registered: Vec<String>,
    },
    /// Give the account up and delete its keys here
    Unlink,
    /// List your chats, to see which one to register
    Chats {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// A chat that is registered: what comes from it is left to the daemon
        #[arg(long, value_name = "CHAT")]
        registered: Vec<String>,
    },
    /// Say from which chat a code comes: who sends it is the owner
    Expect {
        /// Whose account this is
        #[arg(long, value_enum, default_value_t)]
        mode: Mode,
        /// The code, in digits
        #[arg(long)]
        code: String,
        /// A chat that is registered: what comes from it is left to the daemon
        #[arg(long, value_name = "CHAT")]
        registered: Vec<String>,
    },
    /// Say how things stand
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Default for Command {
    fn default() -> Self {
        Command::Run { mode: Mode::default() }
    }
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The assistant's own: people write to that number
    #[default]
    OwnNumber,
    /// Yours: you write to yourself, and what you write elsewhere is not taken up
    SelfChat,
}

impl Arguments {
    /// The port of the test server, which must be on this machine.
    pub(crate) fn server_port(&self) -> anyhow::Result<Option<u16>> {
        let Some(url) = &self.server else { return Ok(None) };
        let rest = url.strip_prefix("ws://127.0.0.1:");
        ensure!(rest.is_some(), "--server takes ws://127.0.0.1:PORT/… only: it is for tests");
        let digits: String = rest.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        Ok(Some(digits.parse().context("--server names no port")?))
    }
}
