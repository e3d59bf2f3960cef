//! Adapters in the forms that peft 0.21.2 writes, on `tiny-llama`, and what peft computes with them. Whatever it would compute otherwise than
//! this crate is refused by the name of its field or weight.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use groklab_model::{
    Adapter, Applied, LoraSpec, Model, Placement, Settings, Source, Start, Target, Trainer,
    last_logits, score,
    testing::{COMMIT, write_tiny_model},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::common::{Fixture, distance, fixture, numbers};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/adapters")
        .join(name)
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(folder("expected.json")).unwrap()).unwrap()
}

fn config(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name).join("adapter_config.json")).unwrap())
        .unwrap()
}

fn weights(name: &str) -> Vec<u8> {
    std::fs::read(folder(name).join("adapter_model.safetensors")).unwrap()
}

/// The plain adapter with `field` set to `value`.
fn with(field: &str, value: &Value) -> groklab_model::Result<Adapter> {
    let mut config = config("plain");
    config[field] = value.clone();
    Adapter::from_files(config.to_string().into_bytes(), weights("plain"))
}

fn refusal(field: &str, value: &Value) -> String {
    with(field, value)
        .err()
        .unwrap_or_else(|| panic!("`{field}` {value} is taken"))
        .to_string()
}

fn logits(fixture: &Fixture, adapter: &Adapter) -> Vec<Vec<f32>> {
    let applied = Applied::new(&fixture.model, adapter).unwrap();
    last_logits(&fixture.model, Some(&applied), &fixture.rows()).unwrap()
}

#[test]
fn every_form_computes_what_peft_computes() {
    let (fixture, expected) = (fixture("tiny-llama"), expected());
    let forms = expected["logits"].as_object().unwrap();
    assert_eq!(
        forms.keys().collect::<Vec<_>>(),
        [
            "default",
            "exclude",
            "layers",
            "look-ahead",
            "patterns",
            "plain",
            "rslora"
        ]
    );
    for (name, wanted) in forms {
        let adapter = Adapter::open(&folder(name)).unwrap();
        let far = distance(&logits(&fixture, &adapter), wanted);
        assert!(far < 1e-4, "{name}: {far}");
        let applied = Applied::new(&fixture.model, &adapter).unwrap();
        let scored = score(&fixture.model, Some(&applied), &fixture.rows(), &mut |_| ()).unwrap();
        let far = distance(
            &scored
                .into_iter()
                .map(|scored| scored.last_logits)
                .collect::<Vec<_>>(),
            wanted,
        );
        assert!(far < 1e-4, "{name}, scored: {far}");
    }
}

/// As on a GPU, where scaled matrices are rounded.
#[test]
fn scales_are_the_same_in_bfloat16() {
    let (exact, expected) = (fixture("tiny-llama"), expected());
    let placement = Placement {
        device: Device::Cpu,
        kind: Kind::BFloat16,
    };
    let model = Model::open(
        exact.folder.to_str().unwrap(),
        Path::new("/nonexistent"),
        placement,
    )
    .unwrap();
    for name in ["rslora", "patterns"] {
        let applied = Applied::new(&model, &Adapter::open(&folder(name)).unwrap()).unwrap();
        let computed = last_logits(&model, Some(&applied), &exact.rows()).unwrap();
        let far = distance(&computed, &expected["logits"][name]);
        let size = computed
            .iter()
            .flatten()
            .fold(0.0_f32, |most, v| v.abs().max(most));
        assert!(far < f64::from(size) * 0.05, "{name}: {far} of {size}");
    }
}

