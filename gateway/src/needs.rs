//! What a request asks for, held against what a backend can do. Instructions that it cannot follow are refused by
//! name; hints are not looked at here, because ignoring them is allowed. What canon cannot carry fits only where the
//! body itself is passed on.

use canon::{Call, Capabilities, Content, EmbedRequest, Fault, MediaKind, OutputFormat, Request};

/// # Errors
/// [`canon::Kind::Unsupported`], naming the first member that `can` does not cover.
pub(crate) fn check(call: &Call, can: &Capabilities) -> Result<(), Fault> {
    match call {
        Call::Text(request) => text_fits(request, can),
        Call::Embed(request) => vectors_fit(request, can),
    }
}

/// No vector is cut to another length: what is left of one would mean something only where the model was trained for it.
fn vectors_fit(request: &EmbedRequest, can: &Capabilities) -> Result<(), Fault> {
    let Some(made) = can.dimensions else {
        return Err(Fault::unsupported("model", "what serves it makes no embeddings"));
    };
    match request.dimensions {
        Some(asked) if asked != made => {
            let remedy = format!("this model's vectors have {made} numbers; ask for {made} or leave it out");
            Err(Fault::unsupported("dimensions", remedy))
        }
        _ => Ok(()),
    }
}

fn text_fits(request: &Request, can: &Capabilities) -> Result<(), Fault> {
    if !request.verbatim.as_ref().is_some_and(|verbatim| can.relays == Some(verbatim.format)) {
        request.carried()?;
    }
    for (index, content) in request.system.iter().enumerate() {
        content_fits(content, can, &|| format!("system[{index}]"))?;
    }
    for (turn, message) in request.messages.iter().enumerate() {
        for (index, content) in message.content.iter().enumerate() {
            content_fits(content, can, &|| format!("messages[{turn}].content[{index}]"))?;
        }
    }
    let sampling = &request.sampling;
    let penalties = sampling.presence_penalty.is_some() || sampling.frequency_penalty.is_some();
    let held = match request.output {
        OutputFormat::Text => true,
        OutputFormat::JsonObject => can.json_objects || can.schemas,
        OutputFormat::JsonSchema { .. } => can.schemas,
    };
    let asked = [
        (!request.tools.list.is_empty() && !can.tools, "tools", "this model cannot call tools"),
        (
            !held,
            "response format",
            "this model cannot be held to a JSON schema; ask for JSON in the prompt instead",
        ),
        (sampling.top_k.is_some() && !can.top_k, "top_k", "this model does not sample by top_k; use top_p"),
        (sampling.seed.is_some() && !can.seed, "seed", "this model does not take a seed"),
        (penalties && !can.penalties, "presence_penalty, frequency_penalty", "this model takes no penalties"),
    ];
    match asked.into_iter().find(|(unmet, ..)| *unmet) {
        Some((_, field, remedy)) => Err(Fault::unsupported(field, remedy)),
        None => Ok(()),
    }
}

fn content_fits(content: &Content, can: &Capabilities, path: &dyn Fn() -> String) -> Result<(), Fault> {
    let (fits, member, what) = match content {
        Content::Media(media) => match media.kind {
            MediaKind::Image => (can.images, "image", "images"),
            MediaKind::Audio => (can.audio_video, "audio", "sounds"),
            MediaKind::Video => (can.audio_video, "video", "films"),
        },
        Content::Document(_) => (can.documents, "document", "documents; put the text into the message"),
        Content::Reasoning(_) | Content::RedactedReasoning(_) => {
            (can.reasoning, "reasoningContent", "reasoning of earlier turns; leave it out")
        }
        Content::Cited { .. } => {
            (can.citations, "citationsContent", "citations; put the text into the message")
        }
        Content::ToolUse(_) => (can.tools, "toolUse", "tool calls"),
        Content::ToolResult { content, .. } => {
            for (index, part) in content.iter().enumerate() {
                content_fits(part, can, &|| format!("{}.toolResult.content[{index}]", path()))?;
            }
            (can.tools, "toolResult", "tool results")
        }
        Content::Text(_) | Content::Json(_) | Content::CachePoint { .. } => (true, "", ""),
    };
    if fits {
        return Ok(());
    }
    Err(Fault::unsupported(format!("{}.{member}", path()), format_args!("this model does not take {what}")))
}

#[cfg(test)]
mod tests;
