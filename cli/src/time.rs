//! Spans of time as people write them, and days as calendars have them (UTC, Gregorian).

use std::time::Duration;

use server::admin::Since;

const DAY_S: u64 = 86_400;

/// Reads `90s`, `15m`, `24h`, `7d` or `2w`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit: 90s, 15m, 24h, 30d or 2w".to_owned();
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => DAY_S,
        "w" => 7 * DAY_S,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit_s).map(Duration::from_secs).ok_or_else(wrong)
}

/// Reads a span, or a day such as `2026-01-31`.
pub(crate) fn parse_since(text: &str) -> Result<Since, String> {
    match parse_day(text) {
        Some(ms) => Ok(Since::At(ms)),
        None => parse_span(text).map(Since::Ago).map_err(|error| format!("{error}; or a day: 2026-01-31")),
    }
}

fn parse_day(text: &str) -> Option<u64> {
    let mut parts = text.trim().splitn(3, '-');
    let mut part = |digits: usize| {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse::<u64>().ok()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let at = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day == 0 || day > *days.get(at)? {
        return None;
    }
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let before = 365 * (year - 1970) + leaps(year - 1) - leaps(1969);
    let in_year: u64 = days.iter().take(at).sum();
    Some((before + in_year + day - 1) * DAY_S * 1000)
}

/// The moment as `2026-01-31 12:00` (UTC).
pub(crate) fn format_minute(ms: u64) -> String {
    let (days, second) = (ms / 1000 / DAY_S, ms / 1000 % DAY_S);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", second / 3600, second / 60 % 60)
}

/// Year, month and day of the day so many days after the first of 1970. Years are counted from March, so that the
/// leap day comes last, in cycles of 400 (146,097 days).
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests;
