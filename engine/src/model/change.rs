use super::{Batch, Part, Row};
use crate::adapter::Adapter;
use crate::kernels::{Activation, Delta, Floats, Input, Kernels};

/// What adapters change of a step's products.
pub(super) struct Changes<'a> {
    /// The adapter of each row; empty where no row has one.
    rows: Vec<Option<&'a Adapter>>,
    /// Each adapter once.
    adapters: Vec<&'a Adapter>,
}

/// The changes of one product.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    changes: &'a Changes<'a>,
    layer: usize,
    part: Part,
}

impl<'a> Changes<'a> {
    pub(super) fn of(batch: &Batch<'a>) -> Self {
        Self::of_rows(batch, batch.rows.iter())
    }

    /// Of the rows alone that want logits.
    pub(super) fn of_wanted(batch: &Batch<'a>) -> Self {
        Self::of_rows(batch, batch.rows.iter().filter(|row| row.logits))
    }

    fn of_rows<'b>(batch: &Batch<'a>, rows: impl Iterator<Item = &'b Row> + Clone) -> Self {
        let of = |sequence: usize| batch.adapters.get(sequence).copied().flatten();
        let mut adapters: Vec<&Adapter> = rows.clone().filter_map(|row| of(row.sequence)).collect();
        adapters.sort_by_key(|adapter| adapter.number());
        adapters.dedup_by_key(|adapter| adapter.number());
        let rows = match adapters.is_empty() {
            true => Vec::new(),
            false => rows.map(|row| of(row.sequence)).collect(),
        };
        Self { rows, adapters }
    }

    /// Of a layer's product.
    pub(super) const fn at(&'a self, layer: usize, part: Part) -> Change<'a> {
        Change { changes: self, layer, part }
    }

    /// Whether any changes the product that makes logits.
    pub(super) fn is_any_to_logits(&self) -> bool {
        self.adapters.iter().any(|adapter| adapter.output().is_some())
    }

    /// Adds what adapters make of that product.
    pub(super) fn add_to_logits(&self, kernels: &mut Kernels, input: &[Input], to: &mut Floats) {
        if self.is_any_to_logits() {
            kernels.adapt(input, &|row| self.rows[row]?.output(), to);
        }
    }
}

impl Change<'_> {
    /// Whether any row has one.
    pub(super) fn is_any(&self) -> bool {
        self.changes.adapters.iter().any(|adapter| adapter.delta(self.layer, self.part).is_some())
    }

    fn of(&self, row: usize) -> Option<&Delta> {
        self.changes.rows[row]?.delta(self.layer, self.part)
    }

    /// Adds it to the product.
    pub(super) fn add(&self, kernels: &mut Kernels, input: &[Input], to: &mut Floats) {
        if self.is_any() {
            kernels.adapt(input, &|row| self.of(row), to);
        }
    }

    /// Writes it behind the product's gate, to be added to what comes through: `gate(x) * (y + change)` is
    /// `gate(x) * y` and `gate(x) * change`.
    pub(super) fn gated(
        &self,
        kernels: &mut Kernels,
        input: &[Input],
        gates: (Activation, &Floats),
        to: &mut Floats,
    ) {
        if self.is_any() {
            kernels.adapt_gated(input, &|row| self.of(row), gates, to);
        }
    }

    /// Adds what [`Self::gated`] wrote.
    pub(super) fn add_gated(&self, kernels: &mut Kernels, from: &Floats, to: &mut Floats) {
        if self.is_any() {
            kernels.add_rows(from, &|row| self.of(row).is_some(), to);
        }
    }
}
