//! `likra reproduce`: an experiment from its files to its report, in steps that are done once.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use likra_data::ScoringRequest;
use likra_lora::Adapter;
use likra_model::Model;
use likra_results::{
    ANSWER_ONLY, BASE, HeadDir, Input, Manifest, Questions, RunDir, ScoreRecord, write_rows,
};
use likra_score::{Plan, score};

use crate::assets;
use crate::cli::ReproduceArgs;
use crate::device::Chosen;
use crate::dry_run;
use crate::experiment::{Experiment, Trained};
use crate::graph::{Context, Sheet, Sheets, State, Step, Work};
use crate::pace::{Cost, Pace};
use crate::progress::{Progress, humantime, peak_memory};
use crate::questions::{Materials, Places};
use crate::report;
use crate::steps;
use crate::train::{Training, train};

/// A run in progress: the folder, the settings, the inputs, and the model once it is needed.
pub(crate) struct Run {
    pub(crate) dir: RunDir,
    pub(crate) experiment: Experiment,
    pub(crate) materials: Materials,
    pub(crate) chosen: Chosen,
    pub(crate) sheets: Sheets,
    model: OnceCell<Model>,
}

/// Runs an experiment and prints what it found; or says what that would be.
pub(crate) fn run(arguments: &ReproduceArgs) -> Result<()> {
    let overrides = arguments.overrides();
    let (name, experiment) = Experiment::open(&arguments.spec, arguments.protocol, &overrides)?;
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(&name));
    let dir = RunDir::new(&out);
    let chosen = arguments.device.unwrap_or(experiment.device).resolve()?;
    if arguments.dry_run {
        // What the program carries is unpacked elsewhere: a dry run leaves nothing.
        let scratch = tempfile::tempdir().context("a temporary folder")?;
        let run = Run::open(dir, experiment, chosen, scratch.path())?;
        print!("{}", dry_run::describe(&run)?);
        return Ok(());
    }
    let _lock = lock(&out)?;
    if arguments.fresh {
        clear(&dir)?;
    }
    dir.sweep()?;
    eprintln!(
        "{}, on {}, into {}",
        experiment.title,
        chosen.name,
        out.display()
    );
    let embedded = out.join("embedded");
    let run = Run::open(dir, experiment, chosen, &embedded)?;
    let training = run.materials.benchmark().train().len();
    if let Some(part) = report::part(run.experiment.benchmark, training) {
        eprintln!("  {part}");
    }
    run.write_manifest(&arguments.command())?;
    run.work()
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
        remove(&run.path().join(name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false if path.exists() => fs::remove_file(path),
        false => Ok(()),
    };
    removed.with_context(|| path.display().to_string())
}

/// Where the experiment's files are; what the program carries is unpacked into `embedded`.
fn places(experiment: &Experiment, embedded: &Path) -> Result<Places> {
    let folder = |named: Option<&str>, what: &str| match named {
        Some(assets::TINY) => assets::unpack(embedded),
        Some(path) => Ok(PathBuf::from(path)),
        None => bail!("this experiment names no {what} of its own: give it with --{what} DIR"),
    };
    let unrelated = experiment.unrelated.as_ref();
    Ok(Places {
        model: folder(experiment.model.as_deref(), "model")?,
        data: folder(experiment.data.as_deref(), "data")?,
        unrelated: unrelated
            .map(|from| folder(from.data.as_deref(), "unrelated"))
            .transpose()?,
    })
}

