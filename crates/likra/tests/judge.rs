//! From a file of feedback to a judge, and its answers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use likra_judge::Judgement;
use serde_json::{Value, json};

use common::{fail, files, fixture, likra, text};

/// Questions of the small benchmark: prompt, right answer, wrong answers.
fn questions(file: &str) -> Vec<(String, String, Vec<String>)> {
    let rows = fs::read_to_string(fixture("tiny").join(file)).unwrap();
    let question = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let answers = row["question"]["choices"].as_array().unwrap();
        let (right, wrong): (Vec<&Value>, Vec<&Value>) = answers
            .iter()
            .partition(|choice| choice["label"] == row["answerKey"]);
        let answer = |choice: &&Value| choice["text"].as_str().unwrap().to_owned();
        let prompt = format!(
            "Question: {}\nAnswer:",
            row["question"]["stem"].as_str().unwrap()
        );
        (
            prompt,
            answer(&right[0]),
            wrong.iter().map(answer).collect(),
        )
    };
    rows.lines().map(question).collect()
}

fn write_lines(path: &Path, lines: impl Iterator<Item = Value>) {
    let lines: Vec<String> = lines.map(|line| line.to_string() + "\n").collect();
    fs::write(path, lines.concat()).unwrap();
}

/// Feedback of so many prompts, and questions with labels.
fn inputs(dir: &Path, prompts: usize) {
    let feedback = questions("train.jsonl").into_iter().take(prompts);
    let rows = feedback.map(
        |(prompt, right, wrong)| json!({"prompt": prompt, "chosen": right, "rejected": wrong[0]}),
    );
    write_lines(&dir.join("feedback.jsonl"), rows);
    let rows = questions("test.jsonl")
        .into_iter()
        .take(60)
        .map(|(prompt, right, wrong)| {
            let answers = [vec![right], wrong].concat();
            json!({"prompt": prompt, "answers": answers, "label": 0})
        });
    write_lines(&dir.join("questions.jsonl"), rows);
}

fn train(dir: &Path, more: &[&str]) -> Command {
    let words = [
        "train",
        "--model",
        &text(&fixture("tiny")),
        "--device",
        "cpu",
        "--learning-rate",
        "0.01",
    ];
    let (feedback, out) = (text(&dir.join("feedback.jsonl")), text(&dir.join("judge")));
    let files = ["--feedback", &feedback, "--out", &out];
    likra(&[&words[..], &files, more].concat())
}

fn judge(dir: &Path, file: &str) -> Command {
    likra(&[
        "judge",
        "--heads",
        &text(&dir.join("judge")),
        "--device",
        "cpu",
        file,
    ])
}

fn judgements(output: &[u8]) -> Vec<Judgement> {
    let lines = std::str::from_utf8(output).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn feedback_becomes_a_judge() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    inputs(dir, 200);
    let trained = train(dir, &[]).output().unwrap();
    let said = String::from_utf8(trained.stderr).unwrap();
    assert!(trained.status.success(), "{said}");
    assert!(
        said.contains("Learned 160 good and 160 bad answers; held out 40 prompts"),
        "{said}"
    );
    let first = files(&dir.join("judge"));
    for file in [
        "likra.toml",
        "positive/adapter_config.json",
        "negative/adapter_model.safetensors",
    ] {
        assert!(first.contains_key(Path::new(file)), "{file}");
    }
    // What is done stays done, and a killed run ends with the same bytes.
    fs::remove_dir_all(dir.join("judge/training/negative/n00160")).unwrap();
    fs::remove_dir_all(dir.join("judge/negative")).unwrap();
    assert!(train(dir, &[]).status().unwrap().success());
    assert_eq!(files(&dir.join("judge")), first);

    let path = text(&dir.join("questions.jsonl"));
    let judged = judge(dir, &path).output().unwrap();
    let said = String::from_utf8(judged.stderr).unwrap();
    let found = judgements(&judged.stdout);
    assert_eq!(found.len(), 60, "{said}");
    let right = found.iter().filter(|judgement| judgement.best == 0).count();
    let percent = format!("a good one in {:.1} [", right as f64 / 0.6);
    assert!(
        said.contains("60 prompts: the best answer is") && said.contains(&percent),
        "{said}"
    );
    assert!(right > 20, "{right} of 60");
    for judgement in &found {
        assert_eq!(judgement.rank[judgement.best], 1);
        assert!(
            judgement
                .probabilities
                .iter()
                .all(|chance| (0.0..=1.0).contains(chance))
        );
    }

    answers_line_by_line(dir, &found);
    mistakes_are_named(dir);
}

