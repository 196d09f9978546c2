use super::*;

fn check(method: &str, path: &str, expected: impl Into<Option<Operation>>) {
    assert_eq!(operation(&method.parse().unwrap(), path), expected.into(), "{method} {path}");
}

fn model(id: &str, style: Style, stream: bool) -> Option<Operation> {
    Some(Operation::Model { model: ModelId::new(id), style, stream })
}

#[test]
fn a_model_id_may_hold_encoded_or_raw_colons_and_slashes() {
    let id = "huggingfacetb.smollm2-135m-instruct-v1:0";
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/a.b-v1:0";
    let encoded = "arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fa.b-v1%3A0";
    check("POST", &format!("/model/{id}/converse"), model(id, Style::Converse, false));
    check("POST", &format!("/model/{}/converse", id.replace(':', "%3A")), model(id, Style::Converse, false));
    check("POST", &format!("/model/{arn}/converse-stream"), model(arn, Style::Converse, true));
    check("POST", &format!("/model/{encoded}/invoke"), model(arn, Style::Invoke, false));
    let get = |id: &str| Some(Operation::GetFoundationModel { model: ModelId::new(id) });
    check("GET", &format!("/foundation-models/{encoded}"), get(arn));
    check("GET", &format!("/foundation-models/{arn}"), get(arn));
}

#[test]
fn any_prefix_is_allowed() {
    check("POST", "/bedrock/eu/model/m/invoke-with-response-stream", model("m", Style::Invoke, true));
    check("POST", "/a/model/model/m/converse", model("m", Style::Converse, false));
    check("GET", "/bedrock/foundation-models", Some(Operation::ListFoundationModels));
    check("POST", "/openai/v1/chat/completions", Some(Operation::ChatCompletions));
    check("POST", "/v1/chat/completions", Some(Operation::ChatCompletions));
    check("POST", "/openai/v1/embeddings", Some(Operation::Embeddings));
    check("POST", "/v1/embeddings", Some(Operation::Embeddings));
    check("POST", "/anthropic/v1/messages", Some(Operation::Messages));
    check("POST", "/x/v1/messages/count_tokens", Some(Operation::MessagesCount));
    check("GET", "/x/v1/models/m", Some(Operation::OneModel { model: ModelId::new("m") }));
}

#[test]
fn what_is_not_there_is_not_guessed() {
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/model/m/converse"),
        ("POST", "/model/converse"),
        ("POST", "/model//converse"),
        ("POST", "/model/m/converse/extra"),
        ("POST", "/healthz"),
        ("DELETE", "/foundation-models/m"),
    ] {
        check(method, path, None);
    }
}

#[test]
fn a_broken_escape_stays_as_it_is() {
    check("POST", "/model/a%zz%4/converse", model("a%zz%4", Style::Converse, false));
    check("POST", "/model/a%ff/converse", model("a%ff", Style::Converse, false));
}

#[test]
fn our_own_paths_are_told_from_those_of_others_under_our_name() {
    let model = || ModelId::new("a.b-v1:0");
    check("GET", "/outcrop/v1/models", Some(Operation::Shelved));
    check("GET", "/outcrop/v1/models/a.b-v1%3A0", Some(Operation::Status { model: model() }));
    for change in Change::ALL {
        let path = format!("/outcrop/v1/models/a.b-v1:0/{}", change.name());
        check("POST", &path, Some(Operation::Manage { model: model(), change }));
    }
    check("POST", "/outcrop/v1/models/a.b-v1:0/burn", None);
    assert_eq!(surface("/outcrop/v1/models", true), Surface::Bedrock);
}
