//! What the NVIDIA driver says of a card, asked through `libcuda.so.1`, which libtorch uses as
//! well.

use std::{ffi::c_void, fs, os::raw::c_char};

use libloading::os::unix::{Library, Symbol};
use uuid::Uuid;

/// A graphics card as CUDA counts those that this process may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub name: String,
    /// Compute capability, such as (9, 0).
    pub capability: (i32, i32),
}

// Numbers of `CUdevice_attribute` in `cuda.h`.
const CAPABILITY_MAJOR: i32 = 75;
const CAPABILITY_MINOR: i32 = 76;
const NAME_BYTES: usize = 128;

/// The card with this number; none where the driver does not answer.
pub(super) fn card(index: usize) -> Option<Card> {
    type Init = unsafe extern "C" fn(u32) -> i32;
    type DeviceGet = unsafe extern "C" fn(*mut i32, i32) -> i32;
    type GetName = unsafe extern "C" fn(*mut c_char, i32, i32) -> i32;
    type GetAttribute = unsafe extern "C" fn(*mut i32, i32, i32) -> i32;
    let index = i32::try_from(index).ok()?;
    let (mut device, mut major, mut minor) = (0_i32, 0_i32, 0_i32);
    let mut name = [0_u8; NAME_BYTES];
    // SAFETY: these functions of the driver have had these signatures since CUDA 5 and write to
    // what they are given alone, the name at most as many bytes as they are told.
    let answered = unsafe {
        let library = Library::new("libcuda.so.1").ok()?;
        let init: Symbol<Init> = library.get(b"cuInit").ok()?;
        let device_get: Symbol<DeviceGet> = library.get(b"cuDeviceGet").ok()?;
        let get_name: Symbol<GetName> = library.get(b"cuDeviceGetName").ok()?;
        let attribute: Symbol<GetAttribute> = library.get(b"cuDeviceGetAttribute").ok()?;
        init(0) == 0
            && device_get(&raw mut device, index) == 0
            && get_name(name.as_mut_ptr().cast(), NAME_BYTES as i32, device) == 0
            && attribute(&raw mut major, CAPABILITY_MAJOR, device) == 0
            && attribute(&raw mut minor, CAPABILITY_MINOR, device) == 0
    };
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    answered.then(|| Card {
        name: String::from_utf8_lossy(name).into_owned(),
        capability: (major, minor),
    })
}

/// Bytes on a card, of all its processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuMemory {
    pub used: u64,
    pub free: u64,
}

/// A card's memory, asked for within its primary context, which libtorch shares.
pub(super) fn memory(index: usize) -> Option<GpuMemory> {
    type DeviceGet = unsafe extern "C" fn(*mut i32, i32) -> i32;
    type Retain = unsafe extern "C" fn(*mut *mut c_void, i32) -> i32;
    type Push = unsafe extern "C" fn(*mut c_void) -> i32;
    type MemGetInfo = unsafe extern "C" fn(*mut usize, *mut usize) -> i32;
    type Pop = unsafe extern "C" fn(*mut *mut c_void) -> i32;
    type Release = unsafe extern "C" fn(i32) -> i32;
    let index = i32::try_from(index).ok()?;
    let (mut device, mut context) = (0_i32, std::ptr::null_mut());
    let (mut free, mut total) = (0_usize, 0_usize);
    // SAFETY: the driver's library is loaded already where CUDA is in use; its functions have had
    // these signatures since CUDA 7 and write to what they are given alone. What is retained is
    // released, what is pushed is popped.
    unsafe {
        let library = Library::new("libcuda.so.1").ok()?;
        let device_get: Symbol<DeviceGet> = library.get(b"cuDeviceGet").ok()?;
        let retain: Symbol<Retain> = library.get(b"cuDevicePrimaryCtxRetain").ok()?;
        // CUDA's headers map the plain names to these; the plain ones are kept for old programs.
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
        answered.then_some(GpuMemory {
            used: total.saturating_sub(free) as u64,
            free: free as u64,
        })
    }
}

/// A card's UUID as `nvidia-smi -L` shows it, without `GPU-`; of a part of a card, the part's.
pub(super) fn uuid(index: usize) -> Option<String> {
    type Init = unsafe extern "C" fn(u32) -> i32;
    type DeviceGet = unsafe extern "C" fn(*mut i32, i32) -> i32;
    type GetUuid = unsafe extern "C" fn(*mut [u8; 16], i32) -> i32;
    let index = i32::try_from(index).ok()?;
    let (mut device, mut bytes) = (0_i32, [0_u8; 16]);
    // SAFETY: these functions of the driver have had these signatures since CUDA 11.4 and write to
    // what they are given alone.
    let answered = unsafe {
        let library = Library::new("libcuda.so.1").ok()?;
        let init: Symbol<Init> = library.get(b"cuInit").ok()?;
        let device_get: Symbol<DeviceGet> = library.get(b"cuDeviceGet").ok()?;
        let get_uuid: Symbol<GetUuid> = library.get(b"cuDeviceGetUuid_v2").ok()?;
        init(0) == 0
            && device_get(&raw mut device, index) == 0
            && get_uuid(&raw mut bytes, device) == 0
    };
    answered.then(|| Uuid::from_bytes(bytes).to_string())
}

/// The version of the kernel's driver, such as `580.95.05`.
pub(super) fn version() -> Option<String> {
    version_in(&fs::read_to_string("/proc/driver/nvidia/version").ok()?)
}

fn version_in(text: &str) -> Option<String> {
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    let line = text.lines().next()?;
    line.split_whitespace().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_version_is_found_in_its_line() {
        for (line, version) in [
            (
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 2024\nGCC",
                Some("535.183.01"),
            ),
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release",
                Some("580.95.05"),
            ),
            ("nothing of the kind", None),
        ] {
            assert_eq!(version_in(line).as_deref(), version);
        }
    }
}
