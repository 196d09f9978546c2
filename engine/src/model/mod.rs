//! The Llama architecture: what one step computes for rows of many sequences.
//!
//! Layers of attention (grouped queries, rotary positions) and of a gated feed-forward block, each added to the hidden
//! state and each behind a root-mean-square norm. A row's result does not depend on the other rows of its step.

mod config;
mod rope;
mod weights;

#[cfg(test)]
pub(crate) mod plain;
#[cfg(test)]
mod tests;

use canon::Fault;

use crate::gguf::Gguf;
use crate::kernels::{
    Attention, Cache, Floats, Input, Kernels, Mode, PAGE_TOKENS, Page, Place, Places, Product, Step, Turning,
    Turns,
};
use weights::{Layer, Weights};

pub(crate) use config::Config;

/// A model that can be run.
pub(crate) struct Model {
    pub(crate) config: Config,
    weights: Weights,
}

/// A token of a sequence, to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Which of the batch's sequences.
    pub(crate) sequence: usize,
    pub(crate) position: usize,
    pub(crate) token: u32,
    /// Whether the logits of what follows are wanted.
    pub(crate) logits: bool,
}

/// What one step computes. Rows of a sequence come in the order of their positions, and what is before them has been
/// computed or is in the batch.
pub(crate) struct Batch<'a> {
    pub(crate) rows: Vec<Row>,
    /// The pages of each sequence.
    pub(crate) pages: Vec<&'a [Page]>,
}

/// Room for what a step computes on its way, kept from step to step.
pub(crate) struct Scratch {
    hidden: Floats,
    queries: Floats,
    keys: Floats,
    values: Floats,
    attended: Floats,
    inner: Floats,
    inputs: Inputs,
    /// Of each row that wanted them, one row of logits.
    pub(crate) logits: Floats,
}

/// Rows on their way into products.
struct Inputs {
    hidden: Vec<Input>,
    attended: Vec<Input>,
    inner: Vec<Input>,
}

impl Scratch {
    pub(crate) fn new(config: &Config) -> Self {
        let (queries, keys) = (config.heads * config.head_len, config.kv_heads * config.head_len);
        Self {
            hidden: Floats::new(config.width),
            queries: Floats::new(queries),
            keys: Floats::new(keys),
            values: Floats::new(keys),
            attended: Floats::new(queries),
            inner: Floats::new(config.inner),
            inputs: Inputs { hidden: Vec::new(), attended: Vec::new(), inner: Vec::new() },
            logits: Floats::new(config.vocabulary),
        }
    }

    fn resize(&mut self, rows: usize) {
        let floats = [
            &mut self.hidden,
            &mut self.queries,
            &mut self.keys,
            &mut self.values,
            &mut self.attended,
            &mut self.inner,
        ];
        floats.into_iter().for_each(|floats| floats.resize(rows));
        let inputs = [
            (&mut self.inputs.hidden, self.hidden.len),
            (&mut self.inputs.attended, self.attended.len),
            (&mut self.inputs.inner, self.inner.len),
        ];
        inputs.into_iter().for_each(|(inputs, len)| inputs.resize_with(rows, || Input::new(len)));
    }
}

impl Model {
    /// Reads the sizes, and repacks the weights on all threads.
    pub(crate) fn load(gguf: &Gguf, kernels: &mut Kernels) -> Result<Self, Fault> {
        let config = Config::read(gguf)?;
        let weights = Weights::load(gguf, &config, kernels)?;
        Ok(Self { config, weights })
    }

    /// Computes the batch, keeps its keys and values in `cache`, and leaves the logits in `scratch`.
    pub(crate) fn step(
        &self,
        kernels: &mut Kernels,
        cache: &mut Cache,
        batch: &Batch<'_>,
        scratch: &mut Scratch,
    ) {
        scratch.resize(batch.rows.len());
        let width = self.config.width;
        let share = kernels.pool().share(batch.rows.len());
        kernels.pool().split(&mut scratch.hidden.data, share * width, &|start, hidden| {
            for (hidden, row) in hidden.chunks_exact_mut(width).zip(&batch.rows[start / width..]) {
                self.weights.embedding.decode_row(row.token as usize, hidden);
            }
        });
        let step = self.plan(batch);
        for (number, layer) in self.weights.layers.iter().enumerate() {
            self.attention(layer, number, kernels, (cache, &step, scratch));
            self.feed_forward(layer, kernels, scratch);
        }
        self.logits(kernels, batch, scratch);
    }

