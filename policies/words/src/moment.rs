//! A moment by the owner's clock, in the owner's time zone: the day, the day of the week and the
//! time of day. What it is not: a clock. Whoever has one passes it in as a [`Clock`].

use std::sync::Arc;

use crate::Date;

/// Returns the current moment whenever it is called.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// A day and a time of day: later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment {
    date: Date,
    time: TimeOfDay,
}

/// A minute of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Moment {
    /// A Monday noon by which nearly everything that ends on a day has ended: the moment for a
    /// `[[test]]` without a time.
    pub const FAR: Moment = Moment { date: Date::FAR_MONDAY, time: TimeOfDay::NOON };

    /// From its two parts.
    pub fn new(date: Date, time: TimeOfDay) -> Self {
        Moment { date, time }
    }

    /// The day.
    pub fn date(self) -> Date {
        self.date
    }

    /// The day of the week.
    pub fn weekday(self) -> Weekday {
        Weekday::ALL[self.date.days_since_a_monday()]
    }

    /// The time of day.
    pub fn time(self) -> TimeOfDay {
        self.time
    }
}

impl TimeOfDay {
    /// The beginning of a day.
    pub const MIDNIGHT: TimeOfDay = TimeOfDay(0);

    /// The middle of the day.
    pub const NOON: TimeOfDay = TimeOfDay(12 * 60);

    /// `None` for an impossible time.
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then(|| TimeOfDay(u16::from(hour) * 60 + u16::from(minute)))
    }

    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl Weekday {
    /// All days, from Monday on.
    pub const ALL: [Weekday; 7] =
        [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

    /// The day before.
    #[must_use]
    pub fn yesterday(self) -> Self {
        Weekday::ALL[(self as usize + 6) % 7]
    }
}
