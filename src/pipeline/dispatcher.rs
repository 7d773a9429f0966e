//! Carries out the queue's decisions: starts, wakes and releases workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use policies::GroupName;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::queue::{Queue, Step};
use super::sandbox::StartSandbox;
use super::shared::Shared;
use super::worker::{Halt, Left, Mail, OWNER_STOPPED, Stopping, Worker};
use super::{Seated, Snapshot, pausing, waiting};
use crate::phrases::Phrases;
use crate::store::ledger::Notice;
use crate::store::{Millis, now};

/// How often at least the end of a pause is checked for.
const LOOKS_AGAIN: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) enum Event {
    Work(GroupName),
    Busy(GroupName),
    Idle(GroupName),
    Left(GroupName, Left),
    /// A rest is over; with its number.
    Rested(GroupName, u64),
    /// A group has waited for a seat for a while; with the number of its wait.
    Waited(GroupName, u64),
    Stop(GroupName, Stopping, oneshot::Sender<bool>),
    /// A pause has begun or ended, or may be over.
    Pauses,
    Snapshot(oneshot::Sender<Snapshot>),
    Shutdown(oneshot::Sender<()>),
}

pub(super) struct Dispatcher<S: StartSandbox> {
    shared: Arc<Shared<S>>,
    events: mpsc::UnboundedReceiver<Event>,
    queue: Queue,
    seats: BTreeMap<GroupName, Seat>,
    waits: BTreeMap<GroupName, Wait>,
    /// Groups whose chats have been told that they are paused, and until when.
    told_paused: BTreeMap<GroupName, Millis>,
    /// Whether a timer for the end of a pause is set.
    looks_for_end: bool,
    /// Numbers rests and waits, so that a late timer is recognised.
    numbers: u64,
    ending: Option<oneshot::Sender<()>>,
}

/// How to reach a worker.
struct Seat {
    mail: mpsc::UnboundedSender<Mail>,
    halt: watch::Sender<Halt>,
    stopped: Vec<(Stopping, oneshot::Sender<bool>)>,
    /// When it was taken, or became busy or idle.
    since: Instant,
}

/// A group that waits for a seat.
struct Wait {
    since: Instant,
    number: u64,
}

