//! WhatsApp as people see it: they write, and read what arrives. And the home whose account it
//! serves.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use whatsapp_rust::prelude::{MessageBuilderExt as _, MessageExt as _};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::account::linked;
use crate::server::{OWN, OWN_LID, Seen, Server, bare};
use crate::support::{Home, PATIENCE, program};
use crate::{FAMILY, LID, STRANGER};

/// The network with its phones.
pub(crate) struct WhatsApp {
    runtime: Runtime,
    server: Server,
    /// Everything the server saw.
    seen: Vec<Seen>,
    /// How much of it the test has looked at.
    read: usize,
    /// Who has given the program a sender key, and for which group.
    keyed: HashSet<(String, String)>,
}

/// A message on a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) to: String,
    pub(crate) id: String,
    pub(crate) text: String,
    /// The id, writer and text of what it quotes.
    pub(crate) quotes: Option<(String, String, String)>,
}

impl Home {
    /// Links its WhatsApp account, and returns the other side. Chats are not told what is read and kept in them.
    pub(crate) fn linked(self, mode: &str) -> (Self, WhatsApp) {
        self.config("[privacy]\nnotice = \"off\"\n").linked_with(&format!("enabled = true\nmode = \"{mode}\"\n"))
    }

    /// The same with other settings for the channel besides its program.
    pub(crate) fn linked_with(self, settings: &str) -> (Self, WhatsApp) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(linked(&account(&self)));
        let script = self.at("whatsapp.sh");
        let program = program("doorward-whatsapp");
        std::fs::write(&script, format!("#!/bin/sh\nexec {} --server {} \"$@\"\n", program.display(), server.url))
            .unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).unwrap();
        let home = self.config(&format!("[channels.whatsapp]\n{settings}program = {script:?}\n"));
        (home, WhatsApp { runtime, server, seen: Vec::new(), read: 0, keyed: HashSet::new() })
    }

    /// Registers a chat as a group.
    pub(crate) fn whatsapp_group(self, name: &str, chat: &str) -> Self {
        self.run(&["group", "add", name, "--channel", "whatsapp", "--chat", chat, "--agent", "shell"]).ok();
        self
    }

    /// The channel's program, if it is running.
    pub(crate) fn channel(&self) -> Option<rustix::process::Pid> {
        let folder = account(self);
        let mut processes = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let command = std::fs::read(entry.path().join("cmdline")).ok()?;
            let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
            let ours = words.first()?.ends_with(b"doorward-whatsapp")
                && words.contains(&folder.as_os_str().as_encoded_bytes());
            ours.then(|| rustix::process::Pid::from_raw(pid))?
        });
        processes.next()
    }
}

fn account(home: &Home) -> PathBuf {
    home.at("data/channels/whatsapp")
}

impl WhatsApp {
    /// Phones with these names.
    pub(crate) fn phones(&self, jids: &[&str]) {
        for jid in jids {
            self.runtime.block_on(self.server.phone(jid));
            self.runtime.block_on(self.server.named(jid, name(jid)));
        }
    }

    /// A group of these people and the account.
    pub(crate) fn group(&self, jid: &str, members: &[&str]) {
        // A group knows its members by number, or hides all numbers.
        let own = if members.contains(&LID) { format!("{OWN_LID}@lid") } else { bare(OWN) };
        self.runtime.block_on(self.server.group(jid, &[members, &[&own]].concat()));
    }

    /// Somebody writes to the account.
    pub(crate) fn write(&self, from: &str, id: &str, text: &str) {
        self.runtime.block_on(self.server.write(from, id, &wa::Message::text(text), &[]));
    }

    /// Somebody writes to a group.
    pub(crate) fn write_group(&mut self, group: &str, from: &str, id: &str, text: &str) {
        let with_key = self.keyed.insert((group.to_owned(), from.to_owned()));
        self.runtime.block_on(self.server.write_group(group, from, id, &wa::Message::text(text), with_key));
    }

    /// Somebody reacts to a message, or removes the reaction.
    pub(crate) fn react(&self, from: &str, id: &str, to: &str, sign: &str) {
        self.runtime.block_on(self.server.write(from, id, &reaction(to, sign), &[]));
    }

    /// The same in a group.
    pub(crate) fn react_in(&mut self, group: &str, from: &str, id: &str, to: &str, sign: &str) {
        let with_key = self.keyed.insert((group.to_owned(), from.to_owned()));
        self.runtime.block_on(self.server.write_group(group, from, id, &reaction(to, sign), with_key));
    }

