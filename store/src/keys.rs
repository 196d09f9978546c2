use access::{Key, KeyId, Keyring, Pattern};
use canon::{Fault, Secret};
use rusqlite::{Connection, Row, params};

use crate::chain::Note;
use crate::row::{loaded, stored};
use crate::seal::Sealer;
use crate::{Records, problem};

/// So many keys there may be, revoked ones included.
pub const KEYS_MAX: usize = 100_000;
/// The length of a key's name.
pub const KEY_NAME_CHARS_MAX: usize = 64;

const COLUMNS: &str = "id, name, secret, bearer_sha256, models, created_ms, expires_ms, revoked_ms";

/// A key's row.
pub(crate) struct KeyRow {
    pub(crate) key: Key,
    pub(crate) revoked_ms: Option<i64>,
}

impl Records {
    /// Every key, revoked ones included, oldest first.
    ///
    /// # Errors
    /// [`canon::Kind::Storage`] where they cannot be read.
    pub fn keys(&self) -> Result<Vec<Key>, Fault> {
        let rows = rows(&self.connection()).map_err(problem::database)?;
        Ok(rows.into_iter().map(|row| row.key).collect())
    }

    /// Every key, for the directory.
    ///
    /// # Errors
    /// [`canon::Kind::Storage`] where they cannot be read.
    pub fn keyring(&self) -> Result<Keyring, Fault> {
        self.keys().map(Keyring::new)
    }

    /// A number that changes whenever a key is made or revoked, by whatever process. Cheap enough to ask each second.
    ///
    /// # Errors
    /// [`canon::Kind::Storage`] where it cannot be read.
    pub fn generation(&self) -> Result<u64, Fault> {
        let connection = self.connection();
        let read = || {
            connection
                .prepare_cached("SELECT keys FROM generation")?
                .query_row([], |row| row.get::<_, i64>(0))
        };
        read().map(loaded).map_err(problem::database)
    }

    /// Stores a new key.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] for a name that is empty, too long, taken by a key that works, or not printable;
    /// [`canon::Kind::Storage`] where it cannot be written.
    pub fn create_key(&self, key: &Key) -> Result<(), Fault> {
        check_name(&key.name)?;
        self.write(|transaction, tip| {
            let others = rows(transaction).map_err(problem::database)?;
            if others.len() >= KEYS_MAX {
                return Err(Fault::malformed(
                    "name",
                    format!("there are {KEYS_MAX} keys already, which is the limit."),
                ));
            }
            if others.iter().any(|other| other.revoked_ms.is_none() && other.key.name == key.name) {
                let problem =
                    format!("a key called {} works already. Choose another name, or revoke it.", key.name);
                return Err(Fault::malformed("name", problem));
            }
            insert(transaction, key).map_err(problem::database)?;
            let subject = created_subject(&self.sealer, key);
            tip.note(transaction, &self.sealer, Note::KeyCreated(&subject), stored(key.created_ms))
                .map_err(problem::database)
        })
    }

    /// Takes a key back for good: the one of this id, or the one of this name that still works.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] where there is none; [`canon::Kind::Storage`] where it cannot be written.
    pub fn revoke_key(&self, id_or_name: &str, now_ms: u64) -> Result<KeyId, Fault> {
        self.write(|transaction, tip| {
            let rows = rows(transaction).map_err(problem::database)?;
            let is_meant = |row: &&KeyRow| row.key.id.as_str() == id_or_name || *row.key.name == *id_or_name;
            let Some(row) = rows.iter().filter(|row| row.revoked_ms.is_none()).find(is_meant) else {
                let problem = match rows.iter().find(is_meant) {
                    Some(_) => format!("{id_or_name} was revoked before."),
                    None => format!("no key is called {id_or_name}. See: outcrop keys list."),
                };
                return Err(Fault::malformed("key", problem));
            };
            let (id, at_ms) = (row.key.id.as_str(), stored(now_ms));
            let mut revoke = || {
                transaction.execute("UPDATE keys SET revoked_ms = ?2 WHERE id = ?1", params![id, at_ms])?;
                transaction.execute("UPDATE generation SET keys = keys + 1", [])?;
                tip.note(transaction, &self.sealer, Note::KeyRevoked(id), at_ms)
            };
            revoke().map_err(problem::database)?;
            Ok(row.key.id.clone())
        })
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let problem = if name.trim().is_empty() {
        "a key needs a name.".to_owned()
    } else if name.chars().count() > KEY_NAME_CHARS_MAX {
        format!("at most {KEY_NAME_CHARS_MAX} characters.")
    } else if name.chars().any(char::is_control) {
        "printable characters only.".to_owned()
    } else {
        return Ok(());
    };
    Err(Fault::malformed("name", problem))
}

fn insert(connection: &Connection, key: &Key) -> rusqlite::Result<()> {
    let sql = format!("INSERT INTO keys ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)");
    connection.execute(
        &sql,
        params![
            key.id.as_str(),
            key.name,
            key.secret.expose(),
            key.bearer_sha256,
            patterns(key),
            stored(key.created_ms),
            key.expires_ms.map(stored),
        ],
    )?;
    connection.execute("UPDATE generation SET keys = keys + 1", []).map(drop)
}

pub(crate) fn rows(connection: &Connection) -> rusqlite::Result<Vec<KeyRow>> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM keys ORDER BY created_ms, id"))?;
    statement.query_map([], read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let revoked_ms: Option<i64> = row.get(7)?;
    let models: String = row.get(4)?;
    let key = Key {
        id: KeyId::new(row.get::<_, String>(0)?),
        name: row.get(1)?,
        secret: Secret::new(row.get::<_, Vec<u8>>(2)?),
        bearer_sha256: row.get(3)?,
        models: models.lines().map(Pattern::new).collect(),
        created_ms: loaded(row.get(5)?),
        expires_ms: row.get::<_, Option<i64>>(6)?.map(loaded),
        revoked: revoked_ms.is_some(),
    };
    Ok(KeyRow { key, revoked_ms })
}

fn patterns(key: &Key) -> String {
    key.models.iter().map(|pattern| format!("{}\n", pattern.as_str())).collect()
}

/// What the audit trail says of a new key: its id, a seal of everything about it, and its name. A key that was put into
/// the table by other means, or changed there, has no such line.
pub(crate) fn created_subject(sealer: &Sealer, key: &Key) -> String {
    let expires = key.expires_ms.map(|ms| stored(ms).to_string());
    let seal = sealer
        .of("key")
        .text(key.id.as_str())
        .text(&key.name)
        .bytes(key.secret.expose())
        .bytes(&key.bearer_sha256)
        .text(&patterns(key))
        .number(stored(key.created_ms))
        .maybe(expires.as_deref())
        .close();
    let hex: String = seal.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{} {hex} {}", key.id, key.name)
}

#[cfg(test)]
mod tests;
