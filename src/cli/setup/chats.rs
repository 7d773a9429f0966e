//! WhatsApp: the account, its link, the owner's chat proven by a code, a first group by its name.

use anyhow::anyhow;
use policies::GroupName;
use rand::RngExt as _;

use super::super::question::Choice;
use super::super::whatsapp::{Account, Heard, ListedGroup, registered};
use super::super::{Failure, environment, refused, show, usage};
use super::{Setup, free_name, written};
use crate::config::{Agent, Config, WHATSAPP, WhatsappMode};
use crate::registration::whatsapp as ids;
use crate::store::{Group, Store};

/// The size of WhatsApp's QR code in a window, with a margin.
const QR: (u16, u16) = (40, 74);

const THE_RISK: &str = "\
Doorward speaks with WhatsApp as WhatsApp Web does, which Meta's terms do not allow for programs: accounts have been \
banned for it. Use a number that you can afford to lose (docs/whatsapp.md).";

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Whose {
    /// The assistant's: people write to its number
    OwnNumber,
    /// Yours: you write to yourself
    SelfChat,
}

/// How to link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Qr,
    Number,
}

impl Setup<'_> {
    /// The main group of an owner who writes on WhatsApp, and a first other group if wanted.
    pub(super) async fn on_whatsapp(
        &mut self,
        store: &Store,
        agent: &Agent,
    ) -> Result<(Group, Option<Group>), Failure> {
        let account = Account::find(self.home, &Config::load(self.home)?).map_err(environment)?;
        let mode = self.whose().await?;
        self.rest_of_the_daemon().await?;
        written::whatsapp(self.home, mode)?;
        if account.standing().await?.linked {
            show::line("WhatsApp is linked.")?;
        } else {
            self.link(&account, &registered(&store.groups()?)).await?;
        }
        let listed = account.chats(&registered(&store.groups()?)).await?;
        let main = self.main_on_whatsapp(store, agent, &account, mode, listed.own_number.as_deref()).await?;
        let first = self.first_group(store, agent, listed.groups).await?;
        Ok((main, first))
    }

    async fn whose(&mut self) -> Result<WhatsappMode, Failure> {
        if let Some(whose) = self.args.account {
            return Ok(whose.mode());
        }
        if !self.args.yes {
            show::line(THE_RISK)?;
        }
        let from = vec![
            Choice { is: Whose::OwnNumber, words: "its own: a spare number, which people write to".to_owned() },
            Choice { is: Whose::SelfChat, words: "mine: I write to myself, and nobody else sees it".to_owned() },
        ];
        let usual = usize::from(Config::load(self.home)?.channels.whatsapp.mode == WhatsappMode::SelfChat);
        let flag = "--account own-number or --account self-chat";
        Ok(self.ask.one("Which account does the assistant use?", flag, from, usual).await?.mode())
    }

    async fn link(&mut self, account: &Account, registered: &[String]) -> Result<(), Failure> {
        let number = match &self.args.phone {
            Some(number) => Some(number.clone()),
            None if self.how().await? == How::Number => {
                let question = "The account's phone number, with its country (+49 …):";
                Some(self.ask.text(question, "--phone NUMBER", |text| ids::number(text).map(drop)).await?)
            }
            None => None,
        };
        if account.link(number.as_deref(), registered).await? {
            return Ok(());
        }
        Err(refused(anyhow!("WhatsApp is not linked; `doorward setup` goes on there")))
    }

    async fn how(&mut self) -> Result<How, Failure> {
        let (rows, columns) = QR;
        let window = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let fits = window.is_some_and(|window| window.ws_row >= rows && window.ws_col >= columns);
        let scan = match (fits, window) {
            (false, Some(window)) => format!(
                "scan a QR code (it needs {rows} rows and {columns} columns; this window has {} and {}: enlarge it first)",
                window.ws_row, window.ws_col
            ),
            _ => "scan a QR code with the phone".to_owned(),
        };
        let from = vec![
            Choice { is: How::Qr, words: scan },
            Choice { is: How::Number, words: "type a code of eight letters on the phone".to_owned() },
        ];
        self.ask.one("How do you link the phone?", "--phone NUMBER", from, usize::from(!fits)).await
    }

    /// The existing one, or the chat from which its owner sends a code.
    async fn main_on_whatsapp(
        &mut self,
        store: &Store,
        agent: &Agent,
        account: &Account,
        mode: WhatsappMode,
        own_number: Option<&str>,
    ) -> Result<Group, Failure> {
        let groups = store.groups()?;
        if let Some(main) = groups.iter().find(|group| group.is_main && group.channel == WHATSAPP) {
            show::line(format!("Your main chat is {} already.", main.name))?;
            self.set_agent(&main.name, agent)?;
            return Ok(main.clone());
        }
        let code = rand::rng().random_range(10_000_000..100_000_000_u32).to_string();
        let shown = format!("{} {}", &code[..4], &code[4..]);
        let mut expecting = account.expect(mode, &code, &registered(&groups))?;
        let (chat, name) = loop {
            match expecting.next().await? {
                Heard::Listens {} => show::line(to_send(&shown, mode, own_number))?,
                Heard::Other {} => show::line(format!("A message came, but not with this code. It is {shown}"))?,
                Heard::Proven { chat, name } => break (chat, name),
            }
        };
        drop(expecting);
        show::line(match mode {
            WhatsappMode::OwnNumber => format!("The code came from {name}: that is your main chat now."),
            WhatsappMode::SelfChat => "The code came: the chat with yourself is your main chat now.".to_owned(),
        })?;
        let is_taken = groups.iter().any(|group| group.name.as_str() == "main");
        let name = free_name(store, if is_taken { "phone" } else { "main" })?;
        self.make_main(store, &name, WHATSAPP, &chat, agent)
    }

    /// A group from the account's own list, by its name.
    async fn first_group(
        &mut self,
        store: &Store,
        agent: &Agent,
        mut listed: Vec<ListedGroup>,
    ) -> Result<Option<Group>, Failure> {
        let registered = store.groups()?;
        let is_new =
            |group: &ListedGroup| !registered.iter().any(|old| old.channel == WHATSAPP && old.chat == group.id);
        listed.retain(is_new);
        let chosen = match self.args.group.as_deref() {
            Some("none") => None,
            Some(name) => Some(named(listed, name)?),
            None if listed.is_empty() => None,
            None => {
                let none = Choice { is: None, words: "none of them for now".to_owned() };
                let one =
                    |group: ListedGroup| Choice { words: desk::screen::text_on_screen(&group.name), is: Some(group) };
                let from = std::iter::once(none).chain(listed.into_iter().map(one)).collect();
                let question = "Which group may the assistant read and answer in?";
                self.ask.one(question, "--group NAME", from, 0).await?
            }
        };
        let Some(chosen) = chosen else { return Ok(None) };
        let name = free_name(store, &called(&chosen.name))?;
        let group = self.have_group(store, &name, WHATSAPP, &chosen.id, agent)?;
        show::line(format!(
            "{} is the group {name} from now on. It is answered when it calls the assistant.",
            chosen.name
        ))?;
        Ok(Some(group))
    }
}

