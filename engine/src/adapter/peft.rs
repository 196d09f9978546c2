//! PEFT's folders: `adapter_config.json` and `adapter_model.safetensors`.

use std::path::Path;

use canon::Fault;
use serde_json::Value;

use super::{Change, Depth, Order, numbers};
use crate::hub::{Json, module};
use crate::kernels::DeltaShape;
use crate::safetensors::SafeTensors;

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
/// What stands before the name of a module.
const PREFIX: &str = "base_model.model.";
/// Members that must be absent, `null`, false or empty: they change more than products, or products otherwise.
const REFUSED: [&str; 17] = [
    "use_dora",
    "lora_bias",
    "fan_in_fan_out",
    "modules_to_save",
    "alpha_pattern",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "use_qalora",
    "use_bdlora",
    "megatron_config",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "velora_config",
    "lora_ga_config",
];
/// Ways to begin a training that leave the base model as it was; all others change it.
const INITIAL: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// Reads a folder.
pub(super) fn read(folder: &Path, depth: Depth) -> Result<(Vec<Change>, Order), Fault> {
    let config = Json::read(folder, CONFIG)?;
    refuse(&config)?;
    let alpha = config.required("lora_alpha", config.f64("lora_alpha")?)?;
    let is_stable = config.bool("use_rslora")?.unwrap_or(false);
    let path = folder.join(TENSORS);
    if !path.exists() {
        let problem = format!("lacks {TENSORS}; save the adapter with safe_serialization=True");
        return Err(Fault::malformed(folder.display().to_string(), problem));
    }
    let tensors = SafeTensors::open(&path)?;
    let mut changes = Vec::new();
    for name in tensors.names() {
        let unknown = || {
            let remedy = "only LoRA's two matrices of a linear layer are computed (lora_A and lora_B)";
            Fault::unsupported(format!("tensor {name}"), remedy)
        };
        let theirs = name.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let Some(layer) = theirs.strip_suffix(".lora_A.weight") else {
            let down = theirs.strip_suffix(".lora_B.weight").ok_or_else(unknown)?;
            let down = format!("{PREFIX}{down}.lora_A.weight");
            if tensors.place(&down).is_none() {
                return Err(Fault::malformed(format!("tensor {name}"), "has no lora_A beside it"));
            }
            continue;
        };
        let matrix = module(layer).ok_or_else(unknown)?;
        let up_name = format!("{PREFIX}{layer}.lora_B.weight");
        let (Some(down), Some(up)) = (tensors.tensor(name)?, tensors.tensor(&up_name)?) else {
            return Err(Fault::malformed(format!("tensor {name}"), "has no lora_B beside it"));
        };
        let rank = down.rows();
        if up.columns() != rank {
            let problem = format!("has {} columns; lora_A has {rank} rows", up.columns());
            return Err(Fault::malformed(format!("tensor {up_name}"), problem));
        }
        let divisor = if is_stable { (rank as f64).sqrt() } else { rank as f64 };
        changes.push(Change {
            matrix,
            shape: DeltaShape { rank, columns: down.columns(), rows: up.rows() },
            down: numbers(&down, depth),
            up: numbers(&up, depth),
            scale: (alpha / divisor) as f32,
        });
    }
    Ok((changes, Order::Halves))
}

fn refuse(config: &Json) -> Result<(), Fault> {
    let kind = config.required("peft_type", config.text("peft_type")?)?;
    if kind != "LORA" {
        return Err(config.unsupported("peft_type", format!("{kind:?} is not computed here; LORA is")));
    }
    if config.text("bias")?.is_some_and(|bias| bias != "none") {
        return Err(config.unsupported("bias", "adapters that change biases are not computed here"));
    }
    let is_empty = |value: &Value| match value {
        Value::Bool(is) => !is,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    for member in REFUSED {
        if config.get(member).is_some_and(|value| !is_empty(value)) {
            return Err(config.unsupported(member, "adapters of this kind are not computed here"));
        }
    }
    match config.get("init_lora_weights") {
        Some(Value::String(way)) if !INITIAL.contains(&way.as_str()) => {
            let remedy =
                format!("{way:?} changes the base model; convert the adapter with PEFT's save_pretrained");
            Err(config.unsupported("init_lora_weights", remedy))
        }
        _ => Ok(()),
    }
}
