//! Writes small safetensors files for tests.

/// A safetensors file in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Members of the header, in JSON.
    pub(crate) members: Vec<String>,
    pub(crate) data: Vec<u8>,
}

impl Sample {
    /// A tensor; the slowest dimension first, as the format has it.
    pub(crate) fn tensor(mut self, name: &str, dtype: &str, shape: &[usize], bytes: &[u8]) -> Self {
        let (start, end) = (self.data.len(), self.data.len() + bytes.len());
        self.data.extend(bytes);
        self.member(&format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ))
    }

    pub(crate) fn f32s(self, name: &str, shape: &[usize], numbers: &[f32]) -> Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensor(name, "F32", shape, &bytes)
    }

    /// A member of the header as it is.
    pub(crate) fn member(mut self, json: &str) -> Self {
        self.members.push(json.to_owned());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let header = format!("{{{}}}", self.members.join(","));
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header.as_bytes());
        out.extend(&self.data);
        out
    }
}
