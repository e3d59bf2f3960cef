//! How many operations a step of decoding asks of libtorch: on a GPU each is work for the host,
//! which is what limits small models. Counted on the CPU, computing in a GPU's way.

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_char},
    path::Path,
    process::Command,
};

use libloading::os::unix::{Library, RTLD_NOW, Symbol};

use super::{
    Sampling,
    cache::Cache,
    step::{Decoder, Entry},
};
use crate::{
    Adapter, Applied, LoraSpec, Model, Placement, Settings, Start, Target, Trainer,
    forward::Weights, testing,
};

/// Other views of what is there, or a repetition of what is there already: they launch nothing.
const FREE: [&str; 19] = [
    "_unsafe_view",
    "alias",
    "arange",
    "as_strided",
    "chunk",
    "detach",
    "empty",
    "expand",
    "narrow",
    "permute",
    "reshape",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "t",
    "transpose",
    "unsqueeze",
    "view",
];
/// What is made of others, which count. All others count as one, whatever a CPU makes of them.
const MADE_OF_OTHERS: [&str; 3] = ["contiguous", "numpy_T", "to"];
/// What waits until the device has done all that it was asked for.
const WAITING: [&str; 3] = ["_local_scalar_dense", "item", "nonzero"];

#[test]
fn a_layer_of_a_step_has_few_operations() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::compile(folder.path());
    testing::write_tiny_model(folder.path(), 1).unwrap();
    for (has_adapter, most) in [(false, 16), (true, 24)] {
        let (two, one) = (
            step(&recorder, folder.path(), 2, has_adapter),
            step(&recorder, folder.path(), 1, has_adapter),
        );
        let layer = two.difference(&one);
        println!("a layer, adapter {has_adapter}: {layer:?}");
        assert!(layer.count() <= most, "{}: {layer:?}", layer.count());
        assert!(layer.count() >= 9, "too few to be true: {layer:?}");
        for name in WAITING {
            assert!(!two.0.contains_key(name), "`{name}` in {two:?}");
        }
    }
}

/// The operations of one step of 4 rows through so many layers.
fn step(recorder: &Recorder, folder: &Path, layers: usize, has_adapter: bool) -> Operations {
    let name = folder.to_str().unwrap();
    let mut model = Model::open(name, folder, Placement::CPU).unwrap();
    model.tactics = Placement {
        device: tch::Device::Cuda(0),
        ..Placement::CPU
    }
    .tactics();
    let applied = has_adapter.then(|| Applied::new(&model, &adapter(&model)).unwrap());
    model.layers.truncate(layers);
    let weights = Weights {
        model: &model,
        applied: applied.as_ref(),
    };
    let sampling = Sampling {
        temperature: 0.8,
        top_p: 1.0,
        max_new_tokens: 8,
    };
    let mut cache = Cache::new(&model, 4, 128, 4);
    let mut decoder = Decoder::new(weights, sampling, 4);
    let entry = Entry {
        id: 7,
        length: 3,
        uniform: 0.5,
    };
    let _no_grad = tch::no_grad_guard();
    recorder.record(|| assert_eq!(decoder.step(&mut cache, &[entry; 4]).unwrap().len(), 4))
}

fn adapter(model: &Model) -> Adapter {
    let spec = LoraSpec::plain(4, 8.0, 0.0, Target::ALL.to_vec());
    let trainer = Trainer::new(model, spec, Settings::default(), Start::Fresh { seed: 1 });
    trainer.unwrap().adapter()
}

/// How often each operation was asked for.
#[derive(Debug)]
struct Operations(BTreeMap<String, usize>);

impl Operations {
    /// From lines that say which operation begins (`+aten::mm`) and that one ends (`-`).
    fn parse(text: &str) -> Self {
        let (mut counts, mut depth, mut counted_at) = (BTreeMap::new(), 0, None);
        for line in text.lines() {
            let Some(name) = line.strip_prefix("+aten::") else {
                assert_eq!(line, "-", "an operation that is not libtorch's own");
                depth -= 1;
                if counted_at == Some(depth) {
                    counted_at = None;
                }
                continue;
            };
            let is_free = FREE.contains(&name) || MADE_OF_OTHERS.contains(&name);
            if counted_at.is_none() && !is_free {
                *counts.entry(name.to_owned()).or_default() += 1;
                counted_at = Some(depth);
            }
            depth += 1;
        }
        assert_eq!(depth, 0, "operations that did not end");
        Self(counts)
    }

    fn count(&self) -> usize {
        self.0.values().sum()
    }

    /// What is here beside those of `fewer`.
    fn difference(&self, fewer: &Self) -> Self {
        let mut counts = self.0.clone();
        for (name, count) in &fewer.0 {
            *counts.get_mut(name).expect("as many of each at least") -= count;
        }
        counts.retain(|_, count| *count > 0);
        Self(counts)
    }
}

/// `operations.cpp`, compiled.
struct Recorder(Library);

impl Recorder {
    fn compile(folder: &Path) -> Self {
        let include = Path::new(env!("LIBTORCH")).join("include");
        let library = folder.join("operations.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generate/operations.cpp");
        let done = Command::new("c++")
            .args(["-shared", "-fPIC", "-std=c++20", "-I"])
            .arg(include)
            .arg("-o")
            .args([&library, &source])
            .output()
            .expect("run c++");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        // What it calls is found in the libtorch that this program is linked with.
        tch::manual_seed(0);
        // SAFETY: the library is ours; its initialisers make two empty variables.
        Self(unsafe { Library::open(Some(&library), RTLD_NOW) }.unwrap())
    }

    fn record(&self, work: impl FnOnce()) -> Operations {
        // SAFETY: the functions have these signatures in `operations.cpp`.
        let (begin, end): (
            Symbol<unsafe extern "C" fn()>,
            Symbol<unsafe extern "C" fn() -> *const c_char>,
        ) = unsafe {
            (
                self.0.get(b"groklab_record").unwrap(),
                self.0.get(b"groklab_recorded").unwrap(),
            )
        };
        // SAFETY: called in turn, on one thread.
        let text = unsafe {
            begin();
            work();
            CStr::from_ptr(end())
        };
        Operations::parse(text.to_str().unwrap())
    }
}
