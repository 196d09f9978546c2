use std::collections::{BTreeMap, HashSet};

use canon::Fault;

use super::TensorType;
use super::cursor::Cursor;
use super::metadata::{Entry, Kind, Metadata};
use super::tensor::Place;

/// More keys than any model has.
const KEYS_MAX: u64 = 65_536;
/// More tensors than any model has.
const TENSORS_MAX: u64 = 65_536;
/// ggml's own limit is 64.
const NAME_BYTES_MAX: usize = 256;
/// `GGML_MAX_DIMS`.
const DIMENSIONS_MAX: u32 = 4;
/// The alignment of a file that names none.
const ALIGNMENT_BYTES_DEFAULT: u32 = 32;
/// A larger one is a mistake.
const ALIGNMENT_BYTES_MAX: u32 = 1 << 20;

/// What a file says it holds, checked against its bytes.
pub(super) struct Directory {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) places: Vec<Place>,
}

/// A tensor as the directory lists it.
struct Listed {
    name: String,
    kind: TensorType,
    shape: Vec<usize>,
    /// Relative to the data section.
    offset: u64,
    bytes: u64,
}

/// Reads the directory of the file that will be the one of this number.
pub(super) fn read(bytes: &[u8], file: usize) -> Result<Directory, Fault> {
    let mut cursor = Cursor::new(bytes, 0);
    let (tensors, keys) = header(&mut cursor)?;
    let entries = read_entries(&mut cursor, keys)?;
    let listed = read_tensors(&mut cursor, tensors)?;
    let alignment = alignment(Metadata { bytes, entries: &entries })?;
    let data = cursor.at().next_multiple_of(alignment as usize);
    check(&listed, bytes.len().saturating_sub(data) as u64, u64::from(alignment))?;
    // `check` held both numbers against the file's length.
    let place = |Listed { name, kind, shape, offset, bytes }: Listed| {
        let start = data + offset as usize;
        Place { name, kind, shape, file, bytes: start..start + bytes as usize }
    };
    Ok(Directory { entries, places: listed.into_iter().map(place).collect() })
}

fn header(cursor: &mut Cursor<'_>) -> Result<(u64, u64), Fault> {
    let at_start = |problem: String| Fault::malformed("header", problem);
    let magic = cursor.array::<4>().map_err(at_start)?;
    if magic != *b"GGUF" {
        return Err(Fault::malformed("header", "this is no GGUF file: it does not begin with \"GGUF\""));
    }
    let version = cursor.u32().map_err(at_start)?;
    if !matches!(version, 2 | 3) {
        let what = if version.swap_bytes() <= 3 { "big-endian files are" } else { "this version is" };
        return Err(Fault::unsupported("header", format!("{what} not read (GGUF version {version:#x})")));
    }
    let tensors = cursor.u64().map_err(at_start)?;
    let keys = cursor.u64().map_err(at_start)?;
    if tensors > TENSORS_MAX || keys > KEYS_MAX {
        let problem =
            format!("{tensors} tensors and {keys} keys; at most {TENSORS_MAX} and {KEYS_MAX} are read");
        return Err(Fault::malformed("header", problem));
    }
    Ok((tensors, keys))
}

fn read_entries(cursor: &mut Cursor<'_>, count: u64) -> Result<BTreeMap<String, Entry>, Fault> {
    let mut entries = BTreeMap::new();
    for number in 0..count {
        let nameless = |problem: String| Fault::malformed(format!("key {number}"), problem);
        let key = cursor.string().and_then(short).map_err(nameless)?;
        let named = |problem: String| Fault::malformed(key, problem);
        let kind = cursor.u32().and_then(Kind::of).map_err(named)?;
        let entry = Entry { kind, at: cursor.at() };
        cursor.skip(kind).map_err(named)?;
        if entries.insert(key.to_owned(), entry).is_some() {
            return Err(Fault::malformed(key, "the key comes twice"));
        }
    }
    Ok(entries)
}

