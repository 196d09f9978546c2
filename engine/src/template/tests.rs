use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Conversation, Template, date};

fn render(source: Option<&str>, messages: Value, tools: Value) -> Result<String, canon::Fault> {
    let list = |value: Value| value.as_array().cloned().unwrap_or_default();
    let conversation = Conversation { messages: list(messages), tools: list(tools) };
    Template::new(source, "<s>", "</s>")?.render(&conversation)
}

fn check(source: &str, rendered: &str) {
    let messages = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": " Hi <b> \"é\" & 'co' " },
    ]);
    let tools = json!([{ "type": "function", "function": { "name": "now", "zone": 1, "area": 2 } }]);
    assert_eq!(render(Some(source), messages, tools).unwrap(), rendered);
}

#[test]
fn templates_are_run_as_hugging_face_runs_them() {
    // Block tags leave no line behind.
    check(
        "{% for m in messages %}\n    {% if true %}\n{{ m.role }},\n{% endif %}\n{% endfor %}",
        "system,\nuser,\n",
    );
    // Python's methods.
    check(
        "{{ messages[1].content.strip() }}|{{ messages[0]['content'].startswith('Be') }}",
        "Hi <b> \"é\" & 'co'|True",
    );
    check("{{ messages[1]['content'] | trim }}", "Hi <b> \"é\" & 'co'");
    check(
        "{% for k, v in tools[0].function.items() %}{{ k }}={{ v }};{% endfor %}",
        "name=now;zone=1;area=2;",
    );
    // Nothing is no list.
    check("{{ none is iterable }} {{ nothing is iterable }} {{ '' is iterable }}", "False True True");
    // The marks of Hugging Face's trainers.
    check("a {% generation -%}\n b{{ 1 }}{%- endgeneration %}\n c", "a b1 c");
    // Python's JSON, unescaped.
    check("{{ messages[1] | tojson }}", "{\"role\": \"user\", \"content\": \" Hi <b> \\\"é\\\" & 'co' \"}");
    check("{{ [1, []] | tojson(indent=2) }}", "[\n  1,\n  []\n]");
    check(
        "{{ tools | tojson }}",
        r#"[{"type": "function", "function": {"name": "now", "zone": 1, "area": 2}}]"#,
    );
    // Variables.
    check("{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}{{ nothing }}", "<s></s>True");
    check("{% if documents is defined %}a{% else %}b{% endif %}{% if not unheard %}c{% endif %}", "bc");
    check(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% continue %}{% endfor %}{{ ns.n }}",
        "2",
    );
    check("{{ messages[::-1][0].role }} {{ messages[1:] | length }}", "user 1");
}

#[test]
fn a_file_without_a_template_is_chatml() {
    let rendered = render(None, json!([{ "role": "user", "content": "Hi" }]), json!([])).unwrap();
    assert_eq!(rendered, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

#[test]
fn what_a_template_refuses_is_refused_in_its_words() {
    let source = "{{ raise_exception('Roles must alternate') }}";
    let fault = render(Some(source), json!([]), json!([])).unwrap_err();
    assert!(fault.message().ends_with("Roles must alternate"), "{fault}");
}

#[test]
fn a_template_cannot_run_for_ever() {
    let source = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}";
    let fault = render(Some(source), json!([]), json!([])).unwrap_err();
    assert!(fault.detail().unwrap_or_default().contains("fuel"), "{fault:?}");
}

#[test]
fn a_template_that_cannot_be_read_is_refused_when_the_model_is_loaded() {
    let fault = Template::new(Some("{% for %}"), "", "").err().unwrap();
    assert!(fault.message().starts_with("tokenizer.chat_template"), "{fault}");
}

#[test]
fn only_a_template_that_describes_tools_in_the_known_form_is_trusted_with_them() {
    for (source, describes) in [
        (
            "{% if tools %}<tools>{{ tools | tojson }}</tools> answer in <tool_call>{% endif %}{{ messages[0].tool_calls }}",
            true,
        ),
        ("{% if tools %}<tools>{{ tools | tojson }}</tools> answer in <tool_call>{% endif %}", false),
        ("{% if tools %}{{ tools | tojson }}{% endif %}", false),
        ("{{ messages }}", false),
    ] {
        assert_eq!(Template::new(Some(source), "", "").unwrap().describes_tools(), describes, "{source}");
    }
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, expected) in [
        (0, "Thu 01 Jan 1970 00:00:00"),
        (951_782_400, "Tue 29 Feb 2000 00:00:00"),
        (1_735_689_599, "Tue 31 Dec 2024 23:59:59"),
        (4_107_542_400, "Mon 01 Mar 2100 00:00:00"),
    ] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(date::strftime(time, "%a %d %b %Y %H:%M:%S"), expected);
    }
    assert_eq!(
        date::strftime(SystemTime::UNIX_EPOCH, "%A %B %y-%m %% %q %"),
        "Thursday January 70-01 % %q %"
    );
}
