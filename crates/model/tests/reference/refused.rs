//! A model is computed as its files describe it and a prompt is what transformers makes of them, or they are refused by name. Each test is a
//! file with which other programs went wrong in silence.

use std::{collections::BTreeMap, path::Path};

use groklab_domain::experiment::Chat;
use groklab_model::{Message, Model, Placement, last_logits, load_tokenizer, testing};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    common::{distance, fixture},
    gguf::{Meta, write_gguf},
    traps::{tiny, tokenizer, user},
};

fn open(source: &Path) -> groklab_model::Result<Model> {
    Model::open(
        source.to_str().unwrap(),
        Path::new("/nonexistent"),
        Placement::CPU,
    )
}

fn refusal(source: &Path) -> String {
    open(source).err().expect("it is refused").to_string()
}

fn logits(source: &Path) -> Vec<Vec<f32>> {
    last_logits(
        &open(source).unwrap(),
        None,
        &[vec![1, 100, 101, 102, 103, 50, 60]],
    )
    .unwrap()
}

/// A tensor as a file holds it.
#[derive(Clone)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Stored {
    fn floats(shape: &[usize], value: f32) -> Self {
        let data = std::iter::repeat_n(value.to_le_bytes(), shape.iter().product())
            .flatten()
            .collect();
        Self {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            data,
        }
    }
}

/// The tiny model with `change` done to its weights.
fn with_weights(change: impl Fn(&mut BTreeMap<String, Stored>)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    testing::write_tiny_model(folder.path(), 1).unwrap();
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let stored = |view: &TensorView<'_>| Stored {
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        data: view.data().to_vec(),
    };
    let mut weights: BTreeMap<String, Stored> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, view)| (name.to_owned(), stored(&view)))
        .collect();
    change(&mut weights);
    let views = weights.iter().map(|(name, one)| {
        (
            name,
            TensorView::new(one.dtype, one.shape.clone(), &one.data).unwrap(),
        )
    });
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    folder
}

/// The tiny model with `key` set in its configuration.
fn with_config(key: &str, value: Value) -> TempDir {
    tiny(|folder, _, _| {
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config[key] = value.clone();
        std::fs::write(&path, config.to_string()).unwrap();
    })
}

const BIAS: &str = "model.layers.0.self_attn.q_proj.bias";

#[test]
fn a_weight_that_nobody_reads_is_refused() {
    let folder =
        with_weights(|weights| drop(weights.insert(BIAS.into(), Stored::floats(&[64], 0.5))));
    assert!(
        refusal(folder.path()).contains(BIAS),
        "{}",
        refusal(folder.path())
    );
    let gguf = write_gguf(folder.path(), Vec::new());
    assert!(
        refusal(&gguf).contains("blk.0.attn_q.bias"),
        "{}",
        refusal(&gguf)
    );
}

#[test]
fn buffers_of_older_releases_are_passed_over_whatever_their_type() {
    let position = Stored {
        dtype: Dtype::I64,
        shape: vec![1],
        data: vec![0; 8],
    };
    let folder = with_weights(|weights| {
        weights.insert("model.position_ids".into(), position.clone());
        weights.insert(
            "model.layers.0.self_attn.rotary_emb.inv_freq".into(),
            Stored::floats(&[8], 1.0),
        );
    });
    assert_eq!(logits(folder.path()), logits(with_weights(|_| ()).path()));
}

#[test]
fn a_type_that_is_not_computed_with_is_named_and_not_called_damage() {
    let folder = with_weights(|weights| {
        let norm = weights.get_mut("model.norm.weight").unwrap();
        *norm = Stored {
            dtype: Dtype::F8_E4M3,
            shape: norm.shape.clone(),
            data: vec![0x38; 64],
        };
    });
    let error = open(folder.path()).err().unwrap();
    assert!(
        error.to_string().contains("F8_E4M3") && error.to_string().contains("model.norm.weight"),
        "{error}"
    );
    assert!(!error.retry_may_help(), "another try finds the same");
}

