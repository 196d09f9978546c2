use std::sync::Arc;

use canon::{Event, Fold, Json, Sampling, StopReason, Tally, Usage};

use super::{Answer, Budget, Text};
use crate::backend::channel::{Receiver, channel};
use crate::chat::{Reader, Reading};
use crate::fixture;
use crate::grammar::{Grammars, Offer, Shape};
use crate::sampler::{Random, Sampler, StopScanner};
use crate::scheduler::{Next, Sequence, Terms};
use crate::tokenizer::{Tokenizer, Utf8Buffer};

struct Case {
    tokenizer: Arc<Tokenizer>,
    answer: Answer,
    receiver: Receiver,
    tally: Arc<Tally>,
}

fn case(tokens_max: usize, stop: &[&str], shape: Option<&Shape<'_>>) -> Case {
    let tokenizer = Arc::new(fixture::tokenizer());
    let guide = shape.map(|shape| {
        Arc::new(Grammars::new(&tokenizer).unwrap()).guide(&tokenizer, shape, tokens_max).unwrap()
    });
    let reading = match shape {
        None | Some(Shape::Json(..)) => Reading::Text,
        Some(Shape::Call(_)) => Reading::Call,
        Some(Shape::TextOrCalls { .. }) => Reading::TextOrCalls,
    };
    let stops: Vec<String> = stop.iter().map(|stop| (*stop).to_owned()).collect();
    let text = Text {
        buffer: Utf8Buffer::default(),
        stops: StopScanner::new(&stops),
        reader: Reader::new(reading, Random::seeded(1)),
        skips_space: false,
    };
    let (sender, receiver) = channel();
    let tally = Arc::new(Tally::default());
    let answer = Answer {
        adapter: None,
        prompt: vec![0; 7],
        budget: Budget { tokens_max, reason: StopReason::MaxTokens },
        terms: Terms::default(),
        tells_unasked: false,
        tokenizer: Arc::clone(&tokenizer),
        sampler: Sampler::new(&Sampling::default(), 0),
        is_greedy: false,
        guide,
        text,
        sender,
        tally: Arc::clone(&tally),
        used: Usage::plain(7, 0),
        produced: 0,
    };
    Case { tokenizer, answer, receiver, tally }
}

impl Case {
    /// The model says `text` and then ends its turn, where it is let.
    fn say(mut self, text: &[u8]) -> (String, canon::Finish) {
        let mut tokens = Vec::new();
        for chunk in text.utf8_chunks() {
            tokens.extend(self.tokenizer.encode(chunk.valid()));
            // The bytes are the vocabulary's first tokens.
            tokens.extend(chunk.invalid().iter().map(|&byte| u32::from(byte)));
        }
        tokens.push(self.tokenizer.ends()[0]);
        for token in tokens {
            let mut logits = vec![0.0; self.tokenizer.len() + 3];
            logits[token as usize] = 100.0;
            match self.answer.next(&mut logits) {
                Next::Token(_) => {}
                Next::End => break,
            }
        }
        let mut fold = Fold::default();
        let mut said = String::new();
        while let Some(event) = fixture::next(&mut self.receiver) {
            let event = event.unwrap();
            match &event {
                Event::Text { text, .. } => said.push_str(text),
                Event::BlockStart { kind: canon::BlockKind::ToolUse { name, .. }, .. } => said.push_str(name),
                Event::ToolInput { fragment, .. } => said.push_str(fragment),
                _ => {}
            }
            if let Some(answer) = fold.push(event).unwrap() {
                let usage = answer.finish.usage;
                assert_eq!(usage.output, self.tally.usage().output, "the tally is current");
                assert_eq!(usage.input, 7);
                return (said, answer.finish);
            }
        }
        panic!("the answer did not end");
    }
}

fn check(case: Case, model: &str, said: &str, reason: StopReason, output: u64) {
    let (text, finish) = case.say(model.as_bytes());
    assert_eq!((text.as_str(), finish.reason, finish.usage), (said, reason, Usage::plain(7, output)));
}

