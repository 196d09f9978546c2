//! One answer as the scheduler runs it: from logits to events.

use std::sync::Arc;

use canon::{Event, Fault, Finish, StopReason, Tally, Usage};

use super::channel::Sender;
use crate::adapter::Adapter;
use crate::chat::Reader;
use crate::grammar::Guide;
use crate::sampler::{Sampler, StopScanner};
use crate::scheduler::{Greedy, Next, Sequence, Supply, Terms};
use crate::tokenizer::{Tokenizer, Utf8Buffer};

/// One answer.
///
/// Its output counts every token that the model chose, the one that ends the turn included, as vLLM and llama.cpp
/// count. An answer that a grammar completes needs no such token.
pub(super) struct Answer {
    pub(super) prompt: Vec<u32>,
    pub(super) budget: Budget,
    pub(super) terms: Terms,
    /// The caller hears of what the cache supplied though it was not marked.
    pub(super) tells_unasked: bool,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) sampler: Sampler,
    /// It takes the likeliest token of all that the model can say.
    pub(super) is_greedy: bool,
    pub(super) guide: Option<Guide>,
    pub(super) text: Text,
    pub(super) sender: Sender,
    pub(super) adapter: Option<Arc<Adapter>>,
    pub(super) tally: Arc<Tally>,
    /// What the prompt came to.
    pub(super) used: Usage,
    /// Tokens so far.
    pub(super) produced: usize,
}

/// What the cache supplied unasked is told of prompts of at least so many tokens, as OpenAI does: "For requests under
/// 1024 tokens, `cached_tokens` will be zero" (its guide "Prompt caching").
const UNASKED_TOKENS_MIN: usize = 1024;

/// How long an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// In tokens.
    pub(super) tokens_max: usize,
    /// What it means that they are spent.
    pub(super) reason: StopReason,
}

/// What turns an answer's bytes into events.
pub(super) struct Text {
    pub(super) buffer: Utf8Buffer,
    pub(super) stops: StopScanner,
    pub(super) reader: Reader,
    /// The vocabulary puts a space before the first word, which is not the answer's.
    pub(super) skips_space: bool,
}

/// Why an answer ends.
enum End {
    /// The model, or the grammar, is done.
    Complete,
    Stop(String),
    Spent,
}

impl Answer {
    /// What it says by logits; nothing where its grammar ends it.
    fn choose(&mut self, logits: &mut [f32]) -> Result<Option<u32>, Fault> {
        // A file may pad its vocabulary with rows that are no tokens.
        let logits = logits.get_mut(..self.tokenizer.len()).unwrap_or_default();
        self.sampler.penalise(logits);
        match &mut self.guide {
            Some(guide) => guide.choose(&mut self.sampler, logits, self.budget.left(self.produced)),
            None => self.sampler.choose(logits).map(Some).ok_or_else(impossible),
        }
    }

    /// Says a token; ends where there is none to say.
    fn say(&mut self, token: Option<u32>) -> Result<Next, Fault> {
        let Some(token) = token else { return Ok(self.end(Vec::new(), End::Complete)) };
        let left = self.budget.left(self.produced);
        self.produced += 1;
        self.tally.add_output(1);
        self.sampler.accept(token);
        if self.tokenizer.ends().contains(&token) {
            return Ok(self.end(Vec::new(), End::Complete));
        }
        let mut events = Vec::new();
        if let Some(stop) = self.text.push(self.tokenizer.bytes(token), &mut events) {
            return Ok(self.end(events, End::Stop(stop)));
        }
        if self.guide.as_ref().is_some_and(Guide::is_complete) {
            return Ok(self.end(events, End::Complete));
        }
        if left <= 1 {
            // What is complete to the letter was not cut, though no token is left to say so.
            let whole = self.text.reader.ends_with_call() || self.guide.as_ref().is_some_and(Guide::is_bound);
            let complete = match &mut self.guide {
                Some(guide) => whole && guide.may_end()?,
                None => false,
            };
            return Ok(self.end(events, if complete { End::Complete } else { End::Spent }));
        }
        self.sender.send(events);
        Ok(Next::Token(token))
    }

    /// What follows, or the end, where that is a fault.
    fn told(&mut self, next: Result<Next, Fault>) -> Next {
        next.unwrap_or_else(|fault| {
            self.fail(fault);
            Next::End
        })
    }

    fn end(&mut self, mut events: Vec<Event>, end: End) -> Next {
        self.text.finish(!matches!(end, End::Stop(_)), &mut events);
        let usage = Usage { output: self.produced as u64, ..self.used };
        let (reason, stop_sequence) = match end {
            End::Complete if self.text.reader.has_called() => (StopReason::ToolUse, None),
            End::Complete => (StopReason::EndTurn, None),
            End::Stop(stop) => (StopReason::StopSequence, Some(stop)),
            End::Spent => (self.budget.reason, None),
        };
        events.push(Event::Finish(Finish { stop_sequence, ..Finish::new(reason, usage) }));
        self.sender.send(events);
        Next::End
    }
}

impl Greedy for Answer {
    fn follow(&mut self, likeliest: Option<u32>) -> Next {
        let next = likeliest.ok_or_else(impossible).and_then(|token| self.say(Some(token)));
        self.told(next)
    }
}

impl Budget {
    /// What is left of it.
    const fn left(self, produced: usize) -> usize {
        self.tokens_max.saturating_sub(produced)
    }
}

fn impossible() -> Fault {
    Fault::internal("no token is possible")
}

impl Text {
    /// Takes a token's bytes, and gives the stop sequence that they complete.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Option<String> {
        let mut text = self.buffer.push(bytes);
        if self.skips_space && !text.is_empty() {
            self.skips_space = false;
            if text.starts_with(' ') {
                text.remove(0);
            }
        }
        let passed = self.stops.push(&text);
        self.reader.push(&passed.text, events);
        passed.stop
    }

    /// Ends the text; `whole` says that what could have been the beginning of a stop sequence belongs to it. The
    /// beginning of a character never does.
    fn finish(&mut self, whole: bool, events: &mut Vec<Event>) {
        if whole {
            let held = self.stops.finish();
            self.reader.push(&held, events);
        }
        self.reader.finish(events);
    }
}

impl Sequence for Answer {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn tokens_max(&self) -> usize {
        self.budget.tokens_max
    }

    fn terms(&self) -> Terms {
        self.terms.clone()
    }

    fn prepared(&mut self, supply: Supply) {
        let unasked = self.tells_unasked && self.prompt.len() >= UNASKED_TOKENS_MIN;
        let read = if unasked { supply.cached } else { supply.read };
        let [read, written_5m, written_1h] = [read, supply.written_5m, supply.written_1h].map(|n| n as u64);
        self.used = Usage {
            input: (self.prompt.len() as u64).saturating_sub(read + written_5m + written_1h),
            cache_read: read,
            cache_write_5m: written_5m,
            cache_write_1h: written_1h,
            ..Usage::default()
        };
        self.tally.set_prompt(self.used);
    }

    fn adapter(&self) -> Option<Arc<Adapter>> {
        self.adapter.clone()
    }

    fn cancelled(&self) -> bool {
        self.sender.given_up()
    }

    fn as_greedy(&mut self) -> Option<&mut dyn Greedy> {
        if self.is_greedy { Some(self) } else { None }
    }

    fn next(&mut self, logits: &mut [f32]) -> Next {
        let next = self.choose(logits).and_then(|token| self.say(token));
        self.told(next)
    }

    fn fail(&mut self, fault: Fault) {
        self.sender.fail(fault);
    }
}

#[cfg(test)]
mod tests;
