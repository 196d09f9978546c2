use std::num::NonZero;

use crate::kernels::KvType;

/// Keys and values of 46,000 tokens of SmolLM2-135M, or of 8,000 tokens of Llama 3 8B.
const KV_BYTES_MAX: usize = 1 << 30;
/// More than any burst that is answered in time.
const QUEUE_MAX: usize = 1024;
/// A step of so many rows keeps the kernels busy and still lets answers go on several times a second.
const STEP_TOKENS_MAX: usize = 256;
/// Beyond this a step's logits take much memory and its sequences wait long for each token.
const SEQUENCES_MAX: usize = 64;
/// Text that repeats itself goes on like this for longer, but each further token is less likely to be right.
const SPECULATE_TOKENS_MAX: usize = 8;

/// The limits of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that compute; by default one for each CPU that this process may use.
    pub threads: usize,
    /// Memory for keys and values, in bytes; taken as it is needed.
    pub kv_bytes_max: usize,
    /// How keys and values are kept.
    pub kv: KvType,
    /// How many sequences may wait.
    pub queue_max: usize,
    /// The longest that prompt and answer may be together, in tokens, where the model allows more.
    pub context_tokens_max: usize,
    /// How many tokens one step computes at most.
    pub step_tokens_max: usize,
    /// How many sequences are computed at the same time.
    pub sequences_max: usize,
    /// Prefixes that a caller has sent before are not computed again. Changes no token.
    pub prefix_cache: bool,
    /// How many tokens of a sequence are guessed ahead at most, where guessing pays; 0 guesses none. Changes no token.
    pub speculate_tokens_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            kv_bytes_max: KV_BYTES_MAX,
            kv: KvType::F16,
            queue_max: QUEUE_MAX,
            context_tokens_max: usize::MAX,
            step_tokens_max: STEP_TOKENS_MAX,
            sequences_max: SEQUENCES_MAX,
            prefix_cache: true,
            speculate_tokens_max: SPECULATE_TOKENS_MAX,
        }
    }
}
