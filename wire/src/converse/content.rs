//! Content blocks, both ways.

use canon::{
    Answer, Blob, Citation, Content, Document, DocumentSource, Media, MediaKind, ReasoningText, Span,
    ToolOutcome, ToolUse,
};

use super::shape::content as shape;
use super::shape::content::ContentBlock;
use super::shape::scalar::{Base64, Raw, Ruled, Text};

pub(super) fn from_block(block: ContentBlock<'_>) -> Content {
    match block {
        ContentBlock::Text(text) => Content::Text(text.own()),
        ContentBlock::Image(image) => media(MediaKind::Image, image.format.name(), image.source),
        ContentBlock::Video(video) => media(MediaKind::Video, video.format.name(), video.source),
        ContentBlock::Audio(audio) => media(MediaKind::Audio, audio.format.name(), audio.source),
        ContentBlock::Document(block) => Content::Document(document(block)),
        ContentBlock::ToolUse(call) => Content::ToolUse(ToolUse {
            id: call.tool_use_id.own(),
            name: call.name.own(),
            input: call.input.json(),
        }),
        ContentBlock::ToolResult(result) => tool_result(result),
        ContentBlock::CachePoint(point) => cache_point(&point),
        ContentBlock::Reasoning(shape::ReasoningBlock::Text(reasoning)) => {
            Content::Reasoning(ReasoningText {
                text: reasoning.text.own(),
                signature: reasoning.signature.map(Text::own),
            })
        }
        ContentBlock::Reasoning(shape::ReasoningBlock::Redacted(data)) => Content::RedactedReasoning(data.0),
        ContentBlock::Citations(cited) => Content::Cited {
            text: cited.content.unwrap_or_default().into_iter().map(|block| block.text.own()).collect(),
            citations: cited.citations.unwrap_or_default().into_iter().map(citation).collect(),
        },
        ContentBlock::GuardContent(refused)
        | ContentBlock::SearchResult(refused)
        | ContentBlock::ToolAddition(refused)
        | ContentBlock::ToolRemoval(refused) => match refused {},
    }
}

pub(super) fn system(block: shape::SystemBlock<'_>) -> Content {
    match block {
        shape::SystemBlock::Text(text) => Content::Text(text.own()),
        shape::SystemBlock::CachePoint(point) => cache_point(&point),
        shape::SystemBlock::GuardContent(refused) => match refused {},
    }
}

fn cache_point(point: &shape::CachePointBlock) -> Content {
    Content::CachePoint { long: matches!(point.ttl, Some(shape::CacheTtl::Hour)) }
}

fn media(kind: MediaKind, format: &str, source: shape::Source<'_>) -> Content {
    Content::Media(Media { kind, format: format.to_owned(), source: blob(source) })
}

fn blob(source: shape::Source<'_>) -> Blob {
    match source {
        shape::Source::Bytes(data) => Blob::Bytes(data.0),
        shape::Source::S3(location) => Blob::Uri(location.uri.own()),
    }
}

fn document(block: shape::DocumentBlock<'_>) -> Document {
    let source = match block.source {
        shape::DocumentSource::Bytes(data) => DocumentSource::Blob(Blob::Bytes(data.0)),
        shape::DocumentSource::S3(location) => DocumentSource::Blob(Blob::Uri(location.uri.own())),
        shape::DocumentSource::Text(text) => DocumentSource::Text(text.own()),
        shape::DocumentSource::Content(chunks) => {
            DocumentSource::Chunks(chunks.into_iter().map(|chunk| chunk.text.own()).collect())
        }
    };
    Document {
        // A document of which nothing else is said is plain text.
        format: block.format.unwrap_or(shape::DocumentFormat::Txt).name().to_owned(),
        name: block.name.own(),
        source,
        context: block.context.map(Text::own),
        cite: block.citations.is_some_and(|citations| citations.enabled),
    }
}

fn tool_result(result: shape::ToolResultBlock<'_>) -> Content {
    let content = |part| match part {
        shape::ToolResultContent::Text(text) => Content::Text(text.own()),
        shape::ToolResultContent::Json(json) => Content::Json(json.json()),
        shape::ToolResultContent::Image(image) => media(MediaKind::Image, image.format.name(), image.source),
        shape::ToolResultContent::Video(video) => media(MediaKind::Video, video.format.name(), video.source),
        shape::ToolResultContent::Document(block) => Content::Document(document(block)),
        shape::ToolResultContent::SearchResult(refused) => match refused {},
    };
    Content::ToolResult {
        id: result.tool_use_id.own(),
        content: result.content.into_iter().map(content).collect(),
        outcome: match result.status {
            None | Some(shape::ToolResultStatus::Success) => ToolOutcome::Success,
            Some(shape::ToolResultStatus::Error) => ToolOutcome::Error,
        },
    }
}

