//! The tokenizer of a chat model: byte-level BPE, or BPE with a byte fallback. Other kinds cannot
//! be decoded token by token and are refused.

use std::collections::BTreeSet;

use groklab_domain::experiment::Chat;
use tokenizers::{AddedToken, Tokenizer, processors::template::TemplateProcessing};

use super::{
    Edges, Message, Parts,
    bytes::{self, Spelling},
    template::{Piece, Template},
};
use crate::error::{Error, Result};

/// Encodes prompts and decodes completions of one model.
pub struct ChatTokenizer {
    /// Reads special tokens where it finds them: for what templates write.
    framed: Tokenizer,
    /// Reads them as text.
    plain: Tokenizer,
    template: Option<Template>,
    /// Special tokens, longest first.
    specials: Vec<(AddedToken, i64)>,
    bytes: Vec<Vec<u8>>,
    end_tokens: BTreeSet<i64>,
    end_token: Option<i64>,
    opens_thought: bool,
}

impl ChatTokenizer {
    pub(crate) fn new(parts: Parts, config_end_tokens: &[i64], chat: &Chat) -> Result<Self> {
        let mut framed = Tokenizer::from_bytes(&parts.tokenizer_json)
            .map_err(|error| unreadable(error.to_string()))?;
        let Some(spelling) = framed.get_decoder().and_then(Spelling::of) else {
            return Err(Error::Unsupported {
                what: "tokenizer",
                value: "without a ByteLevel decoder".into(),
                supported: "byte-level BPE, or BPE with a byte fallback as Gemma's",
            });
        };
        // What training left in the file cuts and fills nothing: a prompt is encoded as it is.
        framed
            .with_truncation(None)
            .map_err(|error| unreadable(error.to_string()))?;
        framed.with_padding(None);
        if let Some(edges) = parts.edges {
            let processor = post_processor(&framed, &parts, edges)?;
            framed.with_post_processor(Some(processor));
        }
        let mut plain = framed.clone();
        // Despite its name this makes special tokens in a text ordinary text.
        plain.set_encode_special_tokens(true);
        let specials = special_tokens(&framed);
        let (template, parts) = Template::new(parts, chat)?;
        let id = |text: &str| framed.token_to_id(text).map(i64::from);
        // The end of a turn in ChatML; some checkpoints with such a template have another
        // `eos_token`.
        let turn_end = template.as_ref().and_then(|_| id("<|im_end|>"));
        let eos = parts.special_token("eos_token").and_then(id);
        let mut end_tokens: BTreeSet<i64> = config_end_tokens
            .iter()
            .chain(&parts.end_tokens)
            .copied()
            .collect();
        end_tokens.extend(turn_end.into_iter().chain(eos));
        // The turn's end first: it is what the template writes behind an answer.
        let end_token = turn_end.or(eos).or_else(|| end_tokens.first().copied());
        let prompt = template
            .as_ref()
            .map(|template| template.render(&template.with_system(&[from_user("x")])))
            .transpose()?;
        // Templates of some thinking models write the opening mark themselves, and a completion
        // then has none.
        let opens_thought = prompt.is_some_and(|prompt| prompt.trim_end().ends_with("<think>"));
        Ok(Self {
            bytes: bytes::table(&framed, spelling),
            framed,
            plain,
            template,
            specials,
            end_tokens,
            end_token,
            opens_thought,
        })
    }

    /// The ids of a prompt: `user` inside the model's chat template, up to where the assistant
    /// begins. Special tokens written in `user` stay ordinary text. A model without a template gets
    /// the text as it is, with the special tokens its tokenizer adds.
    pub fn encode_prompt(&self, user: &str) -> Result<Vec<i64>> {
        if self.template.is_none() {
            return self.encode_raw(user);
        }
        self.encode_messages(&[from_user(user)])
    }

