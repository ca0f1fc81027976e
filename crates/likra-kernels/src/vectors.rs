//! Functions that are compiled for the vectors of the CPU on which they run.

/// Defines a function whose body is compiled once for each kind of vectors (SSE, AVX2, AVX-512, NEON), and
/// which runs the one that the CPU has.
///
/// What it calls has to be `#[inline(always)]`, or it is compiled for the oldest CPU. So would be a
/// closure that is given to `Arch::dispatch`: the function through which a closure is called cannot be
/// told to be inlined, and if it is long it is not.
macro_rules! vectorised {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident<$life:lifetime>(
            $($argument:ident: $type:ty),* $(,)?
        ) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name<$life>($($argument: $type),*) $(-> $result)? {
            struct Work<$life> {
                $($argument: $type),*
            }

            impl<$life> pulp::NullaryFnOnce for Work<$life> {
                type Output = $crate::vectors::vectorised!(@output $($result)?);

                #[inline(always)]
                fn call(self) -> Self::Output {
                    let Self { $($argument),* } = self;
                    $body
                }
            }

            pulp::Arch::new().dispatch(Work { $($argument),* })
        }
    };
    (@output) => { () };
    (@output $result:ty) => { $result };
}

pub(crate) use vectorised;
