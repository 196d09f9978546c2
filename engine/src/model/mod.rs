//! What one step computes for rows of many sequences, in any architecture of the table in `architecture`.
//!
//! Layers of attention (grouped queries, rotary positions) and of a gated feed-forward block, each added to the hidden
//! state and each behind a root-mean-square norm. A row's result does not depend on the other rows of its step.

mod apart;
mod architecture;
mod change;
mod config;
mod keys;
mod part;
mod rope;
mod scratch;
mod weights;

#[cfg(test)]
pub(crate) mod plain;
#[cfg(test)]
mod tests;

use canon::Fault;

use crate::adapter::Adapter;
use crate::gguf::Gguf;
use crate::kernels::{
    Attention, Cache, Floats, Following, Input, Kernels, Matrix, Mode, PAGE_TOKENS, Page, Place, Places,
    Preparation, Product, Step, Turns,
};
use change::{Change, Changes};
use scratch::Room;
use weights::{Layer, Weights};

pub(crate) use config::Config;
pub(crate) use part::Part;
pub(crate) use scratch::Scratch;

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
    /// The adapter of each sequence; empty where none has one.
    pub(crate) adapters: Vec<Option<&'a Adapter>>,
    /// Whether the likeliest token will do for all rows that want logits.
    pub(crate) wants_likeliest: bool,
}

impl Batch<'_> {
    /// Which rows want logits.
    fn wanted(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().enumerate().filter(|(_, row)| row.logits).map(|(number, _)| number)
    }

    /// These rows alone, which come in order.
    fn pick(&self, rows: &[usize]) -> Self {
        let rows = rows.iter().map(|row| self.rows[*row]).collect();
        Self { rows, pages: self.pages.clone(), adapters: self.adapters.clone(), ..*self }
    }
}

/// A layer, and what adapters change of it.
struct Stage<'a> {
    number: usize,
    layer: &'a Layer,
    changes: &'a Changes<'a>,
    /// Whether the rows' keys and values are kept already.
    kept: bool,
}

impl<'a> Stage<'a> {
    fn change(&self, part: Part) -> Change<'a> {
        self.changes.at(self.number, part)
    }

    /// How rows are prepared for these products: they keep their floats for matrices that take them, and for adapters.
    fn preparation(&self, norm: Option<(&'a [f32], f32)>, products: &[(&Matrix, Part)]) -> Preparation<'a> {
        let takes = |(matrix, part): &(&Matrix, Part)| matrix.takes_floats() || self.change(*part).is_any();
        Preparation { norm, keeps_floats: products.iter().any(takes) }
    }
}

/// A product that is added to the hidden state.
struct Addition<'a> {
    matrix: &'a Matrix,
    /// What normalises it on its way.
    norm: Option<&'a [f32]>,
    change: Change<'a>,
    /// What is multiplied next.
    following: Following<'a>,
}

impl Model {
    /// Reads the sizes, and repacks the weights on all threads.
    pub(crate) fn load(gguf: &Gguf, kernels: &mut Kernels) -> Result<Self, Fault> {
        let config = Config::read(gguf)?;
        let weights = Weights::load(gguf, &config, kernels)?;
        Ok(Self { config, weights })
    }

    /// The same, for sequences of at most so many tokens.
    pub(crate) fn within(self, context_tokens: usize) -> Self {
        Self { config: self.config.within(context_tokens), ..self }
    }

    /// Computes the batch, keeps its keys and values in `cache`, and leaves logits, or likeliest tokens, in `scratch`.
    pub(crate) fn step(
        &self,
        kernels: &mut Kernels,
        cache: &mut Cache,
        batch: &Batch<'_>,
        scratch: &mut Scratch,
    ) {
        let Scratch { room, apart, logits, likeliest } = scratch;
        let step = self.plan(cache, batch);
        match apart.shares(&step, batch, kernels.threads()) {
            Some(shares) => self.layers_apart(kernels, (step, batch, &shares), (apart, room)),
            None => self.layers(kernels, step, batch, room),
        }
        let changes = Changes::of_wanted(batch);
        *likeliest = self.conclude(kernels, (&changes, batch.wants_likeliest), (room, logits));
    }

