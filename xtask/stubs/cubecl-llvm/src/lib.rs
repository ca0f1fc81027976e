//! Stands in for cubecl-llvm 0.11.3, so that `burn/cuda` builds without LLVM.
//!
//! cubecl-cuda 0.11.3 always compiles both of its compilers in: CUDA C++ through NVRTC, and LLVM.
//! The second pulls in a build script that downloads a whole LLVM from a release page, which a
//! machine with only a package registry cannot do. This workspace chooses the first (feature
//! `cuda-cpp` of cubecl; also the only one that can use Hopper's tensor memory accelerator), so
//! the second is never run. What follows is just the names that cubecl-cuda mentions; asked to
//! compile, it answers with an error.
//!
//! To be removed, with its `[patch.crates-io]` line, when upstream makes LLVM optional.

/// The parts of the PTX back end that cubecl-cuda names.
pub mod nvptx {
    /// PTX versions.
    pub mod ptx_version {
        use core::fmt;

        /// A PTX version; never one, here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct PtxVersion(());

        impl PtxVersion {
            /// Which PTX version a driver loads: only LLVM asks.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("none")
            }
        }
    }
}

/// The parts that cubecl-llvm's targets share.
pub mod shared {
    /// What LLVM lowers of a device's features.
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// The target whose features are narrowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GpuTarget {
            /// NVIDIA.
            Nvptx,
        }

        /// Narrows nothing: only called if LLVM is the chosen compiler.
        pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
    }
}

use core::ffi::c_char;
use core::fmt;

use cubecl_core::Compiler;
use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_runtime::compiler::CompilationError;
use cubecl_runtime::kernel::BufferIOAttr;

use nvptx::ptx_version::PtxVersion;

/// What LLVM compiles for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA.
    Nvptx,
}

/// The compiler that is not there.
#[derive(Clone, Debug)]
pub struct PlironCompiler {
    /// What it would compile for.
    pub target: LlvmTarget,
}

/// Its options.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// AMD's architecture.
    pub arch: Option<()>,
    /// NVIDIA's architecture.
    pub sm_arch: Option<SmArch>,
    /// The PTX version to emit.
    pub ptx_version: Option<PtxVersion>,
    /// How scalars are passed.
    pub grid_constants: bool,
}

/// A compiled kernel; never one, here.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// PTX assembly.
    pub ptx: Vec<c_char>,
    /// The kernel's symbol.
    pub entrypoint: String,
    /// The intermediate representation.
    pub ir: String,
    /// Shared memory of a launch, in bytes.
    pub shared_memory_size: usize,
    /// How the buffers are accessed.
    pub io: Vec<BufferIOAttr>,
}

/// What a compilation gives; never anything, here.
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    /// Code for NVIDIA.
    NvptxCode(NvptxModule),
}

impl fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NvptxCode(module) = self;
        f.write_str(&module.ir)
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &Self::CompilationOptions,
    ) -> Result<Self::Representation, CompilationError> {
        Err(CompilationError::Generic {
            reason: "this build has no LLVM (see xtask/stubs/cubecl-llvm); CUDA kernels are compiled by NVRTC".into(),
            backtrace: BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ptx"
    }

    fn lang_tag(&self) -> &'static str {
        "ptx"
    }
}
