//! `doorward setup`: from nothing to a first answer, by questions.
//!
//! Each step checks the present state, writes its answer at once, and is skipped if there is nothing left to do, so
//! setup can be interrupted anywhere and run again. It writes only files that an owner edits.

mod ask;
mod chats;
mod reached;
mod thinks;
mod trial;
mod written;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use containers::Engine;
use policies::GroupName;

use super::question::Choice;
use super::{Failure, chat, drill, environment, group, image, reach, service, show, up};
use crate::agents;
use crate::channels::terminal;
use crate::config::{Agent, Config, WHATSAPP};
use crate::control::client::Client;
use crate::control::protocol::{Answer, Request};
use crate::home::Home;
use crate::store::{Group, NewGroup, Store, is_reserved};

use ask::Ask;

/// How long a daemon may take to end.
const ENDING: Duration = Duration::from_secs(30);

/// Set everything up, step by step: chats, agent, key, what it may reach.
///
/// Asks what it must know and proposes an answer to most of it. It can be stopped at any
/// point (Ctrl-C) and run again: what is there already is proposed. Each answer can be given
/// on the command line instead; with --yes nobody is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward setup
  doorward setup --chats whatsapp --agent claude
  doorward setup --yes --agent claude --key key.txt --may weather,wikipedia")]
pub struct SetupArgs {
    /// Ask nothing: what is proposed holds where no flag says otherwise
    #[arg(long)]
    yes: bool,
    /// Where you write to the assistant; the terminal always works
    #[arg(long, value_enum, value_name = "WHERE")]
    chats: Option<Where>,
    /// Who answers; `doorward agent set` sees to others
    #[arg(long, value_parser = ["claude", "shell"])]
    agent: Option<String>,
    /// A file with Claude's key: an API key, or a subscription's token; - for standard input
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Whose WhatsApp account it is
    #[arg(long, value_enum)]
    account: Option<chats::Whose>,
    /// Link WhatsApp by a code to type on the phone with this number, not by a QR code
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// The WhatsApp group to begin with, by the name that its members see; `none` for none
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// What the agent may reach: names of presets; `none` for nothing but its model
    #[arg(long, value_name = "PRESETS", value_delimiter = ',')]
    may: Option<Vec<String>>,
    /// Whether to attack the installation once, to see that nothing gets out
    #[arg(long, value_enum, value_name = "YES|NO")]
    drill: Option<Whether>,
    /// Whether systemd keeps Doorward running, from boot on
    #[arg(long, value_enum, value_name = "YES|NO")]
    service: Option<Whether>,
}

/// Where the owner writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Where {
    /// In a terminal of this machine
    Terminal,
    /// On WhatsApp, and in a terminal
    Whatsapp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Whether {
    Yes,
    No,
}

/// A setup in progress.
struct Setup<'a> {
    home: &'a Home,
    args: &'a SetupArgs,
    ask: Ask,
    /// The daemon that was running before anything was written.
    stopped: Option<Stopped>,
}

/// What was running the daemon that setup has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// systemd.
    Service,
    /// Somebody's `doorward up`.
    Up,
}

pub(super) async fn run(home: &Home, args: SetupArgs) -> Result<ExitCode, Failure> {
    let mut setup = Setup { home, args: &args, ask: Ask::new(args.yes), stopped: None };
    let done = tokio::select! {
        done = setup.hold() => done,
        () = up::interrupted() => Err(ask::broken_off()),
    };
    let again = setup.start_again();
    let main = done?;
    again?;
    if main.channel == terminal::CHANNEL && !args.yes && show::is_interactive() {
        return chat::with(home, &main.name).await;
    }
    Ok(ExitCode::SUCCESS)
}

