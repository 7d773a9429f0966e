//! One session with the daemon, from `hello` to `close`: reads the daemon, has the agent driven,
//! and ends the sandbox when the daemon is gone.

use std::{process::ExitCode, rc::Rc};

use lines::LineBuffer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

use crate::{
    acp,
    agents::{Daemon, complain},
    attest, claude, door,
    ipc::Ipc,
    protocol::{Agent, FromGuest, MAX_LINE, McpServer, ToGuest, VERSION},
    reaper::Reaper,
    shell,
};

/// Runs as pid 1 until the daemon closes the session, and exits.
pub fn run() -> ExitCode {
    // First of all, before any thread or child: no other process of this uid may
    // attach to us or read our memory, descriptors and environment (proc(5)).
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        complain(&format!("cannot protect the guest's memory: {error}"));
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = tokio::task::LocalSet::new().block_on(&runtime, serve());
    if let Err(why) = &result {
        complain(why);
    }
    // A thread may still be blocked on stdin, so do not wait for the runtime.
    std::process::exit(i32::from(result.is_err()))
}

async fn serve() -> Result<(), String> {
    let reaper = Reaper::start().map_err(|error| format!("cannot watch for exits: {error}"))?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| format!("cannot watch for signals: {error}"))?;
    let (say, said) = mpsc::channel(64);
    let (watches, watched) = oneshot::channel();
    let mut writer = tokio::task::spawn_local(write(said, watched));
    let mut daemon = Daemon { heard: hear(), say };
    daemon.tell(FromGuest::Hello { v: VERSION, attestation: attest::gather() }).await?;
    let (agent, servers) = tokio::select! {
        first = daemon.next() => match first? {
            Some(message) => started(message)?,
            None => return Ok(()),
        },
        _ = terminate.recv() => return Ok(()),
    };
    let listener = door::listen().await.map_err(|error| format!("cannot listen on {}: {error}", door::LISTEN))?;
    tokio::task::spawn_local(door::serve(listener));
    let _ = watches.send(Ipc::watch());
    daemon.tell(FromGuest::Ready).await?;
    let result = tokio::select! {
        result = drive(agent, &servers, Rc::new(reaper), daemon) => result,
        _ = terminate.recv() => return Ok(()),
        _ = &mut writer => return Err("the daemon does not listen any more".to_owned()),
    };
    // The last messages must get out before the process ends.
    let _ = writer.await;
    result
}

fn started(message: ToGuest) -> Result<(Agent, Vec<McpServer>), String> {
    match message {
        ToGuest::Start { v: VERSION, agent, servers } => Ok((agent, servers)),
        ToGuest::Start { v, .. } => Err(format!("the daemon speaks version {v} of the protocol, the guest {VERSION}")),
        _ => Err("the daemon said something before `start`".to_owned()),
    }
}

/// Requests made by files belong to the turn in which they were written, so its end is reported
/// only once they are done.
async fn write(mut said: mpsc::Receiver<FromGuest>, mut watched: oneshot::Receiver<Ipc>) {
    let mut stdout = tokio::io::stdout();
    let mut ipc = Ipc::default();
    while let Some(message) = said.recv().await {
        if let Ok(watches) = watched.try_recv() {
            ipc = watches;
        }
        if matches!(message, FromGuest::Done { .. } | FromGuest::Error { .. }) {
            ipc.settled().await;
        }
        let Ok(mut line) = serde_json::to_vec(&message) else { return };
        line.push(b'\n');
        if stdout.write_all(&line).await.is_err() || stdout.flush().await.is_err() {
            return;
        }
    }
}

/// Reads the daemon in its own task, so that a line is never left half read when something else
/// comes first. The channel closes when the daemon is gone.
fn hear() -> mpsc::Receiver<Result<ToGuest, String>> {
    let (tell, heard) = mpsc::channel(16);
    tokio::task::spawn_local(async move {
        if let Err(why) = read(&tell).await {
            let _ = tell.send(Err(why)).await;
        }
    });
    heard
}

async fn read(tell: &mpsc::Sender<Result<ToGuest, String>>) -> Result<(), String> {
    let mut stdin = tokio::io::stdin();
    let mut lines = LineBuffer::new(MAX_LINE);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = stdin.read(&mut buffer).await.map_err(|error| format!("cannot read the daemon: {error}"))?;
        if count == 0 {
            return Ok(());
        }
        lines.push(&buffer[..count]);
        while let Some(line) = lines.next_line().map_err(|error| format!("the daemon sent {error}"))? {
            // The text of a prompt is private: the error names the place, never the line.
            let message = lines::message(&line).map_err(|error| format!("the daemon sent {error}"))?;
            if tell.send(Ok(message)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Drives an agent until the daemon closes the session or the agent is unusable.
async fn drive(agent: Agent, servers: &[McpServer], reaper: Rc<Reaper>, daemon: Daemon) -> Result<(), String> {
    match agent {
        Agent::Shell => shell::drive(reaper, daemon).await,
        Agent::Claude { model, resume } => claude::drive(&reaper, daemon, servers, model, resume).await,
        Agent::Acp { program, model, resume } => acp::drive(&reaper, daemon, (program, servers), model, resume).await,
    }
}
