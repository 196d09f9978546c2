use canon::{
    Blob, Citation, Content, Document, DocumentSource, Fault, Media, MediaKind, ReasoningText, Span,
    ToolOutcome, ToolUse,
};

use crate::media::{from_base64, short_name};
use crate::object::{Node, Object};

const FILES: &str = "files are not kept here; send the data itself";

/// A message's content: a string, or blocks. A cache point follows the block that carries it.
pub(super) fn blocks(node: &Node<'_, '_>) -> Result<Vec<Content>, Fault> {
    if node.is_string() {
        return Ok(vec![Content::Text(node.string()?)]);
    }
    let blocks = node.each(|item| block(&item))?;
    Ok(blocks.into_iter().flat_map(|(content, point)| std::iter::once(content).chain(point)).collect())
}

/// The same, where only text may stand.
pub(super) fn texts(node: &Node<'_, '_>) -> Result<Vec<Content>, Fault> {
    if node.is_string() {
        return Ok(vec![Content::Text(node.string()?)]);
    }
    let blocks = node.each(|item| {
        let (kind, mut object) = item.tagged()?;
        if kind != "text" {
            return Err(item.malformed("only text may stand here"));
        }
        let point = object.maybe("cache_control", |node| cache_point(&node))?;
        let content = text(&mut object)?;
        object.end()?;
        Ok((content, point))
    })?;
    Ok(blocks.into_iter().flat_map(|(content, point)| std::iter::once(content).chain(point)).collect())
}

pub(super) fn cache_point(node: &Node<'_, '_>) -> Result<Content, Fault> {
    let (kind, mut object) = node.tagged()?;
    if kind != "ephemeral" {
        return Err(node.malformed("type: expected `ephemeral`"));
    }
    let long = object.maybe("ttl", |node| match node.string()?.as_str() {
        "5m" => Ok(false),
        "1h" => Ok(true),
        _ => Err(node.malformed("expected `5m` or `1h`")),
    })?;
    // Who may share what was cached; nobody else's is shared here.
    object.maybe("scope", Node::string)?;
    object.end()?;
    Ok(Content::CachePoint { long: long.unwrap_or_default() })
}

fn block(node: &Node<'_, '_>) -> Result<(Content, Option<Content>), Fault> {
    let (kind, mut object) = node.tagged()?;
    let mut point = object.maybe("cache_control", |node| cache_point(&node))?;
    let content = match kind.as_str() {
        "tool_use" => tool_use(&mut object)?,
        "tool_result" => {
            let (content, inner) = tool_result(&mut object)?;
            point = point.or(inner);
            content
        }
        "thinking" => Content::Reasoning(ReasoningText {
            text: object.need("thinking", Node::string)?,
            signature: object.maybe("signature", Node::string)?.filter(|signature| !signature.is_empty()),
        }),
        "redacted_thinking" => Content::RedactedReasoning(object.need("data", |node| {
            from_base64(&node.string()?).ok_or_else(|| node.malformed("expected base64"))
        })?),
        _ => plain(&kind, node, &mut object)?,
    };
    object.end()?;
    Ok((content, point))
}

/// A block that may stand in a tool's result too. These do not nest, so that no body can nest without end.
fn plain(kind: &str, node: &Node<'_, '_>, object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    match kind {
        "text" => text(object),
        "image" => image(object).map(Content::Media),
        "document" => document(object).map(Content::Document),
        "search_result" => search_result(object).map(Content::Document),
        _ => Err(node.unsupported(format_args!("blocks of type `{kind}` are not supported here"))),
    }
}

fn text(object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    let text = object.need("text", Node::string)?;
    let citations = object.maybe("citations", |node| node.each(|item| citation(&item)))?.unwrap_or_default();
    Ok(if citations.is_empty() { Content::Text(text) } else { Content::Cited { text, citations } })
}

fn image(object: &mut Object<'_, '_>) -> Result<Media, Fault> {
    object.refuse(&[(
        "transformations",
        "pictures are not transformed here; send them as they should be seen",
    )])?;
    object.need("source", |node| {
        let (kind, mut source) = node.tagged()?;
        let (format, blob) = match kind.as_str() {
            "base64" => base64(&mut source)?,
            "url" => (String::new(), Blob::Uri(source.need("url", Node::string)?)),
            "file" => return Err(node.unsupported(FILES)),
            _ => return Err(node.malformed("type: expected `base64` or `url`")),
        };
        source.end()?;
        Ok(Media { kind: MediaKind::Image, format, source: blob })
    })
}

fn base64(source: &mut Object<'_, '_>) -> Result<(String, Blob), Fault> {
    let media_type = source.need("media_type", Node::string)?;
    let data = source
        .need("data", |node| from_base64(&node.string()?).ok_or_else(|| node.malformed("expected base64")))?;
    Ok((short_name(&media_type).to_owned(), Blob::Bytes(data)))
}