#[test]
fn an_answer_ends_where_the_model_ends_it() {
    check(case(50, &[], None), "hello é🙂", "hello é🙂", StopReason::EndTurn, 7);
    check(case(50, &[], None), "", "", StopReason::EndTurn, 1);
}

#[test]
fn an_answer_ends_where_its_tokens_end_and_a_character_that_is_cut_is_left_out() {
    check(case(3, &[], None), "abcdef", "abc", StopReason::MaxTokens, 3);
    check(case(2, &[], None), "a🙂", "a", StopReason::MaxTokens, 2);
    // The last token may be the one that ends the turn.
    check(case(3, &[], None), "ab", "ab", StopReason::EndTurn, 3);
}

#[test]
fn an_answer_ends_before_a_stop_sequence_and_names_it() {
    let (text, finish) = case(50, &["lo w", "zz"], None).say(b"hello world");
    assert_eq!((text.as_str(), finish.reason), ("hel", StopReason::StopSequence));
    assert_eq!(finish.stop_sequence.as_deref(), Some("lo w"));
    check(case(50, &["hello!"], None), "hello", "hello", StopReason::EndTurn, 2);
    check(case(1, &["hello!"], None), "hello", "hello", StopReason::MaxTokens, 1);
}

#[test]
fn bytes_that_are_no_text_are_shown_as_such() {
    let (text, _) = case(50, &[], None).say(b"a\xffb");
    assert_eq!(text, "a\u{fffd}b");
}

fn add(schema: &Json) -> Offer<'_> {
    Offer { name: "add", schema, path: String::new(), lenient: false }
}

#[test]
fn calls_end_an_answer_that_waits_for_their_results() {
    let schema =
        Json::from_text(r#"{"type": "object", "properties": {"n": {"enum": [1, 22]}}, "required": ["n"]}"#);
    let tools = [add(&schema)];
    let free = |many| Shape::TextOrCalls { tools: &tools, answer: None, many };
    let call = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"n\": 1}}\n</tool_call>";
    let whole = fixture::tokenizer().encode(call).len();
    let tokens = whole as u64;
    let forced = "{\"name\": \"add\", \"arguments\": {\"n\": 1}}";
    let shape = Shape::Call(&tools);
    // The grammar is complete, so no token is needed to end it.
    check(case(99, &[], Some(&shape)), forced, "add{\"n\": 1}", StopReason::ToolUse, forced.len() as u64);
    check(case(200, &[], Some(&free(true))), call, "add{\"n\": 1}", StopReason::ToolUse, tokens + 1);
    check(case(200, &[], Some(&free(false))), call, "add{\"n\": 1}", StopReason::ToolUse, tokens);
    check(case(whole, &[], Some(&free(true))), call, "add{\"n\": 1}", StopReason::ToolUse, tokens);
    check(case(200, &[], Some(&free(true))), "no", "no", StopReason::EndTurn, 3);
    check(case(2, &[], Some(&free(true))), "none", "no", StopReason::MaxTokens, 2);
}

#[test]
fn a_schema_that_cannot_fit_is_cut_and_one_that_can_is_ended_in_time() {
    let schema = Json::from_text(r#"{"type": "string"}"#);
    let shape = Shape::Json(&schema, "output");
    check(case(6, &[], Some(&shape)), "\"abcdefghijk\"", "\"abcd\"", StopReason::EndTurn, 6);
    let schema = Json::from_text(r#"{"type": "string", "minLength": 9}"#);
    let shape = Shape::Json(&schema, "output");
    check(case(6, &[], Some(&shape)), "\"abcdefghijk\"", "\"abcde", StopReason::MaxTokens, 6);
}

#[test]
fn an_answer_that_nobody_reads_is_cancelled() {
    let Case { answer, receiver, .. } = case(9, &[], None);
    assert!(!answer.cancelled());
    drop(receiver);
    assert!(answer.cancelled());
}

#[test]
fn logits_that_are_no_numbers_are_a_fault_and_not_a_panic() {
    let mut case = case(9, &[], None);
    let mut logits = vec![f32::NAN; case.tokenizer.len()];
    assert_eq!(case.answer.next(&mut logits), Next::End);
    assert!(fixture::next(&mut case.receiver).unwrap().is_err());
}
