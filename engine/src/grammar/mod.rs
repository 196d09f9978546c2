//! Answers that are valid by construction: a grammar says which tokens may come next.

mod guide;
mod landing;
mod lark;
mod schema;

use std::sync::Arc;

use canon::{Fault, Json};
use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Logger, Matcher, ParserFactory};

pub(crate) use self::guide::Guide;
use self::landing::Landing;
pub(crate) use self::lark::{CALL_CLOSE, CALL_INPUT, CALL_NAME, CALL_OPEN};
use crate::tokenizer::Tokenizer;

/// States of a grammar's lexer; one takes up to two kilobytes.
const LEXER_STATES_MAX: usize = 30_000;

/// What an answer must look like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape<'r> {
    /// JSON that satisfies the schema, which is named by the second.
    Json(&'r Json, &'static str),
    /// One call of one of the tools.
    Call(&'r [Offer<'r>]),
    /// Text, or calls of the tools.
    TextOrCalls {
        /// The tools.
        tools: &'r [Offer<'r>],
        /// The schema of the text, where it is JSON.
        answer: Option<(&'r Json, &'static str)>,
        /// Whether there may be more than one call.
        many: bool,
    },
}

/// A tool as grammars see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer<'r> {
    /// Its name.
    pub(crate) name: &'r str,
    /// The schema of its input.
    pub(crate) schema: &'r Json,
    /// Where the request gives it.
    pub(crate) path: String,
    /// Whether the input need only resemble the schema, where a grammar cannot say all of it.
    pub(crate) lenient: bool,
}

/// Makes grammars for one vocabulary.
pub(crate) struct Grammars {
    factory: ParserFactory,
    landing: Landing,
}

impl Grammars {
    /// # Errors
    /// [`canon::Kind::Internal`] where the vocabulary is not one that grammars can be made for.
    pub(crate) fn new(tokenizer: &Tokenizer) -> Result<Self, Fault> {
        let env: TokEnv = Arc::new(Vocabulary::new(tokenizer)?);
        let factory = ParserFactory::new_simple(&env).map_err(Fault::internal)?;
        Ok(Self { factory, landing: Landing::new(tokenizer) })
    }

    /// A guide for one answer of at most `tokens_max` tokens.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] or [`canon::Kind::Unsupported`] where a schema is wrong, or says what a grammar
    /// cannot; it names the schema's place in the request.
    pub(crate) fn guide(
        self: &Arc<Self>,
        tokenizer: &Arc<Tokenizer>,
        shape: &Shape<'_>,
        tokens_max: usize,
    ) -> Result<Guide, Fault> {
        let matcher = self.matcher(shape)?;
        Ok(Guide::new(matcher, Arc::clone(self), Arc::clone(tokenizer), tokens_max))
    }

    fn matcher(&self, shape: &Shape<'_>) -> Result<Matcher, Fault> {
        let (tools, answer) = match shape {
            Shape::Json(schema, path) => (&[][..], Some((*schema, *path))),
            Shape::Call(tools) => (*tools, None),
            Shape::TextOrCalls { tools, answer, .. } => (*tools, *answer),
        };
        // Each schema is tried alone, so that a fault names the one that it lies in.
        let mut offers = Vec::with_capacity(tools.len());
        for tool in tools {
            offers.push((tool.name, self.schema(tool.schema, &tool.path, tool.lenient)?));
        }
        let answer = match answer {
            Some((schema, path)) => Some(self.schema(schema, path, false)?),
            None => None,
        };
        let grammar = match (shape, answer) {
            (Shape::Json(..), Some(schema)) => TopLevelGrammar::from_json_schema(schema),
            (Shape::TextOrCalls { many, .. }, answer) => {
                TopLevelGrammar::from_lark(lark::text_or_calls(&offers, answer.as_ref(), *many))
            }
            (Shape::Json(..) | Shape::Call(_), _) => TopLevelGrammar::from_lark(lark::call(&offers)),
        };
        let matcher = self.start(grammar);
        match matcher.get_error() {
            None => Ok(matcher),
            Some(error) => Err(Fault::unsupported(
                "tools",
                "these tools together are too much for a grammar; offer fewer, or simpler schemas",
            )
            .with_detail(error)),
        }
    }

    fn schema(&self, schema: &Json, path: &str, lenient: bool) -> Result<serde_json::Value, Fault> {
        let value = schema::prepare(schema, path, lenient)?;
        match self.start(TopLevelGrammar::from_json_schema(value.clone())).get_error() {
            None => Ok(value),
            Some(error) => {
                let problem = error.lines().next().unwrap_or_default();
                let message = format!("this JSON Schema cannot be held to: {problem}");
                Err(Fault::unsupported(path, message).with_detail(&error))
            }
        }
    }

    fn start(&self, grammar: TopLevelGrammar) -> Matcher {
        let init = GrammarInit::Serialized(grammar);
        let caps = InferenceCapabilities::default();
        let limits = ParserLimits { max_lexer_states: LEXER_STATES_MAX, ..ParserLimits::default() };
        Matcher::new(self.factory.create_parser_from_init_ext(init, Logger::new(0, 0), caps, limits))
    }
}

/// The vocabulary as a tree of bytes.
struct Vocabulary(TokTrie);

impl Vocabulary {
    fn new(tokenizer: &Tokenizer) -> Result<Self, Fault> {
        let words: Vec<Vec<u8>> =
            tokenizer.written().map(|written| written.map_or_else(Vec::new, <[u8]>::to_vec)).collect();
        let size = u32::try_from(words.len()).map_err(Fault::internal)?;
        let ends = tokenizer.ends();
        let Some(&end) = ends.first() else {
            return Err(Fault::unsupported(
                "tokenizer.ggml.eos_token_id",
                "a model without an end token cannot be held to a grammar",
            ));
        };
        let trie = TokTrie::from(&TokRxInfo::new(size, end), &words);
        Ok(Self(trie.with_eos_tokens(ends)))
    }
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.0
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        self.0.greedy_tokenize(bytes)
    }

    /// The longest match is not what merging makes, so the grammar forces bytes and not tokens.
    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}

#[cfg(test)]
pub(crate) mod tests;
