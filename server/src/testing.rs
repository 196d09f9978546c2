//! What the tests of the edge and of the composition root share: a whole server, with real sockets and a real store,
//! whose model plays what a test tells it to.

mod client;
mod model;
mod shelf;
mod tuned;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{ENTROPY_BYTES, Key, Pattern};
use canon::{Modality, ModelCard, ModelId, Usage};
use gateway::catalog::{Catalog, Deployment, Load};
use gateway::{Clock as _, Entropy as _, Gateway};
use store::{DataDir, Durability, Period, Records, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::UpOptions;
use crate::directory::Current;
use crate::edge::{BodyLimits, Edge, Managed};
use crate::health::Health;
use crate::listen::{Drained, Limits, Listener};
use crate::local::Loader;
use crate::ports::{SystemEntropy, WallClock};

pub(crate) use client::{Call, Client, Document, Reply, Version};
pub(crate) use model::{Feed, PROMPT_TOKENS, Scripted, text};
pub(crate) use shelf::{Sizes, sized};
pub(crate) use tuned::{small_adapter, small_model};

/// The model that is served.
pub(crate) const MODEL: &str = "acme.tiny-v1:0";
/// The model that makes embeddings. It plays the same scripts.
pub(crate) const EMBEDDER: &str = "acme.vectors-v1:0";
/// Longer than anything here takes, and short enough to wait for when it hangs.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// What a test may want otherwise.
pub(crate) struct Setup {
    pub(crate) store: store::Options,
    pub(crate) bodies: BodyLimits,
    pub(crate) calls_max: usize,
    /// The models that are managed; by default one that stands for [`MODEL`].
    pub(crate) loader: Option<Arc<Loader>>,
}

impl Default for Setup {
    fn default() -> Self {
        // No test here pulls the plug, so none need wait for the disk.
        let store = store::Options { durability: Durability::Normal, ..store::Options::default() };
        Self { store, bodies: BodyLimits::default(), calls_max: 256, loader: None }
    }
}

/// A server and everything that a test looks at or turns.
pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) model: Arc<Scripted>,
    pub(crate) load: Arc<Load>,
    pub(crate) loader: Arc<Loader>,
    pub(crate) store: Arc<Store>,
    pub(crate) health: Arc<Health>,
    pub(crate) directory: Arc<Current>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) api_key: String,
    shutdown: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Drained>,
    pub(crate) folder: Arc<tempfile::TempDir>,
}

