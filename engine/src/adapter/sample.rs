//! Small adapters for tests.

use serde_json::Value;
use tempfile::TempDir;

use crate::hub::sample::numbers;
use crate::safetensors::sample::Sample;

/// What PEFT writes and computes: `tests/golden/adapters.py`.
pub(crate) fn adapters() -> Vec<Value> {
    serde_json::from_str(include_str!("../../tests/golden/adapters.json")).unwrap()
}

pub(crate) fn shape(shape: &Value) -> Vec<usize> {
    serde_json::from_value(shape.clone()).unwrap()
}

/// Writes a PEFT folder after `edit`.
pub(crate) fn peft(entry: &Value, edit: impl Fn(&mut Value)) -> TempDir {
    let mut entry = entry.clone();
    edit(&mut entry);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), entry["config"].to_string()).unwrap();
    let mut sample = Sample::default();
    for (name, said) in entry["shapes"].as_object().unwrap() {
        let said = shape(said);
        let numbers = numbers(&format!("{} {name}", entry["name"].as_str().unwrap()), said.iter().product());
        sample = sample.f32s(name, &said, &numbers);
    }
    std::fs::write(folder.path().join("adapter_model.safetensors"), sample.bytes()).unwrap();
    folder
}
