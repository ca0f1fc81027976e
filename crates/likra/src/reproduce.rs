//! `likra reproduce`: an experiment from its files to its tables, in steps that are done once.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use likra_data::TrainingExample;
use likra_lora::{Adapter, adapter_files};
use likra_model::Model;
use likra_results::{BASE, Input, Manifest, RunDir, ScoreRecord, write_scores};
use likra_score::{Plan, score};

use crate::assets;
use crate::cli::ReproduceArgs;
use crate::device::Chosen;
use crate::experiment::{Experiment, Head};
use crate::progress::{Progress, humantime, peak_memory};
use crate::questions::{self, Materials};
use crate::report;
use crate::steps::{Key, step};
use crate::train::{Training, train};

/// A run in progress: the folder, the settings, the inputs, and the model once it is needed.
struct Run {
    dir: RunDir,
    experiment: Experiment,
    materials: Materials,
    chosen: Chosen,
    model: OnceCell<Model>,
}

/// A head at one point of its training, and where its scores go.
struct Look {
    head: &'static str,
    examples: usize,
    adapter: Option<PathBuf>,
    scores: PathBuf,
}

/// Runs an experiment and prints what it found.
pub(crate) fn run(arguments: &ReproduceArgs) -> Result<()> {
    let started = Instant::now();
    let (name, experiment) = Experiment::open(&arguments.spec, arguments.protocol)?;
    let experiment = experiment.with(&arguments.overrides())?;
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(&name));
    let _lock = lock(&out)?;
    let dir = RunDir::new(&out);
    if arguments.fresh {
        clear(&dir)?;
    }
    dir.sweep()?;
    let chosen = arguments.device.resolve()?;
    eprintln!(
        "{}, on {}, into {}",
        experiment.title,
        chosen.name,
        out.display()
    );
    let materials = prepare(&experiment, &dir)?;
    let experiment = experiment.resolved(materials.benchmark());
    let run = Run {
        dir,
        experiment,
        materials,
        chosen,
        model: OnceCell::new(),
    };
    run.write_manifest()?;
    run.train_heads()?;
    run.score_all()?;
    let text = report::draw(&run.dir, &run.experiment)?;
    println!("{text}");
    let memory = peak_memory().map_or(String::new(), |peak| {
        format!(", at most {peak} MiB of memory")
    });
    eprintln!(
        "Done in {}{memory}. Tables and figures: {}",
        humantime(started.elapsed()),
        run.dir.report().display()
    );
    Ok(())
}

/// Keeps a second run out of the folder for as long as the file is open.
fn lock(out: &Path) -> Result<File> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let path = out.join(".lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!("{}: another run is at work in this folder", out.display())
        }
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| path.display().to_string())
        }
    }
}