fn answers_line_by_line(dir: &Path, found: &[Judgement]) {
    let path = dir.join("questions.jsonl");
    // A pipe under a name can be read but once, too; a folder cannot be read at all.
    let piped = judge(dir, "/dev/stdin")
        .stdin(fs::File::open(&path).unwrap())
        .output();
    assert_eq!(judgements(&piped.unwrap().stdout), found);
    let folder = judge(dir, &text(dir)).output().unwrap();
    assert!(!folder.status.success() && folder.stdout.is_empty());
    // From the standard input line by line: an answer comes before the next question is asked.
    let mut child = judge(dir, "-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut output = BufReader::new(output);
    for (line, expected) in fs::read_to_string(path).unwrap().lines().zip(found).take(3) {
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        let alone = &judgements(answer.as_bytes())[0];
        assert_eq!(alone.best, expected.best);
        for (alone, together) in alone.scores.iter().zip(&expected.scores) {
            assert!((alone - together).abs() < 1e-4, "{alone} is not {together}");
        }
    }
    // Nobody reads on: no error.
    drop(output);
    writeln!(input, "{}", json!({"prompt": "x", "answers": ["y"]})).unwrap();
    drop(input);
    let ended = child.wait_with_output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

fn mistakes_are_named(dir: &Path) {
    let path = text(&dir.join("questions.jsonl"));
    // Mistakes are named with their line.
    for (row, message) in [
        (json!({"prompt": "x", "answers": []}), "line 2: no answers"),
        (
            json!({"prompt": "x", "answers": ["a", " "]}),
            "line 2: an empty answer",
        ),
        (
            json!({"prompt": "x", "answers": ["a"], "label": 1}),
            "line 2: label 1: expected less than 1",
        ),
        (
            json!({"prompt": "x ".repeat(9000), "answers": ["a"]}),
            "positions",
        ),
        (json!({"prompt": "x"}), "missing field `answers`"),
        (json!([]), "line 2: "),
    ] {
        let file = dir.join("wrong.jsonl");
        write_lines(
            &file,
            [json!({"prompt": "x", "answers": ["y"]}), row].into_iter(),
        );
        let heads = text(&dir.join("judge"));
        let error = fail(&["judge", "--heads", &heads, &text(&file)], 1);
        assert!(
            error.contains(message) && error.contains("wrong.jsonl"),
            "{error}"
        );
    }
    let (file, heads) = (dir.join("wrong.jsonl"), text(&dir.join("judge")));
    fs::write(
        &file,
        b"\n{\"prompt\": \"caf\xe9\", \"answers\": [\"y\"]}\n",
    )
    .unwrap();
    let error = fail(&["judge", "--heads", &heads, &text(&file)], 1);
    assert!(
        error.contains("line 2") && error.contains("UTF-8"),
        "{error}"
    );
    let other = text(&fixture("models/llama"));
    let error = fail(&["judge", "--heads", &heads, "--model", &other, &path], 1);
    assert!(error.contains("not the base of the heads"), "{error}");
    // The heads and the numbers that are read with them belong together.
    let (judge, other) = (dir.join("judge"), dir.join("other"));
    fs::create_dir(&other).unwrap();
    let said = fs::read_to_string(judge.join("likra.toml")).unwrap();
    let weight = said
        .lines()
        .find(|line| line.starts_with("weight"))
        .unwrap();
    for (text, is_swapped, message) in [
        (
            said.replace(weight, "weight = nan"),
            false,
            "weight = NaN: expected a number",
        ),
        (
            said.clone(),
            true,
            "not the head that the judge was calibrated with",
        ),
    ] {
        fs::write(other.join("likra.toml"), text).unwrap();
        for (from, to) in [("positive", "negative"), ("negative", "positive")] {
            let (from, to) = (
                judge.join(from),
                other.join(if is_swapped { to } else { from }),
            );
            fs::create_dir_all(&to).unwrap();
            for file in ["adapter_config.json", "adapter_model.safetensors"] {
                fs::copy(from.join(file), to.join(file)).unwrap();
            }
        }
        let error = fail(&["judge", "--heads", &other.to_string_lossy(), &path], 1);
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn every_form_of_feedback_is_learned_and_what_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows: Vec<_> = questions("train.jsonl").into_iter().take(40).collect();
    let unpaired = rows.iter().flat_map(|(prompt, right, wrong)| {
        [(right, true), (&wrong[0], false)]
            .map(|(answer, label)| json!({"prompt": prompt, "completion": answer, "label": label}))
    });
    let path = dir.join("feedback.jsonl");
    write_lines(&path, unpaired);
    let trained = train(dir, &[]).output().unwrap();
    let said = String::from_utf8(trained.stderr).unwrap();
    assert!(
        said.contains("Learned 30 good and 30 bad answers; held out 10 prompts"),
        "{said}"
    );
    // As a benchmark has them, in CSV, with an empty answer and a row twice.
    let mut table = csv::Writer::from_path(dir.join("feedback.csv")).unwrap();
    table
        .write_record(["prompt", "chosen", "rejected"])
        .unwrap();
    for (prompt, right, wrong) in rows.iter().chain(&rows[..1]) {
        table.write_record([prompt, right, &wrong[0]]).unwrap();
    }
    table.write_record([&rows[0].0, "", "bad"]).unwrap();
    // What pandas takes for nothing, and numbers, are answers like any other.
    table.write_record([&rows[0].0, "None", "7"]).unwrap();
    table
        .write_record([&rows[0].0, &"long ".repeat(900), "no"])
        .unwrap();
    drop(table);
    let (table, out) = (text(&dir.join("feedback.csv")), text(&dir.join("other")));
    let model = text(&fixture("tiny"));
    let lines = text(&path);
    let of = |file| {
        let words = ["train", "--model", &model, "--device", "cpu", "--out", &out];
        [&words[..], &["--feedback", file]].concat()
    };
    let words = of(&table);
    let error = fail(&words, 1);
    assert!(
        error
            .contains("positions; `--too-long skip` leaves it out; the answer begins with \"long "),
        "{error}"
    );
    let words = [&words[..], &["--too-long", "skip"]].concat();
    let said = String::from_utf8(likra(&words).output().unwrap().stderr).unwrap();
    assert!(
        said.contains("1 answers are too long")
            && said.contains("has had before, which are left out: 1;")
            && said.contains("an empty answer, which is left out: 1;"),
        "{said}"
    );
    for (rows, message) in [
        (
            vec![json!({"text": "x"})],
            "line 1: found columns text; expected columns chosen and rejected",
        ),
        (
            vec![json!({"prompt": "x", "chosen": "a", "rejected": "b"})],
            "1 prompts, of which 1 have both",
        ),
    ] {
        write_lines(&path, rows.into_iter());
        let error = fail(&of(&lines), 1);
        assert!(error.contains(message), "{error}");
    }
    let chat = json!({"chosen": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "a"}],
                      "rejected": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "b"}]});
    write_lines(&path, std::iter::once(chat));
    let error = fail(&of(&lines), 1);
    assert!(error.contains("chat"), "{error}");
    let both = [&of("x")[..], &["--kind", "correct"]].concat();
    assert!(fail(&both, 2).contains("cannot be used with"));
}

