use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use canon::Fault;
use serde::Deserialize;

use super::SafeTensors;
use crate::mapped::Mapped;

/// The file of a model that is one.
const WHOLE: &str = "model.safetensors";
/// The file that says in which shard each tensor is.
const INDEX: &str = "model.safetensors.index.json";
/// A line for each of 65,536 tensors takes less.
const INDEX_BYTES_MAX: usize = 16 << 20;
/// More shards than any model has.
const SHARDS_MAX: usize = 4096;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Opens a folder.
pub(super) fn open(folder: &Path) -> Result<SafeTensors, Fault> {
    let whole = folder.join(WHOLE);
    if whole.exists() {
        return SafeTensors::open(&whole);
    }
    let index = folder.join(INDEX);
    if !index.exists() {
        let problem = format!("holds neither {WHOLE} nor {INDEX}");
        return Err(Fault::malformed(folder.display().to_string(), problem));
    }
    let wrong = |problem: String| Fault::malformed(INDEX, problem);
    let bytes = Mapped::open(&index)?;
    if bytes.len() > INDEX_BYTES_MAX {
        return Err(wrong(format!("has {} bytes; at most {INDEX_BYTES_MAX} are read", bytes.len())));
    }
    let index: Index =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("is no index of shards: {error}")))?;
    let shards: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    if shards.is_empty() || shards.len() > SHARDS_MAX {
        return Err(wrong(format!("names {} shards; 1 to {SHARDS_MAX} are read", shards.len())));
    }
    let mut all = SafeTensors { files: Vec::new(), places: BTreeMap::new() };
    for shard in &shards {
        if !is_plain(shard) {
            return Err(wrong(format!("the shard {shard:?} is no file of this folder")));
        }
        let path = folder.join(shard);
        if !path.exists() {
            return Err(wrong(format!("the shard {shard} is missing; fetch it again")));
        }
        all.add(Mapped::open(&path)?).map_err(|fault| in_file(shard, &fault))?;
    }
    for (name, shard) in &index.weight_map {
        let found = all
            .places
            .get(name)
            .is_some_and(|(number, _)| shards.iter().nth(*number) == Some(&shard.as_str()));
        if !found {
            return Err(wrong(format!("the tensor {name} is not in {shard}")));
        }
    }
    Ok(all)
}

/// Whether a name leads to a file of the folder itself, and nowhere else.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

fn in_file(file: &str, fault: &Fault) -> Fault {
    Fault::new(fault.kind().clone(), format!("{file}: {}", fault.message()))
}
