use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_core::Stream;

use crate::{EmbedRequest, Event, Fault, Format, Hints, Request, Usage};

/// A future that can be kept behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An answer as it is made: events, the last of which is [`Event::Finish`], or a fault that ends it.
/// Dropping it cancels the work behind it.
pub type Events = Pin<Box<dyn Stream<Item = Result<Event, Fault>> + Send>>;

/// Something that can run a model: this process's engine, or a server elsewhere.
///
/// An adapter cannot retry, bill or authorise; it encodes, sends, classifies failures and decodes.
pub trait Backend: Send + Sync + 'static {
    /// What it can do, as data, so that placement can refuse before anything is sent.
    fn capabilities(&self) -> &Capabilities;

    /// How many tokens `request`'s prompt comes to: the number that a call of it would report as its whole prompt.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] where the backend has no way to count, else as for [`Self::generate`].
    fn count<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<u64, Fault>>;

    /// Begins an answer. The future resolves when the request has been accepted; dropping it, or the events that it
    /// yields, cancels the work.
    ///
    /// # Errors
    /// Faults before the first event are the future's; later ones are the stream's.
    fn generate(&self, request: Arc<Request>) -> BoxFuture<'_, Result<Generation, Fault>>;

    /// Begins to make vectors: one [`Event::Vector`] for each text, in their order. Dropping the future, or the events
    /// that it yields, cancels the work.
    ///
    /// # Errors
    /// As for [`Self::generate`]; a backend without embeddings has no other answer.
    fn embed(&self, _: Arc<EmbedRequest>) -> BoxFuture<'_, Result<Generation, Fault>> {
        Box::pin(std::future::ready(Err(Fault::unsupported("model", "what serves it makes no embeddings"))))
    }
}

/// An answer that has begun.
pub struct Generation {
    /// The answer.
    pub events: Events,
    /// What has been used so far, kept current by the backend, so that an answer cut short can be settled.
    pub tally: Arc<Tally>,
    /// The events carry the backend's own bytes, to be passed on as they are.
    pub relayed: bool,
    /// Hints of the request that the backend had no use for.
    pub ignored: HintSet,
}

/// What an unfinished call has used so far, in tokens.
#[derive(Debug, Default)]
pub struct Tally {
    prompt: Mutex<Option<Usage>>,
    guess: AtomicU64,
    output: AtomicU64,
}

impl Tally {
    /// Notes the prompt's length, once it is known.
    pub fn set_input(&self, tokens: u64) {
        self.set_prompt(Usage::plain(tokens, 0));
    }

    /// Notes what the prompt came to, once it is known how much of it a cache supplied or keeps. What was generated is
    /// not looked at.
    pub fn set_prompt(&self, prompt: Usage) {
        *self.prompt.lock().unwrap_or_else(PoisonError::into_inner) = Some(prompt);
    }

    /// What the prompt came to, once it is known; nothing was generated in it.
    #[must_use]
    pub fn prompt(&self) -> Option<Usage> {
        let prompt = *self.prompt.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Usage { output: 0, reasoning: 0, ..prompt? }).filter(|prompt| prompt.prompt() > 0)
    }

    /// Notes what the prompt's length may be, for the receipt of an answer that is cut short before it is known.
    pub fn guess_input(&self, tokens: u64) {
        self.guess.store(tokens, Ordering::Relaxed);
    }

    /// The prompt's length, once it is known.
    #[must_use]
    pub fn input(&self) -> Option<u64> {
        self.prompt().map(|prompt| prompt.prompt())
    }

    /// Notes that so many more tokens were generated.
    pub fn add_output(&self, tokens: u64) {
        self.output.fetch_add(tokens, Ordering::Relaxed);
    }

    /// What has been used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let prompt = self.prompt().unwrap_or_else(|| Usage::plain(self.guess.load(Ordering::Relaxed), 0));
        Usage { output: self.output.load(Ordering::Relaxed), ..prompt }
    }
}

/// What a backend can do. What is not said here it cannot do, and the request is refused by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It reads pictures.
    pub images: bool,
    /// It reads sounds and films.
    pub audio_video: bool,
    /// It reads documents.
    pub documents: bool,
    /// It can call tools.
    pub tools: bool,
    /// It can be held to some JSON object, whichever. What can be held to a schema can do this too.
    pub json_objects: bool,
    /// It can be held to a JSON schema.
    pub schemas: bool,
    /// It takes reasoning blocks of earlier turns.
    pub reasoning: bool,
    /// It takes cited text of earlier turns.
    pub citations: bool,
    /// It can sample from the `k` likeliest tokens.
    pub top_k: bool,
    /// It takes presence and frequency penalties.
    pub penalties: bool,
    /// It honours a seed.
    pub seed: bool,
    /// It makes vectors of so many numbers.
    pub dimensions: Option<u64>,
    /// It passes bodies of this format on as they are, with what canon cannot carry.
    pub relays: Option<Format>,
    /// Hints that it makes use of.
    pub hints: HintSet,
}

/// A set of hints, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HintSet(u16);

impl HintSet {
    /// Cache points.
    pub const CACHE: Self = Self(1);
    /// How hard to think.
    pub const EFFORT: Self = Self(1 << 1);
    /// At most so many tokens of reasoning.
    pub const THINKING: Self = Self(1 << 2);
    /// Latency before throughput.
    pub const LATENCY: Self = Self(1 << 3);
    /// How urgent the call is.
    pub const TIER: Self = Self(1 << 4);
    /// Pairs for logs.
    pub const METADATA: Self = Self(1 << 5);
    /// Beta features.
    pub const BETAS: Self = Self(1 << 6);
    /// The end user.
    pub const USER: Self = Self(1 << 7);
    /// What vectors are for.
    pub const PURPOSE: Self = Self(1 << 8);

    const NAMES: [(Self, &'static str); 9] = [
        (Self::CACHE, "cache-point"),
        (Self::EFFORT, "effort"),
        (Self::THINKING, "thinking-budget"),
        (Self::LATENCY, "latency"),
        (Self::TIER, "service-tier"),
        (Self::METADATA, "metadata"),
        (Self::BETAS, "betas"),
        (Self::USER, "user"),
        (Self::PURPOSE, "input-type"),
    ];

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the sets share a member.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The members' names, as the header `x-outcrop-ignored` spells them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(hint, _)| self.has(*hint)).map(|(_, name)| name)
    }

    /// The hints that `request` gives.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let cached = if request.has_cache_point() { Self::CACHE } else { Self::default() };
        Self::of_hints(&request.hints).with(cached)
    }

    /// The hints that `request` gives.
    #[must_use]
    pub fn of_embed(request: &EmbedRequest) -> Self {
        let purpose = if request.purpose.is_some() { Self::PURPOSE } else { Self::default() };
        Self::of_hints(&request.hints).with(purpose)
    }

    fn of_hints(hints: &Hints) -> Self {
        let given = [
            (Self::EFFORT, hints.effort.is_some()),
            (Self::THINKING, hints.thinking_budget.is_some_and(|tokens| tokens > 0)),
            (Self::LATENCY, hints.optimized_latency),
            (Self::TIER, hints.tier.is_some_and(|tier| tier != crate::Tier::Default)),
            (Self::METADATA, !hints.metadata.is_empty()),
            (Self::BETAS, !hints.betas.is_empty()),
            (Self::USER, hints.user.is_some()),
        ];
        given.into_iter().filter(|(_, is)| *is).fold(Self::default(), |set, (hint, _)| set.with(hint))
    }
}
