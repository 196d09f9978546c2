use canon::Kind;

use crate::DataDir;
use crate::testing::Folder;

#[test]
fn a_second_process_on_the_same_folder_is_refused_by_name() {
    let folder = Folder::new("locked");
    let first = DataDir::open(folder.path()).unwrap();
    let refused = DataDir::open(folder.path()).unwrap_err();
    assert_eq!(refused.kind(), &Kind::Storage);
    let pid = format!("Process {} ", std::process::id());
    assert!(refused.message().starts_with(&pid) && refused.message().contains("--data-dir"), "{refused}");
    drop(first);
    DataDir::open(folder.path()).unwrap();
}

#[test]
fn the_store_holds_the_lock_when_its_folder_is_dropped() {
    let folder = Folder::new("held");
    let store = folder.store();
    DataDir::open(folder.path()).unwrap_err();
    drop(store);
    DataDir::open(folder.path()).unwrap();
}

#[test]
fn the_files_of_the_first_start_are_what_the_aws_tools_read() {
    let folder = Folder::new("credentials");
    let dir = DataDir::open(folder.path()).unwrap();
    assert!(dir.credentials().unwrap().is_none());
    drop(dir);
    let store = folder.store();
    let key = store.records().keys().unwrap().remove(0);
    drop(store);
    let ini = std::fs::read_to_string(folder.path().join("credentials")).unwrap();
    assert!(ini.starts_with("[default]\naws_access_key_id = AKIA"), "{ini}");
    let api_key = std::fs::read_to_string(folder.path().join("api-key")).unwrap();
    assert!(
        api_key.starts_with("ABSK") && api_key.ends_with('\n') && api_key.lines().count() == 1,
        "{api_key}"
    );
    let read = DataDir::open(folder.path()).unwrap().credentials().unwrap().unwrap();
    assert_eq!(read.access_key_id, key.id.as_str());
    assert_eq!(read.secret_access_key.expose(), key.secret.expose());
    assert_eq!(read.api_key.expose(), api_key.trim().as_bytes());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new("blocked");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = DataDir::open(file.join("data")).unwrap_err();
    assert!(refused.message().contains("blocked/file/data"), "{refused}");
}
