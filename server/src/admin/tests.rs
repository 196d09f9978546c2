use store::{DataDir, Options, Store};

use super::*;

/// A folder after its first start.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    drop(Store::open(&data, &Options::default(), &SystemEntropy, WallClock.now_ms()).unwrap());
    dir
}

fn new(name: &str) -> NewKey {
    NewKey { name: name.into(), models: vec![], lifetime: None }
}

#[test]
fn a_key_is_made_listed_and_revoked() {
    let dir = folder();
    let models = vec!["meta.*".to_owned()];
    let made = create_key(dir.path(), &NewKey { models: models.clone(), ..new("ci") }).unwrap();
    assert!(made.api_key.expose().starts_with(b"ABSK"));
    let row = keys(dir.path()).unwrap().pop().unwrap();
    assert_eq!((row.id.as_str(), row.name.as_str()), (made.access_key_id.as_str(), "ci"));
    assert_eq!((row.models, row.state, row.expires_ms), (models, KeyState::Live, None));
    assert_eq!(revoke_key(dir.path(), "ci").unwrap(), row.id);
    assert_eq!(keys(dir.path()).unwrap().pop().unwrap().state, KeyState::Revoked);
    assert!(verify_audit(dir.path(), None).unwrap().is_intact());
}

#[test]
fn a_key_with_a_lifetime_expires() {
    let dir = folder();
    let lifetime = Some(Duration::ZERO);
    create_key(dir.path(), &NewKey { lifetime, ..new("short") }).unwrap();
    assert_eq!(keys(dir.path()).unwrap().pop().unwrap().state, KeyState::Expired);
}

#[test]
fn what_cannot_be_is_a_failure_of_the_command_line() {
    let dir = folder();
    create_key(dir.path(), &new("ci")).unwrap();
    for failure in [
        create_key(dir.path(), &new("ci")).unwrap_err(),
        create_key(dir.path(), &new("")).unwrap_err(),
        revoke_key(dir.path(), "nobody").unwrap_err(),
        verify_audit(dir.path(), Some("7")).unwrap_err(),
    ] {
        assert_eq!(failure.exit_code, Failure::USAGE, "{failure}");
    }
}

#[test]
fn a_folder_without_records_is_a_failure_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let failure = usage(dir.path(), Since::Ever).unwrap_err();
    assert_eq!(failure.exit_code, Failure::IO);
    assert!(failure.message.contains("outcrop up --data-dir"), "{failure}");
}

#[test]
fn a_new_folder_has_no_usage_and_an_audit_trail_whose_head_can_be_passed_back() {
    let dir = folder();
    assert_eq!(usage(dir.path(), Since::Ago(Duration::from_secs(60))).unwrap(), []);
    let verdict = verify_audit(dir.path(), None).unwrap();
    let head = verdict.head.to_string();
    assert_eq!(verify_audit(dir.path(), Some(&head)).unwrap(), verdict);
}
