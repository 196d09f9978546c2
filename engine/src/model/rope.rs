use std::f64::consts::TAU;

use canon::Fault;

use super::keys::Keys;
use crate::quant::decode;

/// The base of a file that names none.
const BASE_DEFAULT: f32 = 10_000.0;
/// `YaRN`'s betas of a file that names none: how often a pair turns within the original context, above which it is not
/// stretched, and below which it is stretched in full.
const BETAS_DEFAULT: (f32, f32) = (32.0, 1.0);

/// Rotary position embedding: each pair of numbers in a head turns by an angle that grows with the position.
///
/// A context that was stretched after training shows in the rates: all divided alike (linear), by a divisor of each pair
/// (Llama 3, `LongRoPE`), by one that depends on how often a pair turns (`YaRN`), or not at all, in a larger base (NTK).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    /// Radians for each position, of each pair.
    rates: Vec<f64>,
    /// What turned numbers are multiplied by besides.
    growth: f64,
    /// Rates for contexts of at most so many tokens, and for longer ones.
    by_length: Option<(usize, Vec<f64>, Vec<f64>)>,
}

impl Rope {
    /// Reads base, scaling, and the tensors of divisors.
    pub(super) fn read(keys: &Keys<'_>, head_len: usize) -> Result<Self, Fault> {
        let base = keys.f32("rope.freq_base")?.unwrap_or(BASE_DEFAULT);
        let mut rope = Self::plain(keys, base, head_len)?;
        rope.stretch(keys, f64::from(base))?;
        if let Some(divisors) = divisors(keys, "rope_freqs.weight", rope.rates.len())? {
            rope.rates = divided(&rope.rates, &divisors);
        }
        let long = divisors(keys, "rope_factors_long.weight", rope.rates.len())?;
        let short = divisors(keys, "rope_factors_short.weight", rope.rates.len())?;
        if let (Some(long), Some(short)) = (long, short) {
            let tokens = keys.size("rope.scaling.original_context_length")?;
            rope.by_length = Some((tokens, divided(&rope.rates, &short), divided(&rope.rates, &long)));
        }
        Ok(rope)
    }

    /// With this base, and not stretched.
    pub(super) fn plain(keys: &Keys<'_>, base: f32, head_len: usize) -> Result<Self, Fault> {
        let len = keys.optional_size("rope.dimension_count")?.unwrap_or(head_len);
        if !len.is_multiple_of(2) || len > head_len {
            let problem = format!("{len} dimensions cannot be turned in heads of {head_len}");
            return Err(keys.malformed("rope.dimension_count", problem));
        }
        let rate = |pair| f64::from(base).powf(-2.0 * pair as f64 / len as f64);
        Ok(Self { rates: (0..len / 2).map(rate).collect(), growth: 1.0, by_length: None })
    }

    /// Stretches it as the file says.
    fn stretch(&mut self, keys: &Keys<'_>, base: f64) -> Result<(), Fault> {
        self.growth = keys.f32("rope.scaling.attn_factor")?.unwrap_or(1.0).into();
        let factor = match keys.f32("rope.scaling.factor")? {
            // The key's name in files of 2023.
            None => keys.f32("rope.scale_linear")?,
            factor => factor,
        };
        // llama.cpp takes a factor of zero for none, and one without a type for a linear one.
        let factor = f64::from(factor.filter(|factor| *factor != 0.0).unwrap_or(1.0));
        if !(factor.is_finite() && factor > 0.0) {
            return Err(keys.malformed("rope.scaling.factor", format!("{factor} stretches nothing")));
        }
        match keys.string("rope.scaling.type")? {
            // The divisors of LongRoPE are tensors.
            Some("none" | "longrope") => {}
            None | Some("linear") => self.rates.iter_mut().for_each(|rate| *rate /= factor),
            Some("yarn") => self.yarn(keys, base, factor)?,
            Some(other) => {
                let remedy = format!(
                    "\"{other}\" is not computed; \"none\", \"linear\", \"yarn\" and \"longrope\" are"
                );
                return Err(keys.unsupported("rope.scaling.type", remedy));
            }
        }
        Ok(())
    }

    /// `YaRN` (Peng and others, 2023), as `_compute_yarn_parameters` of transformers' `modeling_rope_utils.py`.
    fn yarn(&mut self, keys: &Keys<'_>, base: f64, factor: f64) -> Result<(), Fault> {
        let original = match keys.optional_size("rope.scaling.original_context_length")? {
            Some(tokens) => tokens,
            None => keys.size("context_length")?,
        };
        let beta_fast = keys.f32("rope.scaling.yarn_beta_fast")?.unwrap_or(BETAS_DEFAULT.0);
        let beta_slow = keys.f32("rope.scaling.yarn_beta_slow")?.unwrap_or(BETAS_DEFAULT.1);
        let len = 2.0 * self.rates.len() as f64;
        // The pair that turns so often within the original context.
        let pair = |turns: f32| len * (original as f64 / (f64::from(turns) * TAU)).ln() / (2.0 * base.ln());
        let first = pair(beta_fast).floor().max(0.0);
        let last = pair(beta_slow).ceil().min(len - 1.0);
        let width = if last == first { 0.001 } else { last - first };
        for (pair, rate) in self.rates.iter_mut().enumerate() {
            let stretched = ((pair as f64 - first) / width).clamp(0.0, 1.0);
            *rate *= stretched / factor + (1.0 - stretched);
        }
        self.growth *= match keys.f32("rope.scaling.yarn_attn_factor")? {
            Some(growth) => growth.into(),
            None => {
                let grown = |by: f64| if factor > 1.0 { 0.1 * by * factor.ln() + 1.0 } else { 1.0 };
                let less = keys.f32("rope.scaling.yarn_log_multiplier")?.unwrap_or(0.0);
                grown(1.0) / grown(less.into())
            }
        };
        Ok(())
    }

    /// Chooses the rates for contexts of at most so many tokens.
    pub(super) fn fit(&mut self, context_tokens: usize) {
        if let Some((tokens, short, long)) = &self.by_length {
            self.rates.clone_from(if context_tokens > *tokens { long } else { short });
        }
    }

    /// Cosine and sine of each pair's angle at a position.
    pub(crate) fn turns(&self, position: usize) -> impl Iterator<Item = (f32, f32)> {
        self.rates.iter().map(move |rate| {
            let (sin, cos) = (position as f64 * rate).sin_cos();
            ((cos * self.growth) as f32, (sin * self.growth) as f32)
        })
    }
}

fn divided(rates: &[f64], divisors: &[f32]) -> Vec<f64> {
    rates.iter().zip(divisors).map(|(rate, divisor)| rate / f64::from(*divisor)).collect()
}

/// A tensor of what the rate of each pair is divided by.
fn divisors(keys: &Keys<'_>, name: &str, pairs: usize) -> Result<Option<Vec<f32>>, Fault> {
    let Some(tensor) = keys.optional_tensor(name) else { return Ok(None) };
    let mut divisors = vec![0.0; tensor.columns() * tensor.rows()];
    decode(tensor.kind, tensor.bytes, &mut divisors);
    if divisors.len() != pairs || !divisors.iter().all(|divisor| *divisor > 0.0) {
        let problem = format!("must hold {pairs} divisors above zero");
        return Err(Fault::malformed(format!("tensor {name}"), problem));
    }
    Ok(Some(divisors))
}
