//! A run: the folder of an experiment, its jobs and what of them is done.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use chrono::Local;
use likra_data::{Ranking, Source};
use likra_files::{check_room, sweep};
use likra_lora::Adapter;
use likra_report::humantime;
use likra_results::{
    ANSWER_ONLY, AnswerRecord, BASE, Claim, Input, Manifest, P_TRUE, Questions, REPORT, Row,
    RunDir, ScoreRecord, Stamp, StepRecord, TooLong, read_rows, remove, versions, write_rows,
};
use likra_score::Plan;
use likra_train::Example;

use crate::jobs::jobs;
use crate::pace::{Cost, Pace};
use crate::source::file_name;
use crate::{
    Asked, Event, Experiment, Finder, Head, Inputs, Job, Listener, Planned, Spec, TrainingSet,
    peak_memory, score, train,
};

/// The day on which the run in a folder has begun, if it has: else today.
fn begun(dir: &RunDir) -> String {
    let known = Manifest::read(&dir.manifest()).ok();
    let known = known.and_then(|known| {
        let day = known.experiment.get("evaluation")?.get("today")?;
        day.as_str().map(String::from)
    });
    known.unwrap_or_else(|| Local::now().date_naive().to_string())
}

/// A run in progress: the folder, the experiment with its files, and its jobs.
pub struct Run<'a> {
    /// The folder.
    pub dir: RunDir,
    /// The experiment and its files.
    pub inputs: Inputs,
    /// The jobs in the order of work.
    pub jobs: Vec<Job>,
    /// Every file that decides a number, with its hash.
    files: Vec<Input>,
    listener: &'a Listener<'a>,
    /// What models are asked; the same for all heads.
    plans: BTreeMap<Asked, Planned>,
    pub(crate) pace: RefCell<Pace>,
}

impl<'a> Run<'a> {
    /// Opens the files of an experiment; what the program carries is unpacked into `unpack`, or into the run's folder.
    ///
    /// # Errors
    ///
    /// If a file or the device is missing or refused.
    pub fn open(
        mut spec: Spec,
        dir: &Path,
        unpack: Option<&Path>,
        listener: &'a Listener<'a>,
    ) -> Result<Self> {
        if spec.evaluation.chat_template && spec.evaluation.today.is_none() {
            spec.evaluation.today = Some(begun(&RunDir::new(dir)));
        }
        let mut needs = spec.needs();
        needs.train = true;
        let own = dir.join("embedded");
        let finder = Finder::new(Some(unpack.unwrap_or(&own)), listener);
        let mut inputs = Inputs::open(spec, Source::default(), &needs, finder)?;
        let benchmark = &inputs.benchmark;
        let (training, test) = (benchmark.train().len(), benchmark.test().len());
        let mut spec = inputs.experiment.spec;
        spec.evaluation.shots = benchmark.shot_rule(&spec.evaluation.shots());
        inputs.experiment = Experiment::new(spec, training, test);
        let ((files, hashes), dir) = (inputs.hash()?, RunDir::new(dir));
        let jobs = jobs(&inputs, &hashes, &dir)?;
        let scores = jobs.iter().flat_map(|job| &job.scores);
        let asked: BTreeSet<Asked> = scores.map(|product| product.asked).collect();
        let plans = asked.into_iter();
        let plans = plans.map(|asked| Ok((asked, inputs.plan(asked)?)));
        let plans = plans.collect::<Result<_>>()?;
        Ok(Self {
            dir,
            inputs,
            jobs,
            files,
            listener,
            plans,
            pace: RefCell::default(),
        })
    }

    /// What models are asked, laid out in passes.
    pub(crate) fn plan(&self, asked: Asked) -> &Plan {
        &self.plans[&asked].0
    }

    /// What is longer than the model's positions, and how many bytes of memory takes what is left, or with `fresh`
    /// all: found before the model is loaded.
    pub(crate) fn survey(&self, fresh: bool) -> Result<(TooLong, usize)> {
        let base = &self.inputs.base;
        let left = |job: &Job| fresh || !job.missing().is_empty();
        let asked = self.jobs[0].scores.iter();
        let mut too_long = TooLong {
            positions: base.config.max_positions,
            truncated: asked.map(|product| self.plans[&product.asked].1).sum(),
            skipped: BTreeMap::new(),
        };
        let mut bytes = self.scoring_bytes(&self.jobs[0]);
        // What ranked heads learn is not known before the base's scores are.
        let heads = self.heads();
        for (job, head) in heads.filter(|(_, head)| !head.answers.is_ranked()) {
            let set = self.training_set(head)?;
            if left(job) && (fresh || self.room(head)? > 0) {
                bytes = bytes.max(base.training_bytes(head, &set.examples)?);
            }
            if set.skipped > 0 {
                too_long.skipped.insert(head.name.clone(), set.skipped);
            }
        }
        // A run that is finished loads no model.
        let any = self.jobs.iter().any(left);
        Ok((too_long, if any { bytes } else { 0 }))
    }

