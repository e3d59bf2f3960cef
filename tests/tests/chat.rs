//! `[model.chat]`: a system message, a template and its variables, used alike for generation and training and recorded in `config.json`.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use groklab_tests::{
    Stack,
    files::{experiment, lines, read},
};
use serde_json::Value;

const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}\
                        {% if shout is defined and shout %}LOUD {% endif %}\
                        {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

fn with_chat(name: &str, chat: &str) -> String {
    format!("{}\n[model.chat]\n{chat}\n", experiment(name, 1, "rft"))
}

/// Tokens of the first training prompt of an export.
fn prompt_tokens(export: &std::path::Path) -> u64 {
    lines(&export.join("rollouts.jsonl"))[0]["prompt_tokens"]
        .as_u64()
        .unwrap()
}

#[test]
fn chat_settings_reach_every_prompt_and_the_record() {
    let stack = Stack::full();
    stack.file("own.jinja", TEMPLATE);
    let run = |name: &str, chat: &str| {
        stack.submit(&with_chat(name, chat));
        stack.grokctl_ok(&["watch", name]);
        stack.export(name)
    };
    stack.submit(&experiment("plain", 1, "rft"));
    stack.grokctl_ok(&["watch", "plain"]);
    let plain = stack.export("plain");
    let own = run("own", "template = \"own.jinja\"");
    assert_eq!(
        prompt_tokens(&own),
        prompt_tokens(&plain),
        "the same template, brought by the experiment"
    );
    let metrics = |export: &std::path::Path| -> Value {
        lines(&export.join("metrics.jsonl"))[1]["splits"].clone()
    };
    assert_eq!(
        metrics(&own),
        metrics(&plain),
        "generation and training put prompts alike"
    );
    let other = run(
        "other",
        "template = \"own.jinja\"\nsystem = \"Be brief.\"\nshout = true",
    );
    assert!(prompt_tokens(&other) > prompt_tokens(&plain));
    let config: Value = serde_json::from_str(&read(&other.join("config.json"))).unwrap();
    assert_eq!(config["model"]["chat"]["system"], "Be brief.");
    assert_eq!(config["model"]["chat"]["shout"], true);
    assert_eq!(
        config["model"]["chat"]["template"], TEMPLATE,
        "the text, not a path of this machine"
    );
    let plain_config: Value = serde_json::from_str(&read(&plain.join("config.json"))).unwrap();
    assert_eq!(plain_config["model"]["chat"], Value::Null);
    // And every completion names its code.
    let rollouts = lines(&plain.join("rollouts.jsonl"));
    assert!(
        rollouts
            .iter()
            .all(|rollout| rollout["candidate"]["reason"].is_string())
    );
    let correct: Vec<&Value> = rollouts
        .iter()
        .filter(|rollout| rollout["correct"] == true)
        .collect();
    assert!(
        !correct.is_empty()
            && correct
                .iter()
                .all(|rollout| rollout["candidate"]["reason"] == "defines_entry")
    );
    for rollout in correct {
        let place = |key: &str| rollout["candidate"][key].as_u64().unwrap() as usize;
        assert_eq!(
            rollout["text"].as_str().unwrap()[place("start")..place("end")],
            *rollout["code"].as_str().unwrap()
        );
    }
}

#[test]
fn what_the_template_does_not_know_fails_the_experiment_by_name() {
    let stack = Stack::full();
    stack.submit(&with_chat("typo", "enable_thinkng = false"));
    let output = stack.grokctl(&["watch", "typo"]);
    let shown = stack.grokctl_ok(&["show", "typo"]);
    assert!(
        !output.status.success() && shown.contains("failed"),
        "{shown}"
    );
    assert!(
        shown.contains(
            "`model.chat.enable_thinkng`: the model's chat template has no such variable"
        ),
        "{shown}"
    );
    let missing = stack.file(
        "missing.toml",
        &with_chat("missing", "template = \"nowhere.jinja\""),
    );
    let refused = stack.grokctl(&["validate", missing.to_str().unwrap()]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(2)
            && message.contains("`model.chat.template` = \"nowhere.jinja\""),
        "{message}"
    );
}
