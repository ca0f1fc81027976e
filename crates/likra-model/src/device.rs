//! Which device computes: chosen once, here, at run time.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
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

impl Display for DeviceName {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Wgpu => f.write_str("wgpu"),
        }
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.to_string()
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

/// What computes, and how the model is run there. The device itself is opened later: a plan of jobs for other
/// machines needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The device, and never [`DeviceName::Auto`].
    pub name: DeviceName,
    /// bf16 with CUDA, as the authors' code has it; f32 elsewhere.
    pub dtype: Dtype,
    /// How many tokens to score in one pass: on a CPU few, so that what a pass allocates stays in
    /// reach of the caches; on a GPU many, so that it has work enough.
    pub batch_tokens: usize,
}

impl DeviceName {
    /// What computes, with the weights in another type or another number of tokens in a pass than by default.
    pub fn place(self, dtype: Option<Dtype>, batch_tokens: Option<usize>) -> Placement {
        let name = match self {
            Self::Auto if cuda(0).is_ok() => Self::Cuda(0),
            Self::Auto => Self::Cpu,
            name => name,
        };
        let (own, tokens) = match name {
            Self::Cuda(_) => (Dtype::Bf16, 16_384),
            Self::Wgpu => (Dtype::F32, 16_384),
            Self::Cpu | Self::Auto => (Dtype::F32, 768),
        };
        Placement {
            name,
            dtype: dtype.unwrap_or(own),
            batch_tokens: batch_tokens.unwrap_or(tokens),
        }
    }
}

impl Placement {
    /// `cpu`, `cuda` or `wgpu`.
    pub fn kind(&self) -> &'static str {
        match self.name {
            DeviceName::Cpu | DeviceName::Auto => "cpu",
            DeviceName::Cuda(_) => "cuda",
            DeviceName::Wgpu => "wgpu",
        }
    }

    /// The model of this machine's part that computes: its GPU's name, or what the CPU's products run on. Parts of one
    /// model give the same numbers, bit by bit.
    pub fn hardware(&self) -> String {
        match self.name {
            DeviceName::Cuda(_) => nvidia().unwrap_or_else(|| "cuda".into()),
            DeviceName::Wgpu => "wgpu".into(),
            DeviceName::Cpu | DeviceName::Auto => {
                let found = instructions().into_iter();
                let found = found.filter_map(|(name, found)| found.then_some(name));
                format!("cpu {}", found.collect::<Vec<_>>().join(" "))
            }
        }
    }

    /// Opens the device, and computes products there whose results are known before anything depends on it.
    ///
    /// # Errors
    ///
    /// If a GPU is asked for that is not there or that this build cannot use, or it does not compute in the type.
    pub fn open(&self) -> Result<Device> {
        let device = match self.name {
            DeviceName::Cuda(number) => cuda(number),
            DeviceName::Wgpu => wgpu(),
            DeviceName::Cpu | DeviceName::Auto => Ok(Device::flex()),
        };
        let device = device.map_err(|message| self.refused(message))?;
        self.verify(&device)?;
        Ok(device)
    }

    fn refused(&self, message: String) -> Error {
        Error::Device(self.name.to_string(), message)
    }

    /// A panic on Burn's device thread (no headers for the compiler of kernels, a type that the device
    /// lacks) is only printed there; what the kernel should have written is read as it was. So later
    /// panics on other threads are remembered, for [`check_threads`].
    fn verify(&self, device: &Device) -> Result<()> {
        watch_threads();
        for dtype in [FloatDType::from(self.dtype), FloatDType::F32] {
            if !device.supports_dtype(dtype) {
                return Err(self.refused(format!("{dtype:?} is not supported there")));
            }
            let ones = || Tensor::<2>::ones([32, 32], (device, DType::from(dtype)));
            let product = (ones().matmul(ones()) + 1.0).cast(FloatDType::F32);
            let found = product.try_to_vec_as::<f32>();
            let found = found.map_err(|error| self.refused(error.to_string()))?;
            if found.iter().any(|&value| value != 33.0) {
                return Err(self.refused(format!(
                    "it does not compute in {dtype:?}: a product of ones is {}, not 33; see the messages above",
                    found[0]
                )));
            }
        }
        check_threads().map_err(|_| self.refused("a thread of it has panicked; see above".into()))
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

/// What of a CPU decides in which order products are summed.
fn instructions() -> Vec<(&'static str, bool)> {
    #[cfg(target_arch = "x86_64")]
    return vec![
        ("avx2", is_x86_feature_detected!("fma")),
        ("avx512", is_x86_feature_detected!("avx512f")),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    vec![(std::env::consts::ARCH, true)]
}

/// The models of the NVIDIA GPUs that the driver lists, each once.
fn nvidia() -> Option<String> {
    let gpus = fs_err::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let text =
        gpus.filter_map(|gpu| fs_err::read_to_string(gpu.ok()?.path().join("information")).ok());
    let model = |text: String| {
        Some(
            text.lines()
                .find_map(|line| line.strip_prefix("Model:"))?
                .trim()
                .to_owned(),
        )
    };
    let models: BTreeSet<String> = text.filter_map(model).collect();
    (!models.is_empty()).then(|| models.into_iter().collect::<Vec<_>>().join(", "))
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
        DeviceName::Cpu.place(None, None).open().unwrap();
        check_threads().unwrap();
        assert!(std::panic::catch_unwind(|| panic!("here")).is_err());
        check_threads().unwrap();
        let thread = std::thread::spawn(|| panic!("there"));
        assert!(thread.join().is_err());
        assert!(matches!(check_threads(), Err(Error::Panicked)));
        PANICKED.store(false, Ordering::Relaxed);
    }
}
