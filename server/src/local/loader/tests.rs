use canon::{Event, Request};
use futures_util::StreamExt as _;

use super::super::OnDemand;
use super::super::status::ModelState;
use super::*;
use crate::testing::{Sizes, eventually, sized};

const MB: u64 = 1 << 20;

struct World {
    kinds: Arc<Sizes>,
    loader: Arc<Loader>,
    models: Vec<OnDemand>,
}

impl World {
    /// Models `m0`, `m1`, … of so many megabytes, under a limit of 100.
    fn start(sizes: &[u64]) -> Self {
        let kinds = Arc::new(Sizes::default());
        let limits = Limits { bytes_max: 100 * MB, wait: Duration::from_secs(5) };
        let loader = Arc::new(Loader::new(Arc::clone(&kinds) as _, limits));
        let specs: Vec<_> = sizes.iter().enumerate().map(|(n, mb)| sized(&format!("m{n}"), *mb)).collect();
        let models = declare(&loader, &specs);
        tokio::spawn(Arc::clone(&loader).work());
        Self { kinds, loader, models }
    }

    fn loads(&self) -> usize {
        self.kinds.loads.load(Ordering::SeqCst)
    }

    fn state(&self, id: &str) -> ModelState {
        self.loader.status(&ModelId::new(id)).unwrap().state
    }
}

fn declare(loader: &Arc<Loader>, specs: &[Spec]) -> Vec<OnDemand> {
    let mut declared: Vec<(Spec, Outlined)> = Vec::new();
    for spec in specs {
        let base = declared.iter().find(|(base, _)| Some(&base.id) == spec.base.as_ref());
        let outlined = base.map_or_else(|| loader.outline(spec), |base| loader.outline_tuned(spec, base));
        declared.push((spec.clone(), outlined.unwrap()));
    }
    let keys = loader.declare(declared.clone());
    let model = |(key, (_, outlined)): (Key, (Spec, Outlined))| {
        OnDemand::new(Arc::clone(loader), key, Arc::new(outlined))
    };
    keys.into_iter().zip(declared).map(model).collect()
}

/// Calls it, and reads the whole answer.
async fn answer(model: &OnDemand) -> Result<(), Fault> {
    let request = Arc::new(Request::new(ModelId::new("m")));
    let mut generation = model.generate(request).await?;
    while let Some(event) = generation.events.next().await {
        if let Event::Finish(_) = event? {
            return Ok(());
        }
    }
    Err(Fault::internal("an answer without an end"))
}

#[tokio::test]
async fn fifty_calls_at_once_cause_one_load() {
    let world = World::start(&[60]);
    let calls = (0..50).map(|_| answer(&world.models[0]));
    for answered in futures_util::future::join_all(calls).await {
        answered.unwrap();
    }
    assert_eq!(world.loads(), 1);
    let shelved = world.loader.shelved();
    assert_eq!((shelved.bytes_max, shelved.models.len()), (100 * MB, 1));
    let status = &shelved.models[0];
    assert_eq!((status.state, status.calls, status.waiting), (ModelState::Loaded, 0, 0));
    assert!(shelved.bytes >= 60 * MB && status.load_ms.unwrap() >= 20, "{shelved:?}");
}

#[tokio::test]
async fn two_models_that_do_not_fit_together_take_turns() {
    let world = World::start(&[60, 60]);
    let calls = (0..50).map(|n| answer(&world.models[n % 2]));
    for answered in futures_util::future::join_all(calls).await {
        answered.unwrap();
    }
    // Each was loaded for all of its calls.
    assert_eq!(world.loads(), 2);
    assert!(world.loader.shelved().bytes <= 100 * MB);
}

#[tokio::test]
async fn a_stream_keeps_its_model_until_it_is_dropped() {
    let world = World::start(&[60, 60]);
    let request = || Arc::new(Request::new(ModelId::new("m")));
    let held = world.models[0].generate(request()).await.unwrap();
    let other = answer(&world.models[1]);
    tokio::pin!(other);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut other).await;
    assert!(early.is_err() && world.loads() == 1);
    drop(held);
    other.await.unwrap();
    assert_eq!((world.state("m0"), world.state("m1")), (ModelState::Unloaded, ModelState::Loaded));
}

#[tokio::test]
async fn a_load_that_fails_is_told_to_all_that_wait_and_not_tried_again_at_once() {
    let world = World::start(&[60]);
    world.kinds.broken.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let calls = (0..20).map(|_| answer(&world.models[0]));
        for answered in futures_util::future::join_all(calls).await {
            let fault = answered.unwrap_err();
            assert_eq!(fault.kind(), &Kind::NoCapacity);
            // The path in the file is the operator's business.
            assert!(!fault.message().contains("header") && fault.detail().unwrap().contains("it is broken"));
        }
    }
    assert_eq!(world.loads(), 1);
    let id = ModelId::new("m0");
    let status = world.loader.status(&id).unwrap();
    assert_eq!((status.state, status.fault.as_deref()), (ModelState::Failed, Some("header: it is broken")));
    // An operator who mended the file need not wait.
    world.kinds.broken.store(false, Ordering::SeqCst);
    world.loader.ask(&id).unwrap();
    eventually("it is loaded", || world.state("m0") == ModelState::Loaded).await;
    answer(&world.models[0]).await.unwrap();
}

