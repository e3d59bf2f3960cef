//! The examples of a file, and which of them share a step.

use std::path::Path;

use groklab_domain::seed;
use groklab_model::{ChatTokenizer, Config, Example, plan_batches};
use groklab_runtime::{
    jsonl::{self, Bad, Line},
    tool::Failure,
};

use super::settings::{Batch, Length};

/// A file's lines, checked as far as that goes without a model.
pub(super) struct Data {
    name: String,
    lines: Vec<Given>,
}

struct Given {
    line: Line,
    content: Content,
}

enum Content {
    Text { prompt: String, completion: String },
    Ids { ids: Vec<i64>, prompt_length: usize },
}

impl Data {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let read = |error| Failure::usage(anyhow::Error::new(error).context(format!("read `{name}`")));
        let lines = jsonl::read(&name, &std::fs::read(path).map_err(read)?, |line| content(&line).map(|content| Given { line, content }))?;
        if lines.is_empty() {
            return Err(Failure::usage(anyhow::anyhow!("`{name}` has no example: write one JSON object per line")));
        }
        Ok(Self { name, lines })
    }

    /// Whether a tokenizer is needed.
    pub(super) fn has_text(&self) -> bool {
        self.lines.iter().any(|given| matches!(given.content, Content::Text { .. }))
    }

    /// The lines as examples for a model of these sizes.
    pub(super) fn examples(&self, tokenizer: Option<&ChatTokenizer>, config: &Config) -> Result<Vec<Example>, Failure> {
        jsonl::all(&self.name, self.lines.iter().map(|given| given.example(tokenizer, config)))
    }

    /// What to call the examples with these indices.
    pub(super) fn places(&self, indices: &[usize]) -> String {
        let numbers: Vec<String> = indices.iter().map(|&index| self.lines[index].line.number.to_string()).collect();
        format!("lines {} of {}", numbers.join(", "), self.name)
    }
}

fn content(line: &Line) -> Result<Content, Bad> {
    if line.one_of(&["prompt", "input_ids"])? == "prompt" {
        return Ok(Content::Text { prompt: line.text("prompt")?, completion: line.text("completion")? });
    }
    let (ids, prompt_length) = (line.ids("input_ids")?, line.count("prompt_length")?);
    if prompt_length >= ids.len() {
        return Err(line.wrong("prompt_length", &format!("`input_ids` has {}: leave at least one behind the prompt", ids.len())));
    }
    Ok(Content::Ids { ids, prompt_length })
}

impl Given {
    fn example(&self, tokenizer: Option<&ChatTokenizer>, config: &Config) -> Result<Example, Bad> {
        let line = &self.line;
        let example = match &self.content {
            Content::Ids { ids, prompt_length } => {
                let (prompt, completion) = ids.split_at(*prompt_length);
                Example { prompt_ids: prompt.to_vec(), completion_ids: completion.to_vec() }
            }
            Content::Text { prompt, completion } => {
                let tokenizer = tokenizer.expect("texts are not read without a tokenizer");
                let text = || {
                    let mut completion_ids = tokenizer.encode_text(completion)?;
                    tokenizer.close(&mut completion_ids);
                    Ok(Example { prompt_ids: tokenizer.encode_prompt(prompt)?, completion_ids })
                };
                text().map_err(|error: groklab_model::Error| line.bad(error.to_string()))?
            }
        };
        if let Some(id) = example.prompt_ids.iter().chain(&example.completion_ids).find(|id| !(0..config.vocab_size).contains(*id)) {
            return Err(line.wrong("input_ids", &format!("{id} is not in the model's vocabulary: use 0 to {}", config.vocab_size - 1)));
        }
        if example.tokens() as i64 > config.max_positions {
            return Err(line.bad(format!("has {} tokens: the model takes up to {}, shorten it", example.tokens(), config.max_positions)));
        }
        Ok(example)
    }
}

/// The examples of every step of a run, by index.
pub(super) fn plan(examples: &[Example], batch: Batch, length: Length, run_seed: u64) -> Vec<Vec<usize>> {
    match batch {
        Batch::Size(size) => in_order(examples.len(), size, length),
        Batch::Tokens(tokens) => {
            let lengths: Vec<usize> = examples.iter().map(Example::tokens).collect();
            let of_epochs = |epochs| plan_batches(&lengths, tokens, epochs, seed::derive(run_seed, &[b"order"]));
            let steps = match length {
                Length::Epochs(epochs) => return of_epochs(epochs),
                Length::Steps(steps) => usize::try_from(steps).unwrap_or(usize::MAX),
            };
            // More epochs begin with fewer: the draws are the same.
            let mut epochs = 1;
            let mut plan = of_epochs(epochs);
            while plan.len() < steps {
                epochs *= 2;
                plan = of_epochs(epochs);
            }
            plan.truncate(steps);
            plan
        }
    }
}

/// Batches of `size` in the order of the file, round and round; the last of an epoch's end may be short.
fn in_order(examples: usize, size: usize, length: Length) -> Vec<Vec<usize>> {
    let total = match length {
        Length::Steps(steps) => usize::try_from(steps).unwrap_or(usize::MAX).saturating_mul(size),
        Length::Epochs(epochs) => examples * epochs as usize,
    };
    (0..total).step_by(size).map(|first| (first..total.min(first + size)).map(|at| at % examples).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_takes_examples_in_order_and_round_again() {
        assert_eq!(in_order(3, 2, Length::Steps(3)), [[0, 1], [2, 0], [1, 2]]);
        assert_eq!(in_order(3, 2, Length::Epochs(1)), [vec![0, 1], vec![2]]);
        let examples: Vec<Example> = (1..6).map(|n| Example { prompt_ids: vec![1; n], completion_ids: vec![1] }).collect();
        let plan = |length| super::plan(&examples, Batch::Tokens(8), length, 3);
        let many = plan(Length::Steps(20));
        assert_eq!(many.len(), 20);
        let one = plan(Length::Epochs(1));
        assert_eq!(many[..one.len()], one);
    }
}
