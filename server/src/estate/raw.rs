//! The first phase: what the file says.

use std::ops::Range;
use std::time::Duration;

use canon::Capabilities;
use providers::Deadlines;
use providers::openai::Dialect;
use toml::Spanned;
use toml::de::DeTable;

use super::fault::{Complaint, EstateFault, Sheet};
use super::table::Table;
use super::{DEPLOYMENTS_MAX, MODELS_MAX, PROVIDERS_MAX};

/// The longest time to wait for anything: a day.
const WAIT_MS_MAX: u64 = 86_400_000;
/// Calls at once, tokens of a context: no machine of today comes near.
const COUNT_MAX: u64 = 1_000_000_000;
/// Memory for keys and values: 16 TiB.
const KV_MIB_MAX: u64 = 1 << 24;

#[derive(Debug)]
pub(super) struct RawEstate {
    pub(super) providers: Vec<RawProvider>,
    pub(super) deployments: Vec<RawDeployment>,
    pub(super) models: Vec<RawModel>,
}

#[derive(Debug)]
pub(super) struct RawProvider {
    pub(super) name: Spanned<String>,
    pub(super) kind: Spanned<String>,
    pub(super) base_url: Spanned<String>,
    pub(super) api_key: Option<RawSecret>,
    pub(super) dialect: Option<Spanned<String>>,
    pub(super) counter: Option<Spanned<String>>,
    pub(super) takes: Set<Dialect, bool, bool>,
    pub(super) waits: Set<Deadlines, Duration, u64>,
}

/// Where a secret lies. The file itself never holds one.
#[derive(Debug)]
pub(super) enum RawSecret {
    Env(Spanned<String>),
    File(Spanned<String>),
}

#[derive(Debug)]
pub(super) struct RawDeployment {
    pub(super) span: Range<usize>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) model: Spanned<String>,
    pub(super) provider: Spanned<String>,
    pub(super) upstream_model: Spanned<String>,
    pub(super) capabilities: Set<Capabilities, bool, bool>,
    pub(super) context_tokens_max: Option<u64>,
    pub(super) calls_max: Option<u64>,
}

#[derive(Debug)]
pub(super) struct RawModel {
    pub(super) id: Spanned<String>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) base: Option<Spanned<String>>,
    pub(super) adapter: Option<Spanned<String>>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) pin: bool,
    pub(super) context_tokens_max: Option<u64>,
    pub(super) kv_mib_max: Option<u64>,
    pub(super) kv: Option<Spanned<String>>,
    pub(super) idle_s: Option<u64>,
}

