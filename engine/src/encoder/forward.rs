//! One batch: the tokens of some texts in, their vectors out.

use std::ops::Range;
use std::path::Path;

use canon::Fault;

use super::arithmetic::{gelu, normalise, to_unit_length};
use super::attention::Heads;
use super::config::{Config, Pooling};
use super::weights::{Layer, Norm, Weights};
use crate::kernels::{Floats, Following, Input, Kernels, Mode, Preparation, Product};

/// A text of a batch.
pub(super) struct Text<'a> {
    /// Its tokens, those that mark beginning and end among them.
    pub(super) tokens: &'a [u32],
    /// Its vector is brought to a length of one.
    pub(super) normalise: bool,
}

/// An encoder, ready to compute.
pub(super) struct Model {
    config: Config,
    weights: Weights,
    scratch: Scratch,
}

/// Rows that a batch needs on the way.
struct Scratch {
    hidden: Floats,
    queries: Floats,
    keys: Floats,
    values: Floats,
    attended: Floats,
    inner: Floats,
    narrow: Vec<Input>,
    wide: Vec<Input>,
}

impl Model {
    /// Reads the weights of the folder.
    pub(super) fn load(folder: &Path, config: &Config, kernels: &mut Kernels) -> Result<Self, Fault> {
        let weights = Weights::load(folder, config, kernels)?;
        let narrow = || Floats::new(config.width);
        let scratch = Scratch {
            hidden: narrow(),
            queries: narrow(),
            keys: narrow(),
            values: narrow(),
            attended: narrow(),
            inner: Floats::new(config.inner),
            narrow: Vec::new(),
            wide: Vec::new(),
        };
        Ok(Self { config: config.clone(), weights, scratch })
    }

    /// The vectors of `texts`, in their order.
    ///
    /// # Panics
    /// A token is outside the vocabulary, or a text is empty or longer than the model has positions.
    pub(super) fn encode(&mut self, kernels: &mut Kernels, texts: &[Text<'_>]) -> Vec<Vec<f32>> {
        let mut rows = 0;
        let mut spans: Vec<Range<usize>> = Vec::new();
        for text in texts {
            assert!(
                (1..=self.config.positions).contains(&text.tokens.len()),
                "a text of a length that is not read"
            );
            spans.push(rows..rows + text.tokens.len());
            rows += text.tokens.len();
        }
        self.scratch.resize(rows);
        self.embed(texts);
        let epsilon = self.config.epsilon;
        normalise_rows(kernels, &mut self.scratch.hidden, &self.weights.norm, epsilon);
        let owner: Vec<usize> =
            spans.iter().enumerate().flat_map(|(at, span)| span.clone().map(move |_| at)).collect();
        for layer in &self.weights.layers {
            self.scratch.attention(layer, kernels, (self.config.width / self.config.heads, &spans, &owner));
            normalise_rows(kernels, &mut self.scratch.hidden, &layer.attention_norm, epsilon);
            self.scratch.feed_forward(layer, kernels);
            normalise_rows(kernels, &mut self.scratch.hidden, &layer.output_norm, epsilon);
        }
        texts.iter().zip(spans).map(|(text, span)| self.pool(text, span)).collect()
    }

    /// What each token is and where it stands.
    fn embed(&mut self, texts: &[Text<'_>]) {
        let width = self.config.width;
        let mut rows = self.scratch.hidden.data.chunks_exact_mut(width);
        for text in texts {
            for ((token, place), row) in
                text.tokens.iter().zip(self.weights.places.chunks_exact(width)).zip(&mut rows)
            {
                let word = &self.weights.words[*token as usize * width..][..width];
                for ((x, word), place) in row.iter_mut().zip(word).zip(place) {
                    *x = word + place;
                }
            }
        }
    }

    fn pool(&self, text: &Text<'_>, span: Range<usize>) -> Vec<f32> {
        let hidden = &self.scratch.hidden;
        let mut vector = match self.config.reading.pooling {
            Pooling::First => hidden.row(span.start).to_vec(),
            Pooling::Mean => {
                let count = span.len() as f64;
                let mut sums = vec![0.0f64; self.config.width];
                for row in span {
                    sums.iter_mut().zip(hidden.row(row)).for_each(|(sum, x)| *sum += f64::from(*x));
                }
                sums.into_iter().map(|sum| (sum / count) as f32).collect()
            }
        };
        if text.normalise {
            to_unit_length(&mut vector);
        }
        vector
    }
}

impl Scratch {
    fn resize(&mut self, rows: usize) {
        let Self { hidden, queries, keys, values, attended, inner, narrow, wide } = self;
        for floats in [hidden, queries, keys, values, attended, &mut *inner] {
            floats.resize(rows);
        }
        narrow.resize_with(rows, || Input::new(self.hidden.len));
        wide.resize_with(rows, || Input::new(inner.len));
    }

    /// Adds to each row what its text says to it.
    fn attention(
        &mut self,
        layer: &Layer,
        kernels: &mut Kernels,
        (head_len, spans, owner): (usize, &[Range<usize>], &[usize]),
    ) {
        let Self { hidden, queries, keys, values, attended, narrow, .. } = self;
        kernels.prepare(&|row| hidden.row(row), Preparation::KEPT, narrow);
        kernels.multiply(
            narrow,
            &mut [
                Product { steps: &[(&layer.query, Mode::Set)], to: queries },
                Product { steps: &[(&layer.key, Mode::Set)], to: keys },
                Product { steps: &[(&layer.value, Mode::Set)], to: values },
            ],
            Following::NOTHING,
        );
        let heads = Heads { queries, keys, values, len: head_len };
        let width = attended.len;
        let share = kernels.pool().share(owner.len());
        kernels.pool().split(&mut attended.data, share * width, &|start, rows| {
            for (at, out) in rows.chunks_exact_mut(width).enumerate() {
                let row = start / width + at;
                heads.attend(row, spans[owner[row]].clone(), out);
            }
        });
        kernels.prepare(&|row| attended.row(row), Preparation::KEPT, narrow);
        kernels.multiply(
            narrow,
            &mut [Product { steps: &[(&layer.output, Mode::Add)], to: hidden }],
            Following::NOTHING,
        );
    }

    fn feed_forward(&mut self, layer: &Layer, kernels: &mut Kernels) {
        let Self { hidden, inner, narrow, wide, .. } = self;
        kernels.prepare(&|row| hidden.row(row), Preparation::KEPT, narrow);
        kernels.multiply(
            narrow,
            &mut [Product { steps: &[(&layer.up, Mode::Set)], to: inner }],
            Following::NOTHING,
        );
        let width = inner.len;
        let share = kernels.pool().share(narrow.len());
        kernels.pool().split(&mut inner.data, share * width, &|_, rows| gelu(rows));
        kernels.prepare(&|row| inner.row(row), Preparation::KEPT, wide);
        kernels.multiply(
            wide,
            &mut [Product { steps: &[(&layer.down, Mode::Add)], to: hidden }],
            Following::NOTHING,
        );
    }
}

fn normalise_rows(kernels: &mut Kernels, rows: &mut Floats, norm: &Norm, epsilon: f32) {
    let width = rows.len;
    let share = kernels.pool().share(rows.data.len() / width);
    kernels.pool().split(&mut rows.data, share * width, &|_, rows| {
        rows.chunks_exact_mut(width).for_each(|row| normalise(row, norm, epsilon));
    });
}
