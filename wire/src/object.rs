//! A request's JSON read member by member: every fault names the member, and what nobody took is refused by name.
//!
//! For the formats whose unions are told apart by a `type` member, which derived shapes can read only by copying and
//! without a path. Texts that canon carries untouched ([`Json`]) are sliced out of the body.

use std::borrow::Cow;
use std::fmt;

use canon::{Fault, Json};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Members that one object may have. The widest shape has some forty, and a search among them must stay cheap.
const MEMBERS_MAX: usize = 128;

/// Elements that one array may have: the number of messages that Anthropic allows in a request.
const ITEMS_MAX: usize = 100_000;

/// What is said of a member that nobody knows.
const NOT_SUPPORTED: &str = "this member is not supported; leave it out";

/// Where in the body a value stands. Rendered only when something is wrong with it.
#[derive(Clone, Copy)]
pub(crate) enum At<'p> {
    Body,
    Member(&'p At<'p>, &'p str),
    Index(&'p At<'p>, usize),
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a, 'p> {
    raw: &'a RawValue,
    at: At<'p>,
}

/// An object whose members are being taken.
pub(crate) struct Object<'a, 'p> {
    at: &'p At<'p>,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// The value that a whole body is.
pub(crate) fn read(body: &[u8]) -> Result<Node<'_, 'static>, Fault> {
    match serde_json::from_slice(body) {
        Ok(raw) => Ok(Node { raw, at: At::Body }),
        Err(error) => Err(Fault::malformed("", format_args!("The body is not valid JSON: {error}"))),
    }
}

impl<'a> Node<'a, '_> {
    /// Whether the value is a string.
    pub(crate) fn is_string(&self) -> bool {
        self.raw.get().starts_with('"')
    }

    /// The value's text, a slice of the body.
    pub(crate) fn text(&self) -> &'a str {
        self.raw.get()
    }

    /// Whether the value is written exactly so.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.raw.get() == text
    }

    /// Whether the value means the same as `text`.
    fn is_like(&self, text: &str) -> bool {
        let value = |text| serde_json::from_str::<Value>(text).ok();
        self.is(text)
            || match (value(self.raw.get()), value(text)) {
                (Some(Value::Number(this)), Some(Value::Number(that))) => this.as_f64() == that.as_f64(),
                (this, that) => this == that,
            }
    }

    /// The value as its author wrote it.
    pub(crate) fn json(self) -> Result<Json, Fault> {
        Ok(Json::from_text(self.raw.get()))
    }

    /// The value as its author wrote it, which must be an object.
    pub(crate) fn json_object(self) -> Result<Json, Fault> {
        if self.raw.get().starts_with('{') { self.json() } else { Err(self.malformed("expected an object")) }
    }

    pub(crate) fn string(self) -> Result<String, Fault> {
        self.parse("expected a string")
    }

    /// An array of strings.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general enough over the node's lifetimes"
    )]
    pub(crate) fn strings(self) -> Result<Vec<String>, Fault> {
        self.each(|item| item.string())
    }

    pub(crate) fn bool(self) -> Result<bool, Fault> {
        self.parse("expected true or false")
    }

    /// A whole number ≥ 0, also when it is written as `1.0`.
    pub(crate) fn u64(self) -> Result<u64, Fault> {
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..9e15).contains(number);
        serde_json::from_str::<u64>(self.raw.get())
            .ok()
            .or_else(|| serde_json::from_str::<f64>(self.raw.get()).ok().filter(whole).map(|n| n as u64))
            .ok_or_else(|| self.malformed("expected a whole number, 0 or more"))
    }

    /// A whole number ≥ 1.
    pub(crate) fn positive(self) -> Result<u64, Fault> {
        match self.u64()? {
            0 => Err(self.malformed("must be at least 1")),
            number => Ok(number),
        }
    }

    /// The 64 bits of a whole number of either sign.
    pub(crate) fn bits(self) -> Result<u64, Fault> {
        match serde_json::from_str::<i64>(self.raw.get()) {
            Ok(number) => Ok(number.cast_unsigned()),
            Err(_) => self.u64(),
        }
    }

    pub(crate) fn u32(self) -> Result<u32, Fault> {
        u32::try_from(self.u64()?).map_err(|_| self.malformed("is too large"))
    }

    /// A number between `min` and `max`, both allowed.
    pub(crate) fn within(self, min: f32, max: f32) -> Result<f32, Fault> {
        let number: f32 = self.parse("expected a number")?;
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        Err(self.malformed(format_args!("must be between {min} and {max}")))
    }

    fn parse<T: DeserializeOwned>(self, problem: &str) -> Result<T, Fault> {
        serde_json::from_str(self.raw.get()).map_err(|_| self.malformed(problem))
    }

    /// The elements of an array, each read by `read`.
    pub(crate) fn each<T>(
        &self,
        mut read: impl FnMut(Node<'a, '_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let Items(items) =
            serde_json::from_str(self.raw.get()).map_err(|error| self.expected("an array", &error))?;
        let node = |(index, raw)| read(Node { raw, at: At::Index(&self.at, index) });
        items.into_iter().enumerate().map(node).collect()
    }

    /// The value's members; it must be an object.
    pub(crate) fn object(&self) -> Result<Object<'a, '_>, Fault> {
        let Members(members) =
            serde_json::from_str(self.raw.get()).map_err(|error| self.expected("an object", &error))?;
        Ok(Object { at: &self.at, members })
    }

    /// The object, and which of its union's shapes it says it is.
    pub(crate) fn tagged(&self) -> Result<(String, Object<'a, '_>), Fault> {
        let mut object = self.object()?;
        let tag = object.need("type", Node::string)?;
        Ok((tag, object))
    }

    /// serde's words for a text that is too long or says something twice, ours for one that is something else.
    fn expected(&self, what: &str, error: &serde_json::Error) -> Fault {
        let message = error.to_string();
        if message.starts_with("invalid type") {
            return self.malformed(format_args!("expected {what}"));
        }
        self.malformed(message.rsplit_once(" at line ").map_or(&*message, |(problem, _)| problem))
    }

    pub(crate) fn malformed(&self, problem: impl fmt::Display) -> Fault {
        Fault::malformed(self.at.to_string(), problem)
    }

    pub(crate) fn unsupported(&self, remedy: impl fmt::Display) -> Fault {
        Fault::unsupported(self.at.to_string(), remedy)
    }
}

