use likra_data::Bos;

use super::*;

#[test]
fn every_built_in_experiment_is_well_formed() {
    for (name, _) in BUILT_IN {
        Experiment::open(name, None, &Overrides::default()).unwrap();
    }
}

/// Beside the six stand their own numbers, and each is trained at its own rate.
#[test]
fn the_papers_experiments_are_called_what_the_paper_calls_them() {
    for row in likra_analysis::paper::TABLE1 {
        let benchmark = match row.benchmark {
            "HellaSwag" => "hellaswag",
            _ => "arc",
        };
        let name = format!("{}-{benchmark}", row.model.to_lowercase());
        let (_, found) = Experiment::open(&name, None, &Overrides::default()).unwrap();
        assert_eq!(found.analysis.paper_model.as_deref(), Some(row.model));
        assert_eq!(found.benchmark.in_paper(), Some(row.benchmark));
        assert_eq!(found.protocol, Some(Protocol::Paper));
        let rate = if row.model.starts_with("Llama") {
            1e-3
        } else {
            1e-4
        };
        assert_eq!(found.training.learning_rate, rate, "{name}");
    }
}

#[test]
fn a_resolved_experiment_reads_back_as_itself() {
    for (name, _) in BUILT_IN {
        let (_, experiment) = Experiment::open(name, None, &Overrides::default()).unwrap();
        let text = toml::to_string(&experiment).unwrap();
        assert_eq!(parse_as(&text, name, None).unwrap(), experiment);
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    let tiny = BUILT_IN[0].1;
    let line = |wanted: &str| {
        let place = tiny.lines().position(|line| line == wanted).unwrap();
        format!("line {}", place + 1)
    };
    for (from, to, messages) in [
        (
            "seed = 1",
            "sede = 1",
            &["unknown field `sede`", &line("seed = 1")][..],
        ),
        (
            "batch-size = 8",
            "batch-size = \"8\"",
            &["batch-size", &line("batch-size = 8")],
        ),
        (
            "batch-size = 8",
            "batch-size = 5",
            &[
                "training.first-checkpoint",
                "multiple of the batch size, 5",
                &line("[training]"),
            ],
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
                "Correct",
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
            "[unrelated]\nbenchmark = \"hellaswag\"\ndata = \"embedded:tiny\"",
            "",
            &["heads.unrelated.answers", "[unrelated]"],
        ),
    ] {
        let text = tiny.replace(from, to);
        assert_ne!(text, tiny);
        let error = format!("{:#}", parse(&text, None).unwrap_err());
        for message in messages {
            assert!(error.contains(message), "expected {message:?} in {error}");
        }
    }
}

#[test]
fn an_unknown_experiment_is_told_the_known_ones() {
    let error = Experiment::open("huge", None, &Overrides::default()).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("tiny, smollm2-arc"), "{error}");
}

#[test]
fn one_key_is_set_on_the_command_line() {
    let set = |assignments: &[&str]| {
        let overrides = Overrides {
            set: assignments.iter().map(ToString::to_string).collect(),
            ..Overrides::default()
        };
        Experiment::open("tiny", Some(Protocol::Authors), &overrides).map(|(_, found)| found)
    };
    let found = set(&[
        "training.batch-size=4",
        "evaluation.shots=per-question",
        "heads.late.answers=\"incorrect\"",
        "heads.late.seed=7",
    ]);
    let found = found.unwrap();
    // Above the protocol, which has batches of 32.
    assert_eq!(found.training.batch_size, 4);
    assert_eq!(found.evaluation.shots, Shots::PerQuestion);
    assert_eq!(found.heads["late"].seed, Some(7));
    for (assignment, messages) in [
        (
            "training.batchsize=4",
            ["--set training.batchsize=4", "unknown field `batchsize`"],
        ),
        (
            "training.batch-size=four",
            ["--set training.batch-size=four", "invalid type"],
        ),
        (
            "training.batch-size=5",
            ["training.first-checkpoint", "multiple of the batch size, 5"],
        ),
        ("seed", ["--set seed", "expected key=value"]),
        (
            "analysis.paper-model=Llama",
            ["analysis.paper-model", "Llama-3.2-3B-Instruct"],
        ),
        (
            "analysis.weights=[0.0, inf]",
            ["analysis.weights", "finite"],
        ),
    ] {
        let error = format!("{:#}", set(&[assignment]).unwrap_err());
        for message in messages {
            assert!(error.contains(message), "expected {message:?} in {error}");
        }
    }
}

#[test]
fn heads_are_trained_in_the_order_of_their_importance() {
    let (_, mut tiny) = Experiment::open("tiny", None, &Overrides::default()).unwrap();
    tiny.evaluation.questions = Some(720);
    for head in tiny.heads.values_mut() {
        head.examples = head.examples.or(Some(1024));
    }
    let trained = tiny.trained();
    let names: Vec<&str> = trained.iter().map(|head| head.name.as_str()).collect();
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
    let last = trained.last().unwrap();
    assert_eq!((last.head.as_str(), last.seed), ("incorrect", 3));
    assert_eq!((last.examples, last.questions), (128, 240));
    assert_eq!(tiny.checkpoints(last), [32, 64, 128]);
    assert_eq!(trained[6].seed, 4);
}

/// As little as an experiment can say, and a line more.
fn small(more: &str) -> String {
    format!("title = \"t\"\nbenchmark = \"arc\"\n{more}\n[heads.positive]\nanswers = \"correct\"\n")
}

