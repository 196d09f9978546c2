//! Room for what a step computes on its way, kept from step to step.

use crate::kernels::{Floats, Input};

use super::Config;
use super::apart::Apart;

/// All of it.
pub(crate) struct Scratch {
    pub(super) room: Room,
    pub(super) apart: Apart,
    /// Of each row that wanted them, one row of logits, if the likeliest tokens were not found without them.
    pub(crate) logits: Floats,
    /// Of each such row the likeliest token, of equals the lowest, if any is possible.
    pub(crate) likeliest: Option<Vec<Option<u32>>>,
}

impl Scratch {
    pub(crate) fn new(config: &Config) -> Self {
        let (room, logits) = (Room::new(config), Floats::new(config.vocabulary));
        Self { room, apart: Apart::default(), logits, likeliest: None }
    }
}

/// What rows need on their way through the layers.
pub(super) struct Room {
    pub(super) hidden: Floats,
    pub(super) queries: Floats,
    pub(super) keys: Floats,
    pub(super) values: Floats,
    pub(super) attended: Floats,
    pub(super) inner: Floats,
    /// What attention or feed-forward adds, where it has a norm on its way.
    pub(super) added: Floats,
    /// What adapters add behind a gate.
    pub(super) gated: Floats,
    pub(super) inputs: Inputs,
    /// How many rows are computed.
    pub(super) rows: usize,
}

/// Rows on their way into products; as many as the largest step had.
pub(super) struct Inputs {
    pub(super) hidden: Vec<Input>,
    pub(super) attended: Vec<Input>,
    pub(super) inner: Vec<Input>,
}

impl Room {
    pub(super) fn new(config: &Config) -> Self {
        let (queries, keys) = (config.heads * config.head_len, config.kv_heads * config.head_len);
        Self {
            hidden: Floats::new(config.width),
            queries: Floats::new(queries),
            keys: Floats::new(keys),
            values: Floats::new(keys),
            attended: Floats::new(queries),
            inner: Floats::new(config.inner),
            added: Floats::new(config.width),
            gated: Floats::new(config.inner),
            inputs: Inputs { hidden: Vec::new(), attended: Vec::new(), inner: Vec::new() },
            rows: 0,
        }
    }

    /// Makes room for so many rows, whatever they hold.
    pub(super) fn resize(&mut self, rows: usize) {
        self.rows = rows;
        let floats = [
            &mut self.hidden,
            &mut self.queries,
            &mut self.keys,
            &mut self.values,
            &mut self.attended,
            &mut self.inner,
            &mut self.added,
        ];
        floats.into_iter().for_each(|floats| floats.resize(rows));
        let inputs = [
            (&mut self.inputs.hidden, self.hidden.len),
            (&mut self.inputs.attended, self.attended.len),
            (&mut self.inputs.inner, self.inner.len),
        ];
        for (inputs, len) in inputs {
            // Kept from larger steps, since a step of answers follows one of prompts and the other way round.
            inputs.resize_with(rows.max(inputs.len()), || Input::new(len));
        }
    }

    /// Goes on with these rows alone, which come in order.
    pub(super) fn keep(&mut self, rows: &[usize]) {
        for floats in [&mut self.hidden, &mut self.queries] {
            for (to, from) in rows.iter().enumerate() {
                floats.data.copy_within(from * floats.len..(from + 1) * floats.len, to * floats.len);
            }
        }
        self.resize(rows.len());
    }
}