    /// Somebody replies to a message of the account's.
    pub(crate) fn reply(&self, from: &str, id: &str, to: &Shown, text: &str) {
        self.quote(from, id, to, text, false);
    }

    /// The same, but forwarded from elsewhere.
    pub(crate) fn forward(&self, from: &str, id: &str, to: &Shown, text: &str) {
        self.quote(from, id, to, text, true);
    }

    fn quote(&self, from: &str, id: &str, to: &Shown, text: &str, forwarded: bool) {
        let context = wa::ContextInfo {
            stanza_id: Some(to.id.clone()),
            participant: Some(bare(OWN)),
            quoted_message: wa::Message::text(&*to.text).into(),
            is_forwarded: forwarded.then_some(true),
            ..Default::default()
        };
        self.runtime.block_on(self.server.write(from, id, &wa::Message::text_with_context(text, context), &[]));
    }

    /// Somebody writes in a chat whose messages disappear after this many seconds, or stay.
    pub(crate) fn say(&mut self, chat: &str, from: &str, id: &str, text: &str, stays: Option<u32>) {
        let context = |expiration| wa::ContextInfo { expiration: Some(expiration), ..Default::default() };
        let message = match stays {
            Some(seconds) => wa::Message::text_with_context(text, context(seconds)),
            None => wa::Message::text(text),
        };
        if chat.ends_with("@g.us") {
            let with_key = self.keyed.insert((chat.to_owned(), from.to_owned()));
            self.runtime.block_on(self.server.write_group(chat, from, id, &message, with_key));
        } else {
            self.runtime.block_on(self.server.write(chat, id, &message, &[]));
        }
    }

    /// Everything shown to these so far, with how long it stays.
    pub(crate) fn said_to(&mut self, phones: &[&str]) -> Vec<(String, String, Option<u32>)> {
        self.until("", |_| Some(()));
        let here = self.seen.iter().filter_map(|seen| match seen {
            Seen::Message { to, id, message } if phones.contains(&&**to) => Some((id, &**message)),
            _ => None,
        });
        here.map(|(id, message)| (id.clone(), text(message), stays(message))).collect()
    }

    /// The owner writes to themselves, on their own phone.
    pub(crate) fn note(&self, id: &str, text: &str) {
        let own = bare(OWN);
        let sent = wa::message::DeviceSentMessage {
            destination_jid: Some(own.clone()),
            message: wa::Message::text(text).into(),
            ..Default::default()
        };
        let message = wa::Message { device_sent_message: sent.into(), ..Default::default() };
        self.runtime.block_on(self.server.write(&own, id, &message, &[("recipient", &own)]));
    }

    /// A stranger writes to the account, and to a group that is not registered: no trace of it may
    /// be left anywhere.
    pub(crate) fn strangers_write(&mut self, round: usize) {
        self.write(STRANGER, &format!("X{round}"), SECRET);
        self.write_group(OTHERS, STRANGER, &format!("Y{round}"), SECRET);
    }

    /// The strangers' phones.
    pub(crate) fn strangers(&self) {
        self.phones(&[STRANGER]);
        self.group(OTHERS, &[STRANGER]);
    }

    /// Whether the network is unreachable.
    pub(crate) fn offline(&self, offline: bool) {
        self.runtime.block_on(self.server.offline(offline));
    }

    /// Whether messages of the program are shown but not confirmed.
    pub(crate) fn silent(&self, silent: bool) {
        self.runtime.block_on(self.server.silent(silent));
    }

    /// The connection breaks.
    pub(crate) fn cut(&self) {
        self.runtime.block_on(self.server.cut());
    }

    /// Messages without an acknowledgement.
    pub(crate) fn unacknowledged(&self) -> Vec<String> {
        self.runtime.block_on(self.server.unacknowledged())
    }

