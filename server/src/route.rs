//! Which operation a request asks for. The path is matched raw, as on the wire: a model id may hold an encoded colon or
//! slash, and SDKs sign what they send. Any prefix is allowed before a known path, because clients keep the path of
//! their endpoint URL.

use canon::ModelId;
use http::Method;
use wire::fault::Surface;

use crate::edge::Change;
use crate::percent;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The process is alive.
    Health,
    /// It can serve.
    Ready,
    /// Bedrock Converse, ConverseStream, InvokeModel and its stream.
    Model { model: ModelId, style: Style, stream: bool },
    /// Bedrock CountTokens.
    CountTokens { model: ModelId },
    /// Bedrock `ListFoundationModels`.
    ListFoundationModels,
    /// Bedrock `GetFoundationModel`.
    GetFoundationModel { model: ModelId },
    /// OpenAI chat completions.
    ChatCompletions,
    /// OpenAI responses.
    Responses,
    /// OpenAI embeddings.
    Embeddings,
    /// Anthropic messages.
    Messages,
    /// Anthropic token counting.
    MessagesCount,
    /// `/v1/models`, which OpenAI and Anthropic share.
    Models,
    /// `/v1/models/{id}`, likewise.
    OneModel { model: ModelId },
    /// Which models are in memory.
    Shelved,
    /// How one model of this process stands.
    Status { model: ModelId },
    /// To load a model, unload or pin it.
    Manage { model: ModelId, change: Change },
}

/// The two bodies under `/model/{id}/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Converse,
    Invoke,
}

/// The operation of `method` and raw `path`; `None` where there is none.
pub(crate) fn operation(method: &Method, path: &str) -> Option<Operation> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match (method.as_str(), segments.as_slice()) {
        // Probes often ask for the head alone.
        ("GET" | "HEAD", [.., "healthz"]) => Some(Operation::Health),
        ("GET" | "HEAD", [.., "readyz"]) => Some(Operation::Ready),
        ("POST", [.., "v1", "chat", "completions"]) => Some(Operation::ChatCompletions),
        ("POST", [.., "v1", "responses"]) => Some(Operation::Responses),
        ("POST", [.., "v1", "embeddings"]) => Some(Operation::Embeddings),
        ("POST", [.., "v1", "messages"]) => Some(Operation::Messages),
        ("POST", [.., "v1", "messages", "count_tokens"]) => Some(Operation::MessagesCount),
        ("GET", [.., "outcrop", "v1", "models"]) => Some(Operation::Shelved),
        ("GET", [.., "outcrop", "v1", "models", id]) => Some(Operation::Status { model: decode(id) }),
        ("POST", [.., "outcrop", "v1", "models", id, name]) => {
            let change = Change::ALL.into_iter().find(|change| change.name() == *name)?;
            Some(Operation::Manage { model: decode(id), change })
        }
        ("GET", [.., "v1", "models"]) => Some(Operation::Models),
        ("GET", [.., "v1", "models", id]) => Some(Operation::OneModel { model: decode(id) }),
        ("GET", [.., "foundation-models"]) => Some(Operation::ListFoundationModels),
        ("GET", segments) => {
            let id = after(segments, "foundation-models")?;
            Some(Operation::GetFoundationModel { model: decode(&id.join("/")) })
        }
        ("POST", [head @ .., last]) => {
            let model = decode(&after(head, "model")?.join("/"));
            let (style, stream) = match *last {
                "converse" => (Style::Converse, false),
                "converse-stream" => (Style::Converse, true),
                "invoke" => (Style::Invoke, false),
                "invoke-with-response-stream" => (Style::Invoke, true),
                "count-tokens" => return Some(Operation::CountTokens { model }),
                _ => return None,
            };
            Some(Operation::Model { model, style, stream })
        }
        _ => None,
    }
}

/// Whose manners a request expects, even where it asks for nothing that there is.
pub(crate) fn surface(path: &str, speaks_anthropic: bool) -> Surface {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if segments.clone().any(|segment| segment == "outcrop") {
        return Surface::Bedrock;
    }
    if segments.clone().any(|segment| segment == "anthropic" || segment == "messages") {
        return Surface::Anthropic;
    }
    match segments.any(|segment| segment == "v1" || segment == "openai") {
        true if speaks_anthropic => Surface::Anthropic,
        true => Surface::Openai,
        false => Surface::Bedrock,
    }
}

/// What follows the last segment that is `marker`; several segments where an ARN came with its slash unencoded.
fn after<'a>(segments: &'a [&'a str], marker: &str) -> Option<&'a [&'a str]> {
    let at = segments.iter().rposition(|segment| *segment == marker)?;
    segments.get(at + 1..).filter(|rest| !rest.is_empty())
}

fn decode(segment: &str) -> ModelId {
    ModelId::new(percent::decode(segment))
}

#[cfg(test)]
mod tests;
