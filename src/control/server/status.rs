//! Collects the daemon's state.

use super::Control;
use crate::control::planned::PlannedTasks;
use crate::control::protocol::{ChannelThere, LiveGroup, LiveHelper, PausedGroup, Status};
use crate::control::shown::{in_force, paused};
use crate::delegation::Told;
use crate::pipeline::Seated;
use crate::store::now;

impl Control {
    pub(super) async fn status(&self) -> Status {
        let snapshot = self.pipeline.snapshot().await;
        let live = |seated: Seated| LiveGroup {
            group: seated.group.to_string(),
            busy: seated.busy,
            seconds: seated.lasts.as_secs(),
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            sandboxes: snapshot.seated.into_iter().map(live).collect(),
            helpers: self.helpers.at_work().into_iter().map(at_work).collect(),
            waiting: snapshot.waiting.iter().map(|(group, _)| group.to_string()).collect(),
            waited: snapshot.waiting.iter().map(|(_, waits)| waits.as_secs()).collect(),
            resting: snapshot.resting.iter().map(ToString::to_string).collect(),
            cap: self.cap,
            locked: self.locked(),
            paused: self.paused(),
            owner_away: self.absence.is_away(),
            policies: self.gateway.policies_in_force().into_iter().map(in_force).collect(),
            settings: Some(self.settings.clone()),
            engine: self.engine.clone(),
            channels: self.channels().await,
            asks: self.approvals.open_asks().map_or(0, |open| open.len()),
            undelivered: self.store.undelivered(None).map_or(0, |all| all.len()),
            tasks: PlannedTasks::of(&self.store).unwrap_or_default(),
        }
    }

    async fn channels(&self) -> Vec<ChannelThere> {
        let there = self.outbox.channels().await;
        let stands = |channel: &&str| {
            let mut links = there.iter().filter(|(name, _)| name == channel).peekable();
            let runs = links.peek().is_some();
            ChannelThere { channel: (*channel).to_owned(), runs, connected: links.any(|(_, ready)| *ready) }
        };
        self.programs.iter().map(stands).collect()
    }

    fn locked(&self) -> Vec<String> {
        let locked = self.gateway.locked();
        let all = locked.all.then(|| "*".to_owned());
        all.into_iter().chain(locked.groups.iter().map(ToString::to_string)).collect()
    }

    fn paused(&self) -> Vec<PausedGroup> {
        let pauses = self.store.pauses(now()).unwrap_or_default();
        pauses.into_iter().map(paused).collect()
    }
}

fn at_work(told: Told) -> LiveHelper {
    LiveHelper { group: told.group.to_string(), name: told.name, seconds: told.lasts.as_secs() }
}
