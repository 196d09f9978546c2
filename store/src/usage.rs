use canon::{Fault, Usage};
use rusqlite::Row;

use crate::row::{loaded, stored};
use crate::{Records, problem};

/// A span of time, by when calls were settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first millisecond since the Unix epoch that counts.
    pub from_ms: u64,
    /// The first that no longer counts.
    pub to_ms: u64,
}

impl Period {
    /// All of it.
    pub const EVER: Self = Self { from_ms: 0, to_ms: u64::MAX };
}

/// What was used of one model with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The model's name.
    pub model: String,
    /// The key's id.
    pub key_id: String,
    /// The key's name; empty where the key is unknown.
    pub key_name: String,
    /// Calls that were admitted and are settled, however they ended. It is the sum of the completed ones and the three
    /// that follow.
    pub requests: u64,
    /// Of these, calls that failed.
    pub failed: u64,
    /// Of these, calls whose caller went away.
    pub cancelled: u64,
    /// Of these, calls that a dying process left open.
    pub interrupted: u64,
    /// Tokens, of all of these.
    pub usage: Usage,
}

const SQL: &str = "
    SELECT c.model, c.key_id, coalesce(k.name, ''), count(*),
           sum(c.outcome = 'failed'), sum(c.outcome = 'cancelled'), sum(c.outcome = 'interrupted'),
           sum(c.input), sum(c.cache_read), sum(c.cache_write_5m), sum(c.cache_write_1h), sum(c.output),
           sum(c.reasoning)
    FROM calls c LEFT JOIN keys k ON k.id = c.key_id
    WHERE c.outcome IS NOT NULL AND c.settled_ms >= ?1 AND (c.settled_ms < ?2 OR ?2 = ?3)
    GROUP BY c.model, c.key_id ORDER BY c.model, c.key_id";

impl Records {
    /// What was used in `period`, by model and key. It reads every call: about a second for a million.
    ///
    /// # Errors
    /// [`canon::Kind::Storage`] where the records cannot be read.
    pub fn usage(&self, period: Period) -> Result<Vec<UsageRow>, Fault> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<UsageRow>> {
            let mut statement = connection.prepare_cached(SQL)?;
            statement.query_map([stored(period.from_ms), stored(period.to_ms), i64::MAX], row)?.collect()
        };
        read().map_err(problem::database)
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<UsageRow> {
    let count = |column: usize| row.get::<_, i64>(column).map(loaded);
    Ok(UsageRow {
        model: row.get(0)?,
        key_id: row.get(1)?,
        key_name: row.get(2)?,
        requests: count(3)?,
        failed: count(4)?,
        cancelled: count(5)?,
        interrupted: count(6)?,
        usage: Usage {
            input: count(7)?,
            cache_read: count(8)?,
            cache_write_5m: count(9)?,
            cache_write_1h: count(10)?,
            output: count(11)?,
            reasoning: count(12)?,
        },
    })
}

#[cfg(test)]
mod tests;
