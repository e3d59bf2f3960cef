//! Tensors to plain values and back.

use tch::{Device, Tensor};

/// The values of a float32 tensor.
pub(crate) fn floats(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// The values of a float64 tensor.
pub(crate) fn doubles(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// The values of an int64 tensor.
#[cfg(test)]
pub(crate) fn integers(tensor: &Tensor) -> Vec<i64> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
