//! Where tensors live: CUDA in bfloat16, or the CPU in float32. The CUDA half is untested where no GPU is.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::{Mutex, OnceLock, PoisonError},
};

use tch::{Device, Kind};

use crate::error::{Error, Result};

/// Which device a process is told to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceSetting {
    /// The first GPU where there is one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The GPU with this number, as CUDA counts those it may see.
    Cuda(usize),
}

impl FromStr for DeviceSetting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unsupported {
            what: "device",
            value: text.into(),
            supported: "auto, cpu, cuda, cuda:N",
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(unknown),
        }
    }
}

impl fmt::Display for DeviceSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// A device and the kind of numbers that weights and activations have on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub device: Device,
    pub kind: Kind,
}

impl Placement {
    /// The CPU in float32.
    pub const CPU: Self = Self {
        device: Device::Cpu,
        kind: Kind::Float,
    };

    /// The place that `setting` asks for. Loads `libtorch_cuda.so` where it is installed beside `libtorch_cpu.so`.
    ///
    /// # Errors
    /// [`Error::NoDevice`] where that GPU is not here.
    pub fn of(setting: DeviceSetting) -> Result<Self> {
        let cuda = |index| Self {
            device: Device::Cuda(index),
            kind: Kind::BFloat16,
        };
        match setting {
            DeviceSetting::Cpu => Ok(Self::CPU),
            DeviceSetting::Auto if gpus() == 0 => Ok(Self::CPU),
            DeviceSetting::Auto => Ok(cuda(0)),
            DeviceSetting::Cuda(index) if index < gpus() => Ok(cuda(index)),
            DeviceSetting::Cuda(index) => Err(Error::NoDevice {
                index,
                found: gpus(),
            }),
        }
    }

    /// The most bytes that were free on the GPU whenever this process asked; none on the CPU, or where the driver does not say. The latest
    /// figure alone would mislead: libtorch keeps what it once had for itself.
    pub(crate) fn gpu_memory(self) -> Option<u64> {
        static MOST: Mutex<BTreeMap<usize, Option<u64>>> = Mutex::new(BTreeMap::new());
        let Device::Cuda(index) = self.device else {
            return None;
        };
        let mut all = MOST.lock().unwrap_or_else(PoisonError::into_inner);
        let most = all.entry(index).or_default();
        *most = (*most).max(i32::try_from(index).ok().and_then(free_cuda_memory));
        *most
    }

    /// True on the CPU, where adapters are merged and small kernels of our own run.
    pub(crate) fn is_cpu(self) -> bool {
        self.device == Device::Cpu
    }

    /// How to compute here.
    pub(crate) fn tactics(self) -> Tactics {
        Tactics {
            adapter_kind: if self.is_cpu() {
                Kind::Float
            } else {
                self.kind
            },
            pads_sequences: !self.is_cpu(),
            pass_tokens: if self.is_cpu() { 1024 } else { 8192 },
            decoded_rows: if self.is_cpu() { 64 } else { 256 },
        }
    }

    /// For records: what results may depend on, such as `cpu float32, 2 threads`.
    pub fn description(self) -> String {
        let kind = if self.kind == Kind::BFloat16 {
            "bfloat16"
        } else {
            "float32"
        };
        match self.device {
            Device::Cpu => format!("cpu {kind}, {} threads", crate::lanes::threads()),
            Device::Cuda(index) => format!("cuda:{index} {kind}"),
            other => format!("{other:?} {kind}"),
        }
    }
}

/// What is done in another way on a GPU than on a CPU. Tests go a GPU's way on a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tactics {
    /// The kind of an adapter's weights where they are computed beside the base.
    pub adapter_kind: Kind,
    /// Whether the sequences of a pass are padded, so that attention is one call.
    pub pads_sequences: bool,
    /// Tokens of one pass over prompts or scored sequences: enough for full speed, few enough to
    /// keep activations small.
    pub pass_tokens: usize,
    /// Rows decoded together: enough for full speed. Part of what results depend on, so fixed.
    pub decoded_rows: usize,
}

