//! Chat templates: jinja as Hugging Face runs it (trimmed blocks, Python's string methods, `raise_exception`, `strftime_now`).
//! `strftime_now` gives a fixed day, so that a prompt never depends on when it was made.

use minijinja::{Environment, ErrorKind, Value, context};

use super::Parts;
use crate::error::{Error, Result};

/// Stands for the user's text while a template runs: private-use characters that no template treats specially.
const PLACEHOLDER: &str = "\u{f8f0}\u{f8f1}user\u{f8f1}\u{f8f0}";

/// What a template puts before and after one user message, up to where the assistant begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub before: String,
    pub after: String,
    /// The template strips the white space around the user's text.
    pub trims: bool,
}

impl Frame {
    /// Runs the template of `parts` once; `None` without a template.
    pub(super) fn new(parts: &Parts) -> Result<Option<Self>> {
        let Some(template) = &parts.template else { return Ok(None) };
        let plain = render(template, parts, PLACEHOLDER)?;
        let spaced = render(template, parts, &format!("  {PLACEHOLDER}  "))?;
        let split = plain.split_once(PLACEHOLDER).filter(|(_, after)| !after.contains(PLACEHOLDER));
        let (before, after) = split.ok_or_else(|| failed("it does not write the user's text exactly once, unchanged".into()))?;
        Ok(Some(Self { before: before.into(), after: after.into(), trims: !spaced.contains(&format!("  {PLACEHOLDER}")) }))
    }
}

fn render(template: &str, parts: &Parts, content: &str) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |reason: String| -> std::result::Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason))
    });
    environment.add_function("strftime_now", |_format: String| "01 Jan 2025");
    let context = context! {
        messages => vec![context! { role => "user", content => content }],
        add_generation_prompt => true,
        bos_token => parts.bos_token.clone().unwrap_or_default(),
        eos_token => parts.eos_token.clone().unwrap_or_default(),
    };
    environment.render_str(template, context).map_err(|error| failed(format!("{error:#}")))
}

fn failed(reason: String) -> Error {
    Error::Tokenizer { what: "chat template", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(template: &str) -> Parts {
        Parts {
            tokenizer_json: Vec::new(),
            template: Some(template.into()),
            bos_token: Some("<s>".into()),
            eos_token: None,
            end_tokens: Vec::new(),
        }
    }

    #[test]
    fn the_frame_is_what_surrounds_the_user() {
        let chat = "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m.content.strip() }}<end>\n{% endfor %}\n{% if add_generation_prompt %}<|assistant|>{% endif %}";
        let frame = Frame::new(&parts(chat)).unwrap().unwrap();
        assert_eq!(frame, Frame { before: "<s><|user|>".into(), after: "<end>\n<|assistant|>".into(), trims: true });
    }

    #[test]
    fn a_template_that_refuses_says_why() {
        let error = Frame::new(&parts("{{ raise_exception('no users here') }}")).unwrap_err();
        assert!(error.to_string().contains("no users here"), "{error}");
        assert!(Frame::new(&parts("{{ messages[0].content | upper }}")).is_err());
    }
}
