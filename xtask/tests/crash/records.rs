//! The records as another program sees them: through SQLite, not through the product.

use std::path::Path;

use rusqlite::{Connection, params};

/// A call on record.
pub(crate) struct Row {
    pub(crate) id: String,
    /// `None` while it is open.
    pub(crate) outcome: Option<String>,
    pub(crate) input: i64,
    pub(crate) output: i64,
}

pub(crate) fn rows(data: &Path) -> Vec<Row> {
    let connection = open(data);
    let mut statement = connection
        .prepare("SELECT lower(hex(id)), outcome, coalesce(input, 0), coalesce(output, 0) FROM calls")
        .expect("the table is there");
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Row {
            id: uuid(&row.get::<_, String>(0)?),
            outcome: row.get(1)?,
            input: row.get(2)?,
            output: row.get(3)?,
        })
    };
    let rows = statement.query_map(params![], row).expect("it can be read");
    rows.collect::<Result<_, _>>().expect("every row can be read")
}

/// Changes one byte of one hash in the middle of the audit trail.
pub(crate) fn flip_a_byte(data: &Path) {
    let sql = "SELECT line, hash FROM audit ORDER BY line LIMIT 1 OFFSET (SELECT count(*) / 2 FROM audit)";
    let connection = open(data);
    let line = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
    let (line, mut hash) = connection.query_row(sql, params![], line).expect("there is a line");
    hash[7] ^= 1;
    connection
        .execute("UPDATE audit SET hash = ?2 WHERE line = ?1", params![line, hash])
        .expect("it can be changed");
}

fn open(data: &Path) -> Connection {
    Connection::open(data.join("outcrop.db")).expect("the database is there")
}

/// 32 hexadecimal digits in the groups of a UUID.
fn uuid(hex: &str) -> String {
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    groups.map(|group| &hex[group]).join("-")
}
