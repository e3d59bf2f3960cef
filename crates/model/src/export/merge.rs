//! Base and adapter as one Hugging Face folder, in the kind of numbers of the base: W + scale·B·A
//! is computed in float32 and rounded once. One weight at a time is in memory.

use std::path::Path;

use serde::Serialize;
use tch::{Kind, Tensor};

use super::{
    folder_config::{generation_config, model_config},
    tokenizer_files,
    weights_file::{self, write_file},
};
use crate::{
    digest,
    error::{Error, Result, guard},
    load::{Checkpoint, Source, Stored},
    lora::{Adapter, Place, path},
};

/// What is merged.
pub struct Merge<'a> {
    pub source: Source<'a>,
    /// Where models of the hub are kept.
    pub cache: &'a Path,
    pub adapter: &'a Adapter,
    /// A folder that is not there yet, or is empty.
    pub out: &'a Path,
    /// The weights come in several files where one would be larger.
    pub max_file_bytes: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Merged {
    pub files: Vec<String>,
    pub weights: usize,
    /// Weights that the adapter touches.
    pub changed: usize,
    pub bytes: u64,
    /// Which part of the adapter's change rounding to the base's kind of numbers took away, as the
    /// ratio of the norms: 0 in float32.
    pub lost_in_rounding: f64,
}

impl Merge<'_> {
    /// Writes the folder.
    ///
    /// # Errors
    /// The folder holds something; the adapter was made for another base; what loading refuses.
    pub fn run(&self) -> Result<Merged> {
        let checkpoint = Checkpoint::open(self.source, self.cache)?;
        let digest = digest::of_files(&checkpoint.files)?;
        self.adapter.check_base(&checkpoint.config, digest)?;
        let mut weights = checkpoint.weights()?;
        weights.sort_by(|a, b| a.name.cmp(&b.name));
        // Before the first large file is written.
        let config = model_config(&checkpoint)?;
        let generation = generation_config(&checkpoint)?;
        begin(self.out)?;
        let mut changes = Changes::default();
        let mut files = guard(
            "merging an adapter",
            "use a machine with more memory",
            || {
                let _no_grad = tch::no_grad_guard();
                self.write_weights(&checkpoint, &weights, &mut changes)
            },
        )?;
        checkpoint.refuse_others()?;
        let tokenizer = checkpoint.tokenizer_files();
        files.extend(tokenizer_files::write(&tokenizer, self.out)?);
        for (name, bytes) in [
            ("generation_config.json", generation),
            ("config.json", config),
        ] {
            if let Some(bytes) = bytes {
                write_file(&self.out.join(name), &bytes)?;
                files.push(name.to_owned());
            }
        }
        Ok(Merged {
            files,
            weights: weights.len(),
            changed: changes.weights,
            bytes: weights.iter().map(Stored::bytes).sum(),
            lost_in_rounding: changes.lost_share(),
        })
    }

    fn write_weights(
        &self,
        checkpoint: &Checkpoint,
        weights: &[Stored],
        changes: &mut Changes,
    ) -> Result<Vec<String>> {
        let mut tensor = |weight: &Stored| {
            let base = checkpoint.tensor(&weight.name, &weight.shape)?;
            Ok(match self.place_of(&weight.name) {
                Some(place) => self.merged(&base, place, changes),
                None => base,
            })
        };
        weights_file::write(self.out, weights, self.max_file_bytes, &mut tensor)
    }

    fn place_of(&self, name: &str) -> Option<Place> {
        let module = name.strip_suffix(".weight")?;
        let mut places = self.adapter.weights.keys();
        places.find(|place| path(**place) == module).copied()
    }

    fn merged(&self, base: &Tensor, place: Place, changes: &mut Changes) -> Tensor {
        let (a, b) = &self.adapter.weights[&place];
        let change = b.mm(a) * self.adapter.spec.scale_at(place);
        let exact = base.to_kind(Kind::Float) + &change;
        let rounded = exact.to_kind(base.kind());
        changes.add(&change, &(rounded.to_kind(Kind::Float) - exact));
        rounded
    }
}

/// What was changed so far, with sums of squares: of the change, and of what rounding took from it.
#[derive(Default)]
struct Changes {
    weights: usize,
    change: f64,
    lost: f64,
}

impl Changes {
    fn add(&mut self, change: &Tensor, lost: &Tensor) {
        let squares = |tensor: &Tensor| tensor.square().sum(Kind::Double).double_value(&[]);
        self.weights += 1;
        self.change += squares(change);
        self.lost += squares(lost);
    }

    fn lost_share(&self) -> f64 {
        if self.change > 0.0 {
            (self.lost / self.change).sqrt()
        } else {
            0.0
        }
    }
}

/// Makes the folder; one that holds something is never mixed with.
fn begin(out: &Path) -> Result<()> {
    let failed = |source| Error::Write {
        path: out.into(),
        source,
    };
    std::fs::create_dir_all(out).map_err(failed)?;
    let mut entries = std::fs::read_dir(out).map_err(failed)?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Error::Request(format!(
            "`{}` holds something already; name another folder",
            out.display()
        ))),
    }
}
