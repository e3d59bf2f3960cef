//! Where tensors live: CUDA in bfloat16 where there is a GPU, else the CPU in float32. The CUDA half is untested where no GPU is.

use std::{path::PathBuf, sync::OnceLock};

use tch::{Device, Kind};

/// A device and the kind of numbers that weights and activations have on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub device: Device,
    pub kind: Kind,
}

impl Placement {
    /// The CPU in float32.
    pub const CPU: Self = Self { device: Device::Cpu, kind: Kind::Float };

    /// The best place that this process has. Loads `libtorch_cuda.so` where it is installed beside `libtorch_cpu.so`.
    pub fn detect() -> Self {
        static LOADED: OnceLock<bool> = OnceLock::new();
        LOADED.get_or_init(load_cuda);
        if tch::Cuda::is_available() { Self { device: Device::Cuda(0), kind: Kind::BFloat16 } } else { Self::CPU }
    }

    /// Bytes free on the GPU; none on the CPU, or where the driver does not say.
    pub(crate) fn free_gpu_memory(self) -> Option<u64> {
        if let Device::Cuda(_) = self.device { free_cuda_memory() } else { None }
    }

    /// True on the CPU, where adapters are merged and small kernels of our own run.
    pub(crate) fn is_cpu(self) -> bool {
        self.device == Device::Cpu
    }

    /// For records: what results may depend on, such as `cpu float32, 2 threads`.
    pub fn description(self) -> String {
        let kind = if self.kind == Kind::BFloat16 { "bfloat16" } else { "float32" };
        match self.device {
            Device::Cpu => format!("cpu {kind}, {} threads", crate::lanes::threads()),
            Device::Cuda(index) => format!("cuda:{index} {kind}"),
            other => format!("{other:?} {kind}"),
        }
    }
}

/// Opens `libtorch_cuda.so` so that its kernels register; true if it was there and loaded.
fn load_cuda() -> bool {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let Some(path) = libtorch_folder().map(|folder| folder.join("libtorch_cuda.so")).filter(|path| path.exists()) else { return false };
    // SAFETY: the library belongs to the libtorch this process is linked with; its initialisers only register kernels.
    match unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            true
        }
        Err(_) => false,
    }
}

/// What the driver says about the current context's device, which is libtorch's once it has made its first tensor there.
fn free_cuda_memory() -> Option<u64> {
    use libloading::os::unix::{Library, Symbol};
    type MemGetInfo = unsafe extern "C" fn(*mut usize, *mut usize) -> i32;
    let (mut free, mut total) = (0_usize, 0_usize);
    // SAFETY: the driver's library is loaded already where CUDA is in use; the function has had this signature since CUDA 3.2 and writes
    // two sizes.
    let status = unsafe {
        let library = Library::new("libcuda.so.1").ok()?;
        let ask: Symbol<MemGetInfo> = library.get(b"cuMemGetInfo_v2").ok()?;
        ask(&raw mut free, &raw mut total)
    };
    (status == 0).then_some(free as u64)
}

/// The folder of the `libtorch_cpu.so` that this process has mapped.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.contains("/libtorch_cpu.so"))?;
    let path = std::path::Path::new(&line[line.find('/')?..]);
    path.parent().map(PathBuf::from)
}
