use canon::Fault;

use super::json::Json;

/// A class of transformers' models, and what it is in a GGUF file.
#[derive(Debug)]
pub(super) struct Family {
    /// The one entry of `architectures`.
    class: &'static str,
    /// `general.architecture`.
    pub(super) name: &'static str,
    /// What its gate must be.
    pub(super) activation: &'static str,
    /// Norms are kept as what they differ from one.
    pub(super) adds_one: bool,
    /// Norms stand before and behind each part of a layer, under these names.
    norms_after: bool,
}

const LLAMA: Family = Family {
    class: "LlamaForCausalLM",
    name: "llama",
    activation: "silu",
    adds_one: false,
    norms_after: false,
};

const GEMMA: Family = Family {
    class: "Gemma2ForCausalLM",
    name: "gemma2",
    activation: "gelu_pytorch_tanh",
    adds_one: true,
    norms_after: true,
};

static ALL: [Family; 8] = [
    LLAMA,
    Family { class: "MistralForCausalLM", ..LLAMA },
    Family { class: "SmolLM3ForCausalLM", name: "smollm3", ..LLAMA },
    Family { class: "Qwen2ForCausalLM", name: "qwen2", ..LLAMA },
    Family { class: "Qwen3ForCausalLM", name: "qwen3", ..LLAMA },
    Family { class: "Phi3ForCausalLM", name: "phi3", ..LLAMA },
    GEMMA,
    Family { class: "Gemma3ForCausalLM", name: "gemma3", ..GEMMA },
];

/// Tensors outside layers.
const OUTER: [(&str, &str); 3] =
    [("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output")];

/// Tensors of a layer that all families name alike.
const INNER: [(&str, &str); 13] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

impl Family {
    /// The family of a folder.
    ///
    /// # Errors
    /// [`canon::Kind::Unsupported`] where it is not computed here.
    pub(super) fn of(config: &Json) -> Result<&'static Self, Fault> {
        let member = "architectures";
        let said = config.required(member, config.texts(member)?)?;
        ALL.iter().find(|family| said == [family.class]).ok_or_else(|| {
            let known: Vec<&str> = ALL.iter().map(|family| family.class).collect();
            let remedy =
                format!("{said:?} is not computed here; take a model of one of {}", known.join(", "));
            config.unsupported(member, remedy)
        })
    }

    /// Whether it is one of Google's Gemma.
    pub(super) fn is_gemma(&self) -> bool {
        self.adds_one
    }

    /// A tensor's name in a GGUF file.
    ///
    /// # Errors
    /// [`canon::Kind::Unsupported`] where it has none.
    pub(super) fn tensor(&self, theirs: &str) -> Result<String, Fault> {
        self.translate(theirs).ok_or_else(|| {
            let remedy = format!("a {} has no tensor of this name here", self.class);
            Fault::unsupported(format!("tensor {theirs}"), remedy)
        })
    }

    fn translate(&self, theirs: &str) -> Option<String> {
        let (module, kind) = theirs.rsplit_once('.')?;
        if !matches!(kind, "weight" | "bias") {
            return None;
        }
        Some(format!("{}.{kind}", self.module(module)?))
    }

    /// A module's name in a GGUF file: what a tensor's name is before `.weight`.
    fn module(&self, theirs: &str) -> Option<String> {
        let norm = match (theirs.rsplit('.').next(), self.norms_after) {
            (Some("post_attention_layernorm"), false) | (Some("pre_feedforward_layernorm"), true) => {
                "ffn_norm"
            }
            (Some("post_attention_layernorm"), true) => "post_attention_norm",
            _ => return module(theirs),
        };
        let (layer, _) = in_layer(theirs)?;
        Some(format!("blk.{layer}.{norm}"))
    }
}

/// The name in a GGUF file of a module that all families name alike: what a tensor's name is before `.weight`.
pub(crate) fn module(theirs: &str) -> Option<String> {
    if let Some((_, ours)) = OUTER.iter().find(|(name, _)| *name == theirs) {
        return Some((*ours).to_owned());
    }
    let (layer, part) = in_layer(theirs)?;
    let (_, ours) = INNER.iter().find(|(name, _)| *name == part)?;
    Some(format!("blk.{layer}.{ours}"))
}

/// A layer's number, and what of it.
fn in_layer(theirs: &str) -> Option<(u32, &str)> {
    let (layer, part) = theirs.strip_prefix("model.layers.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// Tensors that older folders hold, and that follow from `config.json`.
pub(super) fn is_redundant(theirs: &str) -> bool {
    theirs.ends_with(".rotary_emb.inv_freq")
}
