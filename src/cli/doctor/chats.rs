//! Whether messages from the chats can arrive, and whether alarms reach anybody.

use super::super::whatsapp::{Account, Standing};
use super::Check;
use crate::alarms;
use crate::channels::protocol::ChannelState;
use crate::channels::terminal;
use crate::config::{Agent, Config, GroupSettings, WHATSAPP};
use crate::home::Home;
use crate::registration::whatsapp as ids;
use crate::store::Group;

pub(super) async fn check(home: &Home, config: &Config, groups: &[Group]) -> Vec<Check> {
    let on_whatsapp: Vec<&Group> = groups.iter().filter(|group| group.channel == WHATSAPP).collect();
    let channel = channel(home, config, &on_whatsapp).await;
    let mut checks = Vec::from_iter(channel);
    checks.extend(on_whatsapp.iter().filter_map(|group| unheard(group, config)));
    checks.extend(groups.iter().filter_map(|group| shell(home, group)));
    checks.extend(main(config, groups));
    checks.extend(hook(config));
    checks.extend(groups.iter().find(|group| group.is_main).and_then(|main| owner(config, main)));
    checks
}

/// The channel's program and its link; groups that need it are named with the problem.
async fn channel(home: &Home, config: &Config, groups: &[&Group]) -> Option<Check> {
    let what = "WhatsApp";
    if !config.channels.whatsapp.enabled {
        let found = format!("not enabled, so nobody is heard or told anything in {}", named(groups)?);
        let fix = "doorward setup --chats whatsapp, or enabled = true under [channels.whatsapp] in doorward.toml";
        return Some(Check::broken(what, found, fix));
    }
    let account = match Account::find(home, config) {
        Ok(account) => account,
        Err(error) => return Some(Check::broken(what, error.to_string(), HOW_TO_GET)),
    };
    Some(match account.standing().await {
        Ok(standing) => link(&standing, groups),
        Err(error) => {
            Check::broken(what, error.to_string(), "see what the message says; put the program of this version there")
        }
    })
}

const HOW_TO_GET: &str =
    "install it (docs/whatsapp.md), or turn the channel off: enabled = false under [channels.whatsapp]";

fn link(standing: &Standing, groups: &[&Group]) -> Check {
    let what = "WhatsApp";
    let waits = named(groups).map(|groups| format!("; nobody is heard in {groups}")).unwrap_or_default();
    if !standing.linked {
        return Check::broken(what, format!("not linked to an account{waits}"), "doorward whatsapp link");
    }
    let Some(last) = &standing.last else { return Check::fine(what, "linked") };
    let detail = &last.detail;
    match last.state {
        ChannelState::Connected => Check::fine(what, "linked and connected"),
        ChannelState::Connecting => Check::fine(what, format!("linked; {detail}")),
        _ => {
            Check::broken(what, format!("{detail}{waits}"), "see what the message says; docs/whatsapp.md has each case")
        }
    }
}

