//! Whether what is to be done fits into memory, found before the model is loaded.

use std::path::{Path, PathBuf};

use likra_lora::LoraConfig;
use likra_model::{Config, Placement};
use likra_results::HeadDir;
use likra_score::Plan;
use likra_tokenizer::EncodedPair;

use crate::error::{Error, Result};

/// The most that a model will take for what is planned so far, in bytes.
#[derive(Debug)]
pub struct Memory<'a> {
    config: &'a Config,
    placement: &'a Placement,
    most: usize,
}

impl<'a> Memory<'a> {
    /// Nothing is planned yet.
    #[must_use]
    pub fn new(config: &'a Config, placement: &'a Placement) -> Self {
        Self {
            config,
            placement,
            most: 0,
        }
    }

    /// Questions are to be scored.
    pub fn score(&mut self, plan: &Plan) {
        let (prefix, pass) = (plan.prefix().len(), plan.largest_pass());
        let dtype = self.placement.dtype;
        self.most = self
            .most
            .max(self.config.scoring_bytes(dtype, prefix, pass));
    }

    /// A head is to be trained, in batches of so many examples.
    ///
    /// # Errors
    ///
    /// If the adapter's shape is impossible.
    pub fn train(
        &mut self,
        lora: &LoraConfig,
        examples: &[EncodedPair],
        batch: usize,
    ) -> Result<()> {
        let parameters = parameters(self.config, lora)?;
        let sum = |of: fn(&EncodedPair) -> usize| {
            let batches = examples
                .chunks(batch.max(1))
                .map(|batch| batch.iter().map(of).sum());
            batches.max().unwrap_or_default()
        };
        let tokens = sum(|example| example.tokens.len());
        let answers = sum(|example| example.tokens.len() - example.start);
        let dtype = self.placement.dtype;
        let bytes = self
            .config
            .training_bytes(dtype, tokens, answers, parameters);
        self.most = self.most.max(bytes);
        Ok(())
    }

    /// The estimate in MiB.
    #[must_use]
    pub fn mebibytes(&self) -> usize {
        self.most >> 20
    }

    /// Refuses what does not fit into what is left of a CPU's memory; how much a GPU has is not known.
    ///
    /// # Errors
    ///
    /// If it does not fit; the message has both numbers.
    pub fn check(&self) -> Result<()> {
        tracing::info!(mebibytes = self.mebibytes(), "memory, estimated");
        let left = (self.placement.kind == "cpu").then(available).flatten();
        match left {
            Some((left, of)) if left < self.most as u64 => Err(Error::Memory {
                needed: self.mebibytes(),
                left: left >> 20,
                of,
            }),
            _ => Ok(()),
        }
    }
}

/// How many numbers an adapter of this shape has for a model.
///
/// # Errors
///
/// If a pattern of the shape is none.
pub fn parameters(config: &Config, lora: &LoraConfig) -> Result<usize> {
    let mut parameters = 0;
    for target in config.targets() {
        if lora.targets(&target.module)? {
            parameters += lora.rank_of(&target.module)? * (target.input + target.output);
        }
    }
    Ok(parameters)
}

/// How many copies of an adapter training will leave in `head`: the checkpoints that are not there, and
/// beside them the optimiser's two moments with the newest two, and one checkpoint in the making. None if
/// there is nothing to train.
///
/// # Errors
///
/// If the folder cannot be listed.
pub fn copies(head: &HeadDir, checkpoints: &[usize]) -> Result<usize> {
    let there = head.checkpoints()?;
    let absent = checkpoints
        .iter()
        .filter(|examples| !there.contains_key(examples));
    Ok(match absent.count() {
        0 => 0,
        absent => absent + 1 + 2 * 2 + 3,
    })
}

/// The bytes that this process can still take, its own included, and who says so; on Linux alone.
fn available() -> Option<(u64, &'static str)> {
    let own = kibibytes("/proc/self/status", "VmRSS:")?;
    let machine = kibibytes("/proc/meminfo", "MemAvailable:")? + own;
    let limits = [
        (Some(machine), "the machine"),
        (control_group().map(|left| left + own), "its control group"),
        (address_space(), "`ulimit -v`"),
    ];
    let known = limits
        .into_iter()
        .filter_map(|(left, of)| Some((left?, of)));
    known.min()
}

/// A line of a file of the system's, in bytes.
fn kibibytes(path: &str, name: &str) -> Option<u64> {
    let text = fs_err::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number << 10)
}

/// What the control groups of this process leave, versions 2 and 1: the least of all that it is in. Pages
/// of files that can be dropped are free.
fn control_group() -> Option<u64> {
    let groups = fs_err::read_to_string("/proc/self/cgroup").ok()?;
    let second = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let first = groups.lines().find_map(|line| line.split_once(":memory:/"));
    let roots = [
        (
            "/sys/fs/cgroup",
            second,
            "memory.max",
            "memory.current",
            "inactive_file ",
        ),
        (
            "/sys/fs/cgroup/memory",
            first.map(|(_, path)| path),
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file ",
        ),
    ];
    let left = roots
        .into_iter()
        .flat_map(|(root, path, limit, used, inactive)| {
            let folder = Path::new(root).join(path.unwrap_or_default());
            let folders: Vec<PathBuf> = folder.ancestors().map(PathBuf::from).collect();
            folders.into_iter().filter_map(move |folder| {
                let number = |name| {
                    fs_err::read_to_string(folder.join(name))
                        .ok()?
                        .trim()
                        .parse::<u64>()
                        .ok()
                };
                let stat = fs_err::read_to_string(folder.join("memory.stat")).ok()?;
                let free = stat.lines().find_map(|line| line.strip_prefix(inactive));
                let free = free
                    .and_then(|number| number.trim().parse().ok())
                    .unwrap_or(0);
                Some((number(limit)? + free).saturating_sub(number(used)?))
            })
        });
    left.min()
}

/// What `ulimit -v` leaves for data, that of this process included: what its allocator has reserved is
/// room, too.
fn address_space() -> Option<u64> {
    let limits = fs_err::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let [mapped, data] = ["VmSize:", "VmData:"].map(|name| kibibytes("/proc/self/status", name));
    Some((limit + data?).saturating_sub(mapped?))
}

#[cfg(test)]
mod tests {
    use likra_model::DeviceName;

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny/config.json");
        let config = Config::read(&tiny).unwrap();
        let placement = DeviceName::Cpu.find().unwrap();
        let example = |tokens| EncodedPair {
            tokens: vec![1; tokens],
            start: 1,
        };
        let mut memory = Memory::new(&config, &placement);
        memory
            .train(&LoraConfig::default(), &[example(20)], 8)
            .unwrap();
        assert!(
            (40..80).contains(&memory.mebibytes()),
            "{}",
            memory.mebibytes()
        );
        memory.check().unwrap();
        let many = vec![example(1 << 20); 64];
        memory.train(&LoraConfig::default(), &many, 64).unwrap();
        let error = memory.check().unwrap_err().to_string();
        let needed = memory.mebibytes().to_string();
        assert!(
            error.contains(&needed) && error.contains("--batch-tokens"),
            "{error}"
        );
    }
}
