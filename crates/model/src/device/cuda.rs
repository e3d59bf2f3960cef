//! Whether CUDA can be used, and if not, why. A card that is there but cannot be used is never
//! passed over in silence: a model meant for it would run on the CPU, a hundred times slower.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{DeviceSetting, driver};
use crate::error::{Error, Result};

/// What a card's driver puts there where this process may reach it.
const DEVICE_NODES: [&str; 2] = ["/dev/nvidiactl", "/dev/nvidia0"];

const INSTALL: &str = "run `make setup-gpu`, or use --device cpu";
const UPDATE_DRIVER: &str = "install NVIDIA's driver 580 or newer, or use --device cpu";

/// What can be computed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cuda {
    /// So many cards.
    Ready(usize),
    /// No card is here, or none is to be seen.
    Absent,
    /// A card is here.
    Unusable { reason: String, fix: &'static str },
}

impl Cuda {
    /// The cards that can be used.
    pub(super) fn cards(&self) -> Result<usize> {
        match self {
            Self::Ready(cards) => Ok(*cards),
            Self::Absent => Ok(0),
            Self::Unusable { reason, fix } => Err(Error::UnusableGpu {
                reason: reason.clone(),
                fix,
            }),
        }
    }
}

/// Loads libtorch's CUDA library, so that its kernels register. Call it first in `main`, before
/// anything else asks libtorch about devices or threads: whoever asks for CUDA before it is loaded
/// gets "there is none", and libtorch keeps that answer for the life of the process.
pub fn load_cuda(setting: DeviceSetting) {
    if setting != DeviceSetting::Cpu {
        state();
    }
}

/// Whether CUDA can be used in this process; loads it when first asked.
pub(super) fn state() -> &'static Cuda {
    static STATE: OnceLock<Cuda> = OnceLock::new();
    STATE.get_or_init(|| {
        let folder = libtorch_folder();
        look(&DEVICE_NODES.map(Path::new), folder.as_deref())
    })
}

/// `nodes` are there where a card is; `folder` is libtorch's.
fn look(nodes: &[&Path], folder: Option<&Path>) -> Cuda {
    let has_card = nodes.iter().any(|node| node.exists()) && !hides_cards();
    // Without a card nobody misses CUDA, and the CPU was meant.
    let unusable = |reason: String, fix: &'static str| {
        if has_card {
            Cuda::Unusable { reason, fix }
        } else {
            Cuda::Absent
        }
    };
    let Some(library) = folder
        .map(|folder| folder.join("libtorch_cuda.so"))
        .filter(|path| path.exists())
    else {
        let reason = "libtorch's CUDA part is not installed";
        return unusable(reason.into(), INSTALL);
    };
    if let Err(reason) = open(&library) {
        return unusable(reason, INSTALL);
    }
    let cards = if tch::Cuda::is_available() {
        usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
    } else {
        0
    };
    if cards > 0 {
        return Cuda::Ready(cards);
    }
    let version = driver::version().unwrap_or_else(|| "unknown".into());
    let reason = format!("libtorch finds no card it can use with the driver {version}");
    unusable(reason, UPDATE_DRIVER)
}

/// Whether the user took the cards away from this process.
fn hides_cards() -> bool {
    std::env::var("CUDA_VISIBLE_DEVICES").is_ok_and(|cards| matches!(cards.trim(), "" | "-1"))
}

/// Opens `libtorch_cuda.so` for good. The error is the linker's, which names what is missing.
fn open(library: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // `RTLD_NOW` makes a missing library an error here and not at the first kernel; `RTLD_GLOBAL`
    // lets `torch_cuda.so` find the functions that it calls.
    // SAFETY: the library belongs to the libtorch this process is linked with; its initialisers
    // only register kernels.
    match unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            // Never closed: libtorch keeps pointers to the kernels that have registered.
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(error_text(&error)),
    }
}

/// The linker's own words, which stand in the source of the loader's error.
fn error_text(error: &libloading::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// The folder of the `libtorch_cpu.so` that this process has mapped.
pub(super) fn libtorch_folder() -> Option<PathBuf> {
    // What is mapped counts, whether an rpath or `LD_LIBRARY_PATH` has chosen it.
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps
        .lines()
        .find(|line| line.contains("/libtorch_cpu.so"))?;
    let path = Path::new(&line[line.find('/')?..]);
    path.parent().map(PathBuf::from)
}

/// libtorch's version as its wheel states it, such as `2.13.0+cu130`.
pub(super) fn libtorch_version() -> Option<String> {
    let file = libtorch_folder()?.parent()?.join("version.py");
    let text = std::fs::read_to_string(file).ok()?;
    let (_, rest) = text.split_once("__version__ = '")?;
    rest.split_once('\'').map(|(version, _)| version.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    fn reason(found: Cuda) -> String {
        match found {
            Cuda::Unusable { reason, fix } => format!("{reason}; {fix}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_card_that_cannot_be_used_is_named_with_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        let (node, library) = (
            folder.path().join("nvidiactl"),
            folder.path().join("libtorch_cuda.so"),
        );
        let nodes = [node.as_path()];
        let found = || look(&nodes, Some(folder.path()));
        assert_eq!(found(), Cuda::Absent, "no card, no library");
        fs::write(&node, "").unwrap();
        let missing = reason(found());
        assert!(
            missing.contains("not installed") && missing.contains("setup-gpu"),
            "{missing}"
        );

        // A library whose dependency has gone, as where one of CUDA's wheels is missing.
        let build = |arguments: &[&str]| {
            let built = Command::new("cc")
                .current_dir(folder.path())
                .args(["-shared", "-Wl,--no-as-needed", "-o"])
                .args(arguments)
                .status();
            assert!(built.unwrap().success());
        };
        build(&["libnvgone.so.9"]);
        fs::copy(
            folder.path().join("libnvgone.so.9"),
            folder.path().join("libnvgone.so"),
        )
        .unwrap();
        build(&["libtorch_cuda.so", "-L.", "-l:libnvgone.so.9"]);
        fs::remove_file(folder.path().join("libnvgone.so.9")).unwrap();
        let broken = reason(found());
        assert!(
            broken.contains("libnvgone.so.9") && broken.contains("setup-gpu"),
            "{broken}"
        );
        fs::remove_file(&node).unwrap();
        assert_eq!(found(), Cuda::Absent, "without a card nobody wants it");

        // What loads, but finds no card it can use: as with a driver that is too old.
        fs::write(&node, "").unwrap();
        build(&["libtorch_cuda.so"]);
        let old = reason(found());
        assert!(old.contains("driver") && old.contains("580"), "{old}");
        assert!(library.exists());
    }

    #[test]
    fn libtorch_is_found_with_its_version() {
        let _ = tch::get_num_threads();
        assert!(libtorch_folder().is_some_and(|folder| folder.join("libtorch_cpu.so").exists()));
        assert!(libtorch_version().is_some_and(|version| version.starts_with("2.")));
    }
}
