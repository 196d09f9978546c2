//! Any server that speaks OpenAI's Chat Completions: vLLM, llama.cpp, Ollama, another Outcrop.
//!
//! - A request of the same format is **relayed**: only the model's name changes, and the answer is read in passing.
//! - Any other goes through canon, and so does one with an instruction that this server would drop. What differs between servers is a [`Dialect`].
//! - Where a server does not say what an answer used, that is estimated, as [`mod@estimate`] says, and a warning says so
//!   for each answer.
//! - Dropping an answer closes its connection, by which these servers notice.
//!
//! What becomes of failures is the table in [`fault`].

mod answer;
mod count;
mod estimate;
pub mod fault;

use std::sync::Arc;

use bytes::Bytes;
use canon::{Backend, BoxFuture, Capabilities, Fault, Format, Generation, HintSet, Kind, Request, Secret};
use tokio::time::Instant;
use wire::openai::chat::{Relay, encode};

pub use count::Counter;
pub use wire::openai::chat::{Dialect, LengthName};

use crate::transport::{Deadlines, Server};
use answer::Reader;

/// What is needed to use one model of one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the operator calls the server; for logs.
    pub name: String,
    /// Where its API begins, such as `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// Its key, if it wants one.
    pub api_key: Option<Secret>,
    /// What it calls the model.
    pub upstream_model: String,
    /// What it takes.
    pub dialect: Dialect,
    /// How it counts tokens, if it can.
    pub counter: Counter,
    /// What the model can do; [`capabilities`] is the usual beginning.
    pub capabilities: Capabilities,
    /// How long to wait for it.
    pub deadlines: Deadlines,
    /// Calls that may run at once; one more is refused as [`Kind::Overloaded`].
    pub calls_max: usize,
}

/// Calls that may run at once, if nothing else is said.
pub const CALLS_MAX: usize = 1024;

/// What a text model behind a server of that dialect can do.
#[must_use]
pub fn capabilities(dialect: &Dialect) -> Capabilities {
    let given = [
        (HintSet::EFFORT, dialect.effort),
        (HintSet::TIER, dialect.tier),
        (HintSet::METADATA, dialect.metadata),
        (HintSet::USER, dialect.user),
    ];
    Capabilities {
        tools: true,
        json_objects: true,
        schemas: dialect.schemas,
        reasoning: dialect.reasoning,
        citations: true,
        top_k: dialect.top_k,
        penalties: dialect.penalties,
        seed: dialect.seed,
        relays: Some(Format::OpenaiChat),
        hints: given.iter().filter(|(_, is)| *is).fold(HintSet::default(), |set, (hint, _)| set.with(*hint)),
        ..Capabilities::default()
    }
}

/// One model of one server.
#[derive(Debug)]
pub struct OpenAi {
    config: Config,
    server: Server,
}

impl OpenAi {
    /// Prepares to call the server; nothing is sent yet.
    ///
    /// # Errors
    /// [`Kind::Malformed`] for a URL or a key that cannot be used.
    pub fn new(config: Config) -> Result<Self, Fault> {
        let server = Server::new(
            &config.base_url,
            config.api_key.as_ref(),
            config.deadlines.connect,
            config.calls_max,
        )?;
        Ok(Self { config, server })
    }

    async fn answer(&self, request: &Request) -> Result<Generation, Fault> {
        let permit = self.server.permit().ok_or_else(|| {
            Fault::new(Kind::Overloaded, "The model's provider has as many calls as it may. Retry later.")
                .with_detail(format_args!("{}: calls_max is {}", self.config.name, self.config.calls_max))
        })?;
        let (reader, body) = self.encode(request)?;
        let Deadlines { first_event, whole, .. } = self.config.deadlines;
        let deadline = Instant::now() + if request.stream { first_event } else { whole };
        let accept = if request.stream { "text/event-stream" } else { "application/json" };
        let url = format!("{}/chat/completions", self.server.base());
        let response = self.server.post(&url, accept, body, deadline).await?;
        if !response.status().is_success() {
            return Err(fault::refused(response, &self.config.upstream_model, deadline).await);
        }
        let relayed = reader.relays();
        let ignored = if relayed {
            HintSet::default()
        } else {
            HintSet::of(request).without(self.config.capabilities.hints)
        };
        let call = answer::Call {
            server: self.config.name.clone(),
            prompt_tokens: estimate::prompt(request),
            idle: self.config.deadlines.idle,
            permit,
        };
        let generation = if request.stream && is_stream(&response) {
            answer::stream(call, reader, response.into_body(), deadline).await?
        } else {
            if request.stream {
                // Put into chunks of ours, the answer would lose what canon cannot carry, such as likelihoods.
                request.carried()?;
            }
            answer::whole(call, reader, response.into_body(), deadline, request.stream).await?
        };
        Ok(Generation { ignored, ..generation })
    }

    /// The body, and the reader of its answer. What canon cannot carry is relayed or refused.
    fn encode(&self, request: &Request) -> Result<(Reader, Bytes), Fault> {
        let Config { upstream_model, dialect, .. } = &self.config;
        match &request.verbatim {
            Some(verbatim) if verbatim.format == Format::OpenaiChat && dialect.says(request) => {
                let (relay, body) = Relay::new(&verbatim.body, upstream_model, dialect.stream_usage)?;
                Ok((Reader::relay(relay), body))
            }
            _ => Ok((Reader::translate(), encode(request, upstream_model, dialect)?.into())),
        }
    }
}

impl Backend for OpenAi {
    fn capabilities(&self) -> &Capabilities {
        &self.config.capabilities
    }

    fn count<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(count::count(&self.config, &self.server, request))
    }

    fn generate(&self, request: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>> {
        Box::pin(async move {
            self.answer(&request).await.map_err(|fault| {
                let detail =
                    format!("{}: {}", self.config.name, fault.detail().unwrap_or("no more is known"));
                fault.with_detail(detail)
            })
        })
    }
}

/// Whether what follows is a stream; servers that cannot stream answer in one piece.
fn is_stream(response: &hyper::Response<hyper::body::Incoming>) -> bool {
    let kind = response.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_none_or(|kind| !kind.trim_start().starts_with("application/json"))
}

#[cfg(test)]
mod tests;