#[test]
fn training_goes_on_with_the_scale_and_the_ranks_of_the_adapter() {
    let (fixture, expected) = (fixture("tiny-llama"), expected());
    for name in ["rslora", "patterns"] {
        let (adapter, wanted) = (
            Adapter::open(&folder(name)).unwrap(),
            &expected["train"][name],
        );
        let settings = Settings {
            learning_rate: wanted["lr"].as_f64().unwrap(),
            ..Settings::default()
        };
        let start = Start::From {
            adapter: &adapter,
            optimiser: None,
        };
        let mut trainer =
            Trainer::new(&fixture.model, adapter.spec().clone(), settings, start).unwrap();
        for (loss, norm) in numbers(&wanted["losses"])
            .into_iter()
            .zip(numbers(&wanted["grad_norms"]))
        {
            let report = trainer
                .step(&fixture.examples(), &mut || ControlFlow::Continue(()))
                .unwrap();
            assert!(
                (report.loss - loss).abs() < 1e-3,
                "{name} step {}: loss {} for {loss}",
                report.step,
                report.loss
            );
            assert!(
                (report.grad_norm - norm).abs() < 1e-2,
                "{name} step {}: norm {} for {norm}",
                report.step,
                report.grad_norm
            );
        }
        let trained = trainer.adapter();
        let far = distance(&logits(&fixture, &trained), &wanted["logits_after"]);
        assert!(far < 2e-3, "{name}: {far}");
        // What is written is read as what was trained.
        let read = Adapter::from_files(
            trained.config_file().to_vec(),
            trained.weights_file().to_vec(),
        )
        .unwrap();
        assert_eq!(read.spec(), adapter.spec(), "{name}");
        assert_eq!(
            logits(&fixture, &read),
            logits(&fixture, &trained),
            "{name}"
        );
    }
}

#[test]
fn what_is_written_names_the_scale_and_the_ranks() {
    let fixture = fixture("tiny-llama");
    let written = |name: &str| -> Value {
        let adapter = Adapter::open(&folder(name)).unwrap();
        let start = Start::From {
            adapter: &adapter,
            optimiser: None,
        };
        let trainer = Trainer::new(
            &fixture.model,
            adapter.spec().clone(),
            Settings::default(),
            start,
        )
        .unwrap();
        serde_json::from_slice(trainer.adapter().config_file()).unwrap()
    };
    let plain = written("plain");
    assert_eq!(
        (&plain["use_rslora"], plain.get("rank_pattern")),
        (&json!(false), None)
    );
    assert_eq!(written("rslora")["use_rslora"], true);
    let patterns = written("patterns");
    assert_eq!(
        (
            &patterns["use_rslora"],
            &patterns["r"],
            &patterns["lora_alpha"]
        ),
        (&json!(true), &json!(4), &json!(8))
    );
    assert_eq!(patterns["rank_pattern"]["model.layers.1.mlp.gate_proj"], 8);
    assert_eq!(
        patterns["rank_pattern"]["model.layers.0.self_attn.v_proj"],
        1
    );
    assert_eq!(
        patterns["alpha_pattern"]["model.layers.0.mlp.up_proj"], 5,
        "the first pattern that matches counts"
    );
    assert_eq!(patterns["alpha_pattern"]["model.layers.1.mlp.up_proj"], 3);
    assert!(
        patterns["rank_pattern"]
            .get("model.layers.0.mlp.up_proj")
            .is_none()
    );
}

