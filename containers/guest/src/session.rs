//! One session with the daemon, from `hello` to `close`: reads what it says, drives
//! the agent turn by turn, and ends the sandbox when the daemon is gone.

use std::{collections::VecDeque, process::ExitCode, rc::Rc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

use crate::{
    attest, door,
    lines::LineBuffer,
    protocol::{Agent, FromGuest, ToGuest, VERSION},
    reaper::Reaper,
    shell,
};

/// Prompts that may wait for their turn; a daemon that sends more is broken.
const MAX_QUEUE: usize = 1024;

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

/// Tells the daemon's log, on standard error.
pub fn complain(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "doorward-guest: {what}");
}

async fn serve() -> Result<(), String> {
    let reaper = Reaper::start().map_err(|error| format!("cannot watch for exits: {error}"))?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| format!("cannot watch for signals: {error}"))?;
    let (say, said) = mpsc::channel(64);
    let mut writer = tokio::task::spawn_local(write(said));
    let mut heard = hear();
    tell(&say, FromGuest::Hello { v: VERSION, attestation: attest::gather() }).await?;
    let agent = tokio::select! {
        first = heard.recv() => match first {
            Some(message) => started(message?)?,
            None => return Ok(()),
        },
        _ = terminate.recv() => return Ok(()),
    };
    let listener = door::listen().await.map_err(|error| format!("cannot listen on {}: {error}", door::LISTEN))?;
    tokio::task::spawn_local(door::serve(listener));
    tell(&say, FromGuest::Ready).await?;
    tokio::select! {
        result = converse(agent, Rc::new(reaper), &mut heard, &say) => result?,
        _ = terminate.recv() => return Ok(()),
        _ = &mut writer => return Err("the daemon does not listen any more".to_owned()),
    }
    // What was said last must get out before the process ends.
    drop(say);
    let _ = writer.await;
    Ok(())
}

fn started(message: ToGuest) -> Result<Agent, String> {
    match message {
        ToGuest::Start { v: VERSION, agent } => Ok(agent),
        ToGuest::Start { v, .. } => Err(format!("the daemon speaks version {v} of the protocol, the guest {VERSION}")),
        _ => Err("the daemon said something before `start`".to_owned()),
    }
}

/// A turn that is under way: what to fire to break it off, and its end.
struct Turn {
    interrupt: Option<oneshot::Sender<()>>,
    over: oneshot::Receiver<()>,
}

async fn converse(
    agent: Agent,
    reaper: Rc<Reaper>,
    heard: &mut mpsc::Receiver<Result<ToGuest, String>>,
    say: &mpsc::Sender<FromGuest>,
) -> Result<(), String> {
    if agent != Agent::Shell {
        return Err("this guest cannot drive that agent".to_owned());
    }
    let mut queue: VecDeque<(u64, String)> = VecDeque::new();
    let mut turn: Option<Turn> = None;
    loop {
        if turn.is_none()
            && let Some((id, text)) = queue.pop_front()
        {
            turn = Some(begin(Rc::clone(&reaper), id, text, say.clone()));
        }
        tokio::select! {
            message = heard.recv() => match message.transpose()? {
                None | Some(ToGuest::Close) => return Ok(()),
                Some(ToGuest::Prompt { id, text } | ToGuest::FollowUp { id, text }) => {
                    if queue.len() >= MAX_QUEUE {
                        return Err(format!("more than {MAX_QUEUE} prompts are waiting"));
                    }
                    queue.push_back((id, text));
                }
                Some(ToGuest::Interrupt) => {
                    if let Some(fire) = turn.as_mut().and_then(|turn| turn.interrupt.take()) {
                        let _ = fire.send(());
                    }
                }
                Some(ToGuest::Start { .. }) => return Err("the daemon said `start` twice".to_owned()),
            },
            () = end_of(&mut turn) => turn = None,
        }
    }
}

async fn end_of(turn: &mut Option<Turn>) {
    match turn {
        Some(turn) => {
            let _ = (&mut turn.over).await;
        }
        None => std::future::pending().await,
    }
}

fn begin(reaper: Rc<Reaper>, id: u64, text: String, say: mpsc::Sender<FromGuest>) -> Turn {
    let (interrupt, interrupted) = oneshot::channel();
    let (finish, over) = oneshot::channel();
    tokio::task::spawn_local(async move {
        let last = match shell::run(&reaper, &text, interrupted).await {
            Ok(text) => {
                let _ = say.send(FromGuest::Text { id, text }).await;
                FromGuest::Done { id }
            }
            Err(message) => FromGuest::Error { id, message, fatal: false },
        };
        let _ = say.send(last).await;
        let _ = finish.send(());
    });
    Turn { interrupt: Some(interrupt), over }
}

async fn tell(say: &mpsc::Sender<FromGuest>, message: FromGuest) -> Result<(), String> {
    say.send(message).await.map_err(|_| "the daemon does not listen any more".to_owned())
}

async fn write(mut said: mpsc::Receiver<FromGuest>) {
    let mut stdout = tokio::io::stdout();
    while let Some(message) = said.recv().await {
        let Ok(mut line) = serde_json::to_vec(&message) else { return };
        line.push(b'\n');
        if stdout.write_all(&line).await.is_err() || stdout.flush().await.is_err() {
            return;
        }
    }
}

/// Reads the daemon in a task of its own, so that a line is never half read when
/// something else comes first. The channel closes when the daemon is gone.
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
    let mut lines = LineBuffer::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = stdin.read(&mut buffer).await.map_err(|error| format!("cannot read the daemon: {error}"))?;
        if count == 0 {
            return Ok(());
        }
        lines.push(&buffer[..count]);
        while let Some(line) = lines.next_line().map_err(|error| format!("the daemon sent {error}"))? {
            // The text of a prompt is private: the error names the place, never the line.
            let message = serde_json::from_slice(&line)
                .map_err(|error| format!("the daemon sent a line that is no message (column {})", error.column()))?;
            if tell.send(Ok(message)).await.is_err() {
                return Ok(());
            }
        }
    }
}
