//! A whole report from made-up scores in which the negative head learns late and much.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use likra_analysis::{Method, Negative, Norm, Replicate, ScoreTable, Study, findings, summary};
use likra_report::{CostRow, Facts, write_report};
use likra_results::{AnswerKind, Manifest, Questions, ScoreRecord, TooLong};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const QUESTIONS: usize = 400;
const WEIGHTS: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5];

/// For each checkpoint how much, in nats, the positive head raises and the negative head lowers
/// right answers.
const LEARNT: [(usize, f64, f64); 7] = [
    (32, 0.1, 0.1),
    (64, 0.2, 0.2),
    (128, 0.3, 0.8),
    (256, 0.4, 1.4),
    (512, 0.5, 1.6),
    (1024, 0.7, 1.7),
    (1119, 0.7, 1.7),
];

/// About normal, without functions that differ between systems.
fn noise(random: &mut ChaCha8Rng) -> f64 {
    (0..6).map(|_| random.random_range(-0.7..0.7)).sum()
}

fn made_up() -> Vec<ScoreRecord> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut records = Vec::new();
    for question in 0..QUESTIONS {
        for candidate in 0..4 {
            let gold = candidate == question % 4;
            let chars = random.random_range(5..20);
            let base = 4.0 * noise(&mut random) - chars as f64;
            let mut add = |head: &str, examples, log_likelihood| {
                records.push(ScoreRecord {
                    question_id: format!("question {question}"),
                    candidate,
                    kind: if gold {
                        AnswerKind::Correct
                    } else {
                        AnswerKind::Incorrect
                    },
                    head: head.into(),
                    examples,
                    log_likelihood,
                    tokens: chars / 4 + 1,
                    chars,
                    bytes: chars,
                    greedy: None,
                });
            };
            add("base", 0, base);
            let drift = noise(&mut random);
            let sign = f64::from(u8::from(gold));
            for (examples, raised, lowered) in LEARNT {
                add("positive", examples, base + raised * sign + 0.3 * drift);
                let other = noise(&mut random);
                add(
                    "incorrect",
                    examples,
                    base - lowered * sign + 0.4 * drift + 1.2 * other,
                );
            }
        }
    }
    records
}

/// The same with an irrelevant and an unrelated answer to each question, the base's thoughts on answers alone,
/// and further negative heads that have learned half as much.
fn with_all_heads() -> Vec<ScoreRecord> {
    let mut records = made_up();
    let halves = [
        "irrelevant",
        "unrelated",
        "hardest",
        "easiest",
        "contaminated",
    ];
    let base: BTreeMap<(String, usize), f64> = records
        .iter()
        .filter(|record| record.head == "base")
        .map(|record| {
            (
                (record.question_id.clone(), record.candidate),
                record.log_likelihood,
            )
        })
        .collect();
    for record in records.clone() {
        let of_base = base[&(record.question_id.clone(), record.candidate)];
        if record.head == "incorrect" && record.examples <= 256 {
            records.extend(halves.map(|head| ScoreRecord {
                head: head.into(),
                log_likelihood: f64::midpoint(of_base, record.log_likelihood),
                ..record.clone()
            }));
        }
        if record.head == "base" {
            records.push(ScoreRecord {
                head: "answer-only".into(),
                log_likelihood: of_base - 1.0,
                ..record
            });
        }
    }
    let firsts = records
        .iter()
        .filter(|record| record.candidate == 0)
        .cloned();
    let others = firsts.flat_map(|record| {
        [
            (4, AnswerKind::Irrelevant, 9.0),
            (5, AnswerKind::Unrelated, 30.0),
        ]
        .map(|(candidate, kind, less)| ScoreRecord {
            candidate,
            kind,
            log_likelihood: record.log_likelihood - less - record.examples as f64 / 1000.0,
            ..record.clone()
        })
    });
    let others: Vec<ScoreRecord> = others.collect();
    records.extend(others);
    records
}

fn study(records: &[ScoreRecord]) -> Study {
    let negatives = [
        "incorrect",
        "irrelevant",
        "unrelated",
        "hardest",
        "easiest",
        "contaminated",
    ];
    Study {
        table: ScoreTable::new(records).unwrap(),
        seed: 1,
        aside: None,
        replicates: Vec::new(),
        negatives: negatives
            .map(|head| Negative {
                head: head.into(),
                label: head.into(),
                contamination: f64::from(u8::from(head == "contaminated")),
            })
            .into(),
        rivals: Vec::new(),
        variants: Vec::new(),
        weights: WEIGHTS.into(),
        norm: Norm::Chars,
        benchmark: Some("ARC-Challenge".into()),
        model: None,
    }
}

fn whole() -> Study {
    let mut records = with_all_heads();
    let mut study = study(&records);
    records.retain(|record| {
        let number = record.question_id.strip_prefix("question ");
        number.unwrap().parse::<usize>().unwrap() < 100
    });
    let table = ScoreTable::new(&records).unwrap();
    study.replicates = vec![Replicate { seed: 2, table }];
    study
}

