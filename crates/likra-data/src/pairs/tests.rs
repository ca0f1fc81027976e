use proptest::prelude::*;

use super::*;

const DRAWN: [Answers; 3] = [Answers::Incorrect, Answers::Irrelevant, Answers::Unrelated];

const WRONG: [WrongAnswer; 2] = [WrongAnswer::Random, WrongAnswer::First];

fn question(choices: &[&str], gold: usize) -> Question {
    let choices = choices.iter().map(ToString::to_string).collect();
    Question::new("q".into(), "?".into(), choices, gold)
}

/// A question of another benchmark that has these answers.
fn other(texts: &[String]) -> Vec<Question> {
    let of = |texts: &[String]| Question::new("o".into(), "?".into(), texts.to_vec(), 0);
    texts.chunks(texts.len().max(1)).map(of).collect()
}

fn answers(train: &[Question], kind: Answers, seed: u32, unrelated: &[String]) -> Vec<String> {
    let draw = Draw {
        unrelated: &other(unrelated),
        ..Draw::new(kind, WrongAnswer::Random, seed)
    };
    let pairs = drawn(train, &draw).unwrap();
    assert!(
        pairs
            .iter()
            .zip(train)
            .all(|(pair, question)| pair.question == question)
    );
    pairs
        .into_iter()
        .map(|pair| pair.answer.to_owned())
        .collect()
}

/// Questions whose choices come from few texts, so that copies of the right answer turn up
/// everywhere; each has one wrong choice at least.
fn questions() -> impl Strategy<Value = Vec<Question>> {
    let choices = prop::collection::vec("[a-h]", 2..6);
    let question = (choices, any::<prop::sample::Index>()).prop_map(|(mut choices, gold)| {
        let gold = gold.index(choices.len());
        let own = choices.len();
        choices.push("z".into());
        choices.swap(own, gold);
        Question::new("q".into(), "?".into(), choices, own)
    });
    prop::collection::vec(question, 1..20)
}

proptest! {
    #[test]
    fn no_negative_is_the_right_answer(train in questions(), seed: u32) {
        let unrelated: Vec<String> = ('a'..='k').map(String::from).collect();
        for (kind, wrong) in DRAWN.into_iter().flat_map(|kind| WRONG.map(|wrong| (kind, wrong))) {
            let draw = Draw { unrelated: &other(&unrelated), ..Draw::new(kind, wrong, seed) };
            let Ok(pairs) = drawn(&train, &draw) else {
                prop_assert_eq!(kind, Answers::Irrelevant);
                continue;
            };
            for pair in pairs {
                prop_assert_ne!(pair.answer, pair.question.answer(pair.question.gold().unwrap()));
                let own = pair.question.choices.iter().any(|choice| choice == pair.answer);
                prop_assert_eq!(own, kind == Answers::Incorrect);
            }
        }
    }

    #[test]
    fn an_order_holds_every_place_once(n in 0_usize..3000, seed: u32) {
        let mut order = training_order(n, seed);
        prop_assert_eq!(&order, &training_order(n, seed));
        order.sort_unstable();
        prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
    }

    #[test]
    fn an_incorrect_answer_depends_on_the_questions_up_to_it(train in questions(), seed: u32) {
        let all = answers(&train, Answers::Incorrect, seed, &[]);
        for count in 0..train.len() {
            prop_assert_eq!(&answers(&train[..count], Answers::Incorrect, seed, &[]), &all[..count]);
        }
    }
}

/// The rule in the module's documentation, followed by hand.
#[test]
fn draws_are_those_of_the_documented_generators() {
    let train = [
        question(&["a", "b", "c", "d"], 1),
        question(&["e", "f", "g"], 0),
        question(&["h", "i"], 1),
    ];
    let seed = 7;
    assert_eq!(
        answers(&train, Answers::Correct, seed, &[]),
        ["b", "e", "i"]
    );

    let mut rng = PythonRandom::new(29);
    let expected =
        [["a", "c", "d"].as_slice(), &["f", "g"], &["h"]].map(|wrong| *rng.choice(wrong).unwrap());
    assert_eq!(answers(&train, Answers::Incorrect, seed, &[]), expected);

    let mut rng = PythonRandom::new(30);
    let wrong = [["a", "c", "d"].as_slice(), &["f", "g"], &["h"]];
    let expected = [[1, 2], [0, 2], [0, 1]].map(|others| {
        let other = others[rng.randbelow(2)];
        *rng.choice(wrong[other]).unwrap()
    });
    assert_eq!(answers(&train, Answers::Irrelevant, seed, &[]), expected);

    let texts: Vec<String> = ('p'..='w').map(String::from).collect();
    let mut rng = PythonRandom::new(31);
    let expected = [(); 3].map(|()| rng.choice(&texts).unwrap().clone());
    assert_eq!(answers(&train, Answers::Unrelated, seed, &texts), expected);

    let mut order = [0, 1, 2, 3, 4];
    PythonRandom::new(28).shuffle(&mut order);
    assert_eq!(training_order(5, seed), order);
}

