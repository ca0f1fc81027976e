use likra_data::{Answers, ShotRule, WrongAnswer};
use likra_lora::LoraConfig;
use likra_tokenizer::Bos;
use likra_train::TrainSettings;

use super::*;
use crate::Experiment;
use crate::spec::{Evaluation, LongPrompt};

fn assignments(texts: &[&str]) -> Vec<Assignment> {
    texts
        .iter()
        .map(|text| Assignment::parse(text).unwrap())
        .collect()
}

fn open(name: &str, set: &[&str]) -> Result<Spec> {
    Spec::open(name, &assignments(set))
}

/// As `my.toml` beside this test.
fn parse(text: &str, set: &[&str]) -> Result<Spec> {
    Spec::parse(text, Path::new(""), &assignments(set)).context("my.toml")
}

/// As little as an experiment can say, and a line more.
fn small(more: &str) -> String {
    format!("title = \"t\"\ntask = \"arc\"\n{more}\n[heads.positive]\nanswers = \"correct\"\n")
}

fn expect(found: Result<Spec>, messages: &[&str]) {
    let error = format!("{:#}", found.unwrap_err());
    for message in messages {
        assert!(error.contains(message), "expected {message:?} in {error}");
    }
}

#[test]
fn every_built_in_experiment_is_well_formed() {
    assert_eq!(experiments()[0], "tiny");
    assert_eq!(experiments().len(), 16);
    for name in experiments() {
        open(name, &[]).unwrap();
    }
    assert_eq!(protocols(), ["authors", "harness-0.4.13", "paper"]);
}

/// The six have their own numbers beside them, and each is trained at its own rate.
#[test]
fn the_papers_experiments_are_called_what_the_paper_calls_them() {
    for row in likra_analysis::paper::TABLE1 {
        let benchmark = match row.benchmark {
            "HellaSwag" => "hellaswag",
            _ => "arc",
        };
        let name = format!("{}-{benchmark}", row.model.to_lowercase());
        let found = open(&name, &[]).unwrap();
        assert_eq!(found.analysis.paper_model.as_deref(), Some(row.model));
        assert_eq!(
            likra_data::open_task(&found.task).unwrap()[0]
                .paper
                .as_ref()
                .unwrap()
                .name,
            row.benchmark
        );
        assert_eq!(found.protocol.as_deref(), Some("paper"));
        assert_eq!(found.heads.len(), 7);
        let rate = match row.model.starts_with("Llama") {
            true => 1e-3,
            false => 1e-4,
        };
        assert_eq!(found.training.learning_rate, rate, "{name}");
    }
}

#[test]
fn a_resolved_experiment_reads_back_as_itself() {
    for name in experiments() {
        let experiment = Experiment::new(open(name, &[]).unwrap(), 6615, 1172);
        let text = toml::to_string(&experiment.spec).unwrap();
        let again = parse(&text, &[]).unwrap();
        assert_eq!(Experiment::new(again, 6615, 1172), experiment);
    }
}

