//! PEFT files: what is read, what is refused, and for which base.

use crate::common::fixture;
use groklab_model::{Adapter, Applied, Error, Settings, Start, Trainer};
use serde_json::{Value, json};

#[test]
fn variants_that_compute_something_else_are_refused_by_name() {
    let fixture = fixture("llama");
    let good = fixture.adapter("adapter");
    let changes = [
        ("use_dora", json!(true)),
        ("use_rslora", json!(true)),
        ("rank_pattern", json!({"q_proj": 8})),
        ("alpha_pattern", json!({"q_proj": 8})),
        ("modules_to_save", json!(["lm_head"])),
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
        let error = Adapter::from_files(config.to_string().into_bytes(), good.weights_file().to_vec()).err().expect(field);
        assert!(error.to_string().contains(field) || error.to_string().contains("LoRA target"), "{error}");
    }
    let cut = good.weights_file()[..good.weights_file().len() - 5].to_vec();
    assert!(Adapter::from_files(good.config_file().to_vec(), cut).err().unwrap().to_string().contains("damaged"));
}

#[test]
fn an_adapter_knows_its_base() {
    let (llama, qwen2) = (fixture("llama"), fixture("qwen2"));
    let start = Start::Fresh { seed: 1 };
    let spec = llama.adapter("adapter").spec().clone();
    let trained = Trainer::new(&llama.model, spec, Settings::default(), start).unwrap().adapter();
    let read = Adapter::from_files(trained.config_file().to_vec(), trained.weights_file().to_vec()).unwrap();
    assert_eq!((read.id(), read.spec()), (trained.id(), trained.spec()));
    assert!(Applied::new(&llama.model, &read).is_ok());
    let error = Applied::new(&qwen2.model, &read).err().unwrap().to_string();
    assert!(error.contains(&llama.model.base_digest().to_string()), "{error}");
}

#[test]
fn target_modules_may_be_names_paths_a_pattern_or_all() {
    let fixture = fixture("llama");
    let good = fixture.adapter("adapter");
    let forms = [
        json!(["self_attn.q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "mlp.down_proj"]),
        json!(r".*\.(self_attn|mlp)\.\w+_proj"),
        json!("all-linear"),
    ];
    for form in forms {
        let mut config: Value = serde_json::from_slice(good.config_file()).unwrap();
        config["target_modules"] = form.clone();
        let read = Adapter::from_files(config.to_string().into_bytes(), good.weights_file().to_vec()).unwrap();
        assert_eq!(read.spec(), good.spec(), "{form}");
        assert!(Applied::new(&fixture.model, &read).is_ok());
    }
}

#[test]
fn another_base_is_an_error_of_its_own() {
    let (llama, qwen2) = (fixture("llama"), fixture("qwen2"));
    let adapter = Trainer::new(&llama.model, llama.adapter("adapter").spec().clone(), Settings::default(), Start::Fresh { seed: 1 });
    let adapter = adapter.unwrap().adapter();
    let refused = |error: Error| matches!(error, Error::OtherBase { adapter, model } if adapter == llama.model.base_digest() && model == qwen2.model.base_digest());
    assert!(Applied::new(&qwen2.model, &adapter).err().is_some_and(refused));
    let start = Start::From { adapter: &adapter, optimiser: None };
    assert!(Trainer::new(&qwen2.model, adapter.spec().clone(), Settings::default(), start).err().is_some_and(refused));
}