    /// Takes rows through all layers, and leaves what those are that wanted logits.
    fn layers(&self, kernels: &mut Kernels, mut step: Step<'_>, batch: &Batch<'_>, room: &mut Room) {
        room.resize(batch.rows.len());
        self.embed(kernels, batch, &mut room.hidden);
        let mut changes = Changes::of(batch);
        for (number, layer) in self.weights.layers.iter().enumerate() {
            let stage = Stage { number, layer, changes: &changes, kept: false };
            self.project(&stage, kernels, room);
            let ends = number + 1 == self.weights.layers.len() && batch.rows.iter().any(|row| !row.logits);
            if ends {
                // The last layer leaves keys and values of all rows; the rest of it only serves logits.
                kernels.remember(&self.view(layer, number), &step, (&room.keys, &room.values));
                let wanted: Vec<usize> = batch.wanted().collect();
                (step, changes) = (step.pick(&wanted), Changes::of_wanted(batch));
                room.keep(&wanted);
            }
            let stage = Stage { number, layer, changes: &changes, kept: ends };
            self.attend(&stage, kernels, (&mut step, room));
            self.feed_forward(&stage, kernels, room);
        }
    }

    fn embed(&self, kernels: &mut Kernels, batch: &Batch<'_>, to: &mut Floats) {
        let (width, scale) = (self.config.width, self.config.embedding_scale());
        let share = kernels.pool().share(batch.rows.len());
        kernels.pool().split(&mut to.data, share * width, &|start, to| {
            for (to, row) in to.chunks_exact_mut(width).zip(&batch.rows[start / width..]) {
                self.weights.embedding.decode_row(row.token as usize, to);
                to.iter_mut().for_each(|number| *number *= scale);
            }
        });
    }

    fn plan<'a>(&self, cache: &'a mut Cache, batch: &Batch<'a>) -> Step<'a> {
        let place = |row: &Row| Place {
            page: batch.pages[row.sequence][row.position / PAGE_TOKENS],
            slot: (row.position % PAGE_TOKENS) as u32,
        };
        let turns = self.config.ropes.iter().map(|rope| Turns {
            turning: self.config.turning,
            angles: batch.rows.iter().flat_map(|row| rope.turns(row.position)).collect(),
        });
        let positions = batch.rows.iter().map(|row| row.position).collect();
        let sequences = batch.rows.iter().map(|row| row.sequence).collect();
        Step::new(
            cache,
            Places::new(batch.rows.iter().map(place).collect()),
            (positions, sequences),
            batch.pages.clone(),
            turns.collect(),
        )
    }

