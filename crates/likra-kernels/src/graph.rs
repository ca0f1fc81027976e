//! Operations with gradients of their own, in Burn's autodiff graph.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};
use burn_flex::FlexTensor;

/// A fused function of `N` tensors, to which gradients go. Its fields are what else it takes.
pub(crate) trait Operation<const N: usize>: Send + Debug + 'static {
    /// What the backward pass needs; dropped if nothing asks for a gradient.
    type Kept: Clone + Send + Debug + 'static;

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Kept);

    /// The gradients of the inputs, at least of those that need one, from that of the output.
    fn backward(
        &self,
        output: &FlexTensor,
        kept: &Self::Kept,
        needed: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// Runs operations of one, two and three tensors, in a graph or not.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Fused: Backend {
    fn of_1(x: FloatTensor<Self>, operation: impl Operation<1>) -> FloatTensor<Self>;

    fn of_2(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        operation: impl Operation<2>,
    ) -> FloatTensor<Self>;

    fn of_3(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        operation: impl Operation<3>,
    ) -> FloatTensor<Self>;
}

impl Fused for Flex {
    fn of_1(x: FlexTensor, operation: impl Operation<1>) -> FlexTensor {
        operation.forward([x]).0
    }

    fn of_2(x: FlexTensor, y: FlexTensor, operation: impl Operation<2>) -> FlexTensor {
        operation.forward([x, y]).0
    }

    fn of_3(
        x: FlexTensor,
        y: FlexTensor,
        z: FlexTensor,
        operation: impl Operation<3>,
    ) -> FlexTensor {
        operation.forward([x, y, z]).0
    }
}

/// A tensor in a graph.
type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

impl<C: CheckpointStrategy> Fused for Autodiff<Flex, C> {
    fn of_1(x: Tracked<C>, operation: impl Operation<1>) -> Tracked<C> {
        record::<C, 1>([x], operation)
    }

    fn of_2(x: Tracked<C>, y: Tracked<C>, operation: impl Operation<2>) -> Tracked<C> {
        record::<C, 2>([x, y], operation)
    }

    fn of_3(
        x: Tracked<C>,
        y: Tracked<C>,
        z: Tracked<C>,
        operation: impl Operation<3>,
    ) -> Tracked<C> {
        record::<C, 3>([x, y, z], operation)
    }
}

/// Runs `operation` and enters its output into the graph.
fn record<C: CheckpointStrategy, const N: usize>(
    inputs: [Tracked<C>; N],
    operation: impl Operation<N>,
) -> Tracked<C> {
    let nodes = inputs.each_ref().map(|input| input.node());
    let (output, kept) = operation.forward(inputs.map(|input| input.into_primitive()));
    let recorded = Recorded(operation).prepare::<C>(nodes);
    match recorded.compute_bound().stateful() {
        OpsKind::Tracked(tracked) => tracked.finish(kept, output),
        OpsKind::UnTracked(untracked) => untracked.finish(output),
    }
}

#[derive(Debug)]
struct Recorded<O>(O);

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Recorded<O> {
    type State = O::Kept;

    fn backward(self, ops: Ops<O::Kept, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let output = gradients.consume::<Flex>(&ops.node);
        let needed = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward(&output, &ops.state, needed);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
