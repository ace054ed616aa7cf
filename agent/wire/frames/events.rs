//! Server-sent events: lines of which those with data make documents, ended by an empty one.

use memchr::memchr2;

use super::{Field, Frames};
use crate::sample::MeterFault;
use crate::wire::answer::{Answer, Grammar};
use crate::wire::words::Kind;

/// How much is kept of a line without data while it is not whole. Names of events have up to 45 bytes.
const NAME_MAX: usize = 64;

/// What ends an event stream of OpenAI's.
pub(super) const MARKER: &[u8] = b"[DONE]";

impl Frames {
    pub(super) fn events<G: Grammar>(
        &mut self,
        mut bytes: &[u8],
        answer: &mut Answer,
    ) -> Result<(), MeterFault> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr2(b'\n', b'\r', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            self.measure(line)?;
            self.event_line::<G>(line, end.is_some(), answer)?;
            let Some(end) = end else { break };
            self.event_line_ends::<G>(answer)?;
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    /// A part of a line of an event stream, its last one if `ended`.
    #[inline]
    fn event_line<G: Grammar>(
        &mut self,
        line: &[u8],
        ended: bool,
        answer: &mut Answer,
    ) -> Result<(), MeterFault> {
        match self.field {
            Field::Data => return self.data::<G>(line, answer),
            Field::Unknown if self.name.is_empty() => {
                if let Some(data) = line.strip_prefix(b"data:") {
                    self.field = Field::Data;
                    return if ended {
                        self.whole_data::<G>(data, answer)
                    } else {
                        self.data::<G>(data, answer)
                    };
                }
                if ended {
                    other_line(line, answer);
                    return Ok(());
                }
            }
            Field::Unknown | Field::Other => {}
        }
        self.split_line::<G>(line, answer)
    }

    /// A part of a line that came in several, and was not known to be data.
    #[cold]
    fn split_line<G: Grammar>(&mut self, mut line: &[u8], answer: &mut Answer) -> Result<(), MeterFault> {
        const DATA: &[u8] = b"data:";
        while self.field == Field::Unknown && !line.is_empty() {
            self.name.push(line[0]);
            line = &line[1..];
            if self.name == DATA {
                self.field = Field::Data;
                self.name = Vec::new();
                return self.data::<G>(line, answer);
            }
            if !DATA.starts_with(&self.name) {
                self.field = Field::Other;
            }
        }
        let room = NAME_MAX.saturating_sub(self.name.len());
        self.name.extend_from_slice(&line[..line.len().min(room)]);
        Ok(())
    }

    #[inline]
    fn event_line_ends<G: Grammar>(&mut self, answer: &mut Answer) -> Result<(), MeterFault> {
        if self.field == Field::Data {
            // Lines of one event are joined by a line feed.
            if !self.json.is_done() && !self.json.is_blank() {
                self.document::<G>(b"\n", answer)?;
            }
        } else if !self.name.is_empty() {
            let line = std::mem::take(&mut self.name);
            other_line(&line, answer);
        }
        let blank = self.line == 0;
        self.field = Field::Unknown;
        self.line = 0;
        if blank { self.document_ends(answer) } else { Ok(()) }
    }

    /// A whole line of data. If it is like one before it, it tells the same.
    #[inline]
    fn whole_data<G: Grammar>(&mut self, line: &[u8], answer: &mut Answer) -> Result<(), MeterFault> {
        let kind = answer.document.kind;
        let fresh = self.json.is_blank() && self.marker == 0 && !self.told;
        if fresh && let Some(told) = self.shape.recognise(line, kind) {
            self.told = true;
            answer.told(told);
            return Ok(());
        }
        self.data::<G>(line, answer)?;
        if fresh
            && self.told
            && let Some(told) = answer.document.only_piece::<G>()
            && let Some(text) = self.json.only_text()
        {
            let lead = line.len() - line.trim_ascii_start().len();
            self.shape.learn(line, kind, text.start + lead..text.end + lead, told);
        }
        Ok(())
    }

    /// Data of an event: a document, or the marker of the end.
    #[inline]
    fn data<G: Grammar>(&mut self, bytes: &[u8], answer: &mut Answer) -> Result<(), MeterFault> {
        if !self.json.is_blank() {
            return self.document::<G>(bytes, answer);
        }
        let bytes = bytes.trim_ascii_start();
        match bytes.first() {
            None => Ok(()),
            // The document is whole already, though nothing was read of it.
            Some(_) if self.told => Err(MeterFault::Malformed),
            Some(b'[') => self.marker(bytes, answer),
            Some(_) if self.marker > 0 => self.marker(bytes, answer),
            Some(_) => self.document::<G>(bytes, answer),
        }
    }

    fn marker(&mut self, bytes: &[u8], answer: &mut Answer) -> Result<(), MeterFault> {
        for byte in bytes.trim_ascii_end() {
            if MARKER.get(usize::from(self.marker)) != Some(byte) {
                return Err(MeterFault::Malformed);
            }
            self.marker += 1;
        }
        answer.marker |= usize::from(self.marker) == MARKER.len();
        Ok(())
    }
}

/// A line of an event stream that is no data: the event's name, a comment, or something else.
fn other_line(line: &[u8], answer: &mut Answer) {
    if let Some(name) = line.strip_prefix(b"event:") {
        answer.document.kind = Kind::of(name.trim_ascii());
        answer.error |= answer.document.kind == Kind::Error;
    } else if line.starts_with(b"error:") {
        // llama.cpp told errors so until 2024.
        answer.error = true;
    }
}
