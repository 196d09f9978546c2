use canon::{BlockKind, Event};
use proptest::prelude::*;

use super::{Reader, Reading};
use crate::sampler::Random;

/// Events of an answer that comes in `pieces`, written small: `[text` and `]` for a block, `call(name)` for a call.
fn read<'p>(reading: Reading, pieces: impl IntoIterator<Item = &'p str>) -> String {
    let mut reader = Reader::new(reading, Random::seeded(1));
    let mut events = Vec::new();
    for piece in pieces {
        reader.push(piece, &mut events);
    }
    reader.finish(&mut events);
    let mut open = None;
    let mut said = String::new();
    for event in events {
        match event {
            Event::BlockStart { index, kind } => {
                assert_eq!(open, None, "one block at a time");
                open = Some(index);
                match kind {
                    BlockKind::Text => said.push('['),
                    BlockKind::ToolUse { id, name } => {
                        assert!(id.len() == 30 && id.starts_with("tooluse_"), "{id}");
                        said.push_str(&format!("{name}("));
                    }
                    BlockKind::Reasoning => panic!("nothing reasons here"),
                }
            }
            Event::Text { index, text } | Event::ToolInput { index, fragment: text } => {
                assert_eq!(open, Some(index));
                assert!(!text.is_empty());
                said.push_str(&text);
            }
            Event::BlockStop { index } => {
                assert_eq!(open.take(), Some(index));
                said.push(']');
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open, None, "every block is closed");
    said
}

const CALL: &str =
    "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": \"}\\\"]\", \"b\": [{}]}}\n</tool_call>";

#[test]
fn text_and_calls_are_told_apart() {
    let input = "add({\"a\": \"}\\\"]\", \"b\": [{}]}]";
    for (reading, text, expected) in [
        (Reading::Text, "  a <tool_call> \n", "[  a <tool_call> \n]".to_owned()),
        (Reading::Text, "", String::new()),
        (Reading::TextOrCalls, " hello <tool \n", "[ hello <tool \n]".to_owned()),
        (Reading::TextOrCalls, CALL, input.to_owned()),
        (Reading::TextOrCalls, &format!("I add.\n\n{CALL}"), format!("[I add.]{input}")),
        (Reading::TextOrCalls, &format!("{CALL}\n{CALL}\n"), input.repeat(2)),
        (Reading::TextOrCalls, "a <tool_", "[a <tool_]".to_owned()),
        (Reading::TextOrCalls, "a <tool_call>\n{\"name\": \"add\", \"argu", "[a]".to_owned()),
        (
            Reading::TextOrCalls,
            "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a",
            "add({\"a]".to_owned(),
        ),
        (Reading::Call, "{\"name\": \"now\", \"arguments\": {}}", "now({}]".to_owned()),
    ] {
        assert_eq!(read(reading, [text]), expected, "{text:?}");
        let chars: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(read(reading, chars.iter().map(|c| &**c)), expected, "{text:?}, cut everywhere");
    }
}

proptest! {
    #[test]
    fn any_split_of_an_answer_says_the_same(
        text in "(CALL|<tool_call>|a|é| |\n|<){0,8}",
        cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let text = text.replace("CALL", CALL);
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        let mut cuts = cuts.into_iter().cycle();
        while chars.peek().is_some() {
            pieces.push(chars.by_ref().take(cuts.next().unwrap_or(1)).collect::<String>());
        }
        for reading in [Reading::Text, Reading::TextOrCalls] {
            prop_assert_eq!(read(reading, pieces.iter().map(|piece| &**piece)), read(reading, [&*text]));
        }
    }
}

#[test]
fn calls_have_names_of_their_own() {
    let mut reader = Reader::new(Reading::TextOrCalls, Random::seeded(1));
    let mut events = Vec::new();
    reader.push(&CALL.repeat(2), &mut events);
    let ids: Vec<String> = events
        .into_iter()
        .filter_map(|event| match event {
            Event::BlockStart { kind: BlockKind::ToolUse { id, .. }, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}
