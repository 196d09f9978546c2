//! Proves that the records are what Outcrop wrote, or says where they are not.

use std::collections::HashMap;

use canon::Fault;
use rusqlite::{Connection, Row};

use crate::chain::{DAMAGED, Head, KEY_CREATED, KEY_REVOKED, Tip, note_hash, receipt_hash};
use crate::row::{INTENT_COLUMNS, Intent, SETTLED_COLUMNS, Settled, loaded, stored};
use crate::seal::{SEAL_BYTES, Sealer};
use crate::{Records, keys, problem};

/// So many findings are listed. The rest are counted.
pub const DAMAGE_MAX: usize = 100;
/// How often a witness that is just being written is read again.
const WITNESS_READS_MAX: usize = 5;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where the audit trail ends. Note it down elsewhere: a later verification can be given it.
    pub head: Head,
    /// Receipts, each of which is a line.
    pub receipts: u64,
    /// Calls that are open.
    pub open: u64,
    /// What is wrong; at most [`DAMAGE_MAX`] of it.
    pub damage: Vec<Damage>,
    /// How much is wrong.
    pub damage_count: u64,
}

impl Verdict {
    /// Whether nothing was changed, removed, added or cut off.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.damage_count == 0
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The line of the audit trail, where it is one.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Records {
    /// Walks the whole audit trail and everything that it vouches for: every call, every receipt, every key. It also
    /// finds that the end was cut off, by the head that lies beside the database, and by one that was `noted` elsewhere.
    ///
    /// It reads one moment, also while a server writes. What SQLite cannot read is damage, not an error.
    ///
    /// # Errors
    /// [`canon::Kind::Storage`] where the database cannot be read at all.
    pub fn verify(&self, noted: Option<&Head>) -> Result<Verdict, Fault> {
        let mut walk = Walk::new(&self.sealer);
        // Before the moment that is read, so that the trail has already passed it.
        walk.expect_witness(self);
        walk.expect(noted.copied(), "that was noted elsewhere");
        let mut connection = self.connection();
        let moment = connection.transaction().map_err(problem::database)?;
        let steps: [(&str, Step<'_>); 5] = [
            ("the database's structure", Walk::structure),
            ("the audit trail", Walk::lines),
            ("the calls", Walk::calls),
            ("the keys", Walk::keys),
            ("the head of the audit trail", Walk::ends),
        ];
        for (what, step) in steps {
            if let Err(error) = step(&mut walk, &moment) {
                walk.damaged(None, format!("{what} cannot be read: {error}"));
            }
        }
        Ok(walk.verdict)
    }
}

type Step<'s> = fn(&mut Walk<'s>, &Connection) -> rusqlite::Result<()>;

struct Walk<'s> {
    sealer: &'s Sealer,
    verdict: Verdict,
    /// The last line, as it is stored.
    line: i64,
    hash: [u8; SEAL_BYTES],
    /// Lines whose hash is known from elsewhere.
    expected: Vec<(Head, &'static str)>,
    /// What the trail says of each key: the subject of its making, and when it was revoked.
    made: HashMap<String, (String, Option<i64>)>,
}

impl<'s> Walk<'s> {
    fn new(sealer: &'s Sealer) -> Self {
        let head = Tip::NONE.head();
        let verdict = Verdict { head, receipts: 0, open: 0, damage: Vec::new(), damage_count: 0 };
        let Tip { line, hash, .. } = Tip::NONE;
        Self { sealer, verdict, line, hash, expected: Vec::new(), made: HashMap::new() }
    }

    fn damaged(&mut self, line: Option<i64>, what: impl Into<String>) {
        self.verdict.damage_count += 1;
        if self.verdict.damage.len() < DAMAGE_MAX {
            self.verdict.damage.push(Damage { line: line.map(loaded), what: what.into() });
        }
    }

    fn expect(&mut self, head: Option<Head>, whence: &'static str) {
        self.expected.extend(head.filter(|head| head.line > 0).map(|head| (head, whence)));
    }

    fn expect_witness(&mut self, records: &Records) {
        for _ in 0..WITNESS_READS_MAX {
            if let Ok(Some(tip)) = records.witness.read()
                && tip.seal == tip.sealed(self.sealer)
            {
                return self.expect(Some(tip.head()), "that audit-head names");
            }
        }
        self.damaged(None, "audit-head is missing, or not what Outcrop wrote");
    }

    /// What SQLite itself can tell: pages that do not fit together, an index that lacks a row.
    fn structure(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare(&format!("PRAGMA integrity_check({DAMAGE_MAX})"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let said: String = row.get(0)?;
            if said != "ok" {
                self.damaged(None, said);
            }
        }
        Ok(())
    }

    fn lines(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let columns =
            |list: &str| list.split(", ").map(|name| format!("c.{name}")).collect::<Vec<_>>().join(", ");
        let (intent, settled) = (columns(INTENT_COLUMNS), columns(SETTLED_COLUMNS));
        let sql = format!(
            "SELECT {intent}, {settled}, c.line, a.line, a.call, a.at_ms, a.event, a.subject, a.hash \
             FROM audit a LEFT JOIN calls c ON c.call = a.call ORDER BY a.line"
        );
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: i64 = row.get(18)?;
            if line != self.line + 1 {
                self.damaged(Some(line), format!("follows line {}: what stood between is gone", self.line));
            }
            let hash: [u8; SEAL_BYTES] = match row.get(23) {
                Ok(hash) => hash,
                Err(error) => {
                    self.damaged(Some(line), format!("has no hash: {error}"));
                    [0; SEAL_BYTES]
                }
            };
            match self.hash_due(row, line) {
                Ok(Some(due)) if due == hash => {}
                Ok(Some(_)) => self.damaged(Some(line), "was changed, or the line before it was"),
                Ok(None) => {}
                Err(error) => self.damaged(Some(line), format!("cannot be read: {error}")),
            }
            (self.line, self.hash) = (line, hash);
            self.meet(line, &hash);
        }
        Ok(())
    }

