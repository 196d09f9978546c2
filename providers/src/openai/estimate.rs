//! A guess at what was used, for servers that do not say, and for answers that are cut short before they do: a token
//! every four bytes of text, and a few for what a template puts around each turn. A stream's answer is not guessed at
//! so: it has a token for every delta.

use canon::{Content, Request};

const BYTES_PER_TOKEN: u64 = 4;

/// What templates such as `ChatML` put around a turn.
const TOKENS_PER_TURN: u64 = 6;

/// The tokens of a prompt.
pub(super) fn prompt(request: &Request) -> u64 {
    let said = request.messages.iter().flat_map(|message| &message.content);
    let offered = request.tools.list.iter().map(|tool| {
        tool.name.len() + tool.description.as_ref().map_or(0, String::len) + tool.schema.text().len()
    });
    let bytes: u64 = request.system.iter().chain(said).map(bytes).chain(offered).map(|len| len as u64).sum();
    let turns = request.messages.len() as u64 + u64::from(!request.system.is_empty());
    bytes.div_ceil(BYTES_PER_TOKEN) + turns * TOKENS_PER_TURN
}

/// The tokens of a whole answer.
pub(super) fn answer(content: &[Content]) -> u64 {
    content.iter().map(|block| bytes(block) as u64).sum::<u64>().div_ceil(BYTES_PER_TOKEN)
}

fn bytes(block: &Content) -> usize {
    match block {
        Content::Text(text) | Content::Cited { text, .. } => text.len(),
        Content::Reasoning(reasoning) => reasoning.text.len(),
        Content::ToolUse(call) => call.name.len() + call.input.text().len(),
        Content::ToolResult { content, .. } => content.iter().map(bytes).sum(),
        Content::Json(json) => json.text().len(),
        Content::Media(_)
        | Content::Document(_)
        | Content::RedactedReasoning(_)
        | Content::CachePoint { .. } => 0,
    }
}
