//! The chat template that a model was trained with: Jinja, as Hugging Face's libraries run it.

mod date;
mod json;

use std::time::SystemTime;

use canon::{Fault, Kind};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

pub(crate) use self::json::spaced;

/// Steps that a template may take; one message takes some dozens.
const FUEL_STEPS: u64 = 20_000_000;
const NAME: &str = "chat";
/// What a template that takes a system's turn writes of it.
const SYSTEM_PROBE: &str = "the-system-says-so";

/// What a file without a template gets: `ChatML`.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] \
                      + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}\
                      {{ '<|im_start|>assistant\\n' }}{% endif %}";

/// A template that is ready to be rendered.
pub(crate) struct Template {
    environment: Environment<'static>,
    native_tools: bool,
    takes_system: bool,
    bos: String,
    end: String,
}

/// What is rendered. Every text in it that is the caller's has been sealed.
pub(crate) struct Conversation {
    /// The turns: objects with `role`, `content`, and what else a role has.
    pub(crate) messages: Vec<serde_json::Value>,
    /// The tools, for templates that describe them themselves; empty otherwise.
    pub(crate) tools: Vec<serde_json::Value>,
}

impl Template {
    /// Reads a template; `ChatML` where there is none. `bos` and `end` are the tokens that templates spell out.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where the template cannot be read.
    pub(crate) fn new(source: Option<&str>, bos: &str, end: &str) -> Result<Self, Fault> {
        let source = source.unwrap_or(CHATML);
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        environment
            .set_syntax(syntax.trim_blocks(true).lstrip_blocks(true).build().map_err(Fault::internal)?);
        environment.set_fuel(Some(FUEL_STEPS));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", json::tojson);
        environment.add_test("iterable", |value: &Value| {
            !value.is_none() && (value.kind() == ValueKind::String || value.try_iter().is_ok())
        });
        environment.add_function("strftime_now", |format: &str| date::strftime(SystemTime::now(), format));
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(NAME, without_marks(source)).map_err(|cause| {
            Fault::unsupported(
                "tokenizer.chat_template",
                "the model's chat template is not in a Jinja that is known here; take a file with another",
            )
            .with_detail(explain(&cause))
        })?;
        let mut template = Self {
            environment,
            // SmolLM 3's knows the tags, but writes no calls of earlier turns.
            native_tools: ["tools", "tool_calls", "<tool_call>"].iter().all(|word| source.contains(word)),
            takes_system: true,
            bos: bos.to_owned(),
            end: end.to_owned(),
        };
        let turn = |role, text| serde_json::json!({ "role": role, "content": text });
        let messages = vec![turn("system", SYSTEM_PROBE), turn("user", "-")];
        let probe = template.render(&Conversation { messages, tools: Vec::new() });
        template.takes_system = probe.is_ok_and(|prompt| prompt.contains(SYSTEM_PROBE));
        Ok(template)
    }

    /// Whether the template writes the system's turn. Gemma 2's refuses it, and some of Phi-3's leave it out.
    pub(crate) const fn takes_system(&self) -> bool {
        self.takes_system
    }

    /// Whether the template itself describes tools and writes calls, in the form in which answers are read here: JSON between
    /// `<tool_call>` and `</tool_call>`.
    pub(crate) const fn describes_tools(&self) -> bool {
        self.native_tools
    }

    /// The prompt up to where the model begins to answer.
    ///
    /// # Errors
    /// [`Kind::Malformed`] where the template refuses the conversation, with the template's own words.
    pub(crate) fn render(&self, conversation: &Conversation) -> Result<String, Fault> {
        let template = self.environment.get_template(NAME).map_err(Fault::internal)?;
        let tools = match conversation.tools.is_empty() {
            true => Value::from(()),
            false => Value::from(Serde(&conversation.tools)),
        };
        let context = minijinja::context! {
            messages => Value::from(Serde(&conversation.messages)),
            tools => tools,
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.end.as_str(),
        };
        template.render(context).map_err(|cause| {
            let refused = cause.kind() == ErrorKind::InvalidOperation;
            let why = cause.detail().filter(|_| refused).unwrap_or("it failed");
            let path = "messages".to_owned();
            let message =
                format!("messages: the model's chat template does not take this conversation: {why}");
            Fault::new(Kind::Malformed { path }, message).with_detail(explain(&cause))
        })
    }
}

/// The template without the tags `generation` and `endgeneration`, by which Hugging Face's trainers find what the model is
/// to say. Jinja does not know them; what they did to the white space beside them stays done.
fn without_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, (tag, after))) =
        rest.split_once("{%").and_then(|(before, rest)| Some((before, rest.split_once("%}")?)))
    {
        let tag = match tag.trim_matches(|c: char| c.is_whitespace() || "-+".contains(c)) {
            "generation" => tag.replace("generation", "if true"),
            "endgeneration" => tag.replace("endgeneration", "endif"),
            _ => tag.to_owned(),
        };
        out.extend([before, "{%", &tag, "%}"]);
        rest = after;
    }
    out + rest
}

/// An error with its causes and its line.
fn explain(error: &Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests;
