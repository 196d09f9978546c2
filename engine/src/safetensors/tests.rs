use canon::Kind;
use proptest::prelude::*;

use super::SafeTensors;
use super::header::HEADER_BYTES_MAX;
use super::sample::Sample;
use crate::gguf::TensorType;

fn small() -> Sample {
    Sample::default()
        .member(r#""__metadata__":{"format":"pt"}"#)
        .f32s("norm", &[3], &[1.0, 2.0, 3.0])
        .tensor("half", "F16", &[2, 3], &[7; 12])
        .tensor("brain", "BF16", &[1, 2, 2], &[1; 8])
        .tensor("scale", "F32", &[], &[0; 4])
        .tensor("positions", "I64", &[2], &[0; 16])
        .tensor("nothing", "F32", &[0, 4], &[])
}

#[test]
fn what_was_written_is_read_with_the_fastest_dimension_first() {
    let file = SafeTensors::from_bytes(small().bytes()).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["brain", "half", "norm", "nothing", "positions", "scale"]);
    let tensor = |name| file.tensor(name).unwrap().unwrap();
    let half = tensor("half");
    assert_eq!((half.kind, half.columns(), half.rows(), half.bytes), (TensorType::F16, 3, 2, &[7; 12][..]));
    assert_eq!(tensor("norm").bytes[4..8], 2f32.to_le_bytes());
    assert_eq!(tensor("brain").shape, [2, 2, 1]);
    assert_eq!((tensor("scale").columns(), tensor("scale").rows()), (1, 1));
    assert!(file.tensor("absent").unwrap().is_none());
}

#[test]
fn a_type_that_is_not_computed_is_refused_where_its_tensor_is_asked_for() {
    let file = SafeTensors::from_bytes(small().bytes()).unwrap();
    for (name, said) in [("positions", "I64"), ("nothing", "empty")] {
        let fault = file.tensor(name).unwrap_err();
        assert_eq!(fault.kind(), &Kind::Unsupported { field: format!("tensor {name}") });
        assert!(fault.message().contains(said), "{fault}");
    }
}

#[test]
fn a_file_that_lies_is_refused_by_name() {
    let member = |json: &str| small().member(json).bytes();
    let mut long = small().bytes();
    long[..8].copy_from_slice(&(HEADER_BYTES_MAX as u64 + 1).to_le_bytes());
    long.resize(HEADER_BYTES_MAX + 64, b' ');
    let mut huge = small().bytes();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut cut = small().bytes();
    cut.pop();
    let mut more = small().bytes();
    more.push(0);
    let cases: [(&str, Vec<u8>); 17] = [
        ("less than 8 bytes", b"abc".to_vec()),
        ("at most", long),
        ("at most", huge),
        ("header", [&[2, 0, 0, 0, 0, 0, 0, 0][..], b"[]"].concat()),
        ("header", [&[2, 0, 0, 0, 0, 0, 0, 0][..], b"{\xff"].concat()),
        ("is the file whole", cut),
        ("belong to none", more),
        ("no type \"F33\"", member(r#""x":{"dtype":"F33","shape":[],"data_offsets":[0,0]}"#)),
        ("tensor x", member(r#""x":{"dtype":"F32","shape":[1]}"#)),
        ("tensor x", member(r#""x":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}"#)),
        ("overlaps", member(r#""x":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}"#)),
        ("which is not what", member(r#""x":{"dtype":"U8","shape":[4],"data_offsets":[5,1]}"#)),
        ("which is not what", member(r#""x":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}"#)),
        (
            "which is not what",
            member(r#""x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#),
        ),
        ("dimensions", member(r#""x":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}"#)),
        ("comes twice", small().f32s("norm", &[1], &[0.0]).bytes()),
        ("a hole", {
            let mut sample = small();
            sample.data.extend([0; 4]);
            sample.f32s("far", &[1], &[0.0]).bytes()
        }),
    ];
    for (expected, bytes) in cases {
        let fault = SafeTensors::from_bytes(bytes).err().unwrap_or_else(|| panic!("{expected}: accepted"));
        assert!(fault.message().contains(expected), "{expected}: {fault}");
    }
}

const INDEX: &str = "model.safetensors.index.json";

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn a_folder_is_one_file_or_its_shards() {
    let first = Sample::default().f32s("a", &[1], &[1.0]).bytes();
    let second = Sample::default().f32s("b", &[1], &[2.0]).f32s("c", &[1], &[3.0]).bytes();
    let whole = folder(&[("model.safetensors", &first)]);
    assert_eq!(SafeTensors::open(whole.path()).unwrap().names().collect::<Vec<_>>(), ["a"]);
    let index = br#"{"metadata":{"total_size":12},"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}"#;
    let sharded = folder(&[("2.safetensors", &first), ("1.safetensors", &second), (INDEX, index)]);
    let all = SafeTensors::open(sharded.path()).unwrap();
    for (name, value) in [("a", 1f32), ("b", 2.0), ("c", 3.0)] {
        assert_eq!(all.tensor(name).unwrap().unwrap().bytes, value.to_le_bytes());
    }
}

#[test]
fn a_folder_that_lies_is_refused_by_name() {
    let one = Sample::default().f32s("a", &[1], &[1.0]).bytes();
    let shards = |index: &str| {
        let index = format!(r#"{{"weight_map":{index}}}"#);
        folder(&[("1.safetensors", &one), ("2.safetensors", &one), (INDEX, index.as_bytes())])
    };
    let cases = [
        ("holds neither", folder(&[])),
        ("no index", folder(&[(INDEX, b"{}")])),
        ("names 0 shards", shards("{}")),
        ("3.safetensors is missing", shards(r#"{"a":"3.safetensors"}"#)),
        ("is no file of this folder", shards(r#"{"a":"../1.safetensors"}"#)),
        ("is no file of this folder", shards(r#"{"a":"/1.safetensors"}"#)),
        ("is no file of this folder", shards(r#"{"a":""}"#)),
        ("the tensor b is not in 1.safetensors", shards(r#"{"a":"1.safetensors","b":"1.safetensors"}"#)),
        ("comes twice", shards(r#"{"a":"1.safetensors","b":"2.safetensors"}"#)),
    ];
    for (expected, folder) in cases {
        let fault = SafeTensors::open(folder.path()).err().unwrap_or_else(|| panic!("{expected}: accepted"));
        assert!(fault.message().contains(expected), "{expected}: {fault}");
    }
}

fn read_everything(bytes: Vec<u8>) {
    let Ok(file) = SafeTensors::from_bytes(bytes) else { return };
    for name in file.names() {
        let Ok(tensor) = file.tensor(name) else { continue };
        let tensor = tensor.unwrap();
        assert_eq!(tensor.bytes.len(), tensor.rows() * tensor.columns() * tensor.kind.block_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn a_mutated_file_never_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = small().bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_everything(bytes);
    }

    #[test]
    fn another_digit_anywhere_never_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), b'0'..=b'9'), 1..4),
    ) {
        let mut bytes = small().bytes();
        let header = bytes.len() - small().data.len();
        let digits: Vec<usize> = (8..header).filter(|at| bytes[*at].is_ascii_digit()).collect();
        for (at, digit) in edits {
            bytes[digits[at.index(digits.len())]] = digit;
        }
        read_everything(bytes);
    }
}
