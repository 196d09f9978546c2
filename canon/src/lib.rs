//! The vocabulary of a call.
//!
//! Every public format is decoded into these words and encoded from them, every backend answers in them, and every
//! decision is taken over them. Hence what is absent: no serde, no HTTP, no database. Each edge keeps its own record
//! types and converts.
//!
//! A JSON document that a client or a model wrote (a tool's schema, a tool's input) is carried as [`Json`], its text
//! untouched, so that neither the order of its members nor the spelling of its numbers changes on the way through.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
mod backend;
mod call;
mod content;
mod embed;
mod event;
mod fault;
mod json;
mod model;
mod request;
mod secret;
mod tool;
mod usage;

pub use answer::{Answer, Fold};
pub use backend::{Backend, BoxFuture, Capabilities, Events, Generation, HintSet, Tally};
pub use call::Call;
pub use content::{
    Blob, Citation, Content, Document, DocumentSource, Media, MediaKind, ReasoningText, Span, ToolOutcome,
};
pub use embed::{EmbedInput, EmbedRequest, Overflow, Purpose};
pub use event::{BlockKind, Event, Finish, StopReason};
pub use fault::{Fault, Kind, Refusal};
pub use json::Json;
pub use model::{Modality, ModelCard, ModelId};
pub use request::{Effort, Format, Hints, Message, OutputFormat, Request, Role, Sampling, Tier, Verbatim};
pub use secret::Secret;
pub use tool::{Tool, ToolChoice, ToolUse, Tools};
pub use usage::Usage;