    fn view<'a>(&self, layer: &'a Layer, number: usize) -> Attention<'a> {
        let (config, view) = (&self.config, self.config.views[number]);
        let head_norm = |norm: &'a Option<Vec<f32>>| norm.as_deref().map(|norm| (norm, config.epsilon));
        Attention {
            layer: number,
            scale: config.scale,
            softcap: config.score_cap,
            window: view.window,
            query_norm: head_norm(&layer.query_norm),
            key_norm: head_norm(&layer.key_norm),
            turns: view.rope,
        }
    }

    /// Makes queries, keys and values.
    fn project(&self, stage: &Stage<'_>, kernels: &mut Kernels, room: &mut Room) {
        let layer = stage.layer;
        let Room { hidden, queries, keys, values, inputs, rows, .. } = room;
        let input = &mut inputs.hidden[..*rows];
        let products = [(&layer.query, Part::Query), (&layer.key, Part::Key), (&layer.value, Part::Value)];
        let how = stage.preparation(Some((&layer.attention_norm, self.config.epsilon)), &products);
        kernels.prepare(&|row| hidden.row(row), how, input);
        kernels.multiply(
            input,
            &mut [
                Product { steps: &[(&layer.query, Mode::Set)], to: queries },
                Product { steps: &[(&layer.key, Mode::Set)], to: keys },
                Product { steps: &[(&layer.value, Mode::Set)], to: values },
            ],
            Following::InTurn(&[&layer.output]),
        );
        stage.change(Part::Query).add(kernels, input, queries);
        stage.change(Part::Key).add(kernels, input, keys);
        stage.change(Part::Value).add(kernels, input, values);
    }

    /// Keeps keys and values, if that is still to be done, and attends.
    fn attend(&self, stage: &Stage<'_>, kernels: &mut Kernels, (step, room): (&mut Step<'_>, &mut Room)) {
        let Stage { number, layer, kept, .. } = *stage;
        let Room { hidden, queries, keys, values, attended, added, inputs, rows, .. } = room;
        let input = &mut inputs.attended[..*rows];
        let pairs = (!kept).then_some((&*keys, &*values));
        kernels.attend(&self.view(layer, number), step, (queries, pairs, attended));
        let how = stage.preparation(None, &[(&layer.output, Part::Output)]);
        kernels.prepare(&|row| attended.row(row), how, input);
        let norm = layer.output_norm.as_deref();
        let following = Following::SideBySide(&[&layer.gate, &layer.up]);
        let output = Addition { matrix: &layer.output, norm, change: stage.change(Part::Output), following };
        self.add(kernels, input, &output, (added, hidden));
    }

    fn feed_forward(&self, stage: &Stage<'_>, kernels: &mut Kernels, room: &mut Room) {
        let layer = stage.layer;
        let Room { hidden, inner, added, gated, inputs, rows, .. } = room;
        let input = &mut inputs.hidden[..*rows];
        let products = [(&layer.gate, Part::Gate), (&layer.up, Part::Up)];
        let how = stage.preparation(Some((&layer.inner_norm, self.config.epsilon)), &products);
        kernels.prepare(&|row| hidden.row(row), how, input);
        let activation = self.config.architecture.activation;
        let (gate, up) = ((&layer.gate, Mode::Set), (&layer.up, Mode::Gate(activation)));
        let changes = (stage.change(Part::Gate), stage.change(Part::Up));
        let wide = &mut inputs.inner[..*rows];
        let how = stage.preparation(None, &[(&layer.down, Part::Down)]);
        let down = Following::InTurn(&[&layer.down]);
        if changes.0.is_any() || changes.1.is_any() {
            // What is changed before the gate must be whole before it is one.
            kernels.multiply(input, &mut [Product { steps: &[gate], to: inner }], Following::InTurn(&[up.0]));
            changes.0.add(kernels, input, inner);
            gated.resize(*rows);
            changes.1.gated(kernels, input, (activation, inner), gated);
            kernels.multiply(input, &mut [Product { steps: &[up], to: inner }], down);
            changes.1.add_gated(kernels, gated, inner);
            kernels.prepare(&|row| inner.row(row), how, wide);
        } else if !how.keeps_floats && Kernels::gates([gate.0, up.0]) {
            kernels.gate(input, (activation, [gate.0, up.0]), wide, down);
        } else {
            kernels.multiply(input, &mut [Product { steps: &[gate, up], to: inner }], down);
            kernels.prepare(&|row| inner.row(row), how, wide);
        }
        let norm = layer.down_norm.as_deref();
        let opening = self.weights.opening(stage.number + 1);
        let following = Following::InTurn(&opening);
        let down = Addition { matrix: &layer.down, norm, change: stage.change(Part::Down), following };
        self.add(kernels, wide, &down, (added, hidden));
    }

    /// Adds a product to the hidden state, by way of its norm if it has one.
    fn add(
        &self,
        kernels: &mut Kernels,
        input: &[Input],
        Addition { matrix, norm, change, following }: &Addition<'_>,
        (added, hidden): (&mut Floats, &mut Floats),
    ) {
        let Some(norm) = *norm else {
            let steps = [(*matrix, Mode::Add)];
            kernels.multiply(input, &mut [Product { steps: &steps, to: hidden }], *following);
            return change.add(kernels, input, hidden);
        };
        kernels.multiply(input, &mut [Product { steps: &[(*matrix, Mode::Set)], to: added }], *following);
        change.add(kernels, input, added);
        kernels.add_normalised(added, (norm, self.config.epsilon), hidden);
    }

    /// Leaves logits, or gives the likeliest tokens, where these will do and can be had without.
    fn conclude(
        &self,
        kernels: &mut Kernels,
        (changes, wants_likeliest): (&Changes<'_>, bool),
        (room, logits): (&mut Room, &mut Floats),
    ) -> Option<Vec<Option<u32>>> {
        let (output, cap, is_changed) =
            (self.weights.output(), self.config.logit_cap, changes.is_any_to_logits());
        let Room { hidden, inputs, rows, .. } = room;
        let input = &mut inputs.hidden[..*rows];
        let keeps_floats = output.takes_floats() || is_changed;
        let how = Preparation { norm: Some((&self.weights.norm, self.config.epsilon)), keeps_floats };
        kernels.prepare(&|row| hidden.row(row), how, input);
        // The next step begins where this one did.
        let opening = self.weights.opening(0);
        let following = Following::InTurn(&opening);
        // Of two logits that a cap bends to one number, the first is the likeliest.
        if wants_likeliest && cap.is_none() && !is_changed && Kernels::has_peaks(output) {
            let peaks = kernels.peaks(input, output, following);
            return Some(peaks.into_iter().map(|peak| peak.map(|peak| peak.at as u32)).collect());
        }
        logits.resize(*rows);
        let steps = [(output, cap.map_or(Mode::Set, Mode::Cap))];
        kernels.multiply(input, &mut [Product { steps: &steps, to: logits }], following);
        changes.add_to_logits(kernels, input, logits);
        None
    }
}
