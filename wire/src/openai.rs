//! OpenAI's formats: Chat Completions, Responses, and the list of models.

pub mod chat;
mod models;
pub mod responses;
mod usage;

pub use models::{model, models};
