//! Reads an answer, whole or as it is made.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use canon::{Answer, BlockKind, Content, Event, Fault, Finish, Generation, HintSet, Kind, Tally, Usage};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout, timeout_at};
use wire::Frames;
use wire::openai::chat::{Answered, Relay, Stream, decode_answer};

use super::estimate;
use crate::transport::{self, Permit, chain, late};

/// A whole answer may be so large.
const WHOLE_BYTES_MAX: usize = 32 << 20;

/// A stream may be so long.
const STREAM_BYTES_MAX: usize = 256 << 20;

/// One event of a stream may be so large.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// How long the last bytes of a response may take after its end mark, before its connection is given up.
const DRAIN_MS: u64 = 1000;

/// What is known of a call besides its answer.
pub(super) struct Call {
    /// The server's name, for the log.
    pub(super) server: String,
    /// A guess at the prompt's tokens.
    pub(super) prompt_tokens: u64,
    /// How long the next event may take.
    pub(super) idle: Duration,
    #[expect(dead_code, reason = "held as long as the call runs")]
    pub(super) permit: Permit,
}

/// Makes events of what the server says.
pub(super) struct Reader {
    frames: Frames,
    manner: Manner,
}

enum Manner {
    Translate(Stream),
    Relay(Relay),
}

impl Reader {
    pub(super) fn translate() -> Self {
        Self { frames: Frames::new(EVENT_BYTES_MAX), manner: Manner::Translate(Stream::new()) }
    }

    pub(super) fn relay(relay: Relay) -> Self {
        Self { frames: Frames::new(EVENT_BYTES_MAX), manner: Manner::Relay(relay) }
    }

    pub(super) fn relays(&self) -> bool {
        matches!(self.manner, Manner::Relay(_))
    }

    fn stream(&self) -> &Stream {
        match &self.manner {
            Manner::Translate(stream) => stream,
            Manner::Relay(relay) => relay.stream(),
        }
    }

    /// Takes the next bytes, and says whether an event was among them.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<bool, Fault> {
        let pushed = self.frames.push(bytes);
        let mut moved = false;
        while let Some(frame) = self.frames.pop() {
            moved = true;
            match &mut self.manner {
                Manner::Translate(stream) => stream.push(&frame.data, out)?,
                Manner::Relay(relay) => relay.push(&frame, out)?,
            }
        }
        pushed.map(|()| moved).map_err(|overlong| broken(&overlong))
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<Finish, Fault> {
        match &mut self.manner {
            Manner::Translate(stream) => stream.end(out),
            Manner::Relay(relay) => relay.end(out),
        }
    }
}

/// Reads an answer in one piece. One that was to be a stream (`streamed`) cannot be relayed, so it is translated.
pub(super) async fn whole(
    call: Call,
    reader: Reader,
    body: Incoming,
    deadline: Instant,
    streamed: bool,
) -> Result<Generation, Fault> {
    let body = transport::whole(body, WHOLE_BYTES_MAX, deadline).await?;
    let (answered, verbatim) = match reader.manner {
        Manner::Relay(relay) if !streamed => {
            let (answered, bytes) = relay.whole(&body)?;
            (answered, Some(bytes))
        }
        Manner::Relay(_) | Manner::Translate(_) => (decode_answer(&body)?, None),
    };
    let Answered { mut answer, counted } = answered;
    if !counted {
        answer.finish.usage = guess(&call, estimate::answer(&answer.content));
    }
    let tally = Arc::new(Tally::default());
    tally.set_input(answer.finish.usage.prompt());
    tally.add_output(answer.finish.usage.generated());
    let relayed = verbatim.is_some();
    answer.finish.verbatim = verbatim;
    let events = Box::pin(stream::iter(steps(answer).into_iter().map(Ok)));
    Ok(Generation { events, tally, relayed, ignored: HintSet::default() })
}

/// Reads a stream. Its first event is awaited here, so that a server which fails before it can still be replaced.
pub(super) async fn stream(
    call: Call,
    reader: Reader,
    body: Incoming,
    deadline: Instant,
) -> Result<Generation, Fault> {
    let tally = Arc::new(Tally::default());
    tally.guess_input(call.prompt_tokens);
    let relayed = reader.relays();
    let mut progress = Progress {
        call,
        reader,
        body: Some(body),
        ready: VecDeque::new(),
        failed: None,
        tally: Arc::clone(&tally),
        deltas: 0,
        bytes: 0,
        deadline,
    };
    while progress.ready.is_empty() && progress.body.is_some() {
        progress.read().await;
    }
    if progress.ready.is_empty()
        && let Some(fault) = progress.failed.take()
    {
        return Err(fault);
    }
    let events = stream::unfold(progress, |mut progress| async {
        let event = progress.next().await?;
        Some((event, progress))
    });
    Ok(Generation { events: Box::pin(events), tally, relayed, ignored: HintSet::default() })
}

