//! The composition root: `outcrop up` from its options to its end. Everything is made here, once, and handed to whoever
//! needs it; nothing is global.

mod adapters;
mod declared;
mod deployments;
mod signals;
mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::KvType;
use gateway::{Clock as _, Gateway};
use store::{DataDir, Store};

use crate::directory::Current;
use crate::edge::{BodyLimits, Edge, Managed};
use crate::health::Health;
use crate::listen::{Limits, Listener};
use crate::models::Progress;
use crate::places::ENDPOINT_FILE;
use crate::ports::{SystemEntropy, WallClock};
use crate::{Failure, tls};
pub use adapters::AdapterOption;
pub(crate) use declared::local_id;
pub(crate) use deployments::Deployments;

/// At most so many calls are under way at once, waiting and running together.
pub const CALLS_MAX: usize = 4096;

/// What `outcrop up` was asked for.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Names, besides this machine's own, that clients may use for it over TLS.
    pub tls_names: Vec<String>,
    /// Serve these files instead of the default model; the first is loaded before anything is served.
    pub models: Vec<PathBuf>,
    /// Serve these tuned models over them.
    pub adapters: Vec<AdapterOption>,
    /// Serve a model on this machine at all; without it, the estate must serve one.
    pub default_model: bool,
    /// The estate file.
    pub estate: Option<PathBuf>,
    /// The cache folder of known models; `None` takes the platform's.
    pub model_dir: Option<PathBuf>,
    /// What models in memory may take together, in bytes.
    pub model_memory_max: u64,
    /// How keys and values are kept, of models of which the estate says nothing else.
    pub model_kv: KvType,
    /// A model that nobody has called for so long is unloaded; `None` keeps it until its memory is wanted.
    pub model_idle: Option<Duration>,
    /// How long a call waits for its model to be loaded.
    pub model_wait: Duration,
    /// How long a stopping server waits for the answers that it has begun.
    pub grace: Duration,
    /// The engine's threads; `None` takes one a core.
    pub threads: Option<usize>,
}

/// A server that serves.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Its URL, with the port that it got.
    pub url: String,
    /// Its data folder.
    pub data_dir: PathBuf,
    /// The ids of its models.
    pub models: Vec<String>,
}

/// Serves until a signal ends it, and returns when every answer has left or the grace is over.
///
/// # Errors
/// What kept it from serving, with what to do about it.
pub async fn up(
    options: UpOptions,
    progress: &dyn Progress,
    on_ready: impl FnOnce(&Ready),
) -> Result<(), Failure> {
    // Before anything large is allocated, so that models that are unloaded are out of memory too.
    engine::return_large_buffers();
    let signals = signals::listen()?;
    let dir = DataDir::open(&options.data_dir).map_err(failed)?;
    let names = tls::Names::new(options.tls_names.clone());
    let certificates = tls::open(dir.path(), &names).map_err(|error| Failure::io(error.to_string()))?;
    let listener = bind(&options, certificates).await?;
    let deployments = Deployments::load(&options, progress).await?;
    let loading = tokio::spawn(Arc::clone(&deployments.loader).work());
    deployments.bring().await?;

    let (store, opened) =
        Store::open(&dir, &store::Options::default(), &SystemEntropy, WallClock.now_ms()).map_err(failed)?;
    if opened.recovered > 0 {
        tracing::warn!(calls = opened.recovered, "settled calls that an earlier process left open");
    }
    let store = Arc::new(store);
    if let Some(about) = deployments.describe() {
        store.records().note(store::Note::EstateLoaded(&about), WallClock.now_ms()).map_err(failed)?;
    }
    let directory = Arc::new(Current::default());
    directory.set_keys(store.records().keyring().map_err(failed)?);
    directory.set_catalog(deployments.catalog(None));
    let models = deployments.ids();

    let recorder = Arc::clone(&store);
    let health = Arc::new(Health::new(move || recorder.healthy()));
    let gateway = Gateway::new(
        Arc::clone(&directory) as _,
        Arc::clone(&store) as _,
        Arc::new(WallClock),
        Arc::new(SystemEntropy),
        CALLS_MAX,
    );
    let managed = Managed { loader: Arc::clone(&deployments.loader), records: Arc::clone(store.records()) };
    let edge = Edge::new(Arc::new(gateway), Arc::clone(&health), managed, BodyLimits::default());

    let url = format!("http://{}", listener.addr());
    let endpoint = Endpoint::write(dir.path(), &url)?;
    on_ready(&Ready { url, data_dir: options.data_dir.clone(), models });
    let keys = tokio::spawn(watch::keys(Arc::clone(store.records()), Arc::clone(&directory)));
    let reloads = watch::Reloads { deployments, directory, records: Arc::clone(store.records()) };

    let drained = listener.serve(edge.service(), signals.obey(health, reloads)).await;
    if drained.cut > 0 {
        tracing::warn!(connections = drained.cut, "were still at work when the grace was over");
    }
    drop(endpoint);
    keys.abort();
    loading.abort();
    end(store).await;
    Ok(())
}

async fn bind(options: &UpOptions, certificates: tls::Certificates) -> Result<Listener, Failure> {
    let limits = Limits { drain_grace: options.grace, ..Limits::default() };
    Listener::bind(options.listen, limits, Some(certificates)).await.map_err(|error| {
        Failure::unavailable(format!("cannot listen on {}: {error}", options.listen))
            .with_help("stop what listens there, or choose another address with --listen ADDRESS:PORT")
    })
}

/// The journal's last words are written on a thread of their own: it blocks.
async fn end(store: Arc<Store>) {
    if let Err(error) = tokio::task::spawn_blocking(move || store.close(WallClock.now_ms())).await {
        tracing::error!(%error, "the journal could not be closed");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` wants")]
fn failed(fault: canon::Fault) -> Failure {
    Failure::io(fault.detail().map_or_else(|| fault.to_string(), |detail| format!("{fault} ({detail})")))
}

/// The file that tells other programs where this server is, for as long as it is there.
struct Endpoint(PathBuf);

impl Endpoint {
    fn write(folder: &Path, url: &str) -> Result<Self, Failure> {
        let path = folder.join(ENDPOINT_FILE);
        std::fs::write(&path, format!("{url}\n"))
            .map_err(|error| Failure::io(format!("cannot write {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "could not be removed");
        }
    }
}
