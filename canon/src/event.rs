use bytes::Bytes;

use crate::{Citation, Usage};

/// One step of an answer as it is made.
///
/// A stream is a sequence of blocks. Blocks are numbered from 0 in the order in which they start; two may be open at
/// once (a model that reasons between parallel tool calls interleaves them), so each step names its block. The last
/// item of every stream that did not fail is exactly one [`Event::Finish`].
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A block begins.
    BlockStart {
        /// Its number.
        index: u32,
        /// What it holds.
        kind: BlockKind,
    },
    /// More words, of a text block.
    Text {
        /// The block.
        index: u32,
        /// The words; never empty.
        text: String,
    },
    /// More reasoning, of a reasoning block.
    Reasoning {
        /// The block.
        index: u32,
        /// The words.
        text: String,
    },
    /// The signature of a reasoning block; comes after its words.
    Signature {
        /// The block.
        index: u32,
        /// The signature, or its next piece.
        signature: String,
    },
    /// Reasoning that only its author can read.
    Redacted {
        /// The block.
        index: u32,
        /// The sealed bytes.
        data: Bytes,
    },
    /// More of a tool call's input: a piece of a JSON text, cut anywhere, even inside a string escape.
    ToolInput {
        /// The block.
        index: u32,
        /// The piece.
        fragment: String,
    },
    /// A citation for the text so far of a text block.
    Citation {
        /// The block.
        index: u32,
        /// What the text rests on.
        citation: Citation,
    },
    /// The vector of a text of an [`crate::EmbedRequest`]. Calls for words have none.
    Vector {
        /// Which text, from 0.
        index: u32,
        /// Its numbers, all finite.
        numbers: Vec<f32>,
    },
    /// A block is complete.
    BlockStop {
        /// Its number.
        index: u32,
    },
    /// Bytes that a client of the backend's own format gets as they are (see [`crate::Generation::relayed`]).
    /// Encoders of relayed answers write these and skip the other events; all other readers skip these.
    Verbatim(Bytes),
    /// The answer is complete.
    Finish(Finish),
}

/// How an answer ended, and what it used.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// Why it ended.
    pub reason: StopReason,
    /// The stop sequence that was met, where that is why.
    pub stop_sequence: Option<String>,
    /// What the call used.
    pub usage: Usage,
    /// The last bytes of a relayed answer; held back until the receipt is durable.
    pub verbatim: Option<Bytes>,
}

impl Finish {
    /// An end that is no more than a reason and a count.
    #[must_use]
    pub const fn new(reason: StopReason, usage: Usage) -> Self {
        Self { reason, stop_sequence: None, usage, verbatim: None }
    }
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Words, possibly cited.
    Text,
    /// Reasoning, in the clear or sealed.
    Reasoning,
    /// A tool call.
    ToolUse {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
    },
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The model had no more to say.
    EndTurn,
    /// It waits for the results of its tool calls.
    ToolUse,
    /// It reached the number of tokens that the caller allowed.
    MaxTokens,
    /// It wrote one of the caller's stop sequences.
    StopSequence,
    /// Prompt and answer together filled the model's context.
    ContextFull,
    /// A guardrail stepped in.
    Guardrail,
    /// The model's provider withheld the answer.
    ContentFiltered,
    /// The model declined to answer.
    Refusal,
}
