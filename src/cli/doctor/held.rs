//! What the owner has locked or paused, and may have forgotten.

use super::Check;
use crate::gateway::latch::LatchFile;
use crate::home::Home;
use crate::pipeline::pausing;
use crate::store::{Store, now};

use super::super::times;

/// Empty if nothing is locked or paused.
pub(super) fn check(home: &Home) -> Vec<Check> {
    let mut checks = locked(home);
    checks.extend(paused(home));
    checks
}

fn locked(home: &Home) -> Vec<Check> {
    let (locked, unread) = LatchFile::at(home.latch_file()).read();
    if let Some(why) = unread {
        return vec![Check::broken("lock", why, "doorward unlock")];
    }
    let shut =
        |whose: &str, command: String| Check::warning("lock", format!("{whose} locked: nothing goes out"), command);
    match locked.all {
        true => vec![shut("every group is", "doorward unlock".to_owned())],
        false => {
            let of = |group: &policies::GroupName| shut(&format!("{group} is"), format!("doorward unlock {group}"));
            locked.groups.iter().map(of).collect()
        }
    }
}

/// An unreadable database has a line of its own.
fn paused(home: &Home) -> Vec<Check> {
    let path = home.main_db();
    let pauses = path.exists().then(|| Store::open(&path).and_then(|store| store.pauses(now())));
    let told = |pause: crate::store::Pause| {
        let until = pausing::shown(pause.until, now(), &times::zone());
        let (whose, command) = match &pause.group {
            Some(group) => (format!("{group} is"), format!("doorward resume {group}")),
            None => ("every group is".to_owned(), "doorward resume".to_owned()),
        };
        Check::warning("pause", format!("{whose} paused until {until}: nobody is answered there"), command)
    };
    pauses.and_then(Result::ok).unwrap_or_default().into_iter().map(told).collect()
}
