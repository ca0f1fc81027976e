//! What a head is trained for: losses on log-likelihoods of answers.
//!
//! Below, D is what a head has made of an answer: its log-likelihood under the head less that under the base alone, in
//! nats. The base is the reference, so no second model is needed.

use std::fmt;
use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid};
use likra_tokenizer::EncodedPair;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a head is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// To make its answers likelier: the mean of -log p over their tokens (paper, equation 1).
    #[default]
    Likelihood,
    /// To make right answers likelier, and the tokens of wrong ones less likely: of those -log (1 - p) (Welleck et al.
    /// 2020, equation 4, with its `1e-5` as the least 1 - p).
    Unlikelihood,
    /// To tell a right answer from a wrong one: -log s(beta (D+ - D-)), s the logistic function (Rafailov et al. 2023,
    /// equation 7).
    Dpo,
    /// The same by a reward of its own, a linear layer on the hidden state of the answer's last token: -log s(r+ - r-)
    /// (Bradley and Terry 1952; Ouyang et al. 2022, equation 1). Such a head has no log-likelihoods.
    BradleyTerry,
    /// The same by distance: (D+ - D- - 1 / (2 beta))^2, with D the mean over an answer's tokens, as in TRL (Azar et al.
    /// 2023, equation 17).
    Ipo,
    /// To raise right answers above what the head makes of any, and wrong ones below: 1 - s(beta (D+ - z)) and
    /// 1 - s(beta (z - D-)), where z is the mean D of answers to other questions, or 0 if that is negative (Ethayarajh et
    /// al. 2024, equation 8).
    Kto,
    /// The same, of wrong answers alone.
    KtoNegatives,
    /// To choose the right one of a question's answers: -log softmax over them of log p.
    Choice,
}

/// Which part an answer has in a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Chosen,
    Rejected,
    /// It answers another question.
    Mismatched,
}

/// An answer of a batch: the place of its example, and of its tokens among those of all answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) role: Role,
    pub(crate) example: usize,
    pub(crate) tokens: Range<usize>,
}

impl fmt::Display for Objective {
    /// The name in files.
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        self.serialize(to)
    }
}

impl Objective {
    /// Whether it can learn from an example with so many chosen and rejected answers.
    pub(crate) fn takes(self, chosen: usize, rejected: usize) -> bool {
        match self {
            Self::Likelihood => chosen > 0 && rejected == 0,
            Self::Dpo | Self::Ipo | Self::BradleyTerry => (chosen, rejected) == (1, 1),
            Self::Choice => chosen == 1 && rejected > 0,
            Self::KtoNegatives => chosen == 0 && rejected > 0,
            Self::Unlikelihood | Self::Kto => chosen + rejected > 0,
        }
    }

    /// The tokens of a text that are run. The last one predicts nothing that is asked for; a reward stands at it.
    pub(crate) fn run_of(self, text: &EncodedPair) -> &[u32] {
        let last = usize::from(!self.has_reward());
        &text.tokens[..text.tokens.len().saturating_sub(last)]
    }

    /// Whether it goes by rewards in place of log-likelihoods.
    pub fn has_reward(self) -> bool {
        self == Self::BradleyTerry
    }

    /// Whether it compares with the base, which only `beta` holds it to.
    pub fn has_reference(self) -> bool {
        matches!(self, Self::Dpo | Self::Ipo) || self.has_mismatched()
    }

    /// Whether it looks at answers to other questions, too: then two texts are run for each answer.
    pub fn has_mismatched(self) -> bool {
        matches!(self, Self::Kto | Self::KtoNegatives)
    }