/// Calls on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) open: u64,
    pub(crate) usage: Usage,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), setup).await
    }

    /// A server on a data folder that may hold something already.
    pub(crate) async fn on(folder: Arc<tempfile::TempDir>, setup: Setup) -> Self {
        let dir = DataDir::open(folder.path()).unwrap();
        let (store, _) = Store::open(&dir, &setup.store, &SystemEntropy, WallClock.now_ms()).unwrap();
        let store = Arc::new(store);
        let api_key = dir.credentials().unwrap().unwrap().api_key;

        let (model, load) = (Arc::new(Scripted::default()), Arc::new(Load::default()));
        let mut catalog = Catalog::default();
        for (id, makes) in [(MODEL, Modality::Text), (EMBEDDER, Modality::Embedding)] {
            let backend = Arc::clone(&model) as _;
            catalog.add(
                card(id, makes),
                Deployment { name: "scripted".into(), backend, load: Arc::clone(&load) },
            );
        }
        let directory = Arc::new(Current::default());
        directory.set_catalog(catalog);
        directory.set_keys(store.records().keyring().unwrap());

        let recorder = Arc::clone(&store);
        let health = Arc::new(Health::new(move || recorder.healthy()));
        let gateway = Arc::new(Gateway::new(
            Arc::clone(&directory) as _,
            Arc::clone(&store) as _,
            Arc::new(WallClock),
            Arc::new(SystemEntropy),
            setup.calls_max,
        ));
        let loader = setup.loader.unwrap_or_else(shelf);
        let managed = Managed { loader: Arc::clone(&loader), records: Arc::clone(store.records()) };
        let edge = Edge::new(Arc::clone(&gateway), Arc::clone(&health), managed, setup.bodies);
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), Limits::default(), None).await.unwrap();
        let addr = listener.addr();
        let (shutdown, stopped) = oneshot::channel::<()>();
        let ended =
            tokio::spawn(async move { listener.serve(edge.service(), async { _ = stopped.await }).await });
        let api_key = String::from_utf8(api_key.expose().to_vec()).unwrap();
        let shutdown = Some(shutdown);
        Self {
            addr,
            model,
            load,
            loader,
            store,
            health,
            directory,
            gateway,
            api_key,
            shutdown,
            ended,
            folder,
        }
    }

    /// A call with the first key.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        Call::new(method, path).key(&self.api_key)
    }

    /// A call of Converse, or of its stream.
    pub(crate) fn converse(&self, stream: bool, prompt: &str) -> Call {
        let operation = if stream { "converse-stream" } else { "converse" };
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"{prompt}"}}]}}]}}"#);
        self.call("POST", &format!("/model/{MODEL}/{operation}")).body(body)
    }

    pub(crate) async fn client(&self, version: Version) -> Client {
        Client::connect(self.addr, version).await
    }

    /// Sends one call over a connection of its own and reads the answer to its end.
    pub(crate) async fn send(&self, call: Call) -> Reply {
        self.send_as(Version::Http1, call).await
    }

    pub(crate) async fn send_as(&self, version: Version, call: Call) -> Reply {
        let mut client = self.client(version).await;
        Reply::read(client.send(call).await).await
    }

    pub(crate) fn books(&self) -> Books {
        let records = self.store.records();
        for _ in 0..100 {
            let rows = records.usage(Period::EVER).unwrap();
            let verdict = records.verify(None).unwrap();
            assert!(verdict.is_intact(), "{verdict:?}");
            let sum = |of: fn(&store::UsageRow) -> u64| rows.iter().map(of).sum::<u64>();
            let (failed, cancelled) = (sum(|row| row.failed), sum(|row| row.cancelled));
            let interrupted = sum(|row| row.interrupted);
            if verdict.receipts != sum(|row| row.requests) {
                // A receipt came between the two looks.
                continue;
            }
            return Books {
                completed: verdict.receipts - failed - cancelled - interrupted,
                failed,
                cancelled,
                open: verdict.open,
                usage: rows.iter().map(|row| row.usage).sum(),
            };
        }
        panic!("there are not as many receipts as settled calls");
    }

    /// Nothing is under way any more, and nothing is set aside for it.
    pub(crate) async fn rests(&self) {
        eventually("every call gives its place back", || self.gateway.calls() == 0).await;
        assert_eq!(self.load.tokens(), 0);
    }

    /// Begins the end, as a signal does.
    pub(crate) fn shut_down(&mut self) {
        self.health.drain();
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn ended(&mut self) -> Drained {
        tokio::time::timeout(HANG, &mut self.ended).await.expect("the listener hangs").unwrap()
    }
}

/// Options that serve nothing yet.
pub(crate) fn options(folder: &Path) -> UpOptions {
    UpOptions {
        data_dir: folder.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        tls_names: Vec::new(),
        models: Vec::new(),
        adapters: Vec::new(),
        default_model: false,
        estate: None,
        model_dir: None,
        model_memory_max: 1 << 30,
        model_kv: engine::KvType::F16,
        model_idle: None,
        model_wait: Duration::from_secs(1),
        grace: Duration::ZERO,
        threads: None,
    }
}

/// Makes a key as another process does, and returns what proves its possession.
pub(crate) fn new_key(records: &Records, name: &str, models: &str) -> String {
    let mut entropy = [0; ENTROPY_BYTES];
    SystemEntropy.fill(&mut entropy);
    let (key, minted) = Key::mint(name, vec![Pattern::new(models)], WallClock.now_ms(), &entropy);
    records.create_key(&key).unwrap();
    String::from_utf8(minted.api_key.expose().to_vec()).unwrap()
}

/// A shelf with one model on it, which bears the name of the one that is served and is not in memory yet.
fn shelf() -> Arc<Loader> {
    let limits = crate::local::Limits { bytes_max: 64 << 20, wait: HANG };
    let loader = Arc::new(Loader::new(Arc::new(Sizes::default()), limits));
    let spec = sized(MODEL, 1);
    let outlined = loader.outline(&spec).unwrap();
    loader.declare(vec![(spec, outlined)]);
    tokio::spawn(Arc::clone(&loader).work());
    loader
}

fn card(id: &str, makes: Modality) -> ModelCard {
    ModelCard {
        id: ModelId::new(id),
        name: "Tiny".into(),
        provider: "Acme".into(),
        input: vec![Modality::Text],
        output: vec![makes],
        context_tokens_max: Some(64),
        since_ms: 0,
    }
}

/// Waits until `is`.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is() {
        assert!(began.elapsed() < HANG, "it does not come about that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
