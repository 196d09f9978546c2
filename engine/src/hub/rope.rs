//! Rotary positions: transformers' `modeling_rope_utils.py` to the keys and tensors of GGUF.

use std::f64::consts::TAU;

use canon::Fault;

use super::family::Family;
use super::json::Json;
use crate::gguf::Draft;

/// The base of a folder that names none: transformers' `default_theta`.
const BASE_DEFAULT: f64 = 10_000.0;

/// A model's rope, and where its keys go.
struct Rope<'a> {
    config: &'a Json,
    /// `rope_parameters`, or before transformers 5 `rope_scaling`.
    said: Option<Json>,
    family: &'a Family,
    base: f64,
    /// How many numbers of a head turn.
    turned: f64,
}

pub(super) fn translate(config: &Json, family: &Family, draft: &mut Draft) -> Result<(), Fault> {
    let rope = Rope::read(config, family, draft)?;
    let key = |name: &str| format!("{}.rope.{name}", family.name);
    draft.f32(&key("freq_base"), rope.base as f32);
    let Some(said) = &rope.said else { return Ok(()) };
    let kind = match said.text("rope_type")? {
        None => said.text("type")?.unwrap_or("default"),
        Some(kind) => kind,
    };
    match kind {
        "default" => Ok(()),
        "linear" => {
            draft.text(&key("scaling.type"), "linear");
            draft.f32(&key("scaling.factor"), said.required("factor", said.f64("factor")?)? as f32);
            Ok(())
        }
        "llama3" => rope.llama3(said, draft),
        "yarn" => rope.yarn(said, draft),
        // "su" is its name in Phi-3's first folders.
        "longrope" | "su" => rope.longrope(said, draft),
        other => {
            let remedy = format!("{other:?} is not computed; default, linear, llama3, yarn and longrope are");
            Err(said.unsupported("rope_type", remedy))
        }
    }
}

impl<'a> Rope<'a> {
    fn read(config: &'a Json, family: &'a Family, draft: &mut Draft) -> Result<Self, Fault> {
        let mut said = match config.object("rope_parameters")? {
            None => config.object("rope_scaling")?,
            said => said,
        };
        let mut local = config.f64("rope_local_base_freq")?;
        // Transformers 5 writes one rope for each type of layer.
        if let Some(full) = said.as_ref().map(|said| said.object("full_attention")).transpose()?.flatten() {
            let windowed = said.as_ref().map(|said| said.object("sliding_attention")).transpose()?.flatten();
            if let Some(windowed) = windowed {
                if windowed.text("rope_type")?.is_some_and(|kind| kind != "default") {
                    return Err(
                        windowed.unsupported("rope_type", "layers with a window are not stretched here")
                    );
                }
                local = windowed.f64("rope_theta")?;
            }
            said = Some(full);
        }
        let from_said = |member: &str| said.as_ref().map(|said| said.f64(member)).transpose();
        let either = |member: &str| -> Result<Option<f64>, Fault> {
            Ok(from_said(member)?.flatten().or(config.f64(member)?))
        };
        let base = either("rope_theta")?.unwrap_or(BASE_DEFAULT);
        if let Some(local) = local {
            draft.f32(&format!("{}.rope.freq_base_swa", family.name), local as f32);
        }
        let head = match config.u32("head_dim")? {
            Some(head) => head,
            None => {
                let heads = config.u32("num_attention_heads")?.filter(|heads| *heads > 0);
                config.u32("hidden_size")?.unwrap_or(0) / config.required("num_attention_heads", heads)?
            }
        };
        let part = either("partial_rotary_factor")?.unwrap_or(1.0);
        let turned = (f64::from(head) * part).floor();
        if part < 1.0 {
            draft.u32(&format!("{}.rope.dimension_count", family.name), turned as u32);
        }
        Ok(Self { config, said, family, base, turned })
    }

    fn key(&self, name: &str) -> String {
        format!("{}.rope.scaling.{name}", self.family.name)
    }

    /// `_compute_llama3_parameters`: what each pair's rate is divided by.
    fn llama3(&self, said: &Json, draft: &mut Draft) -> Result<(), Fault> {
        let number = |member: &str| said.required(member, said.f64(member)?);
        let (factor, low, high) =
            (number("factor")?, number("low_freq_factor")?, number("high_freq_factor")?);
        let original = number("original_max_position_embeddings")?;
        let divisor = |pair: u32| {
            let length = TAU * self.base.powf(2.0 * f64::from(pair) / self.turned);
            if length < original / high {
                return 1.0;
            }
            if length > original / low {
                return factor as f32;
            }
            let smooth = (original / length - low) / (high - low);
            (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
        };
        let divisors: Vec<f32> = (0..self.turned as u32 / 2).map(divisor).collect();
        draft.floats("rope_freqs.weight", &divisors);
        Ok(())
    }

    /// `_compute_yarn_parameters`.
    fn yarn(&self, said: &Json, draft: &mut Draft) -> Result<(), Fault> {
        if said.bool("truncate")? == Some(false) {
            return Err(said.unsupported("truncate", "YaRN is computed with whole pairs alone"));
        }
        let factor = said.required("factor", said.f64("factor")?)?;
        draft.text(&self.key("type"), "yarn");
        draft.f32(&self.key("factor"), factor as f32);
        if let Some(original) = said.u32("original_max_position_embeddings")? {
            draft.u32(&self.key("original_context_length"), original);
        }
        for beta in ["beta_fast", "beta_slow"] {
            if let Some(beta_value) = said.f64(beta)? {
                draft.f32(&self.key(&format!("yarn_{beta}")), beta_value as f32);
            }
        }
        let grown = |by: f64| if factor > 1.0 { 0.1 * by * factor.ln() + 1.0 } else { 1.0 };
        let growth = match (said.f64("attention_factor")?, said.f64("mscale")?, said.f64("mscale_all_dim")?) {
            (Some(growth), ..) => Some(growth),
            (None, Some(some), Some(all)) if some != 0.0 && all != 0.0 => Some(grown(some) / grown(all)),
            _ => None,
        };
        if let Some(growth) = growth {
            draft.f32(&self.key("yarn_attn_factor"), growth as f32);
        }
        Ok(())
    }

    /// `_compute_longrope_parameters`.
    fn longrope(&self, said: &Json, draft: &mut Draft) -> Result<(), Fault> {
        let member = "original_max_position_embeddings";
        let original = match self.config.u32(member)? {
            None => said.u32(member)?,
            original => original,
        };
        let original = said.required(member, original)?;
        draft.text(&self.key("type"), "longrope");
        draft.u32(&self.key("original_context_length"), original);
        let context = f64::from(self.config.u32("max_position_embeddings")?.unwrap_or(original));
        let stretch = context / f64::from(original);
        let computed =
            if stretch > 1.0 { (1.0 + stretch.ln() / f64::from(original).ln()).sqrt() } else { 1.0 };
        draft.f32(&self.key("attn_factor"), said.f64("attention_factor")?.unwrap_or(computed) as f32);
        for (theirs, ours) in
            [("long_factor", "rope_factors_long.weight"), ("short_factor", "rope_factors_short.weight")]
        {
            let divisors = said.required(theirs, said.numbers(theirs)?)?;
            draft.floats(ours, &divisors.iter().map(|divisor| *divisor as f32).collect::<Vec<f32>>());
        }
        Ok(())
    }
}
