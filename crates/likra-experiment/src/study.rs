//! A study: the same experiment on several models, tasks and seeds, each a run in a folder of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use likra_analysis::Estimate;
use likra_files::{parse_json, read, write_atomically};
use likra_report::{ComparisonRow, write_comparison};
use likra_results::{Claim, RunDir};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::plan::drawn;
use crate::source::{file_name, read_text};
use crate::{Assignment, JobState, Listener, RunPlan, Spec};

/// A study as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StudyFile {
    title: String,
    /// Keys of an experiment, each with the values that it takes in turn. `experiment` is the one that is changed.
    matrix: BTreeMap<String, Vec<Value>>,
    /// Keys that all runs share.
    #[serde(default)]
    set: Table,
    /// Where the rows of a task are.
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl StudyFile {
    /// The experiment with these values of the matrix, and with keys of the command line above them.
    fn spec(&self, values: &[(&str, &Value)], assignments: &[Assignment]) -> Result<Spec> {
        let assignment = |(key, value): (&str, &Value)| Assignment {
            key: key.into(),
            value: value.clone(),
        };
        let shared = self.set.iter().map(|(key, value)| (key.as_str(), value));
        let keys = shared.chain(values.iter().copied());
        let keys = keys.filter(|(key, _)| *key != "experiment");
        let mut set: Vec<Assignment> = keys.map(assignment).collect();
        set.extend_from_slice(assignments);
        let own = values.iter().find(|(key, _)| *key == "experiment");
        let experiment = own.map(|(_, value)| *value).or(self.set.get("experiment"));
        let experiment = experiment.map_or(Some("general"), |value| value.as_str());
        let expected = "experiment: expected names or paths";
        let mut spec = Spec::open(experiment.context(expected)?, &set)?;
        let data = self.data.get(&spec.task);
        if let Some(data) = data.filter(|_| assignments.iter().all(|given| given.key != "data")) {
            spec.data = Some(data.clone());
        }
        Ok(spec)
    }

    /// Refuses a matrix without runs.
    fn check(&self) -> Result<()> {
        ensure!(
            !self.matrix.is_empty(),
            "matrix: expected a key with values"
        );
        for (key, values) in &self.matrix {
            ensure!(
                !values.is_empty(),
                "matrix.{key}: expected at least one value"
            );
        }
        Ok(())
    }
}

/// The runs of a study, in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// One line for people.
    pub title: String,
    runs: Vec<StudyRun>,
}

/// A run: the name of its folder, and what tells it from others, by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StudyRun {
    name: String,
    axes: Vec<(String, String)>,
}

/// The key that is no axis of the comparison: what differs by it is averaged.
const SEED: &str = "seed";

impl Study {
    /// Whether the file at `path` is a study's, and not an experiment's.
    pub fn is_one(path: &str) -> bool {
        let table = fs_err::read_to_string(path).ok();
        let table = table.and_then(|text| text.parse::<Table>().ok());
        table.is_some_and(|table| table.contains_key("matrix"))
    }

