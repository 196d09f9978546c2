use std::time::Duration;

use bytes::BytesMut;
use canon::{Answer, Event, Fault, Finish, Usage};
use serde::Serialize;

use super::headers::Echo;
use crate::fault::bedrock::write_exception;
use crate::frame::{self, Padding};
use crate::native::{Native, Sink};
use crate::{AnswerHead, Encoder, Reply, ReplyHead, json, media};

/// Says a format's documents as `InvokeModel` does: whole, with the counts in headers, or each in base64 in a `chunk`
/// frame, with the counts in the last.
pub(crate) struct Chunked<N> {
    native: N,
    echo: Echo,
    padding: Padding,
    first_byte: Option<Duration>,
}

impl<N: Native> Chunked<N> {
    pub(super) fn new(native: N, echo: Echo) -> Self {
        Self { native, echo, padding: Padding::default(), first_byte: None }
    }

    /// Lets the format speak into frames, and appends what it held back.
    fn write(
        &mut self,
        out: &mut BytesMut,
        last: Option<&Metrics>,
        say: impl FnOnce(&mut N, &mut Chunks<'_>),
    ) {
        let mut sink = Chunks { out, padding: &mut self.padding, hold: last.is_some(), held: None };
        say(&mut self.native, &mut sink);
        if let (Some(mut document), Some(metrics)) = (sink.held.take(), last) {
            add_metrics(&mut document, metrics);
            sink.chunk(&document);
        }
    }
}

impl<N: Native> Encoder for Chunked<N> {
    fn whole(&mut self, head: &AnswerHead, answer: &Answer, latency: Duration) -> Reply {
        let mut reply = Reply::json(200, self.native.whole(head, answer, latency));
        let metrics = Metrics::of(&answer.finish.usage, latency, None);
        let headers = &mut reply.head.headers;
        headers.extend([
            ("x-amzn-bedrock-input-token-count", metrics.input_token_count.to_string()),
            ("x-amzn-bedrock-output-token-count", metrics.output_token_count.to_string()),
            ("x-amzn-bedrock-invocation-latency", metrics.invocation_latency.to_string()),
        ]);
        let read = metrics.cache_read_input_token_count;
        headers.extend(read.map(|count| ("x-amzn-bedrock-cache-read-input-token-count", count.to_string())));
        let written = metrics.cache_write_input_token_count;
        headers
            .extend(written.map(|count| ("x-amzn-bedrock-cache-write-input-token-count", count.to_string())));
        headers.extend(self.echo.headers());
        reply
    }

    fn prompt(&mut self, prompt: &Usage) {
        self.native.prompt(prompt);
    }

    fn first_byte(&mut self, latency: Duration) {
        self.first_byte = Some(latency);
    }

    fn begin(&mut self, head: &AnswerHead, out: &mut BytesMut) -> ReplyHead {
        self.padding = Padding::new(&head.request_id);
        self.write(out, None, |native, sink| native.begin(head, sink));
        let mut reply = ReplyHead::ok(frame::CONTENT_TYPE);
        reply.headers.push(("x-amzn-bedrock-content-type", "application/json".to_owned()));
        reply.headers.extend(self.echo.headers());
        reply
    }

    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.write(out, None, |native, sink| native.event(event, sink));
    }

    fn finish(&mut self, finish: &Finish, latency: Duration, out: &mut BytesMut) {
        let metrics = Metrics::of(&finish.usage, latency, self.first_byte);
        self.write(out, Some(&metrics), |native, sink| native.finish(finish, latency, sink));
    }

    fn fault(&mut self, fault: &Fault, out: &mut BytesMut) {
        write_exception(fault, true, out);
    }
}

/// What Bedrock adds to the last document of a stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    input_token_count: u64,
    output_token_count: u64,
    invocation_latency: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_latency: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_input_token_count: Option<u64>,
}

impl Metrics {
    fn of(usage: &Usage, latency: Duration, first_byte: Option<Duration>) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let cached = usage.cache_read > 0 || usage.cache_write() > 0;
        Self {
            input_token_count: usage.input,
            output_token_count: usage.generated(),
            invocation_latency: ms(latency),
            first_byte_latency: first_byte.map(ms),
            cache_read_input_token_count: cached.then_some(usage.cache_read),
            cache_write_input_token_count: cached.then_some(usage.cache_write()),
        }
    }
}

/// Puts the metrics into a document that is a JSON object, as every format's are, before its last brace.
fn add_metrics(document: &mut Vec<u8>, metrics: &Metrics) {
    if document.pop_if(|last| *last == b'}').is_some() {
        let comma: &[u8] = if document.last() == Some(&b'{') { b"" } else { b"," };
        document.extend_from_slice(comma);
        document.extend_from_slice(b"\"amazon-bedrock-invocationMetrics\":");
        document.extend_from_slice(&json::encode(metrics));
        document.push(b'}');
    }
}

/// Writes documents as `chunk` frames. At the end of a stream it holds the latest back: that may be the last, which
/// gets the metrics.
struct Chunks<'a> {
    out: &'a mut BytesMut,
    padding: &'a mut Padding,
    hold: bool,
    held: Option<Vec<u8>>,
}

#[derive(Serialize)]
struct Payload<'a> {
    bytes: String,
    p: &'a str,
}

impl Chunks<'_> {
    fn chunk(&mut self, document: &[u8]) {
        let headers =
            [(":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")];
        let payload = Payload { bytes: media::to_base64(document), p: self.padding.next() };
        frame::write(self.out, &headers, &payload);
    }
}

impl Sink for Chunks<'_> {
    fn emit(&mut self, _: Option<&str>, document: &impl Serialize) {
        let mut document = json::encode(document);
        if self.hold {
            match self.held.replace(std::mem::take(&mut document)) {
                None => return,
                Some(earlier) => document = earlier,
            }
        }
        self.chunk(&document);
    }

    fn done(&mut self) {}
}
