use access::{Key, Pattern};
use canon::Kind;
use gateway::Entropy as _;

use crate::KEY_NAME_CHARS_MAX;
use crate::testing::{Counter, Folder, NOW_MS};

fn key(name: &str, models: &[&str]) -> Key {
    let mut random = [0; access::ENTROPY_BYTES];
    Counter::default().fill(&mut random);
    random[0] = name.len() as u8;
    random[1] = name.as_bytes().first().copied().unwrap_or_default();
    Key::mint(name, models.iter().map(|text| Pattern::new(*text)).collect(), NOW_MS, &random).0
}

#[test]
fn a_key_comes_back_as_it_was_stored() {
    let folder = Folder::new("keys-back");
    let store = folder.store();
    let mut made = key("Ämter & Co", &["anthropic.*", "meta.llama3-?b*"]);
    made.expires_ms = Some(NOW_MS + 1);
    store.records().create_key(&made).unwrap();
    // Another process sees it.
    let ring = folder.records().keyring().unwrap();
    let found = ring.get(made.id.as_str()).unwrap();
    assert_eq!(format!("{found:?}"), format!("{made:?}"));
    assert_eq!(found.secret.expose(), made.secret.expose());
    assert!(store.records().verify(None).unwrap().is_intact());
}

#[test]
fn a_running_server_notices_every_change() {
    let folder = Folder::new("keys-generation");
    let store = folder.store();
    let elsewhere = folder.records();
    let mut seen = vec![store.records().generation().unwrap()];
    elsewhere.create_key(&key("one", &["*"])).unwrap();
    seen.push(store.records().generation().unwrap());
    elsewhere.revoke_key("one", NOW_MS).unwrap();
    seen.push(store.records().generation().unwrap());
    assert!(seen.is_sorted_by(|earlier, later| earlier < later), "{seen:?}");
}

#[test]
fn a_revoked_key_stays_revoked_and_frees_its_name() {
    let folder = Folder::new("keys-revoke");
    let store = folder.store();
    let records = store.records();
    let made = key("ci", &["*"]);
    records.create_key(&made).unwrap();
    assert_eq!(records.revoke_key(made.id.as_str(), NOW_MS + 5).unwrap(), made.id);
    assert!(records.keyring().unwrap().get(made.id.as_str()).unwrap().revoked);
    let again = records.revoke_key("ci", NOW_MS + 6).unwrap_err();
    assert_eq!(again.message(), "key: ci was revoked before.");
    records.create_key(&key("ci", &["x"])).unwrap_err(); // The same id: the database refuses it.
    let mut other = key("ci", &["x"]);
    other.id = access::KeyId::new("AKIAOTHER");
    records.create_key(&other).unwrap();
    assert!(records.verify(None).unwrap().is_intact());
}

#[test]
fn names_that_nobody_could_use_are_refused() {
    let folder = Folder::new("keys-names");
    let store = folder.store();
    let long = "x".repeat(KEY_NAME_CHARS_MAX + 1);
    for (name, problem) in [
        ("", "name: a key needs a name."),
        (" ", "name: a key needs a name."),
        ("a\nb", "name: printable characters only."),
        (&long, "name: at most 64 characters."),
        ("root", "name: a key called root works already. Choose another name, or revoke it."),
    ] {
        let refused = store.records().create_key(&key(name, &["*"])).unwrap_err();
        assert_eq!(refused.kind(), &Kind::Malformed { path: "name".to_owned() });
        assert_eq!(refused.message(), problem);
    }
    let unknown = store.records().revoke_key("nobody", NOW_MS).unwrap_err();
    assert_eq!(unknown.message(), "key: no key is called nobody. See: outcrop keys list.");
    assert!(store.records().verify(None).unwrap().is_intact());
}
