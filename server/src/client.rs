//! What this process asks of other servers on behalf of the person at the terminal: files of models, and a running
//! Outcrop's answers.

mod answering;
mod outbound;
mod refused;
mod shelf;

use std::path::Path;

use bytes::Bytes;
use canon::{Modality, ModelCard, ModelId, Request, Secret};
use http::{Method, Request as HttpRequest, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

use self::outbound::send_near;
use self::refused::refused;
use crate::Failure;
use crate::places::{API_KEY_FILE, ENDPOINT_FILE};

pub use crate::edge::Change;
pub use answering::Answering;
pub(crate) use outbound::send_abroad;

const LISTING_BYTES_MAX: usize = 4 << 20;

/// Speaks to one Outcrop, with one key.
#[derive(Debug)]
pub struct Client {
    endpoint: String,
    key: Secret,
}

impl Client {
    /// A client of `endpoint`, or else of the server that runs on the data folder `dir`; with `key`, or else with the
    /// first key of that folder.
    ///
    /// # Errors
    /// [`Failure::UNAVAILABLE`] where no server runs on the folder, [`Failure::IO`] where the key cannot be read.
    pub fn find(dir: &Path, endpoint: Option<String>, key: Option<Secret>) -> Result<Self, Failure> {
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => std::fs::read_to_string(dir.join(ENDPOINT_FILE)).map_err(|_| not_running(dir))?,
        };
        let key = match key {
            Some(key) => key,
            None => {
                let path = dir.join(API_KEY_FILE);
                let line = std::fs::read_to_string(&path).map_err(|error| {
                    Failure::io(format!("cannot read {}: {error}", path.display()))
                        .with_help("name the folder of the server with --data-dir DIR, or a key with OUTCROP_API_KEY=KEY")
                })?;
                Secret::new(line.trim())
            }
        };
        Ok(Self { endpoint: endpoint.trim().trim_end_matches('/').to_owned(), key })
    }

    /// The URL that it speaks to.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The models that the key may use.
    ///
    /// # Errors
    /// [`Failure::UNAVAILABLE`] where no server answers, else what it said.
    pub async fn models(&self) -> Result<Vec<ModelCard>, Failure> {
        let answer = self.send(Method::GET, "/foundation-models", Bytes::new()).await?;
        let body = Limited::new(answer.into_body(), LISTING_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.garbled(&error.to_string()))?.to_bytes();
        let listing: Listing =
            serde_json::from_slice(&body).map_err(|error| self.garbled(&error.to_string()))?;
        Ok(listing.model_summaries.into_iter().map(Summary::into_card).collect())
    }

    /// Begins an answer to `request`.
    ///
    /// # Errors
    /// [`Failure::UNAVAILABLE`] where no server answers, else what it said.
    pub async fn converse(&self, request: &Request) -> Result<Answering, Failure> {
        let body = wire::converse::client::encode(request)?;
        let path = format!("/model/{}/converse-stream", segment(request.model.as_str()));
        let answer = self.send(Method::POST, &path, body.into()).await?;
        Ok(Answering::new(answer.into_body()))
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Failure> {
        let bearer = [b"Bearer ", self.key.expose()].concat();
        let request = HttpRequest::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body));
        let request = request.map_err(|error| {
            Failure::usage(format!("{} is no address that can be used: {error}", self.endpoint))
                .with_help("write it like http://127.0.0.1:4100")
        })?;
        let answer = send_near(request)
            .await
            .map_err(|reason| Failure::unavailable(reason).with_help("start a server with: outcrop up"))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(answer).await) }
    }

    fn garbled(&self, why: &str) -> Failure {
        Failure::unavailable(format!("what answers at {} is no Outcrop: {why}", self.endpoint))
    }
}

fn not_running(dir: &Path) -> Failure {
    Failure::unavailable(format!("no Outcrop is running on {}", dir.display()))
        .with_help("start one with: outcrop up\nor name one that runs elsewhere with --endpoint URL")
}

/// Percent-encodes one segment of a path.
fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    model_summaries: Vec<Summary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    model_id: String,
    #[serde(default)]
    model_name: String,
    #[serde(default)]
    provider_name: String,
    #[serde(default)]
    input_modalities: Vec<String>,
    #[serde(default)]
    output_modalities: Vec<String>,
}

impl Summary {
    fn into_card(self) -> ModelCard {
        let modalities = |names: Vec<String>| names.iter().filter_map(|name| modality(name)).collect();
        ModelCard {
            id: ModelId::new(self.model_id),
            name: self.model_name,
            provider: self.provider_name,
            input: modalities(self.input_modalities),
            output: modalities(self.output_modalities),
            context_tokens_max: None,
            since_ms: 0,
        }
    }
}

fn modality(name: &str) -> Option<Modality> {
    match name {
        "TEXT" => Some(Modality::Text),
        "IMAGE" => Some(Modality::Image),
        "EMBEDDING" => Some(Modality::Embedding),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
