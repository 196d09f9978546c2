use std::sync::Arc;

use canon::{ModelId, Usage};
use gateway::{Journal as _, Outcome};

use crate::testing::{Folder, NOW_MS, intent, receipt, wait};
use crate::{Period, UsageRow};

#[test]
fn every_receipt_counts_once_where_it_belongs() {
    let folder = Folder::new("usage");
    let store = folder.store();
    let root = store.records().keys().unwrap().remove(0).id;
    let every =
        Usage { input: 1, cache_read: 2, cache_write_5m: 3, cache_write_1h: 4, output: 5, reasoning: 6 };
    let outcomes = [Outcome::Completed, Outcome::Failed("upstream"), Outcome::Cancelled, Outcome::Completed];
    for (number, outcome) in (0..).zip(outcomes) {
        let mut opened = intent(number);
        opened.key = root.clone();
        wait(store.open(opened)).unwrap();
        let mut settled = receipt(number);
        settled.settled_ms = NOW_MS + number;
        (settled.outcome, settled.usage) = (outcome, every);
        wait(store.settle(settled)).unwrap();
    }
    let mut other = intent(9);
    other.model = ModelId::new("a.b");
    wait(store.open(other)).unwrap();
    wait(store.settle(receipt(9))).unwrap();
    wait(store.open(intent(10))).unwrap(); // Open, so not counted.

    let rows = store.records().usage(Period::EVER).unwrap();
    let expected = [
        UsageRow {
            model: "a.b".to_owned(),
            key_id: "AKIAABCDEFGHIJKLMNOP".to_owned(),
            key_name: String::new(),
            requests: 1,
            failed: 0,
            cancelled: 0,
            interrupted: 0,
            usage: Usage::plain(100, 9),
        },
        UsageRow {
            model: "huggingfacetb.smollm2-135m-instruct-v1:0".to_owned(),
            key_id: root.to_string(),
            key_name: "root".to_owned(),
            requests: 4,
            failed: 1,
            cancelled: 1,
            interrupted: 0,
            usage: [every; 4].into_iter().sum(),
        },
    ];
    assert_eq!(rows, expected);

    let period = Period { from_ms: NOW_MS + 1, to_ms: NOW_MS + 3 };
    let rows = store.records().usage(period).unwrap();
    assert_eq!(rows.iter().map(|row| row.requests).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_count_that_no_machine_reaches_does_not_break_the_sum() {
    let folder = Folder::new("usage-large");
    let store = Arc::new(folder.store());
    wait(store.open(intent(1))).unwrap();
    let mut settled = receipt(1);
    settled.usage = Usage::plain(u64::MAX, 0);
    wait(store.settle(settled)).unwrap();
    let rows = store.records().usage(Period::EVER).unwrap();
    assert_eq!(rows[0].usage.input, i64::MAX as u64);
    assert!(store.records().verify(None).unwrap().is_intact());
}