/// A key and the member that it sets.
type Member<T, V> = (&'static str, fn(&mut T) -> &mut V);
/// Members, each with what the file sets it to.
type Set<T, V, S> = Vec<(fn(&mut T) -> &mut V, S)>;

/// What `takes` can say of a provider's dialect.
const TAKES: [Member<Dialect, bool>; 12] = [
    ("top_k", |d| &mut d.top_k),
    ("seed", |d| &mut d.seed),
    ("penalties", |d| &mut d.penalties),
    ("schemas", |d| &mut d.schemas),
    ("parallel_tools", |d| &mut d.parallel_tools),
    ("required_tools", |d| &mut d.required_tools),
    ("reasoning", |d| &mut d.reasoning),
    ("stream_usage", |d| &mut d.stream_usage),
    ("effort", |d| &mut d.effort),
    ("tier", |d| &mut d.tier),
    ("metadata", |d| &mut d.metadata),
    ("user", |d| &mut d.user),
];
/// What `capabilities` can say of a model.
const CAPABILITIES: [Member<Capabilities, bool>; 7] = [
    ("images", |c| &mut c.images),
    ("audio_video", |c| &mut c.audio_video),
    ("documents", |c| &mut c.documents),
    ("tools", |c| &mut c.tools),
    ("schemas", |c| &mut c.schemas),
    ("reasoning", |c| &mut c.reasoning),
    ("citations", |c| &mut c.citations),
];
/// How long to wait for a provider, in milliseconds.
const WAITS: [Member<Deadlines, Duration>; 4] = [
    ("connect_ms", |d| &mut d.connect),
    ("first_event_ms", |d| &mut d.first_event),
    ("idle_ms", |d| &mut d.idle),
    ("whole_ms", |d| &mut d.whole),
];

pub(super) fn read(sheet: &Sheet<'_>) -> Result<RawEstate, EstateFault> {
    let file = DeTable::parse(sheet.text).map_err(|error| {
        let message =
            format!("does not read as TOML: {}", error.message().lines().next().unwrap_or_default());
        let remedy = "docs/reference/estate.md shows a whole file.";
        sheet.fault(error.span().unwrap_or_default(), "", Complaint::new(message, remedy))
    })?;
    let mut file = Table::new(sheet, String::new(), file);
    let providers = file.tables("provider", PROVIDERS_MAX)?;
    let deployments = file.tables("deployment", DEPLOYMENTS_MAX)?;
    let models = file.tables("model", MODELS_MAX)?;
    file.end()?;
    Ok(RawEstate {
        providers: providers.into_iter().map(provider).collect::<Result<_, _>>()?,
        deployments: deployments.into_iter().map(deployment).collect::<Result<_, _>>()?,
        models: models.into_iter().map(model).collect::<Result<_, _>>()?,
    })
}

fn provider(mut table: Table<'_, '_>) -> Result<RawProvider, EstateFault> {
    let name = table.need("name", "vllm")?;
    let kind = table.need("kind", "openai")?;
    let base_url = table.need("base_url", "http://127.0.0.1:8000/v1")?;
    let api_key = table.table("api_key", "{ env = \"VLLM_API_KEY\" }")?.map(secret).transpose()?;
    let (dialect, counter) = (table.text("dialect")?, table.text("counter")?);
    let takes = table.table("takes", "{ seed = true }")?.map(|takes| switches(takes, &TAKES)).transpose()?;
    let mut waits = Vec::new();
    for (key, member) in WAITS {
        waits.extend(table.number(key, 1..=WAIT_MS_MAX)?.map(|ms| (member, ms)));
    }
    table.end()?;
    Ok(RawProvider {
        name,
        kind,
        base_url,
        api_key,
        dialect,
        counter,
        takes: takes.unwrap_or_default(),
        waits,
    })
}

fn deployment(mut table: Table<'_, '_>) -> Result<RawDeployment, EstateFault> {
    let model = table.need("model", "meta.llama3-1-8b-instruct-v1:0")?;
    let provider = table.need("provider", "vllm")?;
    let upstream_model = table.need("upstream_model", "meta-llama/Llama-3.1-8B-Instruct")?;
    let name = table.text("name")?;
    let can = table
        .table("capabilities", "{ images = true }")?
        .map(|can| switches(can, &CAPABILITIES))
        .transpose()?;
    let context_tokens_max = table.number("context_tokens_max", 1..=COUNT_MAX)?;
    let calls_max = table.number("calls_max", 1..=COUNT_MAX)?;
    let span = table.end()?;
    let capabilities = can.unwrap_or_default();
    Ok(RawDeployment {
        span,
        name,
        model,
        provider,
        upstream_model,
        capabilities,
        context_tokens_max,
        calls_max,
    })
}

fn model(mut table: Table<'_, '_>) -> Result<RawModel, EstateFault> {
    let id = table.need("id", "acme.tiny-v1:0")?;
    let (path, name) = (table.text("path")?, table.text("name")?);
    let (base, adapter) = (table.text("base")?, table.text("adapter")?);
    let pin = table.truth("pin")?.unwrap_or(false);
    let context_tokens_max = table.number("context_tokens_max", 1..=COUNT_MAX)?;
    let kv_mib_max = table.number("kv_mib_max", 1..=KV_MIB_MAX)?;
    let kv = table.text("kv")?;
    let idle_s = table.number("idle_s", 1..=WAIT_MS_MAX / 1000)?;
    table.end()?;
    Ok(RawModel { id, path, base, adapter, name, pin, context_tokens_max, kv_mib_max, kv, idle_s })
}

fn secret(mut table: Table<'_, '_>) -> Result<RawSecret, EstateFault> {
    let (env, file) = (table.text("env")?, table.text("file")?);
    match (env, file) {
        (Some(name), None) => table.end().map(|_| RawSecret::Env(name)),
        (None, Some(path)) => table.end().map(|_| RawSecret::File(path)),
        _ => {
            let remedy = "Write { env = \"NAME\" } for a variable, or { file = \"PATH\" } for a file.";
            Err(table.complain(Complaint::new("takes one of env and file", remedy)))
        }
    }
}

fn switches<T>(
    mut table: Table<'_, '_>,
    known: &[Member<T, bool>],
) -> Result<Set<T, bool, bool>, EstateFault> {
    let mut switches = Vec::new();
    for (key, member) in known {
        switches.extend(table.truth(key)?.map(|truth| (*member, truth)));
    }
    table.end()?;
    Ok(switches)
}
