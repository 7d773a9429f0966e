//! `doorward door`: a door for a program on this machine.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use policies::GroupName;

use super::{Failure, progress, reach, refused, show, up};
use crate::control::client::ClientError;
use crate::control::protocol::{Answer, Request};
use crate::home::Home;

/// Open a door for a program on this machine, until interrupted.
///
/// The door has an identity and surrogates of its own and follows the group's policy:
/// a way to try a policy with any tool. The program speaks HTTP proxy over the socket, which is
/// open to your own user alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  doorward door --group family --socket d.sock --ca ca.pem --env door.env &
  socat TCP-LISTEN:3128,bind=127.0.0.1,fork UNIX-CONNECT:d.sock &
  curl --proxy http://127.0.0.1:3128 --cacert ca.pem https://example.org/")]
pub struct DoorArgs {
    /// Whose policy it follows
    #[arg(long, value_name = "GROUP", value_parser = GroupName::parse)]
    group: GroupName,
    /// Where to make the socket
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Where to write the certificate authority that the program must trust
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Where to write the variables that hold the surrogates, one NAME=value a line
    #[arg(long, value_name = "FILE")]
    env: PathBuf,
}

pub(super) async fn run(home: &Home, args: DoorArgs) -> Result<ExitCode, Failure> {
    let mut reached = reach::daemon(home).await?;
    let done = open(&mut reached, &args).await;
    reached.leave().await;
    done
}

async fn open(reached: &mut reach::Reached<'_>, args: &DoorArgs) -> Result<ExitCode, Failure> {
    let socket = std::path::absolute(&args.socket).context("the path of the socket")?;
    let request = Request::Door { group: args.group.to_string(), socket };
    let client = reached.client().await?;
    let (answer, mut held) = progress::while_waiting("opening the door", client.ask(&request)).await?;
    let Answer::Door { ca_pem, environment, sandbox } = answer else { return Err(ClientError::Unexpected.into()) };
    let lines: String = environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    write_private(&args.ca, &ca_pem)?;
    write_private(&args.env, &lines)?;
    show::line(format!(
        "The door is open at {} (the log calls it {sandbox}). Ctrl-C shuts it.",
        args.socket.display()
    ))?;
    let code = tokio::select! {
        () = up::interrupted() => Ok(ExitCode::SUCCESS),
        () = held.closed() => Err(refused(anyhow::anyhow!("the door was shut: the group was stopped or the daemon ended"))),
    };
    // When this command has ended, the socket is gone.
    held.release().await;
    for file in [&args.ca, &args.env] {
        // Both are worthless without the door.
        let _ = std::fs::remove_file(file);
    }
    code
}

/// Surrogates are not secret, but they are only for this door.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        std::io::Write::write_all(&mut file, text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