    /// Plans every run of the study in the file at `path`, with keys of the command line above its own.
    ///
    /// # Errors
    ///
    /// If the file is none, two runs have one name, or for what [`RunPlan::open`] refuses.
    pub fn open(
        path: &str,
        assignments: &[Assignment],
        dir: &RunDir,
        listener: &Listener,
    ) -> Result<Self> {
        let text = read_text(path.as_ref())?;
        let file: StudyFile = toml::from_str(&text).with_context(|| path.to_owned())?;
        file.check().with_context(|| path.to_owned())?;
        for given in assignments {
            let mut axes = file.matrix.keys();
            if let Some(axis) = axes.find(|axis| given.touches(axis)) {
                let (key, value) = (&given.key, &given.value);
                bail!(
                    "--set {key}={value}: the matrix of {path} has {axis}, by which runs are named; change it there"
                );
            }
        }
        let (mut names, mut tasks, mut runs) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let command = format!("likra reproduce {}", file_name(path));
        for values in product(&file.matrix) {
            let run = StudyRun::new(&values);
            let name = &run.name;
            let is_new = names.insert(name.clone());
            ensure!(is_new, "{path}: matrix: two runs are called {name}");
            ensure!(
                !name.starts_with('.') && !["report", "claims", "study.json"].contains(&&**name),
                "{path}: matrix: a run would be called `{name}`, which means something else in the study's folder"
            );
            let spec = file.spec(&values, assignments).context(name.clone())?;
            tasks.insert(spec.task.clone());
            runs.push((run, spec));
        }
        for task in file.data.keys() {
            ensure!(
                tasks.contains(task),
                "{path}: data: no run has the task `{task}`; the tasks are {tasks:?}"
            );
        }
        for (run, spec) in &runs {
            let plan = RunPlan::open(spec.clone(), &command, &run.dir(dir), listener);
            plan.context(run.name.clone())?;
        }
        let runs = runs.into_iter().map(|(run, _)| run).collect();
        let study = Self {
            title: file.title,
            runs,
        };
        let text = serde_json::to_string_pretty(&study)?;
        write_atomically(&dir.study(), |to| to.write_all(text.as_bytes()))?;
        Ok(study)
    }

    /// The study that is planned in a folder, if one is.
    ///
    /// # Errors
    ///
    /// If its file is damaged.
    pub fn read(dir: &RunDir) -> Result<Option<Self>> {
        let path = dir.study();
        let text = path.exists().then(|| read(&path)).transpose()?;
        let study = text.map(|text| parse_json(&text)).transpose();
        study.with_context(|| path.display().to_string())
    }

    /// The jobs of all runs, `RUN/JOB`, and the comparison's.
    ///
    /// # Errors
    ///
    /// If a run has no plan.
    pub fn jobs(&self, dir: &RunDir) -> Result<Vec<JobState>> {
        let (mut all, mut reports) = (Vec::new(), Vec::new());
        for run in &self.runs {
            let of_run = |name: String| format!("{}/{name}", run.name);
            let jobs = RunPlan::read(&run.dir(dir))?.jobs(&run.dir(dir));
            all.extend(jobs.into_iter().map(|job| JobState {
                name: of_run(job.name),
                needs: job.needs.into_iter().map(of_run).collect(),
                ..job
            }));
            // It needs all else of its run.
            reports.extend(all.last().cloned());
        }
        let last = self.runs.iter().map(|run| drawn(&run.dir(dir))).max();
        all.push(JobState::report(&reports, Some(drawn(dir)) >= last));
        Ok(all)
    }

    /// Does one job of a run, or draws the comparison; returns whether there was something to do.
    ///
    /// # Errors
    ///
    /// As [`RunPlan::step`].
    pub fn step(&self, name: &str, dir: &RunDir, listener: &Listener) -> Result<bool> {
        let jobs = self.jobs(dir)?;
        if !JobState::is_left(&jobs, name)? {
            return Ok(false);
        }
        let Some((run, job)) = name.split_once('/') else {
            let _claim = Claim::take(dir.claim(name))?;
            return self.draw(dir).map(|_| true);
        };
        let dir = RunDir::new(dir.path().join(run));
        RunPlan::read(&dir)?.step(job, &dir, listener)
    }

