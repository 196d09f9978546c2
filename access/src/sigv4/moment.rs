use std::fmt;

const DAY_SECONDS: u64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A second in time. It is shown as signatures spell it: `20260131T235959Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Since the Unix epoch.
    pub(crate) const fn seconds(self) -> u64 {
        self.0
    }

    /// Reads the basic format of ISO 8601, in UTC: `20260131T235959Z`.
    pub(crate) fn parse_basic(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        if date.len() != 8 || time.len() != 6 {
            return None;
        }
        let clock = [number(time.get(..2)?)?, number(time.get(2..4)?)?, number(time.get(4..)?)?];
        Self::new([number(date.get(..4)?)?, number(date.get(4..6)?)?, number(date.get(6..)?)?], clock)
    }

    /// Reads the format of the `Date` header (RFC 9110, section 5.6.7): `Sat, 31 Jan 2026 23:59:59 GMT`.
    pub(crate) fn parse_http(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.split_once(", ")?.1.split(' ');
        let (day, month, year) = (words.next()?, words.next()?, words.next()?);
        let mut clock = words.next()?.split(':');
        if words.next()? != "GMT" || words.next().is_some() {
            return None;
        }
        let month = (1_u64..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
        let time = [number(clock.next()?)?, number(clock.next()?)?, number(clock.next()?)?];
        if clock.next().is_some() {
            return None;
        }
        Self::new([number(year)?, month, number(day)?], time)
    }

    /// From year, month and day, and hour, minute and second, all in UTC.
    fn new([year, month, day]: [u64; 3], [hour, minute, second]: [u64; 3]) -> Option<Self> {
        let real = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && hour < 24
            && minute < 60
            && second < 60;
        if !real {
            return None;
        }
        let days = days_before(year, month) + day.checked_sub(1)?;
        let moment = Self(days * DAY_SECONDS + hour * 3_600 + minute * 60 + second);
        // A 31st of February is another day when it is read back.
        (moment.civil() == [year, month, day]).then_some(moment)
    }

    /// Year, month and day in UTC.
    fn civil(self) -> [u64; 3] {
        let days = self.0 / DAY_SECONDS;
        // Years and months have no fixed length: guess from below, then step.
        let mut year = 1970 + days / 366;
        while days_before(year + 1, 1) <= days {
            year += 1;
        }
        let mut month = 1;
        while month < 12 && days_before(year, month + 1) <= days {
            month += 1;
        }
        [year, month, days - days_before(year, month) + 1]
    }
}

/// The days from 1 January 1970 to the first of a month of 1970 or later.
fn days_before(year: u64, month: u64) -> u64 {
    // Counted in years that begin in March, so that the day that leaps is the last of its year.
    let (year, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * months + 2) / 5;
    // What the same sum gives for 1 January 1970.
    days.saturating_sub(719_468)
}

fn number(digits: &str) -> Option<u64> {
    let plain = digits.len() <= 4 && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day] = self.civil();
        let second = self.0 % DAY_SECONDS;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

#[cfg(test)]
mod tests;
