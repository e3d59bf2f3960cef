//! A model's chat template, and what it makes of a conversation.

use std::collections::BTreeMap;

use groklab_domain::experiment::Chat;
use minijinja::{Environment, Value};

use super::{Message, Parts, jinja};
use crate::error::{Error, Result};

/// A template with everything it may name but the conversation.
pub(super) struct Template {
    environment: Environment<'static>,
    text: String,
    variables: BTreeMap<String, Value>,
    system: Option<String>,
}

/// A piece of a rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Written by the template: special tokens in it count.
    Frame(String),
    /// From a message's content: special tokens in it are text.
    Content(String),
}

/// What a template is given by itself; variables have other names.
const OWN_NAMES: [&str; 4] = ["messages", "add_generation_prompt", "tools", "documents"];

impl Template {
    /// The template that `chat` brings, else the model's own; none if there is none.
    ///
    /// # Errors
    /// It cannot be read, or `chat` asks for what it does not know.
    pub(super) fn new(parts: Parts, chat: &Chat) -> Result<(Option<Self>, Parts)> {
        let Some(text) = chat
            .template
            .clone()
            .map_or_else(|| clone_of(&parts.template), |text| Ok(Some(text)))?
        else {
            return refuse_without(chat).map(|()| (None, parts));
        };
        let text = jinja::without_generation_tags(&text);
        let environment = jinja::environment();
        let known = environment
            .template_from_str(&text)
            .map_err(|error| failed(format!("{error:#}")))?
            .undeclared_variables(false);
        // A variable that the template never looks at would have no effect, and nobody would
        // notice.
        let foreign = |name: &&String| !known.contains(*name) || OWN_NAMES.contains(&name.as_str());
        if let Some(name) = chat.variables.keys().find(foreign) {
            return Err(Error::Chat {
                key: name.clone(),
                reason: "the model's chat template has no such variable".into(),
            });
        }
        // transformers gives None for both: templates ask whether `tools is not none`.
        let none = ["tools", "documents"].map(|name| (name.to_owned(), Value::from(())));
        let special = parts
            .special_tokens
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Value::from(text.as_str())));
        let chosen = chat
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), Value::from_serialize(value)));
        // The experiment's values come last, so that they count before the model's.
        let variables = none.into_iter().chain(special).chain(chosen).collect();
        Ok((
            Some(Self {
                environment,
                text,
                variables,
                system: chat.system.clone(),
            }),
            parts,
        ))
    }

    /// The prompt of a conversation, up to where the assistant begins.
    pub(super) fn render(&self, messages: &[Message]) -> Result<String> {
        self.render_with(messages, |index| messages[index].content.clone())
    }

    /// The conversation with the system message that the experiment asks for, unless it begins with
    /// one of its own.
    pub(super) fn with_system(&self, messages: &[Message]) -> Vec<Message> {
        let system = self
            .system
            .iter()
            .filter(|_| messages.first().is_none_or(|first| first.role != "system"));
        let system = system.map(|content| Message {
            role: "system".into(),
            content: content.clone(),
        });
        system.chain(messages.iter().cloned()).collect()
    }

    /// The pieces of [`Self::render`], told apart by rendering placeholders.
    ///
    /// # Errors
    /// The template makes of a content anything but itself or the same without the white space
    /// around it.
    pub(super) fn pieces(&self, messages: &[Message]) -> Result<Vec<Piece>> {
        let (whole, frames) = (self.render(messages)?, self.frames(messages)?);
        let changed = |index: usize| {
            failed(format!(
                "it changes the text of message {index} ({}), which spells a special token",
                messages[index].role
            ))
        };
        let mut rest = whole
            .strip_prefix(frames[0].as_str())
            .ok_or_else(|| changed(0))?;
        let mut pieces = vec![Piece::Frame(frames[0].clone())];
        for (index, (message, frame)) in messages.iter().zip(&frames[1..]).enumerate() {
            // Llama's templates strip contents. What is changed otherwise cannot be told from the
            // frame.
            let forms = [
                message.content.as_str(),
                jinja::python_strip(&message.content),
            ];
            let behind = |form: &&str| {
                rest.strip_prefix(*form)
                    .and_then(|rest| rest.strip_prefix(frame.as_str()))
            };
            let form = forms
                .iter()
                .find(|form| behind(form).is_some())
                .ok_or_else(|| changed(index))?;
            rest = behind(form).expect("it was just found");
            pieces.extend([
                Piece::Content((*form).to_owned()),
                Piece::Frame(frame.clone()),
            ]);
        }
        if rest.is_empty() {
            Ok(pieces)
        } else {
            Err(changed(messages.len() - 1))
        }
    }

    /// What the template writes around the contents: one more than there are messages.
    fn frames(&self, messages: &[Message]) -> Result<Vec<String>> {
        let plain = self.render_with(messages, placeholder)?;
        let mut frames = Vec::new();
        let mut rest = plain.as_str();
        for (index, Message { role, .. }) in messages.iter().enumerate() {
            let mark = placeholder(index);
            let split = rest
                .split_once(&mark)
                .filter(|(before, after)| !before.contains(MARK) && !after.contains(&mark));
            let (before, after) = split.ok_or_else(|| {
                failed(format!(
                    "it does not write the text of message {index} ({role}) exactly once, in order"
                ))
            })?;
            frames.push(before.to_owned());
            rest = after;
        }
        frames.push(rest.to_owned());
        Ok(frames)
    }

    fn render_with(
        &self,
        messages: &[Message],
        content: impl Fn(usize) -> String,
    ) -> Result<String> {
        let message = |(index, message): (usize, &Message)| {
            Value::from_iter([
                ("role", Value::from(message.role.as_str())),
                ("content", Value::from(content(index))),
            ])
        };
        let conversation =
            Value::from(messages.iter().enumerate().map(message).collect::<Vec<_>>());
        let own = [
            ("messages".to_owned(), conversation),
            ("add_generation_prompt".to_owned(), Value::from(true)),
        ];
        let context = Value::from_iter(
            self.variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .chain(own),
        );
        self.environment
            .render_str(&self.text, context)
            .map_err(|error| failed(format!("{error:#}")))
    }
}