#[test]
fn what_an_experiment_extends_lies_below_its_own_keys() {
    let hardest = &open("smollm2-arc", &[]).unwrap().heads["hardest"];
    assert_eq!(hardest.answers, Answers::Hardest);
    assert_eq!(hardest.examples, Some(1024));

    let dir = tempfile::tempdir().unwrap();
    let [mine, base, circle] =
        ["mine", "base", "circle"].map(|name| dir.path().join(format!("{name}.toml")));
    fs_err::write(&mine, "extends = \"base.toml\"\ntitle = \"m\"\n").unwrap();
    let text = "extends = \"tiny\"\nseed = 5\n[heads.positive]\nexamples = 3\n";
    fs_err::write(&base, text).unwrap();
    fs_err::write(&circle, "extends = \"circle.toml\"\n").unwrap();
    let found = open(mine.to_str().unwrap(), &[]).unwrap();
    assert_eq!((found.title.as_str(), found.seed), ("m", 5));
    assert_eq!(found.model.as_deref(), Some("embedded:tiny"));
    let positive = &found.heads["positive"];
    assert_eq!(
        (positive.answers, positive.examples),
        (Answers::Correct, Some(3))
    );
    expect(
        open(circle.to_str().unwrap(), &[]),
        &["circle.toml", "extends itself"],
    );
    expect(
        parse(&small("extends = \"nonesuch\""), &[]),
        &["no experiment `nonesuch`"],
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    let tiny = built_in(&EXPERIMENTS, "tiny").unwrap();
    let line = |wanted: &str| {
        let place = tiny.lines().position(|line| line == wanted).unwrap();
        format!("line {}", place + 1)
    };
    let cases: [(&str, &str, &[&str]); 13] = [
        (
            "seed = 1",
            "sede = 1",
            &["sede: unknown field `sede`", &line("seed = 1")],
        ),
        (
            "batch-size = 8",
            "batch-size = \"8\"",
            &["training.batch-size", &line("batch-size = 8")],
        ),
        (
            "batch-size = 8",
            "batch-size = 0",
            &["training.batch-size", "at least 1", &line("batch-size = 8")],
        ),
        (
            "learning-rate = 3e-3",
            "learning-rate = -1",
            &[
                "training.learning-rate",
                "positive",
                &line("learning-rate = 3e-3"),
            ],
        ),
        (
            "\"irrelevant\"",
            "\"wrong\"",
            &["unknown variant `wrong`", "`hardest`"],
        ),
        (
            "answers = \"correct\"",
            "answers = \"hardest\"",
            &[
                "heads.positive.answers",
                "expected correct answers",
                &line("answers = \"correct\""),
            ],
        ),
        (
            "contamination = 1.0",
            "contamination = 1.5",
            &[
                "heads.contaminated.contamination",
                "from 0 to 1",
                &line("contamination = 1.0"),
            ],
        ),
        (
            "[heads.hardest]",
            "[heads.base]",
            &["heads.base", "other than `base`", &line("[heads.hardest]")],
        ),
        (
            "[heads.hardest]",
            "[heads.positive-seed2]",
            &[
                "heads.positive-seed2",
                "replicate",
                &line("[heads.hardest]"),
            ],
        ),
        (
            "[2, 3]",
            "[2, 1]",
            &["replicates.seeds", "1 is there", &line("seeds = [2, 3]")],
        ),
        (
            "[2, 3]",
            "[-2]",
            &["invalid value", &line("seeds = [2, 3]")],
        ),
        (
            "[\"positive\", \"incorrect\"]",
            "[\"negative\"]",
            &["replicates.heads", "found `negative`"],
        ),
        (
            "[unrelated]\ntask = \"hellaswag\"\ndata = \"embedded:tiny\"",
            "",
            &["heads.unrelated.answers", "[unrelated]"],
        ),
    ];
    for (from, to, messages) in cases {
        let text = tiny.replace(from, to);
        assert_ne!(text, tiny);
        expect(parse(&text, &[]), messages);
    }
    expect(parse("title = \n", &[]), &["my.toml", "line 1"]);
    expect(open("huge", &[]), &["tiny, ", "smollm2-arc"]);
}

#[test]
fn keys_are_found_in_their_tables() {
    let text = "seed = 1\n[a]\nseed = 2\n# seed = 9\n[a.b] # more\n seed = 3\n";
    assert_eq!(line(text, "seed", false), Some(1));
    assert_eq!(line(text, "a.seed", false), Some(3));
    assert_eq!(line(text, "a.b.seed", false), Some(6));
    assert_eq!(line(text, "a.b", false), Some(5));
    assert_eq!(line(text, "a.b.missing", false), Some(5));
    assert_eq!(line(text, "c.seed", false), None);
    assert_eq!(line(text, "se", false), None);
}

#[test]
fn assignments_are_toml_or_text() {
    let mut table: Table = "a = 1\n[t]\nb = 2\n".parse().unwrap();
    for assignment in [
        "a=3",
        "t.b=[1, 2]",
        "t.u.c=per-question",
        "d=\"4\"",
        "e=true",
    ] {
        Assignment::parse(assignment)
            .unwrap()
            .apply(&mut table)
            .unwrap();
    }
    let expected = "a = 3\nd = \"4\"\ne = true\n[t]\nb = [1, 2]\n[t.u]\nc = \"per-question\"\n";
    assert_eq!(table, expected.parse().unwrap());
    // A name in quotes may have dots; of a table, what is not named stays.
    for assignment in ["t.u.\"x.y\"=5", "t={f = 6}", "g=1\nh=2"] {
        let assignment = Assignment::parse(assignment).unwrap();
        assignment.apply(&mut table).unwrap();
    }
    let expected = "a = 3\nd = \"4\"\ne = true\ng = \"1\\nh=2\"\n[t]\nb = [1, 2]\nf = 6\n[t.u]\n\
                    c = \"per-question\"\n\"x.y\" = 5\n";
    assert_eq!(table, expected.parse().unwrap());
    for text in ["a", "=1", "t..b=1", "\"a.b\"=1", "a b=1"] {
        let error = Assignment::parse(text).unwrap_err().to_string();
        assert!(error.contains("expected key=value"), "{error}");
    }
    let error = Assignment::parse("a.b=1")
        .unwrap()
        .apply(&mut table)
        .unwrap_err();
    assert_eq!(error.to_string(), "a: holds a value and no keys");
}

#[test]
fn any_key_is_set_on_the_command_line() {
    let set = |texts: &[&str]| {
        let all = [&["protocol=authors"], texts].concat();
        open("tiny", &all)
    };
    let found = set(&[
        "training.batch-size=4",
        "evaluation.shots=per-question",
        "heads.late.answers=\"incorrect\"",
        "heads.late.seed=7",
    ]);
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    // Above the protocol, which has batches of 32.
    assert_eq!(found.training.batch_size, 4);
    assert_eq!(found.evaluation.shots, ShotRule::PerQuestion);
    assert_eq!(found.heads["late"].seed, Some(7));
    let cases: [(&str, &[&str]); 6] = [
        ("extends=authors", &["only a file says what it extends"]),
        (
            "training.batchsize=4",
            &["--set training.batchsize=4", "unknown field `batchsize`"],
        ),
        (
            "training.batch-size=four",
            &["--set training.batch-size=\"four\"", "invalid type"],
        ),
        (
            "training.first-checkpoint=0",
            &["training.first-checkpoint", "at least 1"],
        ),
        (
            "analysis.paper-model=Llama",
            &["analysis.paper-model", "Llama-3.2-3B-Instruct"],
        ),
        (
            "analysis.weights=[0.0, inf]",
            &["analysis.weights", "finite"],
        ),
    ];
    for (assignment, messages) in cases {
        expect(set(&[assignment]), messages);
    }
}

#[test]
fn a_protocol_sets_what_it_names_and_nothing_else() {
    let with = |name: &str| {
        let spec = parse(&small(&format!("protocol = \"{name}\"")), &[]).unwrap();
        // Written down with all that it sets, it reads back as itself.
        assert_eq!(parse(&toml::to_string(&spec).unwrap(), &[]).unwrap(), spec);
        spec
    };
    let defaults = parse(&small(""), &[]).unwrap();
    let harness = with("harness-0.4.13");
    let expected = Spec {
        protocol: Some("harness-0.4.13".into()),
        evaluation: Evaluation {
            shots: ShotRule::PerQuestion,
            too_long: LongPrompt::Truncate,
            ..Evaluation::default()
        },
        ..defaults.clone()
    };
    assert_eq!(harness, expected);
    let resolved = Experiment::new(harness, 9, 9);
    assert_eq!(resolved.spec.evaluation.shot_seed, Some(1234));

    let paper = with("paper");
    assert_eq!(paper.training, defaults.training);
    assert_eq!(paper.wrong_answer, WrongAnswer::Random);
    assert_eq!(paper.evaluation.bos, Bos::Never);
    assert_eq!(paper.evaluation.shots, ShotRule::PerQuestion);

    let authors = with("authors");
    let expected = TrainSettings {
        batch_size: 32,
        bos: Bos::Always,
        ..TrainSettings::default()
    };
    assert_eq!(
        (&authors.training, &authors.lora),
        (&expected, &LoraConfig::default())
    );
    assert_eq!(authors.wrong_answer, WrongAnswer::First);
    assert_eq!(authors.evaluation, paper.evaluation);
    assert_eq!(authors.analysis, defaults.analysis);
}

#[test]
fn an_experiment_s_own_keys_win_over_its_protocol() {
    let own = "protocol = \"authors\"\nwrong-answer = \"random\"\n[training]\nbatch-size = 16\n\
               [lora]\nalpha = 16\n[evaluation]\nshots = \"fixed\"\n";
    let found = parse(&small(own), &[]).unwrap();
    assert_eq!(found.wrong_answer, WrongAnswer::Random);
    assert_eq!(
        (found.training.batch_size, found.training.bos),
        (16, Bos::Always)
    );
    assert_eq!((found.lora.alpha, found.lora.rank), (16.0, 8));
    assert_eq!(
        (found.evaluation.shots, found.evaluation.bos),
        (ShotRule::Fixed, Bos::Never)
    );
    // The command line's protocol replaces the file's, below its other keys.
    let found = parse(&small(own), &["protocol=paper"]).unwrap();
    assert_eq!(found.protocol.as_deref(), Some("paper"));
    assert_eq!(
        (found.training.batch_size, found.training.bos),
        (16, Bos::Auto)
    );
}

#[test]
fn mistakes_under_a_protocol_are_named_with_their_line() {
    let cases: [(&str, &[&str]); 11] = [
        (
            "protocol = \"harness\"",
            &["line 3", "no protocol `harness`", "`harness-0.4.13`"],
        ),
        (
            "protocol = \"paper\"\nwrong = 1",
            &["line 4", "unknown field `wrong`"],
        ),
        (
            "protocol = \"paper\"\n[training]\nbos = true",
            &["line 5", "training.bos"],
        ),
        (
            "protocol = \"authors\"\n[training]\nfirst-checkpoint = 0",
            &["training.first-checkpoint", "line 5", "at least 1"],
        ),
        (
            "protocol = \"paper\"\n[evaluation]\nnum-shots = 1\nshot-ids = [\"a\"]",
            &["evaluation.", "shot-ids", "shots = \"fixed\""],
        ),
        (
            "[evaluation]\nnum-shots = 1\nshot-seed = 3\nshot-ids = [\"a\"]",
            &["evaluation.", "shot-ids", "shot-seed = 3"],
        ),
        (
            "[evaluation]\nnum-shots = 2\nshot-ids = [\"a\"]",
            &["evaluation.", "num-shots = 2", "names 1"],
        ),
        (
            "[evaluation]\nshots = \"sometimes\"",
            &["line 4", "expected one of `task`, `fixed`, `per-question`"],
        ),
        (
            "[analysis]\nnormalisation = \"words\"",
            &["line 4", "`chars`, `bytes`, `tokens`, `none`"],
        ),
        (
            "[analysis]\ncandidate-score = \"perplexity\"",
            &["line 4", "perplexity", "`log-likelihood`"],
        ),
        (
            "wrong-answer = \"last\"",
            &["line 3", "`random` or `first`"],
        ),
    ];
    for (more, wanted) in cases {
        expect(parse(&small(more), &[]), &[&["my.toml"], wanted].concat());
    }
}

#[test]
fn the_command_line_changes_shots_as_a_whole() {
    let named = small("[evaluation]\nnum-shots = 2\nshot-ids = [\"a\", \"b\"]");
    let with = |set: &[&str]| {
        let spec = parse(&named, set)?;
        Ok(Experiment::new(spec, 9, 9).spec.evaluation)
    };
    let fewer: Result<Evaluation> = with(&["evaluation.num-shots=1"]);
    assert_eq!(fewer.unwrap().shot_ids, Some(vec!["a".into()]));
    let more = format!("{:#}", with(&["evaluation.num-shots=3"]).unwrap_err());
    assert!(more.contains("evaluation.num-shots"), "{more}");
    let drawn = with(&["evaluation.shots=per-question"]).unwrap();
    assert_eq!(
        (drawn.shot_ids, drawn.shots, drawn.num_shots),
        (None, ShotRule::PerQuestion, 2)
    );
    let seeded = with(&["evaluation.shot-seed=7"]).unwrap();
    assert_eq!(
        (seeded.shot_ids, seeded.shots, seeded.shot_seed),
        (None, ShotRule::Task, Some(7))
    );
}

/// The ids are those of the other task's questions.
#[test]
fn another_task_does_without_the_shots_that_are_named() {
    let shots = |task: &str| {
        let found = open("smollm2-arc", &[&format!("task={task}")]).unwrap();
        (found.evaluation.shot_ids, found.evaluation.shots)
    };
    let (own, rule) = shots("arc");
    assert!(own.is_some());
    assert_eq!(shots("openbookqa"), (None, rule));
}

#[test]
fn assignments_may_need_one_another_in_any_order() {
    for set in [
        ["selection.betas=[0.3]", "selection.share=0.1"],
        ["selection.share=0.1", "selection.betas=[0.3]"],
    ] {
        let found = parse(&small(""), &set).unwrap().selection.unwrap();
        assert_eq!((found.betas, found.share), (vec![0.3], 0.1));
    }
    let wrong = ["selection.betas=[0.3]", "selection.share=much"];
    expect(parse(&small(""), &wrong), &["--set selection.", "share"]);
    // A table is at fault because of a key in it.
    let named = parse(&small(""), &["heads.base.answers=incorrect"]);
    expect(named, &["--set heads.base.answers=", "heads.base:"]);
}

#[test]
fn a_task_may_be_called_as_before_in_a_file_that_extends_another() {
    let text = "extends = \"tiny\"\nbenchmark = \"openbookqa\"\n";
    assert_eq!(parse(text, &[]).unwrap().task, "openbookqa");
    expect(
        parse(
            "title = \"t\"\n[heads.positive]\nanswers = \"correct\"\n",
            &[],
        ),
        &["my.toml: missing field `task`"],
    );
}

#[test]
fn heads_are_trained_in_the_order_of_their_importance() {
    let tiny = Experiment::new(open("tiny", &[]).unwrap(), 2000, 720);
    let names: Vec<&str> = tiny.heads.iter().map(|head| head.name.as_str()).collect();
    let expected = [
        "positive",
        "incorrect",
        "irrelevant",
        "unrelated",
        "hardest",
        "easiest",
        "contaminated",
        "positive-seed2",
        "incorrect-seed2",
        "positive-seed3",
        "incorrect-seed3",
    ];
    assert_eq!(names, expected);
    let last = tiny.heads.last().unwrap();
    assert_eq!((last.role.as_str(), last.seed), ("incorrect", 3));
    assert_eq!((last.examples, last.questions), (128, 240));
    assert_eq!(last.checkpoints, [32, 64, 128]);
    assert_eq!(tiny.heads[6].seed, 4);
}
