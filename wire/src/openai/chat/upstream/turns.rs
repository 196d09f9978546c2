use std::borrow::Cow;

use canon::{
    Blob, Content, Document, DocumentSource, Fault, Media, MediaKind, Message, Request, Role, ToolOutcome,
    ToolUse,
};
use serde::Serialize;

use super::Dialect;
use crate::media::{to_base64, to_data_url};

/// A message of this format. Canon's turn of a user may be several: one for each result of a tool, and the rest.
#[derive(Default, Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    /// Null beside calls where nothing was said.
    content: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    /// What every server understands.
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: Url<'a> },
    InputAudio { input_audio: Audio<'a> },
    File { file: File<'a> },
}

#[derive(Serialize)]
struct Url<'a> {
    url: Cow<'a, str>,
}

#[derive(Serialize)]
struct Audio<'a> {
    data: String,
    format: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    filename: &'a str,
    file_data: String,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

pub(super) fn turns<'a>(request: &'a Request, dialect: &Dialect) -> Result<Vec<Turn<'a>>, Fault> {
    let mut turns = Vec::with_capacity(request.messages.len() + 1);
    if let Some(content) = said(&request.system, "system")? {
        turns.push(Turn { role: "system", content: Some(content), ..Turn::default() });
    }
    for (index, message) in request.messages.iter().enumerate() {
        let path = format!("messages[{index}]");
        match message.role {
            Role::User => user(message, &path, &mut turns)?,
            Role::Assistant => turns.push(assistant(message, &path, dialect)?),
            Role::System => {
                let content = said(&message.content, &path)?;
                turns.push(Turn { role: "system", content, ..Turn::default() });
            }
        }
    }
    Ok(turns)
}

fn user<'a>(message: &'a Message, path: &str, turns: &mut Vec<Turn<'a>>) -> Result<(), Fault> {
    let mut parts = Vec::new();
    for block in &message.content {
        let Content::ToolResult { id, content, outcome } = block else {
            parts.extend(part(block, path)?);
            continue;
        };
        // Results come first: they answer the calls of the turn before.
        let content = Some(Said::Text(result(content, *outcome, path)?.into()));
        turns.push(Turn { role: "tool", content, tool_call_id: Some(id), ..Turn::default() });
    }
    if let Some(content) = joined(parts) {
        turns.push(Turn { role: "user", content: Some(content), ..Turn::default() });
    }
    Ok(())
}

fn assistant<'a>(message: &'a Message, path: &str, dialect: &Dialect) -> Result<Turn<'a>, Fault> {
    let mut turn = Turn { role: "assistant", ..Turn::default() };
    let mut text = String::new();
    for block in &message.content {
        match block {
            Content::ToolUse(ToolUse { id, name, input }) => turn.tool_calls.push(Call {
                id,
                kind: "function",
                function: Function { name, arguments: input.text() },
            }),
            Content::Reasoning(reasoning) if dialect.reasoning => {
                turn.reasoning_content.get_or_insert_default().push_str(&reasoning.text);
            }
            Content::Text(more) | Content::Cited { text: more, .. } => text.push_str(more),
            Content::CachePoint { .. } => {}
            other => return Err(unsayable(other, path)),
        }
    }
    if !text.is_empty() || turn.tool_calls.is_empty() {
        turn.content = Some(Said::Text(text.into()));
    }
    Ok(turn)
}

fn said<'a>(content: &'a [Content], path: &str) -> Result<Option<Said<'a>>, Fault> {
    let mut parts = Vec::new();
    for block in content {
        parts.extend(part(block, path)?);
    }
    Ok(joined(parts))
}

/// One text is a string, so that servers which know no parts understand it.
fn joined(mut parts: Vec<Part<'_>>) -> Option<Said<'_>> {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => None,
        (Some(Part::Text { text }), true) => Some(Said::Text(text)),
        (Some(last), _) => {
            parts.push(last);
            Some(Said::Parts(parts))
        }
    }
}

/// `None` for a cache point: caching is a hint, and these servers cache as they see fit.
fn part<'a>(block: &'a Content, path: &str) -> Result<Option<Part<'a>>, Fault> {
    Ok(Some(match block {
        Content::Text(text) | Content::Cited { text, .. } => Part::Text { text: text.into() },
        Content::Json(json) => Part::Text { text: json.text().into() },
        Content::Media(Media { kind: MediaKind::Image, format, source }) => Part::ImageUrl {
            image_url: Url {
                url: match source {
                    Blob::Bytes(bytes) => to_data_url(format, bytes).into(),
                    Blob::Uri(uri) => uri.into(),
                },
            },
        },
        Content::Media(Media { kind: MediaKind::Audio, format, source: Blob::Bytes(bytes) }) => {
            Part::InputAudio { input_audio: Audio { data: to_base64(bytes), format } }
        }
        Content::Document(document) => self::document(document).ok_or_else(|| unsayable(block, path))?,
        Content::CachePoint { .. } => return Ok(None),
        other => return Err(unsayable(other, path)),
    }))
}

/// Text in a document is text; a PDF is a file. Neither can be asked to be cited.
fn document(document: &Document) -> Option<Part<'_>> {
    let Document { format, name, source, context, cite: false } = document else { return None };
    let mut heading: Vec<&str> = vec![name, context.as_deref().unwrap_or_default()];
    match source {
        DocumentSource::Text(text) => heading.push(text),
        DocumentSource::Chunks(chunks) => heading.extend(chunks.iter().map(String::as_str)),
        DocumentSource::Blob(Blob::Bytes(bytes)) if format == "pdf" && context.is_none() => {
            let file_data = format!("data:application/pdf;base64,{}", to_base64(bytes));
            return Some(Part::File { file: File { filename: name, file_data } });
        }
        DocumentSource::Blob(_) => return None,
    }
    heading.retain(|piece| !piece.is_empty());
    Some(Part::Text { text: heading.join("\n").into() })
}

/// A result is text there, and has no mark of failure, so a failure says so itself.
fn result(content: &[Content], outcome: ToolOutcome, path: &str) -> Result<String, Fault> {
    let mut text = String::new();
    if outcome == ToolOutcome::Error {
        text.push_str("Error: ");
    }
    for (index, block) in content.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        match part(block, path)? {
            Some(Part::Text { text: more }) => text.push_str(&more),
            None => {}
            Some(_) => return Err(unsayable(block, path)),
        }
    }
    Ok(text)
}

fn unsayable(block: &Content, path: &str) -> Fault {
    let what = match block {
        Content::Media(Media { kind: MediaKind::Image, .. }) => "a picture in this place",
        Content::Media(_) => "sounds and films at a URL",
        Content::Document(_) => "documents of this kind, or cited",
        Content::Reasoning(_) | Content::RedactedReasoning(_) => "reasoning of earlier turns",
        Content::ToolUse(_) | Content::ToolResult { .. } => "tool calls and results in this place",
        Content::Text(_) | Content::Cited { .. } | Content::Json(_) | Content::CachePoint { .. } => "this",
    };
    Fault::unsupported(path, format_args!("the server behind this model does not take {what}; leave it out"))
}