#[tokio::test]
async fn a_model_that_cannot_fit_is_refused_with_sizes_and_the_flag() {
    let world = World::start(&[60, 101]);
    answer(&world.models[0]).await.unwrap();
    let fault = answer(&world.models[1]).await.unwrap_err();
    assert_eq!(fault.kind(), &Kind::NoCapacity);
    for part in ["101 MiB", "100 MiB", "--model-memory-max"] {
        assert!(fault.message().contains(part), "{fault}");
    }
    assert_eq!(world.state("m0"), ModelState::Loaded, "and nobody made way for it");
    let fault = world.loader.bring(2).await.unwrap_err();
    assert!(fault.message().contains("101 MiB"), "{fault}");
}

#[tokio::test]
async fn what_is_pinned_stays_and_says_so() {
    let world = World::start(&[60, 60, 30]);
    let [m0, m1] = ["m0", "m1"].map(ModelId::new);
    world.loader.pin(&m0, true).unwrap();
    eventually("a pinned model is loaded", || world.state("m0") == ModelState::Loaded).await;
    let fault = answer(&world.models[1]).await.unwrap_err();
    assert!(fault.message().contains("pinned"), "{fault}");
    assert_eq!(world.loader.pin(&m1, true).unwrap_err().kind(), &Kind::NoCapacity);
    assert!(world.loader.dismiss(&m0).unwrap_err().message().contains("Unpin"));
    answer(&world.models[2]).await.unwrap();
    world.loader.pin(&m0, false).unwrap();
    answer(&world.models[1]).await.unwrap();
    assert_eq!(world.state("m0"), ModelState::Unloaded);
}

#[tokio::test]
async fn a_call_that_is_given_up_waits_for_nothing() {
    let world = World::start(&[60, 60]);
    let held = world.models[0].generate(Arc::new(Request::new(ModelId::new("m")))).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(100), answer(&world.models[1])).await;
    assert!(waits.is_err());
    assert_eq!(world.loader.status(&ModelId::new("m1")).unwrap().waiting, 0);
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((world.loads(), world.state("m0")), (1, ModelState::Loaded));
}

#[tokio::test]
async fn waiting_has_an_end() {
    let kinds = Arc::new(Sizes::default());
    let limits = Limits { bytes_max: 100 * MB, wait: Duration::from_secs(1) };
    let loader = Arc::new(Loader::new(Arc::clone(&kinds) as _, limits));
    let models = declare(&loader, &[sized("m0", 60), sized("m1", 60)]);
    tokio::spawn(Arc::clone(&loader).work());
    let held = models[0].generate(Arc::new(Request::new(ModelId::new("m")))).await.unwrap();
    let fault = answer(&models[1]).await.unwrap_err();
    assert_eq!(fault.kind(), &Kind::Overloaded);
    drop(held);
    answer(&models[1]).await.unwrap();
}

#[tokio::test]
async fn a_new_declaration_keeps_what_is_loaded_and_lets_the_rest_go() {
    let world = World::start(&[30, 30]);
    for model in &world.models {
        answer(model).await.unwrap();
    }
    let renamed = Spec { name: "Another".to_owned(), ..sized("m0", 30) };
    let models = declare(&world.loader, &[renamed, sized("m2", 20)]);
    answer(&models[0]).await.unwrap();
    assert_eq!(world.loads(), 2);
    eventually("what is no longer declared goes", || world.loader.shelved().bytes <= 40 * MB).await;
    // A call that was placed before the declaration changed.
    assert_eq!(answer(&world.models[1]).await.unwrap_err().kind(), &Kind::NoCapacity);
    answer(&models[1]).await.unwrap();
    assert_eq!(world.loader.shelved().models.len(), 2);
}

#[tokio::test]
async fn a_model_is_dismissed_while_it_is_loaded_and_while_it_is_not() {
    let world = World::start(&[60]);
    let id = ModelId::new("m0");
    world.loader.ask(&id).unwrap();
    eventually("it is loading", || world.state("m0") == ModelState::Loading).await;
    assert_eq!(world.loader.status(&id).unwrap().percent, Some(50));
    world.loader.dismiss(&id).unwrap();
    eventually("it is gone again", || world.state("m0") == ModelState::Unloaded).await;
    assert_eq!(world.loader.dismiss(&id).unwrap().state, ModelState::Unloaded);
    assert_eq!(world.loads(), 1);
    assert_eq!(world.loader.dismiss(&ModelId::new("none")).unwrap_err().kind(), &Kind::UnknownModel);
}

