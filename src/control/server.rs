//! The daemon's end of the control socket: one task per connection, one request each.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use policies::GroupName;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use super::held::Held;
use super::protocol::{Answer, MAX_LINE, Request};
use super::shown::open_ask;
use crate::absence::Absence;
use crate::approvals::Approvals;
use crate::channels::lines::{LineReader, LineWriter};
use crate::channels::terminal;
use crate::delegation::Helpers;
use crate::gateway::Gateway;
use crate::images;
use crate::pipeline::outbox::OutboxHandle;
use crate::pipeline::router::Peer;
use crate::pipeline::{OWNER_STOPPED, Pipeline};
use crate::sandboxes::{LiveSandbox, SandboxError, Sandboxes};
use crate::store::{Ask, Group, OutboxState, Store, StoreError};

mod status;
mod trial;

/// The actor, for the log.
const COMMAND_LINE: &str = "the command line";

/// How long a client may take to send its request.
const FIRST_LINE: Duration = Duration::from_secs(10);

/// How long a channel may take to connect and send.
const GREETING: Duration = Duration::from_secs(30);

/// How long a stop waits for the disk before it reports that the group is stopped.
const DISK: Duration = Duration::from_secs(2);
/// How long a stop waits for connections' holdings. Longer than a sandbox may take to end.
const LET_GO: Duration = Duration::from_secs(15);

/// Everything that requests need.
#[derive(Clone)]
pub struct Control {
    /// Groups.
    pub store: Arc<Store>,
    /// Doors.
    pub gateway: Arc<Gateway>,
    /// Sandboxes for `exec`.
    pub sandboxes: Arc<Sandboxes>,
    /// Helpers of agents.
    pub helpers: Arc<Helpers>,
    /// Channels, stop, status.
    pub pipeline: Arc<Pipeline>,
    /// Questions to the owner.
    pub approvals: Arc<Approvals>,
    /// Knows the connected channels.
    pub outbox: OutboxHandle,
    /// The enabled channels that are programs.
    pub programs: Vec<&'static str>,
    /// The container engine, described.
    pub engine: String,
    /// Ended by the owner's commands.
    pub absence: Arc<Absence>,
    /// The most sandboxes at once.
    pub cap: usize,
    /// The fingerprint of the settings at the daemon's start.
    pub settings: String,
    /// Stopped groups: connections that hold something of theirs release it.
    pub stops: broadcast::Sender<GroupName>,
    /// The connections' holdings.
    pub held: Held,
    /// Set when the daemon is to end.
    pub ending: watch::Sender<bool>,
}

/// The socket file; removed when dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

type Reader = LineReader<OwnedReadHalf>;
type Writer = LineWriter<OwnedWriteHalf>;