fn facts() -> Facts {
    Facts {
        title: "Made up".into(),
        heads: (2, 1119),
        questions: QUESTIONS,
        shots: (0, true),
        remark: None,
        missing: (0, 14),
        manifest: Manifest {
            likra: "0.1.0".into(),
            device: "cpu".into(),
            command: "cargo xtask reproduce made-up".into(),
            questions: Questions {
                training: 1119,
                test: QUESTIONS,
            },
            experiment: [("seed".into(), 1.into())].into_iter().collect(),
            versions: BTreeMap::new(),
            adapter_parameters: BTreeMap::new(),
            too_long: Some(TooLong {
                positions: 512,
                truncated: 3,
                skipped: BTreeMap::from([("positive".into(), 2)]),
            }),
            hub: Vec::new(),
            inputs: Vec::new(),
        },
        cost: vec![CostRow {
            what: "all of it".into(),
            answer_tokens: Some(1234),
            parameters: None,
            memory_mib: Some(700),
            seconds: 1.0,
        }],
    }
}

fn write(dir: &Path, study: &Study) -> Vec<PathBuf> {
    write_report(dir, &findings(study), &facts()).unwrap()
}

fn names(dir: &Path, paths: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
    paths.iter().map(name).collect()
}

/// Only what the harness calls `acc_norm` is called so, outside of the columns of a table.
#[test]
fn figures_and_sentences_name_the_normalisation() {
    let mut study = study(&made_up());
    let dir = tempfile::tempdir().unwrap();
    let mut named = |norm: Norm| {
        study.norm = norm;
        write(dir.path(), &study);
        let figures = ["figure1.svg", "figure3.svg", "figure4.svg"];
        let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        (figures.map(read), summary(&findings(&study)))
    };
    for (norm, name) in [
        (Norm::Chars, "acc_norm"),
        (Norm::Bytes, "accuracy by score per byte"),
        (Norm::Tokens, "accuracy by score per token"),
        (Norm::None, "acc"),
    ] {
        let (figures, summary) = named(norm);
        let axis = format!("\n{name} (%)\n");
        assert!(
            figures.iter().all(|figure| figure.contains(&axis)),
            "{axis}"
        );
        assert!(
            summary.contains(&format!(" points of {name} over SFT")),
            "{summary}"
        );
        let told = summary.contains("the harness's is per character");
        assert_eq!(told, norm != Norm::Chars, "{summary}");
    }
}

fn report(dir: &Path) -> Vec<String> {
    let written = write(dir, &whole());
    names(dir, &written)
}

#[test]
fn a_report_is_the_same_bytes_twice() {
    let (once, twice) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = report(once.path());
    assert_eq!(
        files,
        [
            "table1.csv",
            "figure1.csv",
            "figure1.svg",
            "figure2.csv",
            "figure2.svg",
            "figure3.csv",
            "figure3.svg",
            "figure4.csv",
            "figure4.svg",
            "figure5.csv",
            "figure5.svg",
            "figure6.csv",
            "figure6-1.svg",
            "figure6-2.svg",
            "controls.csv",
            "controls.svg",
            "rivals.csv",
            "rivals.svg",
            "measures.csv",
            "comparisons.csv",
            "seeds.csv",
            "seeds.svg",
            "claims.csv",
            "questions.html",
            "index.html",
        ]
    );
    assert_eq!(report(twice.path()), files);
    let read = |dir: &Path, file: &str| fs::read_to_string(dir.join(file)).unwrap();
    let page = read(once.path(), "index.html");
    for file in files {
        assert_eq!(
            read(once.path(), &file),
            read(twice.path(), &file),
            "{file}"
        );
        let linked = page.contains(&format!("href=\"{file}\""));
        assert_eq!(
            linked,
            !["claims.csv", "index.html"].contains(&file.as_str()),
            "{file}"
        );
    }
    // Without a model of the paper's, its first.
    assert!(page.contains("paper 81.2</span>") && page.contains("for Mistral-7B-v0.1."));
    let claims = read(once.path(), "claims.csv");
    assert!(!claims.contains("not measured"), "{claims}");
}

#[test]
fn a_model_of_the_papers_has_its_own_numbers_beside_it() {
    let mut study = whole();
    study.model = Some("Llama-3.2-3B-Instruct".into());
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &study);
    let page = fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert!(page.contains("paper 73.2</span>") && !page.contains("paper 81.2</span>"));
    assert!(page.contains("numbers are for Llama-3.2-3B-Instruct."));
    study.benchmark = Some("HellaSwag".into());
    write(dir.path(), &study);
    let page = fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert!(page.contains("paper 90.7</span>"));
}

#[test]
fn without_heads_there_is_a_page_but_no_figure() {
    let base: Vec<ScoreRecord> = made_up().into_iter().filter(|r| r.head == "base").collect();
    let study = study(&base);
    let dir = tempfile::tempdir().unwrap();
    let written = write(dir.path(), &study);
    let files = names(dir.path(), &written);
    assert_eq!(
        files,
        [
            "table1.csv",
            "measures.csv",
            "claims.csv",
            "questions.html",
            "index.html"
        ]
    );
    let table1 = fs::read_to_string(&written[0]).unwrap();
    assert_eq!(table1.lines().count(), 2);
    assert!(
        table1.lines().nth(1).unwrap().starts_with("base,0,0.27"),
        "{table1}"
    );
    assert!(findings(&study).gain_over_sft().is_none());
}

