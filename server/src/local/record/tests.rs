use super::*;

#[test]
fn what_is_written_is_read_back() {
    let models = ModelState::ALL.into_iter().map(|state| ModelStatus {
        id: ModelId::new("a.b-v1:0"),
        base: (state == ModelState::Loaded).then(|| ModelId::new("a.base-v1:0")),
        state,
        pinned: true,
        bytes: 1 << 40,
        context_tokens: 8192,
        calls: 1,
        waiting: 2,
        percent: (state == ModelState::Loading).then_some(50),
        load_ms: Some(7),
        idle_ms: None,
        fault: (state == ModelState::Failed).then(|| "header: it is broken".to_owned()),
    });
    let shelved = Shelved { bytes_max: 2 << 40, bytes: 1 << 40, models: models.collect() };
    assert_eq!(Shelved::from_json(&shelved.to_json()), Ok(shelved.clone()));
    for model in &shelved.models {
        let written = serde_json::to_vec(&model.to_json()).unwrap();
        assert_eq!(ModelStatus::from_json(&written).as_ref(), Ok(model));
    }
}

#[test]
fn a_state_that_is_none_is_refused() {
    let mut model = serde_json::json!({
        "id": "a", "state": "asleep", "pinned": false, "memoryBytes": 0, "contextTokens": 0, "calls": 0, "waiting": 0
    });
    assert!(ModelStatus::from_json(model.to_string().as_bytes()).unwrap_err().contains("asleep"));
    model["state"] = "loaded".into();
    assert!(ModelStatus::from_json(model.to_string().as_bytes()).is_ok());
}
