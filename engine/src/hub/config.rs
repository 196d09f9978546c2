use canon::Fault;

use super::family::Family;
use super::json::Json;
use super::{HALVES, rope};
use crate::gguf::Draft;

/// A layer that has a window, in `layer_types`.
const WINDOWED: &str = "sliding_attention";
/// A layer that sees everything.
const FULL: &str = "full_attention";

/// Members that are written as they are: theirs, ours, and whether a model can do without.
const SIZES: [(&str, &str, bool); 8] = [
    ("num_hidden_layers", "block_count", true),
    ("max_position_embeddings", "context_length", true),
    ("hidden_size", "embedding_length", true),
    ("intermediate_size", "feed_forward_length", true),
    ("num_attention_heads", "attention.head_count", true),
    ("num_key_value_heads", "attention.head_count_kv", false),
    ("head_dim", "attention.key_length", false),
    ("head_dim", "attention.value_length", false),
];

/// Writes the keys of the model's sizes and of what it computes.
pub(super) fn translate(config: &Json, family: &Family, draft: &mut Draft) -> Result<(), Fault> {
    refuse(config, family)?;
    draft.text("general.architecture", family.name);
    draft.bool(HALVES, true);
    let key = |key: &str| format!("{}.{key}", family.name);
    for (theirs, ours, is_needed) in SIZES {
        match config.u32(theirs)? {
            Some(size) => draft.u32(&key(ours), size),
            None if is_needed => return Err(config.malformed(theirs, "is missing")),
            None => {}
        }
    }
    let epsilon = config.required("rms_norm_eps", config.f64("rms_norm_eps")?)?;
    draft.f32(&key("attention.layer_norm_rms_epsilon"), epsilon as f32);
    if family.is_gemma() {
        for (theirs, ours) in [
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ] {
            // A file that names none would get the family's.
            draft.f32(&key(ours), config.f64(theirs)?.unwrap_or(0.0) as f32);
        }
        let scalar = "query_pre_attn_scalar";
        let scalar = config.required(scalar, config.f64(scalar)?)?;
        draft.f32(&key("attention.scale"), (1.0 / scalar.sqrt()) as f32);
    }
    windows(config, family, draft)?;
    rope::translate(config, family, draft)
}

/// Members that call for arithmetic that is not computed here.
fn refuse(config: &Json, family: &Family) -> Result<(), Fault> {
    if config.get("quantization_config").is_some() {
        let remedy =
            "quantised weights are read from GGUF files; take those, or a folder in BF16, F16 or F32";
        return Err(config.unsupported("quantization_config", remedy));
    }
    let gates = ["hidden_activation", "hidden_act"];
    let gate = gates.into_iter().find(|member| config.get(member).is_some()).unwrap_or(gates[1]);
    let said = config.required(gate, config.text(gate)?)?;
    if said != family.activation {
        let remedy = format!("{said:?} is not computed for this family; {:?} is", family.activation);
        return Err(config.unsupported(gate, remedy));
    }
    for member in ["use_bidirectional_attention", "add_cross_attention", "is_encoder_decoder"] {
        if config.get(member).is_some_and(|value| value != &serde_json::Value::Bool(false)) {
            return Err(config.unsupported(member, "models of this kind are not computed here"));
        }
    }
    still_layers(config, family)
}

/// The layers that do not turn must be those that the architecture is known for.
fn still_layers(config: &Json, family: &Family) -> Result<(), Fault> {
    let member = "no_rope_layers";
    let Some(turns) = config.numbers(member)? else { return Ok(()) };
    let usual = |at: usize| family.name != "smollm3" || !(at + 1).is_multiple_of(4);
    if turns.iter().enumerate().any(|(at, turns)| (*turns != 0.0) != usual(at)) {
        return Err(
            config.unsupported(member, "only models in which every fourth layer does not turn are computed")
        );
    }
    Ok(())
}

/// The window, and which layers have it.
fn windows(config: &Json, family: &Family, draft: &mut Draft) -> Result<(), Fault> {
    let (window_key, pattern_key) = (
        format!("{}.attention.sliding_window", family.name),
        format!("{}.attention.sliding_window_pattern", family.name),
    );
    let is_used = config.bool("use_sliding_window")?.unwrap_or(true);
    let window = config.u32("sliding_window")?.filter(|window| *window > 0 && is_used);
    // Zero stands for none, where a file that names none would get the family's.
    draft.u32(&window_key, window.unwrap_or(0));
    if window.is_none() {
        return Ok(());
    }
    if let Some(kinds) = config.texts("layer_types")? {
        if let Some(odd) = kinds.iter().find(|kind| !matches!(**kind, WINDOWED | FULL)) {
            return Err(
                config.unsupported("layer_types", format!("layers of the type {odd:?} are not computed"))
            );
        }
        let windowed: Vec<bool> = kinds.iter().map(|kind| *kind == WINDOWED).collect();
        draft.bools(&pattern_key, &windowed);
    } else if let Some(every) = config.u32("sliding_window_pattern")? {
        draft.u32(&pattern_key, every);
    } else if let (Some(first), Some(layers)) =
        (config.u32("max_window_layers")?, config.u32("num_hidden_layers")?)
    {
        // configuration_qwen2.py: the layers from there on.
        draft.bools(&pattern_key, &(0..layers).map(|layer| layer >= first).collect::<Vec<bool>>());
    }
    Ok(())
}
