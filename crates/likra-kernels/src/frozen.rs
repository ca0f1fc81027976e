//! Matrices that never learn.

use std::ops::Range;
use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps as _;
use burn::tensor::{Device, Int, Tensor, TensorData, bf16};
use burn_flex::FlexTensor;

use crate::flex::{floats, is_fused, tensor};
use crate::graph::{Gradients, Operation, constant, fused};
use crate::packed::Packed;

/// A constant matrix `[out, in]` by which activations are multiplied, outside of every graph.
///
/// Its type is that of the activations, or on a CPU bf16 beside activations in f32.
#[derive(Debug, Clone)]
pub struct Frozen(Kind);

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
enum Kind {
    Tensor(Tensor<2>),
    Packed(Arc<Packed>),
}

impl From<Tensor<2>> for Frozen {
    fn from(tensor: Tensor<2>) -> Self {
        Self(Kind::Tensor(tensor))
    }
}

impl Frozen {
    /// A matrix whose rows `read` gives, some at a time, for a CPU whose activations are in f32.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    ///
    /// # Panics
    ///
    /// If it does not give as many numbers as the rows of `[out, in]` have.
    pub fn packed<E>(
        [rows, columns]: [usize; 2],
        read: impl FnMut(Range<usize>) -> Result<Vec<bf16>, E>,
    ) -> Result<Self, E> {
        let packed = Packed::new(rows, columns, read)?;
        Ok(Self(Kind::Packed(Arc::new(packed))))
    }

    /// `x Wᵀ`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[tokens, in]`
    /// - output: `[tokens, out]`
    pub fn product(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.0 {
            Kind::Tensor(weight) if !is_fused(&x) => x.matmul(weight.clone().transpose()),
            _ => fused([x], Product(self.clone())),
        }
    }

    /// Some rows, in the type of the activations, on `device`: `[rows, in]`.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn select(&self, rows: &[u32], device: &Device) -> Tensor<2> {
        match &self.0 {
            Kind::Tensor(table) => {
                let ids: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
                let data = TensorData::new(ids, [rows.len()]);
                let ids: Tensor<1, Int> = Tensor::from_data(data, device);
                table.clone().select(0, ids)
            }
            Kind::Packed(packed) => {
                let numbers = rows.iter().flat_map(|&row| packed.row(row as usize));
                let data = TensorData::new(numbers.collect(), [rows.len(), packed.sizes()[1]]);
                Tensor::from_data(data, device)
            }
        }
    }

    /// [`product`](Self::product) of numbers on a CPU.
    pub(crate) fn times(&self, x: &FlexTensor) -> FlexTensor {
        match &self.0 {
            Kind::Tensor(weight) => product(x, weight),
            Kind::Packed(packed) => matrix(packed.product(&floats(x)), x),
        }
    }

    /// `y W`, the way back: `[tokens, out]` to `[tokens, in]`.
    pub(crate) fn turned_times(&self, y: &FlexTensor) -> FlexTensor {
        match &self.0 {
            Kind::Tensor(weight) => Flex::float_matmul(y.clone(), constant(weight)),
            Kind::Packed(packed) => matrix(packed.turned_product(&floats(y)), y),
        }
    }
}

/// `x Wᵀ`, each row the same bits whatever other rows there are: `gemm` 0.19 adds up products of few rows in another order
/// (one row, 256 numbers, or 64 rows and columns), so those get more rows.
fn product(x: &FlexTensor, weight: &Tensor<2>) -> FlexTensor {
    let (rows, columns) = (x.layout().shape()[0], x.layout().shape()[1]);
    let fewest = if weight.dims()[0] <= 64 { 65 } else { 5 };
    let turned = Flex::float_transpose(constant(weight));
    if rows >= fewest {
        return Flex::float_matmul(x.clone(), turned);
    }
    let mut numbers = floats(x).into_owned();
    numbers.resize(fewest * columns, 0.0);
    let product = Flex::float_matmul(tensor(numbers, [fewest, columns]), turned);
    let mut numbers = floats(&product).into_owned();
    numbers.truncate(rows * weight.dims()[0]);
    tensor(numbers, [rows, weight.dims()[0]])
}

/// A matrix with as many rows as another one.
fn matrix(numbers: Vec<f32>, like: &FlexTensor) -> FlexTensor {
    let rows = like.layout().shape()[0];
    let columns = numbers.len() / rows;
    tensor(numbers, [rows, columns])
}

/// [`Frozen::product`] in a graph.
#[derive(Debug)]
struct Product(Frozen);

impl Operation<1> for Product {
    type Kept = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (self.0.times(&x), ())
    }

    fn backward(&self, output: &FlexTensor, (): &(), _: [bool; 1]) -> Gradients<1> {
        [Some(self.0.turned_times(output))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::matrix;

    fn packed(numbers: &[bf16], shape: [usize; 2]) -> Frozen {
        let read = |rows: Range<usize>| {
            Ok::<_, ()>(numbers[rows.start * shape[1]..rows.end * shape[1]].to_vec())
        };
        Frozen::packed(shape, read).unwrap()
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    /// With ones as input and as gradient the products are sums of rows and of columns.
    #[test]
    fn a_packed_matrix_is_multiplied_in_a_graph_as_a_tensor_is() {
        let weight = matrix(70, 33, 1);
        let numbers: Vec<bf16> = values(weight).into_iter().map(bf16::from_f32).collect();
        let exact: Vec<f32> = numbers.iter().map(|number| number.to_f32()).collect();
        let device = Device::flex();
        let exact = Tensor::<2>::from_data(TensorData::new(exact, [70, 33]), &device);
        let results = [packed(&numbers, [70, 33]), exact.into()].map(|weight| {
            let x = Tensor::<2>::ones([5, 33], &device)
                .autodiff()
                .require_grad();
            let y = weight.product(x.clone());
            let mut gradients = y.clone().sum().backward();
            let gradient = x.grad_remove(&mut gradients).unwrap();
            let rows = weight.select(&[69, 0], &device);
            [values(y.inner()), values(gradient), values(rows)].concat()
        });
        let [packed, plain] = results;
        assert_eq!(packed.len(), 5 * 70 + 5 * 33 + 2 * 33);
        for (packed, plain) in packed.iter().zip(&plain) {
            assert!((packed - plain).abs() < 1e-5, "{packed} is not {plain}");
        }
    }

    /// So that what a text comes to does not depend on the texts beside it.
    #[test]
    fn a_row_comes_to_the_same_bits_beside_any_others() {
        let weight = matrix(576, 192, 1);
        let numbers: Vec<bf16> = values(weight.clone())
            .into_iter()
            .map(bf16::from_f32)
            .collect();
        let narrow = || Frozen::from(matrix(40, 700, 3));
        for weight in [weight.into(), packed(&numbers, [576, 192]), narrow()] {
            let columns = match &weight.0 {
                Kind::Tensor(weight) => weight.dims()[1],
                Kind::Packed(packed) => packed.sizes()[1],
            };
            let x = matrix(900, columns, 2);
            let all = values(weight.product(x.clone()));
            for rows in [1, 2, 3, 7, 17, 48, 100, 333] {
                let some = values(weight.product(x.clone().slice(0..rows)));
                let bits =
                    |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&some), bits(&all[..some.len()]), "{rows} rows");
            }
        }
    }
}
