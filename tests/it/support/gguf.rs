//! The GGUF file format, version 3, as much of it as [`super::tiny_model`] writes.

// The numbers of GGUF's types.
const U32: u32 = 4;
pub const I32: u32 = 5;
pub const F32: u32 = 6;
pub const BOOL: u32 = 7;
pub const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// A GGUF file in the making: keys, tensor descriptions and their data, each counted where the header needs it.
#[derive(Default)]
pub struct Gguf {
    keys: (u64, Vec<u8>),
    tensors: (u64, Vec<u8>),
    data: Vec<u8>,
}

impl Gguf {
    /// Begins a key of this type; the caller appends its value.
    pub fn key(&mut self, key: &str, kind: u32) -> &mut Vec<u8> {
        self.keys.0 += 1;
        self.keys.1.extend(string(key));
        self.keys.1.extend(kind.to_le_bytes());
        &mut self.keys.1
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key, STRING).extend(string(value));
    }

    pub fn number(&mut self, key: &str, value: u32) {
        self.key(key, U32).extend(value.to_le_bytes());
    }

    pub fn array<V: IntoIterator<Item = u8>>(
        &mut self,
        key: &str,
        kind: u32,
        values: impl ExactSizeIterator<Item = V>,
    ) {
        let out = self.key(key, ARRAY);
        out.extend(kind.to_le_bytes());
        out.extend((values.len() as u64).to_le_bytes());
        for value in values {
            out.extend(value);
        }
    }

    /// Dimensions from the innermost out.
    pub fn tensor(&mut self, name: &str, dimensions: &[usize], weights: impl IntoIterator<Item = f32>) {
        self.tensors.0 += 1;
        let out = &mut self.tensors.1;
        out.extend(string(name));
        out.extend((dimensions.len() as u32).to_le_bytes());
        for size in dimensions {
            out.extend((*size as u64).to_le_bytes());
        }
        out.extend(0_u32.to_le_bytes()); // F32
        out.extend((self.data.len() as u64).to_le_bytes());
        for weight in weights {
            self.data.extend(weight.to_le_bytes());
        }
        pad(&mut self.data);
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend(self.tensors.0.to_le_bytes());
        out.extend(self.keys.0.to_le_bytes());
        out.extend(self.keys.1);
        out.extend(self.tensors.1);
        pad(&mut out);
        out.extend(self.data);
        out
    }
}

pub fn string(s: &str) -> Vec<u8> {
    let mut out = (s.len() as u64).to_le_bytes().to_vec();
    out.extend(s.bytes());
    out
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(32), 0);
}
