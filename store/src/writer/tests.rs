use std::sync::Arc;
use std::time::{Duration, Instant};

use canon::Kind;
use futures_util::future::join_all;
use gateway::{Journal as _, Outcome};

use crate::testing::{Folder, NOW_MS, intent, receipt, wait};
use crate::{Options, Store};

#[test]
fn thirty_two_callers_at_once_each_get_one_receipt() {
    const CALLERS: u64 = 32;
    const CALLS: u64 = 100;
    let folder = Folder::new("callers");
    let store = folder.store();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let store = &store;
            scope.spawn(move || {
                for number in caller * CALLS..(caller + 1) * CALLS {
                    wait(store.open(intent(number))).unwrap();
                    wait(store.settle(receipt(number))).unwrap();
                }
            });
        }
    });
    let verdict = store.records().verify(None).unwrap();
    assert!(verdict.is_intact(), "{verdict:?}");
    assert_eq!((verdict.receipts, verdict.open), (CALLERS * CALLS, 0));
    let rows = store.records().usage(crate::Period::EVER).unwrap();
    assert_eq!(rows[0].usage.output, (0..CALLERS * CALLS).sum::<u64>());
}

#[test]
fn a_future_that_is_dropped_does_not_take_its_record_with_it() {
    let folder = Folder::new("dropped");
    let store = folder.store();
    drop(store.open(intent(1)));
    drop(store.settle(receipt(1)));
    wait(store.open(intent(2))).unwrap();
    let verdict = store.records().verify(None).unwrap();
    assert_eq!((verdict.receipts, verdict.open, verdict.is_intact()), (1, 1, true));
}

#[test]
fn a_call_is_settled_once_and_only_if_it_was_opened() {
    let folder = Folder::new("once");
    let store = folder.store();
    wait(store.open(intent(1))).unwrap();
    let mut second = receipt(1);
    second.outcome = Outcome::Cancelled;
    // In one batch, and again in another.
    let results = wait(join_all([store.settle(receipt(1)), store.settle(second.clone())]));
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    assert_eq!(wait(store.settle(second)).unwrap_err().kind(), &Kind::Internal);
    assert_eq!(wait(store.settle(receipt(2))).unwrap_err().kind(), &Kind::Internal);
    let verdict = store.records().verify(None).unwrap();
    assert_eq!((verdict.receipts, verdict.open, verdict.is_intact()), (1, 0, true));
}

#[test]
fn closing_writes_what_is_queued_and_refuses_what_comes_later() {
    let folder = Folder::new("closing");
    let store = folder.store();
    let queued: Vec<_> = (0..500).flat_map(|n| [store.open(intent(n)), store.settle(receipt(n))]).collect();
    store.close(NOW_MS + 1);
    assert!(wait(join_all(queued)).iter().all(Result::is_ok));
    let refused = wait(store.open(intent(1000))).unwrap_err();
    assert_eq!((refused.kind(), store.healthy()), (&Kind::Storage, false));
    assert_eq!(folder.records().verify(None).unwrap().receipts, 500);
}

/// A store whose database may hardly grow, so that there is room for intents and not for their receipts, and a table in it that can be dropped to make room.
fn full(folder: &Folder, patience: Duration) -> (Store, Vec<u64>) {
    drop(folder.store());
    let database = folder.database();
    database.execute_batch("CREATE TABLE ballast AS SELECT zeroblob(400000) AS bytes").unwrap();
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let pages: u64 =
        database.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0)).unwrap() as u64;
    drop(database);
    let (store, _) =
        folder.store_with(&Options { bytes_max: Some((pages + 30) * 4096), patience, ..Options::default() });
    let mut opened = Vec::new();
    for number in 0..10_000 {
        match wait(store.open(intent(number))) {
            Ok(()) => opened.push(number),
            Err(fault) => {
                assert_eq!(fault.kind(), &Kind::Storage);
                assert!(fault.message().contains("make room on the disk"), "{fault}");
                break;
            }
        }
    }
    assert!((1..10_000).contains(&opened.len()), "the database never was full");
    (store, opened)
}

fn make_room(folder: &Folder) {
    folder.database().execute_batch("DROP TABLE ballast").unwrap();
}

#[test]
fn a_full_disk_refuses_calls_and_loses_no_receipt() {
    let folder = Folder::new("full");
    let (store, opened) = full(&folder, Duration::from_secs(60));
    let settled: Vec<_> = opened.iter().map(|&number| store.settle(receipt(number))).collect();
    // With those queued there is no way on: nothing is admitted, and it is said at once.
    let refused_by = Instant::now();
    while store.healthy() || wait(store.open(intent(99_000))).is_ok() {
        assert!(refused_by.elapsed() < Duration::from_secs(10), "the database never was full");
    }
    make_room(&folder);
    assert!(wait(join_all(settled)).iter().all(Result::is_ok));
    assert!(store.healthy());
    wait(store.open(intent(99_999))).unwrap();
    wait(store.settle(receipt(99_999))).unwrap();
    let verdict = store.records().verify(None).unwrap();
    assert!(verdict.is_intact(), "{verdict:?}");
    assert!(verdict.receipts > opened.len() as u64);
}

#[test]
fn a_receipt_that_was_given_up_on_is_written_all_the_same() {
    let folder = Folder::new("patience");
    let (store, opened) = full(&folder, Duration::from_millis(300));
    let settled: Vec<_> = opened.iter().map(|&number| store.settle(receipt(number))).collect();
    let results = wait(join_all(settled));
    let given_up = results.iter().filter_map(|result| result.as_ref().err()).inspect(|fault| {
        assert_eq!(fault.kind(), &Kind::Storage);
    });
    assert!(given_up.count() > 0);
    make_room(&folder);
    let store = Arc::new(store);
    let began = Instant::now();
    while store.records().verify(None).unwrap().receipts < opened.len() as u64 {
        assert!(began.elapsed() < Duration::from_secs(10), "the receipts were lost");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(store.records().verify(None).unwrap().is_intact());
}