    /// The bytes of memory that the scoring of a job takes.
    pub(crate) fn scoring_bytes(&self, job: &Job) -> usize {
        let plans = job.scores.iter().map(|product| self.plan(product.asked));
        let bytes = plans.map(|plan| self.inputs.base.scoring_bytes(plan));
        bytes.max().unwrap_or_default()
    }

    /// The jobs that train a head, each with the head.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (&Job, &Head)> {
        let jobs = self.jobs.iter();
        jobs.filter_map(|job| Some((job, &job.head.as_ref()?.0)))
    }

    /// The bytes of the adapters of a head that are still to be made.
    pub(crate) fn room(&self, head: &Head) -> Result<u64> {
        let base = &self.inputs.base;
        base.room(head, &self.dir.head(&head.name))
    }

    fn say(&self, line: String) {
        (self.listener)(Event::Said(line));
    }

    /// Refuses to train a head on fewer examples than the same head has seen in this folder.
    fn check_shorter(&self, job: &Job) -> Result<()> {
        let Some((head, key)) = &job.head else {
            return Ok(());
        };
        let (dir, name, examples) = (self.dir.head(&head.name), &head.name, head.examples);
        let there = dir.checkpoints()?;
        let newest = there.keys().next_back().copied().unwrap_or_default();
        let same = Stamp::read(&self.dir.trained(name)).is_some_and(|stamp| stamp.key == *key);
        let is_there = there.contains_key(&examples) || job.missing().is_empty();
        ensure!(
            !same || is_there || newest <= examples,
            "{}: {name} has seen {newest} examples there, and is to see {examples}; name another folder with --out, or \
             begin anew with --fresh",
            dir.path().display()
        );
        Ok(())
    }

    /// Removes what killed processes have left half-written of a job, finished work that cannot be read any more, and
    /// what was made of other inputs or settings. What belongs to other jobs stays.
    pub(crate) fn prepare(&self, job: &Job) -> Result<()> {
        for product in &job.scores {
            sweep(&product.path)?;
            sweep(&product.stamp)?;
            self.drop_if_damaged::<ScoreRecord>(&product.path, &product.path)?;
        }
        if let Some((head, _)) = &job.head {
            let dir = self.dir.head(&head.name);
            sweep(dir.path())?;
            sweep(&self.dir.trained(&head.name))?;
            self.drop_if_damaged::<AnswerRecord>(&dir.answers(), &dir.answers())?;
            let damaged = self.drop_if_damaged::<StepRecord>(&dir.log(), dir.path())?;
            // Only training writes it.
            for product in job.scores.iter().filter(|_| damaged) {
                remove(&product.path)?;
            }
        }
        // Should this be killed, scores of other settings are not to be taken for its own.
        for product in job.missing() {
            if product.stamp.exists() {
                // What cannot be read now, for want of a permission, may be finished work.
                fs_err::read(&product.stamp)?;
            }
            remove(&product.stamp)?;
            remove(&product.path)?;
        }
        Ok(())
    }

    /// Removes what belongs to a table if the table is damaged; returns whether it was. One that cannot be
    /// read now, for want of a permission, is no reason to do work again.
    fn drop_if_damaged<R: Row>(&self, table: &Path, all: &Path) -> Result<bool> {
        match read_rows::<R>(table) {
            Err(damage) if table.exists() && damage.is_damage() => {
                self.say(format!("{damage}: made again"));
                remove(all)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Claims all jobs, removes what is of no use to them, or with `fresh` all that an earlier run has left, and says
    /// what the run is made of. `command` is the command that was given, with names in place of paths.
    ///
    /// # Errors
    ///
    /// If a text is too long for the model, there is too little memory or room, another process does one of the jobs,
    /// or a file cannot be written.
    pub fn begin(&self, command: &str, fresh: bool) -> Result<Vec<Claim>> {
        let base = &self.inputs.base;
        base.device()?;
        let (too_long, bytes) = self.survey(fresh)?;
        base.check_memory(bytes)?;
        let manifest = self.manifest(command, too_long)?;
        let names = self.jobs.iter().map(|job| &*job.name).chain([REPORT]);
        let claims = names.map(|name| Claim::take(self.dir.claim(name)));
        let claims = claims.collect::<likra_results::Result<_>>()?;
        // Nothing is removed before it is known that the run can be done.
        match fresh {
            true => self.dir.clear()?,
            false => self.check_keys(false)?,
        }
        self.jobs
            .iter()
            .try_for_each(|job| self.check_shorter(job))?;
        let left = self.heads().filter(|(job, _)| !job.missing().is_empty());
        let bytes = left.map(|(_, head)| self.room(head)).sum::<Result<_>>()?;
        check_room(&self.dir.manifest(), bytes)?;
        for job in &self.jobs {
            self.prepare(job)?;
        }
        sweep(&self.dir.report())?;
        sweep(&self.dir.manifest())?;
        manifest.write(&self.dir.manifest())?;
        // Says what a head has learned that need not be trained, where nothing says so.
        for (job, head) in self.heads() {
            let path = self.dir.head(&head.name).answers();
            let known = !head.answers.is_ranked() || self.dir.training_scores().exists();
            if known && !path.exists() && job.missing().is_empty() {
                write_rows(&path, &self.training_set(head)?.answers)?;
            }
        }
        Ok(claims)
    }

    /// Says what the run is made of, by name and hash, and not where it lay.
    pub(crate) fn manifest(&self, command: &str, too_long: TooLong) -> Result<Manifest> {
        let (base, benchmark) = (&self.inputs.base, &self.inputs.benchmark);
        let mut spec = self.inputs.experiment.spec.clone();
        for path in spec.paths().into_iter().flatten() {
            *path = file_name(path);
        }
        let parameters = self.heads().map(|(_, head)| {
            let parameters = base.parameters(&head.lora)?;
            let targets = serde_json::to_string(&head.lora.target_modules)?;
            ensure!(
                parameters > 0,
                "lora.target-modules: no linear layer of this model is in {targets}"
            );
            Ok((head.name.clone(), parameters))
        });
        Ok(Manifest {
            likra: env!("CARGO_PKG_VERSION").into(),
            device: base.placement.name.to_string(),
            command: command.into(),
            questions: Questions {
                training: benchmark.train().len(),
                test: benchmark.test().len(),
            },
            experiment: toml::Table::try_from(&spec)?,
            versions: versions(),
            adapter_parameters: parameters.collect::<Result<_>>()?,
            inputs: self.files.clone(),
            hub: self.inputs.hub.clone(),
            too_long: Some(too_long),
        })
    }

    /// Does all that is left, and says how long the rest takes.
    ///
    /// # Errors
    ///
    /// If a job fails.
    pub fn run_all(&self) -> Result<()> {
        let left = self.left()?;
        let (all, count) = (self.jobs.len(), left.len());
        if count < all {
            self.say(format!("{} of {all} jobs are done", all - count));
        }
        for (done, now) in (1..).zip(&left) {
            self.run(now.job)?;
            let rest = left[done..].iter().map(|left| left.cost);
            let time = self.pace.borrow().time(rest);
            if let Some(time) = time.filter(|_| done < count) {
                let left = humantime(time);
                self.say(format!("{done} of {count} jobs, about {left} left"));
            }
        }
        Ok(())
    }

    /// Does one job, which this process has claimed.
    pub(crate) fn step(&self, job: &Job) -> Result<()> {
        let base = &self.inputs.base;
        base.device()?;
        self.check_shorter(job)?;
        self.prepare(job)?;
        let mut bytes = self.scoring_bytes(job);
        if let Some((head, _)) = &job.head {
            let examples = self.training_set(head)?.examples;
            bytes = bytes.max(base.training_bytes(head, &examples)?);
            check_room(&self.dir.head(&head.name).log(), self.room(head)?)?;
        }
        base.check_memory(bytes)?;
        self.run(job)
    }

    /// Does what is left of a job.
    ///
    /// # Errors
    ///
    /// If a model or a file is refused, or training leaves the range of numbers.
    pub fn run(&self, job: &Job) -> Result<()> {
        let missing = job.missing();
        if let Some((head, key)) = job.head.as_ref().filter(|_| !missing.is_empty()) {
            self.train(head, key)?;
        }
        for product in missing {
            let (mut adapter, plan) = (None, self.plan(product.asked));
            if let Some((head, key)) = &job.head {
                adapter = Some(self.adapter(head, key, product.examples)?);
            }
            let (title, name) = match (&job.head, product.asked) {
                (Some((head, _)), _) => (&*head.name, &*head.role),
                (None, Asked::Test(_)) => (BASE, BASE),
                (None, Asked::Aside) => ("base on questions set aside", BASE),
                (None, Asked::AnswerOnly) => ("answers alone", ANSWER_ONLY),
                (None, Asked::PTrue) => ("whether answers are true", P_TRUE),
                (None, Asked::Ranking) => ("base on training questions", BASE),
            };
            let head = likra_score::Head {
                name,
                examples: product.examples,
                adapter: adapter.as_ref(),
                greedy: false,
            };
            let model = self.inputs.base.model()?;
            self.stamped(&product.stamp, &product.key, None, || {
                let records = score(model, title, &head, plan, self.listener)?;
                write_rows(&product.path, &records)?;
                Ok([0, plan.tokens()])
            })?;
        }
        Ok(())
    }

    /// A head's adapter after so many examples, trained anew if it is damaged.
    fn adapter(&self, head: &Head, key: &str, examples: usize) -> Result<Adapter> {
        let dir = self.dir.head(&head.name);
        let device = self.inputs.base.model()?.device();
        let load = || Adapter::load(&dir.checkpoint(examples), device);
        match load() {
            Err(damage) if damage.is_damage() => self.say(format!("{damage}: trained anew")),
            other => return Ok(other?),
        }
        remove(dir.path())?;
        self.train(head, key)?;
        Ok(load()?)
    }

    /// Does work, stamps it, and remembers how long it took.
    fn stamped(
        &self,
        stamp: &Path,
        key: &str,
        answer_tokens: Option<usize>,
        work: impl FnOnce() -> Result<Cost>,
    ) -> Result<()> {
        let started = Instant::now();
        let (cost, took) = (work()?, started.elapsed());
        self.pace.borrow_mut().add(cost, took);
        let done = Stamp {
            key: key.into(),
            seconds: took.as_secs_f64(),
            hardware: self.inputs.base.placement.hardware(),
            answer_tokens,
            memory_mib: peak_memory(),
        };
        Ok(done.write(stamp)?)
    }

    /// Trains a head to its end, from its newest checkpoint if there is one of the same key.
    fn train(&self, head: &Head, key: &str) -> Result<()> {
        let name = &head.name;
        let (stamp, dir) = (self.dir.trained(name), self.dir.head(name));
        let there = dir.checkpoints()?;
        let done = Stamp::read(&stamp).is_some_and(|stamp| stamp.key == key);
        let mut wanted = head.checkpoints.iter();
        let absent = wanted.find(|examples| !there.contains_key(examples));
        if done && absent.is_none() {
            return Ok(());
        }
        // Should this be killed, the stamp must not speak for the checkpoints of other settings.
        remove(&stamp)?;
        let anew = |said: String| {
            self.say(said);
            remove(dir.path())
        };
        // Training makes no checkpoint again that is older than the one it goes on from.
        if let Some((absent, newest)) = absent.zip(there.keys().next_back())
            && absent < newest
        {
            anew(format!(
                "{name}: its checkpoint after {absent} examples is gone, and the one after {newest} does not lead back; trained anew"
            ))?;
        }
        let set = self.training_set(head)?;
        let train = || {
            write_rows(&dir.answers(), &set.answers)?;
            let examples = &set.examples;
            let base = &self.inputs.base;
            train(base, head, key, examples, &dir, self.listener)
        };
        let positions = self.inputs.base.config.max_positions;
        let learned = set.examples.iter().filter(|one| one.fits(positions));
        let answer_tokens = learned.map(Example::answer_tokens).sum();
        self.stamped(&stamp, key, Some(answer_tokens), || {
            let trained = train().or_else(|error| {
                anew(match error.downcast_ref::<likra_train::Error>() {
                    Some(likra_train::Error::OtherRun { .. }) => {
                        format!("{name}: other settings made what is there; trained anew")
                    }
                    Some(damage) if damage.is_damage() => format!("{damage}: trained anew"),
                    _ => return Err(error),
                })?;
                train()
            })?;
            Ok([trained, 0])
        })
    }

    /// What a head learns. Of ranked answers this is known when the base has ranked them.
    pub(crate) fn training_set(&self, head: &Head) -> Result<TrainingSet> {
        if !head.answers.is_ranked() {
            return self.inputs.training_set(head, None);
        }
        let records: Vec<ScoreRecord> = read_rows(&self.dir.training_scores())?;
        let per_character = |record: ScoreRecord| {
            let value = record.log_likelihood / record.chars.max(1) as f64;
            (record.question_id, value)
        };
        let ranking = Ranking::new(records.into_iter().map(per_character));
        self.inputs.training_set(head, Some(&ranking))
    }
}
