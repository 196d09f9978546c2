//! `outcrop usage`.

use std::path::Path;

use serde_json::json;
use server::Failure;
use server::admin::{self, Since, UsageRow};

use crate::args::{Format, Usage};
use crate::report;
use crate::table::{Column, render};

/// Prints what was used.
pub(crate) fn run(dir: &Path, usage: &Usage) -> Result<(), Failure> {
    let rows = admin::usage(dir, usage.since.unwrap_or(Since::Ever))?;
    report::data(&match usage.format {
        Format::Table => table(&rows),
        Format::Json => format!("{:#}\n", rows.iter().map(json).collect::<serde_json::Value>()),
    })
}

fn table(rows: &[UsageRow]) -> String {
    let numbers = ["REQUESTS", "FAILED", "INPUT", "OUTPUT", "TOTAL"].map(Column::Right);
    let [requests, failed, input, output, total] = numbers;
    let columns = [Column::Left("MODEL"), Column::Left("KEY"), requests, failed, input, output, total];
    let mut lines: Vec<_> = rows.iter().map(|row| line([&row.model, name(row)], row)).collect();
    if rows.len() > 1 {
        let mut sum = UsageRow { requests: 0, failed: 0, usage: canon::Usage::default(), ..rows[0].clone() };
        for row in rows {
            sum.requests += row.requests;
            sum.failed += row.failed;
            sum.usage = sum.usage + row.usage;
        }
        lines.push(line(["all", ""], &sum));
    }
    render(&columns, &lines)
}

/// A key without a name is one that the folder no longer knows.
fn name(row: &UsageRow) -> &str {
    if row.key_name.is_empty() { &row.key_id } else { &row.key_name }
}

fn line([model, key]: [&str; 2], row: &UsageRow) -> [String; 7] {
    let numbers = [row.requests, row.failed, row.usage.prompt(), row.usage.generated(), row.usage.total()];
    let [requests, failed, input, output, total] = numbers.map(|number| number.to_string());
    [model.to_owned(), key.to_owned(), requests, failed, input, output, total]
}

/// Token counters are named as Bedrock names them; `outputTokens` includes reasoning, as Bedrock's does.
fn json(row: &UsageRow) -> serde_json::Value {
    json!({
        "model": row.model,
        "keyId": row.key_id,
        "keyName": row.key_name,
        "requests": row.requests,
        "failed": row.failed,
        "cancelled": row.cancelled,
        "interrupted": row.interrupted,
        "inputTokens": row.usage.input,
        "cacheReadInputTokens": row.usage.cache_read,
        "cacheWriteInputTokens": row.usage.cache_write(),
        "outputTokens": row.usage.generated(),
        "totalTokens": row.usage.total(),
    })
}

#[cfg(test)]
mod tests;
