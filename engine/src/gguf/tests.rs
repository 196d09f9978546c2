use canon::Kind;
use proptest::prelude::*;

use super::sample::{Sample, Value};
use super::{Gguf, TensorType};

fn small() -> Sample {
    Sample::default()
        .text("general.architecture", "llama")
        .key("llama.block_count", Value::U32(2))
        .key("llama.rope.freq_base", Value::F32(1e5))
        .key("tokenizer.ggml.add_bos_token", Value::Bool(true))
        .key("tokenizer.ggml.tokens", Value::Texts(vec!["a".into(), "é".into(), String::new()]))
        .key("tokenizer.ggml.token_type", Value::Integers(vec![1, 3, -1]))
        .f32s("norm", &[3], &[1.0, 2.0, 3.0])
        .tensor("weight", TensorType::Q4_0, &[32, 2], vec![7; 36])
        .tensor("half", TensorType::F16, &[2, 2], vec![0; 8])
}

#[test]
fn what_was_written_is_read() {
    for version in [2, 3] {
        let gguf = Gguf::from_bytes(Sample { version: Some(version), ..small() }.bytes()).unwrap();
        let metadata = gguf.metadata();
        assert_eq!(metadata.string("general.architecture").unwrap(), Some("llama"));
        assert_eq!(metadata.u32("llama.block_count").unwrap(), Some(2));
        assert_eq!(metadata.u64("llama.block_count").unwrap(), Some(2));
        assert_eq!(metadata.f32("llama.rope.freq_base").unwrap(), Some(1e5));
        assert_eq!(metadata.bool("tokenizer.ggml.add_bos_token").unwrap(), Some(true));
        assert_eq!(metadata.strings("tokenizer.ggml.tokens").unwrap().unwrap(), ["a", "é", ""]);
        assert_eq!(metadata.integers("tokenizer.ggml.token_type").unwrap().unwrap(), [1, 3, -1]);
        assert_eq!(metadata.string("nothing").unwrap(), None);
        assert_eq!(metadata.keys().count(), 6);
        let weight = gguf.tensor("weight").unwrap();
        assert_eq!((weight.columns(), weight.rows(), weight.bytes), (32, 2, [7; 36].as_slice()));
        assert_eq!(gguf.tensor("norm").unwrap().bytes[4..8], 2f32.to_le_bytes());
        assert_eq!(gguf.tensors().count(), 3);
    }
}

#[test]
fn a_value_of_another_kind_is_a_fault_that_names_the_key() {
    let gguf = Gguf::from_bytes(small().bytes()).unwrap();
    let fault = gguf.metadata().u32("general.architecture").unwrap_err();
    assert_eq!(fault.message(), "general.architecture: is not a whole number of 32 bits");
    assert!(gguf.metadata().strings("tokenizer.ggml.token_type").is_err());
    assert!(gguf.metadata().string("llama.block_count").is_err());
}

