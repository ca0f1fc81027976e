//! Operations with gradients of their own, in Burn's autodiff graph.

use std::fmt::Debug;

use burn::backend::Autodiff;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn_flex::FlexTensor;

/// Computes the gradients of `N` inputs: from that of the output, what the forward pass kept, and
/// which inputs need one.
pub(crate) type GradientOf<S, const N: usize> =
    fn(&FlexTensor, &S, [bool; N]) -> [Option<FlexTensor>; N];

/// Enters `output` into the graph as a function of `inputs`. `kept` is dropped if nothing asks for a
/// gradient.
pub(crate) fn record<C, S, const N: usize>(
    inputs: [NodeGuard; N],
    kept: S,
    output: FlexTensor,
    gradient: GradientOf<S, N>,
) -> FloatTensor<Autodiff<Flex, C>>
where
    C: CheckpointStrategy,
    S: Clone + Send + Debug + 'static,
{
    let operation = Operation { gradient };
    match operation.prepare::<C>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(tracked) => tracked.finish(kept, output),
        OpsKind::UnTracked(untracked) => untracked.finish(output),
    }
}

#[derive(Debug)]
struct Operation<S, const N: usize> {
    gradient: GradientOf<S, N>,
}

impl<S, const N: usize> Backward<Flex, N> for Operation<S, N>
where
    S: Clone + Send + Debug + 'static,
{
    type State = S;

    fn backward(self, ops: Ops<S, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let output = gradients.consume::<Flex>(&ops.node);
        let needed = ops.parents.each_ref().map(Option::is_some);
        let found = (self.gradient)(&output, &ops.state, needed);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
