//! `/v1/judge`: which of several answers is the best, and how good each is. `/v1/judge/context`: what the heads read before
//! an answer.

use axum::Json;
use axum::extract::State;
use likra_judge::{Prompt, Question};
use serde::Deserialize;
use serde_json::json;

use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusable, Refusal};
use crate::worker;

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected {\"prompt\": text or messages, \"answers\": [texts]}, or several as {\"questions\": [...]}"
)]
pub(crate) enum Asked {
    Many { questions: Vec<Question> },
    One(Question),
}

pub(crate) async fn judge(State(app): Shared, Json(asked): Json<Asked>) -> Answer {
    let (questions, is_one) = match asked {
        Asked::Many { questions } => (questions, false),
        Asked::One(question) => (vec![question], true),
    };
    let questions = questions.into_iter();
    // Nothing depends on which answer is right.
    let questions = questions.map(|one| Question { label: None, ..one });
    let at = |place: usize, name: &str| match is_one {
        true => name.to_owned(),
        false => format!("questions[{place}].{name}"),
    };
    let questions = questions.enumerate().map(|(place, one)| {
        let [prompt, answers] = ["prompt", "answers"].map(|name| at(place, name));
        Ok((tokens(&app, &one, &prompt, &answers)?, one))
    });
    let questions = questions.collect::<Result<_, _>>()?;
    let answers = app.ask(worker::Asked::Judgements, questions).await?;
    let judgements = answers.into_iter().enumerate().map(|(place, judgement)| {
        judgement.map_err(|why| Refusal::value(&at(place, "answers"), why))
    });
    let judgements: Vec<_> = judgements.collect::<Result<_, _>>()?;
    Ok(Json(match is_one {
        true => json!(judgements.first()),
        false => json!({"judgements": judgements}),
    }))
}

#[derive(Deserialize)]
pub(crate) struct Read {
    prompt: Prompt,
}

pub(crate) async fn context(State(app): Shared, Json(Read { prompt }): Json<Read>) -> Answer {
    let (context, chat) = app.context("prompt", &prompt)?;
    Ok(Json(json!({"context": context, "chat": chat})))
}

/// The tokens of a question's prompt and answers, under these names in the request; exactly how the judge joins them is its
/// own affair.
fn tokens(app: &App, question: &Question, prompt: &str, answers: &str) -> Refusable<usize> {
    if question.answers.is_empty() {
        let why = "found none; expected at least one";
        return Err(Refusal::value(answers, why));
    }
    let most = app.settings.positions;
    let (context, _) = app.context(prompt, &question.prompt)?;
    let before = app.encode(prompt, &context, false)?.len();
    question.answers.iter().try_fold(before, |all, answer| {
        let own = app.encode(answers, answer, false)?.len();
        match before + own > most {
            true => Err(Refusal::too_long(answers, before + own, most)),
            false => Ok(all + own),
        }
    })
}
