//! A tokenizer and four models whose numbers are hashes of the tokens up to each place.

use std::sync::{Arc, Mutex};

use likra_judge::{Judgement, Prompt, Question};
use likra_serve::{Backend, Scored, SpecialTokens, Text};

pub(crate) const MODELS: [&str; 4] = ["base", "positive", "negative", "likra"];
pub(crate) const POSITIONS: usize = 2048;
/// Ids: three special tokens, the bytes, then these.
const SPECIAL: [&str; 3] = ["<pad>", "<s>", "</s>"];
const WORDS: &str = "Question:|\nAnswer:| which| Which| of| the| following| is| are| a| an| to| in| and| what| What| most| \
                     likely| water| would| plants| animals| energy| from| that| for| by| on| with| this| best| will| can| \
                     it| be| as| at| has| have| Earth| sun| Sun| heat| light| cells| example| because| when| one| two|ing|\
                     ed|er|es|tion|th|in|re|on|an|st|at|en|ou|al|le|it|or|is|ar|se|ic|ro| s| c| p| b| m| f| d| w| r| l| t";

pub(crate) fn vocab_size() -> u32 {
    (259 + WORDS.split('|').count()) as u32
}

/// Takes the longest word at each place, else a byte. With special tokens it begins with `<s>`.
pub(crate) struct Mock;

impl Text for Mock {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, String> {
        assert!(text != "panic", "as asked");
        if text.contains('\0') {
            return Err("a zero byte has no token".into());
        }
        let mut ids: Vec<u32> = special.then_some(1).into_iter().collect();
        let mut rest = text;
        while let Some(byte) = rest.as_bytes().first() {
            let tokens = SPECIAL.into_iter().enumerate();
            let words = WORDS
                .split('|')
                .enumerate()
                .map(|(at, word)| (259 + at, word));
            let known = tokens
                .chain(words)
                .filter(|(_, word)| rest.starts_with(word));
            let longest = known.max_by_key(|(_, word)| word.len());
            let (id, length) =
                longest.map_or((3 + usize::from(*byte), 1), |(id, word)| (id, word.len()));
            ids.push(id as u32);
            // The bytes of one character go one by one.
            let end = (length..=rest.len())
                .find(|end| rest.is_char_boundary(*end))
                .unwrap_or(length);
            ids.extend(
                rest.as_bytes()[length..end]
                    .iter()
                    .map(|byte| 3 + u32::from(*byte)),
            );
            rest = &rest[end..];
        }
        Ok(ids)
    }

    fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| bytes(*id)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn within(&self, ids: &[u32]) -> String {
        self.decode(ids)
    }

    fn context(&self, prompt: &Prompt) -> Result<(String, bool), String> {
        match prompt {
            Prompt::Text(text) => Ok((text.clone(), false)),
            Prompt::Chat(said) if said.is_empty() => Err("no messages".into()),
            Prompt::Chat(said) => {
                let texts = said.iter().map(|said| said.content.clone());
                Ok((texts.collect(), true))
            }
        }
    }

    fn special(&self) -> SpecialTokens {
        SpecialTokens {
            pad_token: Some(SPECIAL[0].into()),
            bos_token: Some(SPECIAL[1].into()),
            eos_token: Some(SPECIAL[2].into()),
            chat_template: None,
        }
    }
}

pub(crate) fn bytes(id: u32) -> Vec<u8> {
    match id as usize {
        id @ 0..3 => SPECIAL[id].as_bytes().to_vec(),
        id @ 3..259 => vec![(id - 3) as u8],
        id => WORDS
            .split('|')
            .nth(id - 259)
            .unwrap_or("?")
            .as_bytes()
            .to_vec(),
    }
}

