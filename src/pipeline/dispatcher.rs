//! Carries out what the queue says: starts workers, wakes them, lets them go.

use std::collections::BTreeMap;
use std::sync::Arc;

use policies::GroupName;
use tokio::sync::{mpsc, oneshot, watch};

use super::Snapshot;
use super::queue::{Queue, Step};
use super::sandbox::StartSandbox;
use super::shared::Shared;
use super::worker::{Halt, Left, Mail, OWNER_STOPPED, Stopping, Worker};
use crate::store::ledger::Notice;

#[derive(Debug)]
pub(super) enum Event {
    Work(GroupName),
    Busy(GroupName),
    Idle(GroupName),
    Left(GroupName, Left),
    Rested(GroupName),
    Stop(GroupName, Stopping, oneshot::Sender<bool>),
    Snapshot(oneshot::Sender<Snapshot>),
    Shutdown(oneshot::Sender<()>),
}

pub(super) struct Dispatcher<S: StartSandbox> {
    shared: Arc<Shared<S>>,
    events: mpsc::UnboundedReceiver<Event>,
    queue: Queue,
    seats: BTreeMap<GroupName, Seat>,
    ending: Option<oneshot::Sender<()>>,
}

/// How to reach a worker, and who wants to know when it has left.
struct Seat {
    mail: mpsc::UnboundedSender<Mail>,
    halt: watch::Sender<Halt>,
    stopped: Vec<(Stopping, oneshot::Sender<bool>)>,
}

impl<S: StartSandbox> Dispatcher<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, events: mpsc::UnboundedReceiver<Event>) -> Self {
        let queue = Queue::new(shared.settings.cap);
        Dispatcher { shared, events, queue, seats: BTreeMap::new(), ending: None }
    }

    /// Until shutdown, and then until the last worker has left.
    pub(super) async fn run(mut self) {
        while let Some(event) = self.events.recv().await {
            self.take(event);
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
            Event::Work(group) => self.queue.work(&group),
            Event::Idle(group) => self.queue.idle(&group),
            Event::Rested(group) => self.queue.rested(&group),
            Event::Left(group, left) => self.left(&group, left),
            Event::Busy(group) => {
                self.queue.busy(&group);
                Vec::new()
            }
            Event::Stop(group, stopping, done) => self.stop(&group, stopping, done),
            Event::Snapshot(done) => {
                let seated = self.queue.seated().map(|(group, busy)| (group.clone(), busy)).collect();
                let _ = done.send(Snapshot { seated, waiting: self.queue.waiting().cloned().collect() });
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

    fn seat(&mut self, group: GroupName) {
        let (mail, inbox) = mpsc::unbounded_channel();
        let (halt, halted) = watch::channel(Halt::No);
        self.seats.insert(group.clone(), Seat { mail, halt, stopped: Vec::new() });
        let worker = Worker::new(Arc::clone(&self.shared), group.clone(), inbox, halted);
        let events = self.shared.events.clone();
        // In a task below the one that reports: a worker that panics leaves its seat too.
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

    /// A worker that is about to leave may miss its mail; [`Dispatcher::left`] looks
    /// for work once more.
    fn mail(&self, group: &GroupName, mail: Mail) {
        if let Some(seat) = self.seats.get(group) {
            let _ = seat.mail.send(mail);
        }
    }

    fn left(&mut self, group: &GroupName, left: Left) -> Vec<Step> {
        let stopped = self.seats.remove(group).map(|seat| seat.stopped).unwrap_or_default();
        // A stop may have come when the worker was on its way out and heard nothing any
        // more. What it left to be tried again is settled here, so that stop means stop.
        let left = if stopped.is_empty() { left } else { Left::default() };
        for (stopping, done) in stopped {
            self.settle_stopped(group, stopping);
            let _ = done.send(true);
        }
        if let Some(rest) = left.rest {
            let (events, group) = (self.shared.events.clone(), group.clone());
            tokio::spawn(async move {
                tokio::time::sleep(rest).await;
                let _ = events.send(Event::Rested(group));
            });
        }
        let more = self.has_work(group);
        self.queue.left(group, more, left.rest.is_some())
    }

    /// A store that cannot be read has no work for anybody; the worker logs the error.
    fn has_work(&self, group: &GroupName) -> bool {
        self.shared.store.calls_waiting(group).is_ok_and(|waiting| !waiting.is_empty())
    }

    fn stop(&mut self, group: &GroupName, stopping: Stopping, done: oneshot::Sender<bool>) -> Vec<Step> {
        // What is stopped stops with or without a record of it.
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
        // What came after it was said may have been in line already.
        if self.has_work(group) { self.queue.work(group) } else { Vec::new() }
    }

    /// Tells what waits that it was stopped. Whether anything waited.
    fn settle_stopped(&self, group: &GroupName, stopping: Stopping) -> bool {
        let settled = self.shared.settle_stopped(group, None, stopping);
        settled.unwrap_or_else(|error| {
            tracing::error!(%group, %error, "the stop could not be told to its chat");
            false
        })
    }
}
