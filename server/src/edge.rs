//! The edge: HTTP in, the straight line, HTTP out. One method per kind of operation, each no longer than what the
//! operation's format makes different.

mod answer;
mod intake;
mod manage;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::Presented;
use bytes::Bytes;
use canon::{Call as Asked, Fault, Kind, ModelId, Request};
use gateway::catalog::Catalog;
use gateway::{Arrival, Gateway, Served};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::service::service_fn;
use wire::fault::Surface;
use wire::{AnswerHead, Encoder, Exchange, Reply};

use crate::health::Health;
use crate::listen::Answering;
use crate::percent;
use crate::route::{self, Operation, Style};
use answer::Body;
pub(crate) use intake::BodyLimits;
use intake::{Intake, Room};
pub use manage::Change;
pub(crate) use manage::Managed;

/// Headers that name a call in an answer: AWS's own, and the two that OpenAI's and Anthropic's clients show.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-amzn-requestid", "request-id", "x-request-id"];
/// The region that ARNs in listings name; clients sign for whichever they like.
const REGION: &str = "us-east-1";

/// What answers requests.
pub(crate) struct Edge {
    gateway: Arc<Gateway>,
    health: Arc<Health>,
    managed: Managed,
    room: Room,
}

/// What every handler needs to know of its call.
struct Call {
    arrival: Arrival,
    started: Instant,
    surface: Surface,
}

type Answered = Result<Response<Body>, Fault>;

impl Edge {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        health: Arc<Health>,
        managed: Managed,
        bodies: BodyLimits,
    ) -> Self {
        Self { gateway, health, managed, room: Room::new(bodies) }
    }

    /// The edge as a listener wants it.
    pub(crate) fn service(self) -> impl Answering {
        let edge = Arc::new(self);
        service_fn(move |request| {
            let edge = Arc::clone(&edge);
            async move { Ok::<_, Infallible>(edge.handle(request).await) }
        })
    }

    /// Answers one request. It never fails: a fault is an answer too.
    async fn handle(&self, request: http::Request<hyper::body::Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let surface = route::surface(path, request.headers().contains_key("anthropic-version"));
        let operation = route::operation(request.method(), path);
        let call = Call { arrival: self.gateway.arrive(), started: Instant::now(), surface };
        let mut response = match self.answer(&call, operation, request).await {
            Ok(response) => response,
            Err(fault) => refuse(&call, &fault),
        };
        name(response.headers_mut(), &call.arrival);
        response
    }

    async fn answer(
        &self,
        call: &Call,
        operation: Option<Operation>,
        request: http::Request<hyper::body::Incoming>,
    ) -> Answered {
        match operation {
            Some(Operation::Health) => return Ok(plain(200, "ok\n")),
            Some(Operation::Ready) => return Ok(self.ready()),
            _ => {}
        }
        // The body is read even if it is of no use: a client that writes before it reads would not see its refusal.
        let intake = Intake::read(request, &self.room).await?;
        if self.health.draining() {
            return Err(Fault::new(
                Kind::Draining,
                "This server is shutting down. Retry on another or later.",
            ));
        }
        let headers = intake.headers();
        let presented = intake.presented(&headers);
        match operation {
            Some(Operation::Model { model, style: Style::Converse, stream }) => {
                let decode = |_: &_| wire::converse::decode(model.as_str(), stream, &intake.body);
                self.exchange(call, &presented, decode).await
            }
            Some(Operation::Model { model, style: Style::Invoke, stream }) => {
                let decode = |catalog: &Catalog| {
                    let said = wire::invoke::Headers::read(stream, |name| intake.header(name));
                    let model = (model.as_str(), catalog.makes_embeddings(&model));
                    wire::invoke::decode_any(model, stream, &said, &intake.body)
                };
                self.exchange(call, &presented, decode).await
            }
            Some(Operation::ChatCompletions) => {
                self.exchange(call, &presented, |_: &_| wire::openai::chat::decode(&intake.body)).await
            }
            Some(Operation::Responses) => {
                self.exchange(call, &presented, |_: &_| wire::openai::responses::decode(&intake.body)).await
            }
            Some(Operation::Embeddings) => {
                self.exchange(call, &presented, |_: &_| wire::openai::embeddings::decode(&intake.body)).await
            }
            Some(Operation::Messages) => {
                self.exchange(call, &presented, |_: &_| wire::anthropic::decode(&intake.body)).await
            }
            Some(Operation::CountTokens { model }) => {
                let decode = || wire::count::decode(model.as_str(), &intake.body);
                self.count(call, &presented, decode, wire::count::encode).await
            }
            Some(Operation::MessagesCount) => {
                let decode = || wire::anthropic::decode_count(&intake.body);
                self.count(call, &presented, decode, wire::anthropic::encode_count).await
            }
            Some(Operation::ListFoundationModels) => self.list(call, &presented),
            Some(Operation::GetFoundationModel { model }) => {
                let card = self.gateway.model(call.arrival, &presented, &model)?;
                Ok(reply(wire::models::get(&card, REGION)))
            }
            Some(Operation::Models) => {
                let cards = self.gateway.models(call.arrival, &presented)?;
                Ok(reply(match call.surface {
                    Surface::Anthropic => wire::anthropic::models(&cards),
                    Surface::Bedrock | Surface::Openai => wire::openai::models(&cards),
                }))
            }
            Some(Operation::OneModel { model }) => self.one_model(call, &presented, &model),
            Some(Operation::Shelved) => self.shelved(call, &presented),
            Some(Operation::Status { model }) => self.status(call, &presented, &model),
            Some(Operation::Manage { model, change }) => self.manage(call, &presented, &model, change).await,
            Some(Operation::Health | Operation::Ready) | None => {
                // Who asks comes first: a stranger learns nothing, not even what is not there.
                self.gateway.models(call.arrival, &presented)?;
                Err(Fault::new(Kind::UnknownRoute, "No operation has this method and path."))
            }
        }
    }

    /// A call of a model: decode, serve, encode.
    async fn exchange<D, R>(&self, call: &Call, presented: &Presented<'_>, decode: D) -> Answered
    where
        D: FnOnce(&Catalog) -> Result<Exchange<R>, Fault>,
        R: Into<Asked>,
    {
        let mut encoder = None;
        let mut stream = false;
        let decode = |catalog: &Catalog| -> Result<Asked, Fault> {
            let exchange = decode(catalog)?.into_call();
            stream = exchange.request.stream();
            encoder = Some(exchange.encoder);
            Ok(exchange.request)
        };
        let served = self.gateway.serve(call.arrival, presented, decode).await?;
        let Some(encoder) = encoder else { return Err(Fault::internal("served without having decoded")) };
        if stream { Ok(self.stream(call, served, encoder)) } else { self.whole(call, served, encoder).await }
    }

    fn stream(&self, call: &Call, served: Served, encoder: Box<dyn Encoder>) -> Response<Body> {
        let ignored = served.ignored;
        let head = call.head(&served.model);
        let (head, body) = answer::Stream::begin(served, encoder, &head, call.started);
        let mut response = respond(&head, Body::stream(body));
        note_ignored(response.headers_mut(), ignored);
        response
    }

    async fn whole(&self, call: &Call, served: Served, mut encoder: Box<dyn Encoder>) -> Answered {
        let ignored = served.ignored;
        let head = call.head(&served.model);
        let reply_ = if served.relayed {
            Reply::json(200, answer::relayed(served.events).await?)
        } else {
            let whole = answer::gather(served.events).await?;
            encoder.whole(&head, &whole, call.started.elapsed())
        };
        let mut response = reply(reply_);
        note_ignored(response.headers_mut(), ignored);
        Ok(response)
    }

    async fn count<D>(
        &self,
        call: &Call,
        presented: &Presented<'_>,
        decode: D,
        encode: fn(u64) -> Reply,
    ) -> Answered
    where
        D: FnOnce() -> Result<Request, Fault>,
    {
        let tokens = self.gateway.count(call.arrival, presented, decode).await?;
        Ok(reply(encode(tokens)))
    }

    fn list(&self, call: &Call, presented: &Presented<'_>) -> Answered {
        let cards = self.gateway.models(call.arrival, presented)?;
        let [provider, output, inference, customization] =
            ["byProvider", "byOutputModality", "byInferenceType", "byCustomizationType"]
                .map(|name| percent::parameter(presented.query, name));
        let filters = wire::models::Filters {
            provider: provider.as_deref(),
            output_modality: output.as_deref(),
            inference_type: inference.as_deref(),
            customization_type: customization.as_deref(),
        };
        Ok(reply(wire::models::list(&cards, &filters, REGION)?))
    }

    fn one_model(&self, call: &Call, presented: &Presented<'_>, model: &ModelId) -> Answered {
        let card = self.gateway.model(call.arrival, presented, model)?;
        Ok(reply(match call.surface {
            Surface::Anthropic => wire::anthropic::model(&card),
            Surface::Bedrock | Surface::Openai => wire::openai::model(&card),
        }))
    }

    fn ready(&self) -> Response<Body> {
        match self.health.unready() {
            None => plain(200, "ready\n"),
            Some(reason) => plain(503, reason),
        }
    }
}

