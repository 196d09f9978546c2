use std::fs;

use canon::ModelId;
use engine::limits::Limits;
use engine::measure::Demand;
use serde_json::{Value, json};

use super::{Benched, CAPACITY_FILE, Load, Measured, Options, record};
use crate::Failure;
use crate::models::{Progress, Step};

fn benched(model: &str, prefill_tokens_per_s: f64) -> Benched {
    let limits = Limits {
        threads: 2,
        instructions: "AVX2",
        int8_macs_per_s: 1e12,
        stream_bytes_per_s: 80e9,
        stream_bytes: 98_000_000,
    };
    let demand = Demand { layer_macs: 100_000_000, output_macs: 25_000_000, weight_bytes: 80_000_000 };
    let load = Load {
        shape: "a trace",
        capacity_input_per_min: 60_000.4,
        capacity_output_per_min: 12_000.0,
        requests_per_s: 0.75,
        first_s: [0.1, 0.5],
        gap_s: [0.01, 0.02],
        failed: 0,
    };
    let measured = Measured {
        limits,
        demand,
        prefill_tokens_per_s,
        decode_tokens_per_s: vec![(1, 500.0), (16, 1600.0)],
        load,
        joules_per_token: Some(0.05),
    };
    Benched { model: ModelId::new(model), at_ms: 1, quick: false, measured }
}

fn kept(dir: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join(CAPACITY_FILE)).unwrap()).unwrap()
}

#[test]
fn a_measurement_says_how_much_of_the_machine_it_reached() {
    let said = benched("a", 4500.0).json();
    assert_eq!(said["prefill"], json!({"tokensPerSecond": 4500.0, "ofProducts": 0.45}));
    assert_eq!(said["decode"][0]["ofMemory"], json!(0.5), "80 MB for each of 500 tokens, of 80 GB");
    assert_eq!(said["decode"][1]["ofMemory"], json!(0.1), "sixteen answers share what a step reads");
    assert_eq!(said["decode"][1]["ofProducts"], json!(0.2));
    assert_eq!(said["tokensPerJoule"], json!(20.0));
    assert_eq!(said["inputTokensPerMinute"], json!(60_000.0));
}

#[test]
fn each_model_has_its_last_measurement() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new");
    for one in [benched("a", 1.0), benched("b", 2.0), benched("a", 3.0)] {
        record::keep(&folder, &one).unwrap();
    }
    let kept = kept(&folder);
    assert_eq!(kept.as_object().unwrap().len(), 2);
    assert_eq!(kept["a"]["prefill"]["tokensPerSecond"], json!(3.0));
    assert_eq!(kept["b"]["prefill"]["tokensPerSecond"], json!(2.0));
}

#[test]
fn a_file_of_somebody_elses_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(CAPACITY_FILE), "[1]").unwrap();
    let failure = record::keep(dir.path(), &benched("a", 1.0)).unwrap_err();
    assert_eq!(failure.exit_code, Failure::USAGE);
    assert_eq!(fs::read_to_string(dir.path().join(CAPACITY_FILE)).unwrap(), "[1]");
}

struct Silent;

impl Progress for Silent {
    fn step(&self, _: Step<'_>) {}
}

impl super::Progress for Silent {
    fn at(&self, _: super::Stage, _: usize, _: usize) {}
}

#[tokio::test]
async fn a_model_that_nobody_knows_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { model: Some("no-such-model".to_owned()), ..Options::default() };
    let failure = super::bench(dir.path(), &options, &Silent, Box::new(Silent)).await.unwrap_err();
    assert!(failure.message.contains("no-such-model"), "{failure:?}");
    let file = dir.path().join("not.gguf");
    fs::write(&file, "text").unwrap();
    let options = Options { model: Some(file.display().to_string()), ..Options::default() };
    let failure = super::bench(dir.path(), &options, &Silent, Box::new(Silent)).await.unwrap_err();
    assert_eq!(failure.exit_code, Failure::USAGE);
    assert!(!dir.path().join(CAPACITY_FILE).exists());
}
