use std::path::Path;

use serde_json::{Value, json};

use super::sample::{error, golden, logits, write};
use crate::gguf::Gguf;
use crate::model::plain::Plain;
use crate::tokenizer::{Tokenizer, TokenizerParts};

#[test]
fn a_folders_logits_are_those_of_transformers() {
    let golden = golden();
    for entry in golden["folders"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        let folder = write(&golden, entry, |_| ());
        let gguf = Gguf::open(folder.path()).unwrap();
        let tokens: Vec<u32> = serde_json::from_value(entry["tokens"].clone()).unwrap();
        let (plain, found) = (Plain::new(&gguf).logits(&tokens), logits(&gguf, &tokens));
        let positions = entry["positions"].as_array().unwrap();
        for (position, expected) in positions.iter().zip(entry["logits"].as_array().unwrap()) {
            let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
            let position = position.as_u64().unwrap() as usize;
            let plain: Vec<f32> = plain[position].iter().map(|logit| *logit as f32).collect();
            let (plain, found) = (error(&plain, &expected), error(&found[position], &expected));
            assert!(plain < 1e-4, "{name}, position {position}: {plain} of the spread, computed plainly");
            // The cache keeps sixteen bits, which matters most where norms make scores large, as in this Gemma 3.
            assert!(found < 4e-2, "{name}, position {position}: {found} of the spread");
        }
    }
}

#[test]
fn a_folders_tokens_are_those_of_transformers() {
    let golden = golden();
    for (number, vocabulary) in golden["vocabularies"].as_array().unwrap().iter().enumerate() {
        let mut entries = golden["folders"].as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["vocabulary"] == number).unwrap();
        let folder = write(&golden, entry, |_| ());
        let gguf = Gguf::open(folder.path()).unwrap();
        let tokenizer = Tokenizer::new(&TokenizerParts::read(&gguf.metadata()).unwrap()).unwrap();
        for case in vocabulary["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let expected: Vec<u32> = serde_json::from_value(case["tokens"].clone()).unwrap();
            assert_eq!(tokenizer.encode(text), expected, "{}: {text:?}", entry["name"]);
        }
    }
}

#[test]
fn control_tokens_and_template_are_read() {
    let golden = golden();
    let entry = &golden["folders"][0];
    let read = |edit: &dyn Fn(&mut Value)| {
        let folder = write(&golden, entry, edit);
        let gguf = Gguf::open(folder.path()).unwrap();
        let metadata = gguf.metadata();
        let template = metadata.string("tokenizer.chat_template").unwrap().map(str::to_owned);
        let parts = TokenizerParts::read(&metadata).unwrap();
        (parts.bos, parts.ends, parts.add_bos, template)
    };
    let template = entry["files"]["chat_template.jinja"].as_str().unwrap().to_owned();
    assert_eq!(read(&|_| ()), (Some(1), vec![2], Some(true), Some(template)));
    let other = read(&|files| {
        files.as_object_mut().unwrap().remove("chat_template.jinja");
        files["tokenizer_config.json"]["chat_template"] =
            json!([{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]);
        files["tokenizer_config.json"]["eos_token"] = json!({"content": "</s>", "lstrip": false});
        files["tokenizer_config.json"]["add_bos_token"] = json!(false);
        files["generation_config.json"]["eos_token_id"] = json!([2, 9]);
    });
    assert_eq!(other, (Some(1), vec![2, 9], Some(false), Some("yes".to_owned())));
}

fn fault(folder: &Path) -> String {
    let fault = Gguf::open(folder).err().expect("the folder is accepted");
    fault.message().to_owned()
}

#[test]
fn what_is_not_known_is_refused_by_file_and_member() {
    let golden = golden();
    let entry = &golden["folders"][1];
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit); 17] = [
        ("lacks config.json", |files| drop(files.as_object_mut().unwrap().remove("config.json"))),
        ("lacks tokenizer.json", |files| drop(files.as_object_mut().unwrap().remove("tokenizer.json"))),
        ("config.json: is no JSON", |files| files["config.json"] = json!("{")),
        ("config.json: architectures", |f| f["config.json"]["architectures"] = json!(["OPTForCausalLM"])),
        ("config.json: hidden_size", |files| files["config.json"]["hidden_size"] = json!(null)),
        ("config.json: hidden_size", |files| files["config.json"]["hidden_size"] = json!(-1)),
        ("config.json: hidden_act", |files| files["config.json"]["hidden_act"] = json!("relu")),
        ("config.json: quantization_config", |f| {
            f["config.json"]["quantization_config"] = json!({"bits": 4});
        }),
        ("config.json: rope_parameters: rope_type", |files| {
            files["config.json"]["rope_parameters"]["rope_type"] = json!("dynamic");
        }),
        ("config.json: rope_parameters: factor", |files| {
            files["config.json"]["rope_parameters"]["factor"] = json!(null);
        }),
        ("tokenizer.json: model.type", |f| f["tokenizer.json"]["model"]["type"] = json!("Unigram")),
        ("tokenizer.json: pre_tokenizer", |f| f["tokenizer.json"]["pre_tokenizer"] = json!({"type": "Bert"})),
        ("tokenizer.json: normalizer", |f| f["tokenizer.json"]["normalizer"] = json!({"type": "Lowercase"})),
        ("tokenizer.json: added_tokens", |f| f["tokenizer.json"]["added_tokens"][0]["id"] = json!(9999)),
        ("are both token", |files| files["tokenizer.json"]["model"]["vocab"]["twice"] = json!(1)),
        ("tokenizer_config.json: bos_token", |f| f["tokenizer_config.json"]["bos_token"] = json!("nobody")),
        ("generation_config.json: eos_token_id", |f| {
            f["generation_config.json"]["eos_token_id"] = json!([1, 2, 3, 4]);
        }),
    ];
    for (expected, edit) in cases {
        let said = fault(write(&golden, entry, edit).path());
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let mut odd = entry.clone();
    odd["shapes"]["model.layers.0.self_attn.sinks"] = json!([4]);
    assert!(fault(write(&golden, &odd, |_| ()).path()).starts_with("tensor model.layers.0.self_attn.sinks"));
    let mut untied = golden["folders"][0].clone();
    untied["shapes"].as_object_mut().unwrap().remove("lm_head.weight");
    assert!(fault(write(&golden, &untied, |_| ()).path()).starts_with("tensor lm_head.weight"));
}
