//! A language model whose every answer can be computed on paper, written as a GGUF file that llama-server and
//! Ollama load in some 50 ms (2 MB) and run at thousands of tokens a second on one core.
//!
//! A token is one printable character, so a prompt of 12 characters is 13 tokens (the first is `<s>`). The
//! embedding of token *i* is the unit vector *i*, attention and feed-forward add zero, and row *j* of the output
//! matrix holds the logits of token *j* after each token. What comes next therefore depends on the last token
//! alone, and by a table: [`TinyModel::log_probability`] reads it, and the servers agree to four decimals. The
//! table counts the pairs of letters in [`TEXT`]: after `.` a space follows in two cases of three and the end of
//! the answer in one, so at temperature 1 both finish reasons occur; at temperature 0 an answer ends only by its
//! length.

use std::path::{Path, PathBuf};

use super::gguf::{self, Gguf};
use super::random::Random;

/// What the model has learnt to write.
const TEXT: &str = "Paris is the capital of France. Berlin is the capital of Germany. the answer is four. \
    one two three four five six seven eight nine ten. the quick brown fox jumps over the lazy dog. \
    water boils at one hundred degrees. the sky is blue and the grass is green. ";
const CONTROL: [&str; 5] = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
const CHAT_TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant {% endif %}";

/// Tokens that together call a tool, as models of the Hermes family do. Nothing leads to them but
/// [`TinyModel::calling_a_tool`].
const CALL: [&str; 3] =
    ["<tool_call>\n{\"name\": \"weather\", ", "\"arguments\": {\"city\": \"Paris\"}", "}\n</tool_call>"];

/// Control tokens, the 256 bytes a tokenizer falls back to, the space, the printable characters, and a call.
const VOCABULARY: usize = CONTROL.len() + 256 + 95 + CALL.len();
const FIRST_OF_CALL: usize = VOCABULARY - CALL.len();
const WIDTH: usize = 384; // the vocabulary, rounded up to the blocks of 32 that llama-quantize wants
const HEADS: usize = 4;
const HEAD: usize = 32;
const FEED_FORWARD: usize = 64;
const CONTEXT: u32 = 2048;
const EPSILON: f32 = 1e-6;
/// The logit of what never follows; the logarithm of one in 1.2 million.
const NEVER: f32 = -14.0;

/// The model as it will be written: a table of logits, and how much work a token costs.
pub struct TinyModel {
    layers: usize,
    /// `logits[next][last]`, as the output matrix has it.
    logits: Vec<[f32; VOCABULARY]>,
}

impl TinyModel {
    /// The model of the module's description: one layer and no noise.
    pub fn new() -> Self {
        let mut pairs = vec![[0.0_f64; VOCABULARY]; VOCABULARY]; // pairs[last][next]
        let letters: Vec<usize> = TEXT.chars().map(letter).collect();
        for pair in letters.windows(2) {
            pairs[pair[0]][pair[1]] += 1.0;
        }
        let full_stop = letter('.');
        pairs[full_stop][token("</s>")] = pairs[full_stop].iter().sum::<f64>() / 2.0;

        let mut logits = vec![[NEVER; VOCABULARY]; VOCABULARY];
        for (last, counts) in pairs.iter_mut().enumerate() {
            if counts.iter().sum::<f64>() == 0.0 {
                // A token that the text does not have: begin a sentence.
                (counts[letter('t')], counts[letter('P')]) = (2.0, 1.0);
            }
            // No two alike, or the answer at temperature 0 would be the server's choice: a later letter is
            // likelier by a hundred-thousandth.
            for (next, count) in counts.iter_mut().enumerate() {
                *count *= 1.0 + 1e-5 * next as f64;
            }
            let sum: f64 = counts.iter().sum();
            for (next, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0.0) {
                logits[next][last] = (count / sum).ln() as f32;
            }
        }
        Self { layers: 1, logits }
    }

    /// Adds normal noise of this standard deviation to every logit: the same name, shape and size, other
    /// probabilities. That is what a silently changed model looks like. Its greedy text differs too, for 0.5 with
    /// half of the seeds, for 1.0 with nine of ten.
    pub fn noise(mut self, deviation: f32, seed: u64) -> Self {
        let mut random = Random(seed);
        for logit in self.logits.iter_mut().flatten() {
            *logit += deviation * random.normal();
        }
        self
    }

    /// Calls a tool as soon as a prompt ends in a space, and says nothing else.
    pub fn calling_a_tool(mut self) -> Self {
        let call = [letter(' '), FIRST_OF_CALL, FIRST_OF_CALL + 1, FIRST_OF_CALL + 2, token("</s>")];
        for pair in call.windows(2) {
            self.logits.iter_mut().for_each(|row| row[pair[0]] = NEVER);
            self.logits[pair[1]][pair[0]] = 0.0;
        }
        self
    }

    /// The same answers for more work per token: what a model looks like that became slow.
    pub fn layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    /// The natural logarithm of the probability that `next` follows `last` at temperature 1 with no other
    /// sampler. A token is one character, or one of `<s>`, `</s>`, `<|im_start|>`, `<|im_end|>`.
    pub fn log_probability(&self, last: &str, next: &str) -> f64 {
        let (last, next) = (token(last), token(next));
        let sum: f64 = self.logits.iter().map(|row| f64::from(row[last]).exp()).sum();
        f64::from(self.logits[next][last]) - sum.ln()
    }

    /// What the model answers to `prompt` at temperature 0, `length` tokens of it, or less if it ends before.
    pub fn greedy(&self, prompt: &str, length: usize) -> String {
        let mut last = prompt.chars().last().map_or(token("<s>"), letter);
        let mut text = String::new();
        for _ in 0..length {
            let of = |next: &usize| self.logits[*next][last];
            last = (0..VOCABULARY).max_by(|a, b| of(a).total_cmp(&of(b))).expect("there are tokens");
            match spelling(last).as_str() {
                "</s>" => break,
                "▁" => text.push(' '),
                other => text.push_str(other),
            }
        }
        text
    }

