//! The encoder as a backend: texts in, events out.

use std::sync::Arc;

use canon::{
    Backend, BoxFuture, Capabilities, EmbedInput, EmbedRequest, Fault, Generation, HintSet, Request, Tally,
};

use super::{Encoder, prepare};

/// Calls with less text become tokens where they are asked for, which takes well under a millisecond.
const INLINE_BYTES_MAX: usize = 16 << 10;

impl Encoder {
    async fn start(&self, request: Arc<EmbedRequest>) -> Result<Generation, Fault> {
        let normalise = request.normalize.unwrap_or(self.reading.normalise);
        let ignored = HintSet::of_embed(&request).without(self.capabilities.hints);
        let (tokenizer, reading) = (Arc::clone(&self.tokenizer), self.reading);
        let texts = if bytes(&request) <= INLINE_BYTES_MAX {
            prepare::texts(&request, &tokenizer, reading)?
        } else {
            self.desk.run(move || prepare::texts(&request, &tokenizer, reading)).await?
        };
        let tally = Arc::new(Tally::default());
        tally.set_input(texts.iter().map(|text| text.len() as u64).sum());
        let events = Box::pin(self.queue.submit(texts, normalise)?);
        Ok(Generation { events, tally, relayed: false, ignored })
    }
}

fn bytes(request: &EmbedRequest) -> usize {
    let bytes = |input: &EmbedInput| match input {
        EmbedInput::Text(text) => text.len(),
        EmbedInput::Tokens(_) => 0,
    };
    request.inputs.iter().map(bytes).sum()
}

fn writes_nothing<T: Send + 'static>() -> BoxFuture<'static, Result<T, Fault>> {
    let remedy = "it makes embeddings and writes no text; name another model";
    Box::pin(std::future::ready(Err(Fault::unsupported("model", remedy))))
}

impl Backend for Encoder {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<u64, Fault>> {
        writes_nothing()
    }

    fn generate(&self, _: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>> {
        writes_nothing()
    }

    fn embed(&self, request: Arc<EmbedRequest>) -> BoxFuture<'_, Result<Generation, Fault>> {
        Box::pin(self.start(request))
    }
}
