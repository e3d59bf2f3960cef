//! Where tensors live: CUDA in bfloat16 or float32, or the CPU in float32.

mod cuda;
mod doctor;
mod driver;
pub(crate) mod flash;
pub(crate) mod graph;
mod placement;
mod repeat;
mod setting;
mod torch_cuda;

pub use cuda::load_cuda;
pub use doctor::examine;
pub use driver::GpuMemory;
pub use groklab_domain::DeviceSetting;
pub use placement::Placement;
pub(crate) use placement::Tactics;
pub use setting::KindSetting;