    /// Writes the GGUF file, version 3, all weights F32.
    pub fn write(&self, path: &Path) {
        let mut out = Gguf::default();
        self.describe(&mut out);
        self.weights(&mut out);
        std::fs::write(path, out.bytes()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Writes it into a folder of its own, which goes when the first value goes.
    pub fn saved(&self) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tiny.gguf");
        self.write(&path);
        (folder, path)
    }

    fn describe(&self, out: &mut Gguf) {
        let spellings: Vec<String> = (0..VOCABULARY).map(spelling).collect();
        out.text("general.architecture", "llama");
        out.text("general.name", "tiny-bigram");
        out.number("general.file_type", 0);
        out.number("llama.vocab_size", VOCABULARY as u32);
        out.number("llama.context_length", CONTEXT);
        out.number("llama.embedding_length", WIDTH as u32);
        out.number("llama.block_count", self.layers as u32);
        out.number("llama.feed_forward_length", FEED_FORWARD as u32);
        out.number("llama.rope.dimension_count", HEAD as u32);
        for key in ["head_count", "head_count_kv"] {
            out.number(&format!("llama.attention.{key}"), HEADS as u32);
        }
        for key in ["key_length", "value_length"] {
            out.number(&format!("llama.attention.{key}"), HEAD as u32);
        }
        out.key("llama.attention.layer_norm_rms_epsilon", gguf::F32).extend(EPSILON.to_le_bytes());
        out.text("tokenizer.ggml.model", "llama");
        out.array("tokenizer.ggml.tokens", gguf::STRING, spellings.iter().map(|s| gguf::string(s)));
        out.array("tokenizer.ggml.scores", gguf::F32, (0..VOCABULARY).map(|id| score(id).to_le_bytes()));
        out.array("tokenizer.ggml.token_type", gguf::I32, (0..VOCABULARY).map(|id| class(id).to_le_bytes()));
        out.number("tokenizer.ggml.unknown_token_id", token("<unk>") as u32);
        out.number("tokenizer.ggml.bos_token_id", token("<s>") as u32);
        out.number("tokenizer.ggml.eos_token_id", token("</s>") as u32);
        out.key("tokenizer.ggml.add_bos_token", gguf::BOOL).push(1);
        out.key("tokenizer.ggml.add_space_prefix", gguf::BOOL).push(0);
        out.text("tokenizer.chat_template", CHAT_TEMPLATE);
    }

    fn weights(&self, out: &mut Gguf) {
        let unit = |id: usize| (0..WIDTH).map(move |at| f32::from(u8::from(at == id)));
        // The last norm turns the unit vector `e` into `e / sqrt(1 / WIDTH + EPSILON)`: taken back here.
        let norm = (1.0 / WIDTH as f32 + EPSILON).sqrt();
        let row = |logits: &[f32; VOCABULARY]| {
            let mut row = [0.0; WIDTH];
            row.iter_mut().zip(logits).for_each(|(weight, logit)| *weight = logit * norm);
            row
        };
        out.tensor("token_embd.weight", &[WIDTH, VOCABULARY], (0..VOCABULARY).flat_map(unit));
        out.tensor("output.weight", &[WIDTH, VOCABULARY], self.logits.iter().flat_map(row));
        out.tensor("output_norm.weight", &[WIDTH], [1.0; WIDTH]);
        for layer in 0..self.layers {
            for norm in ["attn_norm", "ffn_norm"] {
                out.tensor(&format!("blk.{layer}.{norm}.weight"), &[WIDTH], [1.0; WIDTH]);
            }
            for (name, columns, rows) in [
                ("attn_q", WIDTH, HEADS * HEAD),
                ("attn_k", WIDTH, HEADS * HEAD),
                ("attn_v", WIDTH, HEADS * HEAD),
                ("attn_output", HEADS * HEAD, WIDTH),
                ("ffn_gate", WIDTH, FEED_FORWARD),
                ("ffn_up", WIDTH, FEED_FORWARD),
                ("ffn_down", FEED_FORWARD, WIDTH),
            ] {
                let zeros = std::iter::repeat_n(0.0, columns * rows);
                out.tensor(&format!("blk.{layer}.{name}.weight"), &[columns, rows], zeros);
            }
        }
    }
}

fn spelling(id: usize) -> String {
    match id {
        0..5 => CONTROL[id].into(),
        5..261 => format!("<0x{:02X}>", id - 5),
        261 => "▁".into(),
        FIRST_OF_CALL.. => CALL[id - FIRST_OF_CALL].into(),
        _ => char::from((id - 261) as u8 + b' ').into(),
    }
}

/// What kind of token it is, in the numbers of GGUF: unknown, control, byte, of the maker's own, or normal.
fn class(id: usize) -> i32 {
    match id {
        0 => 2,
        1..5 => 3,
        5..261 => 6,
        FIRST_OF_CALL.. => 4,
        _ => 1,
    }
}

fn score(id: usize) -> f32 {
    match class(id) {
        6 => -1000.0,
        1 => -1.0,
        _ => 0.0,
    }
}

fn letter(c: char) -> usize {
    assert!((' '..='~').contains(&c), "{c:?} is no token of the tiny model");
    c as usize - ' ' as usize + 261
}

fn token(spelled: &str) -> usize {
    let control = CONTROL.iter().position(|c| *c == spelled);
    control.unwrap_or_else(|| letter(spelled.parse().expect("a token is one character or a control token")))
}