impl ControlSocket {
    /// Listens at `path`, for its owner only. Whoever holds the home's lock may remove a dead daemon's socket.
    #[expect(clippy::disallowed_methods, reason = "the owner's way to the daemon on this machine")]
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        // Its folder is 0700 already; the mode is a second barrier, so there is no race.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(ControlSocket { listener, path: path.to_path_buf() })
    }

    /// Serves until the daemon ends and every connection has released its holdings.
    pub async fn serve(self, control: Control) {
        let mut ending = control.ending.subscribe();
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = ending.wait_for(|ending| *ending) => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => drop(connections.spawn(control.clone().connection(stream))),
                Err(error) => {
                    tracing::error!(%error, "the control socket cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        while connections.join_next().await.is_some() {}
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Control {
    async fn connection(self, stream: UnixStream) {
        let (read, write) = stream.into_split();
        let (mut reader, writer) = (LineReader::new(read, MAX_LINE), LineWriter::new(write));
        let mut ending = self.ending.subscribe();
        let first = tokio::select! {
            first = tokio::time::timeout(FIRST_LINE, reader.next()) => first,
            _ = ending.wait_for(|ending| *ending) => return,
        };
        let request = match first {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => return say(writer, &Answer::Error(error.to_string())).await,
        };
        match request {
            Request::Channel { group } => self.channel(group, reader, writer).await,
            Request::TryAgent { group } => say(writer, &self.try_agent(&group).await).await,
            Request::Stop { group } => say(writer, &self.stop(&group).await).await,
            Request::Exec { group } => match self.group(&group) {
                Ok(group) => {
                    let (sandboxes, name) = (Arc::clone(&self.sandboxes), group.name.clone());
                    let starting = async move { sandboxes.start_shell(&name).await };
                    self.lend(&group.name, starting, reader, writer).await;
                }
                Err(why) => say(writer, &Answer::Error(why)).await,
            },
            Request::Fetch { image } => match images::policy_of(&image) {
                Ok(policy) => {
                    let (sandboxes, name) = (Arc::clone(&self.sandboxes), policy.clone());
                    let starting = async move { sandboxes.start_fetch(&name).await };
                    self.lend(&policy, starting, reader, writer).await;
                }
                Err(why) => say(writer, &Answer::Error(why)).await,
            },
            Request::Door { group, socket } => self.door(&group, &socket, reader, writer).await,
            Request::AcceptPreset { preset } => {
                let accepted = self.gateway.accept_preset(&preset);
                say(writer, &accepted.map_or_else(Answer::Error, |()| Answer::PresetAccepted {})).await;
            }
            Request::LookAtTasks {} => {
                self.pipeline.look_at_tasks();
                say(writer, &Answer::LooksAtTasks {}).await;
            }
            Request::Greet {} => say(writer, &self.greet().await).await,
            Request::Asks {} => {
                let asks = self.approvals.open_asks().map_err(|error| error.to_string());
                let in_full = |ask: Ask| {
                    let more = self.approvals.in_full(ask.id);
                    open_ask(ask, more)
                };
                let asks = asks.map(|asks| asks.into_iter().map(in_full).collect());
                say(writer, &asks.map_or_else(Answer::Error, Answer::Asks)).await;
            }
            Request::AnswerAsk { code, answer, because } => {
                self.absence.heard();
                let told = self.approvals.answer_by_code(&code, answer, because);
                say(writer, &told.map_or_else(Answer::Error, |told| Answer::Answered { told })).await;
            }
            Request::Lock { group } => {
                self.absence.heard();
                say(writer, &self.lock(group.as_deref())).await;
            }
            Request::Unlock { group } => {
                self.absence.heard();
                let unlocked = named(group.as_deref());
                let unlocked = unlocked.and_then(|group| self.gateway.unlock(group.as_ref()));
                let answer = unlocked.map_or_else(Answer::Error, |was_locked| Answer::Unlocked { was_locked });
                say(writer, &answer).await;
            }
            Request::Pause { group, until } => {
                let paused = named(group.as_deref()).and_then(|group| {
                    self.pipeline.pause(group.as_ref(), until, COMMAND_LINE).map_err(|error| error.to_string())
                });
                say(writer, &paused.map_or_else(Answer::Error, |()| Answer::Paused {})).await;
            }
            Request::Resume { group } => {
                let resumed = named(group.as_deref()).and_then(|group| {
                    self.pipeline.resume(group.as_ref(), COMMAND_LINE).map_err(|error| error.to_string())
                });
                let answer = resumed.map_or_else(Answer::Error, |was_paused| Answer::Resumed { was_paused });
                say(writer, &answer).await;
            }
            Request::Status {} => say(writer, &Answer::Status(self.status().await)).await,
            Request::Shutdown {} => {
                say(writer, &Answer::ShuttingDown {}).await;
                self.ending.send_replace(true);
            }
        }
    }

    async fn channel(&self, group: Option<String>, reader: Reader, writer: Writer) {
        let only = match group.map(|group| self.group(&group)).transpose() {
            Ok(only) => only,
            Err(why) => return say(writer, &Answer::Error(why)).await,
        };
        let (link, pump) = terminal::link();
        let mut ending = self.ending.subscribe();
        // Each ends when the other has: what was read before the other side left (its last confirmation) is handled,
        // and the channel is detached.
        let both =
            async { tokio::join!(self.pipeline.serve_channel(link, Peer::Owner(only)), pump.run(reader, writer)) };
        let (served, pumped) = tokio::select! {
            both = both => both,
            _ = ending.wait_for(|ending| *ending) => return,
        };
        let why = served.err().map(|error| error.to_string()).or(pumped.err().map(|error| error.to_string()));
        if let Some(why) = why {
            tracing::warn!(why, "a channel's connection was ended");
        }
    }

    /// Like a stop, it needs only the name.
    fn lock(&self, group: Option<&str>) -> Answer {
        let group = match named(group) {
            Ok(group) => group,
            Err(why) => return Answer::Error(why),
        };
        match self.gateway.lock(group.as_ref(), COMMAND_LINE) {
            Ok(()) => Answer::Locked {},
            Err(error) => Answer::Error(format!(
                "it is locked, but would be open after a restart: the lock's file cannot be written: {error}"
            )),
        }
    }

    /// Tightening needs only the name: no policy, no store.
    async fn stop(&self, group: &str) -> Answer {
        let group = match GroupName::parse(group) {
            Ok(group) => group,
            Err(why) => return Answer::Error(why),
        };
        // Nothing more gets through its doors, whoever holds them and however long they take to end.
        self.gateway.shut_doors(&group, OWNER_STOPPED);
        let stop = self.held.stop(&group);
        // An error means that no connection holds anything.
        let _ = self.stops.send(group.clone());
        let ran = self.pipeline.stop_group(&group).await;
        // A removed group leaves no questions and no noes to the next one of its name.
        if matches!(self.store.group(&group), Ok(None)) {
            self.approvals.policy_changed(&group);
        }
        let let_go = tokio::time::timeout(LET_GO, stop.until_let_go()).await;
        // The stop should survive a power cut, too. The group is stopped either way, and the answer does not depend on
        // the disk.
        match tokio::time::timeout(DISK, self.store.durable()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%group, %error, "the stop is not on the disk"),
            Err(_) => tracing::error!(%group, "the stop is not on the disk yet"),
        }
        if let_go.is_err() {
            return Answer::Error(format!(
                "every door of {group} is shut, but not everything of it has ended: the container engine does not \
                 answer. What is left is removed once it does"
            ));
        }
        tracing::info!(%group, "the owner stopped a group");
        Answer::Stopped { was_running: ran || stop.found_any() }
    }

    /// A sandbox for a command of the owner's, for as long as its connection lives.
    async fn lend(
        &self,
        group: &GroupName,
        starting: impl Future<Output = Result<LiveSandbox, SandboxError>> + Send + 'static,
        reader: Reader,
        mut writer: Writer,
    ) {
        let mut stops = self.stops.subscribe();
        let _held = match self.held.take(group) {
            Ok(held) => held,
            Err(why) => return say(writer, &Answer::Error(why.to_string())).await,
        };
        // A separate task: a stop does not wait for a hanging engine, and a start is never dropped half-way.
        let mut starting = tokio::spawn(starting);
        let started = tokio::select! {
            started = &mut starting => started.map_err(|broke_off| broke_off.to_string()),
            () = until_stopped(group, &mut stops) => {
                tokio::spawn(async move {
                    if let Ok(Ok(sandbox)) = starting.await {
                        sandbox.stop().await;
                    }
                });
                Err(format!("the group {group} was stopped while its sandbox was being started"))
            }
        };
        let mut sandbox = match started.and_then(|started| started.map_err(|error| error.to_string())) {
            Ok(sandbox) => sandbox,
            Err(why) => return say(writer, &Answer::Error(why)).await,
        };
        let answer = Answer::Sandbox { container: sandbox.container_id().to_owned() };
        if writer.send(&answer).await.is_ok() {
            tokio::select! {
                () = self.until_released(group, stops, reader) => {}
                () = until_ended(&mut sandbox) => {}
            }
        }
        // Before its command is killed, so that the client knows why.
        drop(writer);
        sandbox.stop().await;
    }

    async fn door(&self, group: &str, socket: &Path, reader: Reader, mut writer: Writer) {
        let group = match self.group(group) {
            Ok(group) => group,
            Err(why) => return say(writer, &Answer::Error(why)).await,
        };
        let stops = self.stops.subscribe();
        let _held = match self.held.take(&group.name) {
            Ok(held) => held,
            Err(why) => return say(writer, &Answer::Error(why.to_string())).await,
        };
        let door = match self.gateway.open_door(&group.name, socket) {
            Ok(door) => door,
            Err(error) => return say(writer, &Answer::Error(error.to_string())).await,
        };
        let answer = Answer::Door {
            ca_pem: door.ca_pem().to_owned(),
            environment: door.environment().to_vec(),
            sandbox: door.sandbox_id().to_string(),
        };
        if writer.send(&answer).await.is_ok() {
            self.until_released(&group.name, stops, reader).await;
        }
        door.close();
    }

    /// Reports that everything is set up, and waits a while for a phone to get it.
    async fn greet(&self) -> Answer {
        let told = match self.pipeline.greet() {
            Ok(Some(told)) => told,
            Ok(None) => return Answer::Greeted { group: None, delivered: false },
            Err(error) => return Answer::Error(error.to_string()),
        };
        let (group, id) = told;
        let mut ending = self.ending.subscribe();
        let sent = async {
            while !matches!(self.store.outgoing_state(id), Ok(Some(OutboxState::Sent | OutboxState::Failed)) | Err(_)) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        // A terminal gets it when it is opened.
        if group.channel != terminal::CHANNEL {
            tokio::select! {
                _ = tokio::time::timeout(GREETING, sent) => {}
                _ = ending.wait_for(|ending| *ending) => {}
            }
        }
        let delivered = matches!(self.store.outgoing_state(id), Ok(Some(OutboxState::Sent)));
        Answer::Greeted { group: Some(group.name.to_string()), delivered }
    }

    fn group(&self, name: &str) -> Result<Group, String> {
        let parsed = GroupName::parse(name)?;
        let found = self.store.group(&parsed).map_err(|error| error.to_string())?;
        found.ok_or_else(|| StoreError::NoGroup(name.to_owned()).to_string())
    }

    /// Waits until the client has gone, the group is stopped or the daemon ends.
    async fn until_released(&self, group: &GroupName, mut stops: broadcast::Receiver<GroupName>, reader: Reader) {
        let mut ending = self.ending.subscribe();
        let mut rest = reader.into_inner();
        let gone = async {
            let mut unread = [0; 64];
            while rest.read(&mut unread).await.is_ok_and(|read| read > 0) {}
        };
        tokio::select! {
            () = gone => {}
            () = until_stopped(group, &mut stops) => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
    }
}

/// The group that a request names, if any.
fn named(group: Option<&str>) -> Result<Option<GroupName>, String> {
    group.map(GroupName::parse).transpose()
}

async fn until_stopped(group: &GroupName, stops: &mut broadcast::Receiver<GroupName>) {
    loop {
        match stops.recv().await {
            Ok(stopped) if stopped != *group => {}
            // Missed names may include ours: release rather than hold on.
            Ok(_) | Err(_) => return,
        }
    }
}

/// Nobody reads what an agent says unasked.
async fn until_ended(sandbox: &mut LiveSandbox) {
    while let Ok(Some(_)) = sandbox.next().await {}
}

/// Fails if the client has gone.
async fn say(mut writer: Writer, answer: &Answer) {
    let _ = writer.send(answer).await;
}