impl<'a, 'p> Object<'a, 'p> {
    /// A member, if it is there and not null.
    pub(crate) fn take(&mut self, name: &'p str) -> Option<Node<'a, 'p>> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        let (_, raw) = self.members.swap_remove(index);
        (raw.get() != "null").then_some(Node { raw, at: At::Member(self.at, name) })
    }

    /// A member as it is written, if it is there and not null; it can still be taken.
    pub(crate) fn peek(&self, name: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.members.iter().find(|(member, _)| member == name)?;
        (raw.get() != "null").then_some(*raw)
    }

    /// A member's text, if it is there, even where it is null.
    pub(crate) fn text(&mut self, name: &str) -> Option<&'a str> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(index).1.get())
    }

    /// A member read by `read`, if it is there and not null.
    pub(crate) fn maybe<T>(
        &mut self,
        name: &'p str,
        read: impl FnOnce(Node<'a, 'p>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.take(name).map(read).transpose()
    }

    /// A member read by `read`, which must be there.
    pub(crate) fn need<T>(
        &mut self,
        name: &'p str,
        read: impl FnOnce(Node<'a, 'p>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.maybe(name, read)?
            .ok_or_else(|| Fault::malformed(At::Member(self.at, name).to_string(), "this member is required"))
    }

    /// Refuses each of `names` that is there, with what to do instead.
    pub(crate) fn refuse(&mut self, refused: &[(&'p str, &str)]) -> Result<(), Fault> {
        for (name, remedy) in refused {
            if let Some(node) = self.take(name) {
                return Err(node.unsupported(remedy));
            }
        }
        Ok(())
    }

    /// Takes members that say nothing when they have the value `harmless`, and refuses them otherwise.
    pub(crate) fn only(&mut self, allowed: &[(&'p str, &str, &str)]) -> Result<(), Fault> {
        for (name, harmless, remedy) in allowed {
            if let Some(node) = self.take(name).filter(|node| !node.is_like(harmless)) {
                return Err(node.unsupported(remedy));
            }
        }
        Ok(())
    }

    /// Takes members that only a relayed body can say: `beyond` becomes the first that does not have the value
    /// `harmless`.
    pub(crate) fn note(&mut self, noted: &[(&'p str, Option<&str>, &str)], beyond: &mut Option<Fault>) {
        for (name, harmless, remedy) in noted {
            let says = |node: &Node<'_, '_>| !harmless.is_some_and(|harmless| node.is_like(harmless));
            if let Some(node) = self.take(name).filter(says) {
                beyond.get_or_insert_with(|| node.unsupported(remedy));
            }
        }
    }

    /// Notes what nobody took, as [`Self::note`] does. Some servers take `N` for `n`, so a name that is not in small
    /// letters is refused: it could say anew what was read and held to.
    pub(crate) fn rest(mut self, beyond: &mut Option<Fault>) -> Result<(), Fault> {
        let small = |name: &str| name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        self.members.retain(|(_, raw)| raw.get() != "null");
        match self.members.iter().find(|(name, _)| !small(name)).or(self.members.first()) {
            None => Ok(()),
            Some((name, _)) => {
                let fault = Fault::unsupported(At::Member(self.at, name).to_string(), NOT_SUPPORTED);
                if !small(name) {
                    return Err(fault);
                }
                beyond.get_or_insert(fault);
                Ok(())
            }
        }
    }

    /// All remaining members, for an object whose names are the caller's own.
    pub(crate) fn pairs(self) -> Result<Vec<(String, String)>, Fault> {
        let at = self.at;
        let pair = |(name, raw): (Cow<'_, str>, &RawValue)| {
            let value = Node { raw, at: At::Member(at, &name) }.string()?;
            Ok((name.into_owned(), value))
        };
        self.members.into_iter().map(pair).collect()
    }

    /// Refuses what nobody took.
    pub(crate) fn end(self) -> Result<(), Fault> {
        match self.members.iter().find(|(_, raw)| raw.get() != "null") {
            None => Ok(()),
            Some((name, _)) => Err(Fault::unsupported(At::Member(self.at, name).to_string(), NOT_SUPPORTED)),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Member(Self::Body, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The members of an object, in order, none twice.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Key(name), value)) = map.next_entry()? {
                    if members.iter().any(|(other, _)| *other == name) {
                        return Err(A::Error::custom(format_args!("the member `{name}` is given twice")));
                    }
                    if members.len() == MEMBERS_MAX {
                        return Err(A::Error::custom(format_args!("has more than {MEMBERS_MAX} members")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == ITEMS_MAX {
                        return Err(A::Error::custom(format_args!("has more than {ITEMS_MAX} elements")));
                    }
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

#[cfg(test)]
mod tests;