#[test]
fn messages_are_learned_and_judged_in_the_chat_template() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let model = dir.join("model");
    fs_err::create_dir(&model).unwrap();
    for entry in fs_err::read_dir(fixture("tiny")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs_err::copy(&path, model.join(path.file_name().unwrap())).unwrap();
        }
    }
    let template = "{{ strftime_now('%d %B %Y') }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
    fs_err::write(model.join("chat_template.jinja"), template).unwrap();
    let rows: Vec<_> = questions("train.jsonl").into_iter().take(40).collect();
    let say = |role: &str, content: &str| json!({"role": role, "content": content});
    let said = rows.iter().map(|(prompt, right, wrong)| {
        let said = |answer: &str| json!([say("user", prompt), say("assistant", answer)]);
        json!({"chosen": said(right), "rejected": said(&wrong[0])})
    });
    write_lines(&dir.join("feedback.jsonl"), said);
    let (feedback, out) = (text(&dir.join("feedback.jsonl")), text(&dir.join("judge")));
    let model = text(&model);
    let words = [
        "train",
        "--model",
        &model,
        "--device",
        "cpu",
        "--feedback",
        &feedback,
        "--out",
        &out,
    ];
    let trained = likra(&words).output().unwrap();
    assert!(trained.status.success(), "{trained:?}");
    let ask = |prompts: Vec<Value>| {
        let lines = prompts.into_iter();
        let lines = lines.map(|prompt| json!({"prompt": prompt, "answers": ["a", "b"]}));
        write_lines(&dir.join("questions.jsonl"), lines);
        let path = text(&dir.join("questions.jsonl"));
        let words = ["judge", "--heads", &out, "--device", "cpu", &path];
        let done = likra(&words).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        judgements(&done.stdout)
    };
    let plain = json!("Where?");
    let short = json!([say("user", "Where?")]);
    let long = json!([say("system", "Be brief."), say("user", "Where?")]);
    let found = ask(vec![plain, short, long]);
    assert_eq!(found[0], found[1]);
    assert_ne!(found[1].scores, found[2].scores);
    // The template is told the day of the training, whatever day it is.
    let file = dir.join("judge/likra.toml");
    let said = fs_err::read_to_string(&file).unwrap();
    let day = said.lines().find(|line| line.starts_with("today")).unwrap();
    fs_err::write(&file, said.replace(day, "today = \"1999-12-31\"")).unwrap();
    assert_ne!(found[0].scores, ask(vec![json!("Where?")])[0].scores);
    // Training that was killed goes on with the day on which it had begun.
    fs_err::remove_file(&file).unwrap();
    let training = dir.join("judge/training");
    assert!(day.contains(&fs_err::read_to_string(training.join("today")).unwrap()));
    fs_err::remove_dir_all(&training).unwrap();
    fs_err::create_dir(&training).unwrap();
    fs_err::write(training.join("today"), "1999-12-31").unwrap();
    assert!(likra(&words).status().unwrap().success());
    let said = fs_err::read_to_string(&file).unwrap();
    assert!(said.contains("today = \"1999-12-31\""), "{said}");
}