#[test]
fn the_first_pattern_in_the_file_decides() {
    let one = with("alpha_pattern", &json!({})).unwrap();
    let text = String::from_utf8(one.config_file().to_vec()).unwrap();
    let scale = |pattern: &str| {
        let file = text.replace(
            "\"alpha_pattern\":{}",
            &format!("\"alpha_pattern\":{pattern}"),
        );
        assert_ne!(file, text);
        Adapter::from_files(file.into_bytes(), weights("plain"))
            .unwrap()
            .spec()
            .exceptions
            .values()
            .next()
            .map(|&(_, alpha)| alpha)
    };
    assert_eq!(
        scale(r#"{"q_proj": 1, "layers.0.self_attn.q_proj": 2}"#),
        Some(1.0)
    );
    assert_eq!(
        scale(r#"{"layers.0.self_attn.q_proj": 2, "q_proj": 1}"#),
        Some(2.0)
    );
}

#[test]
fn initialisations_that_leave_the_base_alone_are_plain() {
    let (fixture, wanted) = (fixture("tiny-llama"), expected()["logits"]["plain"].clone());
    for init in [
        json!(true),
        json!(false),
        json!("gaussian"),
        json!("orthogonal"),
        json!("eva"),
        json!("mica"),
        Value::Null,
    ] {
        let far = distance(
            &logits(&fixture, &with("init_lora_weights", &init).unwrap()),
            &wanted,
        );
        assert!(far < 1e-4, "{init}: {far}");
    }
}

#[test]
fn initialisations_that_change_the_base_are_refused_with_the_fix() {
    for init in [
        "pissa",
        "pissa_niter_4",
        "corda",
        "olora",
        "OLoRA",
        "lora_ga",
    ] {
        let error = refusal("init_lora_weights", &json!(init));
        let named = [
            init,
            "`init_lora_weights`",
            "changes the base",
            "path_initial_model_for_weight_conversion",
        ];
        assert!(named.iter().all(|part| error.contains(part)), "{error}");
    }
    // With the table that goes with it, as peft writes it.
    let mut loftq = config("plain");
    (loftq["init_lora_weights"], loftq["loftq_config"]) =
        (json!("loftq"), json!({"loftq_bits": 4}));
    let error = Adapter::from_files(loftq.to_string().into_bytes(), weights("plain"))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("loftq") && error.contains("merge it"),
        "{error}"
    );
    for init in [json!("kaiming"), json!(1), json!(["eva"])] {
        let error = refusal("init_lora_weights", &init);
        assert!(
            error.contains("`init_lora_weights`") && error.contains("supported: true, false"),
            "{error}"
        );
    }
    for (field, value) in [
        ("loftq_config", json!({"loftq_bits": 4})),
        ("corda_config", json!({"corda_method": "kpm"})),
        ("lora_ga_config", json!({"direction": "ArBr"})),
        ("kasa_config", json!({"beta": 0.1})),
    ] {
        assert!(refusal(field, &value).contains(&format!("`{field}`")));
    }
}

#[test]
fn mica_is_computed_and_not_trained_on() {
    let fixture = fixture("tiny-llama");
    let adapter = with("init_lora_weights", &json!("mica")).unwrap();
    let start = Start::From {
        adapter: &adapter,
        optimiser: None,
    };
    let error = Trainer::new(
        &fixture.model,
        adapter.spec().clone(),
        Settings::default(),
        start,
    )
    .err()
    .unwrap()
    .to_string();
    assert!(
        error.contains("mica") && error.contains("trains A alone"),
        "{error}"
    );
}

/// `plain` holds every field that peft's `LoraConfig` has, with its default.
#[test]
fn every_field_of_peft_is_read_or_harmless_or_refused_by_name() {
    let harmless = BTreeSet::from([
        "base_model_name_or_path",
        "revision",
        "auto_mapping",
        "peft_version",
        "inference_mode",
        "eva_config",
        "ensure_weight_tying",
        "megatron_core",
        "qalora_group_size",
    ]);
    let plain = config("plain");
    let fields = plain.as_object().unwrap();
    assert!(fields.len() > 40, "{}", fields.len());
    for (field, default) in fields {
        // A value that no field has: those that are read refuse its type, those that are not refuse whatever is on.
        let value = json!({"surprising": [1]});
        if harmless.contains(field.as_str()) {
            assert!(with(field, &value).is_ok(), "{field}");
        } else {
            let error = refusal(field, &value);
            assert!(error.contains(&format!("`{field}`")), "{field}: {error}");
        }
        assert!(with(field, default).is_ok(), "{field}");
    }
    assert!(harmless.iter().all(|field| fields.contains_key(*field)));
    // Nor is a field passed over that is not known at all, unless it is off.
    assert!(refusal("use_something_new", &json!(true)).contains("`use_something_new` true"));
    for off in [Value::Null, json!(false), json!([]), json!({}), json!("")] {
        assert!(with("use_something_new", &off).is_ok(), "{off}");
    }
}

#[test]
fn a_field_of_another_type_is_an_error_and_no_default() {
    let wrong = [
        ("r", json!("4")),
        ("r", json!(4.5)),
        ("r", json!(4.0)),
        ("r", json!(0)),
        ("r", json!(-4)),
        ("r", json!(true)),
        ("r", Value::Null),
        ("lora_alpha", json!("8")),
        ("lora_alpha", json!(true)),
        ("lora_alpha", Value::Null),
        ("lora_dropout", Value::Null),
        ("lora_dropout", json!("0.1")),
        ("use_rslora", json!("yes")),
        ("use_rslora", json!(1)),
        ("use_rslora", Value::Null),
        ("use_dora", json!("false")),
        ("fan_in_fan_out", json!(1)),
        ("bias", Value::Null),
        ("bias", json!(7)),
        ("bias", json!("lora_only")),
        ("peft_type", Value::Null),
        ("peft_type", json!(["LORA"])),
        ("task_type", json!("SEQ_CLS")),
        ("task_type", json!(1)),
        ("rank_pattern", json!([])),
        ("rank_pattern", json!({"q_proj": "8"})),
        ("rank_pattern", json!({"q_proj": 2.5})),
        ("rank_pattern", json!({"(q_proj": 8})),
        ("alpha_pattern", json!("q_proj")),
        ("alpha_pattern", json!({"q_proj": null})),
        ("target_modules", Value::Null),
        ("target_modules", json!(["q_proj", 7])),
        ("target_modules", json!("(unclosed")),
        ("target_modules", json!(r"\p{L}+")),
        ("exclude_modules", json!([1])),
        ("exclude_modules", json!(true)),
        ("layers_to_transform", json!("0")),
        ("layers_to_transform", json!([0.5])),
        ("layers_to_transform", json!([true])),
        ("layers_to_transform", json!(-1)),
    ];
    for (field, value) in wrong {
        let error = refusal(field, &value);
        assert!(
            error.contains(&format!("`{field}`")),
            "{field} {value}: {error}"
        );
    }
    assert!(
        refusal("layers_pattern", &json!("layers")).contains("`layers_to_transform`"),
        "one needs the other"
    );
    for absent in ["r", "lora_alpha", "target_modules", "peft_type"] {
        let mut config = config("plain");
        config.as_object_mut().unwrap().remove(absent).unwrap();
        let error = Adapter::from_files(config.to_string().into_bytes(), weights("plain"))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(&format!("`{absent}`")), "{error}");
    }
    for file in ["[]", "null", "{", "{} {}"] {
        assert!(
            Adapter::from_files(file.into(), weights("plain"))
                .err()
                .unwrap()
                .to_string()
                .contains("adapter_config.json"),
            "{file}"
        );
    }
    let mut pattern = config("look-ahead");
    pattern["layers_to_transform"] = json!([1]);
    let error = Adapter::from_files(pattern.to_string().into_bytes(), weights("look-ahead"))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("`target_modules`") && error.contains("`layers_to_transform`"),
        "{error}"
    );
}

