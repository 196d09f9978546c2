use super::*;

fn row(model: &str, key_name: &str, usage: canon::Usage) -> UsageRow {
    UsageRow {
        model: model.into(),
        key_id: "AKIA2".into(),
        key_name: key_name.into(),
        requests: 3,
        failed: 1,
        cancelled: 0,
        interrupted: 0,
        usage,
    }
}

#[test]
fn several_rows_end_with_their_sum() {
    let cached = canon::Usage { cache_read: 10, reasoning: 5, ..canon::Usage::plain(7, 9) };
    let rows = [row("meta.a-v1:0", "root", canon::Usage::plain(100, 20)), row("b", "", cached)];
    assert_eq!(
        table(&rows),
        "MODEL        KEY    REQUESTS  FAILED  INPUT  OUTPUT  TOTAL\n\
         meta.a-v1:0  root          3       1    100      20    120\n\
         b            AKIA2         3       1     17      14     31\n\
         all                        6       2    117      34    151\n"
    );
    assert_eq!(table(&[]), "MODEL  KEY  REQUESTS  FAILED  INPUT  OUTPUT  TOTAL\n");
}

#[test]
fn counters_are_named_as_bedrock_names_them() {
    let value =
        json(&row("b", "", canon::Usage { cache_read: 10, reasoning: 5, ..canon::Usage::plain(7, 9) }));
    for (name, expected) in [
        ("requests", 3),
        ("inputTokens", 7),
        ("cacheReadInputTokens", 10),
        ("outputTokens", 14),
        ("totalTokens", 31),
    ] {
        assert_eq!(value[name], expected, "{name}");
    }
}
