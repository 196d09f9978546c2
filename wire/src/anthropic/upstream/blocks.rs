use canon::{Blob, Content, Document, DocumentSource, Fault, Json, Media, MediaKind, ToolOutcome};
use serde::Serialize;

use crate::anthropic::response::Block;
use crate::media::to_base64;

/// A block of a message, with the cache point that follows it in canon.
#[derive(Serialize)]
pub(super) struct Marked<'a> {
    #[serde(flatten)]
    block: Sent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct CacheControl {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

/// What a model says can be sent back to it; the rest only callers say.
#[derive(Serialize)]
#[serde(untagged)]
enum Sent<'a> {
    Said(Block<'a>),
    Asked(Asked<'a>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Asked<'a> {
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "str::is_empty")]
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Citations>,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: Vec<Marked<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct Citations {
    enabled: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Base64 { media_type: String, data: String },
    Url { url: &'a str },
    Text { media_type: &'static str, data: &'a str },
    Content { content: Vec<Block<'a>> },
}

impl CacheControl {
    pub(super) fn of(long: bool) -> Self {
        Self { kind: "ephemeral", ttl: long.then_some("1h") }
    }
}

/// Blocks of a message; `path` names it in faults. A cache point becomes a mark of the block before it.
pub(super) fn blocks<'a>(content: &'a [Content], path: &str) -> Result<Vec<Marked<'a>>, Fault> {
    let mut blocks: Vec<Marked<'a>> = Vec::with_capacity(content.len());
    for block in content {
        match (block, blocks.last_mut()) {
            (Content::CachePoint { long }, Some(last)) => last.cache_control = Some(CacheControl::of(*long)),
            // There is nothing before it to cache.
            (Content::CachePoint { .. }, None) => {}
            _ => blocks.push(Marked { block: sent(block, path)?, cache_control: None }),
        }
    }
    Ok(blocks)
}

fn sent<'a>(block: &'a Content, path: &str) -> Result<Sent<'a>, Fault> {
    Ok(Sent::Asked(match block {
        Content::Media(Media { kind: MediaKind::Image, format, source }) => {
            Asked::Image { source: blob(source, || format!("image/{format}")) }
        }
        Content::Media(_) => {
            return Err(Fault::unsupported(path, "the server behind this model takes no sounds and films"));
        }
        Content::Document(document) => self::document(document, path)?,
        Content::ToolResult { id, content, outcome } => Asked::ToolResult {
            tool_use_id: id,
            content: blocks(content, path)?,
            is_error: *outcome == ToolOutcome::Error,
        },
        said => match Block::of(said, false) {
            Some(block) => return Ok(Sent::Said(block)),
            None => return Err(Fault::internal(format_args!("{path}: a block that nobody says"))),
        },
    }))
}

fn blob(blob: &Blob, media_type: impl FnOnce() -> String) -> Source<'_> {
    match blob {
        Blob::Bytes(bytes) => Source::Base64 { media_type: media_type(), data: to_base64(bytes) },
        Blob::Uri(url) => Source::Url { url },
    }
}

fn document<'a>(document: &'a Document, path: &str) -> Result<Asked<'a>, Fault> {
    let Document { format, name, source, context, cite } = document;
    let source = match source {
        DocumentSource::Blob(data) if format == "pdf" => blob(data, || "application/pdf".to_owned()),
        DocumentSource::Blob(_) => {
            let remedy = "the server behind this model takes PDF and plain text; send it as one of them";
            return Err(Fault::unsupported(path, remedy));
        }
        DocumentSource::Text(data) => Source::Text { media_type: "text/plain", data },
        DocumentSource::Chunks(chunks) => Source::Content {
            content: chunks.iter().map(|text| Block::Text { text, citations: Vec::new() }).collect(),
        },
    };
    let citations = cite.then_some(Citations { enabled: true });
    Ok(Asked::Document { source, title: name, context: context.as_deref(), citations })
}

/// The document, as it was written.
pub(super) fn raw(json: &Json) -> Result<&serde_json::value::RawValue, Fault> {
    serde_json::from_str(json.text())
        .map_err(|error| Fault::internal(format_args!("a document in canon is not JSON: {error}")))
}
