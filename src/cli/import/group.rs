//! The groups: each with its folder, agent, trigger, mounts and messages.

use std::path::Path;

use channel_protocol::Sender;
use policies::GroupName;
use serde::Deserialize;

use super::super::group::register;
use super::super::{Failure, refused};
use super::{Import, USUAL_NAME, files};
use crate::config::{Agent, GroupSettings, Trigger, WHATSAPP, host_folder};
use crate::edit::Edit;
use crate::registration::whatsapp as ids;
use crate::store::{Imported, Means, NewGroup, NewMessage, Registered, is_reserved};

/// How many messages go into one transaction.
const AT_ONCE: usize = 1000;

/// The used part of NanoClaw's container settings; the rest is up to Doorward here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerConfig {
    #[serde(default)]
    additional_mounts: Vec<AdditionalMount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalMount {
    host_path: String,
    container_path: Option<String>,
    readonly: Option<bool>,
}

impl Import<'_> {
    /// Imports all registered groups.
    pub(super) fn groups(&mut self) -> Result<(), Failure> {
        for registered in self.source.registered().map_err(refused)? {
            self.group(&registered)?;
        }
        Ok(())
    }

    fn group(&mut self, registered: &Registered) -> Result<(), Failure> {
        let Registered { jid, name, .. } = registered;
        if let Err(why) = self.can_be_heard(jid) {
            self.report.left(format!("the chat {name} ({jid}) and its folder {}: {why}", registered.folder));
            return Ok(());
        }
        let found = self.store.as_ref().map(|store| store.group_by_chat(WHATSAPP, jid)).transpose()?.flatten();
        let group = match found {
            Some(found) => {
                self.report.there("group", found.name.as_str());
                self.report.name(&registered.folder, &found.name);
                found.name
            }
            None => self.begin(registered)?,
        };
        self.mounts(registered, &group)?;
        self.messages(registered, &group)
    }

    fn can_be_heard(&self, jid: &str) -> Result<(), String> {
        match jid.split_once('@') {
            Some((_, "g.us" | "s.whatsapp.net" | "lid")) => ids::check(jid, &self.config.channels.whatsapp),
            _ => Err("Doorward has no channel for it".to_owned()),
        }
    }

    /// Creates a new group: its folder first, so that its memory is NanoClaw's.
    fn begin(&mut self, registered: &Registered) -> Result<GroupName, Failure> {
        let group = self.free_name(&registered.folder)?;
        self.report.name(&registered.folder, &group);
        self.memory(registered, &group)?;
        let has_main = self.store.as_ref().map(|store| store.main_group()).transpose()?.flatten().is_some();
        let is_main = registered.is_main && !has_main;
        if registered.is_main && has_main {
            self.report.left(format!(
                "that {group} is the main group: there is one. `doorward group set {group} main` puts it in its place"
            ));
        }
        let trigger = self.trigger(registered, &group);
        let answers = match &trigger {
            Trigger::Always => "always".to_owned(),
            Trigger::Name => "name".to_owned(),
            Trigger::Called(other) => format!("@{other}"),
        };
        if let Some(store) = self.store.as_ref().filter(|_| !self.dry_run) {
            let new = NewGroup { name: &group, channel: WHATSAPP, chat: &registered.jid, is_main };
            register(self.home, store, &new, &Agent::Claude { model: None })?;
            Edit::group(self.home, &group)?.set("trigger", answers.as_str())?.write()?;
        }
        let main = if is_main { ", the main group" } else { "" };
        let when = match trigger {
            Trigger::Always => "answers always".to_owned(),
            Trigger::Name => "answers when it is called".to_owned(),
            Trigger::Called(_) => format!("answers when it is called, {answers} as well"),
        };
        self.report.taken("group", format!("{group}, the chat {} ({}){main}; {when}", registered.name, registered.jid));
        Ok(group)
    }

    /// Which messages are answered there. A chat's own name is kept if people could use it.
    fn trigger(&mut self, registered: &Registered, group: &GroupName) -> Trigger {
        let Registered { trigger, .. } = registered;
        if !registered.requires_trigger || registered.is_main {
            return Trigger::Always;
        }
        let own = trigger.trim().trim_start_matches('@');
        if own.is_empty() || own.eq_ignore_ascii_case(USUAL_NAME) || own.to_lowercase() == self.assistant.to_lowercase()
        {
            return Trigger::Name;
        }
        match Trigger::parse(trigger.trim()) {
            Ok(trigger) => trigger,
            Err(_) => {
                self.report
                    .left(format!("the trigger of {group}, {trigger:?}: it answers when it is called by its name"));
                Trigger::Name
            }
        }
    }

    /// The folder's own name, made valid and free.
    fn free_name(&self, folder: &str) -> Result<GroupName, Failure> {
        let fits =
            |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_') { c } else { '-' };
        let plain: String = folder.to_ascii_lowercase().chars().map(fits).take(28).collect();
        let plain = plain.trim_matches(['-', '_']);
        let plain = if plain.is_empty() { "chat" } else { plain };
        let mut taken: Vec<GroupName> = self.report.names().cloned().collect();
        if let Some(store) = &self.store {
            taken.extend(store.groups()?.into_iter().map(|group| group.name));
        }
        let numbered = (2..1000).map(|n| format!("{plain}-{n}"));
        let names = std::iter::once(plain.to_owned()).chain(numbered).filter_map(|name| GroupName::parse(&name).ok());
        let free = names.into_iter().find(|name| !is_reserved(name) && !taken.contains(name));
        free.ok_or_else(|| refused(anyhow::anyhow!("no name is left for the folder {folder}")))
    }

    fn memory(&mut self, registered: &Registered, group: &GroupName) -> Result<(), Failure> {
        let (from, to) = (self.dir.join("groups").join(&registered.folder), self.home.group_dir(group));
        let leads_elsewhere = Path::new(&registered.folder).components().count() != 1;
        if leads_elsewhere || !from.is_dir() {
            return Ok(());
        }
        if to.exists() {
            self.report.left(format!(
                "the files of {group}: a folder of an earlier group is in {}; cp -rn {}/. {}/ copies what is missing",
                to.display(),
                from.display(),
                to.display()
            ));
            return Ok(());
        }
        let copied = files::copy(&from, &to, files::Whose::Agents, self.dry_run)?;
        self.report.taken("memory", format!("of {group}: {}", copied.said()));
        self.report.left_out(&registered.folder, &copied.left);
        Ok(())
    }

    fn mounts(&mut self, registered: &Registered, group: &GroupName) -> Result<(), Failure> {
        let text = registered.container_config.as_deref().unwrap_or("{}");
        let Ok(ContainerConfig { additional_mounts }) = serde_json::from_str(text) else {
            self.report.left(format!("the mounts of {group}: what NanoClaw has of them is no JSON"));
            return Ok(());
        };
        let there = GroupSettings::load(self.home, group).map(|settings| settings.mounts).unwrap_or_default();
        for mount in additional_mounts {
            let path = match host_folder(&mount.host_path) {
                Ok(path) => path,
                Err(why) => {
                    self.report.left(format!("the mount {} of {group}: {why}", mount.host_path));
                    continue;
                }
            };
            if there.iter().any(|one| one.path == path) {
                continue;
            }
            let inside = mount.container_path.as_deref().map_or(path.as_path(), Path::new);
            let name = inside.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let edit = Edit::group(self.home, group)?;
            match edit.mount(&path.to_string_lossy(), &name, mount.readonly == Some(false)).and_then(|edit| {
                edit.check()?;
                if self.dry_run { Ok(()) } else { edit.write().map(drop) }
            }) {
                Ok(()) => self
                    .report
                    .taken("mount", format!("{} for {group}; `doorward mount check {group}`", path.display())),
                Err(_) => self.report.left(format!(
                    "the mount {} of {group}: it could not be added to groups/{group}.toml; docs/sandbox.md says how",
                    path.display()
                )),
            }
        }
        Ok(())
    }

    fn messages(&mut self, registered: &Registered, group: &GroupName) -> Result<(), Failure> {
        let all = self.source.messages(&registered.jid, &self.assistant).map_err(refused)?;
        let senders: Vec<Sender> =
            all.iter().map(|said| Sender { id: said.sender.clone(), name: said.sender_name.clone() }).collect();
        let timeless = all.iter().filter(|said| said.at.is_none()).count();
        let new = |(said, sender)| {
            let said: &crate::store::Said = said;
            Some(NewMessage {
                group,
                id: &said.id,
                sender,
                text: &said.text,
                at: said.at?,
                means: Means::Talk,
                quote: None,
            })
        };
        let new: Vec<NewMessage<'_>> = all.iter().zip(&senders).filter_map(new).collect();
        let mut count = 0;
        match self.store.as_ref().filter(|_| !self.dry_run) {
            None => count = new.len(),
            Some(store) => {
                for some in new.chunks(AT_ONCE) {
                    match store.import_messages(group, some)? {
                        Imported::New(more) => count += more,
                        Imported::Waits => {
                            self.report.left(format!(
                                "the messages of {group}: some wait for an answer here; do it again when they have it"
                            ));
                            return Ok(());
                        }
                    }
                }
            }
        }
        if timeless > 0 {
            self.report.left(format!("{timeless} messages of {group}, whose times cannot be read"));
        }
        match (count, new.len()) {
            (_, 0) => {}
            (0, _) => self.report.there("messages", &format!("all {} of {group}", new.len())),
            (count, _) => self.report.taken("messages", format!("{count} of {group}")),
        }
        Ok(())
    }
}
