//! A run: the folder of an experiment, its jobs and what of them is done.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::path::Path;
use std::time::Instant;

use fs_err::{self as fs, File};
use likra_data::Ranking;
use likra_lora::Adapter;
use likra_model::Model;
use likra_results::{
    ANSWER_ONLY, BASE, HeadDir, Manifest, Questions, RunDir, ScoreRecord, Stamp, read_rows,
    write_rows,
};
use likra_score::Plan;

use crate::device::Placement;
use crate::error::{Error, Result};
use crate::event::{Event, Listener};
use crate::experiment::{Experiment, Head};
use crate::inputs::{Inputs, Requests, TrainingSet};
use crate::jobs::{Asked, Job, Keys, Product, Work};
use crate::pace::{Cost, Pace};
use crate::report;
use crate::spec::Spec;
use crate::work::{Training, score};

/// A run in progress: the folder, the experiment, its inputs and jobs, and the model once it is needed.
pub struct Run {
    /// The folder.
    pub dir: RunDir,
    /// The experiment.
    pub experiment: Experiment,
    /// Its files.
    pub inputs: Inputs,
    /// Where it is computed.
    pub placement: Placement,
    /// The jobs in the order of work.
    pub jobs: Vec<Job>,
    model: OnceCell<Model>,
    requests: OnceCell<Requests>,
    pace: RefCell<Pace>,
}

impl Run {
    /// Opens the files of an experiment; what the program carries is unpacked into `embedded`.
    ///
    /// # Errors
    ///
    /// If a file or the device is missing or refused.
    pub fn open(spec: Spec, dir: &Path, embedded: &Path) -> Result<Self> {
        let placement = spec.device.find()?;
        let inputs = Inputs::open(&spec, embedded)?;
        let benchmark = &inputs.benchmark;
        let experiment = Experiment::new(spec, benchmark.train().len(), benchmark.test().len());
        let dir = RunDir::new(dir);
        let keys = Keys {
            experiment: &experiment,
            inputs: &inputs,
            placement: &placement,
        };
        let jobs = keys.jobs(&dir)?;
        Ok(Self {
            dir,
            jobs,
            experiment,
            inputs,
            placement,
            model: OnceCell::new(),
            requests: OnceCell::new(),
            pace: RefCell::default(),
        })
    }

