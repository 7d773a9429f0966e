//! What came of the last drill, for `doorward status`.

use serde::{Deserialize, Serialize};

use crate::drill::Report;
use crate::home::Home;
use crate::store::{Millis, now};

/// Kept in the data folder, by whoever held it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct LastDrill {
    /// When.
    pub(in crate::cli) at: Millis,
    /// Whose sandbox was attacked.
    pub(in crate::cli) group: String,
    /// Whether nothing got out.
    pub(in crate::cli) passed: bool,
}

impl LastDrill {
    /// The one that was held last in this home.
    pub(in crate::cli) fn of(home: &Home) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(home.drill_file()).ok()?).ok()
    }

    /// Keeps what came of one, where there is a home to keep it in.
    pub(super) fn keep(home: &Home, report: &Report) {
        if !home.data().is_dir() {
            return;
        }
        let last = LastDrill { at: now(), group: report.group.to_string(), passed: report.passed() };
        let written = serde_json::to_vec(&last).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|text| std::fs::write(home.drill_file(), text)) {
            super::super::show::aside(format!(
                "That there was a drill could not be kept for `doorward status`: {error}"
            ));
        }
    }
}
