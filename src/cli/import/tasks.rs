//! The tasks: each becomes a task of the same group, at the same times by the owner's clock. One that its owner must
//! check first is imported as paused.

use desk::screen::quotation;
use jiff::Timestamp;
use policies::GroupName;

use super::super::task::LONGEST;
use super::super::{Failure, refused};
use super::Import;
use crate::config::{Agent, GroupSettings};
use crate::schedule::{Kind, Missed, Schedule, zone_name};
use crate::store::{Context, MadeBy, NewTask, Scheduled, Word};

/// How many characters of a prompt are shown.
const PROMPT_SHOWN: usize = 50;

impl Import<'_> {
    /// Imports all future tasks of groups that were imported.
    pub(super) fn tasks(&mut self) -> Result<(), Failure> {
        for scheduled in self.source.tasks().map_err(refused)? {
            match self.report.named(&scheduled.folder).cloned() {
                Some(group) => self.task(&group, &scheduled)?,
                None => self.report.left(format!(
                    "a task of the folder {}, which is no group here: {}",
                    scheduled.folder,
                    shown(&scheduled)
                )),
            }
        }
        Ok(())
    }

    fn task(&mut self, group: &GroupName, scheduled: &Scheduled) -> Result<(), Failure> {
        let new = self.read(group, scheduled);
        if self.is_there(group, scheduled, new.as_ref().ok())? {
            self.report.there("task", &format!("of {group}: {}", shown(scheduled)));
            return Ok(());
        }
        let new = match new {
            Ok(new) => new,
            Err(why) => {
                self.report.left(format!("a task of {group}, {}: {why}", shown(scheduled)));
                return Ok(());
            }
        };
        let decide = self.to_decide(group, scheduled)?;
        let rests = scheduled.paused || !decide.is_empty();
        if let Some(store) = self.store.as_ref().filter(|_| !self.dry_run) {
            let word = Word::of_the_owner();
            let made = if rests { store.add_paused_task(&new, &word) } else { store.add_task(&new, &word) };
            made.map_err(refused)?;
        }
        let schedule = &new.schedule;
        let when = format!("{} ({})", schedule.words().in_english(), schedule.zone_name());
        let paused = match (rests, decide.is_empty()) {
            (false, _) => String::new(),
            (true, true) => "; paused, as it was".to_owned(),
            (true, false) => format!("; paused: {}", decide.join("; ")),
        };
        self.report.paused |= rests;
        self.report.taken("task", format!("of {group}, {when}: {}{paused}", shown(scheduled)));
        Ok(())
    }

    /// The task in Doorward's form, or why there is none.
    fn read(&self, group: &GroupName, scheduled: &Scheduled) -> Result<NewTask, String> {
        let Scheduled { prompt, kind, value, context, script, .. } = scheduled;
        let gate = script.clone().filter(|script| !script.trim().is_empty());
        if prompt.trim().is_empty() {
            return Err("it says nothing".to_owned());
        }
        if [Some(prompt), gate.as_ref()].into_iter().flatten().any(|text| text.len() > LONGEST) {
            return Err(format!("it is longer than {} KiB", LONGEST >> 10));
        }
        let zone = zone_name(&self.config.assistant.time_zone).ok_or(
            "your time zone has no name here: write it into doorward.toml, time_zone = \"Europe/Berlin\" under \
             [assistant], and do it again",
        )?;
        let kind = Kind::named(kind).ok_or_else(|| format!("its kind is {kind:?}, which is none here"))?;
        Ok(NewTask {
            group: group.clone(),
            prompt: prompt.clone(),
            schedule: Schedule::read(kind, value, zone, Timestamp::now())?,
            context: Context::named(context).unwrap_or_default(),
            // As in NanoClaw.
            missed: Missed::Once,
            gate,
            made_by: MadeBy::Owner,
        })
    }

    /// Whether an earlier import created it, whatever happened to it since.
    fn is_there(&self, group: &GroupName, scheduled: &Scheduled, new: Option<&NewTask>) -> Result<bool, Failure> {
        let Some(store) = &self.store else { return Ok(false) };
        let is_it = |task: &crate::store::Task| {
            let what = &task.what;
            // A time that has passed meanwhile no longer parses.
            let when = new.is_none_or(|new| new.schedule.value() == what.schedule.value());
            what.prompt == scheduled.prompt && what.schedule.kind().name() == scheduled.kind && when
        };
        Ok(store.tasks(Some(group), true)?.iter().any(is_it))
    }

    /// What its owner must check before it is carried out here.
    fn to_decide(&self, group: &GroupName, scheduled: &Scheduled) -> Result<Vec<String>, Failure> {
        let mut decide = Vec::new();
        if scheduled.script.as_ref().is_some_and(|script| !script.trim().is_empty()) {
            decide.push("its script is its gate here and runs in this sandbox; look at it".to_owned());
        }
        let own = self.source.registered().map_err(refused)?;
        if !own.iter().any(|chat| chat.folder == scheduled.folder && chat.jid == scheduled.chat) {
            decide.push(format!("its answers went to the chat {}, and come to the group's own here", scheduled.chat));
        }
        let is_new = !self.home.group_file(group).exists();
        if !is_new && GroupSettings::load(self.home, group).is_ok_and(|settings| settings.agent == Agent::Shell) {
            decide.push("the group's agent is a shell, which would take it for a command".to_owned());
        }
        Ok(decide)
    }
}

fn shown(scheduled: &Scheduled) -> String {
    format!("\u{201c}{}\u{201d}", quotation(&scheduled.prompt, PROMPT_SHOWN))
}
