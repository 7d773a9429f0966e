//! Times for people: by the owner's clock, with the UTC offset, so that the repeated hour at the end of summer time is
//! unambiguous.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::show;
use crate::clock::OwnersClock;
use crate::config::{self, Config};
use crate::home::Home;
use crate::store::Millis;

/// The home of this command, once [`go_by`] has set it.
static HOME: OnceLock<Home> = OnceLock::new();

/// Times of this command follow the home's owner (`[assistant] time_zone`).
pub(super) fn go_by(home: &Home) {
    HOME.get_or_init(|| home.clone());
}

/// The time zone for displayed times.
pub(super) fn zone() -> TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| HOME.get().map_or_else(local, zone_of)).clone()
}

/// The current time by the owner's clock.
pub(super) fn zoned_now() -> jiff::Zoned {
    Timestamp::now().to_zoned(zone())
}

/// The clock of a home's owner.
pub(super) fn clock(home: &Home) -> OwnersClock {
    OwnersClock::new(zone_of(home))
}

/// Wrong settings must not keep anybody from reading the log.
fn zone_of(home: &Home) -> TimeZone {
    match Config::load(home) {
        Ok(config) if config.assistant.time_zone != TimeZone::system() => config.assistant.time_zone,
        _ => local(),
    }
}

/// The zone of this process's user. An unknown one in `TZ` is reported once per command.
fn local() -> TimeZone {
    let (zone, unknown) = config::local_zone();
    if let Some(unknown) = unknown {
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| show::aside(unknown));
    }
    zone
}

/// `2026-10-25 02:30:00+02:00`, which `--since` understands.
pub(super) fn time(at: Millis, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(at) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string(),
        Err(_) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-10-25 00:30 and 01:30 UTC are both half past two in Berlin.
    #[test]
    fn the_hour_that_comes_twice_is_told_apart() {
        let at = |zone: &str| {
            let zone = TimeZone::get(zone).unwrap();
            [1_792_888_200_000, 1_792_891_800_000].map(|at| time(at, &zone))
        };
        assert_eq!(at("Europe/Berlin"), ["2026-10-25 02:30:00+02:00", "2026-10-25 02:30:00+01:00"]);
        assert_eq!(at("UTC"), ["2026-10-25 00:30:00+00:00", "2026-10-25 01:30:00+00:00"]);
        // Half an hour back; quarters; the day before; west and behind.
        assert_eq!(at("Asia/Kathmandu")[0], "2026-10-25 06:15:00+05:45");
        assert_eq!(at("America/St_Johns")[0], "2026-10-24 22:00:00-02:30");
        let lord_howe = TimeZone::get("Australia/Lord_Howe").unwrap();
        let twice = [1_775_313_900_000, 1_775_315_700_000].map(|at| time(at, &lord_howe));
        assert_eq!(twice, ["2026-04-05 01:45:00+11:00", "2026-04-05 01:45:00+10:30"]);
        assert_eq!(time(i64::MAX, &TimeZone::UTC), "-");
    }
}