    /// The loss of a batch, `[1]`. `log_likelihoods`, `reference`: `[answer tokens]`, in nats, under the head and under the
    /// base; or one reward for each answer.
    pub(crate) fn loss(
        self,
        beta: f64,
        log_likelihoods: Tensor<1>,
        reference: Option<Tensor<1>>,
        answers: &[Answer],
    ) -> Tensor<1> {
        let gained = match reference {
            Some(reference) => log_likelihoods - reference,
            None => log_likelihoods,
        };
        let tokens = |answer: &Answer| gained.clone().slice(answer.tokens.clone());
        let of = |role| answers.iter().filter(move |answer| answer.role == role);
        let sums = |role| joined(of(role).map(|answer| tokens(answer).sum()));
        match self {
            Self::Likelihood => gained.mean().neg(),
            Self::Unlikelihood => {
                let right = of(Role::Chosen).map(|answer| tokens(answer).neg());
                let rest = |answer| (-tokens(answer).exp() + 1.0).clamp_min(1e-5);
                let wrong = of(Role::Rejected).map(|answer| rest(answer).log().neg());
                joined(right.chain(wrong)).mean()
            }
            Self::Dpo | Self::BradleyTerry => {
                let margin = sums(Role::Chosen) - sums(Role::Rejected);
                let beta = if self.has_reward() { 1.0 } else { beta };
                log_sigmoid(margin * beta).mean().neg()
            }
            Self::Ipo => {
                let means = |role| joined(of(role).map(|answer| tokens(answer).mean()));
                let margin = means(Role::Chosen) - means(Role::Rejected);
                (margin - 1.0 / (2.0 * beta)).square().mean()
            }
            Self::Kto | Self::KtoNegatives => {
                let usual = sums(Role::Mismatched).detach().mean().clamp_min(0.0);
                let lacking = |answer: &Answer| {
                    let above = tokens(answer).sum() - usual.clone();
                    let above = match answer.role {
                        Role::Chosen => above,
                        _ => above.neg(),
                    };
                    -sigmoid(above * beta) + 1.0
                };
                let own = answers.iter();
                let own = own.filter(|answer| answer.role != Role::Mismatched);
                joined(own.map(lacking)).mean()
            }
            Self::Choice => {
                let questions = answers.chunk_by(|a, b| a.example == b.example);
                // Of each question the right answer is the first.
                let chosen = questions.map(|answers| {
                    let sums = joined(answers.iter().map(|answer| tokens(answer).sum()));
                    log_softmax(sums, 0).slice(0..1)
                });
                joined(chosen).mean().neg()
            }
        }
    }
}

fn joined(parts: impl Iterator<Item = Tensor<1>>) -> Tensor<1> {
    Tensor::cat(parts.collect(), 0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn tensor(numbers: &[f32]) -> Tensor<1> {
        Tensor::from_floats(numbers, &Device::flex())
    }

    /// Two questions, each with a chosen answer of two tokens and a rejected one of one; and two mismatched answers.
    fn loss(objective: Objective) -> f32 {
        let own = [0, 1].map(|example| {
            let at = 3 * example;
            [(Role::Chosen, at..at + 2), (Role::Rejected, at + 2..at + 3)].map(|(role, tokens)| {
                Answer {
                    role,
                    example,
                    tokens,
                }
            })
        });
        let mut answers = own.concat();
        if objective.has_mismatched() {
            answers.extend([6, 7].map(|at| Answer {
                role: Role::Mismatched,
                example: 2,
                tokens: at..at + 1,
            }));
        }
        let count = answers.last().unwrap().tokens.end;
        let all = [-1.0, -0.5, -2.0, -0.3, -0.2, -0.1, -1.0, -3.0];
        let base = [-1.2, -0.8, -1.5, -0.4, -0.6, -0.2, -1.5, -3.1];
        let reference = objective.has_reference().then(|| tensor(&base[..count]));
        let loss = objective.loss(0.5, tensor(&all[..count]), reference, &answers);
        loss.into_scalar::<f32>()
    }

    /// D+ is 0.5 for both, D- is -0.5 and 0.1, z is 0.3; all by hand.
    #[test]
    fn every_objective_by_hand() {
        let s = |x: f64| 1.0 / (1.0 + (-x).exp());
        let softmax = |right: f64, wrong: f64| s(right - wrong);
        let expected = [
            (Objective::Likelihood, 4.1 / 6.0),
            (
                Objective::Unlikelihood,
                (2.0 - (1.0 - (-2.0_f64).exp()).ln() - (1.0 - (-0.1_f64).exp()).ln()) / 6.0,
            ),
            (Objective::Dpo, -(s(0.5).ln() + s(0.2).ln()) / 2.0),
            (
                Objective::Ipo,
                f64::midpoint(0.25_f64.powi(2), 0.85_f64.powi(2)),
            ),
            (
                Objective::Kto,
                (2.0 * (1.0 - s(0.1)) + (1.0 - s(0.4)) + (1.0 - s(0.1))) / 4.0,
            ),
            (
                Objective::Choice,
                -(softmax(-1.5, -2.0).ln() + softmax(-0.5, -0.1).ln()) / 2.0,
            ),
        ];
        for (objective, expected) in expected {
            let found = f64::from(loss(objective));
            assert!(
                (found - expected).abs() < 1e-6,
                "{objective:?}: {found} is not {expected}"
            );
        }
    }
}
