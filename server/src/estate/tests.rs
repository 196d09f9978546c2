use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::KvType;
use providers::openai::{Counter, Dialect};

use super::{DEPLOYMENTS_MAX, ESTATE_BYTES_MAX, Estate, EstateFault};
use crate::Failure;

/// Estate files that are wrong, each beside what Outcrop says of it.
fn bad() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/estate")
}

fn env(name: &str) -> Option<String> {
    match name {
        "VLLM_API_KEY" => Some(" sk-from-env\n".to_owned()),
        "EMPTY" => Some("  ".to_owned()),
        "TWO_WORDS" => Some("sk two".to_owned()),
        _ => None,
    }
}

/// A folder with the file `estate.toml` in it, and what else is given.
fn load(name: &str, text: &str, beside: &[(&str, &str)]) -> Result<Estate, EstateFault> {
    let folder = std::env::temp_dir().join(format!("outcrop-estate-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in beside.iter().chain([&("estate.toml", text)]) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let loaded = Estate::load(&folder.join("estate.toml"), &env);
    std::fs::remove_dir_all(folder).unwrap();
    loaded
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_its_remedy() {
    let mut files: Vec<_> = std::fs::read_dir(bad()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() > 20, "only {} files", files.len());
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Err(fault) = Estate::load(&path, &env) else { panic!("{name} was taken for good") };
        let failure = Failure::from(fault);
        assert_eq!(failure.exit_code, Failure::USAGE);
        let place = format!("{}/", bad().display());
        let said = format!("{}\n{}\n", failure.message, failure.help.unwrap()).replace(&place, "");
        let golden = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            std::fs::write(&golden, &said).unwrap();
        }
        assert_eq!(said, std::fs::read_to_string(&golden).unwrap_or_default(), "{name}");
    }
}

#[test]
fn the_example_says_everything_and_is_right() {
    let example = include_str!("../../../docs/reference/estate.example.toml");
    let estate = load(
        "example",
        example,
        &[("workstation.key", "sk-from-file\n"), ("tiny.gguf", ""), ("support.gguf", "")],
    )
    .unwrap();
    let [vllm, workstation] = &estate.providers[..] else { panic!("{:?}", estate.providers) };
    assert_eq!(
        (vllm.dialect, vllm.counter, vllm.deadlines),
        (Dialect::VLLM, Counter::Vllm, Default::default())
    );
    assert_eq!(vllm.api_key.as_ref().unwrap().expose(), b"sk-from-env");
    assert_eq!(workstation.api_key.as_ref().unwrap().expose(), b"sk-from-file");
    assert_eq!(workstation.base_url, "https://workstation.example:8443/v1");
    assert_eq!(workstation.dialect, Dialect { parallel_tools: false, ..Dialect::LLAMA_CPP });
    assert_eq!(workstation.deadlines.connect, Duration::from_secs(2));
    assert_eq!(workstation.deadlines.whole, Duration::from_secs(900));

    let [first, second] = &estate.deployments[..] else { panic!("{:?}", estate.deployments) };
    assert_eq!(first.name, "vllm/meta-llama/Llama-3.1-8B-Instruct");
    assert_eq!((first.context_tokens_max, first.calls_max), (Some(131_072), 1024));
    assert!(first.capabilities.tools && first.capabilities.top_k);
    assert_eq!(first.model, second.model);
    assert_eq!((second.name.as_str(), second.calls_max), ("llama-at-home", 4));
    assert!(!second.capabilities.tools && second.capabilities.schemas);
    let config = second.config();
    assert_eq!((config.name.as_str(), config.upstream_model.as_str()), ("workstation", "llama-3.1-8b"));
    assert_eq!(config.calls_max, 4);

    let [known, file, tuned] = &estate.models[..] else { panic!("{:?}", estate.models) };
    assert_eq!((known.id.as_str(), &known.path, known.pinned), (crate::models::DEFAULT.id, &None, true));
    assert!(file.path.as_ref().unwrap().ends_with("tiny.gguf") && !file.pinned);
    assert_eq!((file.context_tokens_max, file.kv_bytes_max), (Some(4096), Some(256 << 20)));
    assert_eq!((known.kv, file.kv), (None, Some(KvType::Int8)));
    assert_eq!((file.idle, file.name.as_deref()), (Some(Duration::from_secs(900)), Some("Tiny")));
    assert_eq!((&tuned.base, &file.base), (&Some(file.id.clone()), &None));
    assert!(tuned.path.as_ref().unwrap().ends_with("support.gguf"));
}

#[test]
fn an_empty_file_declares_nothing() {
    let estate = load("empty", "# nothing yet\n", &[]).unwrap();
    assert!(estate.providers.is_empty() && estate.deployments.is_empty());
    assert_eq!(estate.sha256.len(), 64);
}

#[test]
fn each_key_has_its_line_in_the_reference() {
    let reference = include_str!("../../../docs/reference/estate.md");
    let provider = "[[provider]]\nname = 'a'\nkind = 'openai'\nbase_url = 'http://h'\n";
    let deployment = "[[deployment]]\nmodel = 'a.b'\nprovider = 'a'\nupstream_model = 'b'\n";
    let mut keys = Vec::new();
    // What a table knows, it lists when it meets a stranger.
    for (name, text) in [
        ("file", "stranger = 1".to_owned()),
        ("provider", format!("{provider}stranger = 1")),
        ("key", format!("{provider}api_key = {{ env = 'A', stranger = 1 }}")),
        ("takes", format!("{provider}takes = {{ stranger = 1 }}")),
        ("deployment", format!("{provider}{deployment}stranger = 1")),
        ("model", "[[model]]\nid = 'a.b'\nstranger = 1".to_owned()),
        ("capabilities", format!("{provider}{deployment}capabilities = {{ stranger = 1 }}")),
    ] {
        let remedy = load(name, &text, &[]).unwrap_err().remedy;
        let known = remedy.strip_prefix("Known here: ").and_then(|list| list.strip_suffix('.'));
        keys.extend(known.unwrap_or_else(|| panic!("{name}: {remedy}")).split(", ").map(str::to_owned));
    }
    assert_eq!(keys.len(), 52);
    for key in keys {
        let spellings = [format!("`{key}`"), format!("`[[{key}]]`"), format!("{{ {key} = ")];
        assert!(spellings.iter().any(|spelling| reference.contains(spelling)), "{key}");
    }
}

#[test]
fn a_secret_is_shown_by_no_message() {
    let text = "[[provider]]\nname = 'a'\nkind = 'openai'\nbase_url = 'http://h'\napi_key = { file = 'k' }\n";
    let fault = load("secret", text, &[("k", "sk-secret with a space")]).unwrap_err();
    assert!(!format!("{fault:?} {fault}").contains("sk-secret"), "{fault:?}");
    let estate = load("secret-kept", text, &[("k", "sk-secret")]).unwrap();
    assert!(!format!("{estate:?}").contains("sk-secret"));
}

#[test]
fn limits_hold() {
    let long = "#".repeat(ESTATE_BYTES_MAX as usize + 1);
    let fault = load("long", &long, &[]).unwrap_err();
    assert_eq!((fault.line, fault.message.as_str()), (0, "larger than 1048576 bytes"));
    let many = "[[deployment]]\n".repeat(DEPLOYMENTS_MAX + 1);
    let fault = load("many", &many, &[]).unwrap_err();
    assert_eq!((fault.message.as_str(), fault.remedy.as_str()), ("4097 of them", "At most 4096."));
    let missing = Estate::load(Path::new("/nowhere/estate.toml"), &env).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/estate.toml: No such file"), "{missing}");
}
