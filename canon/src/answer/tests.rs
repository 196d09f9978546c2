use super::*;
use crate::{StopReason, Usage};

fn fold(events: Vec<Event>) -> Answer {
    let mut fold = Fold::default();
    let mut answer = None;
    for event in events {
        assert!(answer.is_none(), "an event after the last");
        answer = fold.push(event).unwrap();
    }
    answer.expect("the last event is a finish")
}

fn finish() -> Event {
    Event::Finish(Finish::new(StopReason::ToolUse, Usage::plain(7, 9)))
}

#[test]
fn reasoning_interleaved_with_parallel_tool_calls_keeps_order_signatures_and_partial_json() {
    let tool = |id: &str| BlockKind::ToolUse { id: id.into(), name: "weather".into() };
    let input = |index, fragment: &str| Event::ToolInput { index, fragment: fragment.into() };
    let answer = fold(vec![
        Event::BlockStart { index: 0, kind: BlockKind::Reasoning },
        Event::Reasoning { index: 0, text: "two cities, ".into() },
        Event::Reasoning { index: 0, text: "two calls".into() },
        Event::Signature { index: 0, signature: "c2ln".into() },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, kind: tool("a") },
        Event::BlockStart { index: 2, kind: tool("b") },
        input(1, r#"{"city":"Z\u00"#),
        input(2, r#"{"city":"#),
        input(1, r#"fcrich"}"#),
        input(2, r#""Oslo"}"#),
        Event::BlockStop { index: 1 },
        Event::BlockStart { index: 3, kind: BlockKind::Reasoning },
        Event::Redacted { index: 3, data: Bytes::from_static(b"sea") },
        Event::Redacted { index: 3, data: Bytes::from_static(b"led") },
        Event::BlockStop { index: 2 },
        Event::BlockStop { index: 3 },
        finish(),
    ]);
    let call = |id: &str, input: &str| {
        Content::ToolUse(ToolUse { id: id.into(), name: "weather".into(), input: Json::from_text(input) })
    };
    assert_eq!(
        answer.content,
        [
            Content::Reasoning(ReasoningText {
                text: "two cities, two calls".into(),
                signature: Some("c2ln".into())
            }),
            call("a", r#"{"city":"Z\u00fcrich"}"#),
            call("b", r#"{"city":"Oslo"}"#),
            Content::RedactedReasoning(Bytes::from_static(b"sealed")),
        ]
    );
}

#[test]
fn citations_stay_with_the_text_that_they_support() {
    let citation =
        |quoted: &str| Citation { title: None, source: None, quoted: vec![quoted.into()], span: None };
    let answer = fold(vec![
        Event::BlockStart { index: 0, kind: BlockKind::Text },
        Event::Text { index: 0, text: "Grass is ".into() },
        Event::Citation { index: 0, citation: citation("green grass") },
        Event::Text { index: 0, text: "green.".into() },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, kind: BlockKind::Text },
        Event::Text { index: 1, text: " Always.".into() },
        Event::BlockStop { index: 1 },
        finish(),
    ]);
    assert_eq!(
        answer.content,
        [
            Content::Cited { text: "Grass is green.".into(), citations: vec![citation("green grass")] },
            Content::Text(" Always.".into()),
        ]
    );
}

#[test]
fn a_tool_called_without_input_gets_an_empty_object() {
    let kind = BlockKind::ToolUse { id: "a".into(), name: "now".into() };
    let answer = fold(vec![Event::BlockStart { index: 0, kind }, Event::BlockStop { index: 0 }, finish()]);
    assert!(matches!(&answer.content[..], [Content::ToolUse(call)] if call.input.text() == "{}"));
}

#[test]
fn events_that_contradict_one_another_are_a_fault() {
    let orphan = Event::Text { index: 4, text: "x".into() };
    assert!(Fold::default().push(orphan).is_err());

    let mut fold = Fold::default();
    fold.push(Event::BlockStart { index: 0, kind: BlockKind::Text }).unwrap();
    assert!(fold.push(Event::ToolInput { index: 0, fragment: "{".into() }).is_err());
    assert!(fold.push(Event::BlockStart { index: 0, kind: BlockKind::Text }).is_err());
}