impl<S: StartSandbox> Dispatcher<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, events: mpsc::UnboundedReceiver<Event>) -> Self {
        let queue = Queue::new(shared.settings.cap);
        Dispatcher {
            shared,
            events,
            queue,
            seats: BTreeMap::new(),
            waits: BTreeMap::new(),
            told_paused: BTreeMap::new(),
            looks_for_end: false,
            numbers: 0,
            ending: None,
        }
    }

    /// Runs until shutdown, and then until the last worker has left.
    pub(super) async fn run(mut self) {
        while let Some(event) = self.events.recv().await {
            self.take(event);
            self.note_waits();
            if self.ending.is_some() && self.seats.is_empty() {
                break;
            }
        }
        if let Some(done) = self.ending.take() {
            let _ = done.send(());
        }
    }

    fn take(&mut self, event: Event) {
        let steps = match event {
            Event::Work(group) => self.work(&group),
            Event::Idle(group) => {
                self.changed(&group);
                self.queue.idle(&group)
            }
            Event::Rested(group, number) => self.queue.rested(&group, number),
            Event::Waited(group, number) => {
                self.waited(&group, number);
                Vec::new()
            }
            Event::Left(group, left) => self.left(&group, left),
            Event::Busy(group) => {
                self.changed(&group);
                self.queue.busy(&group);
                Vec::new()
            }
            Event::Stop(group, stopping, done) => self.stop(&group, stopping, done),
            Event::Pauses => self.pauses(),
            Event::Snapshot(done) => {
                let _ = done.send(self.snapshot());
                Vec::new()
            }
            Event::Shutdown(done) => {
                for seat in self.seats.values() {
                    seat.halt.send_replace(Halt::Shutdown);
                }
                self.ending = Some(done);
                Vec::new()
            }
        };
        steps.into_iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start(group) if self.ending.is_none() => self.seat(group),
            Step::Start(_) => {}
            Step::Wake(group) => self.mail(&group, Mail::Work),
            Step::Close(group) => self.mail(&group, Mail::Close),
        }
    }

    fn work(&mut self, group: &GroupName) -> Vec<Step> {
        if matches!(self.shared.store.group(group), Ok(Some(group)) if group.is_main) {
            self.queue.set_owner(group);
        }
        match self.shared.paused_until(group) {
            Some(until) => {
                self.tell_paused(group, until);
                self.look_for_the_end(until);
                Vec::new()
            }
            None => self.queue.work(group),
        }
    }

    /// Tells whoever wrote to a paused group, once.
    fn tell_paused(&mut self, group: &GroupName, until: Millis) {
        let calls = self.shared.store.calls_waiting(group).unwrap_or_default();
        if let Some(last) = calls.last()
            && self.told_paused.insert(group.clone(), until) != Some(until)
        {
            let time = pausing::shown(until, now(), &self.shared.settings.assistant.zone);
            self.shared.remark(group, last, Phrases::new("paused-you-wait").with("time", time));
        }
    }

    fn look_for_the_end(&mut self, until: Millis) {
        if !std::mem::replace(&mut self.looks_for_end, true) {
            // The clock may be set, and the machine may sleep.
            let left = Duration::from_millis(u64::try_from(until - now()).unwrap_or_default());
            self.tell_after(left.min(LOOKS_AGAIN), Event::Pauses);
        }
    }

    /// Serves groups that wait and are no longer paused.
    fn pauses(&mut self) -> Vec<Step> {
        self.looks_for_end = false;
        let waiting = self.shared.store.groups_waiting().unwrap_or_else(|error| {
            tracing::error!(%error, "who waits for the end of a pause is not known");
            self.told_paused.keys().cloned().collect()
        });
        let mut steps = Vec::new();
        for group in waiting {
            match self.shared.paused_until(&group) {
                Some(until) => self.look_for_the_end(until),
                None => steps.extend(self.work(&group)),
            }
        }
        steps
    }

    fn changed(&mut self, group: &GroupName) {
        if let Some(seat) = self.seats.get_mut(group) {
            seat.since = Instant::now();
        }
    }

    fn snapshot(&self) -> Snapshot {
        let lasts = |since: Option<Instant>| since.map(|since| since.elapsed()).unwrap_or_default();
        let seated = self.queue.seated().map(|(group, busy)| {
            let lasts = lasts(self.seats.get(group).map(|seat| seat.since));
            Seated { group: group.clone(), busy, lasts }
        });
        let waiting = self.queue.waiting();
        let waiting = waiting.map(|group| (group.clone(), lasts(self.waits.get(group).map(|wait| wait.since))));
        Snapshot {
            seated: seated.collect(),
            waiting: waiting.collect(),
            resting: self.queue.resting().cloned().collect(),
        }
    }

    /// Groups that have begun to wait for a seat are told if that takes a while.
    fn note_waits(&mut self) {
        let queue = &self.queue;
        self.waits.retain(|group, _| queue.waiting().any(|waiting| waiting == group));
        let new: Vec<GroupName> = queue.waiting().filter(|group| !self.waits.contains_key(*group)).cloned().collect();
        for group in new {
            let number = self.number();
            self.waits.insert(group.clone(), Wait { since: Instant::now(), number });
            self.tell_after(self.shared.settings.waits.told, Event::Waited(group, number));
        }
    }

    fn waited(&self, group: &GroupName, number: u64) {
        if self.waits.get(group).is_none_or(|wait| wait.number != number) {
            return;
        }
        let answered = self.queue.seated().filter(|(_, busy)| *busy).count();
        let before = self.queue.waiting().take_while(|waiting| *waiting != group).count();
        let calls = self.shared.store.calls_waiting(group).unwrap_or_default();
        if let Some(first) = calls.first().filter(|_| answered > 0) {
            self.shared.remark(group, first, waiting::for_a_seat(answered, before));
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn tell_after(&self, pause: Duration, event: Event) {
        let events = self.shared.events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = events.send(event);
        });
    }

    fn seat(&mut self, group: GroupName) {
        let (mail, inbox) = mpsc::unbounded_channel();
        let (halt, halted) = watch::channel(Halt::No);
        self.seats.insert(group.clone(), Seat { mail, halt, stopped: Vec::new(), since: Instant::now() });
        let worker = Worker::new(Arc::clone(&self.shared), group.clone(), inbox, halted);
        let events = self.shared.events.clone();
        // The worker is a child task, so that a panic frees the seat too.
        tokio::spawn(async move {
            let left = match tokio::spawn(worker.serve()).await {
                Ok(left) => left,
                Err(error) => {
                    tracing::error!(%group, %error, "a worker broke off");
                    Left::broken_off()
                }
            };
            let _ = events.send(Event::Left(group, left));
        });
    }

    /// A worker that is about to leave may miss its mail; [`Dispatcher::left`] checks for work once more.
    fn mail(&self, group: &GroupName, mail: Mail) {
        if let Some(seat) = self.seats.get(group) {
            let _ = seat.mail.send(mail);
        }
    }

    fn left(&mut self, group: &GroupName, left: Left) -> Vec<Step> {
        let stopped = self.seats.remove(group).map(|seat| seat.stopped).unwrap_or_default();
        // A stop may arrive while the worker is leaving and no longer listens. Work it left for a retry is settled
        // here, so that stop means stop.
        let left = if stopped.is_empty() { left } else { Left::default() };
        for (stopping, done) in stopped {
            self.settle_stopped(group, stopping);
            let _ = done.send(true);
        }
        let rest = left.rest.map(|rest| {
            let number = self.number();
            self.tell_after(rest, Event::Rested(group.clone(), number));
            number
        });
        let more = self.has_work(group);
        self.queue.left(group, more, rest)
    }

    /// If the store cannot be read, there is no work; the worker logs the error.
    fn has_work(&self, group: &GroupName) -> bool {
        let waits = self.shared.store.calls_waiting(group).is_ok_and(|waiting| !waiting.is_empty());
        let fires = || self.shared.store.next_firing(group).is_ok_and(|firing| firing.is_some());
        self.shared.paused_until(group).is_none() && (waits || fires())
    }

    fn stop(&mut self, group: &GroupName, stopping: Stopping, done: oneshot::Sender<bool>) -> Vec<Step> {
        // It stops whether or not this can be recorded.
        self.shared.ledger.note(&Notice::new(
            "stopped",
            Some(group),
            match stopping {
                Stopping::AsSaid => "somebody said stop in the group's chat",
                Stopping::Everything => OWNER_STOPPED,
            },
        ));
        self.queue.forget(group);
        if let Some(seat) = self.seats.get_mut(group) {
            seat.halt.send_replace(Halt::Stop(stopping));
            seat.stopped.push((stopping, done));
            return Vec::new();
        }
        let _ = done.send(self.settle_stopped(group, stopping));
        // Messages from after the stop may have been queued already.
        if self.has_work(group) { self.queue.work(group) } else { Vec::new() }
    }

    /// Tells the waiting messages that they were stopped. Returns whether there were any.
    fn settle_stopped(&self, group: &GroupName, stopping: Stopping) -> bool {
        if stopping == Stopping::Everything {
            self.shared.standings.forget(group);
        }
        let settled = self.shared.settle_stopped(group, None, stopping);
        settled.unwrap_or_else(|error| {
            tracing::error!(%group, %error, "the stop could not be told to its chat");
            false
        })
    }
}
