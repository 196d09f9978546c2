use super::*;

#[test]
fn spans_are_a_number_and_a_unit() {
    for (text, seconds) in [("90s", 90), ("15m", 900), (" 24h ", 86_400), ("7d", 604_800), ("2w", 1_209_600)]
    {
        assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "7", "d", "-1d", "1.5h", "7 days", "99999999999999999999w", "é"] {
        assert!(parse_span(text).is_err(), "{text}");
    }
}

#[test]
fn days_are_those_of_the_calendar() {
    // date -u -d 2026-01-31 +%s
    for (text, seconds) in [("1970-01-01", 0), ("2024-02-29", 1_709_164_800), ("2026-01-31", 1_769_817_600)] {
        assert_eq!(parse_since(text), Ok(Since::At(seconds * 1000)), "{text}");
    }
    for text in [
        "2023-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "1969-12-31",
        "26-01-01",
        "2026-1-1",
        "+026-01-01",
    ] {
        assert!(parse_since(text).is_err(), "{text}");
    }
    assert_eq!(parse_since("7d"), Ok(Since::Ago(Duration::from_secs(604_800))));
}

#[test]
fn a_day_that_is_read_is_written_the_same() {
    for day in (0..200 * 366).step_by(13) {
        let text = format_minute(day * DAY_S * 1000 + 3_660_000);
        let (day_text, minute) = text.split_once(' ').unwrap();
        assert_eq!(minute, "01:01");
        assert_eq!(parse_day(day_text), Some(day * DAY_S * 1000), "{text}");
    }
}