    /// The ids of a conversation inside the model's chat template, up to where the assistant
    /// begins: those of transformers' `apply_chat_template`. As for [`Self::encode_prompt`],
    /// special tokens written in a content stay ordinary text.
    pub fn encode_messages(&self, messages: &[Message]) -> Result<Vec<i64>> {
        let Some(template) = &self.template else {
            return Err(Error::Tokenizer {
                what: "chat template",
                reason: "the model has none; give its prompts as text".into(),
            });
        };
        if messages.is_empty() {
            return Err(Error::Tokenizer {
                what: "chat template",
                reason: "a conversation without messages".into(),
            });
        }
        let messages = template.with_system(messages);
        match messages
            .iter()
            .find_map(|message| self.special_in(&message.content))
        {
            // Without what the tokenizer adds: a template writes its own beginning token, and two
            // would be another prompt than transformers'.
            None => encode(&self.framed, &template.render(&messages)?, false),
            Some(_) => self.fill(&template.pieces(&messages)?),
        }
    }

    /// The ids of plain text with the special tokens that the tokenizer adds by itself, such as a
    /// beginning-of-sequence token.
    pub fn encode_raw(&self, text: &str) -> Result<Vec<i64>> {
        encode(&self.plain, text, true)
    }

    /// The ids of plain text, without any special token.
    pub fn encode_text(&self, text: &str) -> Result<Vec<i64>> {
        encode(&self.plain, text, false)
    }

    /// The ids of a completion to be trained on, which end with an end token. The text of an end
    /// token at the very end of `text` stands for it.
    ///
    /// # Errors
    /// The text of a special token stands anywhere else: as text it would be learnt letter by
    /// letter.
    pub fn encode_completion(&self, text: &str) -> Result<Vec<i64>> {
        // The longest is found first, as `specials` are sorted.
        let ends = |(token, id): &&(AddedToken, i64)| {
            self.end_tokens.contains(id) && text.ends_with(&token.content)
        };
        let end = self.specials.iter().find(ends);
        let text = end.map_or(text, |(token, _)| &text[..text.len() - token.content.len()]);
        if let Some(special) = self.special_in(text) {
            let reason = format!(
                "it holds the text of the special token `{special}`, which would be learnt as \
                    letters; leave it out"
            );
            return Err(Error::Tokenizer {
                what: "completion",
                reason,
            });
        }
        let mut ids = self.encode_text(text)?;
        ids.extend(end.map(|(_, id)| *id));
        self.close(&mut ids);
        Ok(ids)
    }

    /// The bytes that `ids` stand for. Special tokens give none; a token may end within a UTF-8
    /// character.
    pub fn decode(&self, ids: &[i64]) -> Vec<u8> {
        ids.iter()
            .flat_map(|&id| self.token_bytes(id))
            .copied()
            .collect()
    }

    /// The bytes of one token.
    pub fn token_bytes(&self, id: i64) -> &[u8] {
        usize::try_from(id)
            .ok()
            // Models pad their vocabulary beyond the tokenizer's; such an id stands for nothing.
            .and_then(|id| self.bytes.get(id))
            .map_or(&[], Vec::as_slice)
    }

    /// All ids that end a completion.
    pub fn end_tokens(&self) -> &BTreeSet<i64> {
        &self.end_tokens
    }

    /// The id that a completion should be trained to end with; `None` if the model knows none.
    pub fn end_token(&self) -> Option<i64> {
        self.end_token
    }

    /// Whether prompts end within a thought, so that a completion begins with the rest of it.
    pub fn opens_thought(&self) -> bool {
        self.opens_thought
    }

    /// Ends `completion_ids` with an end token where it has none: what training wants of a
    /// completion that was cut behind its code.
    pub fn close(&self, completion_ids: &mut Vec<i64>) {
        if !completion_ids
            .last()
            .is_some_and(|id| self.end_tokens.contains(id))
        {
            completion_ids.extend(self.end_token);
        }
    }

    /// The longest special token whose text is in `text`.
    fn special_in(&self, text: &str) -> Option<&str> {
        self.specials
            .iter()
            .map(|(token, _)| token.content.as_str())
            .find(|special| text.contains(special))
    }

    /// The ids of a prompt in pieces.
    fn fill(&self, pieces: &[Piece]) -> Result<Vec<i64>> {
        // Such a token takes white space along or is found in other spellings: cutting the text at
        // its letters would give other ids.
        if let Some((token, _)) = self.specials.iter().find(|(token, _)| {
            token.lstrip || token.rstrip || token.single_word || token.normalized
        }) {
            let reason = format!(
                "a message spells a special token, and `{}` is not found by its text alone",
                token.content
            );
            return Err(Error::Tokenizer {
                what: "special tokens",
                reason,
            });
        }
        let (mut ids, mut text) = (Vec::new(), String::new());
        for piece in pieces {
            match piece {
                Piece::Frame(framed) => self.add_framed(&mut ids, &mut text, framed)?,
                // Not encoded by itself: merges may reach from the frame's text into the content.
                Piece::Content(content) => text.push_str(content),
            }
        }
        self.flush(&mut ids, &mut text)?;
        Ok(ids)
    }

