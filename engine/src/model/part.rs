use super::Config;
use crate::kernels::Turning;

/// A product of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
}

impl Part {
    /// How many there are.
    pub(crate) const COUNT: usize = 7;
}

impl Config {
    /// The products that a layer's tensor of this name makes, in the order of its rows.
    pub(crate) fn parts(&self, tensor: &str) -> Option<&'static [Part]> {
        Some(match (tensor, self.architecture.is_fused) {
            ("attn_q", false) => &[Part::Query],
            ("attn_k", false) => &[Part::Key],
            ("attn_v", false) => &[Part::Value],
            ("attn_qkv", true) => &[Part::Query, Part::Key, Part::Value],
            ("attn_output", _) => &[Part::Output],
            ("ffn_gate", false) => &[Part::Gate],
            ("ffn_up", false) => &[Part::Up],
            ("ffn_up", true) => &[Part::Gate, Part::Up],
            ("ffn_down", _) => &[Part::Down],
            _ => return None,
        })
    }

    /// Rows and columns of a product's matrix.
    pub(crate) const fn shape(&self, part: Part) -> (usize, usize) {
        let (queries, keys) = (self.heads * self.head_len, self.kv_heads * self.head_len);
        match part {
            Part::Query => (queries, self.width),
            Part::Key | Part::Value => (keys, self.width),
            Part::Output => (self.width, queries),
            Part::Gate | Part::Up => (self.inner, self.width),
            Part::Down => (self.width, self.inner),
        }
    }

    /// Whether a number of a head turns with the one half a head away.
    pub(crate) fn turns_halves(&self) -> bool {
        self.turning == Turning::Halves
    }

    /// The same, in GGUF files of the architecture.
    pub(crate) fn file_turns_halves(&self) -> bool {
        self.architecture.turning == Turning::Halves
    }

    /// `general.architecture`.
    pub(crate) const fn name(&self) -> &'static str {
        self.architecture.name
    }

    /// Whether logits are bent after their product.
    pub(crate) const fn bends_logits(&self) -> bool {
        self.logit_cap.is_some()
    }
}