impl Run {
    fn open(dir: RunDir, experiment: Experiment, chosen: Chosen, embedded: &Path) -> Result<Self> {
        let materials = Materials::open(&experiment, &places(&experiment, embedded)?)?;
        let experiment = experiment.resolved(materials.benchmark());
        let sheets = Sheets::new(&experiment, &materials)?;
        Ok(Self {
            dir,
            experiment,
            materials,
            chosen,
            sheets,
            model: OnceCell::new(),
        })
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            dir: &self.dir,
            experiment: &self.experiment,
            materials: &self.materials,
            chosen: &self.chosen,
            sheets: &self.sheets,
        }
    }

    /// Says what the run is made of, by name and hash; where things lie is nobody else's business.
    fn write_manifest(&self, command: &str) -> Result<()> {
        let name = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let mut experiment = self.experiment.clone();
        let unrelated = experiment.unrelated.as_mut().map(|from| &mut from.data);
        let named = [&mut experiment.model, &mut experiment.data];
        for named in named.into_iter().chain(unrelated) {
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
            command: command.into(),
            questions: Questions {
                training: self.materials.benchmark().train().len(),
                test: self.materials.benchmark().test().len(),
            },
            experiment: toml::Table::try_from(&experiment)?,
            versions: versions(),
            inputs,
        };
        Ok(manifest.write(&self.dir.manifest())?)
    }

    /// The model, opened when first asked for: a run whose steps are all done needs none.
    pub(crate) fn model(&self) -> Result<&Model> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let Chosen { device, dtype, .. } = &self.chosen;
        let started = Instant::now();
        let model = Model::open(self.materials.model_dir(), *dtype, device)?;
        eprintln!("  model opened in {}", humantime(started.elapsed()));
        Ok(self.model.get_or_init(|| model))
    }

    /// Does all that is to be done, then draws the report.
    fn work(&self) -> Result<()> {
        let started = Instant::now();
        let steps = self.context().steps()?;
        for step in &steps {
            self.drop_stale(step)?;
            self.write_missing_answers(step)?;
        }
        let to_do: Vec<&Step> = steps
            .iter()
            .filter(|step| step.state == State::ToDo)
            .collect();
        if to_do.len() < steps.len() {
            eprintln!(
                "  {} of {} steps are done",
                steps.len() - to_do.len(),
                steps.len()
            );
        }
        let costs: Vec<Cost> = dry_run::costs(self, &to_do)?;
        let mut pace = Pace::default();
        for (place, (step, cost)) in to_do.iter().zip(&costs).enumerate() {
            let began = Instant::now();
            steps::done(&self.dir.step(&step.name)?, &step.key, || {
                self.do_step(step)
            })?;
            pace.add(*cost, began.elapsed());
            let left = costs[place + 1..].iter().copied().sum();
            if place + 1 < to_do.len() && pace.time(left).is_some() {
                eprintln!(
                    "  {} of {} steps, {} left",
                    place + 1,
                    to_do.len(),
                    pace.words(left)
                );
            }
        }
        println!("{}", report::draw(&self.dir)?);
        let memory = peak_memory().map_or(String::new(), |peak| {
            format!(", at most {peak} MiB of memory")
        });
        eprintln!(
            "Done in {}{memory}. The report: {}",
            humantime(started.elapsed()),
            self.dir.report().join("index.html").display()
        );
        Ok(())
    }

    /// Scores of other settings are not to be taken for this run's, should it be killed before it makes its own.
    fn drop_stale(&self, step: &Step) -> Result<()> {
        let scores = matches!(step.work, Work::Base(_) | Work::Look(..));
        if step.state == State::ToDo && scores {
            remove(&self.dir.step(&step.name)?)?;
            remove(&step.product)?;
        }
        Ok(())
    }

    /// Says what a head has learnt that need not be trained, where nothing says so.
    fn write_missing_answers(&self, step: &Step) -> Result<()> {
        let Work::Train(head) = &step.work else {
            return Ok(());
        };
        let path = self.dir.head(&head.name)?.answers();
        if step.state == State::ToDo || path.exists() {
            return Ok(());
        }
        let mut answers = self.context().lessons(head)?.answers;
        answers.truncate(head.examples);
        Ok(write_rows(&path, &answers)?)
    }

    fn do_step(&self, step: &Step) -> Result<()> {
        match &step.work {
            Work::Train(head) => self.train(head),
            Work::Look(head, examples) => {
                let folder = self.dir.head(&head.name)?.checkpoint(*examples);
                let adapter = Adapter::load(&folder, self.model()?.device())?;
                let asked = likra_score::Head {
                    name: &head.head,
                    examples: *examples,
                    adapter: Some(&adapter),
                };
                self.score(
                    &head.name,
                    &asked,
                    self.context().asked(head),
                    &step.product,
                )
            }
            Work::Base(sheet) => {
                let (title, name) = match sheet {
                    Sheet::Test => (BASE, BASE),
                    Sheet::AnswerOnly => ("answers alone", ANSWER_ONLY),
                    Sheet::Training => ("base on training questions", BASE),
                };
                let base = likra_score::Head {
                    name,
                    examples: 0,
                    adapter: None,
                };
                self.score(title, &base, self.sheets.of(*sheet), &step.product)
            }
        }
    }

    fn score(
        &self,
        title: &str,
        head: &likra_score::Head,
        asked: &[ScoringRequest],
        to: &Path,
    ) -> Result<()> {
        let plan = Plan::new(asked, self.chosen.batch_tokens)?;
        let records = score_with_progress(self.model()?, title, head, &plan)?;
        Ok(write_rows(to, &records)?)
    }

    /// Trains a head to its end, from its newest checkpoint if there is one of the same settings.
    fn train(&self, head: &Trained) -> Result<()> {
        let context = self.context();
        let lessons = context.lessons(head)?;
        let folder = self.dir.head(&head.name)?;
        let training = Training {
            title: format!("train {}", head.name),
            lora: self.experiment.lora.config(),
            settings: self.experiment.training.settings(),
            seed: head.seed,
            fingerprint: context.fingerprint(head)?,
        };
        self.drop_incomplete(head, &folder)?;
        let count = head.examples.min(lessons.examples.len());
        write_rows(&folder.answers(), &lessons.answers[..count])?;
        let examples = &lessons.examples[..count];
        match train(self.model()?, &training, examples, &folder) {
            Err(error) if is_other_run(&error) => {
                eprintln!(
                    "  {}: other settings made what is there; trained anew",
                    head.name
                );
                remove(folder.path())?;
                write_rows(&folder.answers(), &lessons.answers[..count])?;
                train(self.model()?, &training, examples, &folder)
            }
            other => other,
        }
    }

    /// Training goes on from the newest checkpoint and makes no older one again: if one is missing that is to
    /// be scored, it begins anew.
    fn drop_incomplete(&self, head: &Trained, folder: &HeadDir) -> Result<()> {
        let there = folder.checkpoints()?;
        let newest = there.keys().copied().max().unwrap_or(0);
        let expected = self.experiment.checkpoints(head);
        let missing = |examples: &&usize| **examples < newest && !there.contains_key(*examples);
        match expected.iter().find(missing) {
            Some(_) => remove(folder.path()),
            None => Ok(()),
        }
    }
}

fn is_other_run(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<likra_train::Error>(),
        Some(likra_train::Error::OtherRun { .. })
    )
}

/// The versions of the libraries that decide numbers, as this program was built with them.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let lock: toml::Table = include_str!("../../../Cargo.lock")
        .parse()
        .unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let version = |name: &str| {
        let mut packages = packages?.iter().filter(|package| {
            package
                .get("name")
                .is_some_and(|n| n.as_str() == Some(name))
        });
        // Of several the newest, which is ours: older ones are others' dependencies.
        let package = packages.next_back()?;
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
    title: &str,
    head: &likra_score::Head,
    plan: &Plan,
) -> Result<Vec<ScoreRecord>> {
    let title = match head.examples {
        0 => format!("score {title}"),
        examples => format!("score {title} after {examples}"),
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
        assert!(versions["safetensors"].starts_with("0.8."), "{versions:?}");
    }
}
