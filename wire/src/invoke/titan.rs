//! Amazon Titan Text's body for `InvokeModel`
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html>).
//!
//! Every member is honoured; any other is refused by name, and so are those of Titan's embeddings and images, which
//! have `inputText`, too. A body with `inputText` and nothing else is read as a text model's. Reasoning has no place in
//! this format and is left out.
//!
//! # Turns
//!
//! Titan has no markers of its own. The page above has a convention instead, `User: …\nBot:`, and clients put a
//! conversation's earlier turns before it. Here the model behind it may be another, so the turns are read back: each
//! begins at a line that begins with the other speaker's name, and what stands before the first is the system prompt.
//! That is done where the text begins with `User:` and has a `Bot:`, or where it ends with a `Bot:` that has said
//! nothing yet. Any other text, which may only quote such lines, is one message of the user's, to the letter.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use canon::{Answer, Event, Fault, Finish, Format, Request, Role, StopReason, Usage, Verbatim};
use serde::Serialize;

use super::prompt;
use crate::native::{Native, Sink};
use crate::object::{self, Node};
use crate::{AnswerHead, json};

/// How many stop sequences are taken: as many as Converse takes, for Titan's page names no number.
const STOPS_MAX: usize = 2_500;

pub(super) fn decode(model: &str, stream: bool, body: &Bytes) -> Result<(Request, Titan), Fault> {
    let node = object::read(body)?;
    let mut shape = node.object()?;
    let text = shape.need("inputText", Node::string)?;
    let mut request = prompt::of_turns(model, "inputText", turns(&text))?;
    if let Some(config) = shape.take("textGenerationConfig") {
        let mut config = config.object()?;
        let sampling = &mut request.sampling;
        sampling.temperature = config.maybe("temperature", |node| node.within(0.0, 1.0))?;
        sampling.top_p = config.maybe("topP", |node| node.within(0.0, 1.0))?;
        sampling.max_tokens = config.maybe("maxTokenCount", Node::positive)?;
        sampling.stop = config.maybe("stopSequences", stops)?.unwrap_or_default();
        config.end()?;
    }
    shape.end()?;
    request.stream = stream;
    request.verbatim = Some(Verbatim { format: Format::Titan, body: body.clone() });
    Ok((request, Titan::default()))
}

fn stops(node: Node<'_, '_>) -> Result<Vec<String>, Fault> {
    let stops = node.strings()?;
    if stops.len() > STOPS_MAX || stops.iter().any(String::is_empty) {
        return Err(node.malformed(format_args!("must be at most {STOPS_MAX} texts that are not empty")));
    }
    Ok(stops)
}

fn turns(text: &str) -> Vec<(Role, &str)> {
    conversation(text).unwrap_or_else(|| prompt::to_the_letter(text))
}

/// The turns of a text that follows the convention. The speakers alternate, so a line of the user's that begins with
/// `User:` is part of what the user says.
fn conversation(text: &str) -> Option<Vec<(Role, &str)>> {
    let text = text.trim_start();
    let (mut turns, mut speaker, mut start, mut at) = (Vec::new(), Role::System, 0, 0);
    for line in text.split_inclusive('\n') {
        let (next, name) = match speaker {
            Role::User => (Role::Assistant, "Bot:"),
            Role::System | Role::Assistant => (Role::User, "User:"),
        };
        if line.starts_with(name) {
            turns.push((speaker, start..at));
            (speaker, start) = (next, at + name.len());
        }
        at += line.len();
    }
    turns.push((speaker, start..at));
    let said = |(role, range): (Role, Range<usize>)| Some((role, text.get(range)?.trim()));
    let turns = turns.into_iter().map(said).collect::<Option<Vec<_>>>()?;

    let begins = turns.first().is_some_and(|(_, before)| before.is_empty());
    let answers = turns.iter().any(|(role, _)| *role == Role::Assistant);
    let awaits = turns.last().is_some_and(|(role, said)| *role == Role::Assistant && said.is_empty());
    (begins && answers || awaits).then(|| turns.into_iter().filter(|(_, said)| !said.is_empty()).collect())
}

/// Says answers as Titan does.
#[derive(Default)]
pub(crate) struct Titan {
    prompt_tokens: Option<u64>,
    counted: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    input_text_token_count: u64,
    results: [Completion<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Completion<'a> {
    token_count: u64,
    output_text: &'a str,
    completion_reason: &'static str,
}

/// `index` numbers the completions, of which there is one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    output_text: &'a str,
    index: u32,
    total_output_text_token_count: Option<u64>,
    completion_reason: Option<&'static str>,
    input_text_token_count: Option<u64>,
}

/// The page says `FINISHED`; what Bedrock says is `FINISH`, and clients compare it.
const fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ContextFull => "LENGTH",
        StopReason::StopSequence => "STOP_CRITERIA_MET",
        StopReason::Guardrail | StopReason::ContentFiltered => "CONTENT_FILTERED",
        StopReason::EndTurn | StopReason::ToolUse | StopReason::Refusal => "FINISH",
    }
}

impl Native for Titan {
    fn whole(&mut self, _: &AnswerHead, answer: &Answer, _: Duration) -> Vec<u8> {
        let Finish { reason: why, usage, .. } = &answer.finish;
        json::encode(&Whole {
            input_text_token_count: usage.prompt(),
            results: [Completion {
                token_count: usage.generated(),
                output_text: &prompt::text_of(answer),
                completion_reason: reason(*why),
            }],
        })
    }

    fn prompt(&mut self, prompt: &Usage) {
        self.prompt_tokens = Some(prompt.prompt());
    }

    fn begin(&mut self, _: &AnswerHead, _: &mut impl Sink) {}

    fn event(&mut self, event: &Event, sink: &mut impl Sink) {
        if let Event::Text { text, .. } = event {
            // Only one document says it, as in Bedrock: the first, or the last if it is not known before.
            let input_text_token_count = self.prompt_tokens.take();
            self.counted |= input_text_token_count.is_some();
            sink.emit(
                None,
                &Piece {
                    output_text: text,
                    index: 0,
                    total_output_text_token_count: None,
                    completion_reason: None,
                    input_text_token_count,
                },
            );
        }
    }

    fn finish(&mut self, finish: &Finish, _: Duration, sink: &mut impl Sink) {
        sink.emit(
            None,
            &Piece {
                output_text: "",
                index: 0,
                total_output_text_token_count: Some(finish.usage.generated()),
                completion_reason: Some(reason(finish.reason)),
                input_text_token_count: (!self.counted).then(|| finish.usage.prompt()),
            },
        );
    }

    /// Titan travels only in frames, which have faults of their own.
    fn fault(&mut self, _: &Fault, _: &mut impl Sink) {}
}