pub(super) fn citation(citation: shape::Citation<'_>) -> Citation {
    Citation {
        title: citation.title.map(Text::own),
        source: citation.source.map(Text::own),
        quoted: citation.source_content.unwrap_or_default().into_iter().map(|part| part.text.own()).collect(),
        span: citation.location.map(span),
    }
}

fn span(location: shape::Location<'_>) -> Span {
    let range = |range: &shape::DocumentRange| {
        (range.document_index.unwrap_or(0), range.start.unwrap_or(0), range.end.unwrap_or(0))
    };
    match location {
        shape::Location::Web(web) => {
            Span::Web { url: web.url.unwrap_or_default().own(), domain: web.domain.map(Text::own) }
        }
        shape::Location::Chars(chars) => {
            let (document, start, end) = range(&chars);
            Span::Chars { document, start, end }
        }
        shape::Location::Pages(pages) => {
            let (document, start, end) = range(&pages);
            Span::Pages { document, start, end }
        }
        shape::Location::Chunks(chunks) => {
            let (document, start, end) = range(&chunks);
            Span::Chunks { document, start, end }
        }
        shape::Location::SearchResult(refused) => match refused {},
    }
}

/// The blocks of an answer. A bare JSON value and media by address are unsayable in Converse, and no model writes them.
pub(super) fn blocks(answer: &Answer) -> Vec<ContentBlock<'_>> {
    answer.content.iter().filter_map(|content| to_block(content).ok()).collect()
}

/// What Converse has no words for.
pub(super) type Unsayable = &'static str;

pub(super) fn to_block(content: &Content) -> Result<ContentBlock<'_>, Unsayable> {
    Ok(match content {
        Content::Text(text) => ContentBlock::Text(Text::of(text)),
        Content::Media(media) => to_media(media)?,
        Content::Document(document) => ContentBlock::Document(to_document(document)?),
        Content::ToolUse(call) => ContentBlock::ToolUse(shape::ToolUseBlock {
            tool_use_id: Ruled::of(&call.id),
            name: Ruled::of(&call.name),
            input: Raw::of(&call.input),
            r#type: None,
        }),
        Content::ToolResult { id, content, outcome } => ContentBlock::ToolResult(shape::ToolResultBlock {
            tool_use_id: Ruled::of(id),
            content: content.iter().map(to_result).collect::<Result<_, _>>()?,
            status: Some(match outcome {
                ToolOutcome::Success => shape::ToolResultStatus::Success,
                ToolOutcome::Error => shape::ToolResultStatus::Error,
            }),
            r#type: None,
        }),
        Content::Reasoning(reasoning) => {
            ContentBlock::Reasoning(shape::ReasoningBlock::Text(shape::ReasoningText {
                text: Text::of(&reasoning.text),
                signature: reasoning.signature.as_deref().map(Text::of),
            }))
        }
        Content::RedactedReasoning(data) => {
            ContentBlock::Reasoning(shape::ReasoningBlock::Redacted(Base64(data.clone())))
        }
        Content::Cited { text, citations } => ContentBlock::Citations(shape::CitationsBlock {
            content: Some(vec![shape::TextBlock { text: Text::of(text) }]),
            citations: Some(citations.iter().map(to_citation).collect()),
        }),
        Content::Json(_) => return Err("Converse takes a JSON value only as a tool's result"),
        Content::CachePoint { long } => ContentBlock::CachePoint(to_cache_point(*long)),
    })
}

pub(super) fn to_system(content: &Content) -> Result<shape::SystemBlock<'_>, Unsayable> {
    match content {
        Content::Text(text) => Ok(shape::SystemBlock::Text(Ruled::of(text))),
        Content::CachePoint { long } => Ok(shape::SystemBlock::CachePoint(to_cache_point(*long))),
        _ => Err("Converse takes only text as instructions"),
    }
}

pub(super) fn to_cache_point(long: bool) -> shape::CachePointBlock {
    shape::CachePointBlock {
        r#type: shape::CachePointType::Default,
        ttl: long.then_some(shape::CacheTtl::Hour),
    }
}