/// Removes what a run leaves in its folder, and nothing else that may be there.
fn clear(run: &RunDir) -> Result<()> {
    for name in ["heads", "scores", "report", "steps", "embedded"] {
        let path = run.path().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Finds and reads what the experiment names.
fn prepare(experiment: &Experiment, run: &RunDir) -> Result<Materials> {
    let folder = |named: &Option<String>, what: &str| match named.as_deref() {
        Some(assets::TINY) => assets::unpack(&run.path().join("embedded")),
        Some(path) => Ok(PathBuf::from(path)),
        None => bail!("this experiment names no {what} of its own: give it with --{what} DIR"),
    };
    let model = folder(&experiment.model, "model")?;
    let data = folder(&experiment.data, "data")?;
    Materials::open(experiment, &model, &data)
}

impl Run {
    /// Says what the run is made of, by name and hash; where things lie is nobody else's business.
    fn write_manifest(&self) -> Result<()> {
        let name = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let mut experiment = self.experiment.clone();
        for named in [&mut experiment.model, &mut experiment.data] {
            *named = named
                .take()
                .map(|path| name(Path::new(&path)).unwrap_or(path));
        }
        let mut inputs = Vec::new();
        for path in self.materials.files() {
            inputs.push(Input::of_file(&name(path).unwrap_or_default(), path)?);
        }
        let manifest = Manifest {
            likra: env!("CARGO_PKG_VERSION").into(),
            device: self.chosen.name.clone(),
            experiment: toml::Table::try_from(&experiment)?,
            versions: versions(),
            inputs,
        };
        Ok(manifest.write(&self.dir.manifest())?)
    }

    /// The model, opened when first asked for: a run whose steps are all done needs none.
    fn model(&self) -> Result<&Model> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let Chosen { device, dtype, .. } = &self.chosen;
        let started = Instant::now();
        let model = Model::open(self.materials.model_dir(), *dtype, device)?;
        eprintln!("  model opened in {}", humantime(started.elapsed()));
        Ok(self.model.get_or_init(|| model))
    }

    /// What every number depends on: the model's files and how they are computed with.
    fn key(&self) -> Key {
        Key::default()
            .with("model", self.materials.model_hash())
            .with("device", &self.chosen.name)
            .with("dtype", format!("{:?}", self.chosen.dtype))
    }

    fn train_heads(&self) -> Result<()> {
        for &head in &self.experiment.heads {
            let examples = self.materials.examples(
                head.answers(),
                self.experiment.wrong_answer,
                self.experiment.seed,
                self.experiment.training.bos,
            )?;
            let training = Training {
                title: format!("train {}", head.name()),
                lora: self.experiment.lora.config(),
                settings: self.experiment.training.settings(),
                seed: self.experiment.seed,
                fingerprint: self
                    .key()
                    .with("head", head.name())
                    .with("seed", self.experiment.seed.to_le_bytes())
                    .with("lora", format!("{:?}", self.experiment.lora))
                    .with("training", format!("{:?}", self.experiment.training))
                    .with("examples", questions::hash_examples(&examples))
                    .finish(),
            };
            self.train_head(
                head,
                &training,
                &examples[..self.experiment.examples_seen()],
            )?;
        }
        Ok(())
    }

    fn train_head(
        &self,
        head: Head,
        training: &Training,
        examples: &[TrainingExample],
    ) -> Result<()> {
        let folder = self.dir.head(head.name())?;
        let count = examples.len();
        let key = Key::default()
            .with("fingerprint", &training.fingerprint)
            .with("count", count.to_le_bytes())
            .finish();
        let stamp = self.dir.step(&format!("train-{}", head.name()))?;
        step(&stamp, &key, &folder.checkpoint(count), || {
            train(self.model()?, training, examples, &folder)
        })?;
        Ok(())
    }

    /// The base, then every head at every checkpoint.
    fn looks(&self) -> Result<Vec<Look>> {
        let base = Look {
            head: BASE,
            examples: 0,
            adapter: None,
            scores: self.dir.base_scores(),
        };
        let mut looks = vec![base];
        for head in self.experiment.heads.iter().map(|head| head.name()) {
            for examples in self.experiment.checkpoints() {
                let adapter = Some(self.dir.head(head)?.checkpoint(examples));
                looks.push(Look {
                    head,
                    examples,
                    adapter,
                    scores: self.dir.scores(head, examples)?,
                });
            }
        }
        Ok(looks)
    }

    fn score_all(&self) -> Result<()> {
        let requests = self.materials.requests(&self.experiment.evaluation)?;
        let plan = Plan::new(&requests, self.chosen.batch_tokens)?;
        let asked = questions::hash_requests(&requests);
        for look in self.looks()? {
            self.score_once(&look, &plan, &asked)?;
        }
        Ok(())
    }

    fn score_once(&self, look: &Look, plan: &Plan, asked: &str) -> Result<()> {
        let Look {
            head,
            examples,
            adapter,
            scores,
        } = look;
        let mut key = self.key().with("head", head).with("asked", asked);
        if let Some(adapter) = adapter {
            key = key.with("adapter", questions::hash_files(&adapter_files(adapter))?);
        }
        let stamp = self.dir.step(&format!("score-{head}-n{examples:05}"))?;
        step(&stamp, &key.finish(), scores, || {
            let model = self.model()?;
            let adapter = adapter
                .as_deref()
                .map(|dir| Adapter::load(dir, model.device()))
                .transpose()?;
            let head = likra_score::Head {
                name: head,
                examples: *examples,
                adapter: adapter.as_ref(),
            };
            Ok(write_scores(
                scores,
                &score_with_progress(model, &head, plan)?,
            )?)
        })?;
        Ok(())
    }
}

/// The versions of the libraries that decide numbers, as this program was built with them.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let lock: toml::Table = include_str!("../../../Cargo.lock")
        .parse()
        .unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let version = |name: &str| {
        let mut packages = packages?.iter();
        let package = packages.find(|package| {
            package
                .get("name")
                .is_some_and(|n| n.as_str() == Some(name))
        })?;
        package
            .get("version")?
            .as_str()
            .map(|version| (name.to_owned(), version.to_owned()))
    };
    ["burn", "burn-store", "tokenizers", "safetensors"]
        .into_iter()
        .filter_map(version)
        .collect()
}

/// Scores a head and shows how far it is.
pub(crate) fn score_with_progress(
    model: &Model,
    head: &likra_score::Head,
    plan: &Plan,
) -> Result<Vec<ScoreRecord>> {
    let title = match head.examples {
        0 => format!("score {}", head.name),
        examples => format!("score {} after {examples}", head.name),
    };
    let mut progress = Progress::new(title, plan.questions(), "questions");
    let records = score(model, head, plan, &mut |more| progress.advance(more, ""))?;
    progress.finish("");
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lockfile() {
        let versions = versions();
        assert_eq!(versions.len(), 4, "{versions:?}");
        assert_eq!(versions["burn"], "0.22.1");
    }
}
