use std::time::Duration;

use canon::ModelId;

use super::super::UpOptions;
use super::*;
use crate::testing::{Call, MODEL, World, eventually, new_key, options};

#[tokio::test]
async fn a_key_that_another_process_makes_or_revokes_counts_within_a_second() {
    let world = World::start().await;
    let watching = tokio::spawn(keys(Arc::clone(world.store.records()), Arc::clone(&world.directory)));
    // As `outcrop keys` does it: with a connection of its own to the same folder.
    let records = Records::open(world.folder.path()).unwrap();
    let api_key = new_key(&records, "another", "*");
    let knows = |revoked: bool| {
        let keys = Arc::clone(&world.directory.current().keys);
        keys.iter().any(|key| &*key.name == "another" && key.revoked == revoked)
    };
    let list = async || world.send(Call::new("GET", "/v1/models").key(&api_key)).await.status;
    eventually("the new key counts", || knows(false)).await;
    assert_eq!(list().await, 200);
    records.revoke_key("another", WallClock.now_ms()).unwrap();
    eventually("the revoked key is known as such", || knows(true)).await;
    assert_eq!(list().await, 401);
    assert!(KEYS_POLL <= Duration::from_millis(500));
    watching.abort();
}

/// An estate that serves `models`, all of them by a server that is not there.
fn estate(models: &[&str]) -> String {
    let provider = "[[provider]]\nname = 'p'\nkind = 'openai'\nbase_url = 'http://127.0.0.1:1/v1'\n";
    let deployment = |model: &&str| {
        format!("[[deployment]]\nname = '{model}'\nmodel = '{model}'\nprovider = 'p'\nupstream_model = 'm'\n")
    };
    provider.chars().chain(models.iter().map(deployment).collect::<String>().chars()).collect()
}

#[tokio::test]
async fn an_estate_that_is_wrong_is_not_put_in_force_and_one_that_is_right_is() {
    let world = World::start().await;
    let estate_file = world.folder.path().join("estate.toml");
    let options = UpOptions { estate: Some(estate_file), ..options(world.folder.path()) };
    let file = options.estate.clone().unwrap();
    std::fs::write(&file, estate(&["a.one", "a.two"])).unwrap();
    let deployments = Deployments::load(&options, &()).await.unwrap();
    world.directory.set_catalog(deployments.catalog(None));
    let (directory, records) = (Arc::clone(&world.directory), Arc::clone(world.store.records()));
    let mut reloads = Reloads { deployments, directory, records };
    let serves = |model: &str| world.directory.current().catalog.find(&ModelId::new(model)).is_ok();
    assert!(serves("a.one") && serves("a.two") && !serves(MODEL));
    let held = world.directory.current().catalog.load_of("a.two").unwrap().hold(7);

    for broken in ["[[deployment]]\nmodel = 'a.three'\n".to_owned(), "not TOML".to_owned()] {
        let head = world.store.records().head().unwrap();
        std::fs::write(&file, &broken).unwrap();
        reloads.reload().await;
        assert!(serves("a.one") && serves("a.two") && !serves("a.three"), "{broken}");
        assert_eq!(
            world.store.records().head().unwrap(),
            head,
            "what did not happen is not in the audit trail"
        );
    }
    std::fs::remove_file(&file).unwrap();
    reloads.reload().await;
    assert!(serves("a.one"));

    std::fs::write(&file, estate(&["a.two", "a.three"])).unwrap();
    reloads.reload().await;
    assert!(!serves("a.one") && serves("a.two") && serves("a.three"));
    let outstanding = world.directory.current().catalog.load_of("a.two").unwrap();
    assert_eq!(outstanding.tokens(), 7, "what a deployment owes survives the reload");
    drop(held);
    assert_eq!(outstanding.tokens(), 0);
    assert!(world.store.records().verify(None).unwrap().is_intact());
}
