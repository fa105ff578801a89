//! What `cargo xtask setup` installs: which wheels, their hashes, and which files of each go where.

/// A wheel that is pinned by its hash. Name, version and platform are those in the file name.
pub(crate) struct Wheel {
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
    /// Size of the wheel in bytes.
    pub(crate) bytes: u64,
}

impl Wheel {
    /// The package's name and version.
    pub(crate) fn package(&self) -> (&'static str, &'static str) {
        let mut parts = self.file.split('-');
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }

    /// One of the platform tags, the last of the file name's parts (PEP 427).
    pub(crate) fn platform(&self) -> &'static str {
        let tags = self.file.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
        tags.split('.').next().unwrap_or_default()
    }
}

/// A folder that is installed as a whole or not at all.
pub(crate) struct Component {
    pub(crate) name: &'static str,
    /// Relative to `target`.
    pub(crate) folder: &'static str,
    /// Each wheel with `MEMBER=FOLDER` rules: a file, or with a slash at its end a folder, of the wheel,
    /// and where it goes.
    pub(crate) parts: &'static [(&'static Wheel, &'static [&'static str])],
    /// Symbolic links: where, and to what.
    pub(crate) links: &'static [(&'static str, &'static str)],
    /// Disk space that it takes once unpacked, in bytes.
    pub(crate) unpacked: u64,
}

impl Component {
    /// What the stamp of a complete folder begins with: it changes with anything that is pinned here.
    pub(crate) fn recipe(&self) -> String {
        let mut text = String::from("visrep setup 1\n");
        for (wheel, rules) in self.parts {
            text += &format!("{} {}\n", wheel.sha256, wheel.file);
            rules.iter().for_each(|rule| text += &format!("  {rule}\n"));
        }
        self.links.iter().for_each(|(place, target)| text += &format!("link {place} -> {target}\n"));
        text
    }
}

/// LibTorch for the CPU. `libtorch_cpu.so` needs CUDA's runtime and profiling libraries even there.
///
/// Neither `libtorch_cuda.so` nor the wheel's own `libtorch.so` may lie in `lib`: `torch-sys` would link
/// the first, and the second needs it. A link of that name to `libtorch_cpu.so` serves `-ltorch`.
pub(crate) const CPU: Component = Component {
    name: "LibTorch",
    folder: "libtorch",
    parts: &[
        (
            &TORCH,
            &[
                "torch/include/=include",
                "torch/lib/libtorch_cpu.so=lib",
                "torch/lib/libc10.so=lib",
                "torch/lib/libgomp.so.1=lib",
            ],
        ),
        (&CUDART, &["nvidia/cu13/lib/libcudart.so.13=lib"]),
        (&CUPTI, &["nvidia/cu13/lib/libcupti.so.13=lib"]),
    ],
    links: &[("lib/libtorch.so", "libtorch_cpu.so")],
    unpacked: 600_000_000,
};

/// What an NVIDIA GPU needs besides: `visrep-torch` loads it when a program starts.
///
/// The tree is that of a Python environment, since the libraries find each other by an rpath of
/// `$ORIGIN/../../nvidia/*/lib`. The links lead to the libraries that a program has loaded already.
pub(crate) const CUDA: Component = Component {
    name: "LibTorch's CUDA libraries",
    folder: "libtorch/cuda",
    parts: &[
        (
            &TORCH,
            &[
                "torch/lib/libtorch_cuda.so=torch/lib",
                "torch/lib/libtorch_cuda_linalg.so=torch/lib",
                "torch/lib/libtorch_nvshmem.so=torch/lib",
                "torch/lib/libc10_cuda.so=torch/lib",
                "torch/lib/libcaffe2_nvrtc.so=torch/lib",
            ],
        ),
        (
            &Wheel {
                file: "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
                bytes: 423_133_236,
            },
            &[
                "nvidia/cu13/lib/libcublas.so.13=nvidia/cu13/lib",
                "nvidia/cu13/lib/libcublasLt.so.13=nvidia/cu13/lib",
            ],
        ),
        (
            &Wheel {
                file: "nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
                bytes: 366_066_321,
            },
            &["nvidia/cudnn/lib/=nvidia/cudnn/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
                bytes: 214_085_489,
            },
            &["nvidia/cu13/lib/libcufft.so.12=nvidia/cu13/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
                bytes: 1_223_672,
            },
            &["nvidia/cu13/lib/libcufile.so.0=nvidia/cu13/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
                bytes: 59_544_258,
            },
            &["nvidia/cu13/lib/libcurand.so.10=nvidia/cu13/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
                bytes: 200_941_980,
            },
            &["nvidia/cu13/lib/libcusolver.so.12=nvidia/cu13/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
                bytes: 145_942_937,
            },
            &["nvidia/cu13/lib/libcusparse.so.12=nvidia/cu13/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl",
                sha256: "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
                bytes: 169_884_119,
            },
            &["nvidia/cusparselt/lib/libcusparseLt.so.0=nvidia/cusparselt/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl",
                sha256: "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
                bytes: 196_493_177,
            },
            &["nvidia/nccl/lib/libnccl.so.2=nvidia/nccl/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
                sha256: "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
                bytes: 40_713_933,
            },
            &["nvidia/cu13/lib/libnvJitLink.so.13=nvidia/cu13/lib"],
        ),
        (
            &Wheel {
                file: "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
                sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
                bytes: 90_215_200,
            },
            &[
                "nvidia/cu13/lib/libnvrtc.so.13=nvidia/cu13/lib",
                "nvidia/cu13/lib/libnvrtc-builtins.so.13.0=nvidia/cu13/lib",
            ],
        ),
        (
            &Wheel {
                file: "nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
                bytes: 60_412_546,
            },
            &["nvidia/nvshmem/lib/libnvshmem_host.so.3=nvidia/nvshmem/lib"],
        ),
    ],
    links: &[
        ("torch/lib/libtorch_cpu.so", "../../../lib/libtorch_cpu.so"),
        ("torch/lib/libc10.so", "../../../lib/libc10.so"),
        ("torch/lib/libgomp.so.1", "../../../lib/libgomp.so.1"),
        ("nvidia/cu13/lib/libcudart.so.13", "../../../../lib/libcudart.so.13"),
        ("nvidia/cu13/lib/libcupti.so.13", "../../../../lib/libcupti.so.13"),
    ],
    unpacked: 3_300_000_000,
};

const TORCH: Wheel = Wheel {
    file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
    bytes: 530_604_548,
};

const CUDART: Wheel = Wheel {
    file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    bytes: 2_243_632,
};

const CUPTI: Wheel = Wheel {
    file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
    sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    bytes: 10_715_597,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch;

    #[test]
    fn names_versions_and_platforms_come_from_the_file_names() {
        assert_eq!(TORCH.package(), ("torch", libtorch::VERSION));
        assert_eq!(TORCH.platform(), "manylinux_2_28_x86_64");
        assert_eq!(CUDART.package(), ("nvidia_cuda_runtime", "13.0.96"));
        assert_eq!(CUDART.platform(), "manylinux2014_x86_64");
    }

    #[test]
    fn the_table_is_well_formed() {
        for component in [CPU, CUDA] {
            for (wheel, rules) in component.parts {
                assert_eq!(wheel.sha256.len(), 64, "{}", wheel.file);
                assert!(wheel.sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{}", wheel.file);
                assert!(rules.iter().all(|rule| rule.split('=').count() == 2), "{}", wheel.file);
            }
        }
    }
}
