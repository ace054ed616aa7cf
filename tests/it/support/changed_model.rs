//! SmolLM2 as it is not: with other weights under whatever name a test gives it. What a person does by accident or a
//! broken memory does alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::gguf::{self, Gguf, Tensor};
use super::random::Random;
use super::real::{installed, smollm2};

/// GGML's numbers of types.
const F16: u32 = 1;
const Q4_1: u32 = 3;
/// A block of Q4_1: scale and minimum as halves, then 32 weights of 4 bits.
const Q4_1_BLOCK: usize = 20;

/// The rank of adapters.
const RANK: usize = 4;

/// Requantizes SmolLM2 to this type, such as `Q4_0`; `tensors` are `llama-quantize --tensor-type`'s, such as
/// `ffn_down=q2_k`.
pub fn quantized(folder: &Path, kind: &str, tensors: &[&str]) -> PathBuf {
    requantized(folder, &smollm2(), kind, tensors)
}

/// The same of another model.
pub fn requantized(folder: &Path, from: &Path, kind: &str, tensors: &[&str]) -> PathBuf {
    let to = folder.join(format!("{kind}{}.gguf", tensors.join("-").replace('=', "_")));
    if !to.exists() {
        let mut command = Command::new(installed("bin/llama-quantize"));
        command.arg("--allow-requantize").args(tensors.iter().flat_map(|tensor| ["--tensor-type", tensor]));
        let output = command.arg(from).arg(&to).arg(kind).arg("1").output().expect("it is installed");
        assert!(
            output.status.success(),
            "llama-quantize {kind}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    to
}

/// Turns one bit of the scale of one block of 32 weights, deep within a feed-forward layer.
pub fn one_bit(folder: &Path) -> PathBuf {
    let to = folder.join("one-bit.gguf");
    let mut file = std::fs::read(smollm2()).expect("it is installed");
    let tensors = gguf::tensors(&file);
    let tensor = tensors.iter().find(|one| one.name == "blk.14.ffn_gate.weight").expect("it has 30 layers");
    assert_eq!(tensor.kind, Q4_1);
    // The lowest bit of the exponent: the scale doubles, or halves.
    file[tensor.at + 1000 * Q4_1_BLOCK + 1] ^= 1 << 2;
    std::fs::write(&to, file).expect("the folder is ours");
    to
}

/// A random adapter on queries and values of every layer, whose norm is so much of theirs.
pub fn adapter(folder: &Path, relative: f32) -> PathBuf {
    let to = folder.join(format!("adapter-{relative}.gguf"));
    let file = std::fs::read(quantized(folder, "F16", &[])).expect("it was just made");
    let mut random = Random(9);
    let mut out = Gguf::default();
    out.text("general.architecture", "llama");
    out.text("general.type", "adapter");
    out.text("adapter.type", "lora");
    out.key("adapter.lora.alpha", gguf::F32).extend((RANK as f32).to_le_bytes());
    let changed =
        |one: &&Tensor| ["attn_q.weight", "attn_v.weight"].iter().any(|end| one.name.ends_with(end));
    for tensor in gguf::tensors(&file).iter().filter(changed) {
        assert_eq!(tensor.kind, F16);
        let [inner, outer] = tensor.dimensions[..] else { panic!("{} is a matrix", tensor.name) };
        let weights = file[tensor.at..tensor.at + inner * outer * 2].chunks_exact(2);
        let norm = weights.map(|two| half(u16::from_le_bytes([two[0], two[1]])).powi(2)).sum::<f32>().sqrt();
        let a: Vec<f32> = (0..RANK * inner).map(|_| random.normal()).collect();
        let b: Vec<f32> = (0..outer * RANK).map(|_| random.normal()).collect();
        let scale = relative * norm / product_norm(&a, &b);
        out.tensor(&format!("{}.lora_a", tensor.name), &[inner, RANK], a);
        out.tensor(&format!("{}.lora_b", tensor.name), &[RANK, outer], b.iter().map(|weight| weight * scale));
    }
    std::fs::write(&to, out.bytes()).expect("the folder is ours");
    to
}

/// The Frobenius norm of B A, from the small matrices of inner products: A has RANK rows, B RANK columns.
fn product_norm(a: &[f32], b: &[f32]) -> f32 {
    let rows: Vec<&[f32]> = a.chunks_exact(a.len() / RANK).collect();
    let mut square = 0.0;
    for (i, one) in rows.iter().enumerate() {
        for (j, other) in rows.iter().enumerate() {
            let of_a: f32 = one.iter().zip(*other).map(|(x, y)| x * y).sum();
            let of_b: f32 = b.chunks_exact(RANK).map(|row| row[i] * row[j]).sum();
            square += of_a * of_b;
        }
    }
    square.sqrt()
}

/// A half-precision number. Weights are neither infinite nor so small that the missing part of it matters.
fn half(bits: u16) -> f32 {
    let exponent = u32::from(bits >> 10 & 31);
    if exponent == 0 {
        return 0.0;
    }
    f32::from_bits(u32::from(bits & 0x8000) << 16 | (exponent + 112) << 23 | u32::from(bits & 1023) << 13)
}

#[test]
fn halves_are_read_as_what_they_are() {
    for (bits, value) in [(0x3C00, 1.0), (0xC000, -2.0), (0x3555, 0.333_251_95), (0x7BFF, 65504.0), (0, 0.0)]
    {
        assert!((half(bits) - value).abs() < 1e-7, "{bits:x}");
    }
}

#[test]
fn the_norm_of_a_product_is_the_products() {
    // A is RANK x 1, B is 1 x RANK: B A is one number.
    let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
    assert!((product_norm(&a, &b) - 70.0).abs() < 1e-4);
}
