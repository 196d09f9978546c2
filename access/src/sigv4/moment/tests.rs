use super::Moment;
use proptest::prelude::*;

#[track_caller]
fn check_basic(text: &str, seconds: Option<u64>) {
    assert_eq!(Moment::parse_basic(text.as_bytes()).map(Moment::seconds), seconds, "{text}");
}

#[track_caller]
fn check_http(text: &str, seconds: Option<u64>) {
    assert_eq!(Moment::parse_http(text.as_bytes()).map(Moment::seconds), seconds, "{text}");
}

#[test]
fn the_basic_format_is_read_exactly() {
    check_basic("19700101T000000Z", Some(0));
    check_basic("20000229T235959Z", Some(951_868_799));
    check_basic("20261120T082039Z", Some(1_795_162_839));
    check_basic("99991231T235959Z", Some(253_402_300_799));
    for wrong in [
        "",
        "20261120T082039",
        "2026-11-20T08:20:39Z",
        "20261120T082060Z",
        "20261120T240000Z",
        "20260229T000000Z",
        "20261301T000000Z",
        "20261100T000000Z",
        "19691231T235959Z",
        "+2026112T082039Z",
        "20261120T0820391Z",
        "2026112\u{e9}T08203Z",
    ] {
        check_basic(wrong, None);
    }
}

/// RFC 9110, section 5.6.7, gives this example.
#[test]
fn the_date_header_is_read_too() {
    check_http("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
    for wrong in [
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37:00 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT more",
    ] {
        check_http(wrong, None);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(seconds in 0..253_402_300_799_u64) {
        let moment = Moment::from_seconds(seconds);
        prop_assert_eq!(Moment::parse_basic(moment.to_string().as_bytes()), Some(moment));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        _ = Moment::parse_basic(&bytes);
        _ = Moment::parse_http(&bytes);
    }
}
