use crate::gguf::{Gguf, Tensor};

/// What a model's weights ask of a machine, by the file's directory.
///
/// Attention's own products and the keys and values that it reads are left out: they depend on how long a sequence is, and
/// are small beside the weights for the lengths that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Multiplications, each with an addition, for each token in the layers.
    pub layer_macs: u64,
    /// The same for each row of logits.
    pub output_macs: u64,
    /// Bytes of the file that a token's layers and its logits need, each once.
    pub weight_bytes: u64,
}

impl Demand {
    /// Reads the sizes of the matrices.
    #[must_use]
    pub fn of(gguf: &Gguf) -> Self {
        let layers = || gguf.tensors().filter(|it| it.name.starts_with("blk.") && it.shape.len() > 1);
        // Models that name no output take their table of tokens for it.
        let output = gguf.tensor("output.weight").or_else(|| gguf.tensor("token_embd.weight"));
        let bytes = layers().chain(gguf.tensor("output.weight").or_else(|| gguf.tensor("token_embd.weight")));
        Self {
            layer_macs: layers().map(|it| numbers(&it)).sum(),
            output_macs: output.map_or(0, |it| numbers(&it)),
            weight_bytes: bytes.map(|it| it.bytes.len() as u64).sum(),
        }
    }
}

fn numbers(tensor: &Tensor<'_>) -> u64 {
    tensor.shape.iter().map(|len| *len as u64).product()
}