    /// Waits until the server has seen something.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&[Seen]) -> Option<T>) -> T {
        loop {
            while let Ok(seen) = self.server.seen.try_recv() {
                self.seen.push(seen);
            }
            if let Some(found) = look(&self.seen) {
                return found;
            }
            let next = async { tokio::time::timeout(PATIENCE, self.server.seen.recv()).await };
            match self.runtime.block_on(next) {
                Ok(seen) => self.seen.push(seen.unwrap()),
                Err(_) => panic!("waited in vain: {what}; shown: {:#?}", shown(&self.seen)),
            }
        }
    }

    /// Waits until the program has acknowledged a message: the daemon has it.
    #[track_caller]
    pub(crate) fn until_taken(&mut self, id: &str) {
        self.until(&format!("{id} to be acknowledged"), |seen| {
            seen.contains(&Seen::Receipt { id: id.to_owned() }).then_some(())
        });
    }

    /// The next message shown on a phone.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Shown {
        let read = self.read;
        let (at, next) = self.until("an answer", |seen| {
            let at = seen.iter().skip(read).position(|seen| matches!(seen, Seen::Message { .. }))?;
            Some((read + at, shown(&seen[read + at..][..1]).remove(0)))
        });
        self.read = at + 1;
        next
    }

    /// All messages shown on phones, in order.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        shown(&self.seen)
    }

    /// Messages that their phones had to resend because the program could not decrypt them.
    pub(crate) fn sent_again(&self) -> HashSet<String> {
        let again = self.seen.iter().filter_map(|seen| match seen {
            Seen::Retry { id } => Some(id.clone()),
            _ => None,
        });
        again.collect()
    }
}

fn reaction(to: &str, sign: &str) -> wa::Message {
    let key = wa::MessageKey { id: Some(to.to_owned()), ..Default::default() };
    let reaction = wa::message::ReactionMessage { key: key.into(), text: Some(sign.to_owned()), ..Default::default() };
    wa::Message { reaction_message: reaction.into(), ..Default::default() }
}

/// What a stranger writes.
const SECRET: &str = "the orange safe opens with 4711";
/// A group that the account happens to be in.
const OTHERS: &str = "120363999999999999@g.us";

/// Checks that nothing of the strangers is below this home or in the daemon's log, and that
/// something of the family's is.
#[track_caller]
pub(crate) fn nothing_of_strangers(home: &Home, log: &str) {
    let marks = [SECRET, "120363999999999999", "491769876543", name(STRANGER)];
    let mut files = Vec::new();
    walk(home.path(), &mut files);
    let holds = |bytes: &[u8], mark: &str| memchr::memmem::find(bytes, mark.as_bytes()).is_some();
    for mark in marks {
        let found: Vec<_> = files.iter().filter(|(_, bytes)| holds(bytes, mark)).map(|(path, _)| path).collect();
        assert!(found.is_empty(), "{mark:?} is kept in {found:?}");
        assert!(!holds(log.as_bytes(), mark), "{mark:?} is in the log:\n{log}");
    }
    let family = FAMILY.trim_end_matches("@g.us");
    assert!(files.iter().any(|(_, bytes)| holds(bytes, family)), "the search finds what is kept");
}

/// Every file below a folder; its name counts as part of it.
fn walk(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            walk(&path, files);
        } else if kind.is_file() {
            let mut bytes = entry.file_name().into_encoded_bytes();
            bytes.extend(std::fs::read(&path).unwrap_or_default());
            files.push((path, bytes));
        }
    }
}

/// A person's display name on WhatsApp.
fn name(jid: &str) -> &'static str {
    match jid {
        crate::ANNA => "Anna",
        crate::BEN => "Ben",
        crate::LID => "Cleo",
        STRANGER => "Eve Stranger",
        _ => "Owner",
    }
}

pub(crate) fn shown(seen: &[Seen]) -> Vec<Shown> {
    let messages = seen.iter().filter_map(|seen| match seen {
        Seen::Message { to, id, message } => Some((to, id, &**message)),
        _ => None,
    });
    let read = |(to, id, message): (&String, &String, &wa::Message)| {
        // Messages from the account to itself are wrapped.
        let sent = message.device_sent_message.as_option().and_then(|sent| sent.message.as_option());
        let message = sent.unwrap_or(message);
        Shown { to: to.clone(), id: id.clone(), text: text(message), quotes: quotes(message) }
    };
    messages.map(read).collect()
}

fn text(message: &wa::Message) -> String {
    message.text_content().unwrap_or_default().to_owned()
}

/// After how many seconds it disappears.
fn stays(message: &wa::Message) -> Option<u32> {
    message.get_base_message().extended_text_message.as_option()?.context_info.as_option()?.expiration
}

fn quotes(message: &wa::Message) -> Option<(String, String, String)> {
    let context = message.extended_text_message.as_option()?.context_info.as_option()?;
    let quoted = context.quoted_message.as_option().map(|quoted| text(quoted.get_base_message())).unwrap_or_default();
    Some((context.stanza_id.clone()?, context.participant.clone()?, quoted))
}