fn to_media(media: &Media) -> Result<ContentBlock<'_>, Unsayable> {
    const UNKNOWN: Unsayable = "Converse does not know this format";
    let source = to_source(&media.source)?;
    Ok(match media.kind {
        MediaKind::Image => ContentBlock::Image(shape::ImageBlock {
            format: shape::ImageFormat::of(&media.format).ok_or(UNKNOWN)?,
            source,
            error: None,
        }),
        MediaKind::Audio => ContentBlock::Audio(shape::AudioBlock {
            format: shape::AudioFormat::of(&media.format).ok_or(UNKNOWN)?,
            source,
            error: None,
        }),
        MediaKind::Video => ContentBlock::Video(shape::VideoBlock {
            format: shape::VideoFormat::of(&media.format).ok_or(UNKNOWN)?,
            source,
        }),
    })
}

fn to_source(blob: &Blob) -> Result<shape::Source<'_>, Unsayable> {
    match blob {
        Blob::Bytes(data) => Ok(shape::Source::Bytes(Base64(data.clone()))),
        Blob::Uri(uri) => to_s3(uri).map(shape::Source::S3),
    }
}

fn to_s3(uri: &str) -> Result<shape::S3Location<'_>, Unsayable> {
    if uri.starts_with("s3://") {
        return Ok(shape::S3Location { uri: Ruled::of(uri), bucket_owner: None });
    }
    Err("Converse takes data or an s3:// location, no other address")
}

fn to_document(document: &Document) -> Result<shape::DocumentBlock<'_>, Unsayable> {
    let source = match &document.source {
        DocumentSource::Blob(Blob::Bytes(data)) => shape::DocumentSource::Bytes(Base64(data.clone())),
        DocumentSource::Blob(Blob::Uri(uri)) => shape::DocumentSource::S3(to_s3(uri)?),
        DocumentSource::Text(text) => shape::DocumentSource::Text(Text::of(text)),
        DocumentSource::Chunks(chunks) => shape::DocumentSource::Content(
            chunks.iter().map(|chunk| shape::TextBlock { text: Text::of(chunk) }).collect(),
        ),
    };
    Ok(shape::DocumentBlock {
        name: Ruled::of(&document.name),
        source,
        format: Some(
            shape::DocumentFormat::of(&document.format)
                .ok_or("Converse does not know this format of document")?,
        ),
        context: document.context.as_deref().map(Text::of),
        citations: document.cite.then_some(shape::CitationsConfig { enabled: true }),
    })
}

fn to_result(content: &Content) -> Result<shape::ToolResultContent<'_>, Unsayable> {
    const UNKNOWN: Unsayable = "Converse does not take this as a tool's result";
    Ok(match content {
        Content::Text(text) => shape::ToolResultContent::Text(Text::of(text)),
        Content::Json(json) => shape::ToolResultContent::Json(Raw::of(json)),
        Content::Document(document) => shape::ToolResultContent::Document(to_document(document)?),
        Content::Media(media) => match to_media(media)? {
            ContentBlock::Image(image) => shape::ToolResultContent::Image(image),
            ContentBlock::Video(video) => shape::ToolResultContent::Video(video),
            _ => return Err(UNKNOWN),
        },
        _ => return Err(UNKNOWN),
    })
}

pub(super) fn to_citation(citation: &Citation) -> shape::Citation<'_> {
    shape::Citation {
        title: citation.title.as_deref().map(Text::of),
        source: citation.source.as_deref().map(Text::of),
        source_content: (!citation.quoted.is_empty())
            .then(|| citation.quoted.iter().map(|text| shape::TextBlock { text: Text::of(text) }).collect()),
        location: citation.span.as_ref().map(to_location),
    }
}

fn to_location(span: &Span) -> shape::Location<'_> {
    let range = |document: u64, start: u64, end: u64| shape::DocumentRange {
        document_index: Some(document),
        start: Some(start),
        end: Some(end),
    };
    match span {
        Span::Chars { document, start, end } => shape::Location::Chars(range(*document, *start, *end)),
        Span::Pages { document, start, end } => shape::Location::Pages(range(*document, *start, *end)),
        Span::Chunks { document, start, end } => shape::Location::Chunks(range(*document, *start, *end)),
        Span::Web { url, domain } => shape::Location::Web(shape::WebLocation {
            url: Some(Text::of(url)),
            domain: domain.as_deref().map(Text::of),
        }),
    }
}
