//! The members of a call's row, as they are stored and as they are sealed.

use gateway::{IntentRecord, Outcome, Receipt};
use rusqlite::{CachedStatement, Connection, params};

use crate::seal::{SEAL_BYTES, Sealer, Sealing};

/// SQLite's integers end at 2⁶³−1. No count of tokens and no date comes near.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The reverse of [`stored`]. What is negative was not written by this crate.
pub(crate) fn loaded(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// What a row says of the intent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent<'a> {
    pub(crate) call: i64,
    pub(crate) id: &'a [u8],
    pub(crate) arrived_ms: i64,
    pub(crate) key_id: &'a str,
    pub(crate) model: &'a str,
    pub(crate) format: &'a str,
    pub(crate) reserved_tokens: i64,
}

impl<'a> Intent<'a> {
    pub(crate) fn of(call: i64, record: &'a IntentRecord) -> Self {
        Self {
            call,
            id: record.id.as_bytes(),
            arrived_ms: stored(record.arrived_ms),
            key_id: record.key.as_str(),
            model: record.model.as_str(),
            format: record.format,
            reserved_tokens: stored(record.reserved_tokens),
        }
    }

    /// Reads the first seven columns of `row`.
    pub(crate) fn read(row: &'a rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            call: row.get(0)?,
            id: row.get_ref(1)?.as_blob()?,
            arrived_ms: row.get(2)?,
            key_id: row.get_ref(3)?.as_str()?,
            model: row.get_ref(4)?.as_str()?,
            format: row.get_ref(5)?.as_str()?,
            reserved_tokens: row.get(6)?,
        })
    }

    pub(crate) fn seal(&self, sealer: &Sealer) -> [u8; SEAL_BYTES] {
        self.sealed(sealer.of("intent")).close()
    }

    fn sealed(&self, sealing: Sealing) -> Sealing {
        sealing
            .number(self.call)
            .bytes(self.id)
            .number(self.arrived_ms)
            .text(self.key_id)
            .text(self.model)
            .text(self.format)
            .number(self.reserved_tokens)
    }
}

/// What a row says of the receipt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled<'a> {
    pub(crate) settled_ms: i64,
    pub(crate) deployment: Option<&'a str>,
    pub(crate) outcome: &'a str,
    pub(crate) fault: Option<&'a str>,
    /// Input, cache read, cache write for 5 minutes and for an hour, output, reasoning.
    pub(crate) tokens: [i64; 6],
}

impl<'a> Settled<'a> {
    pub(crate) fn of(receipt: &'a Receipt) -> Self {
        let used = &receipt.usage;
        Self {
            settled_ms: stored(receipt.settled_ms),
            deployment: receipt.deployment.as_deref(),
            outcome: receipt.outcome.name(),
            fault: if let Outcome::Failed(code) = receipt.outcome { Some(code) } else { None },
            tokens: [
                used.input,
                used.cache_read,
                used.cache_write_5m,
                used.cache_write_1h,
                used.output,
                used.reasoning,
            ]
            .map(stored),
        }
    }

    /// Reads the ten columns of `row` that begin at `first`.
    pub(crate) fn read(row: &'a rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let mut tokens = [0; 6];
        for (position, count) in tokens.iter_mut().enumerate() {
            *count = row.get(first + 4 + position)?;
        }
        Ok(Self {
            settled_ms: row.get(first)?,
            deployment: row.get_ref(first + 1)?.as_str_or_null()?,
            outcome: row.get_ref(first + 2)?.as_str()?,
            fault: row.get_ref(first + 3)?.as_str_or_null()?,
            tokens,
        })
    }

    /// Continues the seal of an audit line with a whole call.
    pub(crate) fn sealed(&self, intent: &Intent<'_>, sealing: Sealing) -> Sealing {
        let sealing = intent
            .sealed(sealing)
            .number(self.settled_ms)
            .maybe(self.deployment)
            .text(self.outcome)
            .maybe(self.fault);
        self.tokens.into_iter().fold(sealing, Sealing::number)
    }
}

/// The columns that [`Intent::read`] takes.
pub(crate) const INTENT_COLUMNS: &str = "call, id, arrived_ms, key_id, model, format, reserved_tokens";
/// The columns that [`Settled::read`] takes.
pub(crate) const SETTLED_COLUMNS: &str = "settled_ms, deployment, outcome, fault, input, cache_read, cache_write_5m, \
                                          cache_write_1h, output, reasoning";

/// Writes intents.
pub(crate) struct Opening<'t>(CachedStatement<'t>);

impl<'t> Opening<'t> {
    pub(crate) fn prepare(connection: &'t Connection) -> rusqlite::Result<Self> {
        let sql = "INSERT INTO calls (call, id, arrived_ms, key_id, model, format, reserved_tokens, seal) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        connection.prepare_cached(sql).map(Self)
    }

    pub(crate) fn insert(&mut self, intent: &Intent<'_>, sealer: &Sealer) -> rusqlite::Result<()> {
        let Intent { call, id, arrived_ms, key_id, model, format, reserved_tokens } = *intent;
        let seal = intent.seal(sealer);
        self.0.execute(params![call, id, arrived_ms, key_id, model, format, reserved_tokens, seal]).map(drop)
    }
}

/// Writes receipts beside their intents.
pub(crate) struct Settling<'t>(CachedStatement<'t>);

impl<'t> Settling<'t> {
    pub(crate) fn prepare(connection: &'t Connection) -> rusqlite::Result<Self> {
        let sql = "UPDATE calls SET seal = NULL, settled_ms = ?2, deployment = ?3, outcome = ?4, fault = ?5, input = ?6, \
                   cache_read = ?7, cache_write_5m = ?8, cache_write_1h = ?9, output = ?10, reasoning = ?11, line = ?12 \
                   WHERE call = ?1 AND outcome IS NULL";
        connection.prepare_cached(sql).map(Self)
    }

    /// Whether the call was open. A receipt is never written over another.
    pub(crate) fn update(&mut self, call: i64, settled: &Settled<'_>, line: i64) -> rusqlite::Result<bool> {
        let Settled {
            settled_ms,
            deployment,
            outcome,
            fault,
            tokens: [input, read, write, long, output, reasoning],
        } = *settled;
        let values = params![
            call, settled_ms, deployment, outcome, fault, input, read, write, long, output, reasoning, line
        ];
        Ok(self.0.execute(values)? == 1)
    }
}
