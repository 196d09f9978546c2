//! What shape a request asks its answer to have.

use canon::{Fault, Json, OutputFormat, Request, Tool, ToolChoice};

use crate::grammar::{Offer, Shape};

/// Where a schema of the whole answer is given.
const ANSWER: &str = "output.schema";

/// The shape of an answer, and how it is read.
#[derive(Debug)]
pub(crate) struct Form<'r> {
    offers: Vec<Offer<'r>>,
    /// The tools that the prompt describes: none where none may be called.
    tools: &'r [Tool],
    answer: Option<Json>,
    forced: bool,
    many: bool,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As text.
    Text,
    /// As text in which calls stand between tags.
    TextOrCalls,
    /// As one call without tags.
    Call,
}

impl<'r> Form<'r> {
    /// # Errors
    /// [`canon::Kind::Malformed`] where the request forces a tool that it does not offer.
    pub(crate) fn of(request: &'r Request) -> Result<Self, Fault> {
        let tools = &request.tools;
        let forced = matches!(tools.choice, ToolChoice::Any | ToolChoice::Named(_));
        let offered: &[Tool] = if tools.choice == ToolChoice::None { &[] } else { &tools.list };
        let mut offers = Vec::with_capacity(offered.len());
        for (at, tool) in offered.iter().enumerate() {
            let path = format!("tools[{at}]");
            if tool.name.is_empty() || tool.name.chars().any(|c| c == '"' || c == '\\' || c.is_control()) {
                return Err(Fault::malformed(
                    format!("{path}.name"),
                    "a tool's name is letters, digits, _ and -",
                ));
            }
            if matches!(&tools.choice, ToolChoice::Named(name) if *name != tool.name) {
                continue;
            }
            let lenient = !forced && !tool.strict;
            offers.push(Offer {
                name: &tool.name,
                schema: &tool.schema,
                path: format!("{path}.schema"),
                lenient,
            });
        }
        if forced && offers.is_empty() {
            return Err(Fault::malformed("tools.choice", "it asks for a tool that is not offered"));
        }
        let answer = match &request.output {
            OutputFormat::Text => None,
            OutputFormat::JsonObject => Some(Json::from_text(r#"{"type": "object"}"#)),
            OutputFormat::JsonSchema { schema, .. } => Some(schema.clone()),
        };
        let many = tools.parallel != Some(false);
        Ok(Self { offers, tools: offered, answer, forced, many })
    }

    /// The tools that the prompt describes.
    pub(crate) const fn tools(&self) -> &'r [Tool] {
        self.tools
    }

    /// What the answer is held to; `None` where it is free.
    pub(crate) fn shape(&self) -> Option<Shape<'_>> {
        let answer = self.answer.as_ref().map(|schema| (schema, ANSWER));
        match self.reading() {
            Reading::Call => Some(Shape::Call(&self.offers)),
            Reading::TextOrCalls => Some(Shape::TextOrCalls { tools: &self.offers, answer, many: self.many }),
            Reading::Text => answer.map(|(schema, path)| Shape::Json(schema, path)),
        }
    }

    /// Whether the whole answer is held to a schema.
    pub(crate) const fn has_schema(&self) -> bool {
        self.answer.is_some()
    }

    /// How it is read.
    pub(crate) const fn reading(&self) -> Reading {
        match (self.forced, self.offers.is_empty()) {
            (true, _) => Reading::Call,
            (false, false) => Reading::TextOrCalls,
            (false, true) => Reading::Text,
        }
    }
}
