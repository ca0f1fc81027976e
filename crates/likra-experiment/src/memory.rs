//! Whether what is to be done fits into memory and onto the disk, found before the model is loaded.

use std::path::Path;

use anyhow::{Result, ensure};
use likra_lora::LoraConfig;
use likra_results::HeadDir;
use likra_score::Plan;
use likra_train::Example;

use crate::{Base, Head};

impl Base {
    /// The bytes of memory that scoring takes at most.
    pub fn scoring_bytes(&self, plan: &Plan) -> usize {
        let prefix = plan.prefixes().map(<[u32]>::len).max();
        let (prefix, pass) = (prefix.unwrap_or_default(), plan.largest_pass());
        let dtype = self.placement.dtype;
        self.config.scoring_bytes(dtype, prefix, pass)
    }

    /// The bytes of memory that training takes at most.
    ///
    /// # Errors
    ///
    /// If the adapter's shape is impossible.
    pub fn training_bytes(&self, head: &Head, examples: &[Example]) -> Result<usize> {
        let settings = &head.training;
        let objective = settings.objective;
        let largest = |of: &dyn Fn(&Example) -> usize| {
            let batches = examples.chunks(settings.batch_size.max(1));
            let sums = batches.map(|batch| batch.iter().map(of).sum::<usize>());
            sums.max().unwrap_or_default()
        };
        let tokens = largest(&|example| example.tokens(objective));
        let texts = 1 + usize::from(objective.has_mismatched());
        let answers = texts * largest(&Example::answer_tokens);
        let (config, dtype) = (&self.config, self.placement.dtype);
        Ok(config.training_bytes(dtype, tokens, answers, self.parameters(&head.lora)?))
    }

    /// How many bytes training `head` will leave in `dir`: the checkpoints that are not there, and beside them
    /// the optimiser's two moments with the newest two, and one checkpoint in the making. None if there is
    /// nothing to train.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed, or the adapter's shape is impossible.
    pub fn room(&self, head: &Head, dir: &HeadDir) -> Result<u64> {
        let there = dir.checkpoints()?;
        let checkpoints = head.checkpoints.iter();
        let absent = checkpoints.filter(|examples| !there.contains_key(examples));
        let absent = absent.count();
        let copies = absent + if absent > 0 { 1 + 2 * 2 + 3 } else { 0 };
        Ok((copies * self.parameters(&head.lora)? * size_of::<f32>()) as u64)
    }

    /// The same with what this process holds already, rows and texts; once the model is open, its work is in there.
    pub(crate) fn beside_held(&self, bytes: usize) -> usize {
        let held = own("VmRSS:").filter(|_| !self.is_open());
        bytes + held.unwrap_or_default() as usize
    }

    /// Refuses what does not fit into what is left of a CPU's memory; how much a GPU has is not known.
    ///
    /// # Errors
    ///
    /// If it does not fit; the message has both numbers.
    pub fn check_memory(&self, bytes: usize) -> Result<()> {
        let bytes = self.beside_held(bytes);
        let needed = bytes >> 20;
        tracing::info!(mebibytes = needed, "memory, estimated");
        if self.placement.kind() == "cpu"
            && let Some((left, of)) = available()
        {
            ensure!(
                bytes as u64 <= left,
                "about {needed} MiB of memory are needed, but {of} leaves {} MiB; lower --batch-tokens (scoring) or \
                 training.batch-size, take --dtype bf16, a smaller model or a larger machine",
                left >> 20
            );
        }
        Ok(())
    }

    /// How many numbers an adapter has.
    pub(crate) fn parameters(&self, lora: &LoraConfig) -> Result<usize> {
        let mut parameters = 0;
        for target in self.config.targets() {
            if lora.targets(&target.module)? {
                let rank = lora.rank_of(&target.module)?;
                parameters += rank * (target.input + target.output);
            }
        }
        Ok(parameters)
    }
}

