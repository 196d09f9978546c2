//! An answer on its way out: gathered whole, or encoded event by event as the backend makes them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use canon::{Answer, Event, Fault, Fold};
use futures_util::StreamExt as _;
use gateway::{Metered, Served};
use http_body::Frame;
use wire::{AnswerHead, Encoder, ReplyHead};

/// Events that are ready at once are sent as one frame, up to this size.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// The body of a response.
pub(crate) enum Body {
    Full(Option<Bytes>),
    Stream(Box<Stream>),
}

impl Body {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    pub(crate) fn stream(stream: Stream) -> Self {
        Self::Stream(Box::new(stream))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take()),
            Self::Stream(stream) => stream.poll(cx),
        };
        frame.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Stream(stream) => stream.over && stream.out.is_empty(),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Full(bytes) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) => http_body::SizeHint::default(),
        }
    }
}

/// Encodes events as they come. Dropping it, as the listener does when the client goes away, drops the events, which
/// cancels the backend and settles the call.
pub(crate) struct Stream {
    events: Metered,
    encoder: Box<dyn Encoder>,
    relayed: bool,
    started: Instant,
    out: BytesMut,
    over: bool,
}

impl Stream {
    pub(crate) fn begin(
        served: Served,
        mut encoder: Box<dyn Encoder>,
        head: &AnswerHead,
        started: Instant,
    ) -> (ReplyHead, Self) {
        let mut out = BytesMut::new();
        if let Some(prompt) = served.events.prompt() {
            encoder.prompt(&prompt);
        }
        encoder.first_byte(started.elapsed());
        let reply = encoder.begin(head, &mut out);
        if served.relayed {
            // The backend's own bytes bring their own beginning.
            out.clear();
        }
        let Served { events, relayed, .. } = served;
        (reply, Self { events, encoder, relayed, started, out, over: false })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.over && self.out.len() < FRAME_BYTES_MAX {
            match self.events.poll_next_unpin(cx) {
                Poll::Pending if self.out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(item) => self.encode(item),
            }
        }
        if self.out.is_empty() { Poll::Ready(None) } else { Poll::Ready(Some(self.out.split().freeze())) }
    }

    fn encode(&mut self, item: Option<Result<Event, Fault>>) {
        match item {
            None => self.over = true,
            Some(Ok(Event::Verbatim(bytes))) => self.out.extend_from_slice(&bytes),
            Some(Ok(Event::Finish(finish))) => {
                self.over = true;
                match finish.verbatim.as_ref().filter(|_| self.relayed) {
                    Some(tail) => self.out.extend_from_slice(tail),
                    None => self.encoder.finish(&finish, self.started.elapsed(), &mut self.out),
                }
            }
            Some(Ok(_)) if self.relayed => {}
            Some(Ok(event)) => self.encoder.event(&event, &mut self.out),
            Some(Err(fault)) => {
                self.over = true;
                let detail = fault.detail().unwrap_or_default();
                tracing::warn!(code = fault.kind().code(), %fault, detail, "answer failed after it began");
                self.encoder.fault(&fault, &mut self.out);
            }
        }
    }
}

/// The whole of an answer.
pub(crate) async fn gather(mut events: Metered) -> Result<Answer, Fault> {
    let mut fold = Fold::default();
    while let Some(event) = events.next().await {
        if let Some(answer) = fold.push(event?)? {
            return Ok(answer);
        }
    }
    Err(Fault::internal("an answer without an end"))
}

/// The whole of a relayed answer, as the backend wrote it.
pub(crate) async fn relayed(mut events: Metered) -> Result<Bytes, Fault> {
    let mut all = BytesMut::new();
    while let Some(event) = events.next().await {
        match event? {
            Event::Verbatim(bytes) => all.extend_from_slice(&bytes),
            Event::Finish(finish) => {
                let tail = finish.verbatim.unwrap_or_default();
                if all.is_empty() {
                    return Ok(tail);
                }
                all.extend_from_slice(&tail);
                return Ok(all.freeze());
            }
            _ => {}
        }
    }
    Err(Fault::internal("an answer without an end"))
}
