//! What an evening brings: all of it is drawn from the seed before it begins, so that
//! nothing that happens changes what comes next.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

/// The household's chats. The family's is read by several people and answered by Claude
/// Code; the others by a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chat {
    Owner,
    Family,
    Club,
    Work,
}

/// What somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// To be answered at once.
    Plain,
    /// Something is read upstream.
    Reads,
    /// Something is written upstream.
    Writes,
    /// It is at work until it is released.
    Waits,
    /// It has written upstream, and is at work until it is released.
    WritesAndWaits,
    /// It waits for an upstream that has taken what it wrote and does not answer.
    Held,
    /// A site that no rule names.
    Refused,
    /// Nothing comes of it.
    Nothing,
    /// More than one message holds.
    Long,
    /// It never ends by itself.
    Hangs,
    /// A real secret is to be said in the chat.
    ShowsKey,
    /// A real secret is to be sent away; in the family's chat, to the model.
    SendsKey,
    /// People among themselves.
    Talk,
    /// What runs is to end.
    Stop,
    /// The owner ends what runs in the club.
    StopClub,
}

/// How a daemon ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    Kill,
    Term,
}

/// When it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A message is accepted.
    Accepted,
    /// One is being worked on.
    AtWork,
    /// It has written upstream, and goes on.
    Wrote,
    /// What it wrote is upstream, and the answer is not there.
    Asked,
    /// Its answer is shown, and perhaps not confirmed.
    Shown,
    /// After so many more lines to the channel.
    Lines(usize),
}

/// How a run that does not end is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Bound,
    Stop,
    Owner,
    Command,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Scene {
    Talk(Vec<(Chat, Says)>),
    FollowUps(Chat, Vec<Says>),
    Restart { chat: Chat, moment: Moment, death: Death, behind: Vec<Says> },
    BrokenPolicy(Chat),
    FullDisk(Vec<(Chat, Says)>),
    WrongClock { seconds: i64, then: i64, death: Death, says: Vec<(Chat, Says)> },
    Hung(Chat, Ended, Vec<Says>),
    EngineStops(Vec<(Chat, Says)>),
    EngineHangs(Vec<(Chat, Says)>),
    PastedSecret(Chat, Says),
    LineBreaks(Vec<(Chat, Says)>),
    NoNetwork(Vec<(Chat, Says)>),
}

const ALL: [Chat; 4] = [Chat::Owner, Chat::Family, Chat::Club, Chat::Work];
const SHELLS: [Chat; 3] = [Chat::Owner, Chat::Club, Chat::Work];
const HOUR: i64 = 3600;

/// An evening with everything in it, in this seed's order.
pub fn drawn(seed: u64) -> Vec<Scene> {
    let mut dice = Dice(StdRng::seed_from_u64(seed));
    let mut scenes = vec![
        dice.restart(),
        dice.restart(),
        dice.restart(),
        Scene::BrokenPolicy(dice.one(&SHELLS)),
        Scene::FullDisk(dice.talk(2)),
        dice.wrong_clock(),
        dice.hung(),
        Scene::EngineStops(dice.talk(2)),
        Scene::EngineHangs(dice.talk(2)),
        Scene::PastedSecret(Chat::Family, Says::SendsKey),
        Scene::PastedSecret(dice.one(&SHELLS), dice.one(&[Says::ShowsKey, Says::SendsKey])),
        Scene::LineBreaks(dice.talk(3)),
        Scene::NoNetwork(dice.talk(2)),
        Scene::FollowUps(dice.one(&ALL), dice.behind(3)),
    ];
    scenes.shuffle(&mut dice.0);
    let mut evening = vec![Scene::Talk(dice.talk(4))];
    for scene in scenes {
        let more = dice.0.random_range(0..3);
        evening.extend([scene, Scene::Talk(dice.talk(more))]);
    }
    evening
}

struct Dice(StdRng);

impl Dice {
    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        *all.choose(&mut self.0).unwrap()
    }

    fn says(&mut self) -> Says {
        const USUAL: [Says; 10] = [
            Says::Plain,
            Says::Plain,
            Says::Plain,
            Says::Reads,
            Says::Reads,
            Says::Writes,
            Says::Writes,
            Says::Refused,
            Says::Nothing,
            Says::Long,
        ];
        self.one(&USUAL)
    }

    /// The family's chat costs a few seconds each time, and has its talk.
    fn talk(&mut self, messages: usize) -> Vec<(Chat, Says)> {
        let mut all = Vec::new();
        for _ in 0..messages {
            let chat = self.one(&[Chat::Owner, Chat::Club, Chat::Club, Chat::Work, Chat::Work, Chat::Family]);
            let says = self.says();
            if chat == Chat::Family && self.0.random() {
                all.push((chat, Says::Talk));
            }
            all.push((chat, says));
        }
        all
    }

    fn behind(&mut self, most: usize) -> Vec<Says> {
        let count = self.0.random_range(1..=most);
        (0..count).map(|_| self.says()).collect()
    }

    fn restart(&mut self) -> Scene {
        let lines = self.0.random_range(1..12);
        let moment = self.one(&[
            Moment::Accepted,
            Moment::AtWork,
            Moment::Wrote,
            Moment::Asked,
            Moment::Shown,
            Moment::Lines(lines),
            Moment::Lines(lines),
        ]);
        let chat = self.one(&[Chat::Owner, Chat::Club, Chat::Work, Chat::Family]);
        Scene::Restart { chat, moment, death: self.death(), behind: self.behind(3) }
    }

    fn death(&mut self) -> Death {
        self.one(&[Death::Kill, Death::Kill, Death::Term])
    }

    /// As far as the sandbox, whose clock is right, believes the door's certificates.
    fn wrong_clock(&mut self) -> Scene {
        let seconds = self.one(&[-40 * 24 * HOUR, -3 * 24 * HOUR, -HOUR, HOUR, 11 * HOUR, 23 * HOUR]);
        let then = self.one(&[0, 0, -HOUR, HOUR, seconds + HOUR / 2, seconds - HOUR]);
        Scene::WrongClock { seconds, then: then.min(23 * HOUR), death: self.death(), says: self.talk(4) }
    }

    fn hung(&mut self) -> Scene {
        let ended = self.one(&[Ended::Bound, Ended::Stop, Ended::Owner, Ended::Command]);
        let chat = match ended {
            Ended::Owner => Chat::Club,
            _ => self.one(&[Chat::Family, Chat::Club, Chat::Work]),
        };
        Scene::Hung(chat, ended, self.behind(2))
    }
}

impl Chat {
    /// Its name, which is the group's and the network's.
    pub fn name(self) -> &'static str {
        match self {
            Chat::Owner => "owner",
            Chat::Family => "family",
            Chat::Club => "club",
            Chat::Work => "work",
        }
    }
}

impl Says {
    /// Whether something may be written upstream for it.
    pub fn writes(self) -> bool {
        matches!(self, Says::Writes | Says::WritesAndWaits | Says::Held)
    }
}