/// A stream, as far as it was read.
struct Progress {
    call: Call,
    reader: Reader,
    /// `None` when nothing more is read.
    body: Option<Incoming>,
    ready: VecDeque<Event>,
    /// Comes after what is ready.
    failed: Option<Fault>,
    tally: Arc<Tally>,
    /// How many of the stream's deltas the tally knows of.
    deltas: u64,
    bytes: usize,
    deadline: Instant,
}

impl Progress {
    async fn next(&mut self) -> Option<Result<Event, Fault>> {
        while self.ready.is_empty() && self.body.is_some() {
            self.read().await;
        }
        self.ready.pop_front().map(Ok).or_else(|| self.failed.take().map(Err))
    }

    /// Takes the next bytes, or the end.
    async fn read(&mut self) {
        let Some(body) = &mut self.body else { return };
        match timeout_at(self.deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    self.take(&bytes);
                }
            }
            Ok(None) => self.end(),
            // What is missing is only the end mark, and perhaps the usage.
            Ok(Some(Err(_))) | Err(_) if self.reader.stream().has_ended() => self.end(),
            Ok(Some(Err(error))) => self.fail(broken(&chain(&error))),
            Err(_) => self.fail(late("it stopped in the middle of its answer")),
        }
    }

    fn take(&mut self, bytes: &Bytes) {
        self.bytes += bytes.len();
        if self.bytes > STREAM_BYTES_MAX {
            return self.fail(broken(&format_args!("the stream is longer than {STREAM_BYTES_MAX} bytes")));
        }
        let mut events = Vec::new();
        let pushed = self.reader.push(bytes, &mut events);
        self.ready.extend(events);
        let deltas = self.reader.stream().deltas();
        self.tally.add_output(deltas - self.deltas);
        self.deltas = deltas;
        match pushed {
            Err(fault) => self.fail(fault),
            Ok(_) if self.reader.stream().is_done() => self.end(),
            Ok(true) => self.deadline = Instant::now() + self.call.idle,
            Ok(false) => {}
        }
    }

    fn end(&mut self) {
        let mut events = Vec::new();
        match self.reader.end(&mut events) {
            Err(fault) => self.fail(fault),
            Ok(mut finish) => {
                match self.reader.stream().usage() {
                    Some(usage) => self.tally.set_input(usage.prompt()),
                    None => finish.usage = guess(&self.call, self.deltas),
                }
                self.ready.extend(events);
                self.ready.push_back(Event::Finish(finish));
                if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
                    drain(body);
                }
            }
        }
    }

    /// Nothing more is read: the connection closes.
    fn fail(&mut self, fault: Fault) {
        self.failed = Some(fault);
        self.body = None;
    }
}

/// Reads what follows the end mark, so that the connection can be used again. The task ends by itself.
fn drain(mut body: Incoming) {
    tokio::spawn(timeout(Duration::from_millis(DRAIN_MS), async move {
        while let Some(Ok(frame)) = body.frame().await {
            // Nothing but the last chunk's mark should come; a server that goes on is not waited for.
            if frame.data_ref().is_some_and(|bytes| !bytes.is_empty()) {
                break;
            }
        }
    }));
}

/// Usage that nobody counted.
fn guess(call: &Call, output: u64) -> Usage {
    tracing::warn!(server = call.server, "the server did not say what an answer used; it is estimated");
    Usage::plain(call.prompt_tokens, output)
}

/// The steps of an answer that is there.
fn steps(answer: Answer) -> Vec<Event> {
    let mut events = Vec::new();
    for (index, block) in (0..).zip(answer.content) {
        let (kind, step) = match block {
            Content::Text(text) => (BlockKind::Text, Event::Text { index, text }),
            Content::Reasoning(reasoning) => {
                (BlockKind::Reasoning, Event::Reasoning { index, text: reasoning.text })
            }
            Content::ToolUse(call) => {
                let fragment = call.input.text().to_owned();
                (BlockKind::ToolUse { id: call.id, name: call.name }, Event::ToolInput { index, fragment })
            }
            // This format answers in nothing else.
            _ => continue,
        };
        events.extend([Event::BlockStart { index, kind }, step, Event::BlockStop { index }]);
    }
    events.push(Event::Finish(answer.finish));
    events
}

fn broken(why: &impl std::fmt::Display) -> Fault {
    Fault::new(
        Kind::UpstreamStream,
        "The model's provider failed in the middle of the answer. Retry, or shorten the answer.",
    )
    .with_detail(why)
}
