//! The JSON of `/outcrop/v1/models`, as the server writes it and the program's own client reads it.

use canon::ModelId;
use serde::{Deserialize, Serialize};

use super::{ModelState, ModelStatus, Shelved};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShelvedRecord {
    memory_bytes_max: u64,
    memory_bytes: u64,
    models: Vec<ModelRecord>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelRecord {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    state: String,
    pinned: bool,
    memory_bytes: u64,
    context_tokens: u64,
    calls: u64,
    waiting: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    load_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl Shelved {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let record = ShelvedRecord {
            memory_bytes_max: self.bytes_max,
            memory_bytes: self.bytes,
            models: self.models.iter().map(record).collect(),
        };
        serde_json::to_vec(&record).unwrap_or_default()
    }

    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let record: ShelvedRecord = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(Self {
            bytes_max: record.memory_bytes_max,
            bytes: record.memory_bytes,
            models: record.models.into_iter().map(status).collect::<Result<_, _>>()?,
        })
    }
}

impl ModelStatus {
    /// As the server's API writes it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(record(self)).unwrap_or_default()
    }

    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string()).and_then(status)
    }
}

fn record(model: &ModelStatus) -> ModelRecord {
    ModelRecord {
        id: model.id.to_string(),
        base: model.base.as_ref().map(ToString::to_string),
        state: model.state.name().to_owned(),
        pinned: model.pinned,
        memory_bytes: model.bytes,
        context_tokens: model.context_tokens,
        calls: model.calls,
        waiting: model.waiting,
        percent: model.percent,
        load_ms: model.load_ms,
        idle_ms: model.idle_ms,
        fault: model.fault.clone(),
    }
}

fn status(record: ModelRecord) -> Result<ModelStatus, String> {
    let state = ModelState::ALL.into_iter().find(|state| state.name() == record.state);
    Ok(ModelStatus {
        id: ModelId::new(record.id),
        base: record.base.map(ModelId::new),
        state: state.ok_or_else(|| format!("a model cannot be {:?}", record.state))?,
        pinned: record.pinned,
        bytes: record.memory_bytes,
        context_tokens: record.context_tokens,
        calls: record.calls,
        waiting: record.waiting,
        percent: record.percent,
        load_ms: record.load_ms,
        idle_ms: record.idle_ms,
        fault: record.fault,
    })
}

#[cfg(test)]
mod tests;