fn parse_as(text: &str, origin: &str, protocol: Option<Protocol>) -> Result<Experiment> {
    Experiment::parse(text, origin, protocol, &Overrides::default())
}

fn parse(text: &str, protocol: Option<Protocol>) -> Result<Experiment> {
    parse_as(text, "my.toml", protocol)
}

fn protocol(name: &str) -> Experiment {
    let experiment = parse(&small(&format!("protocol = \"{name}\"")), None).unwrap();
    // Written down with all it sets, it reads back as itself.
    let text = toml::to_string(&experiment).unwrap();
    assert_eq!(parse(&text, None).unwrap(), experiment);
    experiment
}

#[test]
fn a_protocol_sets_what_it_names_and_nothing_else() {
    let defaults = parse(&small(""), None).unwrap();
    let harness = protocol("harness-0.4.13");
    let expected = Experiment {
        protocol: Some(Protocol::Harness0413),
        evaluation: Evaluation {
            shots: Shots::PerQuestion,
            ..Evaluation::default()
        },
        ..defaults.clone()
    };
    assert_eq!(harness, expected);
    assert_eq!(harness.evaluation.drawn_by(), Some(1234));

    let paper = protocol("paper");
    assert_eq!(paper.training, defaults.training);
    assert_eq!(
        (paper.wrong_answer, paper.evaluation.bos),
        (WrongAnswer::Random, Bos::Never)
    );
    assert_eq!(paper.evaluation.shots, Shots::PerQuestion);

    let authors = protocol("authors");
    let expected = Training {
        batch_size: 32,
        bos: Bos::Always,
        ..Training::default()
    };
    assert_eq!(
        (&authors.training, &authors.lora),
        (&expected, &Lora::default())
    );
    assert_eq!(authors.wrong_answer, WrongAnswer::First);
    assert_eq!(authors.evaluation, paper.evaluation);
    assert_eq!(authors.analysis, defaults.analysis);
}

#[test]
fn an_experiment_s_own_keys_win_over_its_protocol() {
    let own = "protocol = \"authors\"\nwrong-answer = \"random\"\n[training]\nbatch-size = 16\n\
               [lora]\nalpha = 16\n[evaluation]\nshots = \"fixed\"\n";
    let found = parse(&small(own), None).unwrap();
    assert_eq!(found.wrong_answer, WrongAnswer::Random);
    assert_eq!(
        (found.training.batch_size, found.training.bos),
        (16, Bos::Always)
    );
    assert_eq!((found.lora.alpha, found.lora.rank), (16.0, 8));
    assert_eq!(
        (found.evaluation.shots, found.evaluation.bos),
        (Shots::Fixed, Bos::Never)
    );
    // The command line's protocol stands in for the file's, below its other keys.
    let found = parse(&small(own), Some(Protocol::Paper)).unwrap();
    assert_eq!(found.protocol, Some(Protocol::Paper));
    assert_eq!(
        (found.training.batch_size, found.training.bos),
        (16, Bos::Auto)
    );
}

#[test]
fn mistakes_under_a_protocol_are_named_with_their_line() {
    for (more, wanted) in [
        (
            "protocol = \"harness\"",
            &["line 3", "unknown variant `harness`", "`harness-0.4.13`"][..],
        ),
        (
            "protocol = \"paper\"\nwrong = 1",
            &["line 4", "unknown field `wrong`"],
        ),
        (
            "protocol = \"paper\"\n[training]\nbos = true",
            &["line 5", "bos"],
        ),
        (
            "protocol = \"authors\"\n[training]\nfirst-checkpoint = 8",
            &[
                "training.first-checkpoint",
                "line 5",
                "multiple of the batch size, 32",
            ],
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
            &["line 4", "`fixed` or `per-question`"],
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
    ] {
        let error = format!("{:#}", parse(&small(more), None).unwrap_err());
        for wanted in [&["my.toml"], wanted].concat() {
            assert!(error.contains(wanted), "expected {wanted:?} in {error}");
        }
    }
}

#[test]
fn the_command_line_changes_shots_as_a_whole() {
    let named = small("[evaluation]\nnum-shots = 2\nshot-ids = [\"a\", \"b\"]");
    let with = |overrides: &Overrides| {
        let experiment = Experiment::parse(&named, "my.toml", None, overrides);
        experiment.map(|experiment| experiment.evaluation)
    };
    let fewer = Overrides {
        num_shots: Some(1),
        ..Overrides::default()
    };
    assert_eq!(with(&fewer).unwrap().shot_ids, Some(vec!["a".into()]));
    let more = Overrides {
        num_shots: Some(3),
        ..Overrides::default()
    };
    let error = format!("{:#}", with(&more).unwrap_err());
    assert!(error.contains("evaluation.num-shots"), "{error}");
    let drawn = Overrides {
        shots: Some(Shots::PerQuestion),
        ..Overrides::default()
    };
    let found = with(&drawn).unwrap();
    assert_eq!(
        (found.shot_ids, found.shots, found.num_shots),
        (None, Shots::PerQuestion, 2)
    );
    let seeded = Overrides {
        shot_seed: Some(7),
        ..Overrides::default()
    };
    let found = with(&seeded).unwrap();
    assert_eq!(
        (found.shot_ids, found.shots, found.shot_seed),
        (None, Shots::Fixed, Some(7))
    );
}