/// The plain adapter's weights, turned by `turn`, with `more` beside them.
fn rewritten(
    turn: impl Fn(&str) -> Option<String>,
    dtype: Dtype,
    more: &[&str],
) -> groklab_model::Result<Adapter> {
    let file = weights("plain");
    let all = SafeTensors::deserialize(&file).unwrap();
    let nothing = [0; 64];
    let own = TensorView::new(dtype, vec![64 * 8 / dtype.bitsize()], &nothing).unwrap();
    let kept = all
        .iter()
        .filter_map(|(name, view)| Some((turn(name)?, view)));
    let views: Vec<_> = kept
        .chain(more.iter().map(|name| ((*name).to_owned(), own.clone())))
        .collect();
    Adapter::from_files(
        config("plain").to_string().into_bytes(),
        safetensors::serialize(views, None).unwrap(),
    )
}

const Q_PROJ: &str = "base_model.model.model.layers.0.self_attn.q_proj";

#[test]
fn a_weight_is_read_or_the_adapter_is_refused_with_its_name() {
    let kept = |name: &str| Some(name.to_owned());
    let more = [
        format!("{Q_PROJ}.lora_magnitude_vector"),
        format!("{Q_PROJ}.lora_B.bias"),
        format!("{Q_PROJ}.lora_A.other.weight"),
        format!("{Q_PROJ}.base_layer.bias"),
        "base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight".to_owned(),
        "base_model.model.model.embed_tokens.weight".to_owned(),
        "base_model.model.lm_head.weight".to_owned(),
        "base_model.model.model.layers.+1.self_attn.q_proj.lora_A.weight".to_owned(),
    ];
    for name in more {
        let error = rewritten(kept, Dtype::F32, &[&name])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
    let twice = format!("{Q_PROJ}.lora_A.default.weight");
    let error = rewritten(kept, Dtype::F32, &[&twice])
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains(Q_PROJ) && error.contains("second time"),
        "{error}"
    );
    let half = |name: &str| (name != format!("{Q_PROJ}.lora_B.weight")).then(|| name.to_owned());
    assert!(
        rewritten(half, Dtype::F32, &[])
            .err()
            .unwrap()
            .to_string()
            .contains("layer 0 q_proj has only one of A and B")
    );
    let without_layer = |name: &str| (!name.contains("layers.1.")).then(|| name.to_owned());
    let lacking = rewritten(without_layer, Dtype::F32, &[]).unwrap();
    let error = Applied::new(&fixture("tiny-llama").model, &lacking)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("2 pairs of weights, the model needs 4"),
        "{error}"
    );
}

