use super::rfc3339;

#[test]
fn instants_are_those_of_the_calendar() {
    let cases = [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399_999, "2000-02-28T23:59:59Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (1_795_162_509_000, "2026-11-20T08:15:09Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00Z"),
    ];
    for (ms, text) in cases {
        assert_eq!(rfc3339(ms), text);
    }
}
