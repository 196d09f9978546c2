use bytes::Bytes;
use canon::{Content, Event, Fold, Usage};
use proptest::prelude::*;

use super::{Relay, Splice};
use crate::Frames;

#[test]
fn only_the_models_name_changes() {
    let body = r#"{ "temperature":1.50, "messages": [{"role":"user","content":"\u00e9", "model":"inner"}],
        "model" : "acme.wise-v1:0" , "x":{"model":1}}"#;
    let (_, sent) = Relay::new(body.as_bytes(), "up/\"wise\"", true).unwrap();
    let expected = body.replace("\"acme.wise-v1:0\"", r#""up/\"wise\"""#);
    assert_eq!(sent, expected.as_bytes());
}

#[test]
fn a_stream_is_always_asked_for_its_usage() {
    let sent =
        |body: &str| String::from_utf8(Relay::new(body.as_bytes(), "up", true).unwrap().1.to_vec()).unwrap();
    let cases = [
        (
            r#"{"model":"m","stream":true}"#,
            r#"{"model":"up","stream_options":{"include_usage":true},"stream":true}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"include_obfuscation":false},"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"up"}"#,
        ),
        (
            r#"{"stream_options":{"include_usage":false},"stream":true,"model":"m"}"#,
            r#"{"stream_options":{"include_usage":true},"stream":true,"model":"up"}"#,
        ),
        (
            r#"{"stream_options":null,"stream":true,"model":"m"}"#,
            r#"{"stream_options":{"include_usage":true},"stream":true,"model":"up"}"#,
        ),
        (r#"{"model":"m","stream":false}"#, r#"{"model":"up","stream":false}"#),
    ];
    for (body, expected) in cases {
        assert_eq!(sent(body), expected);
    }
}

const CHUNKS: [&str; 5] = [
    r#"{"id":"1","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"extra":1.50}"#,
    r#"{"id":"1","model":"up","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#,
    r#"{"id":"1","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    r#"{"id":"1","model":"up","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
    "[DONE]",
];

/// What is said, what the client gets on the way, and what at the end.
fn relayed(body: &str, pieces: &[&[u8]]) -> (Vec<Event>, String, String) {
    let (mut relay, _) = Relay::new(body.as_bytes(), "up", true).unwrap();
    let (mut frames, mut events) = (Frames::new(1 << 16), Vec::new());
    for piece in pieces {
        frames.push(piece).unwrap();
        while let Some(frame) = frames.pop() {
            relay.push(&frame, &mut events).unwrap();
        }
    }
    let mut finish = relay.end(&mut events).unwrap();
    let last = finish.verbatim.take().unwrap();
    events.push(Event::Finish(finish));
    let mut on_the_way = Vec::new();
    events.retain(|event| match event {
        Event::Verbatim(bytes) => {
            on_the_way.extend_from_slice(bytes);
            false
        }
        _ => true,
    });
    (events, String::from_utf8(on_the_way).unwrap(), String::from_utf8(last.to_vec()).unwrap())
}

fn wire(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

#[test]
fn a_stream_passes_with_the_clients_name_and_its_end_is_held_back() {
    let upstream = wire(&CHUNKS);
    let named: Vec<String> = CHUNKS.iter().map(|chunk| chunk.replace("\"up\"", "\"acme.wise\"")).collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();

    let asked = r#"{"model":"acme.wise","stream":true,"stream_options":{"include_usage":true}}"#;
    let (events, first, last) = relayed(asked, &[upstream.as_bytes()]);
    assert_eq!((first, last), (wire(&named[..2]), wire(&named[2..])));
    let mut fold = Fold::default();
    let answer = events.into_iter().find_map(|event| fold.push(event).unwrap()).unwrap();
    assert_eq!(answer.content, [Content::Text("hello".into())]);
    assert_eq!(answer.finish.usage, Usage::plain(3, 1));

    let silent = r#"{"model":"acme.wise","stream":true}"#;
    let (events, first, last) = relayed(silent, &[upstream.as_bytes()]);
    assert_eq!((first, last), (wire(&named[..2]), wire(&[named[2], named[4]])));
    assert!(matches!(events.last(), Some(Event::Finish(finish)) if finish.usage == Usage::plain(3, 1)));
}

#[test]
fn an_end_mark_that_upstream_forgot_is_given() {
    let (_, _, last) = relayed(r#"{"model":"m","stream":true}"#, &[wire(&CHUNKS[..3]).as_bytes()]);
    assert!(last.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_whole_answer_passes_with_the_clients_name() {
    let body = r#"{"choices":[{"message":{"content":"hi","model":"up"},"finish_reason":"stop"}], "model":"up",
        "usage":{"prompt_tokens":2,"completion_tokens":1}, "odd": 1.0e0}"#;
    let (relay, _) = Relay::new(br#"{"model":"acme.wise"}"#, "up", true).unwrap();
    let (answered, bytes) = relay.whole(body.as_bytes()).unwrap();
    assert_eq!(answered.answer.finish.usage, Usage::plain(2, 1));
    assert_eq!(bytes, body.replace("], \"model\":\"up\"", "], \"model\":\"acme.wise\"").as_bytes());
}

proptest! {
    #[test]
    fn any_split_gives_the_same_bytes(cuts in prop::collection::vec(0..500_usize, 0..6)) {
        let upstream = wire(&CHUNKS);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(upstream.len())).collect();
        cuts.extend([0, upstream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &upstream.as_bytes()[cut[0]..cut[1]]).collect();
        let body = r#"{"model":"m","stream":true}"#;
        let (_, first, last) = relayed(body, &pieces);
        let (_, first_whole, last_whole) = relayed(body, &[upstream.as_bytes()]);
        prop_assert_eq!(first + &last, first_whole + &last_whole);
    }

    #[test]
    fn splices_are_made_where_they_were_asked_for(text in "[a-z]{6,12}", at in 0..3_usize, len in 0..3_usize) {
        let mut splice = Splice::new(text.as_bytes());
        splice.replace(&text[at..at + len], "XY");
        let expected = format!("{}XY{}", &text[..at], &text[at + len..]);
        prop_assert_eq!(splice.done(), Bytes::from(expected));
    }

    #[test]
    fn arbitrary_documents_pass_without_panic(document in ".{0,60}") {
        let (relay, _) = Relay::new(br#"{"model":"m"}"#, "up", true).unwrap();
        let bytes = relay.renamed(document.as_bytes());
        prop_assert!(!bytes.is_empty() || document.is_empty());
    }
}
