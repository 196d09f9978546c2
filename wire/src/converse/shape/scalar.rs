use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use canon::Json;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Text, borrowed where it needs no unescaping.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(in crate::converse) struct Text<'a>(pub(in crate::converse) Cow<'a, str>);

impl<'a> Text<'a> {
    pub(in crate::converse) const fn of(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub(in crate::converse) fn own(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        reader.deserialize_str(Words).map(Text)
    }
}

/// Text that satisfies a rule.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(in crate::converse) struct Ruled<'a, R>(
    pub(in crate::converse) Text<'a>,
    #[serde(skip)] pub(in crate::converse) PhantomData<R>,
);

/// What a text must be.
pub(in crate::converse) trait Rule {
    /// In words, to follow "must".
    const MUST: &'static str;

    fn holds(text: &str) -> bool;
}

impl<'a, R> Ruled<'a, R> {
    pub(in crate::converse) const fn of(text: &'a str) -> Self {
        Self(Text::of(text), PhantomData)
    }

    pub(in crate::converse) fn own(self) -> String {
        self.0.own()
    }
}

impl<'de: 'a, 'a, R: Rule> Deserialize<'de> for Ruled<'a, R> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(reader)?;
        if R::holds(&text.0) {
            return Ok(Self(text, PhantomData));
        }
        Err(D::Error::custom(format_args!("must {}", R::MUST)))
    }
}

macro_rules! rule {
    ($name:ident, $must:literal, $text:ident => $holds:expr) => {
        #[derive(Debug)]
        pub(in crate::converse) enum $name {}

        impl Rule for $name {
            const MUST: &'static str = $must;

            fn holds($text: &str) -> bool {
                $holds
            }
        }
    };
}

rule!(Name, "match [a-zA-Z0-9_-]{1,64}", text => made_of(text, b"_-"));
rule!(CallId, "match [a-zA-Z0-9_.:-]{1,64}", text => made_of(text, b"_.:-"));
rule!(NonEmpty, "not be empty", text => !text.is_empty());
rule!(S3Uri, "begin with s3:// and have 1 to 1024 characters", text => text.starts_with("s3://") && text.len() <= 1024);
rule!(Title, "have 1 to 200 characters", text => (1..=200).contains(&text.chars().count()));
rule!(JsonPointer, "be a JSON Pointer (RFC 6901) of 1 to 256 characters", text => is_pointer(text));
rule!(JsonText, "be a JSON Schema, as a string that holds a JSON object", text => is_object(text));

fn made_of(text: &str, others: &[u8]) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

/// RFC 6901 §3: `*( "/" *( unescaped / "~0" / "~1" ) )`. The whole document, the empty pointer, cannot be asked for.
fn is_pointer(text: &str) -> bool {
    let mut after_tilde = text.split('~').skip(1);
    text.starts_with('/') && text.len() <= 256 && after_tilde.all(|rest| rest.starts_with(['0', '1']))
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get().starts_with('{'))
}

/// Data, in base64.
#[derive(Debug)]
pub(in crate::converse) struct Base64(pub(in crate::converse) Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(reader)?;
        match crate::media::from_base64(&text.0) {
            Some(bytes) if !bytes.is_empty() => Ok(Self(bytes)),
            Some(_) => Err(D::Error::custom("must not be empty")),
            None => Err(D::Error::custom("must be base64")),
        }
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(&crate::media::to_base64(&self.0))
    }
}

/// A JSON document that somebody else wrote, its text untouched.
#[derive(Debug)]
pub(in crate::converse) struct Raw<'a>(Cow<'a, str>);

impl<'a> Raw<'a> {
    pub(in crate::converse) fn of(json: &'a Json) -> Self {
        Self(Cow::Borrowed(json.text()))
    }

    pub(in crate::converse) fn json(&self) -> Json {
        Json::from_text(&*self.0)
    }

    /// Whether the document is an object.
    pub(in crate::converse) fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(reader).map(|raw| Self(Cow::Borrowed(raw.get())))
    }
}

impl Serialize for Raw<'_> {
    /// A document that its author, a model, left unfinished goes as a string, so that the answer around it stays JSON.
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(raw) => raw.serialize(writer),
            Err(_) => writer.serialize_str(&self.0),
        }
    }
}

/// A JSON object that somebody else wrote.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(in crate::converse) struct RawObject<'a>(pub(in crate::converse) Raw<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(reader)?;
        if raw.is_object() { Ok(Self(raw)) } else { Err(D::Error::custom("must be an object")) }
    }
}

/// A whole number ≥ 1.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(in crate::converse) struct Positive(pub(in crate::converse) u64);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        match u64::deserialize(reader)? {
            0 => Err(D::Error::custom("must be at least 1")),
            number => Ok(Self(number)),
        }
    }
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(in crate::converse) struct Fraction(pub(in crate::converse) f32);

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let number = f32::deserialize(reader)?;
        if (0.0..=1.0).contains(&number) {
            return Ok(Self(number));
        }
        Err(D::Error::custom("must be between 0 and 1"))
    }
}

/// A list of `MIN` (0 or 1) to `MAX` elements.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(in crate::converse) struct List<T, const MIN: usize, const MAX: usize>(pub(in crate::converse) Vec<T>);

/// No limit but the body's.
pub(in crate::converse) const ANY: usize = usize::MAX;

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de> for List<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(reader)?;
        if list.len() < MIN {
            return Err(D::Error::custom("must not be empty"));
        }
        if list.len() > MAX {
            return Err(D::Error::custom(format_args!("must have at most {MAX} elements")));
        }
        Ok(Self(list))
    }
}

/// Pairs of texts, in the order given: at least one and at most [`PAIRS_MAX`], each side at most
/// [`PAIR_CHARS_MAX`] long.
#[derive(Debug)]
pub(in crate::converse) struct Pairs(pub(in crate::converse) Vec<(String, String)>);

const PAIRS_MAX: usize = 16;
const PAIR_CHARS_MAX: usize = 256;

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if pairs.len() == PAIRS_MAX {
                        return Err(A::Error::custom(format_args!("must have at most {PAIRS_MAX} members")));
                    }
                    if name.chars().count().max(value.chars().count()) > PAIR_CHARS_MAX {
                        return Err(A::Error::custom(format_args!(
                            "must be at most {PAIR_CHARS_MAX} characters"
                        )));
                    }
                    pairs.push((name, value));
                }
                if pairs.is_empty() { Err(A::Error::custom("must not be empty")) } else { Ok(Pairs(pairs)) }
            }
        }

        reader.deserialize_map(Members)
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A member that Bedrock has and Outcrop has not.
#[derive(Debug)]
pub(in crate::converse) enum Refused {}

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(crate::json::REFUSED))
    }
}

impl Serialize for Refused {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

shape! {
    /// An object without members.
    struct Nothing {}
}