    /// The hash that a line should have; `None` where what it should stand for is not there, which is noted.
    fn hash_due(&mut self, row: &Row<'_>, line: i64) -> rusqlite::Result<Option<[u8; SEAL_BYTES]>> {
        let Some(call) = row.get::<_, Option<i64>>(19)? else {
            let (at_ms, event, subject) =
                (row.get(20)?, row.get_ref(21)?.as_str()?, row.get_ref(22)?.as_str()?);
            self.learn(line, (at_ms, event, subject));
            return Ok(Some(note_hash(self.sealer, &self.hash, line, (at_ms, event, subject))));
        };
        self.verdict.receipts += 1;
        if row.get::<_, Option<i64>>(0)?.is_none() {
            self.damaged(Some(line), format!("call {call} is gone"));
            return Ok(None);
        }
        if row.get::<_, Option<i64>>(17)? != Some(line) {
            self.damaged(Some(line), format!("call {call} says that another line is its receipt"));
            return Ok(None);
        }
        let (intent, settled) = (Intent::read(row)?, Settled::read(row, 7)?);
        Ok(Some(receipt_hash(self.sealer, &self.hash, line, (&intent, &settled))))
    }

    /// Takes in what a note says of keys, and of damage that was found before.
    fn learn(&mut self, line: i64, (at_ms, event, subject): (i64, &str, &str)) {
        match event {
            DAMAGED => self.damaged(Some(line), format!("found earlier: {subject}")),
            KEY_CREATED => {
                let id = subject.split(' ').next().unwrap_or_default();
                self.made.insert(id.to_owned(), (subject.to_owned(), None));
            }
            KEY_REVOKED => match self.made.get_mut(subject) {
                Some((_, revoked)) => *revoked = Some(at_ms),
                None => self.damaged(Some(line), format!("revokes key {subject}, which was never made")),
            },
            _ => {}
        }
    }

    /// Compares a line with what is known of it from elsewhere.
    fn meet(&mut self, line: i64, hash: &[u8; SEAL_BYTES]) {
        let met = self.expected.extract_if(.., |(head, _)| stored(head.line) == line).collect::<Vec<_>>();
        for (_, whence) in met.into_iter().filter(|(head, _)| head.hash != *hash) {
            self.damaged(Some(line), format!("is not the one {whence}"));
        }
    }

    /// Calls that the trail does not speak of: open ones, missing ones, and receipts that have no line.
    fn calls(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let (count, last): (i64, i64) = connection.query_row(
            "SELECT count(*), coalesce(max(call), 0) FROM calls NOT INDEXED",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let calls = Tip::read(connection)?.calls;
        if count != calls || last != calls {
            self.damaged(
                None,
                format!("{calls} calls were opened, and {count} are there, the last of them {last}"),
            );
        }
        let sql = format!("SELECT {INTENT_COLUMNS}, seal FROM calls NOT INDEXED WHERE outcome IS NULL");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut open: i64 = 0;
        while let Some(row) = rows.next()? {
            open += 1;
            let intent = Intent::read(row)?;
            let seal: Option<[u8; SEAL_BYTES]> = row.get(7)?;
            if seal != Some(intent.seal(self.sealer)) {
                self.damaged(None, format!("call {}, which is open, was changed", intent.call));
            }
        }
        self.verdict.open = loaded(open);
        let unspoken = count - open - stored(self.verdict.receipts);
        if unspoken != 0 {
            self.damaged(
                None,
                format!("{} receipts, and {} lines for them", count - open, self.verdict.receipts),
            );
        }
        Ok(())
    }

    fn keys(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for row in keys::rows(connection)? {
            let id = row.key.id.as_str();
            let said = self.made.remove(id);
            let is = Some((keys::created_subject(self.sealer, &row.key), row.revoked_ms));
            match said {
                None => self.damaged(None, format!("key {id} was not made by Outcrop")),
                Some(_) if said == is => {}
                Some(_) => self.damaged(None, format!("key {id} was changed")),
            }
        }
        for id in std::mem::take(&mut self.made).into_keys() {
            self.damaged(None, format!("key {id} is gone"));
        }
        Ok(())
    }

    fn ends(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.verdict.head = Head { line: loaded(self.line), hash: self.hash };
        let tip = Tip::read(connection)?;
        if tip.seal != tip.sealed(self.sealer) {
            self.damaged(None, "the head of the audit trail was changed");
        }
        if (tip.line, tip.hash) != (self.line, self.hash) {
            self.damaged(
                None,
                format!("the trail ends at line {}, and its head names line {}", self.line, tip.line),
            );
        }
        for (head, whence) in std::mem::take(&mut self.expected) {
            self.damaged(Some(stored(head.line)), format!("is gone: it is the one {whence}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
