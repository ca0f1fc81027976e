//! Which device computes: chosen once, here, at run time.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{DType, Device, FloatDType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A device as an experiment or `--device` names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum DeviceName {
    /// A GPU if this build can use one and there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU by number.
    Cuda(usize),
    /// What wgpu finds: any driver of Vulkan, those in software included.
    Wgpu,
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = match text.as_str() {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "wgpu" => return Ok(Self::Wgpu),
            "cuda" => Some(0),
            other => other.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
        };
        let expected = || format!("no device `{text}`; expected auto, cpu, cuda, cuda:N or wgpu");
        number.map(Self::Cuda).ok_or_else(expected)
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        match name {
            DeviceName::Auto => "auto".into(),
            DeviceName::Cpu => "cpu".into(),
            DeviceName::Cuda(number) => format!("cuda:{number}"),
            DeviceName::Wgpu => "wgpu".into(),
        }
    }
}

/// The type that the base model's weights are held in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
}

impl From<Dtype> for FloatDType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::Bf16 => Self::BF16,
        }
    }
}

/// The device that was chosen, and how the model is run there.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Burn's handle.
    pub device: Device,
    /// bf16 with CUDA, as the authors' code has it; f32 elsewhere.
    pub dtype: Dtype,
    /// `cpu`, `cuda` or `wgpu`: devices of one kind give the same numbers.
    pub kind: &'static str,
    /// `cpu`, `cuda:N` or `wgpu`, for people.
    pub name: String,
    /// How many tokens to score in one pass: on a CPU few, so that what a pass allocates stays in
    /// reach of the caches; on a GPU many, so that it has work enough.
    pub batch_tokens: usize,
}

impl DeviceName {
    /// Finds the device.
    ///
    /// # Errors
    ///
    /// If a GPU is asked for that is not there, or that this build cannot use.
    pub fn find(self) -> Result<Placement> {
        self.find_with(None, None)
    }

    /// Finds the device, to hold weights in another type or to score another number of tokens in a pass
    /// than it does by default.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find), and if the device does not compute in that type.
    pub fn find_with(self, dtype: Option<Dtype>, batch_tokens: Option<usize>) -> Result<Placement> {
        let mut placement = match self {
            Self::Cpu => cpu(),
            Self::Cuda(number) => gpu("cuda", format!("cuda:{number}"), Dtype::Bf16, cuda(number))?,
            Self::Wgpu => gpu("wgpu", "wgpu".into(), Dtype::F32, wgpu())?,
            Self::Auto => Self::Cuda(0).find().unwrap_or_else(|_| cpu()),
        };
        placement.dtype = dtype.unwrap_or(placement.dtype);
        placement.batch_tokens = batch_tokens.unwrap_or(placement.batch_tokens);
        placement.verify()?;
        Ok(placement)
    }
}

impl Placement {
    /// Computes products whose results are known, before anything depends on the device.
    ///
    /// A panic on Burn's device thread (no headers for the compiler of kernels, a type that the device
    /// lacks) is only printed there; what the kernel should have written is read as it was. So later
    /// panics on other threads are remembered, for [`check_threads`].
    fn verify(&self) -> Result<()> {
        watch_threads();
        let refused = |message: String| Error::Device(self.name.clone(), message);
        for dtype in [FloatDType::from(self.dtype), FloatDType::F32] {
            if !self.device.supports_dtype(dtype) {
                return Err(refused(format!("{dtype:?} is not supported there")));
            }
            let ones = || Tensor::<2>::ones([32, 32], (&self.device, DType::from(dtype)));
            let product = (ones().matmul(ones()) + 1.0).cast(FloatDType::F32);
            let found = product.try_to_vec_as::<f32>();
            let found = found.map_err(|error| refused(error.to_string()))?;
            if found.iter().any(|&value| value != 33.0) {
                return Err(refused(format!(
                    "it does not compute in {dtype:?}: a product of ones is {}, not 33; see the messages above",
                    found[0]
                )));
            }
        }
        check_threads().map_err(|_| refused("a thread of it has panicked; see above".into()))
    }
}

/// Whether a thread other than the one that waits for results has panicked.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Remembers panics on other threads than this one.
fn watch_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (own, before) = (std::thread::current().id(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() != own {
                PANICKED.store(true, Ordering::Relaxed);
            }
            before(panic);
        }));
    });
}

/// Refuses results after a panic on a device's thread, which may have left any numbers in them.
///
/// # Errors
///
/// If a thread has panicked since the device was found.
pub fn check_threads() -> Result<()> {
    match PANICKED.load(Ordering::Relaxed) {
        true => Err(Error::Panicked),
        false => Ok(()),
    }
}

fn cpu() -> Placement {
    Placement {
        device: Device::flex(),
        dtype: Dtype::F32,
        kind: "cpu",
        name: "cpu".into(),
        batch_tokens: 768,
    }
}

fn gpu(
    kind: &'static str,
    name: String,
    dtype: Dtype,
    device: Result<Device, String>,
) -> Result<Placement> {
    Ok(Placement {
        device: device.map_err(|message| Error::Device(name.clone(), message))?,
        dtype,
        kind,
        name,
        batch_tokens: 16_384,
    })
}

/// Has compiled kernels kept, in the user's folder for such things: they take minutes.
#[cfg(feature = "gpu")]
fn keep_kernels() {
    use cubecl::config::cache::CacheConfig;
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};

    let mut config = CubeClRuntimeConfig::default().override_from_env();
    config.compilation.cache = true;
    config.environment.path = CacheConfig::Global;
    CubeClRuntimeConfig::try_set(config);
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<Device, String> {
    keep_kernels();
    let found = Device::enumerate(burn::tensor::DeviceType::Cuda).len();
    match number < found {
        true => Ok(Device::cuda(number)),
        false => Err(format!("this machine has {found} usable CUDA devices")),
    }
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device, String> {
    keep_kernels();
    let found = Device::enumerate(burn::tensor::DeviceType::Wgpu).len();
    match found {
        0 => Err("this machine has no device that wgpu can use".into()),
        _ => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device, String> {
    let message = "this build has no CUDA; build with `--features cuda` (`cargo xtask` does so for `--device cuda`)";
    Err(message.into())
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device, String> {
    let message = "this build has no wgpu; build with `--features wgpu` (`cargo xtask` does so for `--device wgpu`)";
    Err(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_documented() {
        let parse = |text: &str| DeviceName::try_from(text.to_owned());
        assert_eq!(parse("auto"), Ok(DeviceName::Auto));
        assert_eq!(parse("cpu"), Ok(DeviceName::Cpu));
        assert_eq!(parse("cuda"), Ok(DeviceName::Cuda(0)));
        assert_eq!(parse("cuda:3"), Ok(DeviceName::Cuda(3)));
        assert_eq!(parse("wgpu"), Ok(DeviceName::Wgpu));
        assert!(parse("cuda:x").is_err());
        assert!(parse("gpu").is_err());
    }

    #[test]
    fn a_panic_on_another_thread_spoils_what_follows() {
        DeviceName::Cpu.find().unwrap();
        check_threads().unwrap();
        assert!(std::panic::catch_unwind(|| panic!("here")).is_err());
        check_threads().unwrap();
        let thread = std::thread::spawn(|| panic!("there"));
        assert!(thread.join().is_err());
        assert!(matches!(check_threads(), Err(Error::Panicked)));
        PANICKED.store(false, Ordering::Relaxed);
    }
}
