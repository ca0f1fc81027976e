//! What the numbers were measured on, and with what.

use std::fs;
use std::process::Command;

use crate::likra::root;

/// The machine's name, as its files and drivers give it.
pub(super) struct Machine {
    /// The processor that computes: the CPU, or the GPU.
    pub(super) name: String,
    cpu: String,
    cores: usize,
    memory_gib: Option<u64>,
    gpu: bool,
}

impl Machine {
    /// This machine, with the GPU if `device` is one.
    pub(super) fn here(device: &str) -> Self {
        let gpu = device != "cpu";
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".into());
        let kibibytes = field("/proc/meminfo", "MemTotal");
        let kibibytes = kibibytes.and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
        Self {
            name: gpu
                .then(|| nvidia(device, "name"))
                .flatten()
                .unwrap_or_else(|| cpu.clone()),
            cpu,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: kibibytes.map(|kibibytes| (kibibytes + (1 << 19)) >> 20),
            gpu,
        }
    }

    /// `AMD EPYC, 2 cores`, or the GPU's name.
    pub(super) fn title(&self) -> String {
        if self.gpu {
            return self.name.clone();
        }
        format!("{}, {} cores", self.cpu, self.cores)
    }

    /// For a file's name: cores too, as a cloud's CPUs of one name differ in them.
    pub(super) fn slug(&self) -> String {
        slug(&self.title())
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let memory = self
            .memory_gib
            .map_or_else(String::new, |gib| format!(", {gib} GiB of memory"));
        let gpu = if self.gpu {
            format!("{}; ", self.name)
        } else {
            String::new()
        };
        format!("{gpu}{}, {} cores{memory}", self.cpu, self.cores)
    }
}

/// Letters and digits in lower case, with a dash for what stands between them.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

/// The value after `key:` on a file's first such line.
fn field(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// How much of a GPU's memory is taken, in MiB; none if `device` is no GPU, or nobody knows.
pub(super) fn gpu_memory(device: &str) -> Option<f64> {
    if device == "cpu" {
        return None;
    }
    nvidia(device, "memory.used")?.parse().ok()
}

/// What `nvidia-smi` says of `cuda` or `cuda:N`.
fn nvidia(device: &str, field: &str) -> Option<String> {
    let number = device.split_once(':').map_or("0", |(_, number)| number);
    let (id, query) = (format!("--id={number}"), format!("--query-gpu={field}"));
    said(
        "nvidia-smi",
        &[&id, &query, "--format=csv,noheader,nounits"],
    )
}

/// The commit of this repository, and whether files differ from it. `LIKRA_COMMIT` says it where the
/// repository is carried without its history.
pub(super) fn commit() -> String {
    if let Ok(commit) = std::env::var("LIKRA_COMMIT") {
        return commit;
    }
    let Some(commit) = said("git", &["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown (no git)".into();
    };
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]);
    match changed.as_deref() {
        None | Some("") => commit,
        Some(_) => format!("{commit} with changes"),
    }
}

/// What a command prints, if it succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_name_files() {
        assert_eq!(slug("AMD EPYC 7B13, 2 cores"), "amd-epyc-7b13-2-cores");
        let intel = "Intel(R) Xeon(R) CPU @ 2.20GHz";
        assert_eq!(slug(intel), "intel-r-xeon-r-cpu-2-20ghz");
        assert_eq!(slug("NVIDIA H100 80GB HBM3"), "nvidia-h100-80gb-hbm3");
    }
}