fn short(name: &str) -> Result<&str, String> {
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("its name has {} bytes; at most {NAME_BYTES_MAX} are read", name.len()));
    }
    Ok(name)
}

fn read_tensors(cursor: &mut Cursor<'_>, count: u64) -> Result<Vec<Listed>, Fault> {
    let mut listed = Vec::new();
    for number in 0..count {
        let nameless = |problem: String| Fault::malformed(format!("tensor {number}"), problem);
        let name = cursor.string().and_then(short).map_err(nameless)?;
        listed.push(read_tensor(cursor, name)?);
    }
    Ok(listed)
}

fn read_tensor(cursor: &mut Cursor<'_>, name: &str) -> Result<Listed, Fault> {
    let named = |problem: String| Fault::malformed(format!("tensor {name}"), problem);
    let dimensions = cursor.u32().map_err(named)?;
    if dimensions == 0 || dimensions > DIMENSIONS_MAX {
        return Err(named(format!("has {dimensions} dimensions; 1 to {DIMENSIONS_MAX} are read")));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        let len = cursor.u64().map_err(named)?;
        shape.push(
            usize::try_from(len)
                .ok()
                .filter(|len| *len > 0)
                .ok_or_else(|| named(format!("a dimension of {len} is none")))?,
        );
    }
    let code = cursor.u32().map_err(named)?;
    let kind = TensorType::of(code).ok_or_else(|| {
        let remedy = format!("its type {code} is not read; take a file in one of {:?}", TensorType::ALL);
        Fault::unsupported(format!("tensor {name}"), remedy)
    })?;
    let offset = cursor.u64().map_err(named)?;
    if !shape[0].is_multiple_of(kind.block_len()) {
        let problem = format!("rows of {} are not whole blocks of {}", shape[0], kind.block_len());
        return Err(named(problem));
    }
    let numbers = shape.iter().try_fold(1u64, |product, len| product.checked_mul(*len as u64));
    let bytes = numbers
        .and_then(|numbers| (numbers / kind.block_len() as u64).checked_mul(kind.block_bytes() as u64))
        .ok_or_else(|| named(format!("its shape {shape:?} is beyond any file")))?;
    Ok(Listed { name: name.to_owned(), kind, shape, offset, bytes })
}

fn alignment(metadata: Metadata<'_>) -> Result<u32, Fault> {
    let key = "general.alignment";
    let bytes = metadata.u32(key)?.unwrap_or(ALIGNMENT_BYTES_DEFAULT);
    if !bytes.is_power_of_two() || bytes > ALIGNMENT_BYTES_MAX {
        return Err(Fault::malformed(key, format!("{bytes} is no power of two up to {ALIGNMENT_BYTES_MAX}")));
    }
    Ok(bytes)
}

/// Each tensor lies aligned within the data section, apart from all others, under a name of its own.
fn check(listed: &[Listed], data_bytes: u64, alignment: u64) -> Result<(), Fault> {
    let mut by_offset: Vec<&Listed> = listed.iter().collect();
    by_offset.sort_by_key(|tensor| tensor.offset);
    let mut names = HashSet::new();
    let mut free_from = 0;
    for tensor in by_offset {
        let named = |problem: String| Fault::malformed(format!("tensor {}", tensor.name), problem);
        if !names.insert(&tensor.name) {
            return Err(named("the name comes twice".to_owned()));
        }
        if !tensor.offset.is_multiple_of(alignment) {
            return Err(named(format!("its offset {} is not a multiple of {alignment}", tensor.offset)));
        }
        if tensor.offset < free_from {
            return Err(named("overlaps another tensor".to_owned()));
        }
        free_from =
            tensor.offset.checked_add(tensor.bytes).filter(|end| *end <= data_bytes).ok_or_else(|| {
                named(format!(
                    "{} bytes at {} reach past the end; is the file whole?",
                    tensor.bytes, tensor.offset
                ))
            })?;
    }
    Ok(())
}
