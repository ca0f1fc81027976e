//! Which device computes: chosen once, here, at run time.

use burn::tensor::{Device, FloatDType};
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
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let number = match text.as_str() {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            other => other.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
        };
        let expected = || format!("no device `{text}`; expected auto, cpu, cuda or cuda:N");
        number.map(Self::Cuda).ok_or_else(expected)
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        match name {
            DeviceName::Auto => "auto".into(),
            DeviceName::Cpu => "cpu".into(),
            DeviceName::Cuda(number) => format!("cuda:{number}"),
        }
    }
}

/// The type that the base model's weights are held in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// bf16 on a GPU, as the authors' code has it; f32 on a CPU, where bf16 is slower.
    pub dtype: Dtype,
    /// `cpu` or `cuda`: devices of one kind give the same numbers.
    pub kind: &'static str,
    /// `cpu` or `cuda:N`, for people.
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
        match self {
            Self::Cpu => Ok(cpu()),
            Self::Cuda(number) => cuda(number),
            Self::Auto => Ok(cuda(0).unwrap_or_else(|_| cpu())),
        }
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

fn cuda(number: usize) -> Result<Placement> {
    let name = format!("cuda:{number}");
    let refused = |message| Error::Device {
        name: name.clone(),
        message,
    };
    Ok(Placement {
        device: device(number).map_err(refused)?,
        dtype: Dtype::Bf16,
        kind: "cuda",
        name,
        batch_tokens: 16_384,
    })
}

#[cfg(feature = "cuda")]
fn device(number: usize) -> std::result::Result<Device, String> {
    let found = Device::enumerate(burn::tensor::DeviceType::Cuda).len();
    match number < found {
        true => Ok(Device::cuda(number)),
        false => Err(format!("this machine has {found} usable CUDA devices")),
    }
}

#[cfg(not(feature = "cuda"))]
fn device(_: usize) -> std::result::Result<Device, String> {
    let message = "this build has no CUDA; build with `--features cuda` (`cargo xtask` does so for `--device cuda`)";
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
        assert!(parse("cuda:x").is_err());
        assert!(parse("gpu").is_err());
    }
}
