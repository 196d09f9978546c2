use super::*;

#[test]
fn a_files_name_becomes_an_id_that_bedrock_would_allow() {
    let id = |path: &str| local_id(Path::new(path)).to_string();
    assert_eq!(id("/models/SmolLM2-135M-Instruct.Q4_1.gguf"), "local.smollm2-135m-instruct-q4-1-v1:0");
    assert_eq!(id("Llama 3 (8B).gguf"), "local.llama-3-8b-v1:0");
    assert_eq!(id("llama-00002-of-00005.gguf"), "local.llama-v1:0");
    assert_eq!(id("one-2-of-00005.gguf"), "local.one-2-of-00005-v1:0");
    assert_eq!(id("..gguf"), "local.model-v1:0");
    assert_eq!(id("模型.gguf"), "local.model-v1:0");
}

#[test]
fn a_folders_name_is_taken_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Qwen2.5-0.5B");
    std::fs::create_dir(&path).unwrap();
    assert_eq!(local_id(&path).to_string(), "local.qwen2-5-0-5b-v1:0");
}

#[test]
fn what_cannot_be_used_is_named_once() {
    let spec = Spec { path: "/models/tuned".into(), ..crate::testing::sized("tuned", 1) };
    for (field, said) in [
        ("/models/tuned", "/models/tuned: is not there"),
        ("matrix layers.0.q", "/models/tuned: matrix layers.0.q: is not there"),
    ] {
        assert_eq!(unusable(canon::Fault::malformed(field, "is not there"), &spec).message, said);
    }
}