    fn plan<'a>(&self, batch: &Batch<'a>) -> Step<'a> {
        let place = |row: &Row| Place {
            page: batch.pages[row.sequence][row.position / PAGE_TOKENS],
            slot: (row.position % PAGE_TOKENS) as u32,
        };
        let angles = batch.rows.iter().flat_map(|row| self.config.rope.turns(row.position)).collect();
        Step {
            places: Places::new(batch.rows.iter().map(place).collect()),
            positions: batch.rows.iter().map(|row| row.position).collect(),
            sequences: batch.rows.iter().map(|row| row.sequence).collect(),
            pages: batch.pages.clone(),
            turns: vec![Turns { turning: Turning::Neighbours, angles }],
        }
    }

    fn attention(
        &self,
        layer: &Layer,
        number: usize,
        kernels: &mut Kernels,
        (cache, step, scratch): (&mut Cache, &Step<'_>, &mut Scratch),
    ) {
        let Scratch { hidden, queries, keys, values, attended, inputs, .. } = scratch;
        let norm = Some((layer.attention_norm.as_slice(), self.config.epsilon));
        kernels.prepare(&|row| hidden.row(row), norm, &mut inputs.hidden);
        kernels.multiply(
            &inputs.hidden,
            &mut [
                Product { steps: &[(&layer.query, Mode::Set)], to: queries },
                Product { steps: &[(&layer.key, Mode::Set)], to: keys },
                Product { steps: &[(&layer.value, Mode::Set)], to: values },
            ],
        );
        let attention = Attention::plain(number, self.config.head_len);
        kernels.remember(cache, &attention, step, (keys, values));
        kernels.attend(cache, &attention, step, (queries, attended));
        kernels.prepare(&|row| attended.row(row), None, &mut inputs.attended);
        let steps = [(&layer.output, Mode::Add)];
        kernels.multiply(&inputs.attended, &mut [Product { steps: &steps, to: hidden }]);
    }

    fn feed_forward(&self, layer: &Layer, kernels: &mut Kernels, scratch: &mut Scratch) {
        let Scratch { hidden, inner, inputs, .. } = scratch;
        let norm = Some((layer.inner_norm.as_slice(), self.config.epsilon));
        kernels.prepare(&|row| hidden.row(row), norm, &mut inputs.hidden);
        let steps = [(&layer.gate, Mode::Set), (&layer.up, Mode::Gate)];
        kernels.multiply(&inputs.hidden, &mut [Product { steps: &steps, to: inner }]);
        kernels.prepare(&|row| inner.row(row), None, &mut inputs.inner);
        let steps = [(&layer.down, Mode::Add)];
        kernels.multiply(&inputs.inner, &mut [Product { steps: &steps, to: hidden }]);
    }

    fn logits(&self, kernels: &mut Kernels, batch: &Batch<'_>, scratch: &mut Scratch) {
        let rows = batch.rows.iter().enumerate();
        let wanted: Vec<usize> = rows.filter(|(_, row)| row.logits).map(|(number, _)| number).collect();
        let Scratch { hidden, inputs, logits, .. } = scratch;
        logits.resize(wanted.len());
        let some = &mut inputs.hidden[..wanted.len()];
        let norm = Some((self.weights.norm.as_slice(), self.config.epsilon));
        kernels.prepare(&|row| hidden.row(wanted[row]), norm, some);
        let output = self.weights.output.as_ref().unwrap_or(&self.weights.embedding);
        kernels.multiply(some, &mut [Product { steps: &[(output, Mode::Set)], to: logits }]);
    }
}