    /// Draws the comparison of the runs that have a report, and says where it lies.
    ///
    /// # Errors
    ///
    /// If a report cannot be read, or a file not be written.
    pub fn draw(&self, dir: &RunDir) -> Result<String> {
        let (mut rows, mut missing) = (Vec::<ComparisonRow>::new(), 0);
        for run in &self.runs {
            // A run without heads has no rivals.
            let report = run.dir(dir).report();
            let tables = ["rivals.csv", "table1.csv"].map(|name| report.join(name));
            let Some(table) = tables.iter().find(|table| table.exists()) else {
                missing += 1;
                continue;
            };
            let mut axes = run.axes.clone();
            axes.retain(|(key, _)| key != SEED);
            for found in last_rows(table)? {
                let same = rows.iter_mut().find(|row| {
                    row.axes == axes && row.method == found.method && row.examples == found.examples
                });
                match same {
                    Some(row) => row.seeds.extend(found.seeds),
                    None => rows.push(ComparisonRow {
                        axes: axes.clone(),
                        ..found
                    }),
                }
            }
        }
        rows.sort_by(|a, b| a.axes.cmp(&b.axes));
        write_comparison(&dir.report(), &self.title, &rows, missing)?;
        let (title, all, page) = (&self.title, self.runs.len(), dir.report());
        let (runs, page) = (all - missing, page.join("index.html"));
        let page = page.display();
        Ok(format!("{title}: {runs} of {all} runs, compared in {page}"))
    }
}

impl StudyRun {
    fn new(values: &[(&str, &Value)]) -> Self {
        let text = |value: &Value| match value.as_str() {
            Some(text) => {
                let name = file_name(text);
                let name = name.strip_suffix(".toml").unwrap_or(&name);
                name.strip_suffix(".yaml").unwrap_or(name).to_owned()
            }
            None => value.to_string(),
        };
        let axes = values.iter();
        let axes = axes.map(|(key, value)| ((*key).to_owned(), text(value)));
        let axes: Vec<_> = axes.collect();
        let part = |(key, text): &(String, String)| match key.as_str() {
            "experiment" | "model" | "task" => text.clone(),
            key => format!("{}{text}", key.rsplit('.').next().unwrap_or(key)),
        };
        let name = axes.iter().map(part).collect::<Vec<_>>().join("-");
        let is_special = |c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c);
        let name = name.replace(is_special, "-");
        Self { name, axes }
    }

    fn dir(&self, study: &RunDir) -> RunDir {
        RunDir::new(study.path().join(&self.name))
    }
}

/// Each combination of the values, in the order of keys: the experiment and the model before what is finer.
fn product(matrix: &BTreeMap<String, Vec<Value>>) -> Vec<Vec<(&str, &Value)>> {
    let mut keys: Vec<&String> = matrix.keys().collect();
    let first = ["experiment", "model", "task"];
    keys.sort_by_key(|key| {
        let place = first.iter().position(|first| first == key);
        (place.unwrap_or(first.len()), *key == SEED)
    });
    keys.into_iter().fold(vec![Vec::new()], |all, key| {
        let longer = |one: Vec<_>| {
            let values = matrix[key].iter();
            values.map(move |value| [&one[..], &[(key.as_str(), value)]].concat())
        };
        all.into_iter().flat_map(longer).collect()
    })
}

/// A line of a run's table `rivals`.
#[derive(Debug, Deserialize)]
struct Line {
    method: String,
    examples: usize,
    acc_norm: f64,
    acc_norm_low: f64,
    acc_norm_high: f64,
    questions: usize,
}

/// What each method has come to after its last examples.
fn last_rows(table: &Path) -> Result<Vec<ComparisonRow>> {
    let text = fs_err::read(table)?;
    let lines = csv::Reader::from_reader(&*text).into_deserialize();
    let lines = lines.collect::<csv::Result<Vec<Line>>>();
    let lines = lines.with_context(|| table.display().to_string())?;
    let mut last: Vec<Line> = Vec::new();
    for line in lines {
        match last.iter_mut().find(|known| known.method == line.method) {
            Some(known) if known.examples >= line.examples => {}
            Some(known) => *known = line,
            None => last.push(line),
        }
    }
    let row = |line: Line| ComparisonRow {
        axes: Vec::new(),
        method: line.method,
        examples: line.examples,
        seeds: vec![Estimate {
            value: line.acc_norm,
            low: line.acc_norm_low,
            high: line.acc_norm_high,
        }],
        questions: line.questions,
    };
    Ok(last.into_iter().map(row).collect())
}
