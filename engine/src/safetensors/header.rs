use std::collections::HashMap;
use std::fmt;

use canon::Fault;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::gguf::TensorType;

/// The format allows 100 MB; a model of a thousand layers has a header of some two.
pub(super) const HEADER_BYTES_MAX: usize = 16 << 20;
/// More tensors than any model has.
const TENSORS_MAX: usize = 65_536;
/// Longer names are a mistake.
const NAME_BYTES_MAX: usize = 512;
/// Tensors of more dimensions are none of a language model's.
const DIMENSIONS_MAX: usize = 8;
/// The member that holds no tensor, but what the writer notes.
const NOTES: &str = "__metadata__";

/// A tensor's place, checked against the file.
#[derive(Debug)]
pub(super) struct Place {
    /// The format's name of its type.
    pub(super) dtype: &'static str,
    /// The type, if it is computed here.
    pub(super) kind: Option<TensorType>,
    /// The fastest dimension first. None for a single number.
    pub(super) shape: Vec<usize>,
    /// From the file's beginning, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A type of the format: its name, its bits, and ours for it.
type Dtype = (&'static str, u64, Option<TensorType>);

/// The types that the format knows.
const DTYPES: [Dtype; 20] = [
    ("F32", 32, Some(TensorType::F32)),
    ("F16", 16, Some(TensorType::F16)),
    ("BF16", 16, Some(TensorType::BF16)),
    ("F64", 64, None),
    ("C64", 64, None),
    ("I64", 64, None),
    ("U64", 64, None),
    ("I32", 32, None),
    ("U32", 32, None),
    ("I16", 16, None),
    ("U16", 16, None),
    ("I8", 8, None),
    ("U8", 8, None),
    ("BOOL", 8, None),
    ("F8_E4M3", 8, None),
    ("F8_E5M2", 8, None),
    ("F8_E8M0", 8, None),
    ("F6_E2M3", 6, None),
    ("F6_E3M2", 6, None),
    ("F4", 4, None),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// A header's members as they come. A JSON library would keep the last of two with one name.
struct Members(Vec<(String, Said)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == NOTES {
                        map.next_value::<HashMap<String, String>>()?;
                    } else if name.len() > NAME_BYTES_MAX || members.len() == TENSORS_MAX {
                        let problem = format!(
                            "at most {TENSORS_MAX} tensors with names of {NAME_BYTES_MAX} bytes are read"
                        );
                        return Err(A::Error::custom(problem));
                    } else {
                        let said = map.next_value();
                        members.push((
                            name.clone(),
                            said.map_err(|error| A::Error::custom(format!("tensor {name}: {error}")))?,
                        ));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Reads the header: each tensor's name and place, in the order of their bytes.
pub(super) fn read(file: &[u8]) -> Result<Vec<(String, Place)>, Fault> {
    let at_start = |problem: String| Fault::malformed("header", problem);
    let Some((length, rest)) = file.split_first_chunk() else {
        return Err(at_start("this is no safetensors file: it has less than 8 bytes".to_owned()));
    };
    let length = u64::from_le_bytes(*length);
    let fits = usize::try_from(length).ok().filter(|length| *length <= HEADER_BYTES_MAX.min(rest.len()));
    let Some(length) = fits else {
        let problem = format!(
            "is said to have {length} bytes, but {} follow, and at most {HEADER_BYTES_MAX} are read",
            rest.len()
        );
        return Err(at_start(problem));
    };
    let (json, data) = rest.split_at(length);
    let members: Members =
        serde_json::from_slice(json).map_err(|error| at_start(format!("is not as it should be: {error}")))?;
    let data_start = file.len() - data.len();
    let mut places = Vec::with_capacity(members.0.len());
    for (name, said) in members.0 {
        let place = place(&said, data_start, data.len())
            .map_err(|problem| Fault::malformed(format!("tensor {name}"), problem))?;
        places.push((name, place));
    }
    places.sort_by_key(|(_, place)| (place.start, place.end));
    without_holes(&places, data_start, file.len())?;
    Ok(places)
}

fn place(said: &Said, data_start: usize, data_bytes: usize) -> Result<Place, String> {
    let (dtype, bits, kind) = DTYPES.into_iter().find(|(name, ..)| *name == said.dtype).ok_or_else(|| {
        let known: Vec<&str> = DTYPES.iter().map(|(name, ..)| *name).collect();
        format!("the format has no type {:?}; it has {}", said.dtype, known.join(", "))
    })?;
    if said.shape.len() > DIMENSIONS_MAX {
        return Err(format!("has {} dimensions; at most {DIMENSIONS_MAX} are read", said.shape.len()));
    }
    let total = said.shape.iter().try_fold(bits, |product, len| product.checked_mul(*len));
    let needed = total.filter(|bits| bits.is_multiple_of(8)).map(|bits| bits / 8);
    let (start, end) = said.data_offsets;
    if needed.is_none_or(|needed| end.checked_sub(start) != Some(needed)) {
        return Err(format!(
            "its bytes are {start} to {end}, which is not what {dtype} of the shape {:?} takes",
            said.shape
        ));
    }
    if end > data_bytes as u64 {
        return Err(format!("its bytes end at {end}, and the file's at {data_bytes}; is the file whole?"));
    }
    // All of it fits in the file, so it fits in a `usize`; a dimension beside one of zero may be anything.
    let shape = said.shape.iter().rev().map(|len| usize::try_from(*len));
    Ok(Place {
        dtype,
        kind,
        shape: shape.collect::<Result<_, _>>().map_err(|error| error.to_string())?,
        start: data_start + start as usize,
        end: data_start + end as usize,
    })
}

/// Each tensor begins where the one before it ends, under a name of its own, and the last one ends the file.
fn without_holes(places: &[(String, Place)], start: usize, end: usize) -> Result<(), Fault> {
    let mut names = std::collections::HashSet::new();
    let mut at = start;
    for (name, place) in places {
        let named = |problem: &str| Fault::malformed(format!("tensor {name}"), problem);
        if !names.insert(name) {
            return Err(named("the name comes twice"));
        }
        if place.start < at {
            return Err(named("overlaps another tensor"));
        }
        if place.start > at {
            return Err(named("there is a hole before its bytes"));
        }
        at = place.end;
    }
    if at != end {
        let problem = format!("{} bytes after the last tensor belong to none", end - at);
        return Err(Fault::malformed("header", problem));
    }
    Ok(())
}
