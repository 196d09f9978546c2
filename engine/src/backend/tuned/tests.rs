use std::sync::Arc;

use canon::{Answer, Backend, Content, Fold, Generation, Kind, Message, ModelId, Request, Role};
use tempfile::TempDir;

use crate::Options;
use crate::adapter::sample::{adapters, peft};
use crate::backend::{AdapterOutline, Engine, Words};
use crate::fixture::{block_on, next};
use crate::hub::sample::{golden, write};

/// The folder of a small model.
fn base() -> TempDir {
    let golden = golden();
    write(&golden, &golden["folders"][0], |_| ())
}

/// A small engine, and two adapters for it.
fn engine() -> (Arc<Engine>, [TempDir; 2]) {
    let folder = base();
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

#[test]
fn a_tuned_model_without_a_name_is_the_one_that_its_adapter_makes() {
    let (engine, folders) = engine();
    engine.load_adapter("a", folders[0].path()).unwrap();
    let named = finish(begin(&engine.tuned("a").unwrap(), "The fox")).content;
    engine.unload_adapter("a");
    let tuned = engine.tune(folders[0].path()).unwrap();
    assert!(engine.adapters().is_empty(), "it has no name");
    assert_eq!(finish(begin(&tuned, "The fox")).content, named);
}

#[test]
fn an_outline_says_what_an_adapter_takes_and_refuses_what_loading_refuses() {
    let (engine, folders) = engine();
    let base = base();
    for folder in &folders {
        engine.load_adapter("a", folder.path()).unwrap();
        let outline = AdapterOutline::read(folder.path(), base.path()).unwrap();
        assert_eq!(outline.bytes, engine.adapters()[0].bytes as u64);
    }
    let of_another = adapters().into_iter().find(|entry| entry["folder"] != "llama 2").unwrap();
    let wider = |entry: &mut serde_json::Value| {
        let shapes = entry["shapes"].as_object_mut().unwrap();
        shapes.values_mut().for_each(|shape| shape[0] = (shape[0].as_u64().unwrap() * 2).into());
    };
    for odd in
        [peft(&of_another, wider), peft(&adapters()[0], |entry| entry["config"]["bias"] = "all".into())]
    {
        let outlined = AdapterOutline::read(odd.path(), base.path()).unwrap_err();
        let loaded = engine.tune(odd.path()).err().unwrap();
        assert_eq!(outlined.message(), loaded.message());
    }
}

#[test]
fn words_alone_count_as_the_loaded_model_does() {
    let (engine, _) = engine();
    let words = Words::read(base().path()).unwrap();
    for text in ["The fox", "ça et là", &"over the lazy dog ".repeat(2000)] {
        let mut request = Request::new(ModelId::new("m"));
        request.messages = vec![Message { role: Role::User, content: vec![Content::Text(text.to_owned())] }];
        assert_eq!(words.count(&request).unwrap(), block_on(engine.count(&request)).unwrap());
    }
}
