//! Weight files in other forms than one file of float32: several files with an index, float16, bfloat16.

use std::{collections::BTreeMap, path::Path};

use groklab_model::{Model, Placement, last_logits};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::json;

use crate::common::{Fixture, fixture};

/// Copies a fixture's model into `folder`, its weights turned by `turn` and dealt out to `files`.
fn rewrite(
    fixture: &Fixture,
    folder: &Path,
    files: &[&str],
    dtype: Dtype,
    turn: impl Fn(f32) -> Vec<u8>,
) {
    std::fs::copy(
        fixture.folder.join("config.json"),
        folder.join("config.json"),
    )
    .unwrap();
    let bytes = std::fs::read(fixture.folder.join("model.safetensors")).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let turned: BTreeMap<String, (Vec<usize>, Vec<u8>)> = read
        .iter()
        .map(|(name, view)| {
            let values = view
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            (
                name.to_owned(),
                (view.shape().to_vec(), values.flat_map(&turn).collect()),
            )
        })
        .collect();
    let mut map = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        let own = turned
            .iter()
            .enumerate()
            .filter(|(index, _)| index % files.len() == at)
            .map(|(_, entry)| entry);
        let views: Vec<(&String, TensorView<'_>)> = own
            .map(|(name, (shape, data))| {
                (name, TensorView::new(dtype, shape.clone(), data).unwrap())
            })
            .collect();
        map.extend(
            views
                .iter()
                .map(|(name, _)| ((*name).clone(), (*file).to_owned())),
        );
        std::fs::write(
            folder.join(file),
            safetensors::serialize(views, None).unwrap(),
        )
        .unwrap();
    }
    if files.len() > 1 {
        std::fs::write(
            folder.join("model.safetensors.index.json"),
            json!({"weight_map": map}).to_string(),
        )
        .unwrap();
    }
}

fn logits(folder: &Path, fixture: &Fixture) -> Vec<Vec<f32>> {
    let model = Model::open(folder.to_str().unwrap(), folder, Placement::CPU).unwrap();
    last_logits(&model, None, &fixture.rows()).unwrap()
}

#[test]
fn several_files_are_one_model() {
    for name in crate::common::models() {
        let fixture = fixture(&name);
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
        ];
        rewrite(&fixture, folder.path(), &files, Dtype::F32, |v| {
            v.to_le_bytes().to_vec()
        });
        assert_eq!(
            logits(folder.path(), &fixture),
            last_logits(&fixture.model, None, &fixture.rows()).unwrap(),
            "{name}"
        );
        std::fs::remove_file(folder.path().join(files[1])).unwrap();
        let error = Model::open(
            folder.path().to_str().unwrap(),
            folder.path(),
            Placement::CPU,
        )
        .err()
        .unwrap()
        .to_string();
        assert!(error.contains(files[1]), "{error}");
    }
}

#[test]
fn half_precision_weights_are_the_rounded_ones() {
    let fixture = fixture("tiny-llama");
    let half = |v: f32| half::f16::from_f32(v);
    let brain = |v: f32| half::bf16::from_f32(v);
    let of = |dtype: Dtype, turn: &dyn Fn(f32) -> Vec<u8>| {
        let folder = tempfile::tempdir().unwrap();
        rewrite(&fixture, folder.path(), &["model.safetensors"], dtype, turn);
        logits(folder.path(), &fixture)
    };
    let as_float = |v: f32| v.to_le_bytes().to_vec();
    assert_eq!(
        of(Dtype::F16, &|v| half(v).to_le_bytes().to_vec()),
        of(Dtype::F32, &|v| as_float(half(v).to_f32()))
    );
    assert_eq!(
        of(Dtype::BF16, &|v| brain(v).to_le_bytes().to_vec()),
        of(Dtype::F32, &|v| as_float(brain(v).to_f32()))
    );
    assert_ne!(
        of(Dtype::BF16, &|v| brain(v).to_le_bytes().to_vec()),
        of(Dtype::F32, &as_float)
    );
}
