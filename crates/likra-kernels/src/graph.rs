//! Operations with gradients of their own, in Burn's autodiff graph.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients as Tape;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend as _, BackendTensor, DispatchAutodiffContext, DispatchTensor,
    DispatchTensorKind, Flex,
};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

/// A fused function of `N` tensors, to which gradients go. Its fields are what else it takes.
pub(crate) trait Operation<const N: usize>: Send + Debug + 'static {
    /// What the backward pass needs; dropped if nothing asks for a gradient.
    type Kept: Clone + Send + Debug + 'static;

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Kept);

    /// The gradients of the inputs, at least of those that need one, from that of the output.
    fn backward(&self, output: &FlexTensor, kept: &Self::Kept, needed: [bool; N]) -> Gradients<N>;
}

/// Those of some inputs.
pub(crate) type Gradients<const N: usize> = [Option<FlexTensor>; N];

/// Runs `operation`, and enters its output into the graph that its inputs are in, if they are in one.
pub(crate) fn fused<const N: usize, const D: usize>(
    inputs: [Tensor<2>; N],
    operation: impl Operation<N>,
) -> Tensor<D> {
    let inputs = inputs.map(Tensor::into_dispatch);
    let contexts = inputs.each_ref().map(|input| input.autodiff);
    let in_graph =
        |context: &DispatchAutodiffContext| *context != DispatchAutodiffContext::Disabled;
    let autodiff = contexts.into_iter().find(in_graph).unwrap_or_default();
    let inputs = inputs.map(|input| tracked(input.kind));
    let kind = if in_graph(&autodiff) {
        let output = BackendTensor::Autodiff(record(inputs, operation));
        DispatchTensorKind::Autodiff(DispatchTensorKind::Flex(output).into())
    } else {
        let (output, _) = operation.forward(inputs.map(Tracked::into_primitive));
        DispatchTensorKind::Flex(BackendTensor::Float(output))
    };
    Tensor::from_dispatch(DispatchTensor { kind, autodiff })
}

/// A tensor to which no gradient goes.
pub(crate) fn constant<const D: usize>(tensor: &Tensor<D>) -> FlexTensor {
    assert!(!tensor.is_tracked(), "a constant is tracked");
    tracked(tensor.clone().into_dispatch().kind).into_primitive()
}

type InGraph = Autodiff<Flex>;
type Tracked = FloatTensor<InGraph>;

/// A tensor of a graph, or a constant of any if it is in none.
fn tracked(tensor: DispatchTensorKind) -> Tracked {
    if let DispatchTensorKind::Autodiff(tensor) = tensor {
        return tracked(*tensor);
    }
    match tensor {
        DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => tensor,
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => InGraph::from_inner(tensor),
        other => panic!("expected floats on the CPU, found {other:?}"),
    }
}

/// Runs `operation` and enters its output into the graph.
fn record<const N: usize>(inputs: [Tracked; N], operation: impl Operation<N>) -> Tracked {
    let nodes = inputs.each_ref().map(Tracked::node);
    let (output, kept) = operation.forward(inputs.map(Tracked::into_primitive));
    let recorded = Recorded(operation).prepare::<NoCheckpointing>(nodes);
    match recorded.compute_bound().stateful() {
        OpsKind::Tracked(tracked) => tracked.finish(kept, output),
        OpsKind::UnTracked(untracked) => untracked.finish(output),
    }
}

#[derive(Debug)]
struct Recorded<O>(O);

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Recorded<O> {
    type State = O::Kept;

    fn backward(self, ops: Ops<O::Kept, N>, tape: &mut Tape, _: &mut Checkpointer) {
        let output = tape.consume::<Flex>(&ops.node);
        let needed = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward(&output, &ops.state, needed);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                tape.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
