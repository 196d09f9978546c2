//! Adapters in GGUF, as `convert_lora_to_gguf.py` of llama.cpp writes them.

use std::path::Path;

use canon::Fault;

use super::{Change, Depth, Order, numbers};
use crate::gguf::{Gguf, Metadata};
use crate::kernels::DeltaShape;
use crate::model::Config;

const DOWN: &str = ".weight.lora_a";
const UP: &str = ".weight.lora_b";

/// Reads a file for a model of this architecture.
pub(super) fn read(path: &Path, config: &Config, depth: Depth) -> Result<(Vec<Change>, Order), Fault> {
    let gguf = Gguf::open(path)?;
    let metadata = gguf.metadata();
    for (key, wanted) in
        [("general.type", "adapter"), ("adapter.type", "lora"), ("general.architecture", config.name())]
    {
        let said = metadata.string(key)?.ok_or_else(|| Metadata::missing(key))?;
        if said != wanted {
            let problem = format!("is {said:?}; an adapter for this model has {wanted:?}");
            return Err(Fault::unsupported(key, problem));
        }
    }
    let key = "adapter.lora.alpha";
    let alpha = metadata.f32(key)?.ok_or_else(|| Metadata::missing(key))?;
    let mut changes = Vec::new();
    for down in gguf.tensors() {
        let named = |problem: &str| Fault::malformed(format!("tensor {}", down.name), problem);
        let Some(matrix) = down.name.strip_suffix(DOWN) else {
            let matrix = down.name.strip_suffix(UP).ok_or_else(|| {
                let remedy = "only LoRA's two matrices of a linear layer are computed (lora_a and lora_b)";
                Fault::unsupported(format!("tensor {}", down.name), remedy)
            })?;
            if gguf.tensor(&format!("{matrix}{DOWN}")).is_none() {
                return Err(named("has no lora_a beside it"));
            }
            continue;
        };
        let up = gguf.tensor(&format!("{matrix}{UP}")).ok_or_else(|| named("has no lora_b beside it"))?;
        let rank = down.rows();
        if up.columns() != rank {
            return Err(named("has another rank than its lora_b"));
        }
        changes.push(Change {
            matrix: matrix.to_owned(),
            shape: DeltaShape { rank, columns: down.columns(), rows: up.rows() },
            down: numbers(&down, depth),
            up: numbers(&up, depth),
            // llama_adapter_lora_weight::get_scale; without an alpha the product is taken as it is.
            scale: if alpha == 0.0 { 1.0 } else { alpha / rank as f32 },
        });
    }
    let order = if config.file_turns_halves() { Order::Halves } else { Order::Neighbours };
    Ok((changes, order))
}