fn named(groups: &[&Group]) -> Option<String> {
    let say = |group: &&Group| {
        if group.is_main { format!("{} (the main group: alarms too)", group.name) } else { group.name.to_string() }
    };
    let names: Vec<String> = groups.iter().map(say).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// A chat from which no message can ever arrive.
fn unheard(group: &Group, config: &Config) -> Option<Check> {
    let why = ids::check(&group.chat, &config.channels.whatsapp).err()?;
    let found = format!("nothing can be heard of its chat {:?}: {why}", group.chat);
    let fix = format!(
        "doorward group remove {0}, then doorward group add {0} --channel whatsapp --chat ID (its files stay)",
        group.name
    );
    Some(Check::broken(format!("chat of {}", group.name), found, fix))
}

/// A chat of people in which every message is run as a command.
fn shell(home: &Home, group: &Group) -> Option<Check> {
    let of_people = group.channel != terminal::CHANNEL && ids::is_of_people(&group.chat);
    let settings = GroupSettings::load(home, &group.name).ok()?;
    (of_people && settings.agent == Agent::Shell).then(|| {
        let found = format!("the shell: each message that people write on {} is run as a command", group.channel);
        Check::warning(
            format!("agent of {}", group.name),
            found,
            format!("doorward group set {} agent claude", group.name),
        )
    })
}

/// Whether alarms reach anybody.
fn main(config: &Config, groups: &[Group]) -> Option<Check> {
    if groups.is_empty() {
        return None;
    }
    let what = "main group";
    let Some(main) = groups.iter().find(|group| group.is_main) else {
        let fix = format!("doorward group set {} main", groups[0].name);
        let (found, hook) = ("there is none, so alarms are told in no chat", !config.alarm.command.is_empty());
        return Some(if hook { Check::warning(what, found, fix) } else { Check::broken(what, found, fix) });
    };
    let told = match main.channel.as_str() {
        terminal::CHANNEL => "alarms wait there until you open it",
        WHATSAPP => "alarms are told there",
        other => {
            let found =
                format!("{} is a chat on {other}, which this version does not know: alarms reach nobody", main.name);
            return Some(Check::broken(what, found, "doorward group set OTHER main"));
        }
    };
    Some(Check::fine(what, format!("{}, a chat on {}; {told}", main.name, main.channel)))
}

/// Whether the alarm command can be started.
fn hook(config: &Config) -> Option<Check> {
    let what = "alarm command";
    let program = config.alarm.command.first()?;
    Some(match alarms::program(&config.alarm.command) {
        Some(found) => Check::fine(what, format!("{} is there", found.display())),
        None => {
            let found = format!("there is no program {program}, or it cannot be started: no alarm reaches it");
            Check::broken(
                what,
                found,
                "correct `command` under [alarm] in doorward.toml, with the program's whole path",
            )
        }
    })
}

/// Whether the owner is identified in a main group's chat with several people.
fn owner(config: &Config, main: &Group) -> Option<Check> {
    let of_several = main.channel == WHATSAPP && main.chat.ends_with("@g.us");
    (of_several && config.owner.identities.is_empty()).then(|| {
        let found = format!(
            "the chat of {} has several people, and nobody is known to be the owner: no answer to a question counts there",
            main.name
        );
        Check::warning("the owner", found, "identities = [\"\u{2026}@s.whatsapp.net\"] under [owner] in doorward.toml, or a chat of your own")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use policies::GroupName;

    use super::super::State;
    use super::*;
    use crate::cli::whatsapp::Last;

    fn group(name: &str, channel: &str, chat: &str, is_main: bool) -> Group {
        let name = GroupName::parse(name).unwrap();
        Group { name, channel: channel.to_owned(), chat: chat.to_owned(), is_main, created_at: 0 }
    }

    #[test]
    fn a_main_group_that_is_missing_is_broken() {
        let config = Config::default();
        assert!(main(&config, &[]).is_none());
        let none = main(&config, &[group("family", "terminal", "family", false)]).unwrap();
        assert_eq!((none.state, none.fix.as_deref()), (State::Broken, Some("doorward group set family main")));
        assert_eq!(main(&config, &[group("me", WHATSAPP, "+491701234567", true)]).unwrap().state, State::Fine);
        assert_eq!(main(&config, &[group("me", "pigeon", "x", true)]).unwrap().state, State::Broken);
    }

    #[test]
    fn an_owner_whom_nobody_knows_is_told() {
        let mut config = Config::default();
        let several = group("home", WHATSAPP, "120363@g.us", true);
        assert_eq!(owner(&config, &several).unwrap().state, State::Warning);
        assert!(owner(&config, &group("me", WHATSAPP, "+491701234567", true)).is_none());
        config.owner.identities = vec!["491701234567@s.whatsapp.net".to_owned()];
        assert!(owner(&config, &several).is_none());
    }

    #[test]
    fn a_chat_that_cannot_be_heard_is_told() {
        let config = Config::default();
        assert!(
            unheard(&group("family", WHATSAPP, "Our family", false), &config).unwrap().found.contains("by its name")
        );
        assert!(unheard(&group("family", WHATSAPP, "120363@g.us", false), &config).is_none());
    }

    #[test]
    fn a_link_that_is_gone_names_who_is_not_heard() {
        let main = group("me", WHATSAPP, "+491701234567", true);
        let standing = |linked, state| Standing { linked, last: Some(Last { state, detail: "so it is".to_owned() }) };
        let gone = link(&standing(false, ChannelState::LoggedOut), &[&main]);
        assert!(gone.state == State::Broken && gone.found.contains("me (the main group: alarms too)"), "{gone:?}");
        assert_eq!(link(&standing(true, ChannelState::Connected), &[&main]).state, State::Fine);
        let banned = link(&standing(true, ChannelState::Banned), &[]);
        assert!(banned.state == State::Broken && banned.found == "so it is", "{banned:?}");
    }

    #[tokio::test]
    async fn a_channel_that_is_off_is_told_once_with_its_groups() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        let config = Config::default();
        assert!(check(&home, &config, &[]).await.is_empty());
        let me = group("me", WHATSAPP, "+491701234567", true);
        std::fs::create_dir_all(home.groups_dir()).unwrap();
        std::fs::write(home.group_file(&me.name), "agent = \"claude\"\n").unwrap();
        let checks = check(&home, &config, std::slice::from_ref(&me)).await;
        let broken: Vec<_> = checks.iter().filter(|check| check.state == State::Broken).collect();
        assert!(broken.len() == 1 && broken[0].found.contains("not enabled"), "{checks:?}");
        std::fs::write(home.group_file(&me.name), "agent = \"shell\"\n").unwrap();
        assert!(check(&home, &config, &[me]).await.iter().any(|check| check.what == "agent of me"));
    }
}
