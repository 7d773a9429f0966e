//! `link`, `chats`, `unlink`: the commands for a person at a terminal.
//!
//! Their output goes only to the terminal; the names of chats that are not registered are not kept.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use channel_protocol::ChannelState;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::sync::mpsc;
use whatsapp_rust::bot::BotHandle;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::prelude::Client;
use whatsapp_rust::types::events::{Event, EventHandler, EventInterest, EventKind};

use crate::account::{Account, Builder};
use crate::chats::Chats;
use crate::events::{Change, NOT_LINKED, Reporter};
use crate::folder::Folder;
use crate::intake::Leaving;
use crate::screen::show;
use crate::session::{NOT_LINKED_CODE, fails};
use crate::status;
use crate::store::Ended;

/// How long to wait for a connection: of a linked account, or for the first code.
const CONNECT: Duration = Duration::from_secs(60);

const NOT_STORED: &str = "the account's keys cannot be stored; is the disk full? When there is room: remove “Doorward” \
                          under Linked devices on the phone, `doorward whatsapp unlink`, and link again";

/// What happens while linking.
enum Step {
    Show(String),
    Linked,
    Over(String),
}

/// Links this computer to an account.
pub(crate) async fn link(
    folder: &Folder,
    server: Option<&str>,
    phone: Option<String>,
    registered: &[String],
) -> anyhow::Result<ExitCode> {
    let _taken = folder.take()?;
    let account = Account::open(folder).await?;
    if account.device.is_some() {
        show("This computer is linked to WhatsApp already. `doorward whatsapp unlink` ends that.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let (steps, mut next) = mpsc::unbounded_channel();
    let (breaks, mut broken) = mpsc::unbounded_channel();
    let chats = Chats::default();
    chats.replace(registered);
    let builder = account
        .builder(chats.clone(), server, breaks)
        .with_device_props(Account::props())
        .with_inbound_durability_hook(Leaving(chats));
    let watch = Steps { steps, by_number: phone.is_some() };
    show("Connecting to WhatsApp …\n")?;
    let builder = match phone {
        Some(number) => {
            show("On the phone: WhatsApp › Linked devices › Link a device › Link with phone number instead\n")?;
            let phone_number = number.chars().filter(char::is_ascii_digit).collect();
            builder.with_pair_code(PairCodeOptions { phone_number, ..Default::default() })
        }
        None => builder,
    };
    let bot = builder.with_event_handler(watch).build().await?;
    let client = bot.client();
    let handle = bot.spawn();
    let linked = tokio::select! {
        linked = follow(&mut next, CONNECT) => linked,
        Some(()) = broken.recv() => Err(anyhow!(NOT_STORED)),
    };
    if linked.is_ok() {
        status::write(folder, ChannelState::Connecting, "linked; the channel has not run since");
        show("Linked.\n")?;
        if let Err(error) = list(&client).await {
            show(&format!(
                "Your groups cannot be listed right now ({error:#}); try `doorward whatsapp chats` later.\n"
            ))?;
        }
    }
    handle.shutdown().await;
    linked?;
    if broken.try_recv().is_ok() {
        bail!(NOT_STORED)
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists the chats that can be registered.
pub(crate) async fn chats(
    folder: &Folder,
    server: Option<&str>,
    json: bool,
    registered: &[String],
) -> anyhow::Result<ExitCode> {
    let _taken = folder.take()?;
    let chats = Chats::default();
    chats.replace(registered);
    let leaving = Leaving(chats.clone());
    let connected = connect(folder, server, chats, |builder, _| builder.with_inbound_durability_hook(leaving)).await?;
    let Some(Connected { client, handle, broken, .. }) = connected else { return not_linked() };
    let list = async { if json { list_as_json(&client).await } else { list(&client).await } };
    let listed = tokio::select! {
        listed = list => listed,
        why = fails(broken) => Err(why),
    };
    handle.shutdown().await;
    listed.map(|()| ExitCode::SUCCESS)
}

/// Unlinks the account. The keys are deleted even if WhatsApp cannot be told.
pub(crate) async fn unlink(folder: &Folder, server: Option<&str>) -> anyhow::Result<ExitCode> {
    let _taken = folder.take()?;
    let told = match connect(folder, server, Chats::default(), |builder, _| builder).await {
        Ok(Some(Connected { client, handle, .. })) => {
            client.logout().await;
            handle.shutdown().await;
            true
        }
        Ok(None) => return not_linked(),
        Err(_) => false,
    };
    folder.forget().context("cannot delete the keys")?;
    status::write(folder, ChannelState::LoggedOut, NOT_LINKED);
    show("The keys are deleted.\n")?;
    if !told {
        show("WhatsApp could not be told: remove “Doorward” under Linked devices on the phone.\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows each step until linking is over. Without a network there are no steps: the library would
/// retry for ever.
async fn follow(next: &mut mpsc::UnboundedReceiver<Step>, patience: Duration) -> anyhow::Result<()> {
    let Ok(mut came) = tokio::time::timeout(patience, next.recv()).await else {
        bail!("WhatsApp did not answer within {} seconds; is there a network?", patience.as_secs())
    };
    while let Some(step) = came {
        match step {
            Step::Show(text) => show(&text)?,
            Step::Linked => return Ok(()),
            Step::Over(why) => bail!("{why}"),
        }
        came = next.recv().await;
    }
    bail!("the WhatsApp library has stopped; try again")
}

/// A connected account.
pub(crate) struct Connected {
    pub(crate) client: Arc<Client>,
    pub(crate) handle: BotHandle,
    /// Notified when something could not be stored or read: what runs has to end.
    pub(crate) broken: mpsc::UnboundedReceiver<()>,
    /// The handler's other end.
    _changes: mpsc::UnboundedReceiver<Change>,
}

/// Connects with the linked account; `None` if there is none. `more` registers further handlers.
pub(crate) async fn connect(
    folder: &Folder,
    server: Option<&str>,
    chats: Chats,
    more: impl FnOnce(Builder, Ended) -> Builder,
) -> anyhow::Result<Option<Connected>> {
    let account = Account::open(folder).await?;
    if account.device.is_none() {
        return Ok(None);
    }
    let (reporter, mut changes) = mpsc::unbounded_channel();
    chats.set_own(account.own());
    let (breaks, broken) = mpsc::unbounded_channel();
    let ended = account.ended();
    let builder = more(account.builder(chats, server, breaks), ended);
    let bot = builder.with_event_handler(Reporter(reporter)).build().await?;
    let client = bot.client();
    let handle = bot.spawn();
    let first = tokio::time::timeout(CONNECT, async {
        while let Some(change) = changes.recv().await {
            if change.state == ChannelState::Connected || change.is_final() {
                return Some(change);
            }
        }
        None
    });
    match first.await {
        Ok(Some(change)) if change.state == ChannelState::Connected => {
            Ok(Some(Connected { client, handle, broken, _changes: changes }))
        }
        Ok(Some(change)) => {
            handle.shutdown().await;
            status::write(folder, change.state, &change.detail);
            bail!("{}", change.detail)
        }
        _ => {
            handle.shutdown().await;
            bail!("WhatsApp did not answer within {} seconds", CONNECT.as_secs())
        }
    }
}

/// One line of JSON: the account's own number, and its groups by name.
async fn list_as_json(client: &Client) -> anyhow::Result<()> {
    let groups = client.groups().get_participating().await.context("WhatsApp did not list the groups")?;
    let mut groups: Vec<(String, String)> =
        groups.iter().map(|(jid, group)| (plain(&group.subject), jid.to_string())).collect();
    groups.sort();
    let groups: Vec<_> = groups.iter().map(|(name, id)| serde_json::json!({ "id": id, "name": name })).collect();
    let own = client.pn().map(|own| own.to_non_ad().user.to_string());
    let line = format!("{}\n", serde_json::json!({ "own_number": own, "groups": groups }));
    Ok(std::io::stdout().write_all(line.as_bytes())?)
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let groups = client.groups().get_participating().await.context("WhatsApp did not list the groups")?;
    let mut lines: Vec<String> =
        groups.iter().map(|(jid, group)| format!("{jid}  {}\n", plain(&group.subject))).collect();
    lines.sort();
    let mut text = String::from("Chats that you can register with `doorward group add`:\n");
    if let Some(own) = client.pn() {
        text.push_str(&format!("self  the chat with yourself ({})\n", own.to_non_ad().user));
    }
    text.push_str("a phone number, like +491701234567  the chat with that person\n");
    text.extend(lines);
    Ok(show(&text)?)
}

/// A group's subject may hold control characters; a terminal would obey them.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Turns events into steps.
struct Steps {
    steps: mpsc::UnboundedSender<Step>,
    by_number: bool,
}

impl EventHandler for Steps {
    fn handle_event(&self, event: Arc<Event>) {
        let step = match &*event {
            Event::PairingQrCode(qr) if !self.by_number => match drawn(&qr.code) {
                Ok(picture) => Step::Show(format!("{TO_SCAN}{picture}{}", too_large(&picture))),
                Err(_) => Step::Over("the QR code cannot be drawn; use --phone NUMBER".to_owned()),
            },
            Event::PairingCode(code) => Step::Show(format!("\nType this code on the phone: {}\n\n", code.code)),
            Event::PairingCodeError(error) => Step::Over(format!(
                "WhatsApp gave no code{}; wait a while, or link with the QR code",
                error.rejection.as_ref().map(|why| format!(" ({why:?})")).unwrap_or_default()
            )),
            Event::PairingCodeRefresh(_) => {
                Step::Over("the phone did not accept the code; try again, or link with the QR code".to_owned())
            }
            Event::PairingQrCodesExhausted(_) if !self.by_number => {
                Step::Over("nobody scanned the code within three minutes; try again".to_owned())
            }
            Event::PairError(error) => Step::Over(format!("linking failed: {}", error.error)),
            Event::ClientOutdated(_) => Step::Over("WhatsApp wants a newer client; update Doorward".to_owned()),
            Event::Connected(_) => Step::Linked,
            _ => return,
        };
        let _ = self.steps.send(step);
    }

    fn interest(&self) -> EventInterest {
        EventInterest::of(&[
            EventKind::PairingQrCode,
            EventKind::PairingCode,
            EventKind::PairingCodeError,
            EventKind::PairingCodeRefresh,
            EventKind::PairingQrCodesExhausted,
            EventKind::PairError,
            EventKind::ClientOutdated,
            EventKind::Connected,
        ])
    }
}

/// Shown before each code.
const TO_SCAN: &str = "On the phone: WhatsApp › Linked devices › Link a device, then scan this code.\n";

/// Shown below a code that does not fit into the window: its upper part has scrolled away.
fn too_large(picture: &str) -> String {
    let Ok(window) = rustix::termios::tcgetwinsize(std::io::stdout()) else { return String::new() };
    let (rows, columns) = size(picture);
    // The heading above it, and the cursor's line.
    if rows + 2 <= usize::from(window.ws_row) && columns <= usize::from(window.ws_col) {
        return String::new();
    }
    format!(
        "This code is {columns} columns wide and {rows} rows high; the window has {} and {}. \
         Enlarge it or make its letters smaller (Ctrl and -): another code comes within a minute. Or stop \
         (Ctrl-C) and link by number: doorward whatsapp link --phone +491701234567\n",
        window.ws_col, window.ws_row
    )
}

/// Rows and columns of a drawn code.
fn size(picture: &str) -> (usize, usize) {
    let columns = picture.lines().next().map_or(0, |line| line.chars().filter(|c| " █▀▄".contains(*c)).count());
    (picture.lines().count(), columns)
}

/// For dark and light terminals: dark blocks on light, with the border that scanners need.
fn drawn(code: &str) -> Result<String, qrcode::types::QrError> {
    let picture = QrCode::new(code)?.render::<Dense1x2>().quiet_zone(true).build();
    Ok(picture.lines().fold(String::new(), |all, line| all + "\x1b[30;47m" + line + "\x1b[0m\n"))
}

pub(crate) fn not_linked() -> anyhow::Result<ExitCode> {
    show("WhatsApp is not linked. `doorward whatsapp link` links it.\n")?;
    Ok(ExitCode::from(NOT_LINKED_CODE))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As large as WhatsApp's, which do not fit into a usual window of 24 rows.
    #[test]
    fn a_code_knows_its_size() {
        let (rows, columns) = size(&drawn(&"x".repeat(230)).unwrap());
        assert!((33..=37).contains(&rows) && (65..=73).contains(&columns), "{rows} {columns}");
    }

    #[tokio::test]
    async fn without_a_network_linking_ends() {
        let (_steps, mut next) = mpsc::unbounded_channel();
        let over = follow(&mut next, Duration::from_millis(10)).await.map_err(|error| error.to_string());
        assert!(over.is_err_and(|why| why.contains("did not answer")));
    }
}