    /// Adds text of the template, whose special tokens count.
    fn add_framed(&self, ids: &mut Vec<i64>, text: &mut String, framed: &str) -> Result<()> {
        let mut rest = framed;
        while let Some((start, token, id)) = self.first_special(rest) {
            text.push_str(&rest[..start]);
            self.flush(ids, text)?;
            ids.push(id);
            rest = &rest[start + token.len()..];
        }
        text.push_str(rest);
        Ok(())
    }

    /// The leftmost special token in `text`, the longest where several begin.
    fn first_special(&self, text: &str) -> Option<(usize, &str, i64)> {
        let found = self.specials.iter().filter_map(|(token, id)| {
            text.find(&token.content)
                .map(|start| (start, token.content.as_str(), *id))
        });
        found.min_by_key(|(start, token, _)| (*start, usize::MAX - token.len()))
    }

    fn flush(&self, ids: &mut Vec<i64>, text: &mut String) -> Result<()> {
        let text = std::mem::take(text);
        if !text.is_empty() {
            ids.extend(encode(&self.plain, &text, false)?);
        }
        Ok(())
    }
}

fn encode(tokenizer: &Tokenizer, text: &str, add_special_tokens: bool) -> Result<Vec<i64>> {
    let encoding = tokenizer.encode_fast(text, add_special_tokens);
    let encoding = encoding.map_err(|error| Error::Tokenizer {
        what: "encode text",
        reason: error.to_string(),
    })?;
    Ok(encoding.get_ids().iter().map(|&id| i64::from(id)).collect())
}

fn special_tokens(tokenizer: &Tokenizer) -> Vec<(AddedToken, i64)> {
    let added = tokenizer
        .get_added_tokens_decoder()
        .into_iter()
        .filter(|(_, token)| token.special);
    let mut specials: Vec<(AddedToken, i64)> =
        added.map(|(id, token)| (token, i64::from(id))).collect();
    // By text as well, for they come out of a hash map in any order.
    specials.sort_by(|(a, _), (b, _)| {
        b.content
            .len()
            .cmp(&a.content.len())
            .then(a.content.cmp(&b.content))
    });
    specials
}

/// Puts the beginning and the end token around text, as far as `edges` says so.
fn post_processor(
    tokenizer: &Tokenizer,
    parts: &Parts,
    edges: Edges,
) -> Result<TemplateProcessing> {
    let token = |name: &'static str, wanted: bool| -> Result<Option<(String, u32)>> {
        let Some(text) = parts.special_token(name).filter(|_| wanted) else {
            return Ok(None);
        };
        let id = tokenizer
            .token_to_id(text)
            .ok_or_else(|| unreadable(format!("`{name}` = `{text}` is no token")))?;
        Ok(Some((text.to_owned(), id)))
    };
    let (bos, eos) = (
        token("bos_token", edges.bos)?,
        token("eos_token", edges.eos)?,
    );
    let text = |token: &Option<(String, u32)>| token.as_ref().map(|(text, _)| text.clone());
    let single: Vec<String> = [text(&bos), Some("$A".to_owned()), text(&eos)]
        .into_iter()
        .flatten()
        .collect();
    let mut tokens: Vec<(String, u32)> = [bos, eos].into_iter().flatten().collect();
    tokens.dedup();
    let built = TemplateProcessing::builder()
        .try_single(single)
        .map(|builder| builder.special_tokens(tokens).build());
    built
        .map_err(|error| unreadable(error.clone()))?
        .map_err(|error| unreadable(error.to_string()))
}

fn from_user(content: &str) -> Message {
    Message {
        role: "user".into(),
        content: content.into(),
    }
}

fn unreadable(reason: String) -> Error {
    Error::Tokenizer {
        what: "tokenizer.json",
        reason,
    }
}
