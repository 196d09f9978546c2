//! The receipts as another program sees them: through SQLite, not through the product.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};

/// How a call ended, by its receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) deployment: Option<String>,
    /// `completed`, or the code of the fault, or another outcome; empty while it is open.
    pub(crate) outcome: String,
    /// The whole prompt, in tokens.
    pub(crate) input: u64,
    /// Everything generated, in tokens.
    pub(crate) output: u64,
}

/// Every call on record, in the order in which they came.
pub(crate) fn of(data: &Path) -> Vec<Receipt> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(data.join("outcrop.db"), flags).expect("the database is there");
    let mut statement = connection
        .prepare(
            "SELECT lower(hex(id)), deployment, coalesce(fault, outcome, ''),
                    coalesce(input + cache_read + cache_write_5m + cache_write_1h, 0),
                    coalesce(output + reasoning, 0)
             FROM calls ORDER BY call",
        )
        .expect("the table is there");
    let receipt = |row: &Row<'_>| {
        Ok(Receipt {
            id: row.get(0)?,
            deployment: row.get(1)?,
            outcome: row.get(2)?,
            input: row.get::<_, i64>(3)?.unsigned_abs(),
            output: row.get::<_, i64>(4)?.unsigned_abs(),
        })
    };
    let rows = statement.query_map([], receipt).expect("it can be read");
    rows.collect::<Result<_, _>>().expect("every row can be read")
}

/// The one receipt of the call that a caller knows by `id`.
pub(crate) fn one(data: &Path, id: &str) -> Receipt {
    let id = id.replace('-', "");
    let mut found: Vec<_> = of(data).into_iter().filter(|receipt| receipt.id == id).collect();
    assert_eq!(found.len(), 1, "receipts of {id}");
    found.remove(0)
}

/// Prompt and answer of all calls that were completed, and their number.
pub(crate) fn completed(data: &Path) -> (u64, u64, usize) {
    let all: Vec<_> = of(data).into_iter().filter(|receipt| receipt.outcome == "completed").collect();
    let sum = |tokens: fn(&Receipt) -> u64| all.iter().map(tokens).sum();
    (sum(|receipt| receipt.input), sum(|receipt| receipt.output), all.len())
}