    /// The model, opened when first asked for: a run whose jobs are all done needs none.
    pub(crate) fn model(&self) -> Result<&Model> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let Placement { device, dtype, .. } = &self.placement;
        let model = Model::open(&self.inputs.model, (*dtype).into(), device)?;
        Ok(self.model.get_or_init(|| model))
    }

    /// What models are asked, encoded when first asked for.
    pub(crate) fn requests(&self) -> Result<&Requests> {
        if let Some(requests) = self.requests.get() {
            return Ok(requests);
        }
        let heads = self.experiment.heads.iter();
        let ranked: Vec<&Head> = heads.filter(|head| head.answers.is_ranked()).collect();
        let requests = self.inputs.requests(&self.experiment.spec, &ranked)?;
        Ok(self.requests.get_or_init(|| requests))
    }

    pub(crate) fn asked(&self, asked: Asked) -> Result<&[likra_score::Request]> {
        let requests = self.requests()?;
        Ok(match asked {
            Asked::Test(questions) => &requests.test[..questions.min(requests.test.len())],
            Asked::AnswerOnly => &requests.answer_only,
            Asked::Ranking => &requests.ranking,
        })
    }

    /// Removes what a killed run has left half-written, and says what the run is made of. `command` is
    /// the command that was given, with names in place of paths.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn begin(&self, command: &str) -> Result<()> {
        self.dir.sweep()?;
        self.manifest(command)?.write(&self.dir.manifest())?;
        for job in &self.jobs {
            // Should this run be killed, scores of other settings are not to be taken for its own.
            for product in job.missing(&self.dir)? {
                remove(&self.dir.step(&product.stamp)?)?;
                remove(&product.path)?;
            }
            if let Work::Head(head) = &job.work {
                self.write_missing_answers(job, head)?;
            }
        }
        Ok(())
    }

    /// Says what the run is made of, by name and hash, and not where it lay.
    fn manifest(&self, command: &str) -> Result<Manifest> {
        let name = |path: &mut String| {
            if let Some(name) = Path::new(path.as_str()).file_name() {
                *path = name.to_string_lossy().into_owned();
            }
        };
        let mut spec = self.experiment.spec.clone();
        let unrelated = spec.unrelated.as_mut().and_then(|from| from.data.as_mut());
        let named = [spec.model.as_mut(), spec.data.as_mut(), unrelated];
        named.into_iter().flatten().for_each(name);
        let benchmark = &self.inputs.benchmark;
        Ok(Manifest {
            likra: env!("CARGO_PKG_VERSION").into(),
            device: self.placement.name.clone(),
            command: command.into(),
            questions: Questions {
                training: benchmark.train().len(),
                test: benchmark.test().len(),
            },
            experiment: toml::Table::try_from(&spec)?,
            versions: versions(),
            inputs: self.inputs.files.clone(),
        })
    }

    /// Says what a head has learnt that need not be trained, where nothing says so.
    fn write_missing_answers(&self, job: &Job, head: &Head) -> Result<()> {
        let path = self.dir.head(&head.name)?.answers();
        let known = !head.answers.is_ranked() || self.dir.training_scores().exists();
        if known && !path.exists() && job.missing(&self.dir)?.is_empty() {
            write_rows(&path, &self.training_set(head)?.answers)?;
        }
        Ok(())
    }

    /// Does all that is left, and says how long the rest takes.
    ///
    /// # Errors
    ///
    /// If a job fails.
    pub fn run_all(&self, listener: &Listener) -> Result<()> {
        let left = self.left()?;
        let (all, count) = (self.jobs.len() - 1, left.len());
        if count < all {
            listener(Event::Said(format!(
                "{} of {all} jobs are done",
                all - count
            )));
        }
        let costs = self.costs(&left)?;
        for (place, job) in left.iter().enumerate() {
            self.run(job, listener)?;
            let rest: Cost = costs[place + 1..].iter().copied().sum();
            let pace = self.pace.borrow();
            if place + 1 < count && pace.time(rest).is_some() {
                let words = pace.words(rest);
                listener(Event::Said(format!(
                    "{} of {count} jobs, {words} left",
                    place + 1
                )));
            }
        }
        Ok(())
    }

    /// Does what is left of a job.
    ///
    /// # Errors
    ///
    /// If a model or a file is refused, or training leaves the range of numbers.
    pub fn run(&self, job: &Job, listener: &Listener) -> Result<()> {
        let missing = job.missing(&self.dir)?;
        match &job.work {
            Work::Report => report::draw(&self.dir).map(drop),
            Work::ScoreBase | Work::Head(_) if missing.is_empty() => Ok(()),
            Work::ScoreBase => {
                for product in missing {
                    let (title, name) = match product.asked {
                        Asked::Test(_) => (BASE, BASE),
                        Asked::AnswerOnly => ("answers alone", ANSWER_ONLY),
                        Asked::Ranking => ("base on training questions", BASE),
                    };
                    let base = likra_score::Head {
                        name,
                        examples: 0,
                        adapter: None,
                    };
                    self.score(product, title, &base, listener)?;
                }
                Ok(())
            }
            Work::Head(head) => {
                self.train(head, listener)?;
                let dir = self.dir.head(&head.name)?;
                for product in missing {
                    let folder = dir.checkpoint(product.examples);
                    let adapter = Adapter::load(&folder, self.model()?.device())?;
                    let asked = likra_score::Head {
                        name: &head.role,
                        examples: product.examples,
                        adapter: Some(&adapter),
                    };
                    self.score(product, &head.name, &asked, listener)?;
                }
                Ok(())
            }
        }
    }

    fn score(
        &self,
        product: &Product,
        title: &str,
        head: &likra_score::Head,
        listener: &Listener,
    ) -> Result<()> {
        let model = self.model()?;
        self.stamped(&product.stamp, &product.key, || {
            let plan = Plan::new(self.asked(product.asked)?, self.placement.batch_tokens)?;
            let records = score(model, title, head, &plan, listener)?;
            write_rows(&product.path, &records)?;
            Ok(Cost {
                trained: 0,
                scored: plan.tokens(),
            })
        })
    }

    /// Does work, stamps it, and remembers how long it took.
    fn stamped(&self, name: &str, key: &str, work: impl FnOnce() -> Result<Cost>) -> Result<()> {
        let started = Instant::now();
        let cost = work()?;
        self.pace.borrow_mut().add(cost, started.elapsed());
        let stamp = Stamp {
            key: key.into(),
            seconds: started.elapsed().as_secs_f64(),
        };
        Ok(stamp.write(&self.dir.step(name)?)?)
    }

    /// Trains a head to its end, from its newest checkpoint if there is one of the same key.
    fn train(&self, head: &Head, listener: &Listener) -> Result<()> {
        let key = self.training_key(head)?;
        let (dir, name) = (self.dir.head(&head.name)?, format!("train-{}", head.name));
        let there = dir.checkpoints()?;
        let all_there = head.checkpoints.iter().all(|n| there.contains_key(n));
        let stamp = Stamp::read(&self.dir.step(&name)?);
        if all_there && stamp.is_some_and(|stamp| stamp.key == key) {
            return Ok(());
        }
        let set = self.training_set(head)?;
        // Training makes no checkpoint again that is older than the one it goes on from.
        let newest = there.keys().next_back().copied().unwrap_or_default();
        let older = head.checkpoints.iter().filter(|n| **n < newest);
        if older.clone().any(|n| !there.contains_key(n)) {
            remove(dir.path())?;
        }
        self.stamped(&name, &key, || {
            match self.train_on(head, &set, &key, &dir, listener) {
                Err(Error::Train(likra_train::Error::OtherRun { .. })) => {
                    let name = &head.name;
                    let said = format!("{name}: other settings made what is there; trained anew");
                    listener(Event::Said(said));
                    remove(dir.path())?;
                    self.train_on(head, &set, &key, &dir, listener)
                }
                other => other,
            }
        })
    }

    fn train_on(
        &self,
        head: &Head,
        set: &TrainingSet,
        key: &str,
        dir: &HeadDir,
        listener: &Listener,
    ) -> Result<Cost> {
        write_rows(&dir.answers(), &set.answers)?;
        let training = Training {
            title: &format!("train {}", head.name),
            lora: &self.experiment.spec.lora,
            settings: &self.experiment.spec.training,
            seed: head.seed,
            key,
        };
        let trained = training.run(self.model()?, &set.examples, dir, listener)?;
        Ok(Cost { trained, scored: 0 })
    }

    /// What a head learns. Of ranked answers this is known when the base has ranked them.
    pub(crate) fn training_set(&self, head: &Head) -> Result<TrainingSet> {
        let ranking = if head.answers.is_ranked() {
            let records: Vec<ScoreRecord> = read_rows(&self.dir.training_scores())?;
            let per_character = |record: &ScoreRecord| {
                let value = record.log_likelihood / record.chars.max(1) as f64;
                (record.question_id.clone(), value)
            };
            Some(Ranking::new(records.iter().map(per_character)))
        } else {
            None
        };
        let spec = &self.experiment.spec;
        self.inputs.training_set(spec, head, ranking.as_ref())
    }

    fn training_key(&self, head: &Head) -> Result<String> {
        let keys = Keys {
            experiment: &self.experiment,
            inputs: &self.inputs,
            placement: &self.placement,
        };
        keys.training_key(head)
    }
}

