//! The Llama architecture written as slowly and plainly as possible: 32-bit weights, 64-bit sums, no cache, no batch.

use crate::gguf::Gguf;
use crate::quant::decode;

/// The logits after the last of `tokens`.
pub(crate) struct Plain<'a> {
    pub(crate) gguf: &'a Gguf,
}

type Vector = Vec<f64>;

impl Plain<'_> {
    fn number(&self, key: &str) -> f64 {
        let metadata = self.gguf.metadata();
        metadata
            .u32(key)
            .map(|n| f64::from(n.unwrap()))
            .or_else(|_| metadata.f32(key).map(|n| n.unwrap().into()))
            .unwrap()
    }

    fn weights(&self, name: &str) -> Option<(usize, Vec<f32>)> {
        let tensor = self.gguf.tensor(name)?;
        let mut numbers = vec![0.0; tensor.rows() * tensor.columns()];
        decode(tensor.kind, tensor.bytes, &mut numbers);
        Some((tensor.columns(), numbers))
    }

    fn times(&self, name: &str, inputs: &[Vector]) -> Vec<Vector> {
        let (columns, weights) = self.weights(&format!("{name}.weight")).unwrap();
        let bias = self.weights(&format!("{name}.bias")).map(|(_, bias)| bias);
        let dot = |row: &[f32], x: &Vector| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
        let product = |x: &Vector| -> Vector {
            let rows = weights.chunks_exact(columns).enumerate();
            rows.map(|(at, row)| dot(row, x) + bias.as_ref().map_or(0.0, |bias| bias[at].into())).collect()
        };
        inputs.iter().map(product).collect()
    }

    fn norm(&self, name: &str, inputs: &[Vector]) -> Vec<Vector> {
        let epsilon = self.number("llama.attention.layer_norm_rms_epsilon");
        let (_, weights) = self.weights(name).unwrap();
        let one = |x: &Vector| -> Vector {
            let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
            x.iter().zip(&weights).map(|(x, w)| x / (mean + epsilon).sqrt() * f64::from(*w)).collect()
        };
        inputs.iter().map(one).collect()
    }

    fn turn(&self, head: &mut [f64], position: usize) {
        let (base, len) = (self.number("llama.rope.freq_base"), head.len());
        let divisors = self.weights("rope_freqs.weight");
        for pair in 0..len / 2 {
            let divisor = divisors.as_ref().map_or(1.0, |(_, divisors)| f64::from(divisors[pair]));
            let angle = position as f64 * base.powf(-2.0 * pair as f64 / len as f64) / divisor;
            let (x, y) = (head[2 * pair], head[2 * pair + 1]);
            head[2 * pair] = x * angle.cos() - y * angle.sin();
            head[2 * pair + 1] = x * angle.sin() + y * angle.cos();
        }
    }

    fn attention(&self, layer: usize, inputs: &[Vector]) -> Vec<Vector> {
        let heads = self.number("llama.attention.head_count") as usize;
        let kv_heads = self.number("llama.attention.head_count_kv") as usize;
        let name = |part: &str| format!("blk.{layer}.attn_{part}");
        let (mut queries, mut keys) = (self.times(&name("q"), inputs), self.times(&name("k"), inputs));
        let values = self.times(&name("v"), inputs);
        let len = queries[0].len() / heads;
        for (position, (query, key)) in queries.iter_mut().zip(&mut keys).enumerate() {
            query
                .chunks_exact_mut(len)
                .chain(key.chunks_exact_mut(len))
                .for_each(|head| self.turn(head, position));
        }
        let mut out = vec![vec![0.0; heads * len]; inputs.len()];
        for (position, out) in out.iter_mut().enumerate() {
            for (head, out) in out.chunks_exact_mut(len).enumerate() {
                let shared = head / (heads / kv_heads) * len;
                let query = &queries[position][head * len..][..len];
                let score = |key: &Vector| {
                    let dot: f64 = query.iter().zip(&key[shared..]).map(|(q, k)| q * k).sum();
                    (dot / (len as f64).sqrt()).exp()
                };
                let scores: Vector = keys[..=position].iter().map(score).collect();
                let total: f64 = scores.iter().sum();
                for (score, value) in scores.iter().zip(&values) {
                    out.iter_mut().zip(&value[shared..]).for_each(|(out, v)| *out += score / total * v);
                }
            }
        }
        self.times(&name("output"), &out)
    }

    fn feed_forward(&self, layer: usize, inputs: &[Vector]) -> Vec<Vector> {
        let name = |part: &str| format!("blk.{layer}.ffn_{part}");
        let (gate, up) = (self.times(&name("gate"), inputs), self.times(&name("up"), inputs));
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let both =
            |(gate, up): (Vector, Vector)| gate.iter().zip(up).map(|(gate, up)| silu(*gate) * up).collect();
        let inner: Vec<Vector> = gate.into_iter().zip(up).map(both).collect();
        self.times(&name("down"), &inner)
    }

    /// The logits after each of `tokens`.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Vec<Vector> {
        let (width, embedding) = self.weights("token_embd.weight").unwrap();
        let embed = |token: &u32| {
            embedding[*token as usize * width..][..width].iter().map(|x| f64::from(*x)).collect()
        };
        let mut hidden: Vec<Vector> = tokens.iter().map(embed).collect();
        let add = |hidden: &mut Vec<Vector>, more: Vec<Vector>| {
            hidden.iter_mut().flatten().zip(more.into_iter().flatten()).for_each(|(to, more)| *to += more);
        };
        for layer in 0..self.number("llama.block_count") as usize {
            let normed = self.norm(&format!("blk.{layer}.attn_norm.weight"), &hidden);
            add(&mut hidden, self.attention(layer, &normed));
            let normed = self.norm(&format!("blk.{layer}.ffn_norm.weight"), &hidden);
            add(&mut hidden, self.feed_forward(layer, &normed));
        }
        let normed = self.norm("output_norm.weight", &hidden);
        let output = if self.gguf.tensor("output.weight").is_some() { "output" } else { "token_embd" };
        self.times(output, &normed)
    }
}
