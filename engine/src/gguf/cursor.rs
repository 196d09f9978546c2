use super::metadata::Kind;

/// Arrays of arrays deeper than this are refused.
const ARRAY_DEPTH_MAX: usize = 4;

/// Reads little-endian values from the file, never past its end.
///
/// Problems are plain text here; whoever knows the name of the key or the tensor adds it.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    fn left(&self) -> u64 {
        self.bytes.len().saturating_sub(self.at) as u64
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        if len > self.left() {
            return Err(format!(
                "needs {len} bytes at offset {}, but the file ends after {}",
                self.at,
                self.left()
            ));
        }
        // It fits in the file, so it fits in a `usize`.
        let end = self.at + len as usize;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self) -> Result<&'a str, String> {
        let len = self.u64()?;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8: {error}"))
    }

    /// The kind and the number of an array's elements. So many elements have room in the rest of the file.
    pub(super) fn array_head(&mut self) -> Result<(Kind, u64), String> {
        let kind = Kind::of(self.u32()?)?;
        let count = self.u64()?;
        let least = count.checked_mul(kind.bytes_min());
        if least.is_none_or(|least| least > self.left()) {
            return Err(format!("an array of {count} elements does not fit in the file"));
        }
        Ok((kind, count))
    }

    /// Goes past a value, checking that it lies within the file.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<(), String> {
        self.skip_nested(kind, 0)
    }

    fn skip_nested(&mut self, kind: Kind, depth: usize) -> Result<(), String> {
        match kind {
            Kind::String => {
                let len = self.u64()?;
                self.take(len)?;
            }
            Kind::Array => {
                if depth == ARRAY_DEPTH_MAX {
                    return Err(format!("arrays are nested more than {ARRAY_DEPTH_MAX} deep"));
                }
                let (kind, count) = self.array_head()?;
                if matches!(kind, Kind::String | Kind::Array) {
                    for _ in 0..count {
                        self.skip_nested(kind, depth + 1)?;
                    }
                } else {
                    self.take(count * kind.bytes_min())?;
                }
            }
            scalar => {
                self.take(scalar.bytes_min())?;
            }
        }
        Ok(())
    }
}
