//! `run`: the channel, from hello to the end of stdin.

use std::process::ExitCode;
use std::sync::Arc;

use channel_protocol::{ChannelState, ToChannel};
use tokio::sync::{mpsc, watch};
use whatsapp_rust::prelude::Client;

use crate::account::{Account, Sent};
use crate::arguments::Mode;
use crate::chats::Chats;
use crate::daemon::{self, Daemon, Ear};
use crate::events::{Change, NOT_LINKED, Reporter};
use crate::folder::Folder;
use crate::intake::{Intake, own_names};
use crate::recent::Recent;
use crate::sending::{Post, Sending};
use crate::status;
use crate::timers::Timers;
use crate::typing::Typing;

/// The exit code when only `doorward whatsapp link` helps.
pub(crate) const NOT_LINKED_CODE: u8 = 3;

/// Runs the channel.
pub(crate) async fn run(folder: &Folder, server: Option<&str>, mode: Mode) -> anyhow::Result<ExitCode> {
    let (daemon, ear, registered) = daemon::meet().await?;
    let _taken = folder.take()?;
    let account = Account::open(folder).await?;
    if account.device.is_none() {
        report(folder, &daemon, &Change::new(ChannelState::LoggedOut, NOT_LINKED));
        daemon.flush().await;
        return Ok(ExitCode::from(NOT_LINKED_CODE));
    }
    let chats = Chats::default();
    chats.set_own(account.own());
    chats.replace(&registered);
    let (ids, recent, sent) = (account.ids(), Recent::default(), account.sent());
    let timers = Timers::open(&folder.timers(), chats.clone());
    let (reporter, changes) = mpsc::unbounded_channel();
    let (breaks_off, broken) = mpsc::unbounded_channel();
    let intake = Intake {
        daemon: daemon.clone(),
        chats: chats.clone(),
        ids: ids.clone(),
        recent: recent.clone(),
        timers: timers.clone(),
        mode,
        tried: folder.tried(),
    };
    let bot = account
        .builder(chats.clone(), server, breaks_off)
        .with_inbound_durability_hook(intake)
        .with_event_handler(Reporter(reporter))
        .build()
        .await?;
    let client = bot.client();
    report(folder, &daemon, &Change::new(ChannelState::Connecting, "connecting to WhatsApp"));
    // The library's own loop is the only reconnect timer: growing intervals, up to a quarter of an
    // hour.
    let mut handle = bot.spawn();
    let (breaking, breaks) = watch::channel(0);
    let post =
        Post { client: Arc::clone(&client), daemon: daemon.clone(), chats: chats.clone(), ids, recent, timers, breaks };
    let listening = tokio::spawn(listen(ear, post, sent));
    let ended = tokio::select! {
        ended = serve(folder, &daemon, &client, changes, &breaking, listening, &mut handle) => ended,
        // Unacknowledged messages arrive again with the next connection.
        why = fails(broken) => Err(why),
    };
    daemon.gone();
    handle.shutdown().await;
    daemon.flush().await;
    ended
}

/// Runs until stdin ends or the account unlinks us.
async fn serve(
    folder: &Folder,
    daemon: &Daemon,
    client: &Arc<Client>,
    mut changes: mpsc::UnboundedReceiver<Change>,
    breaking: &watch::Sender<u64>,
    mut listening: tokio::task::JoinHandle<anyhow::Result<()>>,
    handle: &mut whatsapp_rust::bot::BotHandle,
) -> anyhow::Result<ExitCode> {
    let mut last = ChannelState::Connecting;
    let mut running = true;
    loop {
        tokio::select! {
            heard = &mut listening => return heard?.map(|()| ExitCode::SUCCESS),
            change = changes.recv() => {
                let Some(change) = change else { continue };
                last = change.state;
                report(folder, daemon, &change);
                match change.state {
                    // The library announces the account as online, which silences the phone.
                    ChannelState::Connected => hide(client),
                    // Reported to the daemon before the messages that were not sent.
                    ChannelState::Connecting => breaking.send_modify(|breaks| *breaks += 1),
                    ChannelState::LoggedOut => return Ok(ExitCode::from(NOT_LINKED_CODE)),
                    _ => {}
                }
            }
            () = &mut *handle, if running => {
                running = false;
                // Its last event may still be on its way.
                while let Ok(change) = changes.try_recv() {
                    last = change.state;
                    report(folder, daemon, &change);
                }
                match last {
                    ChannelState::LoggedOut => return Ok(ExitCode::from(NOT_LINKED_CODE)),
                    // No reconnect: a second copy would be disconnected for ever, and an old client
                    // refused again and again. The owner has been told.
                    state if Change::new(state, "").is_final() => {}
                    _ => anyhow::bail!("the WhatsApp library has stopped"),
                }
            }
        }
    }
}

/// Waits until the store reports a failure.
pub(crate) async fn fails(mut broken: mpsc::UnboundedReceiver<()>) -> anyhow::Error {
    if broken.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
    anyhow::anyhow!("the account's folder cannot be written; is the disk full?")
}

fn hide(client: &Arc<Client>) {
    let client = Arc::clone(client);
    tokio::spawn(async move {
        let _ = client.presence().set_unavailable().await;
    });
}

async fn listen(mut ear: Ear, post: Post, sent: Sent) -> anyhow::Result<()> {
    let mut typing = Typing::new(Arc::clone(&post.client));
    let (daemon, chats, client) = (post.daemon.clone(), post.chats.clone(), Arc::clone(&post.client));
    let mut sending = Sending::new(post);
    while let Some(line) = ear.next().await? {
        match line {
            ToChannel::Welcome { .. } => anyhow::bail!("the daemon said welcome twice"),
            ToChannel::Chats { chats: registered } => {
                if chats.replace(&registered) {
                    sent.forget().await?;
                }
            }
            // Either way WhatsApp need not deliver it again.
            ToChannel::Accepted { id } | ToChannel::Ignored { id, .. } => daemon.answered(&id),
            ToChannel::Send(message) => {
                chats.set_own(own_names(&client));
                sending.send(message);
            }
            ToChannel::Typing { chat, on } => {
                chats.set_own(own_names(&client));
                if let Some(jid) = chats.jid(&chat) {
                    typing.set(jid, on);
                }
            }
            // Not requested by this channel.
            ToChannel::Growing { .. } => {}
        }
    }
    Ok(())
}

fn report(folder: &Folder, daemon: &Daemon, change: &Change) {
    status::write(folder, change.state, &change.detail);
    daemon.state(change.state, &change.detail);
}
