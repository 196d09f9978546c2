//! A model of a few kilobytes and adapters for it, as transformers and PEFT write them, of the engine's golden data.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of a small model of Llama's kind, under `folder`.
pub(crate) fn small_model(folder: &Path) -> PathBuf {
    let golden: Value =
        serde_json::from_str(include_str!("../../../engine/tests/golden/folders.json")).unwrap();
    let entry = &golden["folders"][0];
    let path = folder.join("small");
    std::fs::create_dir_all(&path).unwrap();
    let vocabulary = &golden["vocabularies"][usize::try_from(entry["vocabulary"].as_u64().unwrap()).unwrap()];
    let mut files = entry["files"].clone();
    files["tokenizer.json"] = vocabulary["file"].clone();
    for (name, content) in files.as_object().unwrap() {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        std::fs::write(path.join(name), text).unwrap();
    }
    std::fs::write(path.join("model.safetensors"), tensors(&entry["shapes"], "")).unwrap();
    path
}

/// A PEFT folder under `folder` for [`small_model`], one of three. It changes so many times as many rows as the model
/// has, which fits if it is once.
pub(crate) fn small_adapter(folder: &Path, number: usize, times: u64) -> PathBuf {
    let golden: Value =
        serde_json::from_str(include_str!("../../../engine/tests/golden/adapters.json")).unwrap();
    let mut entry = golden[number].clone();
    for (name, shape) in entry["shapes"].as_object_mut().unwrap() {
        if name.contains("lora_B") {
            shape[0] = (shape[0].as_u64().unwrap() * times).into();
        }
    }
    let path = folder.join(format!("adapter-{number}"));
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("adapter_config.json"), entry["config"].to_string()).unwrap();
    let salt = entry["name"].as_str().unwrap();
    std::fs::write(path.join("adapter_model.safetensors"), tensors(&entry["shapes"], salt)).unwrap();
    path
}

/// A safetensors file of numbers by chance.
fn tensors(shapes: &Value, salt: &str) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape) in shapes.as_object().unwrap() {
        let count: u64 = shape.as_array().unwrap().iter().map(|size| size.as_u64().unwrap()).product();
        let mut random = salt.bytes().chain(name.bytes()).fold(0xcbf2_9ce4_8422_2325, |seed: u64, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let start = data.len();
        for _ in 0..count {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (random >> 40) as f32 / 8_388_608.0 - 1.0;
            let number = if name.contains("norm") { 1.0 + unit / 2.0 } else { unit / 4.0 };
            data.extend(number.to_le_bytes());
        }
        let place = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), place);
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}
