//! PEFT files: what is read, what is refused, and for which base.

use std::ops::ControlFlow;

use crate::common::{distance, fixture, models};
use groklab_model::{Adapter, Applied, Error, Settings, Start, Trainer, last_logits};
use safetensors::{SafeTensors, tensor::TensorView};
use serde_json::{Value, json};

#[test]
fn variants_that_compute_something_else_are_refused_by_name() {
    let fixture = fixture("tiny-llama");
    let good = fixture.adapter("adapter");
    let changes = [
        ("use_dora", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        // The weights are those of all layers.
        ("layers_to_transform", json!([0])),
        ("bias", json!("all")),
        ("target_modules", json!(7)),
        ("target_modules", json!(["embed_tokens"])),
        ("target_modules", json!("(unclosed")),
        ("target_modules", json!("lm_head")),
        ("target_modules", json!(r"model\.layers\.0\..*_proj")),
        ("peft_type", json!("IA3")),
    ];
    for (field, value) in changes {
        let mut config: Value = serde_json::from_slice(good.config_file()).unwrap();
        config[field] = value;
        let error = Adapter::from_files(
            config.to_string().into_bytes(),
            good.weights_file().to_vec(),
        )
        .err()
        .expect(field);
        let named = [field, "LoRA target", "none of the targets"]
            .iter()
            .any(|name| error.to_string().contains(name));
        assert!(named, "{error}");
    }
    let cut = good.weights_file()[..good.weights_file().len() - 5].to_vec();
    assert!(
        Adapter::from_files(good.config_file().to_vec(), cut)
            .err()
            .unwrap()
            .to_string()
            .contains("damaged")
    );
}

#[test]
fn a_layer_that_no_model_has_is_refused_before_memory_is_taken_for_it() {
    let good = fixture("tiny-llama").adapter("adapter");
    let all = SafeTensors::deserialize(good.weights_file()).unwrap();
    let renamed = all
        .iter()
        .map(|(name, view)| (name.replace("layers.1.", "layers.999999999999999."), view));
    let file = safetensors::serialize(renamed, None).unwrap();
    let error = Adapter::from_files(good.config_file().to_vec(), file)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("layers.999999999999999.") && error.contains("no model has so many layers"),
        "{error}"
    );
}

#[test]
fn an_adapter_knows_its_base() {
    let (llama, qwen2) = (fixture("tiny-llama"), fixture("tiny-qwen2"));
    let start = Start::Fresh { seed: 1 };
    let spec = llama.adapter("adapter").spec().clone();
    let trained = Trainer::new(&llama.model, spec, Settings::default(), start)
        .unwrap()
        .adapter();
    let read = Adapter::from_files(
        trained.config_file().to_vec(),
        trained.weights_file().to_vec(),
    )
    .unwrap();
    assert_eq!((read.id(), read.spec()), (trained.id(), trained.spec()));
    assert!(Applied::new(&llama.model, &read).is_ok());
    let error = Applied::new(&qwen2.model, &read).err().unwrap().to_string();
    assert!(
        error.contains(&llama.model.base_digest().to_string()),
        "{error}"
    );
}

#[test]
fn target_modules_may_be_names_paths_a_pattern_or_all() {
    let fixture = fixture("tiny-llama");
    let good = fixture.adapter("adapter");
    let forms = [
        json!([
            "self_attn.q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "mlp.down_proj"
        ]),
        json!(r".*\.(self_attn|mlp)\.\w+_proj"),
        json!("all-linear"),
    ];
    for form in forms {
        let mut config: Value = serde_json::from_slice(good.config_file()).unwrap();
        config["target_modules"] = form.clone();
        let read = Adapter::from_files(
            config.to_string().into_bytes(),
            good.weights_file().to_vec(),
        )
        .unwrap();
        assert_eq!(read.spec(), good.spec(), "{form}");
        assert!(Applied::new(&fixture.model, &read).is_ok());
    }
}

/// Files of peft's with only the weights that `keep` names.
fn part_of(adapter: &Adapter, target_modules: &Value, keep: impl Fn(&str) -> bool) -> Adapter {
    let mut config: Value = serde_json::from_slice(adapter.config_file()).unwrap();
    config["target_modules"] = target_modules.clone();
    let all = SafeTensors::deserialize(adapter.weights_file()).unwrap();
    let kept = safetensors::serialize(all.iter().filter(|(name, _)| keep(name)), None).unwrap();
    Adapter::from_files(config.to_string().into_bytes(), kept).unwrap()
}

