use std::path::PathBuf;
use std::time::Duration;

use canon::ModelId;
use engine::KvType;

/// A model of this process, as it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// The name that calls use.
    pub(crate) id: ModelId,
    /// The name that people use.
    pub(crate) name: String,
    /// Who made it, as people write it.
    pub(crate) provider: String,
    /// Its file or folder; of a tuned model, its adapter's.
    pub(crate) path: PathBuf,
    /// The model that its adapter changes; `None` for a model with weights of its own.
    pub(crate) base: Option<ModelId>,
    /// It is loaded at the start, and stays.
    pub(crate) pinned: bool,
    /// Prompt and answer together, in tokens, where the model allows more.
    pub(crate) context_tokens_max: Option<usize>,
    /// Memory for its keys and values; `None` takes what suits the model and the memory.
    pub(crate) kv_bytes_max: Option<u64>,
    /// How they are kept.
    pub(crate) kv: KvType,
    /// It is unloaded when nobody has called it for so long; `None` keeps it until its memory is wanted.
    pub(crate) idle: Option<Duration>,
}

impl Spec {
    /// A model with weights of its own, of which nothing else was said.
    pub(crate) fn new(id: ModelId, (name, provider): (&str, &str), path: PathBuf) -> Self {
        Self {
            id,
            name: name.to_owned(),
            provider: provider.to_owned(),
            path,
            base: None,
            pinned: false,
            context_tokens_max: None,
            kv_bytes_max: None,
            kv: KvType::F16,
            idle: None,
        }
    }
}
