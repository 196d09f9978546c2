use canon::{Modality, ModelCard, ModelId};
use serde_json::{Value, json};

use super::{Filters, get, list};

fn cards() -> [ModelCard; 2] {
    let card = |id, name: &str, provider: &str, output| ModelCard {
        id: ModelId::new(id),
        name: name.into(),
        provider: provider.into(),
        input: vec![Modality::Text],
        output: vec![output],
        context_tokens_max: Some(8192),
        since_ms: 1_795_000_000_000,
    };
    [
        card(
            "huggingfacetb.smollm2-135m-instruct-v1:0",
            "SmolLM2 135M Instruct",
            "Hugging Face",
            Modality::Text,
        ),
        card("example.embed-v1:0", "Embed", "Example", Modality::Embedding),
    ]
}

fn names(filters: &Filters<'_>) -> Vec<String> {
    let reply = list(&cards(), filters, "us-east-1").expect("known filters");
    let body: Value = serde_json::from_slice(&reply.body).expect("json");
    let summaries = body["modelSummaries"].as_array().expect("a list");
    summaries.iter().map(|summary| summary["modelName"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn each_filter_keeps_what_it_names() {
    let none = Filters::default();
    assert_eq!(names(&none).len(), 2);
    assert_eq!(names(&Filters { provider: Some("hugging face"), ..none }), ["SmolLM2 135M Instruct"]);
    assert_eq!(names(&Filters { output_modality: Some("EMBEDDING"), ..none }), ["Embed"]);
    assert_eq!(names(&Filters { inference_type: Some("ON_DEMAND"), ..none }).len(), 2);
    assert_eq!(names(&Filters { inference_type: Some("PROVISIONED"), ..none }).len(), 0);
    assert_eq!(names(&Filters { customization_type: Some("FINE_TUNING"), ..none }).len(), 0);
    let fault =
        list(&cards(), &Filters { output_modality: Some("SMELL"), ..none }, "us-east-1").expect_err("no");
    assert_eq!(fault.message(), "byOutputModality: must be one of TEXT, IMAGE, EMBEDDING");
}

#[test]
fn details_are_those_of_the_service_model() {
    let [card, _] = cards();
    let body: Value = serde_json::from_slice(&get(&card, "eu-west-3").body).expect("json");
    let expected = json!({"modelDetails": {
        "modelArn": "arn:aws:bedrock:eu-west-3::foundation-model/huggingfacetb.smollm2-135m-instruct-v1:0",
        "modelId": "huggingfacetb.smollm2-135m-instruct-v1:0",
        "modelName": "SmolLM2 135M Instruct",
        "providerName": "Hugging Face",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": true,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE", "startOfLifeTime": "2026-11-18T11:06:40Z"},
    }});
    assert_eq!(body, expected);
}
