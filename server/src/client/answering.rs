use std::collections::VecDeque;

use canon::Event;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use wire::converse::client::StreamDecoder;

use crate::Failure;

/// An answer as it is made. Dropping it hangs up, which cancels the work behind it.
pub struct Answering {
    body: Incoming,
    decoder: StreamDecoder,
    ready: VecDeque<Event>,
    over: bool,
}

impl Answering {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, decoder: StreamDecoder::new(), ready: VecDeque::new(), over: false }
    }

    /// The next event; `None` after the last.
    ///
    /// # Errors
    /// The fault that the stream carries, or [`Failure::UNAVAILABLE`] where it breaks off.
    pub async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.over {
                return Ok(None);
            }
            match self.body.frame().await {
                None => {
                    self.over = true;
                    self.decoder.end()?;
                }
                Some(Err(error)) => {
                    self.over = true;
                    return Err(Failure::unavailable(format!("the answer broke off: {error}"))
                        .with_help("ask again; if the server stopped, start it with: outcrop up"));
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let events = self.decoder.push(&data);
                    self.over = events.is_err();
                    self.ready.extend(events?);
                }
            }
        }
    }
}
