//! The tokenizer of a chat model. Only byte-level BPE: other kinds cannot be decoded byte by byte and are refused.

use std::collections::BTreeSet;

use tokenizers::{DecoderWrapper, Tokenizer};

use super::{
    Message, Parts, bytes,
    template::{Piece, Template},
};
use crate::error::{Error, Result};

/// Encodes prompts and decodes completions of one model.
pub struct ChatTokenizer {
    tokenizer: Tokenizer,
    template: Option<Template>,
    /// The pieces of a prompt of one user message.
    frame: Vec<Piece>,
    /// Special tokens, longest first.
    specials: Vec<(String, i64)>,
    bytes: Vec<Vec<u8>>,
    end_tokens: BTreeSet<i64>,
    end_token: Option<i64>,
}

impl ChatTokenizer {
    pub(crate) fn new(parts: &Parts, config_end_tokens: &[i64]) -> Result<Self> {
        let unreadable = |reason: String| Error::Tokenizer { what: "tokenizer.json", reason };
        let mut tokenizer = Tokenizer::from_bytes(&parts.tokenizer_json).map_err(|e| unreadable(e.to_string()))?;
        if !tokenizer.get_decoder().is_some_and(is_byte_level) {
            return Err(Error::Unsupported { what: "tokenizer", value: "without a ByteLevel decoder".into(), supported: "byte-level BPE" });
        }
        // From here on text is only text; special tokens are put in by `fill`.
        tokenizer.set_encode_special_tokens(true);
        let mut specials: Vec<(String, i64)> = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special)
            .map(|(id, token)| (token.content, i64::from(id)))
            .collect();
        specials.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        let template = Template::new(parts);
        let frame = template.as_ref().map_or(Ok(Vec::new()), |template| template.pieces(&[from_user("")]))?;
        let id = |text: &str| tokenizer.token_to_id(text).map(i64::from);
        let turn_end = template.as_ref().and_then(|_| id("<|im_end|>"));
        let eos = parts.eos_token.as_deref().and_then(id);
        let mut end_tokens: BTreeSet<i64> = config_end_tokens.iter().chain(&parts.end_tokens).copied().collect();
        end_tokens.extend(turn_end.into_iter().chain(eos));
        let end_token = turn_end.or(eos).or_else(|| end_tokens.first().copied());
        Ok(Self { bytes: bytes::table(&tokenizer), tokenizer, template, frame, specials, end_tokens, end_token })
    }

    /// The ids of a prompt: `user` inside the model's chat template, up to where the assistant begins. Special tokens written in `user`
    /// stay ordinary text. A model without a template gets the text as it is, with the special tokens its tokenizer adds.
    pub fn encode_prompt(&self, user: &str) -> Result<Vec<i64>> {
        if self.template.is_none() {
            return self.encode_raw(user);
        }
        self.fill(&self.frame, &[from_user(user)])
    }

    /// The ids of a conversation inside the model's chat template, up to where the assistant begins. As for [`Self::encode_prompt`],
    /// special tokens written in a content stay ordinary text.
    pub fn encode_messages(&self, messages: &[Message]) -> Result<Vec<i64>> {
        let Some(template) = &self.template else {
            return Err(Error::Tokenizer { what: "chat template", reason: "the model has none; give its prompts as text".into() });
        };
        self.fill(&template.pieces(messages)?, messages)
    }

    /// The ids of plain text with the special tokens that the tokenizer adds by itself, such as a beginning-of-sequence token.
    pub fn encode_raw(&self, text: &str) -> Result<Vec<i64>> {
        self.encode(text, true)
    }

    /// The ids of plain text, without any special token.
    pub fn encode_text(&self, text: &str) -> Result<Vec<i64>> {
        self.encode(text, false)
    }

    /// The bytes that `ids` stand for. Special tokens give none; a token may end within a UTF-8 character.
    pub fn decode(&self, ids: &[i64]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.token_bytes(id)).copied().collect()
    }

    /// The bytes of one token.
    pub fn token_bytes(&self, id: i64) -> &[u8] {
        usize::try_from(id).ok().and_then(|id| self.bytes.get(id)).map_or(&[], Vec::as_slice)
    }

    /// All ids that end a completion.
    pub fn end_tokens(&self) -> &BTreeSet<i64> {
        &self.end_tokens
    }

    /// The id that a completion should be trained to end with; `None` if the model knows none.
    pub fn end_token(&self) -> Option<i64> {
        self.end_token
    }

    /// Ends `completion_ids` with an end token where it has none: what training wants of a completion that was cut behind its fence.
    pub fn close(&self, completion_ids: &mut Vec<i64>) {
        if !completion_ids.last().is_some_and(|id| self.end_tokens.contains(id)) {
            completion_ids.extend(self.end_token);
        }
    }

    /// The ids of `frame` with the contents of `messages` in their places.
    fn fill(&self, frame: &[Piece], messages: &[Message]) -> Result<Vec<i64>> {
        let mut pieces = Pieces { ids: Vec::new(), text: String::new() };
        for piece in frame {
            match piece {
                Piece::Frame(text) => self.add_framed(&mut pieces, text)?,
                Piece::Content { message, trimmed: true } => pieces.text.push_str(messages[*message].content.trim()),
                Piece::Content { message, trimmed: false } => pieces.text.push_str(&messages[*message].content),
            }
        }
        self.flush(&mut pieces)?;
        Ok(pieces.ids)
    }

    /// Adds text of the template, whose special tokens count.
    fn add_framed(&self, pieces: &mut Pieces, framed: &str) -> Result<()> {
        let mut rest = framed;
        while let Some((start, (token, id))) = self.first_special(rest) {
            pieces.text.push_str(&rest[..start]);
            self.flush(pieces)?;
            pieces.ids.push(id);
            rest = &rest[start + token.len()..];
        }
        pieces.text.push_str(rest);
        Ok(())
    }

    /// The leftmost special token in `text`, the longest where several begin.
    fn first_special(&self, text: &str) -> Option<(usize, (&str, i64))> {
        let found = self.specials.iter().filter_map(|(token, id)| text.find(token.as_str()).map(|start| (start, (token.as_str(), *id))));
        found.min_by_key(|(start, (token, _))| (*start, usize::MAX - token.len()))
    }

    fn flush(&self, pieces: &mut Pieces) -> Result<()> {
        let text = std::mem::take(&mut pieces.text);
        if !text.is_empty() {
            pieces.ids.extend(self.encode(&text, false)?);
        }
        Ok(())
    }

    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<i64>> {
        let encoding = self.tokenizer.encode_fast(text, add_special_tokens);
        let encoding = encoding.map_err(|error| Error::Tokenizer { what: "encode text", reason: error.to_string() })?;
        Ok(encoding.get_ids().iter().map(|&id| i64::from(id)).collect())
    }
}

fn from_user(content: &str) -> Message {
    Message { role: "user".into(), content: content.into() }
}

/// A prompt being put together: ids so far, and text that is not encoded yet.
struct Pieces {
    ids: Vec<i64>,
    text: String,
}

fn is_byte_level(decoder: &DecoderWrapper) -> bool {
    match decoder {
        DecoderWrapper::ByteLevel(_) => true,
        DecoderWrapper::Sequence(list) => list.get_decoders().iter().any(is_byte_level),
        _ => false,
    }
}
