//! Tuned models through the door: a small model and its adapters, computed by the engine itself.

use std::sync::Arc;
use std::time::Duration;

use gateway::Directory as _;
use tempfile::TempDir;

use crate::local::{ModelState, parse_size};
use crate::testing::{Reply, Setup, World, eventually, options, small_adapter, small_model};
use crate::up::Deployments;
use crate::{Failure, UpOptions};

const BASE: &str = "local.small-v1:0";
const TUNED: [&str; 2] = ["acme.first-v1:0", "second"];

/// Options that serve the small model with these adapters.
fn tuned_options(folder: &TempDir, adapters: &[String]) -> UpOptions {
    UpOptions {
        models: vec![small_model(folder.path())],
        adapters: adapters.iter().map(|text| text.parse().unwrap()).collect(),
        default_model: true,
        model_dir: Some(folder.path().join("cache")),
        model_memory_max: parse_size("256MiB").unwrap(),
        model_wait: Duration::from_secs(20),
        threads: Some(2),
        ..options(folder.path())
    }
}

/// `ID=PATH` of an adapter of the engine's golden data.
fn adapter(folder: &TempDir, id: &str, number: usize) -> String {
    format!("{id}={}", small_adapter(folder.path(), number, 1).display())
}

/// A server that serves the small model and two of its adapters.
async fn serve(folder: &TempDir) -> World {
    let adapters = [adapter(folder, TUNED[0], 0), adapter(folder, TUNED[1], 1)];
    serve_as(&tuned_options(folder, &adapters)).await.0
}

async fn serve_as(options: &UpOptions) -> (World, Deployments) {
    let deployments = Deployments::load(options, &()).await.unwrap();
    let loader = Arc::clone(&deployments.loader);
    tokio::spawn(Arc::clone(&loader).work());
    let world = World::with(Setup { loader: Some(loader), ..Setup::default() }).await;
    world.directory.set_catalog(deployments.catalog(None));
    (world, deployments)
}

