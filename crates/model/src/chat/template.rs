//! Chat templates: jinja as Hugging Face runs it (trimmed blocks, Python's string methods, `raise_exception`, `strftime_now`).
//! `strftime_now` gives a fixed day, so that a prompt never depends on when it was made.

use minijinja::{Environment, ErrorKind, Value, context};

use super::Parts;
use crate::error::{Error, Result};

/// Around the number that stands for a message's content while a template runs: private-use characters that no template treats specially,
/// and letters, so that a template which changes case or order is noticed.
const MARKS: (&str, &str) = ("\u{f8f0}\u{f8f1}message ", " end\u{f8f1}\u{f8f2}");

/// A model's template with the tokens it may name.
pub(super) struct Template {
    source: String,
    bos_token: String,
    eos_token: String,
}

/// A part of what a template writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The template's own text, in which special tokens count.
    Own(String),
    /// The content of a message. `trims`: the template strips the white space around it.
    Content { message: usize, trims: bool },
}

impl Template {
    /// The template of `parts`; `None` without one.
    pub(super) fn new(parts: &Parts) -> Option<Self> {
        let token = |token: &Option<String>| token.clone().unwrap_or_default();
        let source = parts.template.clone()?;
        Some(Self { source, bos_token: token(&parts.bos_token), eos_token: token(&parts.eos_token) })
    }

    /// What the template writes around messages of these roles, up to where the assistant begins. The contents themselves never go
    /// through it: a template that looks into them sees a placeholder.
    pub(super) fn lay_out(&self, roles: &[&str]) -> Result<Vec<Part>> {
        let plain = self.render(roles, "")?;
        let spaced = self.render(roles, "  ")?;
        let mut parts = Vec::new();
        let mut seen = vec![0; roles.len()];
        let mut rest = plain.as_str();
        while let Some((before, behind)) = rest.split_once(MARKS.0) {
            let (number, after) = behind.split_once(MARKS.1).ok_or_else(|| failed("it cuts a message's content".into()))?;
            let message: usize = number.parse().map_err(|_| failed("it changes a message's content".into()))?;
            *seen.get_mut(message).ok_or_else(|| failed("it changes a message's content".into()))? += 1;
            parts.push(Part::Own(before.into()));
            parts.push(Part::Content { message, trims: !spaced.contains(&format!("  {}", placeholder(message))) });
            rest = after;
        }
        parts.push(Part::Own(rest.into()));
        match seen.iter().position(|&count| count != 1) {
            None => Ok(parts),
            Some(at) => Err(failed(format!("it does not write the content of message {} ({}) exactly once, unchanged", at + 1, roles[at]))),
        }
    }

    fn render(&self, roles: &[&str], space: &str) -> Result<String> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |reason: String| -> std::result::Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason))
        });
        environment.add_function("strftime_now", |_format: String| "01 Jan 2025");
        let content = |index| format!("{space}{}{space}", placeholder(index));
        let messages = roles.iter().enumerate().map(|(index, role)| context! { role => role, content => content(index) });
        let context = context! {
            messages => messages.collect::<Vec<_>>(),
            add_generation_prompt => true,
            bos_token => self.bos_token,
            eos_token => self.eos_token,
        };
        environment.render_str(&self.source, context).map_err(|error| failed(format!("{error:#}")))
    }
}

fn placeholder(message: usize) -> String {
    format!("{}{message}{}", MARKS.0, MARKS.1)
}

fn failed(reason: String) -> Error {
    Error::Tokenizer { what: "chat template", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str) -> Template {
        Template { source: source.into(), bos_token: "<s>".into(), eos_token: String::new() }
    }

    const CHAT: &str = "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m.content.strip() if m.role == 'user' else m.content }}<end>\n{% endfor %}\n{% if add_generation_prompt %}<|assistant|>{% endif %}";

    #[test]
    fn the_parts_are_what_surrounds_the_contents() {
        let own = |text: &str| Part::Own(text.into());
        let parts = template(CHAT).lay_out(&["user"]).unwrap();
        assert_eq!(parts, [own("<s><|user|>"), Part::Content { message: 0, trims: true }, own("<end>\n<|assistant|>")]);
        let parts = template(CHAT).lay_out(&["system", "user"]).unwrap();
        let contents = [Part::Content { message: 0, trims: false }, Part::Content { message: 1, trims: true }];
        assert_eq!((&parts[1], &parts[2], &parts[3]), (&contents[0], &own("<end>\n<|user|>"), &contents[1]));
    }

    #[test]
    fn a_template_that_refuses_says_why() {
        let error = template("{{ raise_exception('no users here') }}").lay_out(&["user"]).unwrap_err();
        assert!(error.to_string().contains("no users here"), "{error}");
        for filter in ["reverse", "upper", "title", "length"] {
            assert!(template(&format!("{{{{ messages[0].content | {filter} }}}}")).lay_out(&["user"]).is_err(), "{filter}");
        }
        let error = template("{{ messages[0].content }}").lay_out(&["user", "assistant"]).unwrap_err();
        assert!(error.to_string().contains("message 2 (assistant)"), "{error}");
    }
}