#[test]
fn a_head_of_its_own_counts_before_the_tie() {
    let own = with_weights(|stored| {
        let mut head = stored["model.embed_tokens.weight"].clone();
        head.data.reverse();
        head.data.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        stored.insert("lm_head.weight".into(), head);
    });
    let untied = with_config("tie_word_embeddings", json!(false));
    std::fs::copy(
        own.path().join("model.safetensors"),
        untied.path().join("model.safetensors"),
    )
    .unwrap();
    assert_eq!(
        logits(own.path()),
        logits(untied.path()),
        "transformers takes the head that is there"
    );
    let tied = with_weights(|_| ());
    assert!(distance(&logits(own.path()), &json!(logits(tied.path()))) > 0.1);
    let copy = with_weights(|stored| {
        drop(stored.insert(
            "lm_head.weight".into(),
            stored["model.embed_tokens.weight"].clone(),
        ))
    });
    assert_eq!(
        logits(copy.path()),
        logits(tied.path()),
        "an equal copy changes nothing"
    );
}

#[test]
fn the_base_of_the_rotations_is_read_wherever_it_stands() {
    let inner = with_config(
        "rope_scaling",
        json!({"rope_type": "default", "rope_theta": 1e6}),
    );
    assert_eq!(
        logits(inner.path()),
        logits(with_config("rope_theta", json!(1e6)).path())
    );
    assert!(
        distance(
            &logits(inner.path()),
            &json!(logits(with_config("rope_theta", json!(1e4)).path()))
        ) > 1e-3
    );
    let error = refusal(with_config("rope_theta", json!("1000000.0")).path());
    assert!(
        error.contains("`rope_theta` = \"1000000.0\": a number is wanted"),
        "{error}"
    );
    let error = refusal(with_config("residual_multiplier", json!(0.22)).path());
    assert!(
        error.contains("`residual_multiplier` = 0.22 is not known here"),
        "{error}"
    );
}

#[test]
fn metadata_of_a_gguf_that_changes_the_model_is_refused() {
    let folder = fixture("tiny-llama").folder;
    let of = |key: &str, value: Meta| {
        refusal(&write_gguf(&folder, vec![(format!("llama.{key}"), value)]))
    };
    for (key, value, named) in [
        (
            "rope.scaling.type",
            Meta::Text("yarn".into()),
            "rope scaling `yarn`",
        ),
        (
            "rope.scaling.factor",
            Meta::Float(-4.0),
            "rope scaling that makes no sense",
        ),
        (
            "rope.dimension_count",
            Meta::Integer(8),
            "`llama.rope.dimension_count = 8`",
        ),
        (
            "attention.value_length",
            Meta::Integer(8),
            "`llama.attention.value_length = 8`",
        ),
        ("attention.causal", Meta::Flag(false), "not causal"),
        ("expert_count", Meta::Integer(8), "number of experts `8`"),
        (
            "attention.clamp_kqv",
            Meta::Float(8.0),
            "`llama.attention.clamp_kqv`",
        ),
        ("logit_scale", Meta::Float(0.5), "`llama.logit_scale`"),
        (
            "rope.freq_base",
            Meta::Text("1e6".into()),
            "`llama.rope.freq_base`: a number is wanted",
        ),
    ] {
        let error = of(key, value);
        assert!(error.contains(named), "{key}: {error}");
    }
    let named = vec![(
        "general.architecture".to_owned(),
        Meta::Text("mistral".into()),
    )];
    let error = refusal(&write_gguf(&folder, named));
    assert!(
        error.contains("architecture of a GGUF `mistral`"),
        "{error}"
    );
    let scaled = fixture("llama3-rope").folder;
    let twice = vec![("llama.rope.scaling.factor".to_owned(), Meta::Float(4.0))];
    let error = refusal(&write_gguf(&scaled, twice));
    assert!(error.contains("a linear one of 4 as well"), "{error}");
    let gguf = write_gguf(&folder, vec![("split.count".to_owned(), Meta::Integer(2))]);
    assert!(
        refusal(&gguf).contains("one of 2 parts (`split.count`)")
            && refusal(&gguf).contains("llama-gguf-split --merge")
    );
    let plain = write_gguf(
        &folder,
        vec![
            ("llama.rope.scaling.factor".to_owned(), Meta::Float(1.0)),
            ("llama.vocab_size".to_owned(), Meta::Integer(7)),
        ],
    );
    assert!(open(&plain).is_ok());
}

#[test]
fn a_folder_that_holds_a_gguf_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.gguf"), b"GGUF").unwrap();
    assert!(
        refusal(folder.path()).contains("model.gguf"),
        "{}",
        refusal(folder.path())
    );
}

