//! What a model computes, written as slowly and plainly as possible: 32-bit weights, 64-bit sums, no cache, no batch.

use super::config::Config;
use crate::gguf::Gguf;
use crate::kernels::{Activation, Turning};
use crate::quant::decode;

/// A model, of which nothing is prepared.
pub(crate) struct Plain<'a> {
    gguf: &'a Gguf,
    config: Config,
}

type Vector = Vec<f64>;

impl<'a> Plain<'a> {
    pub(crate) fn new(gguf: &'a Gguf) -> Self {
        Self { gguf, config: Config::read(gguf).unwrap() }
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

    /// Products with several tensors, or with the parts of the one tensor `whole` where the file has that.
    fn parts<const N: usize>(&self, whole: &str, names: [&str; N], inputs: &[Vector]) -> [Vec<Vector>; N] {
        if names.iter().all(|name| self.gguf.tensor(&format!("{name}.weight")).is_some()) {
            return names.map(|name| self.times(name, inputs));
        }
        let Config { heads, kv_heads, head_len, inner, .. } = self.config;
        let lens: [usize; N] = std::array::from_fn(|at| match (N, at) {
            (3, 0) => heads * head_len,
            (3, _) => kv_heads * head_len,
            _ => inner,
        });
        let products = self.times(whole, inputs);
        std::array::from_fn(|at| {
            let start: usize = lens[..at].iter().sum();
            products.iter().map(|product| product[start..start + lens[at]].to_vec()).collect()
        })
    }

    /// As they are, where there is no such norm.
    fn norm(&self, name: &str, inputs: Vec<Vector>) -> Vec<Vector> {
        let Some((_, weights)) = self.weights(&format!("{name}.weight")) else { return inputs };
        let one = |x: &[f64]| -> Vector {
            let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
            let size = (mean + f64::from(self.config.epsilon)).sqrt();
            x.iter().zip(&weights).map(|(x, w)| x / size * f64::from(*w)).collect()
        };
        // Norms of heads are taken one by one.
        inputs.iter().map(|x| x.chunks_exact(weights.len()).flat_map(one).collect()).collect()
    }

    fn turn(&self, rope: usize, head: &mut [f64], position: usize) {
        let turns: Vec<_> = self.config.ropes[rope].turns(position).collect();
        let pairs = turns.len();
        for (pair, (cos, sin)) in turns.into_iter().enumerate() {
            let (a, b) = match self.config.turning {
                Turning::Neighbours => (2 * pair, 2 * pair + 1),
                Turning::Halves => (pair, pair + pairs),
            };
            let (x, y, cos, sin) = (head[a], head[b], f64::from(cos), f64::from(sin));
            (head[a], head[b]) = (x * cos - y * sin, x * sin + y * cos);
        }
    }

    fn attention(&self, layer: usize, inputs: &[Vector]) -> Vec<Vector> {
        let Config { heads, kv_heads, head_len: len, scale, score_cap, .. } = self.config;
        let view = self.config.views[layer];
        let name = |part: &str| format!("blk.{layer}.attn_{part}");
        let [queries, keys, values] = self.parts(&name("qkv"), [&name("q"), &name("k"), &name("v")], inputs);
        let (mut queries, mut keys) = (self.norm(&name("q_norm"), queries), self.norm(&name("k_norm"), keys));
        for (position, (query, key)) in queries.iter_mut().zip(&mut keys).enumerate() {
            let all = query.chunks_exact_mut(len).chain(key.chunks_exact_mut(len));
            all.for_each(|head| view.rope.iter().for_each(|rope| self.turn(*rope, head, position)));
        }
        let mut out = vec![vec![0.0; heads * len]; inputs.len()];
        for (position, out) in out.iter_mut().enumerate() {
            let first = view.window.map_or(0, |window| (position + 1).saturating_sub(window));
            for (head, out) in out.chunks_exact_mut(len).enumerate() {
                let shared = head / (heads / kv_heads) * len;
                let query = &queries[position][head * len..][..len];
                let score = |key: &Vector| {
                    let dot: f64 = query.iter().zip(&key[shared..]).map(|(q, k)| q * k).sum();
                    capped(dot * f64::from(scale), score_cap).exp()
                };
                let scores: Vector = keys[first..=position].iter().map(score).collect();
                let total: f64 = scores.iter().sum();
                for (score, value) in scores.iter().zip(&values[first..]) {
                    out.iter_mut().zip(&value[shared..]).for_each(|(out, v)| *out += score / total * v);
                }
            }
        }
        self.times(&name("output"), &out)
    }

    fn feed_forward(&self, layer: usize, inputs: &[Vector]) -> Vec<Vector> {
        let name = |part: &str| format!("blk.{layer}.ffn_{part}");
        let [gate, up] = self.parts(&name("up"), [&name("gate"), &name("up")], inputs);
        let activate = |x: f64| match self.config.architecture.activation {
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Gelu => {
                let y = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                x * (1.0 + y.tanh()) / 2.0
            }
        };
        let both = |(gate, up): (Vector, Vector)| {
            gate.iter().zip(up).map(|(gate, up)| activate(*gate) * up).collect()
        };
        let inner: Vec<Vector> = gate.into_iter().zip(up).map(both).collect();
        self.times(&name("down"), &inner)
    }

    /// The logits after each of `tokens`.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Vec<Vector> {
        let (width, embedding) = self.weights("token_embd.weight").unwrap();
        let scale = f64::from(self.config.embedding_scale());
        let embed = |token: &u32| {
            embedding[*token as usize * width..][..width].iter().map(|x| f64::from(*x) * scale).collect()
        };
        let mut hidden: Vec<Vector> = tokens.iter().map(embed).collect();
        let add = |hidden: &mut Vec<Vector>, more: Vec<Vector>| {
            hidden.iter_mut().flatten().zip(more.into_iter().flatten()).for_each(|(to, more)| *to += more);
        };
        for layer in 0..self.config.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let attended = self.attention(layer, &self.norm(&name("attn_norm"), hidden.clone()));
            add(&mut hidden, self.norm(&name("post_attention_norm"), attended));
            let inner = self.feed_forward(layer, &self.norm(&name("ffn_norm"), hidden.clone()));
            add(&mut hidden, self.norm(&name("post_ffw_norm"), inner));
        }
        let normed = self.norm("output_norm", hidden);
        let output = if self.gguf.tensor("output.weight").is_some() { "output" } else { "token_embd" };
        let logits = self.times(output, &normed).into_iter();
        logits.map(|row| row.into_iter().map(|x| capped(x, self.config.logit_cap)).collect()).collect()
    }
}

fn capped(x: f64, cap: Option<f32>) -> f64 {
    cap.map(f64::from).map_or(x, |cap| cap * (x / cap).tanh())
}
