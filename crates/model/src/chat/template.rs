//! Chat templates: jinja as Hugging Face runs it (trimmed blocks, Python's string methods, `raise_exception`, `strftime_now`).
//! `strftime_now` gives a fixed day, so that a prompt never depends on when it was made.

use minijinja::{Environment, ErrorKind, Value, context};

use super::{Message, Parts};
use crate::error::{Error, Result};

/// A model's template with the tokens it may name.
pub(super) struct Template {
    text: String,
    bos_token: String,
    eos_token: String,
}

/// A piece of a rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Written by the template: special tokens in it count.
    Frame(String),
    /// The content of the message with this index; `trimmed` if the template strips the white space around it.
    Content { message: usize, trimmed: bool },
}

impl Template {
    pub(super) fn new(parts: &Parts) -> Option<Self> {
        let word = |token: &Option<String>| token.clone().unwrap_or_default();
        let text = parts.template.clone()?;
        Some(Self { text, bos_token: word(&parts.bos_token), eos_token: word(&parts.eos_token) })
    }

    /// What the template makes of messages with these roles, up to where the assistant begins.
    pub(super) fn pieces(&self, messages: &[Message]) -> Result<Vec<Piece>> {
        let plain = self.render(messages, placeholder)?;
        let spaced = self.render(messages, |index| format!("  {}  ", placeholder(index)))?;
        let mut pieces = Vec::new();
        let mut rest = plain.as_str();
        for (message, Message { role, .. }) in messages.iter().enumerate() {
            let mark = placeholder(message);
            let split = rest.split_once(&mark).filter(|(before, after)| !before.contains(MARK) && !after.contains(&mark));
            let (before, after) =
                split.ok_or_else(|| failed(format!("it does not write the text of message {message} ({role}) exactly once, in order")))?;
            pieces.push(Piece::Frame(before.into()));
            pieces.push(Piece::Content { message, trimmed: !spaced.contains(&format!("  {mark}")) });
            rest = after;
        }
        pieces.push(Piece::Frame(rest.into()));
        Ok(pieces)
    }

    fn render(&self, messages: &[Message], content: impl Fn(usize) -> String) -> Result<String> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |reason: String| -> std::result::Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason))
        });
        environment.add_function("strftime_now", |_format: String| "01 Jan 2025");
        let with = |(index, message): (usize, &Message)| context! { role => message.role, content => content(index) };
        let context = context! {
            messages => messages.iter().enumerate().map(with).collect::<Vec<_>>(),
            add_generation_prompt => true,
            bos_token => self.bos_token,
            eos_token => self.eos_token,
        };
        environment.render_str(&self.text, context).map_err(|error| failed(format!("{error:#}")))
    }
}

/// Begins a placeholder: private-use characters that no template treats specially.
const MARK: &str = "\u{f8f0}\u{f8f1}";

/// Stands for a message's text while a template runs.
fn placeholder(message: usize) -> String {
    format!("{MARK}{message}\u{f8f1}\u{f8f0}")
}

fn failed(reason: String) -> Error {
    Error::Tokenizer { what: "chat template", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template { text: text.into(), bos_token: "<s>".into(), eos_token: String::new() }
    }

    fn messages(roles: &[&str]) -> Vec<Message> {
        roles.iter().map(|role| Message { role: (*role).into(), content: "ignored".into() }).collect()
    }

    const CHAT: &str = "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m.content.strip() }}<end>\n{% endfor %}\n{% if add_generation_prompt %}<|assistant|>{% endif %}";

    #[test]
    fn frames_surround_the_contents() {
        let frame = |text: &str| Piece::Frame(text.into());
        let content = |message| Piece::Content { message, trimmed: true };
        assert_eq!(template(CHAT).pieces(&messages(&["user"])).unwrap(), [frame("<s><|user|>"), content(0), frame("<end>\n<|assistant|>")]);
        assert_eq!(
            template(CHAT).pieces(&messages(&["system", "user"])).unwrap(),
            [frame("<s><|system|>"), content(0), frame("<end>\n<|user|>"), content(1), frame("<end>\n<|assistant|>")]
        );
    }

    #[test]
    fn a_template_that_refuses_says_why() {
        let error = template("{{ raise_exception('no users here') }}").pieces(&messages(&["user"])).unwrap_err();
        assert!(error.to_string().contains("no users here"), "{error}");
        assert!(template("{{ messages[0].content | length }}").pieces(&messages(&["user"])).is_err());
        let error = template("{{ messages[1].content }}").pieces(&messages(&["system", "user"])).unwrap_err().to_string();
        assert!(error.contains("message 0 (system)"), "{error}");
    }
}