#[test]
fn what_training_left_in_a_tokenizer_cuts_and_fills_nothing() {
    let left = tiny(|_, tokenizer, _| {
        tokenizer["truncation"] =
            json!({"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0});
        tokenizer["padding"] = json!({"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "<|endoftext|>"});
    });
    let (ours, plain) = (
        tokenizer(left.path()).unwrap(),
        tokenizer(tiny(|_, _, _| ()).path()).unwrap(),
    );
    for text in ["say a b", "a", "a longer text than eight tokens"] {
        assert_eq!(
            ours.encode_prompt(text).unwrap(),
            plain.encode_prompt(text).unwrap()
        );
        assert_eq!(
            ours.encode_text(text).unwrap(),
            plain.encode_text(text).unwrap()
        );
        assert_eq!(
            ours.encode_completion(text).unwrap(),
            plain.encode_completion(text).unwrap()
        );
    }
}

/// The error of a tokenizer whose folder was changed, unless the experiment brings a template.
fn tokenizer_refusal(folder: &TempDir) -> String {
    tokenizer(folder.path())
        .err()
        .expect("it is refused")
        .to_string()
}

#[test]
fn a_template_that_cannot_be_read_is_never_left_out() {
    let broken = |name: &'static str, bytes: &'static [u8]| {
        let folder = tiny(|_, _, _| ());
        std::fs::write(folder.path().join(name), bytes).unwrap();
        tokenizer_refusal(&folder)
    };
    assert!(
        broken("tokenizer_config.json", br#"{"chat_template": "{% for"#)
            .contains("tokenizer_config.json")
    );
    assert!(broken("tokenizer_config.json", b"\xef\xbb\xbf{}").contains("tokenizer_config.json"));
    assert!(broken("chat_template.jinja", b"{{ '\xff' }}").contains("chat_template.jinja"));
    assert!(
        broken("chat_template.jinja", b"\xef\xbb\xbf{{ messages }}").contains("byte-order mark")
    );
    assert!(broken("generation_config.json", b"{").contains("generation_config.json"));
    assert!(
        tokenizer_refusal(&tiny(|_, _, config| config["chat_template"] = json!(7)))
            .contains("`chat_template` = 7")
    );
}

#[test]
fn a_list_of_templates_needs_a_default_or_an_experiment_that_names_one() {
    let template = |name: &str| json!({"name": name, "template": "T{{ messages[0].content }}"});
    let list = |names: &[&str]| {
        let names: Vec<Value> = names.iter().map(|name| template(name)).collect();
        tiny(move |_, _, config| config["chat_template"] = json!(names))
    };
    let error = tokenizer_refusal(&list(&["tool_use", "rag"]));
    assert!(
        error.contains("none of its templates is `default`") && error.contains("tool_use, rag"),
        "{error}"
    );
    let ids = tokenizer(list(&["tool_use", "default"]).path())
        .unwrap()
        .encode_prompt("a")
        .unwrap();
    assert_eq!(ids.len(), 2);
    let chat = Chat {
        template: Some("{{ messages[0].content }}".into()),
        ..Chat::default()
    };
    let folder = list(&["rag"]);
    assert!(
        load_tokenizer(
            folder.path().to_str().unwrap(),
            Path::new("/nonexistent"),
            &chat
        )
        .is_ok()
    );
}

/// The ids that a folder with this template makes of `messages`, and those of `text`, in which special tokens count.
fn rendered(template: &str, messages: &[Message]) -> Vec<i64> {
    let folder = tiny(|_, _, config| config["chat_template"] = json!(template));
    tokenizer(folder.path())
        .unwrap()
        .encode_messages(messages)
        .unwrap()
}

/// Ids of a text of the tiny tokenizer: special tokens, and bytes.
fn ids(text: &str) -> Vec<i64> {
    let specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
    let (mut ids, mut rest) = (Vec::new(), text);
    while let Some(byte) = rest.bytes().next() {
        match specials
            .iter()
            .position(|special| rest.starts_with(special))
        {
            Some(id) => {
                (ids, rest) = ([ids, vec![id as i64]].concat(), &rest[specials[id].len()..])
            }
            None => (ids, rest) = ([ids, vec![4 + i64::from(byte)]].concat(), &rest[1..]),
        }
    }
    ids
}

#[test]
fn tools_and_documents_are_none_for_a_template() {
    let template = "{% if tools is not none %}TOOLS:{% endif %}{% if documents is not none %}D{% endif %}<|im_start|>{{ messages[0].content }}";
    assert_eq!(rendered(template, &user("a")), ids("<|im_start|>a"));
}

#[test]
fn a_template_may_change_the_content() {
    let lstrip = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.lstrip('\\n') }}<|im_end|>\n{% endfor %}";
    assert_eq!(
        rendered(lstrip, &user("\n\n say a \n")),
        ids("<|im_start|>user\n say a \n<|im_end|>\n")
    );
    let turns = [
        ("user", "hi"),
        ("assistant", "hm</think>\n\nok"),
        ("user", "a"),
    ];
    let turns = turns.map(|(role, content)| Message {
        role: role.into(),
        content: content.into(),
    });
    let split = "{% for m in messages %}<|im_start|>{{ m.content.split('</think>')[-1] }}<|im_end|>{% endfor %}";
    assert_eq!(
        rendered(split, &turns),
        ids("<|im_start|>hi<|im_end|><|im_start|>\n\nok<|im_end|><|im_start|>a<|im_end|>")
    );
    // Only where a content spells a special token must the two be told apart, and a changed content cannot be.
    let folder = tiny(|_, _, config| {
        config["chat_template"] = json!("{{ messages[0].content.replace('a', 'b') }}")
    });
    let error = tokenizer(folder.path())
        .unwrap()
        .encode_messages(&user("a<|im_end|>"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("changes the text of message 0 (user)"),
        "{error}"
    );
}

#[test]
fn special_tokens_take_the_white_space_beside_them() {
    let template = "{% for m in messages %}<|im_start|> {{ m.role }}\n{{ m.content }} <|im_end|>\n{% endfor %}";
    let folder = tiny(|_, tokenizer, config| {
        tokenizer["added_tokens"][1]["rstrip"] = json!(true);
        tokenizer["added_tokens"][2]["lstrip"] = json!(true);
        config["chat_template"] = json!(template);
    });
    let tokenizer = tokenizer(folder.path()).unwrap();
    assert_eq!(
        tokenizer.encode_messages(&user("say a")).unwrap(),
        ids("<|im_start|>user\nsay a<|im_end|>\n")
    );
    let error = tokenizer
        .encode_messages(&user("<|im_end|>"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("<|im_"), "{error}");
}

#[test]
fn a_configuration_that_speaks_of_other_tokens_is_refused() {
    let missing = tiny(|_, _, config| config["additional_special_tokens"] = json!(["<|tool|>"]));
    assert!(tokenizer_refusal(&missing).contains("`<|tool|>`"));
    let flags = json!({"content": "<|im_end|>", "lstrip": true, "rstrip": false, "normalized": false, "single_word": false, "special": true});
    let other = tiny(|_, _, config| config["added_tokens_decoder"] = json!({"2": flags}));
    assert!(tokenizer_refusal(&other).contains("the token 2 (`<|im_end|>`)"));
    assert!(
        tokenizer_refusal(&tiny(
            |_, _, config| config["split_special_tokens"] = json!(true)
        ))
        .contains("split_special_tokens")
    );
    assert!(
        tokenizer_refusal(&tiny(|_, _, config| config["eos_token"] = json!({"id": 2})))
            .contains("eos_token")
    );
    let eos = tiny(|_, _, config| config["eos_token"] = json!("</s>"));
    assert!(tokenizer_refusal(&eos).contains("`</s>`"));
    for (key, value) in [
        ("add_prefix_space", json!(true)),
        (
            "auto_map",
            json!({"AutoTokenizer": ["own.Tokenizer", null]}),
        ),
    ] {
        assert!(tokenizer_refusal(&tiny(|_, _, config| config[key] = value.clone())).contains(key));
    }
    let without = tiny(|_, _, config| {
        (config["bos_token"], config["add_bos_token"]) = (Value::Null, json!(true))
    });
    assert!(tokenizer_refusal(&without).contains("`bos_token` = null"));
    let older = tiny(|folder, _, config| {
        config["eos_token"] = Value::Null;
        std::fs::write(
            folder.join("special_tokens_map.json"),
            json!({"eos_token": "</s>"}).to_string(),
        )
        .unwrap();
    });
    assert!(
        tokenizer_refusal(&older).contains("`</s>`"),
        "a map of an older release counts where nothing else is said"
    );
}

#[test]
fn text_gets_the_tokens_that_its_files_ask_for() {
    let raw = |change: &dyn Fn(&mut Value)| {
        tokenizer(tiny(|_, _, config| change(config)).path())
            .unwrap()
            .encode_raw("a")
            .unwrap()
    };
    assert_eq!(raw(&|_| ()), ids("a"));
    assert_eq!(
        raw(&|config| config["add_bos_token"] = json!(true)),
        ids("<|im_start|>a")
    );
    assert_eq!(
        raw(&|config| config["add_eos_token"] = json!(true)),
        ids("a<|im_end|>")
    );
    let gguf = |pre: &str, more: &[(&str, bool)]| {
        tokenizer(&gguf_with(pre, more, Vec::new()))
            .unwrap()
            .encode_raw("a")
            .unwrap()
    };
    assert_eq!(gguf("gpt-2", &[]), ids("a"));
    assert_eq!(
        gguf("gpt-2", &[("add_bos_token", true)]),
        ids("<|im_start|>a")
    );
    assert_eq!(
        gguf("gpt-2", &[("add_bos_token", true), ("add_eos_token", true)]),
        ids("<|im_start|>a<|im_end|>")
    );
    assert_eq!(
        gguf("llama-bpe", &[]),
        ids("<|im_start|>a"),
        "as llama.cpp reads files without the key"
    );
    assert_eq!(gguf("llama-bpe", &[("add_bos_token", false)]), ids("a"));
}

#[test]
fn named_templates_of_a_gguf_need_a_default_and_its_tokens_their_types() {
    let named = vec![(
        "tokenizer.chat_template.rag".to_owned(),
        Meta::Text("{{ messages }}".into()),
    )];
    let error = tokenizer(&gguf_with("gpt-2", &[], named))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("none of its templates is the default (there are rag)"),
        "{error}"
    );
    let types = vec![(
        "tokenizer.ggml.token_type".to_owned(),
        Meta::Integers(vec![1; 7]),
    )];
    let error = tokenizer(&gguf_with("gpt-2", &[], types))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("is not a list of 260 whole numbers"),
        "{error}"
    );
}

/// A GGUF of the tiny model with its tokenizer; `own` counts before what it has by itself.
fn gguf_with(pre: &str, flags: &[(&str, bool)], own: Vec<(String, Meta)>) -> tempfile::TempPath {
    let folder = tiny(|_, _, _| ());
    let vocab: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("tokenizer.json")).unwrap())
            .unwrap();
    let mut tokens: Vec<(u64, String)> = vocab["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(text, id)| (id.as_u64().unwrap(), text.clone()))
        .collect();
    tokens.sort_unstable();
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let mut metadata = vec![
        (key("model"), Meta::Text("gpt2".into())),
        (key("pre"), Meta::Text(pre.into())),
        (
            key("tokens"),
            Meta::Texts(tokens.into_iter().map(|(_, text)| text).collect()),
        ),
        (
            key("token_type"),
            Meta::Integers((0..260).map(|id| if id < 4 { 3 } else { 1 }).collect()),
        ),
        (key("merges"), Meta::Texts(Vec::new())),
        (key("bos_token_id"), Meta::Integer(1)),
        (key("eos_token_id"), Meta::Integer(2)),
    ];
    metadata.extend(
        flags
            .iter()
            .map(|(name, flag)| (key(name), Meta::Flag(*flag))),
    );
    metadata.retain(|(key, _)| !own.iter().any(|(name, _)| name == key));
    metadata.extend(own);
    write_gguf(folder.path(), metadata)
}

#[test]
fn an_end_token_at_the_end_of_a_completion_is_the_end_and_elsewhere_refused() {
    let tokenizer = tokenizer(tiny(|_, _, _| ()).path()).unwrap();
    assert_eq!(
        tokenizer.encode_completion("a<|im_end|>").unwrap(),
        ids("a<|im_end|>")
    );
    assert_eq!(
        tokenizer.encode_completion("a").unwrap(),
        ids("a<|im_end|>")
    );
    for text in [
        "a<|im_end|>\n",
        "<|im_start|>a",
        "a<|im_end|><|im_end|>",
        "a<|endoftext|>",
    ] {
        let error = tokenizer.encode_completion(text).unwrap_err().to_string();
        assert!(error.contains("the special token `<|"), "{text}: {error}");
    }
}

#[test]
fn a_prompt_that_opens_a_thought_is_known() {
    let opens = |template: &str| {
        let template = template.to_owned();
        tokenizer(tiny(move |_, _, config| config["chat_template"] = json!(template)).path())
            .unwrap()
            .opens_thought()
    };
    assert!(opens("{{ messages[0].content }}<|im_start|><think>\n"));
    assert!(!opens(
        "{{ messages[0].content }}<|im_start|><think>\n\n</think>\n\n"
    ));
    assert!(!opens("{{ messages[0].content }}<|im_start|>"));
}
