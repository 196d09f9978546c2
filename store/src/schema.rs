use std::path::Path;
use std::time::Duration;

use canon::{Fault, Kind};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{file, problem};

/// The database's name in the data folder.
pub(crate) const DATABASE: &str = "outcrop.db";
/// The schema's version.
const SCHEMA: u32 = 1;
/// How the schema came to be, oldest first. One that was released is never changed.
const MIGRATIONS: [&str; SCHEMA as usize] = [include_str!("schema/0001.sql")];
/// The write-ahead log is folded into the database when it has grown to so many pages of 4 KiB.
const WAL_PAGES: u32 = 4096;
/// A log that grew beyond this while a long reader held it up is cut back to it.
const WAL_BYTES_KEPT: u32 = 64 << 20;
/// Statements that stay prepared.
const STATEMENTS_MAX: usize = 32;

/// Opens the database of `folder`, makes it where it is missing, and brings its schema up to date.
pub(crate) fn open(folder: &Path, busy: Duration) -> Result<Connection, Fault> {
    let path = folder.join(DATABASE);
    // SQLite gives its own files the mode of the database.
    file::ensure_untouched(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || {
        let mut connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(busy)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        let version = migrate(&mut connection)?;
        Ok((connection, version))
    };
    let (connection, version) = prepare().map_err(problem::database)?;
    if version > SCHEMA {
        let message = format!(
            "{}: a newer Outcrop has written it (schema {version}). Use that one, or another --data-dir.",
            path.display()
        );
        return Err(Fault::new(Kind::Storage, message));
    }
    Ok(connection)
}

/// The version that the schema has now.
fn migrate(connection: &mut Connection) -> rusqlite::Result<u32> {
    let version_of = |connection: &Connection| -> rusqlite::Result<u32> {
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    };
    if version_of(connection)? >= SCHEMA {
        return version_of(connection);
    }
    // Another process may be doing the same: who holds the write lock looks again.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = version_of(&transaction)?;
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(migration)?;
    }
    let version = version.max(SCHEMA);
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()?;
    Ok(version)
}
