use std::sync::Arc;

use access::{Key, Pattern};
use gateway::{Entropy as _, Journal as _, Outcome};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::testing::{Counter, Folder, NOW_MS, intent, receipt, wait};
use crate::{Head, Note, Records};

/// Flips of a byte in the file, each in a fresh copy.
const FLIPS: usize = 600;

/// A store with some of everything, closed.
fn filled(name: &str) -> Folder {
    let folder = Folder::new(name);
    let store = folder.store();
    for number in 0..40 {
        wait(store.open(intent(number))).unwrap();
    }
    for number in 0..36 {
        let mut settled = receipt(number);
        match number % 4 {
            0 => settled.outcome = Outcome::Failed("upstream-timeout"),
            1 => (settled.outcome, settled.deployment) = (Outcome::Cancelled, None),
            _ => settled.deployment = Some(Arc::from("vllm")),
        }
        wait(store.settle(settled)).unwrap();
    }
    let mut random = [9; access::ENTROPY_BYTES];
    Counter::default().fill(&mut random[..20]);
    let (key, _) = Key::mint("ci", vec![Pattern::any()], NOW_MS, &random);
    store.records().create_key(&key).unwrap();
    store.records().revoke_key("ci", NOW_MS + 9).unwrap();
    store.records().note(Note::EstateLoaded("estate.toml 1234"), NOW_MS).unwrap();
    store.close(NOW_MS + 10);
    assert!(folder.records().verify(None).unwrap().is_intact());
    folder
}

fn findings(folder: &Folder) -> Vec<String> {
    let verdict = folder.records().verify(None).unwrap();
    verdict
        .damage
        .iter()
        .map(|damage| format!("{}: {}", damage.line.unwrap_or_default(), damage.what))
        .collect()
}

#[test]
fn what_is_changed_removed_or_added_is_found() {
    let folder = filled("tampered");
    let ignore = "PRAGMA ignore_check_constraints = ON;";
    for (change, found) in [
        ("UPDATE calls SET output = output + 1 WHERE call = 3", "was changed, or the line before it was"),
        ("UPDATE calls SET key_id = 'AKIAOTHER' WHERE call = 39", "call 39, which is open, was changed"),
        ("UPDATE calls SET line = 7 WHERE call = 3", "call 3 says that another line is its receipt"),
        ("DELETE FROM calls WHERE call = 4", "call 4 is gone"),
        ("DELETE FROM calls WHERE call = 40", "40 calls were opened, and 39 are there, the last of them 39"),
        ("DELETE FROM audit WHERE line = 5", "follows line 4: what stood between is gone"),
        ("DELETE FROM audit WHERE line > 30", "the trail ends at line 30, and its head names line 42"),
        ("DELETE FROM audit", "the trail ends at line 0, and its head names line 42"),
        ("DELETE FROM head", "the head of the audit trail was changed"),
        (
            "UPDATE head SET calls = 39; DELETE FROM calls WHERE call = 40",
            "the head of the audit trail was changed",
        ),
        (
            "UPDATE audit SET subject = 'estate.toml 9' WHERE event = 'estate-loaded'",
            "was changed, or the line before",
        ),
        ("UPDATE audit SET at_ms = 5 WHERE event = 'started'", "was changed, or the line before it was"),
        (
            "INSERT INTO calls SELECT 41, id, arrived_ms, key_id, model, format, reserved_tokens, seal, settled_ms, \
             deployment, outcome, fault, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, line \
             FROM calls WHERE call = 1",
            "40 calls were opened, and 41 are there",
        ),
        ("UPDATE keys SET models = 'x' WHERE name = 'root'", "was changed"),
        ("UPDATE keys SET revoked_ms = NULL WHERE name = 'ci'", "was changed"),
        ("DELETE FROM keys WHERE name = 'ci'", "is gone"),
        (
            "INSERT INTO keys SELECT 'AKIAMINE', 'mine', secret, bearer_sha256, models, 1, NULL, NULL FROM keys LIMIT 1",
            "key AKIAMINE was not made by Outcrop",
        ),
        ("DROP TABLE calls", "cannot be read: no such table: calls"),
        ("ALTER TABLE audit RENAME COLUMN hash TO hsah", "the audit trail cannot be read"),
    ] {
        let kept = std::fs::read(folder.path().join("outcrop.db")).unwrap();
        folder.database().execute_batch(&format!("{ignore} {change}")).unwrap();
        let findings = findings(&folder);
        assert!(findings.iter().any(|finding| finding.contains(found)), "{change}: {findings:?}");
        std::fs::write(folder.path().join("outcrop.db"), kept).unwrap();
    }
    assert!(findings(&folder).is_empty());
}

#[test]
fn a_head_noted_elsewhere_finds_a_trail_that_was_rolled_back_whole() {
    let folder = filled("rolled-back");
    let files = ["outcrop.db", "audit-head"].map(|name| folder.path().join(name));
    let kept = files.each_ref().map(|path| std::fs::read(path).unwrap());
    folder.records().note(Note::EstateLoaded("other.toml"), NOW_MS).unwrap();
    let noted: Head = folder.records().head().unwrap().to_string().parse().unwrap();
    assert!(folder.records().verify(Some(&noted)).unwrap().is_intact());
    files.iter().zip(kept).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    assert!(folder.records().verify(None).unwrap().is_intact());
    let verdict = folder.records().verify(Some(&noted)).unwrap();
    assert_eq!(verdict.damage[0].what, "is gone: it is the one that was noted elsewhere");
    let forged = Head { line: 3, hash: [1; 32] };
    let verdict = folder.records().verify(Some(&forged)).unwrap();
    assert_eq!(verdict.damage[0].what, "is not the one that was noted elsewhere");
}

