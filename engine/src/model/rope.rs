use canon::Fault;

use super::config::optional_size;
use crate::gguf::Gguf;
use crate::quant::decode;

/// The base of a file that names none.
const BASE_DEFAULT: f32 = 10_000.0;

/// Rotary position embedding: each pair of neighbours in a head turns by an angle that grows with the position.
///
/// Pairs are neighbours (`LLAMA_ROPE_TYPE_NORM`): converters to GGUF permute the weights accordingly.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rope {
    /// Radians for each position, of each pair.
    rates: Vec<f64>,
}

impl Rope {
    /// Reads base, linear scaling and the tensor of divisors by which Llama 3 stretches its context.
    pub(super) fn read(gguf: &Gguf, head_len: usize) -> Result<Self, Fault> {
        let metadata = gguf.metadata();
        let len = optional_size(&metadata, "llama.rope.dimension_count")?.unwrap_or(head_len);
        if !len.is_multiple_of(2) || len > head_len {
            let problem = format!("{len} dimensions cannot be turned in heads of {head_len}");
            return Err(Fault::malformed("llama.rope.dimension_count", problem));
        }
        let base = f64::from(metadata.f32("llama.rope.freq_base")?.unwrap_or(BASE_DEFAULT));
        let stretch = match metadata.string("llama.rope.scaling.type")? {
            None | Some("none") => 1.0,
            Some("linear") => f64::from(metadata.f32("llama.rope.scaling.factor")?.unwrap_or(1.0)),
            Some(other) => {
                let remedy = format!("\"{other}\" is not computed; \"none\", \"linear\" and rope_freqs are");
                return Err(Fault::unsupported("llama.rope.scaling.type", remedy));
            }
        };
        let mut rates: Vec<f64> =
            (0..len / 2).map(|pair| base.powf(-2.0 * pair as f64 / len as f64) / stretch).collect();
        if let Some(tensor) = gguf.tensor("rope_freqs.weight") {
            let mut divisors = vec![0.0; tensor.columns() * tensor.rows()];
            decode(tensor.kind, tensor.bytes, &mut divisors);
            if divisors.len() != rates.len() || !divisors.iter().all(|divisor| *divisor > 0.0) {
                let problem = format!("must hold {} divisors above zero", rates.len());
                return Err(Fault::malformed("tensor rope_freqs.weight", problem));
            }
            rates.iter_mut().zip(divisors).for_each(|(rate, divisor)| *rate /= f64::from(divisor));
        }
        Ok(Self { rates })
    }

    /// Cosine and sine of each pair's angle at a position.
    pub(crate) fn turns(&self, position: usize) -> impl Iterator<Item = (f32, f32)> {
        self.rates.iter().map(move |rate| {
            let (sin, cos) = (position as f64 * rate).sin_cos();
            (cos as f32, sin as f32)
        })
    }
}
