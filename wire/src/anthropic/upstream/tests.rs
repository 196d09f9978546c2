use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{
    Answer, BlockKind, Citation, Content, Event, Finish, Fold, Json, Kind, ReasoningText, Span, StopReason,
    ToolUse, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{MAX_TOKENS, Stream, decode_answer, encode};
use crate::anthropic::decode;
use crate::anthropic::tests::{head, rich};
use crate::{Encoder, Frames};

#[test]
fn what_is_asked_is_read_back_the_same() {
    let body = Bytes::from(rich().to_string());
    let mut request = decode(&body).unwrap().request;
    let mut again = decode(&Bytes::from(encode(&request, "acme.wise-v1:0").unwrap())).unwrap().request;
    // Beta features travel in a header.
    request.hints.betas.clear();
    (request.verbatim, again.verbatim) = (None, None);
    assert_eq!(again, request);
}

fn ask() -> canon::Request {
    let body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
    decode(&Bytes::from(body.to_string())).unwrap().request
}

#[test]
fn a_length_is_always_said() {
    let mut request = ask();
    request.sampling.max_tokens = None;
    let body: Value = serde_json::from_slice(&encode(&request, "up").unwrap()).unwrap();
    assert_eq!((&body["max_tokens"], &body["model"]), (&json!(MAX_TOKENS), &json!("up")));
}

#[test]
fn what_cannot_be_said_is_refused_by_name() {
    let check = |change: fn(&mut canon::Request), field: &str| {
        let mut request = ask();
        change(&mut request);
        let fault = encode(&request, "up").expect_err(field);
        assert_eq!(fault.kind(), &Kind::Unsupported { field: field.into() });
    };
    check(|request| request.sampling.seed = Some(1), "seed");
    check(|request| request.sampling.temperature = Some(1.5), "temperature");
    check(|request| request.sampling.presence_penalty = Some(0.5), "presence_penalty");
    check(|request| request.output = canon::OutputFormat::JsonObject, "response_format");
}

fn answer() -> Answer {
    let citation = Citation {
        title: Some("T".into()),
        source: None,
        quoted: vec!["words".into()],
        span: Some(Span::Pages { document: 0, start: 1, end: 2 }),
    };
    let call = |id: &str, input: &str| {
        Content::ToolUse(ToolUse { id: id.into(), name: "look".into(), input: Json::from_text(input) })
    };
    Answer {
        vectors: Vec::new(),
        content: vec![
            Content::Reasoning(ReasoningText { text: "hm".into(), signature: Some("c2ln".into()) }),
            Content::RedactedReasoning(Bytes::from_static(b"sealed")),
            Content::Cited { text: "I look".into(), citations: vec![citation] },
            call("a", "{\"x\": 1.50}"),
            call("b", "{}"),
        ],
        finish: Finish::new(
            StopReason::ToolUse,
            Usage { cache_read: 3, cache_write_5m: 2, reasoning: 1, ..Usage::plain(4, 5) },
        ),
    }
}

fn events() -> Vec<Event> {
    let tool = |id: &str| BlockKind::ToolUse { id: id.into(), name: "look".into() };
    let Content::Cited { citations, .. } = answer().content[2].clone() else { unreachable!() };
    vec![
        Event::BlockStart { index: 0, kind: BlockKind::Reasoning },
        Event::Reasoning { index: 0, text: "hm".into() },
        Event::Signature { index: 0, signature: "c2ln".into() },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, kind: BlockKind::Reasoning },
        Event::Redacted { index: 1, data: Bytes::from_static(b"sealed") },
        Event::BlockStop { index: 1 },
        Event::BlockStart { index: 2, kind: BlockKind::Text },
        Event::Text { index: 2, text: "I ".into() },
        Event::Text { index: 2, text: "look".into() },
        Event::Citation { index: 2, citation: citations[0].clone() },
        Event::BlockStop { index: 2 },
        Event::BlockStart { index: 3, kind: tool("a") },
        Event::ToolInput { index: 3, fragment: "{\"x\": ".into() },
        Event::ToolInput { index: 3, fragment: "1.50}".into() },
        Event::BlockStop { index: 3 },
        Event::BlockStart { index: 4, kind: tool("b") },
        Event::BlockStop { index: 4 },
    ]
}

fn encoder() -> Box<dyn Encoder> {
    let body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
    decode(&Bytes::from(body.to_string())).unwrap().encoder
}

fn said() -> BytesMut {
    let (mut encoder, mut out) = (encoder(), BytesMut::new());
    encoder.begin(&head(), &mut out);
    for event in events() {
        encoder.event(&event, &mut out);
    }
    encoder.finish(&answer().finish, Duration::ZERO, &mut out);
    out
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Answer, canon::Fault> {
    let (mut frames, mut stream, mut events, mut fold) =
        (Frames::new(1 << 16), Stream::new(), Vec::new(), Fold::default());
    for piece in pieces {
        frames.push(piece).expect("small events");
        while let Some(frame) = frames.pop() {
            stream.push(&frame.data, &mut events)?;
        }
    }
    let finish = stream.end(&mut events)?;
    for event in events {
        fold.push(event)?;
    }
    Ok(fold.push(Event::Finish(finish))?.expect("a finish is the last event"))
}

#[test]
fn a_whole_answer_is_read_back_the_same() {
    let whole = encoder().whole(&head(), &answer(), Duration::ZERO);
    assert_eq!(decode_answer(&whole.body).unwrap(), answer());
}

#[test]
fn a_stream_that_breaks_off_or_fails_is_a_fault() {
    let all = said();
    let text = std::str::from_utf8(&all).unwrap();
    let cut = &text[..text.find("event: message_delta").unwrap()];
    let error =
        "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"gpu-7\"}}\n\n";
    for stream in [String::new(), cut.to_owned(), cut.to_owned() + error, "data: nonsense\n\n".to_owned()] {
        let fault = read(std::iter::once(stream.as_bytes())).expect_err("should fail");
        assert_eq!(fault.kind(), &Kind::UpstreamStream, "{stream}");
        assert!(!fault.message().contains("gpu-7"));
    }
}

#[test]
fn events_and_blocks_of_types_to_come_are_skipped() {
    let more = "data: {\"type\":\"ping\"}\n\ndata: {\"type\":\"dance\"}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":9,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"s\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":9,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}\n\n";
    let all = said();
    let pieces = [more.as_bytes(), &all[..]];
    assert_eq!(read(pieces.into_iter()).unwrap(), answer());
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(len in 1..200_usize) {
        prop_assert_eq!(read(said().chunks(len)).unwrap(), answer());
    }

    #[test]
    fn damaged_streams_are_read_without_panic(at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9a-z\n]{0,6}") {
        let mut bytes = said().to_vec();
        let at = at.index(bytes.len());
        bytes.splice(at..(at + with.len()).min(bytes.len()), with.into_bytes());
        drop(read(std::iter::once(&bytes[..])));
    }
}
