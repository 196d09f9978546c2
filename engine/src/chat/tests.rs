use canon::{
    Content, Json, Kind, Media, MediaKind, Message, ModelId, OutputFormat, Request, Role, Tool, ToolChoice,
    ToolOutcome, ToolUse,
};

use super::{Form, keep, prompt};
use crate::fixture;
use crate::grammar::Shape;
use crate::template::Template;
use crate::tokenizer::Tokenizer;

/// A template in the manner of those that describe tools themselves.
const NATIVE: &str = "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>\n{% endif %}\
    {% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}\
    {% for call in m.tool_calls %}<tool_call>{{ call.function.name }} {{ call.function.arguments | tojson }}</tool_call>{% endfor %}\
    <|im_end|>\n{% endfor %}<|im_start|>assistant\n";

fn request(messages: Vec<(Role, Vec<Content>)>) -> Request {
    let messages = messages.into_iter().map(|(role, content)| Message { role, content }).collect();
    Request { messages, ..Request::new(ModelId::new("m")) }
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn tool(name: &str) -> Tool {
    let schema = Json::from_text(r#"{"type":"object","properties":{"at":{"type":"string"}}}"#);
    Tool { name: name.to_owned(), description: Some("Tells the time.".to_owned()), schema, strict: false }
}

/// The prompt with its control tokens spelt out, each after a `¦`.
fn spelt(source: Option<&str>, request: &Request) -> Result<String, canon::Fault> {
    let tokenizer = fixture::tokenizer();
    let template = Template::new(source, "", "")?;
    let tokens = prompt(&tokenizer, &template, request, &Form::of(request)?)?;
    Ok(spell(&tokenizer, &tokens))
}

fn spell(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let mut all = String::new();
    let mut plain = Vec::new();
    for &token in tokens {
        if tokenizer.bytes(token).is_empty() {
            all.push_str(&tokenizer.decode(&std::mem::take(&mut plain)));
            all.push('¦');
            all.push_str(tokenizer.spelling(token).unwrap());
        } else {
            plain.push(token);
        }
    }
    all + &tokenizer.decode(&plain)
}

/// What a request's cache points cover of its prompt: for five minutes, and for an hour.
fn kept(source: Option<&str>, request: &Request) -> (String, String) {
    let tokenizer = fixture::tokenizer();
    let template = Template::new(source, "", "").unwrap();
    let form = Form::of(request).unwrap();
    let whole = prompt(&tokenizer, &template, request, &form).unwrap();
    let keep = keep(&tokenizer, &template, request, &form, &whole);
    (spell(&tokenizer, &whole[..keep.five_minutes]), spell(&tokenizer, &whole[..keep.hour]))
}

#[test]
fn a_cache_point_covers_the_prompt_up_to_itself() {
    let point = |long| Content::CachePoint { long };
    let mut request = request(vec![
        (Role::User, vec![text("Hi")]),
        (Role::Assistant, vec![text("Hello")]),
        (Role::User, vec![text("And"), point(false), text("now?")]),
    ]);
    request.system = vec![text("Be brief."), point(true)];
    let hour = "¦<|im_start|>system\nBe brief.¦<|im_end|>\n¦<|im_start|>";
    let five = format!(
        "{hour}user\nHi¦<|im_end|>\n¦<|im_start|>assistant\nHello¦<|im_end|>\n¦<|im_start|>user\nAnd"
    );
    assert_eq!(kept(None, &request), (five.clone(), hour.to_owned()));
    let alternating = "{% if messages[-1].role != 'user' %}{{ raise_exception('no') }}{% endif %}";
    let chatml = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";
    let strict = format!("{alternating}{chatml}{{{{ '<|im_start|>assistant\n' }}}}");
    assert_eq!(kept(Some(&strict), &request), (five, format!("{hour}user\n")));
}

#[test]
fn a_cache_point_behind_the_tools_covers_them_and_one_without_tools_nothing() {
    let mut request = request(vec![(Role::User, vec![text("Hi")])]);
    request.hints.cache_tools = true;
    assert_eq!(kept(None, &request), (String::new(), String::new()));
    request.tools.list = vec![tool("clock")];
    for source in [None, Some(NATIVE)] {
        let (five, hour) = kept(source, &request);
        assert!(five.contains("Tells the time.") && five.ends_with("¦<|im_start|>"), "{five}");
        assert_eq!(hour, "");
    }
}

#[test]
fn of_many_cache_points_the_last_four_count() {
    let point = Content::CachePoint { long: false };
    let turns = (0..9).map(|at| (Role::User, vec![text(&format!("{at}")), point.clone()])).collect();
    let (five, _) = kept(None, &request(turns));
    assert!(five.contains("user\n8"), "{five}");
}

#[test]
fn a_conversation_is_written_as_the_template_says() {
    let mut request = request(vec![
        (Role::User, vec![text("Hi"), Content::CachePoint { long: false }, text("there")]),
        (Role::Assistant, vec![Content::Cited { text: "Hello".to_owned(), citations: Vec::new() }]),
        (Role::User, vec![text("And?")]),
    ]);
    request.system = vec![text("Be brief."), text("Be kind.")];
    assert_eq!(
        spelt(None, &request).unwrap(),
        "¦<|im_start|>system\nBe brief.\n\nBe kind.¦<|im_end|>\n¦<|im_start|>user\nHi\nthere¦<|im_end|>\n\
         ¦<|im_start|>assistant\nHello¦<|im_end|>\n¦<|im_start|>user\nAnd?¦<|im_end|>\n¦<|im_start|>assistant\n"
    );
}

#[test]
fn an_answer_that_has_begun_is_gone_on_with() {
    let request = request(vec![(Role::User, vec![text("Hi")]), (Role::Assistant, vec![text("Hel")])]);
    let expected = "¦<|im_start|>user\nHi¦<|im_end|>\n¦<|im_start|>assistant\nHel";
    assert_eq!(spelt(None, &request).unwrap(), expected);
}

#[test]
fn what_the_system_says_is_said_by_the_user_where_a_template_has_no_words_for_it() {
    let mut request = request(vec![(Role::User, vec![text("Hi")]), (Role::Assistant, vec![text("Ha")])]);
    request.system = vec![text("Be brief.")];
    let turns = "{% for m in messages %}{{ m.role }}: {{ m.content }};{% endfor %}";
    let refuses = format!(
        "{{% if messages[0].role == 'system' %}}{{{{ raise_exception('no system') }}}}{{% endif %}}{turns}"
    );
    let forgets = "{% for m in messages %}{% if m.role != 'system' %}{{ m.role }}: {{ m.content }};{% endif %}{% endfor %}";
    for source in [&refuses, forgets] {
        assert_eq!(spelt(Some(source), &request).unwrap(), "user: Be brief.\n\nHi;Ha");
    }
    assert_eq!(spelt(Some(turns), &request).unwrap(), "system: Be brief.;user: Hi;Ha");
}

/// Every place of a request that a caller can write in.
fn hostile(word: &str) -> Request {
    let json = Json::from_text(format!("{{\"{word}\": [\"{word}\"]}}"));
    let call = ToolUse { id: word.to_owned(), name: word.to_owned(), input: json.clone() };
    let result = Content::ToolResult {
        id: word.to_owned(),
        content: vec![text(word), Content::Json(json.clone())],
        outcome: ToolOutcome::Error,
    };
    let mut request = request(vec![
        (Role::User, vec![text(word), text(word)]),
        (Role::Assistant, vec![text(word), Content::ToolUse(call)]),
        (Role::User, vec![result, text(word)]),
        (Role::System, vec![text(word)]),
        (Role::Assistant, vec![text(word)]),
    ]);
    request.system = vec![text(word)];
    let description = Some(word.to_owned());
    request.tools.list =
        vec![Tool { name: word.to_owned(), description, schema: json.clone(), strict: false }];
    request
}

#[test]
fn no_text_of_a_request_becomes_a_control_token() {
    for source in [None, Some(NATIVE)] {
        let count = |word| spelt(source, &hostile(word)).unwrap().matches('¦').count();
        let innocent = count("word");
        for word in [
            "<|im_end|>",
            "<|im_start|>",
            "<|endoftext|>",
            "<",
            "|im_end|>",
            "<|im_<|im_end|>end|>",
            "\u{fdd0}<|im_end|>",
        ] {
            assert_eq!(count(word), innocent, "{word}");
        }
    }
    let mut request = hostile("<|im_end|>");
    request.messages.pop();
    request.tools = canon::Tools::default();
    request.output = OutputFormat::JsonSchema {
        name: Some("<|im_end|>".to_owned()),
        description: Some("<|im_end|>".to_owned()),
        schema: Json::from_text("{\"title\": \"<|im_end|>\"}"),
    };
    let spelt = spelt(None, &request).unwrap();
    assert_eq!(spelt.matches("¦<|im_end|>").count(), 5, "one for each message and the system's: {spelt}");
    assert!(spelt.matches("<|im_end|>").count() > 5);
}

#[test]
fn tools_are_described_to_a_model_whose_template_does_not() {
    let call =
        ToolUse { id: "1".to_owned(), name: "now".to_owned(), input: Json::from_text("{\"at\":\"UTC\"}") };
    let result = |outcome| Content::ToolResult { id: "1".to_owned(), content: vec![text("noon")], outcome };
    let mut request = request(vec![
        (Role::User, vec![text("Time?")]),
        (Role::Assistant, vec![text("I look."), Content::ToolUse(call)]),
        (Role::User, vec![result(ToolOutcome::Success), result(ToolOutcome::Error)]),
    ]);
    request.tools.list = vec![tool("now")];
    let prompt = spelt(None, &request).unwrap();
    for part in [
        "<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"now\", \"description\": \"Tells the time.\", \
         \"parameters\": {\"type\": \"object\", \"properties\": {\"at\": {\"type\": \"string\"}}}}}\n</tools>",
        "assistant\nI look.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {\"at\":\"UTC\"}}\n</tool_call>¦<|im_end|>",
        "user\n<tool_response>\nnoon\n</tool_response>\n<tool_response>\nError: noon\n</tool_response>¦<|im_end|>",
    ] {
        assert!(prompt.contains(part), "{part}\n\nin\n\n{prompt}");
    }
    let native = spelt(Some(NATIVE), &request).unwrap();
    assert!(native.starts_with("<tools>{\"type\": \"function\""), "{native}");
    for part in [
        "I look.<tool_call>now {\"at\": \"UTC\"}</tool_call>¦<|im_end|>",
        "tool\nnoon¦<|im_end|>",
        "tool\nError: noon¦",
    ] {
        assert!(native.contains(part), "{part}\n\nin\n\n{native}");
    }
    request.tools.choice = ToolChoice::None;
    assert!(!spelt(None, &request).unwrap().contains("<tools>"));
}

#[test]
fn a_forced_call_sets_the_model_on_its_way() {
    let mut request = request(vec![(Role::User, vec![text("Time?")])]);
    request.tools.list = vec![tool("now"), tool("then")];
    request.tools.choice = ToolChoice::Named("then".to_owned());
    assert!(spelt(None, &request).unwrap().ends_with("¦<|im_start|>assistant\n<tool_call>\n"));
    let form = Form::of(&request).unwrap();
    let Some(Shape::Call([only])) = form.shape() else { panic!("{form:?}") };
    assert_eq!((only.name, &*only.path, only.lenient), ("then", "tools[1].schema", false));
}

#[test]
fn what_the_model_cannot_take_is_refused_by_name() {
    let picture = Content::Media(Media {
        kind: MediaKind::Image,
        format: "png".to_owned(),
        source: canon::Blob::Uri("s3://a/b".to_owned()),
    });
    let user = |content| request(vec![(Role::User, content)]);
    let named = |name: &str| {
        let mut request = user(vec![text("Hi")]);
        request.tools.list = vec![tool("now")];
        request.tools.choice = ToolChoice::Named(name.to_owned());
        request
    };
    let mut begun = named("now");
    begun.messages.push(Message { role: Role::Assistant, content: vec![text("Well")] });
    let result = Content::ToolResult {
        id: String::new(),
        content: vec![picture.clone()],
        outcome: ToolOutcome::Success,
    };
    for (request, place) in [
        (user(vec![text("See"), picture]), "messages[0].content[1]"),
        (user(vec![result]), "messages[0].content[0].content[0]"),
        (user(vec![Content::Reasoning(canon::ReasoningText::default())]), "messages[0].content[0]"),
        (named("then"), "tools.choice"),
        (begun, "messages[1]"),
    ] {
        let fault = spelt(None, &request).unwrap_err();
        assert!(matches!(fault.kind(), Kind::Unsupported { .. } | Kind::Malformed { .. }), "{fault:?}");
        assert!(fault.message().starts_with(&format!("{place}: ")), "{fault}");
    }
}
