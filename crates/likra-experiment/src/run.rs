//! A run: the folder of an experiment, its jobs and what of them is done.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use likra_data::Ranking;
use likra_files::check_room;
use likra_lora::Adapter;
use likra_model::{Config, Model, Placement};
use likra_report::humantime;
use likra_results::{
    ANSWER_ONLY, AnswerRecord, BASE, Manifest, Questions, RunDir, ScoreRecord, Stamp, StepRecord,
    TooLong, read_rows, remove, versions, write_rows,
};
use likra_score::Plan;

use crate::error::{Error, Result};
use crate::event::{Event, Listener};
use crate::experiment::{Experiment, Head};
use crate::inputs::{Asked, Inputs, TrainingSet};
use crate::jobs::{Job, Keys, Product, Work};
use crate::memory::{Memory, copies, parameters};
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
    /// What is asked, and how many texts of it were cut.
    plans: RefCell<BTreeMap<Asked, (Rc<Plan>, usize)>>,
    pub(crate) pace: RefCell<Pace>,
}

impl Run {
    /// Opens the files of an experiment; what the program carries is unpacked into `embedded`.
    ///
    /// # Errors
    ///
    /// If a file or the device is missing or refused.
    pub fn open(spec: Spec, dir: &Path, embedded: &Path, listener: &Listener) -> Result<Self> {
        let placement = spec.device.find_with(spec.dtype, spec.batch_tokens)?;
        let inputs = Inputs::open(&spec, embedded, listener)?;
        let benchmark = &inputs.benchmark;
        let (training, test) = (benchmark.train().len(), benchmark.test().len());
        let mut spec = spec;
        spec.evaluation.shots = benchmark.shot_rule(&spec.evaluation.shots());
        spec.evaluation.questions = Some(test);
        let experiment = Experiment::new(spec, training, test);
        let dir = RunDir::new(dir);
        let keys = Keys {
            experiment: &experiment,
            inputs: &inputs,
            placement: &placement,
            dir: &dir,
        };
        let jobs = keys.jobs()?;
        Ok(Self {
            dir,
            jobs,
            experiment,
            inputs,
            placement,
            model: OnceCell::new(),
            plans: RefCell::default(),
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

    /// What models are asked, laid out in passes when first asked for; the same for all heads.
    pub(crate) fn plan(&self, asked: Asked) -> Result<Rc<Plan>> {
        Ok(self.planned(asked)?.0)
    }

    /// The plan, and how many texts of it were cut.
    fn planned(&self, asked: Asked) -> Result<(Rc<Plan>, usize)> {
        if let Some((plan, cut)) = self.plans.borrow().get(&asked) {
            return Ok((Rc::clone(plan), *cut));
        }
        let found = self.inputs.requests(&self.experiment, asked)?;
        let plan = Rc::new(Plan::new(found.requests, self.placement.batch_tokens)?);
        let planned = (plan, found.truncated);
        self.plans.borrow_mut().insert(asked, planned.clone());
        Ok(planned)
    }

    /// What is longer than the model's positions, and how much memory takes what is left, or with `fresh`
    /// all: found, and refused if need be, before the model is loaded.
    pub(crate) fn survey(&self, fresh: bool) -> Result<(TooLong, usize)> {
        let config = Config::read(&self.inputs.model.join("config.json"))?;
        let mut memory = Memory::new(&config, &self.placement);
        let mut found = TooLong {
            positions: config.max_positions,
            ..TooLong::default()
        };
        let left = |job: &Job| fresh || !job.missing().is_empty();
        let scored = self.jobs.iter().any(left);
        for product in &self.jobs[0].scores {
            let (plan, truncated) = self.planned(product.asked)?;
            found.truncated += truncated;
            if scored {
                memory.score(&plan);
            }
        }
        let spec = &self.experiment.spec;
        for job in &self.jobs {
            // What ranked heads learn is not known before the base's scores are.
            if let Work::Head(head, _) = &job.work
                && !head.answers.is_ranked()
            {
                let set = self.training_set(head)?;
                let copies = copies(&self.dir.head(&head.name), &head.checkpoints)?;
                if left(job) && (fresh || copies > 0) {
                    memory.train(&spec.lora, &set.examples, spec.training.batch_size)?;
                }
                found.skipped.insert(head.name.clone(), set.skipped);
            }
        }
        found.skipped.retain(|_, count| *count > 0);
        // A run that is finished loads no model.
        if scored {
            memory.check()?;
        }
        Ok((found, memory.mebibytes()))
    }

    /// Removes finished work that cannot be read any more, to be done again.
    fn drop_damaged(&self, listener: &Listener) -> Result<()> {
        let drop = |path: &Path, damage: &dyn Display| -> Result<()> {
            listener(Event::Said(format!("{damage}: made again")));
            Ok(remove(path)?)
        };
        for job in &self.jobs {
            for product in job.scores.iter().filter(|product| product.path.exists()) {
                match read_rows::<ScoreRecord>(&product.path) {
                    Err(damage) if damage.is_damage() => drop(&product.path, &damage)?,
                    _ => {}
                }
            }
            let Work::Head(head, _) = &job.work else {
                continue;
            };
            let dir = self.dir.head(&head.name);
            // A file that cannot be read now, for want of a permission, is no reason to train again.
            let damaged =
                |read: Option<likra_results::Error>| read.filter(likra_results::Error::is_damage);
            let (log, answers) = (dir.log(), dir.answers());
            if answers.exists()
                && let Some(damage) = damaged(read_rows::<AnswerRecord>(&answers).err())
            {
                drop(&answers, &damage)?;
            }
            if log.exists()
                && let Some(damage) = damaged(read_rows::<StepRecord>(&log).err())
            {
                drop(dir.path(), &damage)?;
                // Only training writes it.
                for product in &job.scores {
                    remove(&product.path)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses a folder without room for the adapters that are still to be made.
    fn check_room(&self) -> Result<()> {
        let spec = &self.experiment.spec;
        let config = Config::read(&self.inputs.model.join("config.json"))?;
        let mut numbers = 0;
        for job in self.jobs.iter().filter(|job| !job.missing().is_empty()) {
            if let Work::Head(head, _) = &job.work {
                numbers += copies(&self.dir.head(&head.name), &head.checkpoints)?
                    * parameters(&config, &spec.lora)?;
            }
        }
        Ok(check_room(
            &self.dir.manifest(),
            (numbers * size_of::<f32>()) as u64,
        )?)
    }

    /// Removes what a killed run has left half-written, or with `fresh` all that an earlier run has left,
    /// and says what the run is made of. `command` is the command that was given, with names in place of
    /// paths.
    ///
    /// # Errors
    ///
    /// If a text is too long for the model, or a file cannot be written.
    pub fn begin(&self, command: &str, fresh: bool, listener: &Listener) -> Result<()> {
        let manifest = self.manifest(command, fresh)?;
        // Nothing is removed before it is known that the run can be done.
        if fresh {
            self.dir.clear()?;
        }
        self.dir.sweep()?;
        self.drop_damaged(listener)?;
        self.check_room()?;
        for job in &self.jobs {
            // Should this run be killed, scores of other settings are not to be taken for its own.
            for product in job.missing() {
                if product.stamp.exists() {
                    // What cannot be read now, for want of a permission, may be finished work.
                    fs_err::read(&product.stamp)?;
                }
                remove(&product.stamp)?;
                remove(&product.path)?;
            }
        }
        manifest.write(&self.dir.manifest())?;
        for job in &self.jobs {
            if let Work::Head(head, _) = &job.work {
                self.write_missing_answers(job, head)?;
            }
        }
        Ok(())
    }

    /// Says what the run is made of, by name and hash, and not where it lay.
    fn manifest(&self, command: &str, fresh: bool) -> Result<Manifest> {
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
            hub: self.inputs.hub.clone(),
            too_long: Some(self.survey(fresh)?.0),
        })
    }

    /// Says what a head has learned that need not be trained, where nothing says so.
    fn write_missing_answers(&self, job: &Job, head: &Head) -> Result<()> {
        let path = self.dir.head(&head.name).answers();
        let known = !head.answers.is_ranked() || self.dir.training_scores().exists();
        if known && !path.exists() && job.missing().is_empty() {
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
            let done = all - count;
            listener(Event::Said(format!("{done} of {all} jobs are done")));
        }
        for (place, (job, _)) in left.iter().enumerate() {
            self.run(job, listener)?;
            let (done, rest) = (place + 1, left[place + 1..].iter());
            let time = self.pace.borrow().time(rest.map(|(_, cost)| *cost));
            if let Some(time) = time.filter(|_| done < count) {
                let said = format!("{done} of {count} jobs, about {} left", humantime(time));
                listener(Event::Said(said));
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
        let missing = job.missing();
        match &job.work {
            Work::Report => drop(report::draw(&self.dir)?),
            Work::Head(head, key) if !missing.is_empty() => {
                self.train(head, key, listener)?;
                let (dir, device) = (self.dir.head(&head.name), self.model()?.device());
                for product in missing {
                    let place = dir.checkpoint(product.examples);
                    let adapter = match Adapter::load(&place, device) {
                        Err(damage) if damage.is_damage() => {
                            listener(Event::Said(format!("{damage}: trained anew")));
                            remove(dir.path())?;
                            self.train(head, key, listener)?;
                            Adapter::load(&place, device)
                        }
                        other => other,
                    }?;
                    self.score(product, &head.name, &head.role, Some(&adapter), listener)?;
                }
            }
            Work::Head(..) => {}
            Work::ScoreBase => {
                for product in missing {
                    let (title, name) = match product.asked {
                        Asked::Test(_) => (BASE, BASE),
                        Asked::AnswerOnly => ("answers alone", ANSWER_ONLY),
                        Asked::Ranking => ("base on training questions", BASE),
                    };
                    self.score(product, title, name, None, listener)?;
                }
            }
        }
        Ok(())
    }

    fn score(
        &self,
        product: &Product,
        title: &str,
        name: &str,
        adapter: Option<&Adapter>,
        listener: &Listener,
    ) -> Result<()> {
        let (model, plan) = (self.model()?, self.plan(product.asked)?);
        let head = likra_score::Head {
            name,
            examples: product.examples,
            adapter,
        };
        self.stamped(&product.stamp, &product.key, || {
            let records = score(model, title, &head, &plan, listener)?;
            write_rows(&product.path, &records)?;
            Ok([0, plan.tokens()])
        })
    }

    /// Does work, stamps it, and remembers how long it took.
    fn stamped(&self, stamp: &Path, key: &str, work: impl FnOnce() -> Result<Cost>) -> Result<()> {
        let started = Instant::now();
        let cost = work()?;
        self.pace.borrow_mut().add(cost, started.elapsed());
        let done = Stamp {
            key: key.into(),
            seconds: started.elapsed().as_secs_f64(),
        };
        Ok(done.write(stamp)?)
    }

    /// Trains a head to its end, from its newest checkpoint if there is one of the same key.
    fn train(&self, head: &Head, key: &str, listener: &Listener) -> Result<()> {
        let stamp = self.dir.step(&format!("train-{}", head.name));
        let dir = self.dir.head(&head.name);
        let there = dir.checkpoints()?;
        let done = Stamp::read(&stamp).is_some_and(|stamp| stamp.key == key);
        let mut checkpoints = head.checkpoints.iter();
        let absent = checkpoints.find(|examples| !there.contains_key(examples));
        if done && absent.is_none() {
            return Ok(());
        }
        // Should this be killed, the stamp must not speak for the checkpoints of other settings.
        remove(&stamp)?;
        // Training makes no checkpoint again that is older than the one it goes on from.
        let newest = there.keys().next_back();
        if let Some((absent, newest)) = absent.zip(newest)
            && absent < newest
        {
            let name = &head.name;
            let said = format!(
                "{name}: its checkpoint after {absent} examples is gone, and the one after {newest} does not lead back; trained anew"
            );
            listener(Event::Said(said));
            remove(dir.path())?;
        }
        let (set, spec) = (self.training_set(head)?, &self.experiment.spec);
        let training = Training {
            title: &format!("train {}", head.name),
            base: &self.inputs.base,
            lora: &spec.lora,
            settings: &spec.training,
            seed: head.seed,
            key,
        };
        let train = || -> Result<usize> {
            write_rows(&dir.answers(), &set.answers)?;
            training.run(self.model()?, &set.examples, &dir, listener)
        };
        self.stamped(&stamp, key, || {
            let trained = match train() {
                Err(Error::Train(likra_train::Error::OtherRun { .. })) => {
                    let name = &head.name;
                    let said = format!("{name}: other settings made what is there; trained anew");
                    listener(Event::Said(said));
                    remove(dir.path())?;
                    train()
                }
                Err(Error::Train(damage)) if damage.is_damage() => {
                    listener(Event::Said(format!("{damage}: trained anew")));
                    remove(dir.path())?;
                    train()
                }
                other => other,
            }?;
            Ok([trained, 0])
        })
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
}