/// A nest of `depth` arrays, each of one element.
fn nest(depth: usize) -> Value {
    let mut bytes = Vec::new();
    for _ in 0..depth {
        bytes.extend(9u32.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    Value::Raw(9, bytes)
}

fn lying(kind: u32, count: u64) -> Value {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(count.to_le_bytes());
    Value::Raw(9, bytes)
}

#[test]
fn a_file_that_lies_is_refused_by_name() {
    let edit = |change: &dyn Fn(&mut Sample)| {
        let mut sample = small();
        change(&mut sample);
        sample.bytes()
    };
    let cases: [(&str, Vec<u8>); 19] = [
        ("header", b"GGUX".to_vec()),
        ("header", b"GG".to_vec()),
        ("header", edit(&|sample| sample.version = Some(1))),
        ("header", edit(&|sample| sample.version = Some(3u32.swap_bytes()))),
        ("comes twice", small().text("general.architecture", "again").bytes()),
        ("comes twice", small().f32s("norm", &[1], &[0.0]).bytes()),
        ("does not fit", small().key("long", lying(8, u64::MAX)).bytes()),
        ("does not fit", small().key("long", lying(10, 1 << 61)).bytes()),
        ("does not fit", small().key("long", lying(0, 1 << 40)).bytes()),
        ("nested", small().key("deep", nest(64)).bytes()),
        ("unknown value type", small().key("odd", Value::Raw(13, vec![])).bytes()),
        ("but the file ends", small().key("long", Value::Raw(8, vec![0xff; 8])).bytes()),
        ("overlaps", edit(&|sample| sample.tensors[1].offset = Some(0))),
        ("overlaps", edit(&|sample| sample.tensors[2].offset = Some(64))),
        ("not a multiple", edit(&|sample| sample.tensors[1].offset = Some(33))),
        ("past the end", edit(&|sample| sample.tensors[2].offset = Some(1 << 40))),
        ("beyond any file", edit(&|sample| sample.tensors[1].shape = vec![1 << 32, 1 << 32, 2])),
        ("whole blocks", edit(&|sample| sample.tensors[1].shape = vec![31, 2])),
        ("0 dimensions", edit(&|sample| sample.tensors[1].shape = vec![])),
    ];
    for (expected, bytes) in cases {
        let fault = Gguf::from_bytes(bytes).err().unwrap_or_else(|| panic!("{expected}: accepted"));
        assert!(fault.message().contains(expected), "{expected}: {fault}");
    }
    let odd_type = edit(&|sample| sample.tensors[1].kind = 4);
    let fault = Gguf::from_bytes(odd_type).err().unwrap();
    assert_eq!(fault.kind(), &Kind::Unsupported { field: "tensor weight".into() });
}

#[test]
fn an_odd_alignment_is_refused() {
    for alignment in [0, 3, 1 << 30] {
        let sample = Sample::default().key("general.alignment", Value::U32(alignment));
        assert!(Gguf::from_bytes(sample.bytes()).is_err(), "{alignment}");
    }
}

/// Writes the files of a model that is in several.
fn folder(parts: &[Sample]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, part) in parts.iter().enumerate() {
        let name = format!("m-{:05}-of-{:05}.gguf", number + 1, parts.len());
        std::fs::write(folder.path().join(name), part.bytes()).unwrap();
    }
    folder
}

#[test]
fn a_model_in_several_files_is_opened_by_any_of_them() {
    let whole = Gguf::from_bytes(small().bytes()).unwrap();
    for tensors in [1, 2] {
        let parts = small().split(tensors);
        let folder = folder(&parts);
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let all = Gguf::open(&entry.unwrap().path()).unwrap();
            assert_eq!(all.metadata().u32("llama.block_count").unwrap(), Some(2));
            let bytes = |gguf: &Gguf| -> Vec<(String, Vec<u8>)> {
                gguf.tensors().map(|tensor| (tensor.name.to_owned(), tensor.bytes.to_vec())).collect()
            };
            assert_eq!(bytes(&all), bytes(&whole));
            assert_eq!(all.tensor("half").unwrap().shape, [2, 2]);
        }
    }
}

#[test]
fn a_model_in_several_files_that_do_not_belong_together_is_refused_by_name() {
    let edit = |change: &dyn Fn(&mut Vec<Sample>)| {
        let mut parts = small().split(1);
        change(&mut parts);
        folder(&parts)
    };
    let gone = edit(&|_| ());
    std::fs::remove_file(gone.path().join("m-00002-of-00003.gguf")).unwrap();
    let cases = [
        ("m-00002-of-00003.gguf: is missing", gone),
        ("m-00002-of-00003.gguf: split.no", edit(&|parts| parts[1] = parts[0].clone())),
        ("m-00002-of-00003.gguf: tensor norm", edit(&|parts| parts[1].tensors[0].name = "norm".into())),
        ("m-00003-of-00003.gguf: split.no", edit(&|parts| parts[2].keys.clear())),
        ("m-00003-of-00003.gguf: header", edit(&|parts| parts[2].version = Some(9))),
        ("split.tensors.count", edit(&|parts| drop(parts[2].tensors.pop()))),
        ("must be named so: -00002-of-00003.gguf", edit(&|parts| parts.swap(0, 1))),
        ("split.count", edit(&|parts| parts[0].keys.push(("split.count".into(), Value::U32(1 << 20))))),
    ];
    for (expected, folder) in cases {
        let path = folder.path().join("m-00001-of-00003.gguf");
        let fault = Gguf::open(&path).err().unwrap_or_else(|| panic!("{expected}: accepted"));
        assert!(fault.message().contains(expected), "{expected}: {fault}");
    }
    let fault = Gguf::from_bytes(small().split(1)[0].bytes()).err().unwrap();
    assert_eq!(fault.kind(), &Kind::Unsupported { field: "split.count".into() });
}

fn read_everything(bytes: Vec<u8>) {
    let Ok(gguf) = Gguf::from_bytes(bytes) else { return };
    let metadata = gguf.metadata();
    for key in metadata.keys() {
        drop((metadata.string(key), metadata.u64(key), metadata.f32(key), metadata.bool(key)));
        drop((metadata.strings(key), metadata.integers(key), metadata.reals(key)));
    }
    gguf.tensors().for_each(|tensor| assert!(tensor.bytes.len() >= tensor.columns().min(1)));
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
    fn huge_numbers_anywhere_never_panic(at in any::<prop::sample::Index>(), number in any::<u64>()) {
        let mut bytes = small().bytes();
        let at = at.index(bytes.len() - 8);
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        read_everything(bytes);
    }
}