impl Call {
    fn head(&self, model: &ModelId) -> AnswerHead {
        AnswerHead {
            request_id: self.arrival.id.to_string(),
            model: model.clone(),
            created_s: Duration::from_millis(self.arrival.at_ms).as_secs(),
        }
    }
}

/// A fault as an answer; logged here, once.
fn refuse(call: &Call, fault: &Fault) -> Response<Body> {
    let encoded = wire::fault::encode(call.surface, fault, &call.arrival.id.to_string());
    let (request, code, status) = (call.arrival.id, fault.kind().code(), encoded.head.status);
    let detail = fault.detail().unwrap_or_default();
    if status >= 500 {
        tracing::error!(%request, code, status, %fault, detail, "call failed");
    } else {
        tracing::info!(%request, code, status, %fault, detail, "call refused");
    }
    reply(encoded)
}

fn reply(reply: Reply) -> Response<Body> {
    respond(&reply.head, Body::full(reply.body))
}

fn plain(status: u16, text: &'static str) -> Response<Body> {
    let head = wire::ReplyHead { status, ..wire::ReplyHead::ok("text/plain; charset=utf-8") };
    respond(&head, Body::full(Bytes::from_static(text.as_bytes())))
}

fn respond(head: &wire::ReplyHead, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &head.headers {
        // A value that a header cannot carry (a model's name in a foreign script) is left out rather than failing.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}

fn name(headers: &mut HeaderMap, arrival: &Arrival) {
    if let Ok(id) = HeaderValue::from_str(&arrival.id.to_string()) {
        for header in REQUEST_ID_HEADERS {
            headers.insert(HeaderName::from_static(header), id.clone());
        }
    }
}

fn note_ignored(headers: &mut HeaderMap, ignored: canon::HintSet) {
    let names: Vec<_> = ignored.names().collect();
    if let (false, Ok(value)) = (names.is_empty(), HeaderValue::from_str(&names.join(", "))) {
        headers.insert(HeaderName::from_static("x-outcrop-ignored"), value);
    }
}

#[cfg(test)]
mod tests;
