//! The daemon's two databases: whether each is still the one that it was, at the start and while it runs. The owner is
//! told what is found, not only the log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::Link;
use tokio::sync::watch;

use crate::clock::OwnersClock;
use crate::config::GroupSettings;
use crate::home::Home;
use crate::store::ledger::{AuditLog, Before, Notice, Retention};
use crate::store::{Group, Millis, Old, Retained, Store, StoreError, now};

/// How often the store's file is checked. Each write checks it, too.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// How long after the start expired data is first removed, how often after that, and how long others have between two
/// removals.
pub(super) const SETTLED: Duration = Duration::from_mins(10);
const DAY: Duration = Duration::from_hours(24);
const BETWEEN: Duration = Duration::from_millis(20);

/// How long the copy of the database from before an upgrade is kept.
const COPIES_KEPT: Duration = Duration::from_hours(24 * 30);

/// Opens the audit log, and reports if it is not the one written beside this store: removed, emptied, or replaced by an
/// older copy.
pub(super) fn open_log(
    folder: &Path,
    old: &Path,
    retention: Retention,
    store: &Arc<Store>,
    clock: &OwnersClock,
) -> Result<(Arc<AuditLog>, Option<Notice>), StoreError> {
    let seen = store.log_seen()?;
    let before = Before::the_journal(folder, old)?;
    if before.is_some() {
        store.log_begins_anew()?;
    }
    let base = before.as_ref().map_or(Link::NONE, |before| before.head);
    let log = AuditLog::open_to_keep(folder, retention, base)?.marking_runs_in(Arc::clone(store));
    if let Some(before) = &before {
        log.carry_over(before, clock.start_of_day())?;
        if let Some(damage) = &before.damage {
            let text = format!("the log of an older Doorward, {}, is not as it was written: {damage}", old.display());
            return Ok((Arc::new(log), Some(Notice::new("log_lost", None, text))));
        }
    }
    let found = log.found().0;
    let lost = seen.filter(|seen| *seen > found).map(|seen| {
        let what = match found {
            0 => "it was removed or emptied".to_owned(),
            _ => format!("an older copy or another file is in its place and ends with record {found}"),
        };
        let text = format!(
            "the audit log is not the one that was here: {what}; record {seen} had been written. What is missing is not \
             in it, and what counts from it (limits of a day) counts anew. Where nobody removed it on purpose, find \
             out who did; the right file can be put back while Doorward is stopped"
        );
        Notice::new("log_lost", None, text)
    });
    match &lost {
        Some(_) => store.log_was_lost()?,
        // Only what is on the disk is missed at the next start.
        None => store.see_log(log.sync()?.0)?,
    }
    Ok((Arc::new(log), lost))
}

/// Tells the owner that the log was lost, and only then continues from the one that is there: a start that fails before
/// this tells nobody, so the next one must.
pub(super) fn tell_lost(log: &AuditLog, store: &Store, lost: &Notice) {
    tell(log, lost);
    if let Err(error) = log.sync().and_then(|last| store.see_log(last.0)) {
        tracing::error!(%error, "that the audit log was lost is told again at the next start");
    }
}

/// Tells the owner, and the daemon's own log.
fn tell(log: &AuditLog, notice: &Notice) {
    tracing::error!(what = notice.what, "{}", notice.text);
    if let Err(error) = log.notice(notice) {
        tracing::error!(%error, "this could not be noted in the audit log");
    }
}

/// Reports once when the store's file has disappeared from under the daemon, and keeps in the store how far the log has
/// come.
pub(super) async fn watch(store: Arc<Store>, log: Arc<AuditLog>, look: Duration, mut ending: watch::Receiver<bool>) {
    let (mut was_there, mut seen) = (true, log.found().0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(look) => {}
            _ = ending.wait_for(|ending| *ending) => return,
        }
        let is_there = store.is_there().is_ok();
        if was_there && !is_there {
            let text = "doorward.db was removed or replaced while Doorward runs: no message is accepted and \
                        no answer kept until it is put back (by moving it, not by copying). Doorward does not start without \
                        it, unless data/version is removed too: then it begins a new one with no group in it"
                .to_owned();
            tell(&log, &Notice::new("store_gone", None, text));
        }
        was_there = is_there;
        let synced = log.synced().0;
        if is_there && synced > seen && store.see_log(synced).is_ok() {
            seen = synced;
        }
    }
}

/// How long chats are kept: as `[messages]` says, unless the group's file says otherwise.
pub(super) fn old(home: &Home, store: &Store, usual: Duration) -> Old {
    let ago = |age: Duration| now() - Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX);
    let of_group = |group: Group| match GroupSettings::load(home, &group.name) {
        Ok(settings) => settings.keep.map(|age| (group.name, ago(age))),
        // It may have asked for a longer time.
        Err(_) => Some((group.name, Millis::MIN)),
    };
    Old { before: ago(usual), of: store.groups().unwrap_or_default().into_iter().filter_map(of_group).collect() }
}

/// Removes expired messages, runs and sent replies: first some minutes after the start, when a wrong clock has been
/// set, and then every day.
pub(super) async fn retain(
    store: Arc<Store>,
    old: impl Fn(&Store) -> Old,
    settled: Duration,
    mut ending: watch::Receiver<bool>,
) {
    let mut pause = settled;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = ending.wait_for(|ending| *ending) => return,
        }
        pause = DAY;
        if let Err(error) = store.remove_copies(COPIES_KEPT) {
            tracing::warn!(%error, "an old copy of the database could not be removed; it is tried again in a day");
        }
        let old = Arc::new(old(&store));
        let mut so_far = Retained::default();
        loop {
            let step = tokio::task::spawn_blocking({
                let (store, old) = (Arc::clone(&store), Arc::clone(&old));
                move || store.retain(&old, so_far)
            });
            match step.await {
                Ok(Ok(Some(next))) => so_far = next,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "what of the chats has had its time could not be removed; it is tried again in a day");
                    break;
                }
                Err(_) => return,
            }
            if *ending.borrow() {
                return;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        if so_far.removed > 0 {
            tracing::info!(rows = so_far.removed, "messages, runs and answers that have had their time were removed");
        }
    }
}

#[cfg(test)]
mod tests;