/// Begins a placeholder: private-use characters that no template treats specially.
const MARK: &str = "\u{f8f0}\u{f8f1}";

/// Stands for a message's text while a template runs.
fn placeholder(message: usize) -> String {
    format!("{MARK}{message}\u{f8f1}\u{f8f0}")
}

/// A model without a template has no place for what only templates do.
fn refuse_without(chat: &Chat) -> Result<()> {
    let key = chat
        .system
        .as_ref()
        .map(|_| "system".to_owned())
        .or_else(|| chat.variables.keys().next().cloned());
    let reason =
        "the model has no chat template: its prompts are given as they are; name one as `template`";
    key.map_or(Ok(()), |key| {
        Err(Error::Chat {
            key,
            reason: reason.into(),
        })
    })
}

fn clone_of(template: &Result<Option<String>>) -> Result<Option<String>> {
    match template {
        Ok(text) => Ok(text.clone()),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn failed(reason: String) -> Error {
    Error::Tokenizer {
        what: "chat template",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(text: &str, chat: &Chat) -> Result<Template> {
        let special_tokens = BTreeMap::from([("bos_token", "<s>".to_owned())]);
        let parts = Parts {
            tokenizer_json: Vec::new(),
            template: Ok(Some(text.into())),
            special_tokens,
            edges: None,
            end_tokens: Vec::new(),
        };
        Template::new(parts, chat).map(|(template, _)| template.unwrap())
    }

    fn template(text: &str) -> Template {
        with(text, &Chat::default()).unwrap()
    }

    fn messages(turns: &[(&str, &str)]) -> Vec<Message> {
        turns
            .iter()
            .map(|(role, content)| Message {
                role: (*role).into(),
                content: (*content).into(),
            })
            .collect()
    }

    const CHAT: &str = "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ \
        m.content.strip() }}<end>\n{% endfor %}\n{% if add_generation_prompt %}<|assistant|>{% \
        endif %}";

    #[test]
    fn frames_surround_the_contents() {
        let pieces = template(CHAT)
            .pieces(&messages(&[("system", " a "), ("user", "b")]))
            .unwrap();
        let frame = |text: &str| Piece::Frame(text.into());
        let content = |text: &str| Piece::Content(text.into());
        assert_eq!(
            pieces,
            [
                frame("<s><|system|>"),
                content("a"),
                frame("<end>\n<|user|>"),
                content("b"),
                frame("<end>\n<|assistant|>")
            ]
        );
    }

    #[test]
    fn a_template_that_refuses_or_changes_says_why() {
        let one = messages(&[("user", "a\nb")]);
        let reason = |text: &str| template(text).pieces(&one).unwrap_err().to_string();
        assert!(reason("{{ raise_exception('no users here') }}").contains("no users here"));
        assert!(reason("{{ messages[0].content | length }}").contains("message 0 (user)"));
        assert!(
            reason("{{ messages[0].content.split('\n')[0] }}")
                .contains("changes the text of message 0 (user)")
        );
    }

    #[test]
    fn what_is_not_set_is_none_or_undefined_as_for_transformers() {
        let one = messages(&[("user", "a")]);
        let written = |text: &str| template(text).render(&one).unwrap();
        assert_eq!(
            written("{% if tools is not none %}T{% endif %}{% if documents is none %}D{% endif %}"),
            "D"
        );
        assert_eq!(
            written(
                "{% if bos_token is defined %}B{% endif %}{% if eos_token is defined %}E{% endif %}"
            ),
            "B"
        );
    }

    #[test]
    fn variables_and_the_system_message_come_from_the_experiment() {
        let thinking = |value| Chat {
            variables: BTreeMap::from([("enable_thinking".to_owned(), value)]),
            ..Chat::default()
        };
        let text = "{% if enable_thinking is defined and enable_thinking is false %}off{% else \
            %}on{% endif %}";
        let written = |chat: &Chat| {
            with(text, chat)
                .unwrap()
                .render(&messages(&[("user", "a")]))
                .unwrap()
        };
        assert_eq!(
            [
                written(&thinking(json!(false))),
                written(&thinking(json!(true))),
                written(&Chat::default())
            ],
            ["off", "on", "on"]
        );
        let error = |text: &str| {
            with(text, &thinking(json!(true)))
                .err()
                .unwrap()
                .to_string()
        };
        assert!(
            error("{{ messages }}").contains("`model.chat.enable_thinking`"),
            "{}",
            error("{{ messages }}")
        );
        let chat = Chat {
            system: Some("be brief".into()),
            ..Chat::default()
        };
        let turns =
            |turns: &[(&str, &str)]| with(CHAT, &chat).unwrap().with_system(&messages(turns));
        assert_eq!(
            turns(&[("user", "a")]),
            messages(&[("system", "be brief"), ("user", "a")])
        );
        assert_eq!(
            turns(&[("system", "own"), ("user", "a")]),
            messages(&[("system", "own"), ("user", "a")])
        );
        let own = Chat {
            template: Some("{{ messages[0].content }}!".into()),
            ..Chat::default()
        };
        assert_eq!(
            with(CHAT, &own)
                .unwrap()
                .render(&messages(&[("user", "a")]))
                .unwrap(),
            "a!"
        );
    }
}