/// In Python: three of `range(5)` as `random.Random(4 * 9)` shuffles them, then shuffled again by
/// `random.Random(4 * (2**32 * p + 9))`, for p = 1, 2.
#[test]
fn each_pass_has_an_order_of_its_own() {
    let passes = [[4, 1, 3], [4, 3, 1], [4, 1, 3]];
    assert_eq!(training_passes(5, 9, 9, 3), passes.concat());
    assert_eq!(training_passes(5, 9, 8, 3), passes.concat()[..8]);
    assert_eq!(training_passes(5, 9, 4, 1), training_order(5, 9)[..4]);
    assert_eq!(training_passes(0, 9, 0, 3), [0; 0]);
}

#[test]
fn the_first_wrong_answer_is_taken_without_a_draw() {
    let train = [
        question(&["a", "b", "c", "d"], 0),
        question(&["e", "f", "g"], 1),
        question(&["h", "i", "j"], 0),
    ];
    let first = |kind| -> Vec<&str> {
        let pairs = drawn(&train, &Draw::new(kind, WrongAnswer::First, 7)).unwrap();
        pairs.into_iter().map(|pair| pair.answer).collect()
    };
    assert_eq!(first(Answers::Incorrect), ["b", "e", "i"]);
    // Only the other question is drawn; all first wrong choices are foreign here.
    let mut rng = PythonRandom::new(30);
    let expected = [["e", "i"], ["b", "i"], ["b", "e"]].map(|others| others[rng.randbelow(2)]);
    assert_eq!(first(Answers::Irrelevant), expected);
    assert_eq!(first(Answers::Correct), ["a", "f", "h"]);

    // The second wrong choice of either would do for the other, but is not looked at.
    let train = [question(&["a", "b", "e"], 0), question(&["c", "b", "d"], 0)];
    let pairs = |wrong| drawn(&train, &Draw::new(Answers::Irrelevant, wrong, 0));
    let message = pairs(WrongAnswer::First).unwrap_err().to_string();
    assert!(message.contains("question `q`"), "{message}");
    assert_eq!(pairs(WrongAnswer::Random).unwrap()[0].answer, "d");
}

#[test]
fn a_question_that_no_answer_is_left_for_is_named() {
    let alike = question(&["a", "a"], 0);
    let train = [question(&["a", "b"], 0), question(&["c", "b"], 0), alike];
    let error = |kind, texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let draw = Draw {
            unrelated: &other(&texts),
            ..Draw::new(kind, WrongAnswer::Random, 0)
        };
        drawn(&train, &draw).unwrap_err().to_string()
    };
    assert_eq!(
        error(Answers::Incorrect, &[]),
        "question `q`: every incorrect answer that could be drawn has the text of its right answer"
    );
    let own = "question `q`: every irrelevant answer that could be drawn has the text of one of its choices";
    assert_eq!(error(Answers::Irrelevant, &[]), own);
    assert_eq!(
        error(Answers::Unrelated, &["b", "a"]),
        own.replace("irrelevant", "unrelated")
    );
    assert_eq!(
        error(Answers::Unrelated, &[]),
        "no texts of another benchmark are given to draw unrelated answers from"
    );
    assert!(
        drawn(
            &train[..1],
            &Draw::new(Answers::Irrelevant, WrongAnswer::Random, 0)
        )
        .is_err()
    );
    assert_eq!(
        drawn(&[], &Draw::new(Answers::Irrelevant, WrongAnswer::Random, 0)).unwrap(),
        []
    );
}

