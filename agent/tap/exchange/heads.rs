//! The heads of an answer, those of 1xx before it too, and what of its body comes with them.

use std::task::Context;

use tokio::time::Instant;

use super::Break;
use super::down::{Down, Stage, To, bad_framing, broken, show};
use crate::sample::Failure;
use crate::tap::answer::{self, Answer, Asked, Kind};
use crate::tap::body::Body;
use crate::tap::head::may_end;
use crate::wire::Head;

impl Down {
    /// Heads, of which `looked` bytes were looked at before, and what follows them.
    pub(super) fn take_head(
        &mut self,
        bytes: &[u8],
        looked: usize,
        to: &mut To<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Break> {
        let came = Instant::now();
        let (mut rest, mut looked) = (bytes, looked);
        loop {
            let found = if looked == 0 || may_end(rest, looked) {
                answer::read(rest, self.asking(to)).map_err(|text| {
                    broken(Failure::Malformed, format!("the server's answer cannot be passed on: {text}"))
                })?
            } else {
                None
            };
            let Some((mut answer, used)) = found else {
                if rest.len() > to.head_bytes {
                    let text = format!(
                        "the head of the server's answer is larger than {} bytes (max_header)",
                        to.head_bytes
                    );
                    return Err(broken(Failure::Malformed, text));
                }
                self.stage = Stage::Head(rest.to_vec());
                return self.write(to, cx);
            };
            // HTTP/1.0 has no interim answers: a client of it would take one for the answer.
            if answer.kind != Kind::Interim || !self.asked.old {
                self.out.put(std::mem::take(&mut answer.head));
            }
            rest = &rest[used..];
            match answer.kind {
                Kind::Interim => (looked, self.stage) = (0, Stage::Head(Vec::new())),
                Kind::Switch => {
                    (self.stage, self.passed) = (Stage::Switched, true);
                    self.out.push(rest);
                    return Ok(());
                }
                Kind::Final => return self.begin(&answer, rest, came, to, cx),
            }
            if rest.is_empty() {
                return self.write(to, cx);
            }
        }
    }

    /// What the request asked for, as of now.
    fn asking(&self, to: &To<'_>) -> Asked {
        // One that was told to wait may never send its body now, and begin its next request instead.
        let unsure = self.asked.continues && to.unread;
        Asked { keep: self.asked.keep && !to.stopping && !unsure, ..self.asked }
    }

    /// The head of the answer itself, and what came of its body with it.
    fn begin(
        &mut self,
        answer: &Answer<'_>,
        rest: &[u8],
        came: Instant,
        to: &mut To<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Break> {
        let mut body = answer.body;
        let fine = body.advance(rest, |_| ());
        let own = fine.unwrap_or(rest.len());
        self.out.push(&rest[..own]);
        self.passed = true;
        self.open_ended = answer.body == Body::UntilClose;
        self.streamed = matches!(answer.body, Body::Chunked(_));
        self.keep_upstream = answer.keep_upstream && own == rest.len();
        self.keep_client = answer.keep_client;
        self.stage = Stage::Body(body);
        self.write(to, cx)?;
        if self.open_ended {
            // Whatever ends it before the server does, the end of this very process too, must not look like the
            // end of the answer.
            drop(to.client.stream.set_zero_linger());
        }
        let now = Instant::now();
        to.wrote = Some(now);
        if to.watch.is_on() {
            let head = Head {
                status: answer.status,
                content_type: answer.content_type,
                content_encoding: answer.content_encoding,
            };
            to.watch.head(head, came);
            show(answer.body, &rest[..own], to.watch, now, now.saturating_duration_since(came));
        }
        fine.map(drop).map_err(|_| bad_framing())
    }
}