#[test]
fn a_head_is_read_as_it_is_shown() {
    for text in
        ["", "1", "1:", "x:00", "1:0g", &format!("-1:{}", "00".repeat(32)), &format!("1:{}", "é".repeat(32))]
    {
        assert!(text.parse::<Head>().is_err(), "{text}");
    }
    let head = Head { line: 12, hash: std::array::from_fn(|at| at as u8) };
    assert_eq!(head.to_string().parse(), Ok(head));
}

#[test]
fn a_lost_witness_is_found() {
    let folder = filled("witness");
    std::fs::write(folder.path().join("audit-head"), "").unwrap();
    assert_eq!(findings(&folder), ["0: audit-head is missing, or not what Outcrop wrote"]);
}

#[test]
fn a_write_ahead_log_that_lost_its_end_is_found() {
    let folder = Folder::new("log");
    let store = folder.store();
    for number in 0..20 {
        wait(store.open(intent(number))).unwrap();
        wait(store.settle(receipt(number))).unwrap();
    }
    let copy = Folder::new("log-copy");
    let mut dice = Dice(3);
    for _ in 0..20 {
        for name in ["outcrop.db", "outcrop.db-wal", "audit-head", "audit-key"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        std::fs::remove_file(copy.path().join("outcrop.db-shm")).ok();
        let log = copy.path().join("outcrop.db-wal");
        let mut bytes = std::fs::read(&log).unwrap();
        let at = dice.roll(bytes.len());
        bytes[at] ^= 1 << dice.roll(8);
        std::fs::write(&log, bytes).unwrap();
        let verified = Records::open(copy.path()).and_then(|records| records.verify(None));
        assert!(!verified.is_ok_and(|verdict| verdict.is_intact()), "byte {at} of the log");
    }
}

/// Every value of the tables that a verification vouches for, or why they cannot be read.
fn content(connection: &Connection) -> rusqlite::Result<Vec<Value>> {
    let mut content = Vec::new();
    for table in ["calls", "audit", "head", "keys"] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                content.push(row.get(column)?);
            }
        }
    }
    Ok(content)
}

#[test]
fn a_bit_that_flips_in_any_stored_value_is_found() {
    let folder = filled("flipped-values");
    let database = folder.database();
    database.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    let records = folder.records();
    let mut dice = Dice(1);
    for table in ["calls", "audit", "head", "keys"] {
        let columns: Vec<String> = {
            let mut statement = database.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
            statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let key = if table == "keys" { "id" } else { &columns[0] };
        for column in &columns {
            let sql = format!(
                "SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY random() LIMIT 4"
            );
            let cells: Vec<(Value, Value)> = {
                let mut statement = database.prepare(&sql).unwrap();
                statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect()
            };
            for (at, is) in cells {
                let was = dice.flip(is.clone());
                let after = if *column == *key { &was } else { &at };
                let set = format!("UPDATE {table} SET {column} = ?1 WHERE {key} = ?2");
                // Another row may have the flipped number: then nothing is changed.
                let Ok(1) = database.execute(&set, [&was, &at]) else { continue };
                let verdict = records.verify(None).unwrap();
                assert!(!verdict.is_intact(), "{table}.{column} of {at:?}: {is:?} became {was:?}");
                assert_eq!(database.execute(&set, [&is, after]), Ok(1));
            }
        }
    }
    assert!(records.verify(None).unwrap().is_intact());
}

#[test]
fn a_byte_that_flips_in_the_file_is_found_wherever_it_changes_what_is_stored() {
    let folder = filled("flipped-file");
    let path = folder.path().join("outcrop.db");
    let whole = std::fs::read(&path).unwrap();
    let was = content(&folder.database()).unwrap();
    let mut dice = Dice(2);
    let mut found = 0;
    for _ in 0..FLIPS {
        let at = dice.roll(whole.len());
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << dice.roll(8);
        for beside in ["outcrop.db-wal", "outcrop.db-shm"] {
            std::fs::remove_file(folder.path().join(beside)).ok();
        }
        std::fs::write(&path, bytes).unwrap();
        let verified = Records::open(folder.path()).and_then(|records| records.verify(None));
        if verified.is_ok_and(|verdict| verdict.is_intact()) {
            let is = content(&folder.database());
            assert_eq!(is.as_ref(), Ok(&was), "byte {at} of {} changed what is stored", whole.len());
        } else {
            found += 1;
        }
    }
    assert!(found > FLIPS / 10, "only {found} of {FLIPS} flips met anything");
}

/// The generator `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % sides as u64) as usize
    }

    fn flip(&mut self, value: Value) -> Value {
        match value {
            Value::Integer(number) => Value::Integer(number ^ 1 << self.roll(40)),
            Value::Text(text) => {
                let mut bytes = text.into_bytes();
                let at = self.roll(bytes.len());
                bytes[at] ^= 1 << self.roll(5);
                Value::Text(String::from_utf8(bytes).unwrap())
            }
            Value::Blob(mut bytes) => {
                let at = self.roll(bytes.len());
                bytes[at] ^= 1 << self.roll(8);
                Value::Blob(bytes)
            }
            other @ (Value::Null | Value::Real(_)) => other,
        }
    }
}
