//! The engine as a backend: requests in, events out.

mod answer;
mod channel;
pub(crate) mod desk;
mod language;
mod tuned;
mod words;

use std::path::Path;
use std::sync::Arc;

use canon::{Backend, BoxFuture, Capabilities, Fault, Generation, HintSet, Request, Tally, Tier, Usage};

use self::answer::{Answer, Text};
use self::channel::channel;
use self::desk::Desk;
use self::language::{Language, Prepared};
use self::tuned::Adapters;
pub use self::tuned::{AdapterFacts, AdapterOutline, Tuned};
pub use self::words::Words;
use crate::adapter::Adapter;
use crate::chat::{Reader, has_shape, text_bytes};
use crate::gguf::{Gguf, Watcher};
use crate::sampler::{Random, Sampler, StopScanner, entropy};
use crate::scheduler::{Facts, Options, Scheduler, Terms, Work};
use crate::tokenizer::Utf8Buffer;

/// Prompts of less text are written where they are asked for, which takes well under a millisecond.
const INLINE_BYTES_MAX: usize = 16 << 10;

/// A model of this process.
pub struct Engine {
    scheduler: Scheduler,
    language: Arc<Language>,
    desk: Desk,
    capabilities: Capabilities,
    adapters: Adapters,
}

impl Engine {
    /// Loads the model of a GGUF file and starts its threads. Takes seconds, and is no work for an executor.
    ///
    /// # Errors
    /// The file cannot be read, lies about itself, or holds a model or a tokenizer that is not known here; the fault
    /// names the key.
    pub fn load(path: &Path, options: &Options) -> Result<Self, Fault> {
        let gguf = Gguf::open(path)?;
        Self::from_gguf(&gguf, options)
    }

    /// As [`Self::load`]; `watcher` hears how far it is.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_watched(path: &Path, options: &Options, watcher: Watcher) -> Result<Self, Fault> {
        let mut gguf = Gguf::open(path)?;
        gguf.watch(watcher);
        Self::from_gguf(&gguf, options)
    }

    /// As [`Self::load`], of a file that is open.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn from_gguf(gguf: &Gguf, options: &Options) -> Result<Self, Fault> {
        let language = Language::read(&gguf.metadata())?;
        let scheduler = Scheduler::start(gguf, options)?;
        let (tokens, rows) = (language.tokenizer.len(), scheduler.facts().vocabulary);
        if tokens > rows {
            let problem = format!("{tokens} tokens, of which the model can say {rows}");
            return Err(Fault::malformed("tokenizer.ggml.tokens", problem));
        }
        let capabilities = capabilities(options);
        Ok(Self {
            scheduler,
            language: Arc::new(language),
            desk: Desk::open()?,
            capabilities,
            adapters: Adapters::default(),
        })
    }

    /// What it can take: the context, and what runs it.
    #[must_use]
    pub const fn facts(&self) -> Facts {
        self.scheduler.facts()
    }

    /// What it has done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.scheduler.work()
    }

    /// How many requests wait to be run.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.scheduler.waiting()
    }

    /// How many requests are run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.scheduler.running()
    }

    async fn start(&self, request: Arc<Request>, adapter: Option<Arc<Adapter>>) -> Result<Generation, Fault> {
        let context = self.facts().context_tokens;
        let prepared = if is_small(&request) {
            self.language.prepare(&request, context)?
        } else {
            let (language, request) = (Arc::clone(&self.language), Arc::clone(&request));
            self.desk.run(move || language.prepare(&request, context)).await?
        };
        let tally = Arc::new(Tally::default());
        tally.set_input(prepared.prompt.len() as u64);
        let (sender, events) = channel();
        let mut answer = self.answer(&request, prepared, sender, Arc::clone(&tally));
        answer.terms.adapter = adapter.as_ref().map_or(0, |adapter| adapter.number());
        answer.adapter = adapter;
        self.scheduler.submit(Box::new(answer))?;
        let ignored = HintSet::of(&request).without(self.capabilities.hints);
        Ok(Generation { events: Box::pin(events), tally, relayed: false, ignored })
    }

    fn answer(
        &self,
        request: &Request,
        prepared: Prepared,
        sender: channel::Sender,
        tally: Arc<Tally>,
    ) -> Answer {
        let Prepared { prompt, budget, reading, guide, keep } = prepared;
        let tokenizer = Arc::clone(&self.language.tokenizer);
        let text = Text {
            buffer: Utf8Buffer::default(),
            stops: StopScanner::new(&request.sampling.stop),
            reader: Reader::new(reading, Random::seeded(entropy())),
            skips_space: tokenizer.prefixes_space(),
        };
        let sampler = Sampler::new(&request.sampling, entropy());
        let has_all = tokenizer.len() == self.scheduler.facts().vocabulary;
        let is_greedy = sampler.is_greedy() && guide.is_none() && has_all;
        let terms = Terms {
            tier: request.hints.tier.unwrap_or(Tier::Default),
            caller: request.caller.clone(),
            adapter: 0,
            keep,
        };
        let used = Usage::plain(prompt.len() as u64, 0);
        let tells_unasked = request.hints.tells_unasked_cache;
        Answer {
            prompt,
            budget,
            terms,
            tells_unasked,
            tokenizer,
            sampler,
            is_greedy,
            guide,
            text,
            sender,
            adapter: None,
            tally,
            used,
            produced: 0,
        }
    }
}

impl Backend for Engine {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn count<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(async move {
            if is_small(request) {
                return self.language.count(request);
            }
            let (language, request) = (Arc::clone(&self.language), request.clone());
            self.desk.run(move || language.count(&request)).await
        })
    }

    fn generate(&self, request: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>> {
        Box::pin(self.start(request, None))
    }
}

/// What every model can do here.
pub(crate) fn capabilities(options: &Options) -> Capabilities {
    Capabilities {
        tools: true,
        schemas: true,
        citations: true,
        top_k: true,
        penalties: true,
        seed: true,
        hints: if options.prefix_cache { HintSet::TIER.with(HintSet::CACHE) } else { HintSet::TIER },
        ..Capabilities::default()
    }
}

/// Whether a request's prompt is little work: short, and without a grammar.
fn is_small(request: &Request) -> bool {
    !has_shape(request) && text_bytes(request) <= INLINE_BYTES_MAX
}

#[cfg(test)]
mod tests;
