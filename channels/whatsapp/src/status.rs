//! `status`: the last known state, from a small file, without touching WhatsApp.

use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use channel_protocol::ChannelState;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::screen;

/// The content of the file. It names no chat.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) state: ChannelState,
    pub(crate) detail: String,
    /// Milliseconds since 1970 UTC.
    pub(crate) since: i64,
}

/// Writes it. A failure is ignored: the daemon has been told.
pub(crate) fn write(folder: &Folder, state: ChannelState, detail: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let status = Status { state, detail: detail.to_owned(), since };
    if let Ok(text) = serde_json::to_vec(&status) {
        let fresh = folder.path().join("status.new");
        let _ = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, folder.status()));
    }
}

/// The command.
pub(crate) fn show(folder: &Folder, json: bool) -> anyhow::Result<ExitCode> {
    let running = folder.is_taken()?;
    let last: Option<Status> = match fs::read(folder.status()) {
        Ok(text) => Some(serde_json::from_slice(&text).context("status.json is damaged; delete it")?),
        Err(_) => None,
    };
    let linked = folder.session().exists() && !matches!(&last, Some(last) if last.state == ChannelState::LoggedOut);
    let text = if json {
        let status = serde_json::json!({ "linked": linked, "running": running, "last": last });
        format!("{status}\n")
    } else {
        match (linked, running, last) {
            (false, ..) => "WhatsApp is not linked. `doorward whatsapp link` links it.\n".to_owned(),
            (true, true, Some(last)) => format!("WhatsApp: {}\n", last.detail),
            (true, true, None) => "WhatsApp is linked and starting.\n".to_owned(),
            (true, false, Some(last)) => {
                format!("WhatsApp is linked; its channel is not running. The last it said: {}\n", last.detail)
            }
            (true, false, None) => "WhatsApp is linked; its channel is not running.\n".to_owned(),
        }
    };
    if json {
        std::io::stdout().write_all(text.as_bytes())?
    } else {
        screen::show(&text)?
    }
    Ok(if linked { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
