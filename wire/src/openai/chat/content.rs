use canon::{Blob, Content, Document, DocumentSource, Fault, Media, MediaKind};

use crate::media::{from_base64, from_data_url, short_name};
use crate::object::{Node, Object};

/// A string, or parts of any kind.
pub(super) fn parts(node: &Node<'_, '_>) -> Result<Vec<Content>, Fault> {
    content(node, part)
}

/// A string, or parts that are text.
pub(super) fn texts(node: &Node<'_, '_>) -> Result<Vec<Content>, Fault> {
    content(node, |kind, item, object| match kind {
        "text" => Ok(Content::Text(object.need("text", Node::string)?)),
        "refusal" => Ok(Content::Text(object.need("refusal", Node::string)?)),
        _ => Err(item.unsupported("only text may stand here")),
    })
}

type Read = fn(&str, &Node<'_, '_>, &mut Object<'_, '_>) -> Result<Content, Fault>;

fn content(node: &Node<'_, '_>, read: Read) -> Result<Vec<Content>, Fault> {
    if node.is_string() {
        return Ok(vec![Content::Text(node.string()?)]);
    }
    let parts = node.each(|item| {
        let (kind, mut object) = item.tagged()?;
        let content = read(&kind, &item, &mut object)?;
        let point = object.maybe("prompt_cache_breakpoint", |node| cache_point(&node))?;
        object.end()?;
        Ok(std::iter::once(content).chain(point))
    })?;
    Ok(parts.into_iter().flatten().collect())
}

pub(in crate::openai) fn cache_point(node: &Node<'_, '_>) -> Result<Content, Fault> {
    let mut object = node.object()?;
    object.only(&[("mode", "\"explicit\"", "the only mode is `explicit`")])?;
    let long = object.maybe("ttl", |node| Ok(node.is("\"12h\"")))?.unwrap_or_default();
    object.end()?;
    Ok(Content::CachePoint { long })
}

fn part(kind: &str, item: &Node<'_, '_>, object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    match kind {
        "text" => Ok(Content::Text(object.need("text", Node::string)?)),
        "image_url" => object.need("image_url", |node| {
            let mut image = node.object()?;
            // How closely to look: it changes what a picture costs.
            image.maybe("detail", Node::string)?;
            let picture = image.need("url", |node| picture(&node))?;
            image.end()?;
            Ok(picture)
        }),
        "input_audio" => object.need("input_audio", |node| {
            let mut audio = node.object()?;
            let format = audio.need("format", Node::string)?;
            let data = audio.need("data", |node| {
                from_base64(&node.string()?).ok_or_else(|| node.malformed("expected base64"))
            })?;
            audio.end()?;
            Ok(Content::Media(Media { kind: MediaKind::Audio, format, source: Blob::Bytes(data) }))
        }),
        "file" => object.need("file", |node| {
            let mut object = node.object()?;
            let file = file(&mut object)?;
            object.end()?;
            Ok(file)
        }),
        _ => Err(item.unsupported(format_args!("parts of type `{kind}` are not supported here"))),
    }
}

/// A picture at a URL, or in one.
pub(in crate::openai) fn picture(node: &Node<'_, '_>) -> Result<Content, Fault> {
    let url = node.string()?;
    let (format, source) = if url.starts_with("data:") {
        let (media_type, data) =
            from_data_url(&url).ok_or_else(|| node.malformed("expected `data:image/…;base64,…`"))?;
        (short_name(media_type).to_owned(), Blob::Bytes(data))
    } else {
        (String::new(), Blob::Uri(url))
    };
    Ok(Content::Media(Media { kind: MediaKind::Image, format, source }))
}

/// A file that is in the request.
pub(in crate::openai) fn file(object: &mut Object<'_, '_>) -> Result<Content, Fault> {
    let files = "files are not kept here; send the data itself in `file_data`";
    object.refuse(&[("file_id", files), ("file_url", files)])?;
    let (format, data) = object.need("file_data", |node| {
        let url = node.string()?;
        let (media_type, data) =
            from_data_url(&url).ok_or_else(|| node.malformed("expected `data:…;base64,…`"))?;
        Ok((short_name(media_type).to_owned(), data))
    })?;
    let name = object.maybe("filename", Node::string)?.unwrap_or_default();
    let source = DocumentSource::Blob(Blob::Bytes(data));
    Ok(Content::Document(Document { format, name, source, context: None, cite: false }))
}
