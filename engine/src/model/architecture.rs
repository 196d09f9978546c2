//! What architectures differ in. A row of the table is all that tells one from another; nothing else asks for a name.
//!
//! Sources: transformers' `modeling_*.py` for what is computed, llama.cpp's `conversion/*.py` and `src/models/*.cpp` for
//! what a GGUF file says of it and for what it leaves unsaid.

use canon::Fault;

use crate::kernels::{Activation, Turning};

/// An architecture, in what it differs from others.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// `general.architecture`, and what its keys begin with.
    pub(crate) name: &'static str,
    /// Which numbers of a head turn together. llama.cpp's converter makes neighbours of Llama's halves.
    pub(super) turning: Turning,
    /// What gates a feed-forward block.
    pub(super) activation: Activation,
    /// Embeddings are multiplied by the root of the hidden state's width.
    pub(super) scales_embedding: bool,
    /// Each head of queries and of keys has a norm, before it turns.
    pub(super) norms_heads: bool,
    /// What attention and feed-forward add to the hidden state has a norm, too.
    pub(super) norms_after: bool,
    /// Queries, keys and values are one tensor, and so are gate and up.
    pub(super) is_fused: bool,
    /// One layer in so many does not turn: the last of them.
    pub(super) still_every: Option<usize>,
    /// Where there is a window, one layer in so many sees everything: the last of them. None does where this is 0.
    pub(super) full_every: usize,
    /// Of a file that names none.
    pub(super) window: Option<usize>,
    /// The base of layers with a window, of a file that names none. Otherwise they turn as the others do.
    pub(super) window_base: Option<f32>,
    /// The caps of scores and of logits, of a file that names none.
    pub(super) caps: (Option<f32>, Option<f32>),
    /// A model of so many layers divides queries by the root of width / heads, where others take a head's length. The file
    /// does not tell.
    pub(super) odd_scale_layers: Option<usize>,
}

/// Llama, and Mistral, `SmolLM2` and others that are written as Llama.
const LLAMA: Architecture = Architecture {
    name: "llama",
    turning: Turning::Neighbours,
    activation: Activation::Silu,
    scales_embedding: false,
    norms_heads: false,
    norms_after: false,
    is_fused: false,
    still_every: None,
    // modeling_mistral.py: all layers have the window.
    full_every: 0,
    window: None,
    window_base: None,
    caps: (None, None),
    odd_scale_layers: None,
};

/// `modeling_gemma2.py`, `src/models/gemma2.cpp`.
const GEMMA2: Architecture = Architecture {
    name: "gemma2",
    turning: Turning::Halves,
    activation: Activation::Gelu,
    scales_embedding: true,
    norms_after: true,
    full_every: 2,
    window: Some(4096),
    caps: (Some(50.0), Some(30.0)),
    // 27B: `query_pre_attn_scalar` is 144, and heads have 128 numbers.
    odd_scale_layers: Some(46),
    ..LLAMA
};

/// Every architecture that is computed here.
static ALL: [Architecture; 7] = [
    LLAMA,
    // modeling_smollm3.py, src/models/smollm3.cpp.
    Architecture { name: "smollm3", still_every: Some(4), ..LLAMA },
    // Qwen 2 and 2.5: modeling_qwen2.py. Its biases are there to be found.
    Architecture { name: "qwen2", turning: Turning::Halves, ..LLAMA },
    // modeling_qwen3.py.
    Architecture { name: "qwen3", turning: Turning::Halves, norms_heads: true, ..LLAMA },
    GEMMA2,
    // modeling_gemma3.py, src/models/gemma3.cpp.
    Architecture {
        name: "gemma3",
        norms_heads: true,
        full_every: 6,
        window: None,
        window_base: Some(10_000.0),
        caps: (None, None),
        // 27B: the scalar is 168, and heads have 128 numbers.
        odd_scale_layers: Some(62),
        ..GEMMA2
    },
    // Phi-3 and Phi-4: modeling_phi3.py, whose window llama.cpp does without.
    Architecture { name: "phi3", turning: Turning::Halves, is_fused: true, ..LLAMA },
];

impl Architecture {
    /// The architecture of this name.
    ///
    /// # Errors
    /// [`canon::Kind::Unsupported`] where it is not computed here.
    pub(super) fn named(name: &str) -> Result<&'static Self, Fault> {
        ALL.iter().find(|architecture| architecture.name == name).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|architecture| architecture.name).collect();
            let remedy =
                format!("\"{name}\" is not computed here; take a model of one of {}", names.join(", "));
            Fault::unsupported("general.architecture", remedy)
        })
    }
}
