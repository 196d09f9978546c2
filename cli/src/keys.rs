//! `outcrop keys`.

use std::path::Path;

use canon::Secret;
use serde_json::json;
use server::Failure;
use server::admin::{self, KeyRow, Minted, NewKey};

use crate::args::{Format, Keys, KeysCommand};
use crate::report;
use crate::table::{Column, render};
use crate::time::format_minute;

/// Makes, lists or revokes keys.
pub(crate) fn run(dir: &Path, keys: Keys) -> Result<(), Failure> {
    match keys.what {
        KeysCommand::Create { name, models, expires, format } => {
            let minted = admin::create_key(dir, &NewKey { name, models, lifetime: expires })?;
            report::note("the secrets are shown this once; who has them can use the key\n");
            report::data(&secrets(&minted, format))
        }
        KeysCommand::List { format } => report::data(&list(&admin::keys(dir)?, format)),
        KeysCommand::Revoke { id } => report::data(&format!("{}\n", admin::revoke_key(dir, &id)?)),
    }
}

fn secrets(minted: &Minted, format: Format) -> String {
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    let id = minted.access_key_id.as_str();
    let (secret, api_key) = (text(&minted.secret_access_key), text(&minted.api_key));
    match format {
        Format::Table => {
            format!("access key id      {id}\nsecret access key  {secret}\nAPI key            {api_key}\n")
        }
        Format::Json => {
            format!("{:#}\n", json!({ "accessKeyId": id, "secretAccessKey": secret, "apiKey": api_key }))
        }
    }
}

fn list(rows: &[KeyRow], format: Format) -> String {
    match format {
        Format::Table => {
            let columns = ["ID", "NAME", "STATE", "MODELS", "MADE (UTC)", "EXPIRES (UTC)"].map(Column::Left);
            render(&columns, &rows.iter().map(line).collect::<Vec<_>>())
        }
        Format::Json => format!("{:#}\n", rows.iter().map(json).collect::<serde_json::Value>()),
    }
}

fn line(row: &KeyRow) -> [String; 6] {
    let expires = row.expires_ms.map_or_else(|| "never".to_owned(), format_minute);
    let state = row.state.name().to_owned();
    [row.id.clone(), row.name.clone(), state, row.models.join(","), format_minute(row.created_ms), expires]
}

fn json(row: &KeyRow) -> serde_json::Value {
    json!({
        "id": row.id,
        "name": row.name,
        "state": row.state.name(),
        "models": row.models,
        "createdMs": row.created_ms,
        "expiresMs": row.expires_ms,
    })
}