fn document(object: &mut Object<'_, '_>) -> Result<Document, Fault> {
    let (format, source) = object.need("source", |node| {
        let (kind, mut source) = node.tagged()?;
        let both = match kind.as_str() {
            "base64" => {
                let (format, blob) = base64(&mut source)?;
                (format, DocumentSource::Blob(blob))
            }
            "url" => ("pdf".to_owned(), DocumentSource::Blob(Blob::Uri(source.need("url", Node::string)?))),
            "text" => {
                let media_type = source.need("media_type", Node::string)?;
                let text = source.need("data", Node::string)?;
                (short_name(&media_type).to_owned(), DocumentSource::Text(text))
            }
            "content" => {
                ("txt".to_owned(), DocumentSource::Chunks(source.need("content", |node| chunks(&node))?))
            }
            "file" => return Err(node.unsupported(FILES)),
            _ => return Err(node.malformed("type: expected `base64`, `text`, `content` or `url`")),
        };
        source.end()?;
        Ok(both)
    })?;
    Ok(Document {
        format,
        name: object.maybe("title", Node::string)?.unwrap_or_default(),
        source,
        context: object.maybe("context", Node::string)?,
        cite: object.maybe("citations", |node| enabled(&node))?.unwrap_or_default(),
    })
}

/// A search result is a document in pieces; where it came from goes into its context.
fn search_result(object: &mut Object<'_, '_>) -> Result<Document, Fault> {
    Ok(Document {
        format: "txt".to_owned(),
        name: object.need("title", Node::string)?,
        source: DocumentSource::Chunks(object.need("content", |node| chunks(&node))?),
        context: Some(object.need("source", Node::string)?),
        cite: object.maybe("citations", |node| enabled(&node))?.unwrap_or_default(),
    })
}

fn chunks(node: &Node<'_, '_>) -> Result<Vec<String>, Fault> {
    texts(node)?
        .into_iter()
        .filter_map(|content| match content {
            Content::Text(text) => Some(Ok(text)),
            Content::CachePoint { .. } => None,
            _ => Some(Err(node.unsupported("pieces of a document cannot cite"))),
        })
        .collect()
}

fn enabled(node: &Node<'_, '_>) -> Result<bool, Fault> {
    let mut object = node.object()?;
    let enabled = object.maybe("enabled", Node::bool)?.unwrap_or_default();
    object.end()?;
    Ok(enabled)
}

fn tool_use(object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    object.refuse(&[("toolset_name", "sets of tools are the vendor's own; leave it out")])?;
    object.maybe("caller", |node| match node.tagged()? {
        (kind, _) if kind == "direct" => Ok(()),
        _ => Err(node.unsupported("only the model calls tools here")),
    })?;
    Ok(Content::ToolUse(ToolUse {
        id: object.need("id", Node::string)?,
        name: object.need("name", Node::string)?,
        input: object.need("input", Node::json_object)?,
    }))
}

/// A cache point inside a result counts as one after it.
fn tool_result(object: &mut Object<'_, '_>) -> Result<(Content, Option<Content>), Fault> {
    object.refuse(&[("toolset_name", "sets of tools are the vendor's own; leave it out")])?;
    let id = object.need("tool_use_id", Node::string)?;
    let content = object.maybe("content", |node| {
        if node.is_string() {
            return Ok(vec![(Content::Text(node.string()?), None)]);
        }
        node.each(|item| {
            let (kind, mut object) = item.tagged()?;
            let point = object.maybe("cache_control", |node| cache_point(&node))?;
            let content = plain(&kind, &item, &mut object)?;
            object.end()?;
            Ok((content, point))
        })
    })?;
    let (content, points): (Vec<_>, Vec<_>) = content.unwrap_or_default().into_iter().unzip();
    let failed = object.maybe("is_error", Node::bool)?.unwrap_or_default();
    let outcome = if failed { ToolOutcome::Error } else { ToolOutcome::Success };
    Ok((Content::ToolResult { id, content, outcome }, points.into_iter().flatten().last()))
}

fn citation(node: &Node<'_, '_>) -> Result<Citation, Fault> {
    let (kind, mut object) = node.tagged()?;
    let quoted = vec![object.need("cited_text", Node::string)?];
    let mut source = None;
    let (title, span) = match kind.as_str() {
        "char_location" => {
            let (document, start, end) = range(&mut object, "start_char_index", "end_char_index")?;
            (object.maybe("document_title", Node::string)?, Span::Chars { document, start, end })
        }
        "page_location" => {
            let (document, start, end) = range(&mut object, "start_page_number", "end_page_number")?;
            (object.maybe("document_title", Node::string)?, Span::Pages { document, start, end })
        }
        "content_block_location" => {
            let (document, start, end) = range(&mut object, "start_block_index", "end_block_index")?;
            (object.maybe("document_title", Node::string)?, Span::Chunks { document, start, end })
        }
        "search_result_location" => {
            let start = object.need("start_block_index", Node::u64)?;
            let end = object.need("end_block_index", Node::u64)?;
            let document = object.need("search_result_index", Node::u64)?;
            source = Some(object.need("source", Node::string)?);
            (object.maybe("title", Node::string)?, Span::Chunks { document, start, end })
        }
        other => return Err(node.unsupported(format_args!("citations of type `{other}` are not supported"))),
    };
    object.maybe("file_id", Node::string)?;
    object.end()?;
    Ok(Citation { title, source, quoted, span: Some(span) })
}

fn range<'p>(object: &mut Object<'_, 'p>, start: &'p str, end: &'p str) -> Result<(u64, u64, u64), Fault> {
    let document = object.need("document_index", Node::u64)?;
    Ok((document, object.need(start, Node::u64)?, object.need(end, Node::u64)?))
}