/// The adapter with zeros for the weights that `zero` names.
fn zeroed(adapter: &Adapter, zero: impl Fn(&str) -> bool) -> Adapter {
    let all = SafeTensors::deserialize(adapter.weights_file()).unwrap();
    let nothing = vec![0; adapter.weights_file().len()];
    let view = |(name, view): (&str, TensorView<'_>)| {
        let data = if zero(name) {
            &nothing[..view.data().len()]
        } else {
            view.data()
        };
        (
            name.to_owned(),
            view.dtype(),
            view.shape().to_vec(),
            data.to_vec(),
        )
    };
    let owned: Vec<_> = all.iter().map(view).collect();
    let views = owned.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    Adapter::from_files(
        adapter.config_file().to_vec(),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap()
}

#[test]
fn an_adapter_may_touch_some_layers_only() {
    for name in models() {
        let fixture = fixture(&name);
        let whole = fixture.adapter("adapter");
        let keep = |name: &str| {
            name.contains("layers.1.") && (name.contains("q_proj") || name.contains("mlp"))
        };
        let forms = [
            json!(r"model\.layers\.1\.(self_attn\.q_proj|mlp\..*)"),
            json!([
                "layers.1.self_attn.q_proj",
                "1.mlp.gate_proj",
                "layers.1.mlp.up_proj",
                "layers.1.mlp.down_proj"
            ]),
        ];
        let written = forms.map(|form| {
            let adapter = part_of(&whole, &form, keep);
            let applied = Applied::new(&fixture.model, &adapter).unwrap();
            last_logits(&fixture.model, Some(&applied), &fixture.rows()).unwrap()
        });
        assert_eq!(written[0], written[1]);
        // The whole adapter with the other weights zeroed computes the same, in products of other
        // shapes, which libtorch may round in another way.
        let zeroed = zeroed(&whole, |name| !keep(name));
        let applied = Applied::new(&fixture.model, &zeroed).unwrap();
        let whole_size = last_logits(&fixture.model, Some(&applied), &fixture.rows()).unwrap();
        assert!(distance(&whole_size, &json!(written[0])) < 1e-5, "{name}");
        // A pattern that chooses layers which the file lacks is no less than what is missing.
        let lacking = part_of(&whole, &json!(".*_proj"), |name| name.contains("layers.0."));
        assert!(
            Applied::new(&fixture.model, &lacking)
                .err()
                .unwrap()
                .to_string()
                .contains("7 pairs of weights, the model needs")
        );
    }
}

#[test]
fn training_goes_on_with_an_adapter_of_some_layers() {
    let fixture = fixture("tiny-qwen2");
    let adapter = part_of(
        &fixture.adapter("adapter"),
        &json!(r".*\.1\.mlp\.(gate|down)_proj"),
        |name| name.contains("layers.1.mlp") && !name.contains("up_proj"),
    );
    let examples = fixture.examples();
    let run = |checkpointing: bool| {
        let settings = Settings {
            checkpointing,
            learning_rate: 1e-2,
            ..Settings::default()
        };
        let start = Start::From {
            adapter: &adapter,
            optimiser: None,
        };
        let mut trainer =
            Trainer::new(&fixture.model, adapter.spec().clone(), settings, start).unwrap();
        let losses: Vec<f64> = (0..3)
            .map(|_| {
                trainer
                    .step(&examples, &mut || ControlFlow::Continue(()))
                    .unwrap()
                    .loss
            })
            .collect();
        (losses, trainer.adapter())
    };
    let (losses, trained) = run(false);
    assert!(losses[2] < losses[0], "{losses:?}");
    assert!(
        run(true)
            .0
            .iter()
            .zip(&losses)
            .all(|(a, b)| (a - b).abs() < 1e-5)
    );
    let config: Value = serde_json::from_slice(trained.config_file()).unwrap();
    assert_eq!(
        config["target_modules"],
        json!(["layers.1.mlp.down_proj", "layers.1.mlp.gate_proj"])
    );
    let read = Adapter::from_files(
        trained.config_file().to_vec(),
        trained.weights_file().to_vec(),
    )
    .unwrap();
    assert_eq!(read.spec(), adapter.spec());
    assert!(Applied::new(&fixture.model, &read).is_ok());
}

#[test]
fn another_base_is_an_error_of_its_own() {
    let (llama, qwen2) = (fixture("tiny-llama"), fixture("tiny-qwen2"));
    let adapter = Trainer::new(
        &llama.model,
        llama.adapter("adapter").spec().clone(),
        Settings::default(),
        Start::Fresh { seed: 1 },
    );
    let adapter = adapter.unwrap().adapter();
    let refused = |error: Error| matches!(error, Error::OtherBase { adapter, model } if adapter == llama.model.base_digest() && model == qwen2.model.base_digest());
    assert!(
        Applied::new(&qwen2.model, &adapter)
            .err()
            .is_some_and(refused)
    );
    let start = Start::From {
        adapter: &adapter,
        optimiser: None,
    };
    assert!(
        Trainer::new(
            &qwen2.model,
            adapter.spec().clone(),
            Settings::default(),
            start
        )
        .err()
        .is_some_and(refused)
    );
}
