use canon::ModelId;

use super::*;

fn status(state: ModelState) -> ModelStatus {
    ModelStatus {
        id: ModelId::new("a.b-v1:0"),
        base: None,
        state,
        pinned: false,
        bytes: 300 << 20,
        context_tokens: 8192,
        calls: 0,
        waiting: 0,
        percent: None,
        load_ms: None,
        idle_ms: None,
        fault: None,
    }
}

#[test]
fn a_table_says_what_is_in_memory_and_why_something_is_not() {
    let models = vec![
        ModelStatus { percent: Some(40), waiting: 3, ..status(ModelState::Loading) },
        ModelStatus {
            base: Some(ModelId::new("a.a-v1:0")),
            pinned: true,
            load_ms: Some(1_234),
            idle_ms: Some(61_000),
            ..status(ModelState::Loaded)
        },
        ModelStatus { fault: Some("header: it is broken".into()), ..status(ModelState::Failed) },
    ];
    let shelved = Shelved { bytes_max: 1 << 30, bytes: 600 << 20, models };
    assert_eq!(
        all(&shelved, Format::Table),
        "\
MODEL     STATE         MEMORY  CONTEXT  CALLS  WAITING  NOTES
a.b-v1:0  loading 40%  300 MiB     8192      0        3
a.b-v1:0  loaded       300 MiB     8192      0        0  tuned of a.a-v1:0, pinned, loaded in 1.2 s, idle for 61.0 s
a.b-v1:0  failed       300 MiB     8192      0        0  header: it is broken
600 MiB of 1.00 GiB set aside
"
    );
}

#[test]
fn a_change_is_waited_for_to_its_end_and_no_longer() {
    let over = |change, state| is_over(change, &status(state));
    for state in [ModelState::Unloaded, ModelState::Loading, ModelState::Draining, ModelState::Unloading] {
        assert!(!over(Change::Load, state), "{state:?}");
    }
    assert!(over(Change::Load, ModelState::Loaded) && over(Change::Pin, ModelState::Failed));
    assert!(over(Change::Unload, ModelState::Unloaded) && !over(Change::Unload, ModelState::Draining));
    // Somebody called it while it drained, so that it is back.
    assert!(over(Change::Unload, ModelState::Loaded) && over(Change::Unload, ModelState::Loading));
    assert!(over(Change::Unpin, ModelState::Draining));
}

#[test]
fn short_names_are_known() {
    assert_eq!(known("smollm2"), "huggingfacetb.smollm2-135m-instruct-v1:0");
    assert_eq!(known("local.mine-v1:0"), "local.mine-v1:0");
}
