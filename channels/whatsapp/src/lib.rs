//! `doorward-whatsapp`: WhatsApp as a channel of Doorward.
//!
//! The daemon starts it with an empty environment and speaks the channel protocol
//! with it over stdin and stdout. It keeps WhatsApp's keys in one folder, confines
//! itself to that folder, and passes on messages of registered chats only.
//!
//! It is a library so that the linking tests can build it: see channels/whatsapp-pairing.
//!
//! What it is not: it knows no groups, no agents and no policies, and it holds no
//! queue. A message is acknowledged to WhatsApp once the daemon has committed it, so
//! messages in flight when it dies are delivered again.

mod account;
mod arguments;
mod chats;
mod confine;
mod content;
mod daemon;
mod events;
mod files;
mod folder;
mod ids;
mod intake;
mod linking;
mod proving;
mod recent;
mod screen;
mod sending;
mod session;
mod status;
mod store;
mod timers;
mod typing;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::folder::Folder;

/// The program: reads its arguments, and returns the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(code) => code,
        Err(error) => {
            screen::aside(&format!("doorward-whatsapp: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Sets up everything that must hold before the first byte of WhatsApp is read or written.
fn start(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let command = arguments.command.clone().unwrap_or_default();
    let folder = Folder::open(&arguments.folder)?;
    if let Command::Status { json } = command {
        return status::show(&folder, json);
    }
    if let Err(why) = confine::confine(folder.path(), arguments.server_port()?) {
        screen::aside(&format!(
            "doorward-whatsapp: NOT CONFINED: {why}. This program can read and write whatever its user can; \
             see docs/whatsapp.md."
        ));
    }
    // Otherwise the library would use whichever provider the build happens to include.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(async {
        match command {
            Command::Run { mode } => session::run(&folder, arguments.server.as_deref(), mode).await,
            Command::Link { phone, registered } => {
                linking::link(&folder, arguments.server.as_deref(), phone, &registered).await
            }
            Command::Unlink => linking::unlink(&folder, arguments.server.as_deref()).await,
            Command::Chats { json, registered } => {
                linking::chats(&folder, arguments.server.as_deref(), json, &registered).await
            }
            Command::Expect { mode, code, registered } => {
                proving::expect(&folder, arguments.server.as_deref(), mode, &code, &registered).await
            }
            Command::Status { .. } => Ok(ExitCode::SUCCESS),
        }
    });
    // Does not wait for the thread that reads stdin: the daemon may hold it open.
    runtime.shutdown_background();
    ended
}
