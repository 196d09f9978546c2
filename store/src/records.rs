use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canon::{Fault, Kind};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::chain::{Head, Note, Tip};
use crate::row::stored;
use crate::seal::Sealer;
use crate::witness::Witness;
use crate::{open, problem, schema};

/// How long a command waits for the journal, which writes all the time when the server is busy.
const BUSY_MS: u64 = 15_000;

/// The records of a data folder as any process may use them, also while a server runs: keys, usage, the audit trail.
/// Each method is one transaction, and blocks.
pub struct Records {
    connection: Mutex<Connection>,
    pub(crate) sealer: Sealer,
    pub(crate) witness: Witness,
}

impl Records {
    /// Opens the records in `folder`, which a first start has made.
    ///
    /// # Errors
    /// [`Kind::Storage`] where there are none, or where they cannot be read.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        if !folder.join(schema::DATABASE).exists() {
            let message = format!(
                "{} holds no Outcrop yet. Start one there with: outcrop up --data-dir {0}",
                folder.display()
            );
            return Err(Fault::new(Kind::Storage, message));
        }
        let connection = schema::open(folder, Duration::from_millis(BUSY_MS))?;
        let tip = Tip::read(&connection).map_err(problem::database)?;
        let sealer = Sealer::new(&open::audit_key(folder, &tip, None)?)?;
        let witness = Witness::open(folder)?;
        Ok(Self { connection: Mutex::new(connection), sealer, witness })
    }

    /// Adds a line to the audit trail.
    ///
    /// # Errors
    /// [`Kind::Storage`] where it cannot be written.
    pub fn note(&self, note: Note<'_>, now_ms: u64) -> Result<(), Fault> {
        self.write(|transaction, tip| {
            tip.note(transaction, &self.sealer, note, stored(now_ms)).map_err(problem::database)
        })
    }

    /// Where the audit trail ends now.
    ///
    /// # Errors
    /// [`Kind::Storage`] where it cannot be read.
    pub fn head(&self) -> Result<Head, Fault> {
        Tip::read(&self.connection()).map(|tip| tip.head()).map_err(problem::database)
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` and lengthens the chain by what it adds, or does nothing at all.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut Tip) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(problem::database)?;
        let mut tip = Tip::read(&transaction).map_err(problem::database)?;
        let done = change(&transaction, &mut tip)?;
        tip.write(&transaction, &self.sealer).map_err(problem::database)?;
        transaction.commit().map_err(problem::database)?;
        self.witness.follow(&tip);
        Ok(done)
    }
}
