use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway::Journal as _;

use crate::testing::{Counter, Folder, NOW_MS, intent, receipt, wait};
use crate::{DataDir, Options, Period, Store};

const ROUNDS: u64 = 20;
const CALLERS: u64 = 8;
/// Numbers of calls in one round lie below this.
const ROUND_CALLS_MAX: u64 = 1_000_000;
const CHILD: &str = "OUTCROP_TEST_CRASH";

#[test]
fn open_calls_are_settled_as_interrupted_by_the_next_start() {
    let folder = Folder::new("interrupted");
    let store = folder.store();
    for number in 0..5 {
        wait(store.open(intent(number))).unwrap();
    }
    wait(store.settle(receipt(3))).unwrap();
    drop(store); // Without a word to the open calls.
    let (store, opened) = folder.store_with(&Options::default());
    assert_eq!(opened.recovered, 4);
    let row = store.records().usage(Period::EVER).unwrap().remove(0);
    assert_eq!((row.requests, row.interrupted, row.usage.total()), (5, 4, 103));
    drop(store);
    let (store, opened) = folder.store_with(&Options::default());
    assert_eq!(opened.recovered, 0);
    let verdict = store.records().verify(None).unwrap();
    assert!(verdict.is_intact() && verdict.receipts == 5, "{verdict:?}");
}

#[test]
fn a_call_that_was_changed_while_open_is_settled_and_reported_for_ever() {
    let folder = Folder::new("changed-open");
    let store = folder.store();
    wait(store.open(intent(1))).unwrap();
    drop(store);
    folder.database().execute("UPDATE calls SET key_id = 'AKIASOMEBODYELSE'", []).unwrap();
    for _ in 0..2 {
        let store = folder.store();
        let verdict = store.records().verify(None).unwrap();
        assert_eq!(verdict.damage_count, 1, "{verdict:?}");
        assert_eq!(verdict.damage[0].what, "found earlier: call 1 was changed while it was open");
    }
}

#[test]
fn an_older_copy_of_the_database_is_reported_for_ever() {
    let folder = Folder::new("older-copy");
    drop(folder.store());
    let (database, copy) = (folder.path().join("outcrop.db"), folder.path().join("copy"));
    std::fs::copy(&database, &copy).unwrap();
    let store = folder.store();
    wait(store.open(intent(1))).unwrap();
    wait(store.settle(receipt(1))).unwrap();
    drop(store);
    std::fs::copy(&copy, &database).unwrap();
    assert_eq!(folder.records().verify(None).unwrap().damage_count, 1);
    for _ in 0..2 {
        let verdict = folder.store().records().verify(None).unwrap();
        assert_eq!(verdict.damage_count, 1, "{verdict:?}");
        assert!(verdict.damage[0].what.contains("was last seen and is gone"), "{verdict:?}");
    }
}

/// What a child said before it was killed.
#[derive(Default)]
struct Said {
    opened: BTreeSet<u64>,
    settled: BTreeSet<u64>,
}

/// Not a test of its own: the process that the next test kills. It says on stdout what the journal acknowledged.
#[test]
fn child_that_is_killed() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let (round, path) = text.split_once(' ').unwrap();
    let first = round.parse::<u64>().unwrap() * ROUND_CALLS_MAX;
    let dir = DataDir::open(Path::new(path)).unwrap();
    let (store, _) = Store::open(&dir, &Options::default(), &Counter::default(), NOW_MS).unwrap();
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    wait(store.open(intent(number))).unwrap();
                    say(&format!("acknowledged open {number}\n"));
                    wait(store.settle(receipt(number))).unwrap();
                    say(&format!("acknowledged settle {number}\n"));
                }
            });
        }
    });
}

fn say(line: &str) {
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// Runs the child and kills it `after` its first word.
fn crash(folder: &Path, round: u64, after: Duration) -> Said {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "recovery::tests::child_that_is_killed", "--nocapture"])
        .env(CHILD, format!("{round} {}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut said = Said::default();
    let mut hear = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
        ["acknowledged", "open", number] => said.opened.insert(number.parse().unwrap()),
        ["acknowledged", "settle", number] => said.settled.insert(number.parse().unwrap()),
        _ => false,
    };
    while !hear(&lines.next().expect("the child ended by itself")) {}
    let reader = std::thread::scope(|scope| {
        let rest = scope.spawn(|| lines.collect::<Vec<_>>());
        std::thread::sleep(after);
        child.kill().unwrap();
        rest.join().unwrap()
    });
    child.wait().unwrap();
    // The last line may be torn.
    for line in reader.iter().rev().skip(1) {
        hear(line);
    }
    said
}

#[test]
fn what_was_acknowledged_outlives_a_kill_at_any_moment() {
    let folder = Folder::new("killed");
    let (mut settled_before, mut heard) = (0, 0);
    for round in 0..ROUNDS {
        let after = Duration::from_micros(700 * round * round % 30_000);
        let said = crash(folder.path(), round, after);
        let store = folder.store();
        let stored = stored(folder.path().join("outcrop.db"), round);
        heard += said.settled.len();
        let missing: Vec<_> = said.opened.iter().filter(|number| !stored.contains_key(number)).collect();
        assert!(missing.is_empty(), "round {round}: intents {missing:?} are gone");
        for number in &said.settled {
            assert_eq!(stored[number], "completed", "round {round}, call {number}");
        }
        // What was not acknowledged was under way, one call at most for each caller, or its line was torn.
        let unsaid = stored.values().filter(|outcome| *outcome == "completed").count() - said.settled.len();
        assert!(unsaid <= CALLERS as usize + 1, "round {round}: {unsaid} receipts that nobody was told of");
        let verdict = store.records().verify(None).unwrap();
        assert!(verdict.is_intact(), "round {round}: {verdict:?}");
        assert_eq!((verdict.open, verdict.receipts), (0, settled_before + stored.len() as u64));
        settled_before = verdict.receipts;
    }
    assert!(heard > 100, "only {heard} receipts were acknowledged in all rounds");
}

/// The outcome of each call of `round`, by number.
fn stored(database: PathBuf, round: u64) -> BTreeMap<u64, String> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut statement = connection.prepare("SELECT id, outcome FROM calls").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get(1)?))).unwrap();
    let number = |id: [u8; 16]| u64::from_be_bytes(*id.first_chunk().unwrap());
    let rows = rows.map(|row| row.unwrap()).map(|(id, outcome)| (number(id), outcome));
    let this = round * ROUND_CALLS_MAX..(round + 1) * ROUND_CALLS_MAX;
    rows.filter(|(number, _)| this.contains(number)).collect()
}
