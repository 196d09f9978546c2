use super::*;
use crate::gguf::TensorType;
use crate::kernels::KvType;
use crate::sample_model::{CONTEXT_TOKENS, tiny};

fn outline(kinds: &[TensorType], options: &Options) -> Outline {
    Outline::of(&Gguf::from_bytes(tiny(kinds).bytes()).unwrap(), options).unwrap()
}

#[test]
fn a_file_of_whole_blocks_takes_what_its_tensors_take() {
    for kind in [TensorType::Q4_0, TensorType::Q4_1, TensorType::Q8_0, TensorType::F16] {
        let gguf = Gguf::from_bytes(tiny(&[kind]).bytes()).unwrap();
        let file: u64 = gguf.tensors().map(|tensor| tensor.bytes.len() as u64).sum();
        let outline = Outline::of(&gguf, &Options::default()).unwrap();
        let besides = STANDING_BYTES + crate::sample_model::VOCABULARY * TOKEN_BYTES;
        assert_eq!(outline.bytes - besides, file, "{kind:?}");
    }
}

#[test]
fn quants_that_are_unpacked_to_bytes_take_more_than_the_file() {
    let packed = |kind| outline(&[kind], &Options::default()).bytes;
    assert!(packed(TensorType::Q5_K) > packed(TensorType::Q4_K));
    assert!(packed(TensorType::Q6_K) > packed(TensorType::Q4_0) + (1 << 19));
}

#[test]
fn the_context_is_the_models_or_what_is_allowed() {
    let made = outline(&[TensorType::Q4_0], &Options::default());
    assert_eq!(made.context_tokens, CONTEXT_TOKENS as usize);
    let allowed = Options { context_tokens_max: 100, ..Options::default() };
    assert_eq!(outline(&[TensorType::Q4_0], &allowed).context_tokens, 100);
    // Two layers, two heads of 64, keys and values, in 16 bits.
    assert_eq!(made.kv_token_bytes, 2 * 2 * 64 * 2 * 2);
    // The same in 8 bits, and a scale of 16 for each key and value.
    let small = outline(&[TensorType::Q4_0], &Options { kv: KvType::Int8, ..Options::default() });
    assert_eq!(small.kv_token_bytes, 2 * 2 * (64 + 2) * 2);
}

#[test]
fn the_real_model_is_outlined_without_being_read() {
    let Some(path) = crate::fixture::model("the_real_model_is_outlined_without_being_read") else { return };
    let outline = Outline::read(&path, &Options::default()).unwrap();
    let file = std::fs::metadata(&path).unwrap().len();
    assert!((file..file + (64 << 20)).contains(&outline.bytes), "{outline:?}");
    assert_eq!(outline.context_tokens, 8192);
}
