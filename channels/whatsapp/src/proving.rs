//! `expect`: finds the owner's chat by a code that they send from it.
//!
//! Of a message without the code neither the text nor the sender is passed on. One from a registered
//! chat stays unacknowledged, so that WhatsApp delivers it to the daemon; any other was a try, and its
//! id is kept with the code's, so that the daemon does not answer it. The chat that sent the code is a
//! registered one from then on.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use tokio::sync::mpsc;
use whatsapp_rust::anyhow as library;
use whatsapp_rust::prelude::{Client, InboundMessage};
use whatsapp_rust::{InboundDurabilityHook, Jid, async_trait};

use crate::account::Builder;
use crate::arguments::Mode;
use crate::chats::{Chats, SELF};
use crate::content;
use crate::folder::Folder;
use crate::intake::{chat_names, keep, other_names, own_names};
use crate::linking::{Connected, connect, not_linked};
use crate::screen::aside;
use crate::session::fails;
use crate::store::Ended;

/// How long a person may take to find their phone.
const PATIENCE: Duration = Duration::from_mins(15);

/// After this many messages without the code it gives up, so that codes cannot be guessed.
const MOST_OTHERS: usize = 50;

/// A line of output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Heard {
    /// The code came from this chat.
    Proven { chat: String, name: String },
    /// The program is connected: from now on codes are recognised.
    Listens {},
    /// A message came from some chat, without the code.
    Other {},
}

/// Waits for the code, and prints which chat it came from, as JSON lines.
pub(crate) async fn expect(
    folder: &Folder,
    server: Option<&str>,
    mode: Mode,
    code: &str,
    registered: &[String],
) -> anyhow::Result<ExitCode> {
    let _taken = folder.take()?;
    let chats = Chats::default();
    chats.replace(registered);
    let (heard, mut hears) = mpsc::unbounded_channel();
    let (code, folder_of, tried) = (digits(code), folder.clone(), Mutex::default());
    let known = chats.clone();
    let wanted = |ended| Wanted { code, mode, chats: known, folder: folder_of, tried, ended, heard };
    let hear = |builder: Builder, ended| builder.with_inbound_durability_hook(wanted(ended));
    let connected = connect(folder, server, chats, hear).await?;
    let Some(Connected { handle, broken, .. }) = connected else { return not_linked() };
    print(&Heard::Listens {})?;
    let proven = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            proven = follow(&mut hears) => proven,
            why = fails(broken) => Err(why),
        }
    });
    let proven = proven.await;
    handle.shutdown().await;
    match proven {
        Ok(proven) => proven.map(|()| ExitCode::SUCCESS),
        Err(_) => bail!("the code did not come within {} minutes", PATIENCE.as_secs() / 60),
    }
}

async fn follow(hears: &mut mpsc::UnboundedReceiver<Heard>) -> anyhow::Result<()> {
    for _ in 0..MOST_OTHERS {
        let Some(heard) = hears.recv().await else { bail!("the WhatsApp library has stopped; try again") };
        print(&heard)?;
        if matches!(heard, Heard::Proven { .. }) {
            return Ok(());
        }
    }
    bail!("{MOST_OTHERS} messages came and none held the code; begin again, with a new one")
}

fn print(heard: &Heard) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(heard)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout();
    stdout.write_all(&line)?;
    Ok(stdout.flush()?)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

struct Wanted {
    code: String,
    mode: Mode,
    chats: Chats,
    folder: Folder,
    /// The ids of what was sent to this program: the code, and what was no code.
    tried: Mutex<Vec<String>>,
    ended: Ended,
    heard: mpsc::UnboundedSender<Heard>,
}

#[async_trait]
impl InboundDurabilityHook for Wanted {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> library::Result<()> {
        if self.ended.has_ended().await {
            library::bail!("the daemon takes it");
        }
        self.chats.set_own(own_names(&client));
        let (mut heard, mut for_the_daemon) = (Vec::new(), Vec::new());
        for inbound in batch {
            let names = other_names(&client, chat_names(&inbound.info)).await;
            let word = self.chats.word(&names);
            let said = self.hear(inbound, &names, word.is_some());
            if let Some(word) = word.filter(|_| !matches!(said, Some(Heard::Proven { .. }))) {
                for_the_daemon.push((word, inbound));
            }
            heard.extend(said);
        }
        // Before the code is reported: whoever waits for it ends this program then.
        for (word, inbound) in &for_the_daemon {
            if let Err(error) = keep(&client, &self.chats, word, inbound).await {
                aside(&format!("What was sent after the code may be lost; send it again ({error:#})."));
            }
        }
        // What comes next may be decrypted already and not be stored yet: the end of this program would keep the one and
        // not the other. So it keeps neither, and the daemon gets it again as it came.
        if heard.iter().any(|said| matches!(said, Heard::Proven { .. })) {
            self.ended.end().await;
        }
        for said in heard {
            // Fails once the code has come.
            let _ = self.heard.send(said);
        }
        if for_the_daemon.is_empty() { Ok(()) } else { Err(library::anyhow!("the daemon takes it")) }
    }
}

impl Wanted {
    /// What it was for the one who waits for the code; `None` if it cannot be a try. The ids are stored before this is
    /// reported: WhatsApp delivers a message again if this program ends before the acknowledgement is out, or if another
    /// message of the same batch is left to the daemon.
    fn hear(&self, inbound: &InboundMessage, names: &[Jid], is_registered: bool) -> Option<Heard> {
        let source = &inbound.info.source;
        let is_own = self.chats.is_own(&source.chat);
        let fits = match self.mode {
            Mode::OwnNumber => !source.is_from_me && !is_own,
            Mode::SelfChat => source.is_from_me && is_own,
        };
        let text = content::text(&inbound.message).unwrap_or_default();
        if source.is_group || !fits || text.is_empty() {
            return None;
        }
        let is_code = !self.code.is_empty() && digits(&text) == self.code;
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if is_code || !is_registered {
            tried.push(inbound.info.id.to_string());
        }
        if is_code && let Err(error) = self.folder.keep_tried(&tried) {
            aside(&format!("The assistant may read the code: {error:#}."));
        }
        if !is_code {
            return Some(Heard::Other {});
        }
        let number = names.iter().find(|jid| jid.is_pn()).or(names.first());
        let chat = if is_own { SELF.to_owned() } else { number.map(ToString::to_string).unwrap_or_default() };
        self.chats.add(&chat);
        Some(Heard::Proven { chat, name: inbound.info.push_name.clone() })
    }
}
