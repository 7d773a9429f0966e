//! Runs attacks, and judges them by what arrived.

use std::time::Duration;

use proxy::audit::Seq;

use super::DrillError;
use super::attacks::{Area, Attack, Control, Proof, Run};
use super::canaries::{Ear, echoes};
use super::ground::Ground;
use super::report::Attempt;
use super::subject::{Said, Subject, Words};
use crate::loopback::Listener;
use crate::store::ledger::{Filter, Which};

/// How long a control waits for its data to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The judge of one drill.
pub(super) struct Judge<'a> {
    ground: &'a Ground,
}

/// A judged attack, with the text that must not arrive later either.
pub(super) struct Judged {
    /// The judgement.
    pub(super) attempt: Attempt,
    late: Option<(Ear, String)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(ground: &'a Ground) -> Self {
        Judge { ground }
    }

    /// Checks that an allowed request gets through, with the real secret put on. An open proxy puts nothing on, so
    /// there the request itself is enough.
    pub(super) async fn allowed_way(
        &self,
        subject: &Subject<'_>,
        open_proxy: bool,
    ) -> Result<Result<(), String>, DrillError> {
        let words = subject.words(&ALLOWED);
        let said = subject.run(&ALLOWED, &words).await?;
        let wanted = if open_proxy { words.fill("{marker}") } else { words.fill("Bearer {secret}") };
        let Some(listener) = self.ground.canaries.get(Ear::Keyed) else { return Ok(Err("no canary".to_owned())) };
        if listener.heard().until(&wanted, PATIENCE).await {
            return Ok(Ok(()));
        }
        Ok(Err(self.refusal_since(Seq(0))?.unwrap_or(said.detail)))
    }