#[test]
fn a_type_that_is_not_read_is_named_and_nothing_is_called_damaged() {
    let name = format!("{Q_PROJ}.lora_A.weight");
    for dtype in [Dtype::F64, Dtype::F8_E4M3, Dtype::I64, Dtype::U8] {
        let others = |other: &str| (other != name).then(|| other.to_owned());
        let error = rewritten(others, dtype, &[&name])
            .err()
            .unwrap()
            .to_string();
        let wanted = format!("weight `{name}` has the type {dtype}, which is not supported");
        assert!(
            error.contains(&wanted) && !error.contains("damaged"),
            "{error}"
        );
    }
    // One that the format's library has no name for.
    let file = weights("plain");
    let at = file
        .windows(5)
        .position(|bytes| bytes == b"\"F32\"")
        .unwrap();
    let file = [&file[..at], b"\"X32\"", &file[at + 5..]].concat();
    let error = Adapter::from_files(config("plain").to_string().into_bytes(), file)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("X32") && error.contains("not supported") && !error.contains("damaged"),
        "{error}"
    );
}

#[test]
fn weights_in_pythons_own_format_are_refused_with_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(
        folder("plain").join("adapter_config.json"),
        dir.path().join("adapter_config.json"),
    )
    .unwrap();
    std::fs::write(dir.path().join("adapter_model.bin"), b"PK").unwrap();
    let error = Adapter::open(dir.path()).err().unwrap().to_string();
    assert!(
        error.contains("adapter_model.bin") && error.contains("save it again"),
        "{error}"
    );
    // Beside the other it does not matter, as for peft.
    std::fs::write(
        dir.path().join("adapter_model.safetensors"),
        weights("plain"),
    )
    .unwrap();
    assert!(Adapter::open(dir.path()).is_ok());
}

#[test]
fn the_configuration_names_the_base_by_its_name_on_the_hub_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("model");
    write_tiny_model(&files, 1).unwrap();
    let config = files.join("config.json");
    let plain: Value = serde_json::from_str(&std::fs::read_to_string(&config).unwrap()).unwrap();
    let named = |declared: Option<&str>| {
        let mut written = plain.clone();
        if let Some(name) = declared {
            written["_name_or_path"] = name.into();
        }
        std::fs::write(&config, written.to_string()).unwrap();
        let source = files.to_str().unwrap();
        names_in(&Model::open(source, Path::new("/nonexistent"), Placement::CPU).unwrap())
    };
    assert_eq!(named(None), (Value::Null, Value::Null));
    for path in ["/models/tiny", "./tiny", "models/tiny/x"] {
        assert_eq!(named(Some(path)), (Value::Null, Value::Null), "{path}");
    }
    assert_eq!(named(Some("org/tiny")), ("org/tiny".into(), Value::Null));
    // By its hub id: with the commit, whatever revision was asked for.
    std::fs::write(&config, plain.to_string()).unwrap();
    let cache = folder.path().join("cache/models--org--name");
    let snapshot = cache.join("snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir(cache.join("refs")).unwrap();
    std::fs::write(cache.join("refs/main"), COMMIT).unwrap();
    for file in std::fs::read_dir(&files).unwrap().flatten() {
        std::fs::copy(file.path(), snapshot.join(file.file_name())).unwrap();
    }
    std::fs::write(snapshot.join("generation_config.json"), "{}").unwrap();
    for revision in [None, Some("main"), Some(COMMIT)] {
        let name = "org/name";
        let source = Source { name, revision };
        let model = Model::open(source, &folder.path().join("cache"), Placement::CPU).unwrap();
        assert_eq!(model.base_commit().unwrap().to_string(), COMMIT);
        assert_eq!(names_in(&model), (name.into(), COMMIT.into()));
    }
}

/// Base and revision that a fresh adapter of `model` names.
fn names_in(model: &Model) -> (Value, Value) {
    let spec = LoraSpec::plain(4, 8.0, 0.0, vec![Target::Q]);
    let trainer = Trainer::new(model, spec, Settings::default(), Start::Fresh { seed: 1 }).unwrap();
    let adapter = trainer.adapter();
    let (config, weights) = (adapter.config_file(), adapter.weights_file());
    let read = Adapter::from_files(config.to_vec(), weights.to_vec()).unwrap();
    assert!(read.id() == adapter.id() && Applied::new(model, &read).is_ok());
    let written: Value = serde_json::from_slice(config).unwrap();
    (
        written["base_model_name_or_path"].clone(),
        written["revision"].clone(),
    )
}
