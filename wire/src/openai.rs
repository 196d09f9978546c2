//! OpenAI's formats: Chat Completions, Responses, Embeddings, and the list of models.

pub mod chat;
pub mod embeddings;
mod models;
pub mod responses;
mod usage;

pub use models::{model, models};
