//! What a worker would compute with on this machine, and what is missing for a GPU: for people who
//! set one up. Changes nothing.

use std::path::Path;

use groklab_domain::finding::{Finding, Level};
use tch::{Device, Kind, Tensor};

use super::{
    DeviceSetting, KindSetting, Placement,
    cuda::{self, Cuda},
    driver,
};
use crate::error::{Error, Result, guard};

/// Libraries that libtorch's CUDA part needs, by their folder in the wheels' `nvidia`.
const LIBRARIES: [(&str, &str); 12] = [
    ("cu13", "libcudart.so.13"),
    ("cu13", "libcublas.so.13"),
    ("cu13", "libcublasLt.so.13"),
    ("cu13", "libcufft.so.12"),
    ("cu13", "libcurand.so.10"),
    ("cu13", "libcusparse.so.12"),
    ("cu13", "libcufile.so.0"),
    ("cu13", "libnvrtc.so.13"),
    ("cudnn", "libcudnn.so.9"),
    ("cusparselt", "libcusparseLt.so.0"),
    ("nccl", "libnccl.so.2"),
    ("nvshmem", "libnvshmem_host.so.3"),
];

/// Looks at everything that computing on `device` needs; ends with what it was tried with.
pub fn examine(device: DeviceSetting, kind: KindSetting) -> Vec<Finding> {
    let mut findings = vec![libtorch()];
    if device != DeviceSetting::Cpu {
        findings.extend([the_driver(), libraries(), usable()]);
    }
    let placement = match Placement::of(device, kind) {
        Ok(placement) => placement,
        Err(error) => {
            findings.push(Finding::new(Level::Missing, "device", error.to_string()));
            return findings;
        }
    };
    findings.push(Finding::new(Level::Good, "device", placement.description()));
    if let Some(free) = placement.gpu_memory() {
        let gigabytes = format!("{:.1} GB free", free as f64 / 1e9);
        findings.push(Finding::new(Level::Good, "memory", gigabytes));
    }
    for (what, tried) in [
        ("product", product(placement)),
        ("attention", attention(placement)),
    ] {
        findings.push(match tried {
            Ok(details) => Finding::new(Level::Good, what, details),
            Err(error) => Finding::new(Level::Missing, what, error.to_string()),
        });
    }
    findings
}

fn libtorch() -> Finding {
    let version = cuda::libtorch_version().unwrap_or_else(|| "of an unknown version".into());
    match cuda::libtorch_folder() {
        Some(folder) => {
            let details = format!("{version} in {}", folder.display());
            Finding::new(Level::Good, "libtorch", details)
        }
        None => Finding::new(Level::Weak, "libtorch", version),
    }
}

fn the_driver() -> Finding {
    match driver::version() {
        Some(version) => Finding::new(Level::Good, "driver", version),
        None => Finding::new(Level::Weak, "driver", "no NVIDIA driver is loaded"),
    }
}

fn libraries() -> Finding {
    let nvidia = cuda::libtorch_folder()
        .and_then(|folder| Some(folder.parent()?.parent()?.join("nvidia")))
        .unwrap_or_default();
    let missing = missing_in(&nvidia);
    if missing.is_empty() {
        return Finding::new(Level::Good, "libraries", nvidia.display().to_string());
    }
    // Weak, not missing: they may lie elsewhere, and `usable` has the linker's own word.
    let details = format!("not beside libtorch: {}", missing.join(", "));
    Finding::new(Level::Weak, "libraries", details)
}

fn missing_in(nvidia: &Path) -> Vec<&'static str> {
    let mut missing = Vec::new();
    for (folder, library) in LIBRARIES {
        if !nvidia.join(folder).join("lib").join(library).exists() {
            missing.push(library);
        }
    }
    missing
}

fn usable() -> Finding {
    match cuda::state() {
        Cuda::Ready(cards) => Finding::new(Level::Good, "cuda", format!("{cards} cards")),
        Cuda::Absent => Finding::new(Level::Weak, "cuda", "no card is here"),
        Cuda::Unusable { reason, fix } => {
            Finding::new(Level::Missing, "cuda", format!("{reason}; {fix}"))
        }
    }
}

/// A product of whole numbers, which every kind of numbers has exactly.
fn product(placement: Placement) -> Result<String> {
    guard("trying a product", "see the lines above", || {
        let ones = Tensor::ones([256, 256], (placement.kind, placement.device));
        let sum = ones.mm(&ones).sum(Kind::Float).double_value(&[]);
        let right = sum == f64::from(256 * 256 * 256);
        if !right {
            return Err(Error::Torch {
                doing: "trying a product",
                reason: "it is wrong".into(),
            });
        }
        Ok("right".into())
    })
}

/// Which kernel serves causal attention with fewer heads of keys than of queries.
fn attention(placement: Placement) -> Result<String> {
    guard("trying attention", "see the lines above", || {
        let heads = |count| Tensor::ones([1, count, 64, 64], (placement.kind, placement.device));
        let (q, k) = (heads(4), heads(2));
        let none = None::<&Tensor>;
        let out = Tensor::scaled_dot_product_attention(&q, &k, &k, none, 0.0, true, None, true);
        // It waits for the kernel, whose error would otherwise show at some later call.
        let _ = out.to_device(Device::Cpu);
        let chosen = Tensor::internal_fused_sdp_choice(&q, &k, &k, none, 0.0, true, None, true);
        // In the order of libtorch's `SDPBackend`.
        let names = ["plain", "flash", "memory-efficient", "cuDNN"];
        let name = usize::try_from(chosen).ok().and_then(|at| names.get(at));
        Ok((*name.unwrap_or(&"unknown")).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_found_good() {
        let findings = examine(DeviceSetting::Cpu, KindSetting::Auto);
        let lines: Vec<String> = findings.iter().map(Finding::line).collect();
        assert!(
            findings.iter().all(|found| found.level == Level::Good),
            "{lines:#?}"
        );
        assert!(lines.iter().any(|line| line.contains("cpu float32")));
        assert!(lines.iter().any(|line| line.contains("right")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("cudnn/lib");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("libcudnn.so.9"), "").unwrap();
        let missing = missing_in(folder.path());
        assert_eq!(missing.len(), LIBRARIES.len() - 1);
        assert!(!missing.contains(&"libcudnn.so.9") && missing.contains(&"libnccl.so.2"));
    }
}