fn draw(answers: Answers) -> Draw<'static> {
    Draw {
        epochs: 1,
        answers,
        wrong: WrongAnswer::Random,
        contamination: 0.0,
        seed: 3,
        unrelated: &[],
        ranking: None,
    }
}

/// Questions with ids, of which `order` is the order of training.
fn named(questions: &[(&[&str], usize)]) -> Vec<Question> {
    let named = questions
        .iter()
        .enumerate()
        .map(|(place, (choices, gold))| {
            let choices = choices.iter().map(ToString::to_string).collect();
            Question::new(format!("q{place}"), "?".into(), choices, *gold)
        });
    named.collect()
}

#[test]
fn a_rank_is_by_scores_and_of_equals_the_first() {
    let train = named(&[(&["a", "b", "c", "d"], 1), (&["e", "e", "f", "g"], 0)]);
    let scores = [[-2.0, -0.5, -1.0, -3.0], [-1.0, -0.1, -2.0, -2.0]];
    let rows = scores.iter().enumerate();
    let rows = rows.flat_map(|(place, row)| row.map(|score| (format!("q{place}"), score)));
    let ranking = Ranking::new(rows);
    let ranked = |answers, count| {
        let draw = Draw {
            ranking: Some(&ranking),
            ..draw(answers)
        };
        let pairs = training_pairs(&train, &draw, count).unwrap();
        assert!(pairs.iter().all(|pair| pair.kind == AnswerKind::Incorrect));
        pairs
            .into_iter()
            .map(|pair| pair.answer)
            .collect::<Vec<_>>()
    };
    let in_order = |answers: [&'static str; 2]| -> Vec<&str> {
        training_order(2, 3)
            .into_iter()
            .map(|place| answers[place])
            .collect()
    };
    assert_eq!(ranked(Answers::Hardest, 2), in_order(["c", "f"]));
    assert_eq!(ranked(Answers::Easiest, 9), in_order(["d", "f"]));
    assert_eq!(ranked(Answers::Easiest, 1), in_order(["d", "f"])[..1]);

    let error = training_pairs(&train, &draw(Answers::Hardest), 2).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("0 scores found, expected one for each of its 4 choices"),
        "{message}"
    );
    let alike = named(&[(&["a", "a"], 0)]);
    let ranking = Ranking::new(vec![("q0".into(), 0.0); 2]);
    let draw = Draw {
        ranking: Some(&ranking),
        ..draw(Answers::Easiest)
    };
    assert!(training_pairs(&alike, &draw, 1).is_err());
}

#[test]
fn contamination_is_a_share_and_a_larger_one_holds_a_smaller() {
    let train: Vec<Question> = (0..400).map(|_| question(&["a", "b"], 0)).collect();
    let at = |contamination| -> Vec<bool> {
        let draw = Draw {
            contamination,
            ..draw(Answers::Incorrect)
        };
        let pairs = training_pairs(&train, &draw, 400).unwrap();
        let fits = |pair: &TrainingPair| (pair.answer == "a") == (pair.kind == AnswerKind::Correct);
        assert!(pairs.iter().all(fits));
        pairs.iter().map(|pair| pair.answer == "a").collect()
    };
    let count = |right: &[bool]| right.iter().filter(|&&right| right).count();
    assert_eq!((count(&at(0.0)), count(&at(1.0))), (0, 400));
    let (third, half) = (at(0.3), at(0.5));
    assert!((90..150).contains(&count(&third)), "{}", count(&third));
    assert!(third.iter().zip(&half).all(|(third, half)| !third || *half));
    assert!(count(&half) > count(&third));
}

#[test]
fn a_longer_run_continues_a_shorter_one() {
    let train = named(&[
        (&["a", "b", "c"], 1),
        (&["d", "e", "f"], 0),
        (&["g", "h"], 0),
        (&["i", "j"], 1),
    ]);
    let mixed = Draw {
        contamination: 0.5,
        ..draw(Answers::Irrelevant)
    };
    let all = training_pairs(&train, &mixed, 9).unwrap();
    let ids: Vec<_> = all.iter().map(|pair| &pair.question.id).collect();
    let order = training_order(4, 3);
    assert_eq!(
        ids,
        order
            .iter()
            .map(|place| &train[*place].id)
            .collect::<Vec<_>>()
    );
    for count in 0..4 {
        assert_eq!(training_pairs(&train, &mixed, count).unwrap(), all[..count]);
    }
}
