use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Benched, millis};
use crate::Failure;

/// In the data folder: what each model that was measured here can do. One object, a member for each model by its id, each
/// as [`Benched::json`] says. Another measurement of a model replaces the last.
pub const CAPACITY_FILE: &str = "capacity.json";

pub(super) fn json(benched: &Benched) -> Value {
    let Benched { model, at_ms, quick, measured } = benched;
    let (limits, load) = (&measured.limits, &measured.load);
    let decode = |line: &(usize, f64)| {
        let [products, memory] = measured.decode_shares(*line);
        json!({
            "streams": line.0,
            "tokensPerSecond": rounded(line.1),
            "ofProducts": share(products),
            "ofMemory": share(memory),
        })
    };
    json!({
        "model": model.as_str(),
        "measuredMs": at_ms,
        "quick": quick,
        "inputTokensPerMinute": load.capacity_input_per_min.round(),
        "outputTokensPerMinute": load.capacity_output_per_min.round(),
        "trace": load.shape,
        "threads": limits.threads,
        "limits": {
            "instructions": limits.instructions,
            "int8MacsPerSecond": limits.int8_macs_per_s.round(),
            "streamBytesPerSecond": limits.stream_bytes_per_s.round(),
        },
        "prefill": {
            "tokensPerSecond": rounded(measured.prefill_tokens_per_s),
            "ofProducts": share(measured.prefill_share()),
        },
        "decode": measured.decode_tokens_per_s.iter().map(decode).collect::<Vec<_>>(),
        "load": {
            "requestsPerSecond": share(load.requests_per_s),
            "firstTokenMs": {"p50": millis(load.first_s[0]), "p99": millis(load.first_s[1])},
            "betweenTokensMs": {"p50": millis(load.gap_s[0]), "p99": millis(load.gap_s[1])},
            "failed": load.failed,
        },
        "tokensPerJoule": measured.joules_per_token.map(|joules| share(1.0 / joules)),
    })
}

/// To a tenth.
fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// To a ten-thousandth.
fn share(figure: f64) -> f64 {
    (figure * 1e4).round() / 1e4
}

/// Writes the measurement beside those of other models. The file is replaced whole.
pub(super) fn keep(dir: &Path, benched: &Benched) -> Result<(), Failure> {
    let path = dir.join(CAPACITY_FILE);
    let failed = |error: io::Error| {
        Failure::io(format!("{}: {error}", path.display()))
            .with_help("name another folder with --data-dir DIR")
    };
    let mut all: Map<String, Value> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} is not what outcrop bench wrote: {error}", path.display());
            Failure::usage(message).with_help("remove it, and measure again")
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(failed(error)),
    };
    all.insert(benched.model.as_str().to_owned(), json(benched));
    let replace = || {
        fs::create_dir_all(dir)?;
        let fresh = path.with_extension("json.new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "{:#}", Value::Object(all))?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    replace().map_err(failed)
}
