//! What a model file says about words: its vocabulary, its template, and grammars over them.

use std::sync::{Arc, OnceLock};

use canon::{Fault, Kind, Request, StopReason};

use super::answer::Budget;
use crate::chat::{self, Form, Reading};
use crate::gguf::Metadata;
use crate::grammar::{Grammars, Guide};
use crate::scheduler::Keep;
use crate::template::Template;
use crate::tokenizer::{Tokenizer, TokenizerParts};

/// Bedrock's own text, which clients match.
const TOO_LONG: &str = "Input is too long for requested model.";

/// A model's words.
pub(super) struct Language {
    pub(super) tokenizer: Arc<Tokenizer>,
    template: Template,
    /// Made when the first request needs them, since many never do and they take tens of megabytes.
    grammars: OnceLock<Result<Arc<Grammars>, Fault>>,
}

/// A request that is ready to be run.
pub(super) struct Prepared {
    pub(super) prompt: Vec<u32>,
    pub(super) budget: Budget,
    pub(super) reading: Reading,
    pub(super) guide: Option<Guide>,
    /// How much of the prompt is to be kept.
    pub(super) keep: Keep,
}

impl Language {
    /// # Errors
    /// [`Kind::Unsupported`] or [`Kind::Malformed`] where the file's vocabulary or template is not one that is known
    /// here; it names the key.
    pub(super) fn read(metadata: &Metadata<'_>) -> Result<Self, Fault> {
        let tokenizer = Tokenizer::new(&TokenizerParts::read(metadata)?)?;
        let source = metadata.string("tokenizer.chat_template")?;
        let text = |token: Option<&str>| token.unwrap_or_default().to_owned();
        let (bos, end) = (text(tokenizer.bos_text()), text(tokenizer.end_text()));
        let template = Template::new(source, &bos, &end)?;
        Ok(Self { tokenizer: Arc::new(tokenizer), template, grammars: OnceLock::new() })
    }

    /// The prompt's tokens.
    ///
    /// # Errors
    /// As for [`chat::prompt`].
    pub(super) fn count(&self, request: &Request) -> Result<u64, Fault> {
        let form = Form::of(request)?;
        Ok(chat::prompt(&self.tokenizer, &self.template, request, &form)?.len() as u64)
    }

    /// Writes the prompt, and sees to it that an answer fits.
    ///
    /// # Errors
    /// As for [`chat::prompt`]; [`Kind::ContextExceeded`] where the prompt leaves no room for an answer; the faults of
    /// a schema.
    pub(super) fn prepare(&self, request: &Request, context: usize) -> Result<Prepared, Fault> {
        let form = Form::of(request)?;
        let prompt = chat::prompt(&self.tokenizer, &self.template, request, &form)?;
        let budget = budget(request, prompt.len(), context)?;
        let guide = match form.shape() {
            Some(shape) => Some(self.grammars()?.guide(&self.tokenizer, &shape, budget.tokens_max)?),
            None => None,
        };
        let keep = chat::keep(&self.tokenizer, &self.template, request, &form, &prompt);
        Ok(Prepared { prompt, budget, reading: form.reading(), guide, keep })
    }

    fn grammars(&self) -> Result<&Arc<Grammars>, Fault> {
        let made = self.grammars.get_or_init(|| Grammars::new(&self.tokenizer).map(Arc::new));
        made.as_ref().map_err(Clone::clone)
    }
}

/// What the request asks for, or what its prompt leaves, whichever is less.
fn budget(request: &Request, prompt: usize, context: usize) -> Result<Budget, Fault> {
    let left = context.saturating_sub(prompt);
    if left == 0 {
        let kind = Kind::ContextExceeded { tokens: prompt as u64, tokens_max: context as u64 };
        return Err(Fault::new(kind, TOO_LONG));
    }
    let asked = request.sampling.max_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    match asked {
        Some(0) => Err(Fault::malformed("sampling.max_tokens", "at least one token must be asked for")),
        Some(asked) if asked <= left => Ok(Budget { tokens_max: asked, reason: StopReason::MaxTokens }),
        _ => Ok(Budget { tokens_max: left, reason: StopReason::ContextFull }),
    }
}