/// Whether a number on the command line can be a phone number.
pub(super) fn check(phone: Option<&str>) -> Result<(), Failure> {
    let read = phone.map_or(Ok(()), |number| ids::number(number).map(drop));
    read.map_err(|why| usage(anyhow!("--phone: {why}")))
}

impl Whose {
    fn mode(self) -> WhatsappMode {
        match self {
            Whose::OwnNumber => WhatsappMode::OwnNumber,
            Whose::SelfChat => WhatsappMode::SelfChat,
        }
    }
}

fn to_send(code: &str, mode: WhatsappMode, own_number: Option<&str>) -> String {
    let number = own_number.map(|number| format!(" (+{number})")).unwrap_or_default();
    let to = match mode {
        WhatsappMode::OwnNumber => format!("to the assistant's number{number}, from your own phone"),
        WhatsappMode::SelfChat => format!("to yourself{number}, on your phone"),
    };
    format!("\nWho you are is proven by a code. Send this on WhatsApp {to}:\n\n    {code}\n")
}

/// The only group of this name.
fn named(listed: Vec<ListedGroup>, name: &str) -> Result<ListedGroup, Failure> {
    let mut found: Vec<ListedGroup> = listed.into_iter().filter(|group| group.name == name).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(refused(anyhow!("the account is in no group called {name:?} that is not registered already"))),
        many => Err(refused(anyhow!("the account is in {many} groups called {name:?}; leave out --group and choose"))),
    }
}

/// Our name for one of WhatsApp's groups: `Our family ❤` becomes `our-family`.
fn called(name: &str) -> String {
    let mut called = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'ä' => called.push_str("ae"),
            'ö' => called.push_str("oe"),
            'ü' => called.push_str("ue"),
            'ß' => called.push_str("ss"),
            _ if c.is_ascii_lowercase() || c.is_ascii_digit() => called.push(c),
            _ if !called.is_empty() && !called.ends_with('-') => called.push('-'),
            _ => {}
        }
    }
    called.truncate(24);
    let called = called.trim_matches('-');
    if GroupName::parse(called).is_ok() && called != "base" { called.to_owned() } else { "group".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_called_like_its_chat() {
        for (name, wanted) in [
            ("Our family ❤", "our-family"),
            ("Müllers & Söhne", "muellers-soehne"),
            ("家族", "group"),
            ("!", "group"),
            ("base", "group"),
            ("The Very Long Name of a Club that Hikes", "the-very-long-name-of-a"),
        ] {
            assert_eq!(called(name), wanted, "{name}");
        }
    }

    #[test]
    fn a_group_that_is_named_is_one() {
        let group = |id: &str, name: &str| ListedGroup { id: id.to_owned(), name: name.to_owned() };
        let listed = || vec![group("1@g.us", "Family"), group("2@g.us", "Club"), group("3@g.us", "Club")];
        assert_eq!(
            named(listed(), "Family").map(|group| group.id).map_err(|why| why.to_string()),
            Ok("1@g.us".to_owned())
        );
        assert!(named(listed(), "Club").unwrap_err().to_string().contains("2 groups"));
        assert!(named(listed(), "Nobody").unwrap_err().to_string().contains("no group"));
    }
}
