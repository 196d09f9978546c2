use std::sync::Arc;

use canon::{Answer, Backend, Content, Fold, Generation, Kind, Message, ModelId, Request, Role};
use tempfile::TempDir;

use crate::Options;
use crate::adapter::sample::{adapters, peft};
use crate::backend::Engine;
use crate::fixture::{block_on, next};
use crate::hub::sample::{golden, write};

/// A small engine, and two adapters for it.
fn engine() -> (Arc<Engine>, [TempDir; 2]) {
    let golden = golden();
    let folder = write(&golden, &golden["folders"][0], |_| ());
    let options = Options { threads: 2, kv_bytes_max: 64 << 20, ..Options::default() };
    let engine = Engine::load(folder.path(), &options).unwrap();
    let adapters = adapters();
    (Arc::new(engine), [0, 1].map(|at| peft(&adapters[at], |_| ())))
}

fn begin(backend: &dyn Backend, text: &str) -> Generation {
    let mut request = Request::new(ModelId::new("m"));
    request.messages = vec![Message { role: Role::User, content: vec![Content::Text(text.to_owned())] }];
    request.sampling.max_tokens = Some(24);
    request.sampling.temperature = Some(0.0);
    block_on(backend.generate(Arc::new(request))).unwrap()
}

fn finish(mut generation: Generation) -> Answer {
    let mut fold = Fold::default();
    while let Some(event) = next(&mut generation.events) {
        if let Some(answer) = fold.push(event.unwrap()).unwrap() {
            return answer;
        }
    }
    panic!("the answer did not end");
}

#[test]
fn tuned_models_answer_beside_one_another_as_they_do_alone() {
    let (engine, folders) = engine();
    engine.load_adapter("a", folders[0].path()).unwrap();
    engine.load_adapter("b", folders[1].path()).unwrap();
    let facts = engine.adapters();
    assert_eq!(facts.iter().map(|facts| facts.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(facts.iter().all(|facts| facts.bytes > 0));
    let (a, b) = (engine.tuned("a").unwrap(), engine.tuned("b").unwrap());
    let backends: [&dyn Backend; 3] = [&*engine, &a, &b];
    let texts = ["The fox", "over the lazy dog", "the year 2024", "ça et là"];
    let ask = |backend: &dyn Backend| texts.map(|text| finish(begin(backend, text)).content);
    let alone = backends.map(ask);
    assert!(alone[0] != alone[1] && alone[1] != alone[2] && alone[0] != alone[2], "{alone:?}");
    let begun: Vec<Generation> =
        texts.iter().flat_map(|text| backends.map(|backend| begin(backend, text))).collect();
    for (at, generation) in begun.into_iter().enumerate() {
        assert_eq!(finish(generation).content, alone[at % 3][at / 3], "{at}");
    }
}

#[test]
fn an_adapter_comes_and_goes_while_requests_run() {
    let (engine, folders) = engine();
    assert_eq!(engine.tuned("a").err().unwrap().kind(), &Kind::UnknownModel);
    engine.load_adapter("a", folders[0].path()).unwrap();
    let tuned = engine.tuned("a").unwrap();
    let expected = finish(begin(&tuned, "The fox")).content;
    let running = begin(&tuned, "The fox");
    assert!(engine.unload_adapter("a"));
    assert!(!engine.unload_adapter("a"));
    assert!(engine.adapters().is_empty() && engine.tuned("a").is_err());
    assert_eq!(finish(running).content, expected);
    // Another one under the name is not taken for the first, whose prompts may still be cached.
    engine.load_adapter("a", folders[1].path()).unwrap();
    let other = finish(begin(&engine.tuned("a").unwrap(), "The fox")).content;
    assert_ne!(other, expected);
    assert_eq!(finish(begin(&tuned, "The fox")).content, expected);
}

#[test]
fn an_adapter_that_is_refused_changes_nothing() {
    let (engine, folders) = engine();
    engine.load_adapter("a", folders[0].path()).unwrap();
    let of_another = adapters().into_iter().find(|entry| entry["folder"] != "llama 2").unwrap();
    let odd = peft(&of_another, |entry| entry["config"]["peft_type"] = "IA3".into());
    let fault = engine.load_adapter("a", odd.path()).unwrap_err();
    assert!(matches!(fault.kind(), Kind::Unsupported { .. }), "{fault}");
    assert_eq!(engine.adapters().len(), 1);
    assert!(engine.tuned("a").is_ok());
}
