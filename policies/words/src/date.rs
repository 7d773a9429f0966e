//! A day of the calendar, so that a policy can end an observation. What it is not: a clock. Whoever
//! judges passes in today's date.

use std::fmt;

/// A day: later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The last possible day: whatever ends on a day has ended by then.
    pub const LAST: Date = Date { year: 9999, month: 12, day: 31 };

    /// The Monday of the last full week.
    pub(crate) const FAR_MONDAY: Date = Date { year: 9999, month: 12, day: 20 };

    /// `None` for a day that does not exist.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        (year <= 9999 && day >= 1 && day <= days_of(year, month)).then_some(Date { year, month, day })
    }

    /// The next day; the last one is its own next.
    pub fn tomorrow(self) -> Self {
        let Date { year, month, day } = self;
        let next = [(year, month, day + 1), (year, month + 1, 1), (year + 1, 1, 1)];
        next.into_iter().find_map(|(year, month, day)| Date::new(year, month, day)).unwrap_or(self)
    }

    /// Whether both are days of one month.
    pub fn is_in_the_month_of(self, other: Date) -> bool {
        (self.year, self.month) == (other.year, other.month)
    }

    /// How many days after a Monday it is, by the Gregorian calendar: 0 to 6.
    pub(crate) fn days_since_a_monday(self) -> usize {
        // Sakamoto's method counts from Sunday, and years from March on.
        const SHIFTS: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let (month, day) = (usize::from(self.month), usize::from(self.day));
        // Adding 400 years, a whole number of weeks, avoids a year before 0.
        let year = 400 + usize::from(self.year) - usize::from(month < 3);
        (year + year / 4 - year / 100 + year / 400 + SHIFTS[month - 1] + day + 6) % 7
    }
}

fn days_of(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