/// Keeps other processes out of a run's folder, which is made if need be, for as long as the file is open.
///
/// # Errors
///
/// If another process is at work there, or the folder cannot be made.
pub fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder)?;
    let file = File::create(folder.join(".lock"))?;
    match file.file().try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy {
            path: folder.into(),
        }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Removes what a run leaves in its folder, and nothing else that may be there.
///
/// # Errors
///
/// If a file cannot be removed.
pub fn clear(folder: &Path) -> Result<()> {
    for name in ["heads", "scores", "report", "steps", "embedded"] {
        remove(&folder.join(name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The versions of the libraries that decide numbers, as this program was built with them.
fn versions() -> BTreeMap<String, String> {
    let lock: toml::Table = include_str!("../../../Cargo.lock")
        .parse()
        .unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let version = |name: &str| {
        let text = |package: &toml::Value, key| package.get(key)?.as_str().map(String::from);
        let named = |package: &&toml::Value| text(package, "name").as_deref() == Some(name);
        // Of several the newest, which is ours: older ones are others' dependencies.
        let package = packages?.iter().rfind(named)?;
        Some((name.to_owned(), text(package, "version")?))
    };
    ["burn", "burn-store", "tokenizers", "safetensors"]
        .into_iter()
        .filter_map(version)
        .collect()
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