/// GPUs that this process can use.
fn gpus() -> usize {
    static LOADED: OnceLock<bool> = OnceLock::new();
    LOADED.get_or_init(load_cuda);
    if tch::Cuda::is_available() {
        usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
    } else {
        0
    }
}

/// Opens `libtorch_cuda.so` so that its kernels register; true if it was there and loaded.
fn load_cuda() -> bool {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let Some(path) = libtorch_folder()
        .map(|folder| folder.join("libtorch_cuda.so"))
        .filter(|path| path.exists())
    else {
        return false;
    };
    // SAFETY: the library belongs to the libtorch this process is linked with; its initialisers only register kernels.
    match unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            true
        }
        Err(_) => false,
    }
}

/// What the driver says about a device, asked within its primary context, which libtorch shares.
fn free_cuda_memory(index: i32) -> Option<u64> {
    use libloading::os::unix::{Library, Symbol};
    use std::ffi::c_void;
    type DeviceGet = unsafe extern "C" fn(*mut i32, i32) -> i32;
    type Retain = unsafe extern "C" fn(*mut *mut c_void, i32) -> i32;
    type Push = unsafe extern "C" fn(*mut c_void) -> i32;
    type MemGetInfo = unsafe extern "C" fn(*mut usize, *mut usize) -> i32;
    type Pop = unsafe extern "C" fn(*mut *mut c_void) -> i32;
    type Release = unsafe extern "C" fn(i32) -> i32;
    let (mut device, mut context, mut free, mut total) =
        (0_i32, std::ptr::null_mut(), 0_usize, 0_usize);
    // SAFETY: the driver's library is loaded already where CUDA is in use; its functions have had these signatures since CUDA 7 and write
    // to what they are given alone. What is retained is released, what is pushed is popped.
    unsafe {
        let library = Library::new("libcuda.so.1").ok()?;
        let device_get: Symbol<DeviceGet> = library.get(b"cuDeviceGet").ok()?;
        let retain: Symbol<Retain> = library.get(b"cuDevicePrimaryCtxRetain").ok()?;
        let push: Symbol<Push> = library.get(b"cuCtxPushCurrent_v2").ok()?;
        let ask: Symbol<MemGetInfo> = library.get(b"cuMemGetInfo_v2").ok()?;
        let pop: Symbol<Pop> = library.get(b"cuCtxPopCurrent_v2").ok()?;
        let release: Symbol<Release> = library.get(b"cuDevicePrimaryCtxRelease_v2").ok()?;
        if device_get(&raw mut device, index) != 0 || retain(&raw mut context, device) != 0 {
            return None;
        }
        let mut answered = push(context) == 0;
        if answered {
            answered = ask(&raw mut free, &raw mut total) == 0;
            pop(&raw mut context);
        }
        release(device);
        answered.then_some(free as u64)
    }
}

/// The folder of the `libtorch_cpu.so` that this process has mapped.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps
        .lines()
        .find(|line| line.contains("/libtorch_cpu.so"))?;
    let path = std::path::Path::new(&line[line.find('/')?..]);
    path.parent().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_as_it_is_written() {
        for (text, setting) in [
            ("auto", DeviceSetting::Auto),
            ("cpu", DeviceSetting::Cpu),
            ("cuda:3", DeviceSetting::Cuda(3)),
        ] {
            assert_eq!(
                (text.parse::<DeviceSetting>().unwrap(), setting.to_string()),
                (setting, text.to_owned())
            );
        }
        assert_eq!(
            "cuda".parse::<DeviceSetting>().unwrap(),
            DeviceSetting::Cuda(0)
        );
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU", ""] {
            assert!(
                wrong
                    .parse::<DeviceSetting>()
                    .unwrap_err()
                    .to_string()
                    .contains("cuda:N"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_gpu_that_is_not_here_is_refused() {
        let error = Placement::of(DeviceSetting::Cuda(4_000))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("4000") && error.contains("--device"),
            "{error}"
        );
        assert_eq!(Placement::of(DeviceSetting::Cpu).unwrap(), Placement::CPU);
    }
}