impl Setup<'_> {
    /// All steps; returns the main group.
    async fn hold(&mut self) -> Result<Group, Failure> {
        self.check_flags()?;
        self.home.prepare()?;
        let config = Config::load(self.home)?;
        let engine = Engine::connect(config.engine.host.as_deref()).await.map_err(environment)?;
        show::line(WELCOME)?;
        let store = group::open_store(self.home)?;
        let wanted = self.which_chats(&config).await?;
        let agent = self.which_agent(&store).await?;
        let (main, first) = match wanted {
            Where::Terminal => {
                self.rest_of_the_daemon().await?;
                (self.main_here(&store, &agent)?, None)
            }
            Where::Whatsapp => self.on_whatsapp(&store, &agent).await?,
        };
        let groups: Vec<&Group> = [&main].into_iter().chain(&first).collect();
        if matches!(agent, Agent::Claude { .. }) {
            self.key(&main.name).await?;
        }
        self.may_reach(&groups, &agent).await?;
        self.can_think(&groups, &agent)?;
        let drill = self.whether_to_drill().await?;
        let service = self.whether_to_serve().await?;
        self.images(&engine, &agent).await?;
        if drill {
            self.drill(&main.name).await?;
        }
        if service {
            service::start(self.home)?;
            self.stopped = None;
        }
        self.end(&main, &groups, service).await?;
        Ok(main)
    }

    /// Refuses impossible flags before anything is asked, stopped or written.
    fn check_flags(&self) -> Result<(), Failure> {
        reached::check(self.args.may.as_deref())?;
        chats::check(self.args.phone.as_deref())
    }

    /// A running daemon has the old settings and uses WhatsApp's keys: it is stopped before the first file is written.
    async fn rest_of_the_daemon(&mut self) -> Result<(), Failure> {
        let Some(client) = Client::connect(self.home).await.map_err(environment)? else { return Ok(()) };
        show::line("Doorward is running. It is stopped now, so that it starts with what changes here.\n")?;
        self.stopped = Some(if service::pause(self.home)? { Stopped::Service } else { Stopped::Up });
        if self.stopped == Some(Stopped::Up) {
            client.ask(&Request::Shutdown {}).await?;
        }
        let ended = async {
            while self.home.is_served() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(ENDING, ended).await;
        waited.map_err(|_| environment(anyhow!("it did not end; stop it, then run `doorward setup` again")))
    }

    /// However setup ends: what ran before runs again, or its owner is told that it does not.
    fn start_again(&self) -> Result<(), Failure> {
        match self.stopped {
            None => Ok(()),
            Some(Stopped::Service) => {
                service::resume(self.home)?;
                Ok(show::line("Doorward runs again, as the service that it was.")?)
            }
            Some(Stopped::Up) => {
                show::aside("Doorward was stopped for this: `doorward up` starts it again.");
                Ok(())
            }
        }
    }

    async fn which_chats(&mut self, config: &Config) -> Result<Where, Failure> {
        if let Some(chats) = self.args.chats {
            return Ok(chats);
        }
        let from = vec![
            Choice { is: Where::Terminal, words: "in this terminal".to_owned() },
            Choice { is: Where::Whatsapp, words: "on WhatsApp, and in this terminal".to_owned() },
        ];
        let usual = usize::from(config.channels.whatsapp.enabled);
        let flag = "--chats terminal or --chats whatsapp";
        self.ask.one("Where do you want to write to your assistant?", flag, from, usual).await
    }

    /// The main group of an owner who writes in the terminal.
    fn main_here(&self, store: &Store, agent: &Agent) -> Result<Group, Failure> {
        let groups = store.groups()?;
        if let Some(main) = groups.iter().find(|group| group.is_main) {
            self.set_agent(&main.name, agent)?;
            return Ok(main.clone());
        }
        let here = groups.into_iter().find(|group| group.channel == terminal::CHANNEL);
        let name = here.map_or_else(|| free_name(store, "main"), |group| Ok(group.name))?;
        let main = self.make_main(store, &name, terminal::CHANNEL, name.as_str(), agent)?;
        show::line(format!("Your chat here is the group {name}, with a folder, a sandbox and rules of its own."))?;
        Ok(main)
    }

    /// Makes a chat the main group, new or existing.
    fn make_main(
        &self,
        store: &Store,
        name: &GroupName,
        channel: &str,
        chat: &str,
        agent: &Agent,
    ) -> Result<Group, Failure> {
        let group = self.have_group(store, name, channel, chat, agent)?;
        store.set_main(&group.name)?;
        Ok(Group { is_main: true, ..group })
    }

    /// A chat as a group: the existing one, or a new one.
    fn have_group(
        &self,
        store: &Store,
        name: &GroupName,
        channel: &str,
        chat: &str,
        agent: &Agent,
    ) -> Result<Group, Failure> {
        let group = match store.group_by_chat(channel, chat)? {
            Some(group) => group,
            None => group::register(self.home, store, &NewGroup { name, channel, chat, is_main: false }, agent)?,
        };
        self.set_agent(&group.name, agent)?;
        Ok(group)
    }

    async fn whether_to_drill(&mut self) -> Result<bool, Failure> {
        if let Some(drill) = self.args.drill {
            return Ok(drill == Whether::Yes);
        }
        let question = "Attack this installation once (half a minute), to see that nothing gets out?";
        self.ask.confirm(question, "--drill yes or --drill no", true).await
    }

    async fn whether_to_serve(&mut self) -> Result<bool, Failure> {
        match self.args.service {
            Some(Whether::Yes) => match service::without_systemd() {
                Some(what_to_do) => Err(environment(anyhow!("--service yes: {what_to_do}"))),
                None => Ok(true),
            },
            Some(Whether::No) => Ok(false),
            None if let Some(what_to_do) = service::without_systemd() => {
                show::line(format!("\nStarting at boot: {what_to_do}."))?;
                Ok(false)
            }
            None if service::installed(self.home).is_some() => Ok(true),
            None => {
                let question = "Keep Doorward running, from each boot on (a service of systemd's)?";
                // No machine gets a service that nobody asked for.
                self.ask.confirm(question, "--service yes or --service no", !self.args.yes).await
            }
        }
    }

    async fn images(&self, engine: &Engine, agent: &Agent) -> Result<(), Failure> {
        image::ensure(self.home, engine, "base").await?;
        match agents::program(agent) {
            Some(program) => image::ensure(self.home, engine, program.name).await,
            None => Ok(()),
        }
    }

    async fn drill(&self, group: &GroupName) -> Result<(), Failure> {
        show::line("\nThe drill: attacks from a real sandbox of yours.")?;
        if !drill::in_short(self.home, group).await? {
            show::line("`doorward drill` shows each attack and what came of it.")?;
        }
        Ok(())
    }

    /// Reports in the main chat that everything is set up, and here what comes next.
    async fn end(&self, main: &Group, groups: &[&Group], service: bool) -> Result<(), Failure> {
        if service {
            self.until_served().await?;
        }
        let mut reached = if service { reach::daemon(self.home).await? } else { reach::own(self.home).await? };
        let greeted = async { Ok::<_, Failure>(reached.client().await?.ask(&Request::Greet {}).await?.0) }.await;
        reached.leave().await;
        let delivered = matches!(greeted?, Answer::Greeted { delivered: true, .. });
        let phone = if main.channel == WHATSAPP { on_the_phone(delivered, service) } else { String::new() };
        show::line(last_words(self.home, groups, self.ask.asked(), &phone))?;
        Ok(())
    }

    /// Waits until the started daemon answers.
    async fn until_served(&self) -> Result<(), Failure> {
        let answers = async {
            while !matches!(Client::connect(self.home).await, Ok(Some(_))) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(ENDING, answers).await;
        waited
            .map_err(|_| environment(anyhow!("the service does not answer; `doorward service status` says how it is")))
    }
}

/// What an owner on WhatsApp sees, and has to take care of.
fn on_the_phone(delivered: bool, runs: bool) -> String {
    let told = match delivered {
        true => "Your main chat has a message from Doorward: look at your phone.",
        false => "The message to your main chat waits until WhatsApp can be reached.",
    };
    let next =
        if runs { "" } else { "  doorward up              keeps Doorward running, so that chats are answered\n" };
    format!("{told}\n{next}")
}

fn last_words(home: &Home, groups: &[&Group], asked: usize, phone: &str) -> String {
    let mut words = "\nAll is set up".to_owned();
    words += &match asked {
        0 => ".\n".to_owned(),
        1 => " (1 question).\n".to_owned(),
        asked => format!(" ({asked} questions).\n"),
    };
    words += phone;
    words += "  doorward chat            talk to the assistant here\n";
    for group in groups {
        let file = home.policy_file(&group.name);
        words += &format!("  {}\n    what {} may reach; read again when you save it\n", file.display(), group.name);
    }
    words
        + "  doorward doctor          is everything there?\n  doorward setup           again, whenever something is to change"
}

/// A free name for a group.
fn free_name(store: &Store, wanted: &str) -> Result<GroupName, Failure> {
    let taken: Vec<GroupName> = store.groups()?.into_iter().map(|group| group.name).collect();
    let numbered = (2..).map(|number| format!("{wanted}-{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered).filter_map(|name| GroupName::parse(&name).ok());
    names.find(|name| !is_reserved(name) && !taken.contains(name)).ok_or_else(|| anyhow!("no name is free").into())
}

const WELCOME: &str = "\
Doorward's setup. It asks some questions, writes ordinary files, and can be stopped (Ctrl-C) and run again at any point.
";
