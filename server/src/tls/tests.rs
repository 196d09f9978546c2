use super::{Names, RENEW_BEFORE, open_at};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const YEAR: Duration = Duration::from_hours(365 * 24);

fn now() -> SystemTime {
    UNIX_EPOCH + YEAR * 56
}

fn names() -> Names {
    Names::of("my-host", ["outcrop.example", "10.1.2.3"])
}

const FILES: [&str; 4] = ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"];

fn contents(dir: &Path) -> [Vec<u8>; 4] {
    FILES.map(|name| fs::read(dir.join(name)).unwrap())
}

/// Makes certificates, changes something, opens again, and says which of the four files are new.
#[track_caller]
fn check(change: impl FnOnce(&Path), names: &Names, later: Duration, expected_new: [bool; 4]) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("tls");
    open_at(&dir, &self::names(), now()).unwrap();
    let before = contents(&dir);
    change(&dir);
    open_at(&dir, names, now() + later).unwrap();
    let after = contents(&dir);
    let found: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(found, expected_new, "{FILES:?}");
    // Whatever it took, the next start is content.
    open_at(&dir, names, now() + later).unwrap();
    assert_eq!(contents(&dir), after);
}

const NOTHING: [bool; 4] = [false; 4];
const THE_LEAF: [bool; 4] = [false, false, true, true];
const EVERYTHING: [bool; 4] = [true; 4];

#[test]
fn what_was_made_is_read_back() {
    check(|_| {}, &names(), Duration::ZERO, NOTHING);
    check(|_| {}, &names(), YEAR, NOTHING);
}

#[test]
fn a_leaf_near_its_end_is_renewed_and_copies_of_the_authority_stay_good() {
    check(|_| {}, &names(), Duration::from_hours(824 * 24) - RENEW_BEFORE - Duration::from_hours(1), NOTHING);
    check(
        |_| {},
        &names(),
        Duration::from_hours(824 * 24) - RENEW_BEFORE + Duration::from_hours(1),
        THE_LEAF,
    );
    check(|_| {}, &names(), YEAR * 3, THE_LEAF);
    check(|_| {}, &names(), YEAR * 20, THE_LEAF);
}

#[test]
fn the_authority_is_good_for_its_names_only() {
    check(|_| {}, &Names::of("my-host", ["outcrop.example"]), Duration::ZERO, NOTHING);
    check(|_| {}, &Names::of("my-host", ["other.example"]), Duration::ZERO, EVERYTHING);
    check(|_| {}, &Names::of("my-host", ["10.1.2.4"]), Duration::ZERO, EVERYTHING);
}

#[test]
fn what_is_missing_or_broken_is_made_again() {
    let remove = |name: &'static str| move |dir: &Path| fs::remove_file(dir.join(name)).unwrap();
    let spoil = |name: &'static str| move |dir: &Path| fs::write(dir.join(name), b"\xff nonsense").unwrap();
    for name in ["cert.pem", "key.pem"] {
        check(remove(name), &names(), Duration::ZERO, THE_LEAF);
        check(spoil(name), &names(), Duration::ZERO, THE_LEAF);
    }
    for name in ["ca.pem", "ca-key.pem"] {
        check(remove(name), &names(), Duration::ZERO, EVERYTHING);
    }
    check(spoil("ca.pem"), &names(), Duration::ZERO, EVERYTHING);
}

#[test]
fn a_kill_between_two_files_is_noticed() {
    check(
        |dir| {
            let other = tempfile::tempdir().unwrap();
            open_at(other.path(), &names(), now()).unwrap();
            fs::copy(other.path().join("key.pem"), dir.join("key.pem")).unwrap();
            fs::write(dir.join("key.pem.new"), "half").unwrap();
        },
        &names(),
        Duration::ZERO,
        THE_LEAF,
    );
}

#[test]
fn keys_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    open_at(dir.path(), &names(), now()).unwrap();
    let modes = FILES.map(|name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o644, 0o600, 0o644, 0o600]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("ca.pem")).unwrap();
    let error = open_at(dir.path(), &names(), now()).unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

#[test]
fn names_that_no_certificate_can_hold_are_left_out() {
    let names = Names::of("My_Host!", ["Outcrop.Example.", "", "fe80::1"]);
    let found: Vec<&str> = names.iter().collect();
    assert_eq!(found, ["127.0.0.1", "::1", "fe80::1", "localhost", "outcrop.example"]);
}
