//! Which device computes: chosen once, here, at run time.

use std::str::FromStr;

use anyhow::Result;
use burn::tensor::{Device, FloatDType};
use serde::{Deserialize, Serialize};

/// What `--device` says, or an experiment's `device`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Choice {
    /// A GPU if this build can use one and there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU by number.
    Cuda(usize),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            digits
                .parse()
                .map_err(|_| format!("`{digits}` is no GPU number"))
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => match text.strip_prefix("cuda:") {
                Some(digits) => number(digits).map(Self::Cuda),
                None => Err("expected auto, cpu, cuda or cuda:N".into()),
            },
        }
    }
}

impl TryFrom<String> for Choice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Auto => "auto".into(),
            Choice::Cpu => "cpu".into(),
            Choice::Cuda(number) => format!("cuda:{number}"),
        }
    }
}

/// The type that a checkpoint's weights are held in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dtype {
    #[default]
    F32,
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

impl Dtype {
    /// The type's name here; bf16 stands for all that are narrower than f32.
    pub(crate) fn of(dtype: FloatDType) -> Self {
        match dtype {
            FloatDType::F64 | FloatDType::F32 | FloatDType::Flex32 => Self::F32,
            _ => Self::Bf16,
        }
    }
}

/// The device that was chosen, with the type in which it holds the base model.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// Burn's handle.
    pub(crate) device: Device,
    /// bf16 on a GPU, as the authors' code has it; f32 on a CPU, where bf16 is slower.
    pub(crate) dtype: FloatDType,
    /// `cpu` or `cuda:N`, for the run's manifest.
    pub(crate) name: String,
    /// How many tokens to score in one pass: on a CPU few, so that what a pass allocates stays in
    /// reach of the caches; on a GPU many, so that it has work enough.
    pub(crate) batch_tokens: usize,
}

impl Choice {
    /// Finds the device.
    ///
    /// # Errors
    ///
    /// If a GPU is asked for that is not there, or that this build cannot use.
    pub(crate) fn resolve(self) -> Result<Chosen> {
        match self {
            Self::Cpu => Ok(cpu()),
            Self::Cuda(number) => cuda(number),
            Self::Auto => Ok(cuda(0).unwrap_or_else(|_| cpu())),
        }
    }
}

fn cpu() -> Chosen {
    Chosen {
        device: Device::flex(),
        dtype: FloatDType::F32,
        name: "cpu".into(),
        batch_tokens: 768,
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<Chosen> {
    use burn::tensor::DeviceType;

    let found = Device::enumerate(DeviceType::Cuda).len();
    anyhow::ensure!(
        number < found,
        "--device cuda:{number}: this machine has {found} usable CUDA devices"
    );
    Ok(Chosen {
        device: Device::cuda(number),
        dtype: FloatDType::BF16,
        name: format!("cuda:{number}"),
        batch_tokens: 16_384,
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(number: usize) -> Result<Chosen> {
    anyhow::bail!(
        "--device cuda:{number}: this build has no CUDA; build with `--features cuda` \
         (`cargo xtask` does so for `--device cuda`)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_documented() {
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        assert_eq!("cpu".parse(), Ok(Choice::Cpu));
        assert_eq!("cuda".parse(), Ok(Choice::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(Choice::Cuda(3)));
        assert!("cuda:x".parse::<Choice>().is_err());
        assert!("gpu".parse::<Choice>().is_err());
    }
}
