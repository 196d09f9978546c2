//! The shapes of the service model `bedrock-runtime` 2023-09-30 (botocore 1.44.5), for both directions.
//!
//! What the model says about a member (its limits, its pattern, that a union has exactly one member) is part of the
//! member's type, so that serde finds every violation and `json::decode` names its path. A member that Bedrock has and
//! Outcrop has not is [`scalar::Refused`]: known, and never accepted.

/// Reads and writes a structure that serde derives for `remote = "Self"`, as an object and nothing else.
macro_rules! as_object {
    ($name:ident) => {
        as_object! { @ $name, [$name], ['de] }
    };
    ($name:ident<'a>) => {
        as_object! { @ $name, [$name<'_>], ['de: 'a, 'a], [$name<'a>] }
    };
    (@ $name:ident, [$any:ty], [$($lives:tt)*] $(, [$whole:ty])?) => {
        impl<$($lives)*> serde::Deserialize<'de> for as_object!(@ $any $(, $whole)?) {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                // The derived function, which is the type's own and not the trait's.
                $name::deserialize($crate::json::Objects(reader))
            }
        }

        impl serde::Serialize for $any {
            fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
                $name::serialize(self, writer)
            }
        }
    };
    (@ $any:ty) => { $any };
    (@ $any:ty, $whole:ty) => { $whole };
}

/// A structure: required members, then optional ones, each marked with `?`. An explicit null is an absent member.
macro_rules! shape {
    ($(#[$meta:meta])* struct $name:ident<'a> { $($members:tt)* }) => {
        shape! { @ [$(#[$meta])* #[serde(bound(deserialize = "'de: 'a"))]] [$name<'a>] $($members)* }
        as_object! { $name<'a> }
    };
    ($(#[$meta:meta])* struct $name:ident { $($members:tt)* }) => {
        shape! { @ [$(#[$meta])*] [$name] $($members)* }
        as_object! { $name }
    };
    (@ [$($meta:tt)*] [$($name:tt)+]
        $($(#[$rmeta:meta])* $required:ident: $rty:ty,)*
        $(? $(#[$ometa:meta])* $optional:ident: $oty:ty,)*
    ) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
        $($meta)*
        pub(in crate::converse) struct $($name)+ {
            $($(#[$rmeta])* pub(in crate::converse) $required: $rty,)*
            $(#[serde(default, skip_serializing_if = "Option::is_none")]
            $(#[$ometa])* pub(in crate::converse) $optional: Option<$oty>,)*
        }
    };
}

/// A union: an object of which exactly one member is set.
macro_rules! union {
    ($(#[$meta:meta])* enum $name:ident<'a> { $($key:literal => $variant:ident($ty:ty),)+ }) => {
        $(#[$meta])*
        #[derive(Debug, serde::Serialize)]
        pub(in crate::converse) enum $name<'a> {
            $(#[serde(rename = $key)] $variant($ty),)+
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                struct Members<'a>(std::marker::PhantomData<&'a ()>);

                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Members<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object with exactly one member")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name<'a>, A::Error> {
                        let mut found = None;
                        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                            let member = match &*key {
                                $($key => map.next_value::<Option<$ty>>()?.map($name::$variant),)+
                                other => return Err(serde::de::Error::unknown_field(other, &[$($key),+])),
                            };
                            if member.is_some() && found.is_some() {
                                return Err(serde::de::Error::custom("must have exactly one member"));
                            }
                            found = member.or(found);
                        }
                        let one_of = concat!("must have exactly one member:", $(" ", $key),+);
                        found.ok_or_else(|| serde::de::Error::custom(one_of))
                    }
                }

                reader.deserialize_map(Members(std::marker::PhantomData))
            }
        }
    };
}

pub(in crate::converse) mod answer;
pub(in crate::converse) mod content;
pub(in crate::converse) mod event;
pub(in crate::converse) mod request;
pub(in crate::converse) mod scalar;