/// A model of so many megabytes over another.
fn over(base: &str, name: &str, mb: u64) -> Spec {
    Spec { base: Some(ModelId::new(base)), ..sized(name, mb) }
}

#[tokio::test]
async fn a_tuned_model_brings_its_base_and_goes_with_it() {
    let world = World::start(&[]);
    let models = declare(&world.loader, &[sized("m0", 60), over("m0", "t0", 5), over("m0", "t1", 6)]);
    answer(&models[1]).await.unwrap();
    assert_eq!(world.loads(), 1);
    let shelved = world.loader.shelved();
    assert_eq!(shelved.bytes, 65 * MB, "{shelved:?}");
    let states = |world: &World| ["m0", "t0", "t1"].map(|id| world.state(id));
    assert_eq!(states(&world), [ModelState::Loaded, ModelState::Loaded, ModelState::Unloaded]);
    let status = world.loader.status(&ModelId::new("t0")).unwrap();
    assert_eq!((status.base, status.bytes), (Some(ModelId::new("m0")), 5 * MB));
    answer(&models[2]).await.unwrap();
    world.loader.dismiss(&ModelId::new("t0")).unwrap();
    eventually("it goes alone", || world.state("t0") == ModelState::Unloaded).await;
    assert_eq!(world.state("m0"), ModelState::Loaded);
    world.loader.dismiss(&ModelId::new("m0")).unwrap();
    eventually("all are gone", || states(&world) == [ModelState::Unloaded; 3]).await;
    assert_eq!(world.loader.shelved().bytes, 0);
    // Whoever pins a tuned model keeps its base.
    world.loader.pin(&ModelId::new("t1"), true).unwrap();
    eventually("it is back", || world.state("t1") == ModelState::Loaded).await;
    let fault = world.loader.dismiss(&ModelId::new("m0")).unwrap_err();
    assert!(fault.message().contains("t1 is pinned"), "{fault}");
}

#[tokio::test]
async fn what_breaks_is_told_to_those_that_need_it() {
    let world = World::start(&[]);
    let models = declare(&world.loader, &[sized("m0", 60), over("m0", "t0", 5)]);
    world.kinds.unfit.store(true, Ordering::SeqCst);
    let fault = answer(&models[1]).await.unwrap_err();
    assert!(fault.detail().unwrap().contains("does not fit"), "{fault}");
    assert_eq!((world.state("m0"), world.state("t0")), (ModelState::Loaded, ModelState::Failed));
    answer(&models[0]).await.unwrap();
    assert_eq!(world.loads(), 1);
    // A base that cannot be loaded is told to those that call what is tuned of it.
    let world = World::start(&[]);
    let models = declare(&world.loader, &[sized("m0", 60), over("m0", "t0", 5), over("m0", "t1", 5)]);
    world.kinds.broken.store(true, Ordering::SeqCst);
    for model in &models[1..] {
        let fault = answer(model).await.unwrap_err();
        assert!(fault.detail().unwrap().contains("it is broken"), "{fault}");
    }
    assert_eq!(world.loads(), 1, "it is not tried again at once");
    world.kinds.broken.store(false, Ordering::SeqCst);
    world.loader.ask(&ModelId::new("t1")).unwrap();
    eventually("it is loaded", || world.state("t1") == ModelState::Loaded).await;
}

#[tokio::test]
async fn another_base_of_the_same_id_is_another_model_to_be_tuned() {
    let world = World::start(&[]);
    let models = declare(&world.loader, &[sized("m0", 60), over("m0", "t0", 5)]);
    answer(&models[1]).await.unwrap();
    let models = declare(&world.loader, &[sized("m0", 30), over("m0", "t0", 5)]);
    answer(&models[1]).await.unwrap();
    assert_eq!(world.loads(), 2);
    eventually("the old ones are gone", || world.loader.shelved().bytes == 35 * MB).await;
}

#[tokio::test]
async fn tokens_are_counted_without_a_load() {
    let world = World::start(&[]);
    let models = declare(&world.loader, &[sized("m0", 60), over("m0", "t0", 5)]);
    let request = Request::new(ModelId::new("m"));
    for model in &models {
        assert_eq!(model.count(&request).await.unwrap(), crate::testing::PROMPT_TOKENS);
    }
    assert_eq!(world.loads(), 0);
    answer(&models[0]).await.unwrap();
    assert_eq!(models[1].count(&request).await.unwrap(), crate::testing::PROMPT_TOKENS);
    assert_eq!(world.state("t0"), ModelState::Unloaded, "its base counts for it");
}
