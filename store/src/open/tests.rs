use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use gateway::Journal as _;

use crate::testing::{Folder, NOW_MS, intent, receipt, wait};
use crate::{Durability, Opened, Options};

#[test]
fn a_new_folder_gets_a_root_key_and_files_that_only_its_owner_reads() {
    let folder = Folder::new("first-start");
    let (store, opened) = folder.store_with(&Options::default());
    assert_eq!(opened, Opened { recovered: 0, first_start: true });
    let keys = store.records().keys().unwrap();
    assert_eq!(keys.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["root"]);
    for name in ["outcrop.db", "outcrop.db-wal", "audit-key", "audit-head", "credentials", "api-key", "lock"]
    {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_second_start_keeps_the_key_and_the_trail() {
    let folder = Folder::new("second-start");
    let first = folder.store();
    let keys = first.records().keys().unwrap();
    first.close(NOW_MS);
    drop(first);
    let (second, opened) = folder.store_with(&Options::default());
    assert_eq!(opened, Opened { recovered: 0, first_start: false });
    assert_eq!(second.records().keys().unwrap()[0].id, keys[0].id);
    assert!(second.records().verify(None).unwrap().is_intact());
}

#[test]
fn a_lost_audit_key_is_never_replaced() {
    let folder = Folder::new("lost-key");
    drop(folder.store());
    std::fs::remove_file(folder.path().join("audit-key")).unwrap();
    let dir = crate::DataDir::open(folder.path()).unwrap();
    let entropy = crate::testing::Counter::default();
    let refused = crate::Store::open(&dir, &Options::default(), &entropy, NOW_MS).err().unwrap();
    assert!(refused.message().contains("audit-key") && refused.message().contains("backup"), "{refused}");
}

#[test]
fn either_durability_records() {
    for durability in [Durability::Full, Durability::Normal] {
        let folder = Folder::new(&format!("durability-{durability:?}"));
        let options = Options { durability, ..Options::default() };
        let store = Arc::new(folder.store_with(&options).0);
        wait(store.open(intent(1))).unwrap();
        wait(store.settle(receipt(1))).unwrap();
        let verdict = store.records().verify(None).unwrap();
        assert!(verdict.is_intact() && verdict.receipts == 1, "{verdict:?}");
    }
}

const CHILD: &str = "OUTCROP_TEST_COMMAND";

/// Not a test of its own: a command that runs beside the server of the next test.
#[test]
fn command_beside_a_server() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let records = crate::Records::open(path.as_ref()).unwrap();
    records.note(crate::Note::EstateLoaded("from a command"), NOW_MS).unwrap();
    assert!(records.verify(None).unwrap().is_intact());
}

#[test]
fn a_command_that_ends_leaves_the_servers_log_alone() {
    let folder = Folder::new("beside");
    let store = folder.store();
    let log = folder.path().join("outcrop.db-wal");
    for number in 0..3 {
        wait(store.open(intent(number))).unwrap();
        let ended = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "open::tests::command_beside_a_server"])
            .env(CHILD, folder.path())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
        assert!(log.exists(), "the command deleted the server's log");
        wait(store.settle(receipt(number))).unwrap();
    }
    assert!(store.records().verify(None).unwrap().is_intact());
    drop(store);
    let verdict = folder.records().verify(None).unwrap();
    assert!(verdict.is_intact() && verdict.receipts == 3, "{verdict:?}");
}

/// SQLite's locks belong to the process: one careless `close` of the file in it, and they are gone.
#[cfg(target_os = "linux")]
#[test]
fn the_server_keeps_its_lock_on_the_database() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = Folder::new("locks");
    let _store = folder.store();
    let _beside = folder.records();
    let inode = std::fs::metadata(folder.path().join("outcrop.db")).unwrap().ino();
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let held = |line: &&str| line.contains(&format!(":{inode} ")) && line.contains(" POSIX ");
    assert!(locks.lines().any(|line| held(&line)), "no lock on {inode}:\n{locks}");
}
