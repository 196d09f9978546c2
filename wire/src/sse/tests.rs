use proptest::prelude::*;
use serde_json::json;

use super::{Frame, Frames, Lines, Overlong};
use crate::native::Sink;
use bytes::BytesMut;

fn frames(pieces: &[&[u8]]) -> Vec<(String, String)> {
    let mut frames = Frames::new(1000);
    let mut all = Vec::new();
    for piece in pieces {
        frames.push(piece).unwrap();
        while let Some(Frame { event, data }) = frames.pop() {
            all.push((event, data));
        }
    }
    all
}

fn check(text: &str, expected: &[(&str, &str)]) {
    let owned: Vec<_> =
        expected.iter().map(|(event, data)| ((*event).to_owned(), (*data).to_owned())).collect();
    assert_eq!(frames(&[text.as_bytes()]), owned, "{text:?}");
    let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
    assert_eq!(frames(&bytes), owned, "byte by byte: {text:?}");
}

#[test]
fn events_are_read_as_the_specification_says() {
    check("data: a\n\n", &[("", "a")]);
    check("data:a\r\n\r\ndata:  b\r\rdata: c\n\n", &[("", "a"), ("", " b"), ("", "c")]);
    check("event: x\ndata: a\ndata\ndata: b\n\n", &[("x", "a\n\nb")]);
    check(": a comment\n\nevent: lost\n\ndata: a\nid: 7\nretry: 9\n\n", &[("", "a")]);
    check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &[("", "a")]);
    check("data: an event without an empty line is none\n", &[]);
    check("data:\n\n", &[("", "")]);
}

#[test]
fn an_event_is_bounded_however_it_grows() {
    let overlong = Err(Overlong { bytes_max: 10 });
    assert_eq!(Frames::new(10).push(b"data: more than ten"), overlong);
    assert_eq!(Frames::new(10).push(&b"data: 1\n".repeat(20)), overlong);
    assert_eq!(Frames::new(10).push(b": a comment may not either"), overlong);
    let mut frames = Frames::new(10);
    for _ in 0..100 {
        frames.push(b"data: 1\n\n").unwrap();
        assert!(frames.pop().is_some());
    }
}

#[test]
fn a_document_is_one_event() {
    let mut out = BytesMut::new();
    let mut lines = Lines(&mut out);
    lines.emit(Some("ping"), &json!({"text": "a\r\nb"}));
    lines.emit(None, &json!(1));
    lines.done();
    assert_eq!(
        &out[..],
        b"event: ping\ndata: {\"text\":\"a\\r\\nb\"}\n\ndata: 1\n\ndata: [DONE]\n\n".as_slice()
    );
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        text in "(data|event|:|[a-z]{0,3}|: ?|\r|\n|\r\n|é|\u{feff}){0,60}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(frames(&pieces), frames(&[bytes]));
    }

    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut frames = Frames::new(50);
        let overlong = frames.push(&bytes).is_err();
        prop_assert!(!overlong || bytes.len() > 50);
        while frames.pop().is_some() {}
    }
}