async fn converse(world: &World, model: &str, prompt: &str) -> String {
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"text":"{prompt}"}}]}}],"inferenceConfig":{{"maxTokens":16,"temperature":0}}}}"#
    );
    let reply = world.send(world.call("POST", &format!("/model/{model}/converse")).body(body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.document()["output"]["message"]["content"][0]["text"].as_str().unwrap().to_owned()
}

async fn chat(world: &World, model: &str, prompt: &str) -> String {
    let body = format!(
        r#"{{"model":"{model}","messages":[{{"role":"user","content":"{prompt}"}}],"max_tokens":16,"temperature":0}}"#
    );
    let reply = world.send(world.call("POST", "/v1/chat/completions").body(body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let document = reply.document();
    assert_eq!(document["model"], model);
    document["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

async fn messages(world: &World, model: &str, prompt: &str) -> String {
    let (start, path, version) = match model {
        TUNED_BY_INVOKE => {
            ("", format!("/model/{model}/invoke"), r#""anthropic_version":"bedrock-2023-05-31","#)
        }
        _ => ("model", "/v1/messages".to_owned(), ""),
    };
    let named = if start.is_empty() { String::new() } else { format!(r#""model":"{model}","#) };
    let body = format!(
        r#"{{{named}{version}"messages":[{{"role":"user","content":"{prompt}"}}],"max_tokens":16,"temperature":0}}"#
    );
    let reply = world.send(world.call("POST", &path).body(body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.document()["content"][0]["text"].as_str().unwrap().to_owned()
}
/// The model that [`messages`] calls by InvokeModel.
const TUNED_BY_INVOKE: &str = TUNED[0];

fn state(world: &World, id: &str) -> ModelState {
    world.loader.status(&canon::ModelId::new(id)).unwrap().state
}

async fn change(world: &World, id: &str, change: &str) -> Reply {
    world.send(world.call("POST", &format!("/outcrop/v1/models/{id}/{change}"))).await
}

#[tokio::test]
async fn a_base_and_its_tuned_models_answer_at_once_as_each_does_alone() {
    let folder = tempfile::tempdir().unwrap();
    let world = serve(&folder).await;
    let models = [BASE, TUNED[0], TUNED[1]];
    let prompts = ["The fox", "over the lazy dog", "the year 2024"];
    let mut alone = Vec::new();
    for model in models {
        for prompt in prompts {
            alone.push(converse(&world, model, prompt).await);
        }
    }
    assert!(alone[..3] != alone[3..6] && alone[3..6] != alone[6..] && alone[..3] != alone[6..], "{alone:?}");
    let calls = models.iter().flat_map(|model| prompts.map(|prompt| converse(&world, model, prompt)));
    assert_eq!(futures_util::future::join_all(calls).await, alone, "all in one batch");
    // By every other wire, too.
    let calls = models.iter().flat_map(|model| prompts.map(|prompt| chat(&world, model, prompt)));
    assert_eq!(futures_util::future::join_all(calls).await, alone, "chat completions");
    let calls = models.iter().flat_map(|model| prompts.map(|prompt| messages(&world, model, prompt)));
    assert_eq!(futures_util::future::join_all(calls).await, alone, "messages and InvokeModel");
}

#[tokio::test]
async fn tuned_models_are_listed_loaded_and_unloaded_by_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let world = serve(&folder).await;
    let listed = world.send(world.call("GET", "/foundation-models")).await.document();
    let ids: Vec<_> = listed["modelSummaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["modelId"].as_str().unwrap())
        .collect();
    assert!(TUNED.iter().chain([&BASE]).all(|id| ids.contains(id)), "{ids:?}");
    let listed = world.send(world.call("GET", "/v1/models")).await.document().to_string();
    assert!(TUNED.iter().all(|id| listed.contains(id)), "{listed}");

    // Counting needs the words alone, and they are the base's.
    let body = r#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"The fox"}]}]}}}"#;
    let count = async |model: &str| {
        let call = world.call("POST", &format!("/model/{model}/count-tokens")).body(body);
        world.send(call).await.document()["inputTokens"].as_u64().unwrap()
    };
    let counted = (count(BASE).await, count(TUNED[0]).await);
    assert!(counted.0 > 0 && counted.0 == counted.1, "{counted:?}");
    assert_eq!(world.loader.shelved().bytes, 0, "nothing was loaded for that");

    assert_eq!(change(&world, TUNED[1], "load").await.status, 202);
    eventually("it is loaded", || state(&world, TUNED[1]) == ModelState::Loaded).await;
    assert_eq!((state(&world, BASE), state(&world, TUNED[0])), (ModelState::Loaded, ModelState::Unloaded));
    assert_eq!((count(BASE).await, count(TUNED[0]).await), counted);
    let status = world.send(world.call("GET", "/outcrop/v1/models")).await.document();
    let of =
        |id: &str| status["models"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    assert_eq!((&of(TUNED[1])["base"], &of(BASE)["base"]), (&BASE.into(), &serde_json::Value::Null));
    let bytes = |id: &str| of(id)["memoryBytes"].as_u64().unwrap();
    assert_eq!(status["memoryBytes"].as_u64().unwrap(), bytes(BASE) + bytes(TUNED[1]), "{status}");

    change(&world, TUNED[1], "unload").await;
    eventually("it goes alone", || state(&world, TUNED[1]) == ModelState::Unloaded).await;
    assert_eq!(state(&world, BASE), ModelState::Loaded);
    let said = converse(&world, TUNED[0], "The fox").await;
    change(&world, BASE, "unload").await;
    eventually("all are gone", || world.loader.shelved().bytes == 0).await;
    assert_eq!(state(&world, TUNED[0]), ModelState::Unloaded);
    assert_eq!(converse(&world, TUNED[0], "The fox").await, said, "and the next call brings them back");
}

async fn refused(options: &UpOptions) -> String {
    let Err(failure) = Deployments::load(options, &()).await else { panic!("it is served") };
    assert!([Failure::USAGE, Failure::IO].contains(&failure.exit_code));
    format!("{}; {}", failure.message, failure.help.unwrap())
}

#[tokio::test]
async fn an_adapter_that_does_not_fit_stops_the_start_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let wide = format!("t={}", small_adapter(folder.path(), 1, 2).display());
    let said = refused(&tuned_options(&folder, &[wide])).await;
    let fits_not = ["adapter-1: matrix blk.0.", "the model's has 64 of ", "made for local.small-v1:0"];
    assert!(fits_not.iter().all(|part| said.contains(part)), "{said}");
    let said = refused(&tuned_options(&folder, &["t=/nowhere".to_owned()])).await;
    assert!(said.contains("/nowhere") && said.contains("No such file"), "{said}");
    let path = small_adapter(folder.path(), 0, 1);
    let config = std::fs::read_to_string(path.join("adapter_config.json")).unwrap();
    std::fs::write(path.join("adapter_config.json"), config.replace("\"LORA\"", "\"LOHA\"")).unwrap();
    let said = refused(&tuned_options(&folder, &[format!("t={}", path.display())])).await;
    assert!(said.contains("adapter_config.json: peft_type"), "{said}");
}

#[tokio::test]
async fn an_adapter_that_went_bad_fails_its_own_calls_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let world = serve(&folder).await;
    let said = converse(&world, BASE, "The fox").await;
    std::fs::write(folder.path().join("adapter-0/adapter_model.safetensors"), "no tensors").unwrap();
    let body = r#"{"messages":[{"role":"user","content":[{"text":"The fox"}]}]}"#;
    let path = format!("/model/{}/converse", TUNED[0]);
    let reply = world.send(world.call("POST", &path).body(body)).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    let status = world.loader.status(&canon::ModelId::new(TUNED[0])).unwrap();
    assert!(status.state == ModelState::Failed && status.fault.is_some(), "{status:?}");
    assert_eq!(converse(&world, BASE, "The fox").await, said);
    assert_ne!(converse(&world, TUNED[1], "The fox").await, said);
}

#[tokio::test]
async fn adapters_come_and_go_with_the_estate_and_their_base_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("estate.toml");
    let declare = |id: &str, number: usize| {
        let path = small_adapter(folder.path(), number, 1);
        let (base, path) = (format!("base = '{BASE}'"), path.display());
        std::fs::write(&file, format!("[[model]]\nid = '{id}'\n{base}\nadapter = '{path}'\n")).unwrap();
    };
    declare(TUNED[0], 0);
    let options = UpOptions { estate: Some(file.clone()), ..tuned_options(&folder, &[]) };
    let (world, mut deployments) = serve_as(&options).await;
    let first = converse(&world, TUNED[0], "The fox").await;
    let loaded = world.loader.status(&canon::ModelId::new(BASE)).unwrap();
    let reload = async |deployments: &mut Deployments| {
        let old = world.directory.current();
        deployments.reload(&old.catalog).await.map(|catalog| world.directory.set_catalog(catalog))
    };

    declare(TUNED[1], 1);
    reload(&mut deployments).await.unwrap();
    assert_ne!(converse(&world, TUNED[1], "The fox").await, first);
    let body = r#"{"messages":[{"role":"user","content":[{"text":"The fox"}]}]}"#;
    let path = format!("/model/{}/converse", TUNED[0]);
    assert_eq!(world.send(world.call("POST", &path).body(body)).await.status, 400, "it is gone");
    let stays = world.loader.status(&canon::ModelId::new(BASE)).unwrap();
    assert_eq!((stays.state, stays.load_ms), (ModelState::Loaded, loaded.load_ms));

    // One that does not fit leaves everything as it was.
    std::fs::write(&file, format!("[[model]]\nid = 'x'\nbase = 'none'\nadapter = '{BASE}'\n")).unwrap();
    assert!(reload(&mut deployments).await.is_err());
    std::fs::create_dir_all(folder.path().join("empty")).unwrap();
    std::fs::write(&file, format!("[[model]]\nid = 'x'\nbase = '{BASE}'\nadapter = 'empty'\n")).unwrap();
    let failure = reload(&mut deployments).await.unwrap_err();
    assert!(failure.message.contains("adapter_config.json"), "{}", failure.message);
    assert_ne!(converse(&world, TUNED[1], "The fox").await, first);
}