/// The five commands of `docs/judge.md`, as they stand there.
#[test]
fn the_page_leads_from_a_file_to_a_server() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("no curl: the page's commands are not run");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    inputs(dir.path(), 120);
    let page = fs::read_to_string(fixture("../docs/judge.md")).unwrap();
    let (_, rest) = page.split_once("```sh\n").unwrap();
    let (commands, _) = rest.split_once("```").unwrap();
    assert_eq!(commands.lines().count(), 5);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let wait = format!(
        "until curl -sf http://127.0.0.1:{port}/healthz; do sleep 0.1; kill -0 $! || exit 9; done\n"
    );
    let commands = commands
        .replace("MODEL", &text(&fixture("tiny")))
        .replace("8080", &port.to_string())
        .replacen("&\n", &format!("&\n{wait}"), 1);
    let script = format!("set -e\n{commands}\nkill -TERM $!\nwait $!\n");
    let folder = Path::new(env!("CARGO_BIN_EXE_likra")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = likra(&[]);
    let environment: Vec<_> = shell
        .get_envs()
        .map(|(key, value)| (key.to_owned(), value.unwrap().to_owned()))
        .collect();
    shell = Command::new("bash");
    let done = shell
        .arg("-c")
        .arg(script)
        .current_dir(dir.path())
        .envs(environment)
        .env("PATH", path)
        .output()
        .unwrap();
    let (said, printed) = (
        String::from_utf8_lossy(&done.stderr),
        String::from_utf8_lossy(&done.stdout),
    );
    assert!(done.status.success(), "{said}\n{printed}");
    assert_eq!(
        judgements(&fs::read(dir.path().join("judgements.jsonl")).unwrap()).len(),
        60
    );
    assert!(
        printed.contains("\"probabilities\":[") && printed.contains("\"token_logprobs\":[null,"),
        "{printed}"
    );
    assert!(said.contains("Stopped."), "{said}");
}