/// The most memory that this process has held, where the system says so (Linux), in MiB.
pub fn peak_memory() -> Option<u64> {
    Some(own("VmHWM:")? >> 20)
}

/// The bytes that this process can still take, its own included, and who says so; on Linux alone.
fn available() -> Option<(u64, &'static str)> {
    let held = own("VmRSS:")?;
    let machine = number("/proc/meminfo", "MemAvailable:")? << 10;
    let group = control_group().map(|left| left + held);
    let limits = [
        (Some(machine + held), "the machine"),
        (group, "its control group"),
        (address_space(), "`ulimit -v`"),
    ];
    let known = limits.into_iter();
    known.filter_map(|(left, of)| Some((left?, of))).min()
}

/// What the system says of this process, in bytes.
fn own(name: &str) -> Option<u64> {
    Some(number("/proc/self/status", name)? << 10)
}

/// The number behind a name at the beginning of a line of a file of the system's.
fn number(path: impl AsRef<Path>, name: &str) -> Option<u64> {
    let text = fs_err::read_to_string(path.as_ref()).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the control groups of this process leave, versions 2 and 1: the least of all that it is in.
fn control_group() -> Option<u64> {
    let second = ["max", "current", "inactive_file "];
    let first = ["limit_in_bytes", "usage_in_bytes", "total_inactive_file "];
    let left = [
        group_left("/sys/fs/cgroup", "0::/", second),
        group_left("/sys/fs/cgroup/memory", ":memory:/", first),
    ];
    left.into_iter().flatten().min()
}

/// What the groups of one version leave, from that which `/proc/self/cgroup` has behind `mark` up to all.
fn group_left(root: &str, mark: &str, [limit, used, inactive]: [&str; 3]) -> Option<u64> {
    let groups = fs_err::read_to_string("/proc/self/cgroup").ok()?;
    let mut lines = groups.lines();
    let group = lines.find_map(|line| Some(line.split_once(mark)?.1));
    let folder = Path::new(root).join(group.unwrap_or_default());
    let left = folder.ancestors().filter_map(|folder| {
        // Pages of files that can be dropped are free.
        let free = number(folder.join("memory.stat"), inactive).unwrap_or(0);
        let limit = number(folder.join(format!("memory.{limit}")), "")?;
        let used = number(folder.join(format!("memory.{used}")), "")?;
        Some((limit + free).saturating_sub(used))
    });
    left.min()
}

/// What `ulimit -v` leaves for data, that of this process included: what its allocator has reserved is
/// room, too.
fn address_space() -> Option<u64> {
    let limit = number("/proc/self/limits", "Max address space")?;
    Some((limit + own("VmData:")?).saturating_sub(own("VmSize:")?))
}

#[cfg(test)]
mod tests {
    use likra_data::Answers;
    use likra_model::DeviceName;
    use likra_tokenizer::EncodedPair;

    use super::*;
    use crate::spec::Spec;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny");
        let base = Base::open(tiny, DeviceName::Cpu.place(None, None)).unwrap();
        let spec = Spec::of_command(Answers::Correct, &[]).unwrap();
        let example = |tokens| {
            Example::from(EncodedPair {
                tokens: vec![1; tokens],
                start: 1,
            })
        };
        let head = Head::new("head", &spec, 8);
        let bytes = base.training_bytes(&head, &[example(20)]).unwrap();
        assert!((40..80).contains(&(bytes >> 20)), "{bytes}");
        base.check_memory(bytes).unwrap();
        let many = vec![example(1 << 20); 8];
        let bytes = base.training_bytes(&head, &many).unwrap();
        let error = base.check_memory(bytes).unwrap_err().to_string();
        // With what the test itself holds.
        let mut numbers = error.split(' ').filter_map(|word| word.parse().ok());
        assert!(numbers.next() > Some(bytes >> 20), "{error}");
        assert!(error.contains("--batch-tokens"), "{error}");
    }
}
