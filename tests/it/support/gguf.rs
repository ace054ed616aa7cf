//! The GGUF file format, version 3, as much of it as [`super::tiny_model`] writes and [`super::changed_model`] reads.

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

/// A tensor of a file: what it is, and where its data begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    /// From the innermost out.
    pub dimensions: Vec<usize>,
    /// GGML's number of the type of its weights.
    pub kind: u32,
    /// From the file's beginning, in bytes.
    pub at: usize,
}

/// The tensors of a file, in its order.
pub fn tensors(file: &[u8]) -> Vec<Tensor> {
    assert_eq!(&file[..8], b"GGUF\x03\0\0\0", "no GGUF file of version 3");
    let mut read = Reader { file, at: 8 };
    let (count, keys) = (read.long(), read.long());
    for _ in 0..keys {
        read.string();
        let kind = read.number();
        read.skip_value(kind);
    }
    let tensor = |read: &mut Reader<'_>| {
        let name = read.string();
        let dimensions = (0..read.number()).map(|_| read.long()).collect::<Vec<_>>();
        Tensor { name, dimensions, kind: read.number(), at: read.long() }
    };
    let mut all: Vec<Tensor> = (0..count).map(|_| tensor(&mut read)).collect();
    // Every file here has the usual alignment.
    let data = read.at.next_multiple_of(32);
    for tensor in &mut all {
        tensor.at += data;
    }
    all
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let bytes = self.file[self.at..self.at + N].try_into().expect("the slice is as long");
        self.at += N;
        bytes
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn long(&mut self) -> usize {
        usize::try_from(u64::from_le_bytes(self.take())).expect("it fits into memory")
    }

    fn string(&mut self) -> String {
        let length = self.long();
        let text = String::from_utf8(self.file[self.at..self.at + length].to_vec());
        self.at += length;
        text.expect("names are text")
    }

    fn skip_value(&mut self, kind: u32) {
        match kind {
            STRING => drop(self.string()),
            ARRAY => {
                let (kind, count) = (self.number(), self.long());
                (0..count).for_each(|_| self.skip_value(kind));
            }
            0 | 1 | BOOL => self.at += 1,
            2 | 3 => self.at += 2,
            U32 | I32 | F32 => self.at += 4,
            _ => self.at += 8,
        }
    }
}

pub fn string(s: &str) -> Vec<u8> {
    let mut out = (s.len() as u64).to_le_bytes().to_vec();
    out.extend(s.bytes());
    out
}

#[test]
fn what_is_written_is_read() {
    let mut out = Gguf::default();
    out.text("general.architecture", "llama");
    out.array("a", STRING, ["one", "two"].iter().map(|text| string(text)));
    out.key("b", BOOL).push(1);
    out.tensor("first", &[3, 2], [0.0; 6]);
    out.tensor("second", &[1], [7.5]);
    let file = out.bytes();
    let all = tensors(&file);
    let told: Vec<_> =
        all.iter().map(|one| (one.name.as_str(), one.dimensions.as_slice(), one.kind)).collect();
    assert_eq!(told, [("first", &[3, 2][..], 0), ("second", &[1][..], 0)]);
    assert_eq!(file[all[1].at..all[1].at + 4], 7.5_f32.to_le_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(32), 0);
}
