use std::sync::Arc;

use canon::{Json, Sampling};
use serde_json::{Value, json};

use super::{Grammars, Guide, Offer, Shape};
use crate::fixture;
use crate::sampler::{Random, Sampler};
use crate::tokenizer::Tokenizer;

/// A model that knows nothing: every token is as likely as any other, but for noise.
struct Noise {
    tokenizer: Arc<Tokenizer>,
    grammars: Arc<Grammars>,
}

/// Ten schemas of growing difficulty.
pub(crate) fn schemas() -> Vec<Value> {
    serde_json::from_str(include_str!("../../tests/golden/schemas.json")).unwrap()
}

impl Noise {
    fn new() -> Self {
        let tokenizer = Arc::new(fixture::tokenizer());
        let grammars = Arc::new(Grammars::new(&tokenizer).unwrap());
        Self { tokenizer, grammars }
    }

    fn guide(&self, shape: &Shape<'_>, tokens_max: usize) -> Guide {
        self.grammars.guide(&self.tokenizer, shape, tokens_max).unwrap()
    }

    /// What it answers with, and whether it came to an end.
    fn answer(&self, shape: &Shape<'_>, tokens_max: usize, seed: u64) -> (String, bool) {
        let mut guide = self.guide(shape, tokens_max);
        let mut sampler =
            Sampler::new(&Sampling { temperature: Some(1.0), seed: Some(seed), ..Sampling::default() }, 0);
        let mut noise = Random::seeded(seed);
        let mut tokens = Vec::new();
        for left in (1..=tokens_max).rev() {
            let mut logits: Vec<f32> = (0..self.tokenizer.len()).map(|_| noise.unit() as f32 * 4.0).collect();
            match guide.choose(&mut sampler, &mut logits, left).unwrap() {
                Some(token) if !self.tokenizer.ends().contains(&token) => tokens.push(token),
                _ => break,
            }
            if guide.is_complete() {
                break;
            }
        }
        (self.tokenizer.decode(&tokens), guide.may_end().unwrap())
    }
}

fn json(value: &Value) -> Json {
    Json::from_text(value.to_string())
}

fn offer<'r>(name: &'r str, schema: &'r Json) -> Offer<'r> {
    Offer { name, schema, path: format!("tools.{name}"), lenient: false }
}

#[test]
fn an_answer_that_fits_is_always_completed_whatever_the_model_says() {
    let noise = Noise::new();
    for (at, schema) in schemas().iter().enumerate() {
        let validator =
            jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap();
        let schema = json(schema);
        for seed in 0..8 {
            let tokens_max = 400 + 40 * usize::try_from(seed).unwrap();
            let (text, ended) = noise.answer(&Shape::Json(&schema, "output"), tokens_max, seed);
            assert!(ended, "schema {at}: {text}");
            let value: Result<Value, _> = serde_json::from_str(&text);
            assert!(value.is_ok(), "schema {at}: {text}");
            assert!(validator.is_valid(&value.unwrap()), "schema {at}: {text}");
        }
    }
}

#[test]
fn an_answer_that_cannot_fit_is_cut() {
    let schema = json(&json!({ "type": "string", "minLength": 50 }));
    let (text, ended) = Noise::new().answer(&Shape::Json(&schema, "output"), 10, 1);
    assert!(!ended, "{text}");
}

#[test]
fn a_forced_call_is_one_call_of_a_tool_that_was_offered() {
    let noise = Noise::new();
    let schema =
        json(&json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] }));
    let tools = [offer("first", &schema), offer("second", &schema)];
    for seed in 0..20 {
        let (text, ended) = noise.answer(&Shape::Call(&tools), 80, seed);
        assert!(ended);
        let call: Value = serde_json::from_str(&text).unwrap();
        assert!(["first", "second"].contains(&call["name"].as_str().unwrap()), "{text}");
        assert!(call["arguments"]["n"].is_i64(), "{text}");
    }
}

/// Whether a text is an answer of this shape.
fn takes(noise: &Noise, shape: &Shape<'_>, text: &str) -> bool {
    let mut guide = noise.guide(shape, 1000);
    let mut left = 1000;
    for token in noise.tokenizer.encode(text) {
        let mut logits = vec![f32::NEG_INFINITY; noise.tokenizer.len()];
        logits[token as usize] = 0.0;
        let mut sampler = Sampler::new(&Sampling::default(), 0);
        if guide.choose(&mut sampler, &mut logits, left).ok().flatten() != Some(token) {
            return false;
        }
        left -= 1;
    }
    guide.may_end().unwrap()
}

#[test]
fn text_is_free_and_calls_within_it_are_held_to_their_schemas() {
    let noise = Noise::new();
    let schema =
        json(&json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] }));
    let tools = [offer("add", &schema)];
    let call = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"n\": 1}}\n</tool_call>";
    let bad = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"n\": \"1\"}}\n</tool_call>";
    for (text, many, fits) in [
        ("", true, true),
        ("hello <tool world> <tool_cal", true, true),
        (call, true, true),
        (&format!("I call.\n{call}"), true, true),
        (&format!("{call}\n{call}"), true, true),
        (&format!("{call}\n{call}"), false, false),
        (bad, true, false),
        ("say <tool_call>", true, false),
        ("<tool_call>\n{\"name\": \"sub\", \"arguments\": {}}\n</tool_call>", true, false),
    ] {
        let shape = Shape::TextOrCalls { tools: &tools, answer: None, many };
        assert_eq!(takes(&noise, &shape, text), fits, "{text}");
    }
    let answer =
        json(&json!({ "type": "object", "properties": { "a": { "type": "null" } }, "required": ["a"] }));
    let shape = Shape::TextOrCalls { tools: &tools, answer: Some((&answer, "output")), many: false };
    for (text, fits) in [("{\"a\": null}", true), (call, true), ("hello", false)] {
        assert_eq!(takes(&noise, &shape, text), fits, "{text}");
    }
}

#[test]
fn a_schema_that_cannot_be_held_to_is_refused_by_its_place() {
    let noise = Noise::new();
    for (schema, problem) in [
        ("[1]", "is no JSON Schema"),
        ("{", "is no JSON"),
        (r#"{"type": "text"}"#, "text"),
        (r#"{"type": "array", "uniqueItems": true}"#, "uniqueItems"),
        (r##"{"$ref": "#/$defs/none"}"##, "none"),
        (r#"{"type": "integer", "minimum": 2, "maximum": 1}"#, ""),
        (r#"{"type": "string", "pattern": "("}"#, ""),
    ] {
        let schema = Json::from_text(schema);
        let fault = noise.grammars.matcher(&Shape::Json(&schema, "output.schema")).err().unwrap();
        assert!(fault.message().starts_with("output.schema: "), "{fault}");
        assert!(fault.message().contains(problem), "{fault}");
    }
    // A tool that the model may use, but need not be held to, takes what the grammar does not know.
    let schema =
        Json::from_text(r#"{"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true}}}"#);
    let tools = [Offer { lenient: true, ..offer("set", &schema) }];
    let shape = Shape::TextOrCalls { tools: &tools, answer: None, many: true };
    noise.grammars.matcher(&shape).unwrap();
}

#[test]
fn a_schema_from_outside_cannot_choose_how_it_is_read() {
    let schema = Json::from_text(
        r#"{"type": "array", "items": {"type": "null"}, "x-guidance": {"item_separator": "x"}}"#,
    );
    let noise = Noise::new();
    assert!(takes(&noise, &Shape::Json(&schema, "output"), "[null, null]"));
    assert!(!takes(&noise, &Shape::Json(&schema, "output"), "[nullxnull]"));
}
