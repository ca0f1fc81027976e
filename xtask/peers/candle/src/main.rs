//! How fast candle reads a prompt; compare.py runs this.
//!
//!     candle-peer MODEL f32|bf16 TOKENS RUNS
//!
//! Prints one line of JSON: tokens per second, of the median run. Opening the model and a first run are not counted.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device, Tensor, safetensors};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama, LlamaConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, dtype, tokens, runs] = arguments.as_slice() else {
        return Err("candle-peer MODEL f32|bf16 TOKENS RUNS".into());
    };
    let (folder, tokens, runs) = (Path::new(model), tokens.parse()?, runs.parse()?);
    let dtype = match dtype.as_str() {
        "f32" => DType::F32,
        "bf16" => DType::BF16,
        other => return Err(format!("{other} is no type of weights").into()),
    };
    let config = fs::read(folder.join("config.json"))?;
    let config = serde_json::from_slice::<LlamaConfig>(&config)?.into_config(false);
    let weights = VarBuilder::from_tensors(tensors(folder)?, dtype, &Device::Cpu);
    let model = Llama::load(weights, &config)?;
    read(&model, &config, dtype, tokens)?;
    let mut seconds = (0..runs)
        .map(|_| read(&model, &config, dtype, tokens))
        .collect::<Result<Vec<f64>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    println!(
        "{}",
        serde_json::json!({ "pace": f64::from(tokens) / seconds[seconds.len() / 2] })
    );
    Ok(())
}

/// All tensors of a checkpoint, which may lie in several files.
fn tensors(folder: &Path) -> Result<HashMap<String, Tensor>, Box<dyn Error>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            found.extend(safetensors::load(path, &Device::Cpu)?);
        }
    }
    Ok(found)
}

/// Seconds for one prompt; candle computes the logits of its last token.
fn read(model: &Llama, config: &Config, dtype: DType, tokens: u32) -> candle_core::Result<f64> {
    let prompt = (0..tokens).map(|token| token % config.vocab_size as u32);
    let prompt = Tensor::from_iter(prompt, &Device::Cpu)?.unsqueeze(0)?;
    let mut cache = Cache::new(false, dtype, config, &Device::Cpu)?;
    let started = Instant::now();
    model
        .forward(&prompt, 0, &mut cache)?
        .to_dtype(DType::F32)?
        .to_vec2::<f32>()?;
    Ok(started.elapsed().as_secs_f64())
}
