//! How servers count tokens. There is no common way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use canon::{Fault, Kind, Request};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;
use wire::openai::chat::encode;

use super::{Config, fault};
use crate::transport::{Server, whole};

/// A list of tokens may be so large.
const COUNT_BYTES_MAX: usize = 32 << 20;

/// How a server counts the tokens of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counter {
    /// It cannot, or in no way that counts what its template adds.
    #[default]
    None,
    /// vLLM's `POST /tokenize`, which takes messages and tools and says their number.
    /// <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api>
    Vllm,
    /// llama.cpp's `POST /apply-template`, whose prompt `POST /tokenize` turns into tokens.
    /// <https://github.com/ggml-org/llama.cpp/tree/master/tools/server#post-apply-template-apply-chat-template-to-a-conversation>
    LlamaCpp,
    /// Another Outcrop's `POST /model/{model}/count-tokens`, which is Bedrock's, for the body of a call.
    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>
    Outcrop,
}

/// vLLM's answer.
#[derive(Deserialize)]
struct Counted {
    count: u64,
}

/// Outcrop's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bedrocks {
    input_tokens: u64,
}

#[derive(Deserialize)]
struct Templated {
    prompt: String,
}

#[derive(Deserialize)]
struct Tokens<'a> {
    #[serde(borrow)]
    tokens: Vec<&'a RawValue>,
}

pub(super) async fn count(config: &Config, server: &Server, request: &Request) -> Result<u64, Fault> {
    let remedy = "the server behind this model cannot count tokens; make the call and read its usage";
    if config.counter == Counter::None {
        return Err(Fault::unsupported("model", remedy));
    }
    let body =
        encode(&Request { stream: false, ..request.clone() }, &config.upstream_model, &config.dialect)?;
    let ask = Ask { config, server, deadline: Instant::now() + config.deadlines.first_event };
    if config.counter == Counter::Outcrop {
        let call = serde_json::json!({"input": {"invokeModel": {"body": STANDARD.encode(&body)}}});
        let bytes =
            ask.post(&format!("/model/{}/count-tokens", segment(&config.upstream_model)), &call).await?;
        return Ok(parse::<Bedrocks>(&bytes)?.input_tokens);
    }
    let mut body: Map<String, Value> = serde_json::from_slice(&body).map_err(Fault::internal)?;
    // Only these become part of the prompt.
    body.retain(|name, _| matches!(name.as_str(), "model" | "messages" | "tools"));
    body.insert("add_generation_prompt".into(), true.into());
    match config.counter {
        Counter::None | Counter::Outcrop => Err(Fault::unsupported("model", remedy)),
        Counter::Vllm => {
            let bytes = ask.post("/tokenize", &body).await?;
            Ok(parse::<Counted>(&bytes)?.count)
        }
        Counter::LlamaCpp => {
            let bytes = ask.post("/apply-template", &body).await?;
            let prompt = parse::<Templated>(&bytes)?.prompt;
            let text = serde_json::json!({"content": prompt, "add_special": true, "parse_special": true});
            let bytes = ask.post("/tokenize", &text).await?;
            Ok(parse::<Tokens<'_>>(&bytes)?.tokens.len() as u64)
        }
    }
}

/// A model's name as one segment of a path (RFC 3986 §3.3).
fn segment(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

struct Ask<'a> {
    config: &'a Config,
    server: &'a Server,
    deadline: Instant,
}

impl Ask<'_> {
    async fn post(&self, path: &str, document: &impl serde::Serialize) -> Result<Bytes, Fault> {
        let body = serde_json::to_vec(document).map_err(Fault::internal)?;
        let url = format!("{}{path}", self.server.root());
        let response = self.server.post(&url, "application/json", body.into(), self.deadline).await?;
        if !response.status().is_success() {
            return Err(fault::refused(response, &self.config.upstream_model, self.deadline).await);
        }
        whole(response.into_body(), COUNT_BYTES_MAX, self.deadline).await
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        Fault::new(Kind::Upstream { status: None }, "The model's provider sent a count that cannot be read.")
            .with_detail(error)
    })
}