/// What the tokens of a prompt come to, from the second on.
pub(crate) fn score(model: usize, ids: &[u32]) -> Vec<Scored> {
    if model == 3 {
        let ratios = score(1, ids).into_iter().zip(score(2, ids)).zip(&ids[1..]);
        return ratios
            .map(|((positive, negative), id)| {
                let log_likelihood = positive.log_likelihood - negative.log_likelihood;
                Scored {
                    log_likelihood,
                    best: (*id, log_likelihood),
                }
            })
            .collect();
    }
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ model as u64;
    let mut scored = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        hash = (hash ^ u64::from(*id)).wrapping_mul(0x0100_0000_01b3);
        if place > 0 {
            let log_likelihood = -(((hash >> 32) % 4096) as f32) / 512.0;
            let other = (hash >> 13) as u32 % vocab_size();
            let best = match hash.is_multiple_of(4) || other == *id {
                true => (*id, log_likelihood),
                false => (other, log_likelihood / 2.0),
            };
            scored.push(Scored {
                log_likelihood,
                best,
            });
        }
    }
    scored
}

/// log p(answer | prompt), with or without special tokens.
pub(crate) fn sum(model: usize, special: bool, prompt: &str, answer: &str) -> f64 {
    let encode = |text: &str| Mock.encode(text, special).unwrap_or_default();
    let (start, ids) = (encode(prompt).len(), encode(&format!("{prompt}{answer}")));
    let scored = score(model, &ids).into_iter().skip(start.saturating_sub(1));
    scored.map(|one| f64::from(one.log_likelihood)).sum()
}

/// The models. They work only while nobody else holds the lock, and leave in it how many prompts or questions each call
/// had.
#[derive(Clone, Default)]
pub(crate) struct Models {
    pub(crate) calls: Arc<Mutex<Vec<usize>>>,
}

/// Prompts that begin with this do harm.
pub(crate) const NAN: u32 = 3;
pub(crate) const INFINITY: u32 = 4;
pub(crate) const PANIC: u32 = 5;
pub(crate) const SHORT: u32 = 6;

impl Backend for Models {
    fn score(&mut self, model: usize, prompts: &[Vec<u32>]) -> Result<Vec<Vec<Scored>>, String> {
        self.calls.lock().unwrap().push(prompts.len());
        assert!(!prompts.iter().any(|ids| ids[0] == PANIC), "as asked");
        let scored = prompts.iter().map(|ids| {
            let mut scored = score(model, ids);
            match ids[0] {
                NAN => scored[0].log_likelihood = f32::NAN,
                INFINITY => {
                    scored[0].log_likelihood = f32::NEG_INFINITY;
                    scored[1].best = (0, f32::INFINITY);
                }
                SHORT => scored.clear(),
                _ => {}
            }
            scored
        });
        Ok(scored.collect())
    }

    fn judge(&mut self, questions: &[Question]) -> Result<Vec<Result<Judgement, String>>, String> {
        self.calls.lock().unwrap().push(questions.len());
        match questions
            .iter()
            .any(|question| question.prompt == Prompt::Text("break".into()))
        {
            true => Err("the model is broken".into()),
            false => Ok(questions.iter().map(judge).collect()),
        }
    }
}

pub(crate) fn judge(question: &Question) -> Result<Judgement, String> {
    let (prompt, _) = Mock.context(&question.prompt)?;
    if prompt == "refuse" {
        return Err("as asked".into());
    }
    let joined = |answer: &String| sum(3, true, &prompt, &format!(" {answer}"));
    let scores: Vec<f64> = question.answers.iter().map(joined).collect();
    let lengths = question
        .answers
        .iter()
        .map(|answer| answer.chars().count().max(1) as f64);
    let best = |than: f64| scores.iter().filter(|score| **score > than).count() + 1;
    let rank: Vec<usize> = scores.iter().map(|score| best(*score)).collect();
    Ok(Judgement {
        scores_per_character: scores
            .iter()
            .zip(lengths)
            .map(|(score, length)| score / length)
            .collect(),
        probabilities: scores
            .iter()
            .map(|score| 1.0 / (1.0 + (-score).exp()))
            .collect(),
        best: rank.iter().position(|rank| *rank == 1).unwrap_or(0),
        rank,
        scores,
    })
}
