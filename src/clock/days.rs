//! Days and months of the owner's, and moments as people read them: for limits and texts. No policy judges by these.

use jiff::Timestamp;

use super::OwnersClock;

impl OwnersClock {
    /// When today began, in milliseconds since 1970.
    pub fn start_of_day(&self) -> i64 {
        self.zoned().start_of_day().map_or(0, |start| start.timestamp().as_millisecond())
    }

    /// When this month began, likewise.
    pub fn start_of_month(&self) -> i64 {
        let first = self.zoned().first_of_month();
        first.and_then(|first| first.start_of_day()).map_or(0, |start| start.timestamp().as_millisecond())
    }

    /// A moment as people read it: `2026-11-29 08:00`.
    pub fn shown(&self, at: i64) -> String {
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// The current time in the owner's zone.
    pub fn zoned(&self) -> jiff::Zoned {
        Timestamp::now().to_zoned(self.zone.clone())
    }
}
