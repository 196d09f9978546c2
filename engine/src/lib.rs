//! The embedded inference backend: reads a GGUF file and answers in canon's events.

mod adapter;
mod backend;
mod chat;
mod encoder;
pub mod gguf;
mod grammar;
mod hub;
mod kernels;
mod kv;
pub mod limits;
mod mapped;
pub mod measure;
mod model;
mod outline;
mod quant;
pub mod safetensors;
mod sampler;
pub mod scheduler;
mod template;
pub mod tokenizer;

pub use adapter::Adapter;
pub use backend::{AdapterFacts, AdapterOutline, Engine, Tuned, Words};
pub use encoder::{Encoder, EncoderFacts, EncoderOptions, EncoderOutline};
pub use kernels::{KvType, give_memory_back, return_large_buffers};
pub use outline::Outline;
pub use scheduler::{Facts, Options};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod sample_model;
#[cfg(test)]
mod sample_weights;
