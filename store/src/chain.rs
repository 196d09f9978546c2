//! The hash chain of the audit trail.

use std::fmt;
use std::str::FromStr;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};

use crate::row::{Intent, Settled, loaded};
use crate::seal::{SEAL_BYTES, Sealer};

/// A place in the audit trail: how many lines there are up to it, and the hash that stands for them all. Written down
/// somewhere else, it lets [`Records::verify`](crate::Records::verify) find that the end was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The line's number, from 1; 0 before the first.
    pub line: u64,
    /// Its hash.
    pub hash: [u8; SEAL_BYTES],
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.line)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a head is a line's number, a colon and 64 hexadecimal digits".to_owned();
        let (line, hex) = text.trim().split_once(':').ok_or_else(wrong)?;
        if hex.len() != 2 * SEAL_BYTES || !hex.is_ascii() {
            return Err(wrong());
        }
        let mut hash = [0; SEAL_BYTES];
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            let digits = hex.get(at..at + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self { line: line.parse().map_err(|_| wrong())?, hash })
    }
}

/// Something that happened and is no receipt, for the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// A server began to serve.
    Started(&'a str),
    /// A server ended in good order.
    Stopped(&'a str),
    /// Calls that a dead process left open were settled.
    Recovered(&'a str),
    /// A key was made.
    KeyCreated(&'a str),
    /// A key was taken back.
    KeyRevoked(&'a str),
    /// An estate file was taken into use; the subject names it and its digest.
    EstateLoaded(&'a str),
    /// A model was loaded, unloaded or pinned because somebody asked; the subject says which, and whose key it was.
    ModelManaged(&'a str),
    /// The records were found to be changed. A verification fails on this line for ever.
    Damaged(&'a str),
}

/// The event of [`Note::Damaged`].
pub(crate) const DAMAGED: &str = "damaged";
/// The event of [`Note::KeyCreated`].
pub(crate) const KEY_CREATED: &str = "key-created";
/// The event of [`Note::KeyRevoked`].
pub(crate) const KEY_REVOKED: &str = "key-revoked";

impl<'a> Note<'a> {
    fn members(self) -> (&'static str, &'a str) {
        match self {
            Self::Started(subject) => ("started", subject),
            Self::Stopped(subject) => ("stopped", subject),
            Self::Recovered(subject) => ("recovered", subject),
            Self::KeyCreated(subject) => (KEY_CREATED, subject),
            Self::KeyRevoked(subject) => (KEY_REVOKED, subject),
            Self::EstateLoaded(subject) => ("estate-loaded", subject),
            Self::ModelManaged(subject) => ("model-managed", subject),
            Self::Damaged(subject) => (DAMAGED, subject),
        }
    }
}

/// The end of the chain, as one transaction reads, extends and writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) line: i64,
    pub(crate) hash: [u8; SEAL_BYTES],
    /// How many calls were ever opened, which is the number of the last.
    pub(crate) calls: i64,
    pub(crate) seal: [u8; SEAL_BYTES],
}

impl Tip {
    /// The tip of a database that holds nothing yet.
    pub(crate) const NONE: Self = Self { line: 0, hash: [0; SEAL_BYTES], calls: 0, seal: [0; SEAL_BYTES] };

    /// Only inside a transaction that can write is it still the tip afterwards: other processes extend the chain too.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT line, hash, calls, seal FROM head")?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Self { line: row.get(0)?, hash: row.get(1)?, calls: row.get(2)?, seal: row.get(3)? })
        };
        Ok(statement.query_row([], read).optional()?.unwrap_or(Self::NONE))
    }

    /// Seals the tip and writes it.
    pub(crate) fn write(&mut self, connection: &Connection, sealer: &Sealer) -> rusqlite::Result<()> {
        self.seal = self.sealed(sealer);
        let sql = "INSERT OR REPLACE INTO head (one, line, hash, calls, seal) VALUES (1, ?1, ?2, ?3, ?4)";
        let mut statement = connection.prepare_cached(sql)?;
        statement.execute(params![self.line, self.hash, self.calls, self.seal]).map(drop)
    }

    pub(crate) fn sealed(&self, sealer: &Sealer) -> [u8; SEAL_BYTES] {
        sealer.of("head").number(self.line).bytes(&self.hash).number(self.calls).close()
    }

    pub(crate) fn head(&self) -> Head {
        Head { line: loaded(self.line), hash: self.hash }
    }

    /// Adds a note to the chain.
    pub(crate) fn note(
        &mut self,
        connection: &Connection,
        sealer: &Sealer,
        note: Note<'_>,
        at_ms: i64,
    ) -> rusqlite::Result<()> {
        let (event, subject) = note.members();
        self.line += 1;
        self.hash = note_hash(sealer, &self.hash, self.line, (at_ms, event, subject));
        let sql = "INSERT INTO audit (line, at_ms, event, subject, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut statement = connection.prepare_cached(sql)?;
        statement.execute(params![self.line, at_ms, event, subject, self.hash]).map(drop)
    }

    /// The tip with a receipt behind it.
    pub(crate) fn with_receipt(
        mut self,
        sealer: &Sealer,
        intent: &Intent<'_>,
        settled: &Settled<'_>,
    ) -> Self {
        self.line += 1;
        self.hash = receipt_hash(sealer, &self.hash, self.line, (intent, settled));
        self
    }
}

/// Adds the lines of receipts.
pub(crate) struct Lines<'t>(CachedStatement<'t>);

impl<'t> Lines<'t> {
    pub(crate) fn prepare(connection: &'t Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("INSERT INTO audit (line, call, hash) VALUES (?1, ?2, ?3)").map(Self)
    }

    pub(crate) fn insert(&mut self, tip: &Tip, call: i64) -> rusqlite::Result<()> {
        self.0.execute(params![tip.line, call, tip.hash]).map(drop)
    }
}

/// The hash of a line that is a note: its time, its event and its subject.
pub(crate) fn note_hash(
    sealer: &Sealer,
    previous: &[u8; SEAL_BYTES],
    line: i64,
    (at_ms, event, subject): (i64, &str, &str),
) -> [u8; SEAL_BYTES] {
    sealer.of("note").bytes(previous).number(line).number(at_ms).text(event).text(subject).close()
}

/// The hash of a line that is a receipt.
pub(crate) fn receipt_hash(
    sealer: &Sealer,
    previous: &[u8; SEAL_BYTES],
    line: i64,
    (intent, settled): (&Intent<'_>, &Settled<'_>),
) -> [u8; SEAL_BYTES] {
    settled.sealed(intent, sealer.of("receipt").bytes(previous).number(line)).close()
}