    /// Runs these attacks, one after the other, from the sandbox under attack.
    pub(super) async fn attack_all(
        &self,
        subject: &Subject<'_>,
        attacks: &[&'static Attack],
    ) -> Result<Vec<Judged>, DrillError> {
        let mut judged = Vec::new();
        for attack in attacks {
            judged.push(self.attack(subject, attack).await?);
        }
        Ok(judged)
    }

    /// Whatever arrived after an attack was judged counts all the same.
    pub(super) fn hear_again(&self, judged: &mut [Judged]) {
        for one in judged.iter_mut().filter(|one| !one.attempt.through) {
            let late = one.late.as_ref();
            if late.is_some_and(|(ear, text)| self.listener(*ear).is_some_and(|listener| listener.heard().holds(text)))
            {
                one.attempt = Attempt { through: true, what: "it arrived late".to_owned() };
            }
        }
    }

    /// Runs an attack where it must succeed.
    pub(super) async fn control(&self, subject: &Subject<'_>, attack: &'static Attack) -> Result<Attempt, DrillError> {
        let words = subject.words(attack);
        let first = self.neighbour_first(subject, attack, &words).await?;
        let (before, echoes_before) = (self.contacts(attack.proof), self.echoes(attack)?);
        let said = subject.run(attack, &words).await?;
        let through = match attack.proof {
            Proof::Contact(ear) => self.arrives(ear, &words.fill("{marker}")).await,
            Proof::Text(ear, text) => self.arrives(ear, &words.fill(text)).await,
            Proof::Echo => self.echoes(attack)? > echoes_before,
            Proof::Silence(ear) => first && self.is_silent(ear, before).await?,
            Proof::Found => said.succeeded,
        };
        let hint = if attack.control == Control::Network { FIREWALL } else { "" };
        let what = match attack.proof {
            _ if !through => format!("{}{hint}", said.detail),
            Proof::Found => said.detail,
            Proof::Silence(_) => KEPT.to_owned(),
            _ => "the canary heard it".to_owned(),
        };
        Ok(Attempt { through, what })
    }

    async fn attack(&self, subject: &Subject<'_>, attack: &'static Attack) -> Result<Judged, DrillError> {
        let words = subject.words(attack);
        self.neighbour_first(subject, attack, &words).await?;
        let (before, log_before) = (self.contacts(attack.proof), self.last()?);
        let echoes_before = self.echoes(attack)?;
        let said = subject.run(attack, &words).await?;
        let (through, late) = match attack.proof {
            Proof::Contact(ear) => {
                self.fence(ear).await?;
                (self.contacts(attack.proof) > before, Some((ear, words.fill("{marker}"))))
            }
            Proof::Text(ear, text) => {
                self.fence(ear).await?;
                let text = words.fill(text);
                (self.listener(ear).is_some_and(|listener| listener.heard().holds(&text)), Some((ear, text)))
            }
            Proof::Echo => (self.echoes(attack)? > echoes_before && self.echo_again(subject, attack).await?, None),
            Proof::Silence(ear) => (self.is_silent(ear, before).await?, None),
            Proof::Found => (said.succeeded, None),
        };
        let what = self.what_happened(attack, through, said, log_before)?;
        Ok(Judged { attempt: Attempt { through, what }, late })
    }

    /// The count is the whole machine's: somebody else may have pinged it just then.
    async fn echo_again(&self, subject: &Subject<'_>, attack: &'static Attack) -> Result<bool, DrillError> {
        for _ in 0..3 {
            let before = self.echoes(attack)?;
            subject.run(attack, &subject.words(attack)).await?;
            if self.echoes(attack)? == before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// For a refusal at the door, the log's words; otherwise the attack's own.
    fn what_happened(&self, attack: &Attack, through: bool, said: Said, since: Seq) -> Result<String, DrillError> {
        if through {
            return Ok(match attack.proof {
                Proof::Found => said.detail,
                Proof::Silence(_) => KEPT.to_owned(),
                _ => "the canary heard it".to_owned(),
            });
        }
        if let Proof::Silence(_) = attack.proof {
            return Ok(ASKED.to_owned());
        }
        let refused = if attack.area == Area::Inside { None } else { self.refusal_since(since)? };
        let partly = matches!(attack.proof, Proof::Text(..)) && said.succeeded;
        let otherwise = if partly { PARTLY.to_owned() } else { said.detail };
        Ok(refused.unwrap_or(otherwise))
    }

    fn refusal_since(&self, since: Seq) -> Result<Option<String>, DrillError> {
        let filter = Filter { which: Some(Which::Denied), after: Some(since), limit: Some(1), ..Filter::default() };
        let entry = self.ground.log.entries(&filter)?.pop();
        Ok(entry.map(|entry| format!("{}: {}", entry.code().unwrap_or("refused"), entry.why().unwrap_or_default())))
    }

    fn last(&self) -> Result<Seq, DrillError> {
        let newest = self.ground.log.entries(&Filter { limit: Some(1), ..Filter::default() })?;
        Ok(newest.last().map_or(Seq(0), |entry| entry.seq))
    }

    fn listener(&self, ear: Ear) -> Option<&Listener> {
        self.ground.canaries.get(ear)
    }

    fn contacts(&self, proof: Proof) -> usize {
        let (Proof::Contact(ear) | Proof::Text(ear, _) | Proof::Silence(ear)) = proof else { return 0 };
        self.listener(ear).map_or(0, |listener| listener.heard().contacts())
    }

    /// If an attack depends on another group's request before it, sends that and returns whether the canary received
    /// it.
    async fn neighbour_first(
        &self,
        subject: &Subject<'_>,
        attack: &'static Attack,
        words: &Words,
    ) -> Result<bool, DrillError> {
        let Proof::Silence(ear) = attack.proof else { return Ok(false) };
        let before = self.contacts(attack.proof);
        subject.neighbour_runs(attack, words).await?;
        Ok(!self.is_silent(ear, before).await?)
    }

    /// Whether nothing has reached this canary since.
    async fn is_silent(&self, ear: Ear, before: usize) -> Result<bool, DrillError> {
        self.fence(ear).await?;
        Ok(self.contacts(Proof::Silence(ear)) == before)
    }

    async fn fence(&self, ear: Ear) -> Result<(), DrillError> {
        match self.listener(ear) {
            Some(listener) => listener.fence().await.map_err(DrillError::Deaf),
            None => Ok(()),
        }
    }

    async fn arrives(&self, ear: Ear, text: &str) -> bool {
        match self.listener(ear) {
            Some(listener) => listener.heard().until(text, PATIENCE).await,
            None => false,
        }
    }

    fn echoes(&self, attack: &Attack) -> Result<u64, DrillError> {
        if matches!(attack.proof, Proof::Echo) { echoes().map_err(DrillError::Echoes) } else { Ok(0) }
    }
}

const ASKED: &str = "the door asked for the name itself, though another had just been told";
const KEPT: &str = "the answer to another's question was there";

const PARTLY: &str = "the request that is allowed was answered; what was hidden in it did not arrive";

const FIREWALL: &str = " (a firewall on this machine may keep containers from its own addresses)";

/// The request that the drill's rules allow.
const ALLOWED: Attack = Attack {
    id: "allowed",
    tries: "the way that the policy allows",
    area: Area::Through,
    run: Run::Curl(&["-H", "Authorization: Bearer {surrogate}", "https://keyed.drill.test/allowed/{marker}"]),
    proof: Proof::Contact(Ear::Keyed),
    control: Control::OpenProxy,
    only_with_users: false,
};
