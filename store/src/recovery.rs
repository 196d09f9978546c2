//! What the next start does for a process that died: every call that it left open is settled, once.

use canon::Fault;
use gateway::{Outcome, Receipt, RequestId};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::chain::{Lines, Note, Tip};
use crate::problem;
use crate::row::{INTENT_COLUMNS, Intent, Settled, Settling, loaded, stored};
use crate::seal::{SEAL_BYTES, Sealer};
use crate::witness::Witness;

/// Settles open calls as interrupted, with no usage: what was produced died with the process that produced it, so the
/// one who runs Outcrop bears it, and no caller pays for an answer that broke off. Returns how many there were.
pub(crate) fn recover(
    connection: &mut Connection,
    sealer: &Sealer,
    witness: &Witness,
    now_ms: u64,
) -> Result<u64, Fault> {
    let seen = witness.read().map_err(Fault::internal)?;
    let mut run = || -> rusqlite::Result<(u64, Tip)> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut tip = Tip::read(&transaction)?;
        let before = tip;
        if let Some(damage) = contradiction(&transaction, sealer, &tip, seen)? {
            tracing::error!(damage, "the audit trail is damaged");
            tip.note(&transaction, sealer, Note::Damaged(&damage), stored(now_ms))?;
        }
        let settled = settle_open(&transaction, sealer, &mut tip, now_ms)?;
        if settled > 0 {
            let subject = format!("{settled} interrupted");
            tip.note(&transaction, sealer, Note::Recovered(&subject), stored(now_ms))?;
        }
        if tip != before {
            tip.write(&transaction, sealer)?;
        }
        transaction.commit()?;
        Ok((settled, tip))
    };
    let (settled, tip) = run().map_err(problem::database)?;
    if tip.line > 0 {
        witness.follow(&tip);
        witness.sync();
    }
    Ok(settled)
}

fn settle_open(
    connection: &Connection,
    sealer: &Sealer,
    tip: &mut Tip,
    now_ms: u64,
) -> rusqlite::Result<u64> {
    let sql = format!("SELECT {INTENT_COLUMNS}, seal FROM calls WHERE outcome IS NULL ORDER BY call");
    let mut statement = connection.prepare(&sql)?;
    let mut settling = Settling::prepare(connection)?;
    let mut lines = Lines::prepare(connection)?;
    let mut rows = statement.query([])?;
    let (mut count, mut changed) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let intent = Intent::read(row)?;
        let seal: [u8; SEAL_BYTES] = row.get(7)?;
        if seal != intent.seal(sealer) {
            changed.push(intent.call);
        }
        let receipt = interrupted(intent.id, now_ms.max(loaded(intent.arrived_ms)));
        let settled = Settled::of(&receipt);
        let next = tip.with_receipt(sealer, &intent, &settled);
        settling.update(intent.call, &settled, next.line)?;
        lines.insert(&next, intent.call)?;
        *tip = next;
        count += 1;
    }
    for call in changed {
        let damage = format!("call {call} was changed while it was open");
        tracing::error!(damage, "the records are damaged");
        tip.note(connection, sealer, Note::Damaged(&damage), stored(now_ms))?;
    }
    Ok(count)
}

fn interrupted(id: &[u8], settled_ms: u64) -> Receipt {
    Receipt {
        id: RequestId::from_bytes(id.try_into().unwrap_or_default()),
        settled_ms,
        deployment: None,
        outcome: Outcome::Interrupted,
        usage: canon::Usage::default(),
    }
}

/// How the database contradicts what was last seen of it, if it does.
fn contradiction(
    connection: &Connection,
    sealer: &Sealer,
    tip: &Tip,
    seen: Option<Tip>,
) -> rusqlite::Result<Option<String>> {
    let Some(seen) = seen else {
        return Ok((tip.line > 0).then(|| "audit-head is missing or empty".to_owned()));
    };
    if seen.seal != seen.sealed(sealer) {
        return Ok(Some("audit-head is not what this Outcrop wrote".to_owned()));
    }
    if tip.line > 0 && tip.seal != tip.sealed(sealer) {
        return Ok(Some("the head of the audit trail is not what this Outcrop wrote".to_owned()));
    }
    let sql = "SELECT hash FROM audit WHERE line = ?1";
    let hash: Option<[u8; SEAL_BYTES]> =
        connection.query_row(sql, [seen.line], |row| row.get(0)).optional()?;
    let here = format!("the trail ends at line {}", tip.line);
    Ok((hash != Some(seen.hash))
        .then(|| format!("line {} was last seen and is gone or changed; {here}", seen.line)))
}

#[cfg(test)]
mod tests;