/// Five choices to each of so many questions under the base, both heads, and two of other objectives.
fn wide(questions: usize) -> Vec<ScoreRecord> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut records = Vec::new();
    for question in 0..questions {
        for (candidate, chars) in (0..5).map(|candidate| (candidate, 20 + 7 * candidate)) {
            for head in ["base", "positive", "incorrect", "dpo", "kto"] {
                records.push(ScoreRecord {
                    question_id: format!("<Mercury_SC_{question}>"),
                    candidate,
                    kind: match candidate {
                        2 => AnswerKind::Correct,
                        _ => AnswerKind::Incorrect,
                    },
                    head: head.into(),
                    examples: if head == "base" { 0 } else { 6615 },
                    log_likelihood: 9.0 * noise(&mut random) - 90.0,
                    tokens: chars / 4,
                    chars,
                    bytes: chars,
                    greedy: None,
                });
            }
        }
    }
    records
}

/// As many as ARC-Challenge has.
#[test]
fn every_question_is_on_one_small_page_by_itself() {
    let mut study = study(&wide(1172));
    study.rivals = ["dpo", "kto"].map(Method::reward).into();
    let (dir, findings) = (tempfile::tempdir().unwrap(), findings(&study));
    write_report(dir.path(), &findings, &facts()).unwrap();
    let page = fs::read_to_string(dir.path().join("questions.html")).unwrap();
    assert!(page.len() < 400 << 10, "{} bytes", page.len());
    for outside in ["src=", "http", "<link", "@import", "url(", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Nothing in the data ends the script that holds them.
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(page.contains("<noscript>"));
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let heads = json!([["base", 0], ["positive", 6615], ["incorrect", 6615]]);
    assert_eq!(data["heads"], heads);

    let single = findings.single;
    let rows = data["questions"].as_array().unwrap();
    assert_eq!(rows.len(), 1172);
    for (row, found) in rows.iter().zip(&single.rows) {
        assert_eq!(row[0], found.id);
        assert_eq!(row[1], json!(found.right));
        assert_eq!(row[2], json!(found.chars));
        for (head, scores) in found.log_likelihoods.iter().enumerate() {
            for (choice, score) in scores.iter().enumerate() {
                let nats = row[3][head][choice].as_f64().unwrap() / 100.0;
                assert!((nats - score).abs() < 0.0051, "{nats} is not {score}");
            }
        }
        assert_eq!(row[4], json!(found.taken));
        for (method, margin) in found.margins.iter().enumerate() {
            let found = row[5][method].as_f64().unwrap() / 10_000.0;
            assert!((found - margin.unwrap()).abs() < 0.000_051);
        }
    }
    let methods = single.methods.iter();
    let methods = methods.map(|(method, examples)| (method.name(), method.label(), examples));
    assert_eq!(data["methods"], json!(methods.collect::<Vec<_>>()));
    assert_eq!(single.methods.len(), 8);
}

#[test]
fn odd_weights_are_drawn() {
    let mut study = study(&made_up());
    let dir = tempfile::tempdir().unwrap();
    for weights in [
        &[][..],
        &[1.0],
        &[-0.0, 0.0],
        &[1e300, 1e300],
        &[-1e308, 0.0, 1e308],
    ] {
        study.weights = weights.into();
        write(dir.path(), &study);
    }
}

#[test]
fn the_summary_is_a_table_a_sentence_and_the_claims() {
    let study = study(&made_up());
    let text = summary(&findings(&study));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "method      examples                acc           acc_norm"
    );
    assert_eq!(
        lines[1],
        "Base               0  27.0 [22.8, 31.5]  27.3 [23.0, 31.8]"
    );
    // The base, seven checkpoints of three methods.
    let rows = 1 + 1 + 7 * 3;
    assert_eq!(lines.iter().position(|line| line.is_empty()), Some(rows));
    assert!(
        lines[rows + 1].ends_with("chance is 25.0. acc_norm is by score per character."),
        "{text}"
    );
    let sentence = "SFT-Likra gains +44.8 points of acc_norm over SFT after 1119 examples per head \
                    (95% interval +39.0 to +50.5, paired bootstrap over 400 questions).";
    assert_eq!(lines[rows + 2], sentence);
    assert_eq!(lines.len(), rows + 5 + 6);
    assert!(
        lines[rows + 5].starts_with("1. [open] Likra jumps"),
        "{text}"
    );
    assert!(lines[rows + 9].starts_with("5. [not measured]"), "{text}");
    let findings = findings(&study);
    let comparison = findings.gain_over_sft().unwrap();
    assert_eq!(comparison.examples, 1119);
    assert!(comparison.gain.low > 0.0);
}
