//! What the program computes, laid open to be compared with what another one computes.
//!
//! A file of jobs says what to compute from which tokens, texts and adapters. `cargo xtask parity` has its peers write
//! such files and their own results in the same form; a peer of one's own can do the same. `docs/probe.md` describes them.

#[path = "probe.rs"]
mod probe;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Parser;
use likra_model::DeviceName;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

/// Computes what a file of jobs asks for, to compare it with another program.
#[derive(Debug, Parser)]
struct Arguments {
    /// A JSON file of jobs; paths in it are relative to its folder.
    jobs: PathBuf,
    /// The folder for `tensors.safetensors`, `answers.json` and `adapters/`.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where to compute: auto, cpu, cuda, cuda:N or wgpu.
    #[arg(long, value_name = "D", default_value = "auto")]
    device: String,
}

fn main() -> Result<()> {
    let Arguments { jobs, out, device } = Arguments::parse();
    let name: StrDeserializer<Error> = device.as_str().into_deserializer();
    let device = DeviceName::deserialize(name).map_err(|error| anyhow!("--device: {error}"))?;
    rayon::scope(|_| probe::run(&jobs, &out, device.place(None, None)))?;
    eprintln!("Tensors and answers: {}", out.display());
    Ok(())
}
