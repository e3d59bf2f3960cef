//! A row while it is written: its stream, its tokens, and whether it has ended.

use groklab_domain::candidate::Reader;

use super::{
    Completion, Finish, Request,
    sampling::{Drawn, Stream},
};
use crate::{
    chat::ChatTokenizer,
    error::{Error, Result},
};

pub(super) struct Writing {
    row: usize,
    pub stream: Stream,
    ids: Vec<i64>,
    bytes: Vec<u8>,
    /// Follows the code, where it is wanted.
    reader: Option<Reader>,
    logprob_sum: f64,
}

impl Writing {
    /// Row `row` of `request`, before its first token.
    pub(super) fn new(request: &Request<'_>, row: usize) -> Self {
        let (stream, in_thought) = (
            Stream::new(request.rows[row].seed),
            request
                .stop
                .tokenizer
                .is_some_and(ChatTokenizer::opens_thought),
        );
        let reader = request.rows[row]
            .entry
            .as_deref()
            .map(|entry| Reader::new(entry, in_thought));
        Self {
            row,
            stream,
            ids: Vec::new(),
            bytes: Vec::new(),
            reader,
            logprob_sum: 0.0,
        }
    }

    /// The token drawn last.
    pub(super) fn last_id(&self) -> i64 {
        *self.ids.last().expect("admission drew a first token")
    }

    /// Appends a drawn token; says whether and why the row is finished.
    pub(super) fn append(&mut self, drawn: Drawn, request: &Request<'_>) -> Result<Option<Finish>> {
        if !drawn.logprob.is_finite() {
            return Err(Error::Diverged { row: self.row });
        }
        self.ids.push(drawn.id);
        self.logprob_sum += drawn.logprob;
        let stop = &request.stop;
        // Before its bytes are looked at: what ends a completion is no part of it.
        if stop.end_tokens.contains(&drawn.id) {
            return Ok(Some(Finish::End));
        }
        let bytes = stop
            .tokenizer
            .map_or(&[][..], |tokenizer| tokenizer.token_bytes(drawn.id));
        self.bytes.extend_from_slice(bytes);
        if self
            .reader
            .as_mut()
            .is_some_and(|reader| reader.advance(&self.bytes))
        {
            return Ok(Some(Finish::Code));
        }
        Ok((self.ids.len() == request.sampling.max_new_tokens).then_some(Finish::Length))
    }

    /// The row's index and what it became.
    pub(super) fn finish(self, finish: Finish) -> (usize, Completion) {
        let mean_logprob = self.logprob_sum / self.ids.len() as f64;
        let candidate = self.reader.map(|reader| reader.finish(&self.bytes));
        (
            self.row,
            Completion {
                ids: self.ids,
                bytes: self.bytes,
                candidate,
                finish,
                mean_logprob,
            },
        )
    }
}
