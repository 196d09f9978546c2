use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use access::{Key, Pattern};
use canon::{Fault, Kind};
use gateway::Entropy;
use rusqlite::Connection;

use crate::chain::{Note, Tip};
use crate::seal::{SEAL_BYTES, Sealer};
use crate::witness::Witness;
use crate::writer::{Books, Waiting, Writer};
use crate::{DataDir, Records, Store, file, problem, recovery, schema};

/// How long the journal waits for another process that writes.
const BUSY_MS: u64 = 5_000;
/// The size of a page of the database.
const PAGE_BYTES: u64 = 4096;
/// The name of the key that the first start makes.
const ROOT: &str = "root";
/// The key of the audit trail, in the data folder.
const AUDIT_KEY: &str = "audit-key";

/// How long a receipt's future waits for a disk that refuses it.
const PATIENCE_MS: u64 = 5_000;

/// How records are kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a durable record outlives.
    pub durability: Durability,
    /// The database grows no larger, in bytes; `None` leaves it to the disk.
    pub bytes_max: Option<u64>,
    /// How long a receipt's future waits while the disk refuses its record. Then it fails with [`Kind::Storage`]; the
    /// record stays queued and is tried until this process ends.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            bytes_max: None,
            patience: Duration::from_millis(PATIENCE_MS),
        }
    }
}

/// What a durable record outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process, of the system and of the power: each commit is synced to the disk.
    #[default]
    Full,
    /// The death of the process. A power failure may take the last moments, which the audit then reports as lost.
    Normal,
}

/// What opening found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Calls that a dead process had left open, now settled as interrupted.
    pub recovered: u64,
    /// The folder was new: the first key was made, and its secrets lie in `credentials` and `api-key`.
    pub first_start: bool,
}

impl Store {
    /// Opens the records of `dir`, settles what a dead process left open, makes the first key in a new folder, and
    /// starts the thread that writes.
    ///
    /// # Errors
    /// [`Kind::Storage`] where the database or a file beside it cannot be read or written.
    pub fn open(
        dir: &DataDir,
        options: &Options,
        entropy: &dyn Entropy,
        now_ms: u64,
    ) -> Result<(Self, Opened), Fault> {
        let mut connection = schema::open(dir.path(), Duration::from_millis(BUSY_MS))?;
        options.apply(&connection).map_err(problem::database)?;
        let tip = Tip::read(&connection).map_err(problem::database)?;
        let sealer = Sealer::new(&audit_key(dir.path(), &tip, Some(entropy))?)?;
        let witness = Witness::open(dir.path())?;
        let recovered = recovery::recover(&mut connection, &sealer, &witness, now_ms)?;
        let records = Arc::new(Records::open(dir.path())?);
        let first_start = records.keys()?.is_empty();
        if first_start {
            first_key(dir, &records, entropy, now_ms)?;
        }
        let about = format!("outcrop {}, process {}", env!("CARGO_PKG_VERSION"), std::process::id());
        records.note(Note::Started(&about), now_ms)?;

        let healthy = Arc::new(AtomicBool::new(true));
        let (orders, queue) = mpsc::channel();
        let books = Books { connection, sealer, witness };
        let writer =
            Writer { books, queue, healthy: Arc::clone(&healthy), waiting: Waiting::new(options.patience) };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        let thread = Mutex::new(Some(thread.map_err(Fault::internal)?));
        Ok((Self { orders, healthy, records, thread, _dir: dir.clone() }, Opened { recovered, first_start }))
    }
}

impl Options {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.durability == Durability::Normal {
            connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        if let Some(bytes_max) = self.bytes_max {
            let pages = crate::row::stored(bytes_max / PAGE_BYTES);
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(())
    }
}

/// The secrets are on the disk before the key works: who dies in between makes another.
fn first_key(dir: &DataDir, records: &Records, entropy: &dyn Entropy, now_ms: u64) -> Result<(), Fault> {
    let mut random = [0; access::ENTROPY_BYTES];
    entropy.fill(&mut random);
    let (key, minted) = Key::mint(ROOT, vec![Pattern::any()], now_ms, &random);
    dir.write_credentials(&minted)?;
    records.create_key(&key)
}

/// The key of the audit trail. It is made for a trail that has no line yet; a missing one is never replaced.
pub(crate) fn audit_key(
    folder: &Path,
    tip: &Tip,
    entropy: Option<&dyn Entropy>,
) -> Result<[u8; SEAL_BYTES], Fault> {
    let path = folder.join(AUDIT_KEY);
    match (std::fs::read(&path), entropy) {
        (Ok(bytes), _) => bytes.try_into().map_err(|bytes: Vec<u8>| {
            let cause = format!("{} bytes where {SEAL_BYTES} are due", bytes.len());
            problem::file(
                &path,
                cause,
                "Restore it from a backup; the audit trail cannot be continued without it.",
            )
        }),
        (Err(error), Some(entropy)) if error.kind() == std::io::ErrorKind::NotFound && tip.line == 0 => {
            let mut key = [0; SEAL_BYTES];
            entropy.fill(&mut key);
            file::replace(&path, &key)?;
            Ok(key)
        }
        (Err(error), _) => {
            let remedy = "Restore it from a backup; the audit trail cannot be read or continued without it.";
            Err(Fault::new(Kind::Storage, format!("{}: {error}. {remedy}", path.display())))
        }
    }
}

#[cfg(test)]
mod tests;
