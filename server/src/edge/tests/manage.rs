//! What an operator does about the models in memory.

use super::check_refused;
use crate::testing::{Call, MODEL, World, eventually, new_key, sized};
use wire::fault::Surface;

fn path(of: &str) -> String {
    format!("/outcrop/v1/models/{MODEL}{of}")
}

async fn state(world: &World) -> String {
    let reply = world.send(world.call("GET", &path(""))).await;
    reply.document()["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_model_is_loaded_unloaded_and_pinned_and_the_audit_trail_says_by_whom() {
    let world = World::start().await;
    assert_eq!(state(&world).await, "unloaded");
    let before = world.store.records().head().unwrap().line;
    let reply = world.send(world.call("POST", &path("/load"))).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let id = canon::ModelId::new(MODEL);
    eventually("it is loaded", || world.loader.status(&id).unwrap().load_ms.is_some()).await;
    let reply = world.send(world.call("POST", &path("/load"))).await;
    assert_eq!((reply.status, reply.document()["state"].as_str()), (200, Some("loaded")));
    let listed = world.send(world.call("GET", "/outcrop/v1/models")).await.document();
    assert_eq!((&listed["memoryBytes"], &listed["memoryBytesMax"]), (&(1 << 20).into(), &(64 << 20).into()));

    assert_eq!(world.send(world.call("POST", &path("/pin"))).await.document()["pinned"], true);
    let reply = world.send(world.call("POST", &path("/unload"))).await;
    check_refused("a pinned model", Surface::Bedrock, &reply, (400, "ValidationException"));
    assert_eq!(world.send(world.call("POST", &path("/unpin"))).await.document()["pinned"], false);
    world.send(world.call("POST", &path("/unload"))).await;
    eventually("it is unloaded", || world.loader.status(&id).unwrap().load_ms.is_none()).await;
    // Two loads, a pin, an unpin and an unload; what was refused did not happen.
    assert_eq!(world.store.records().head().unwrap().line, before + 5);
    assert!(world.store.records().verify(None).unwrap().is_intact());
}

#[tokio::test]
async fn a_key_for_some_models_sees_those_and_manages_none() {
    let world = World::start().await;
    let specs = [sized(MODEL, 1), sized("other.large-v1:0", 100)];
    let outlined = specs.map(|spec| (spec.clone(), world.loader.outline(&spec).unwrap()));
    world.loader.declare(outlined.to_vec());
    let key = new_key(world.store.records(), "team", "acme.*");
    world.directory.set_keys(world.store.records().keyring().unwrap());
    let listed = world.send(Call::new("GET", "/outcrop/v1/models").key(&key)).await.document();
    assert_eq!(listed["models"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(world.send(Call::new("GET", &path("")).key(&key)).await.status, 200);
    for change in ["/load", "/unload", "/pin", "/unpin"] {
        let reply = world.send(Call::new("POST", &path(change)).key(&key)).await;
        check_refused(change, Surface::Bedrock, &reply, (403, "AccessDeniedException"));
    }
    // Whoever may manage is told what cannot be.
    let reply = world.send(world.call("POST", "/outcrop/v1/models/other.large-v1%3A0/pin")).await;
    check_refused("too large", Surface::Bedrock, &reply, (503, "ServiceUnavailableException"));
    assert!(reply.document()["message"].as_str().unwrap().contains("--model-memory-max"));
}
