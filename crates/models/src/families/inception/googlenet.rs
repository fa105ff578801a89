//! GoogLeNet in torchvision's form: with batch normalisation, and with 3×3 kernels where the paper has 5×5.

use super::mixed::{BranchPlan, Pool, Step};
use super::network::{LayerPlan, Plan};
use crate::layers::ConvConfig;

pub(super) fn plan() -> Plan {
    let conv = |output, kernel| LayerPlan::Conv(ConvConfig::new(0, output, kernel));
    let pool = |kernel| LayerPlan::Pool { kernel, ceil: true };
    Plan {
        network: "GoogLeNet",
        smallest: 15,
        std: 0.01,
        layers: vec![
            ("conv1", LayerPlan::Conv(ConvConfig::new(0, 64, 7).stride(2))),
            ("maxpool1", pool(3)),
            ("conv2", conv(64, 1)),
            ("conv3", conv(192, 3)),
            ("maxpool2", pool(3)),
            ("inception3a", module(64, (96, 128), (16, 32), 32)),
            ("inception3b", module(128, (128, 192), (32, 96), 64)),
            ("maxpool3", pool(3)),
            ("inception4a", module(192, (96, 208), (16, 48), 64)),
            ("inception4b", module(160, (112, 224), (24, 64), 64)),
            ("inception4c", module(128, (128, 256), (24, 64), 64)),
            ("inception4d", module(112, (144, 288), (32, 64), 64)),
            ("inception4e", module(256, (160, 320), (32, 128), 128)),
            ("maxpool4", pool(2)),
            ("inception5a", module(256, (160, 320), (32, 128), 128)),
            ("inception5b", module(384, (192, 384), (48, 128), 128)),
        ],
        grouped: &[],
    }
}

/// A row of the paper's table 1: the 1×1 convolution, two 3×3 ones behind reductions, and the pooled branch.
fn module(one: i64, two: (i64, i64), three: (i64, i64), four: i64) -> LayerPlan {
    LayerPlan::Mixed(vec![
        BranchPlan::of([Step::square("branch1", one, 1)]),
        BranchPlan::of([Step::square("branch2.0", two.0, 1), Step::square("branch2.1", two.1, 3)]),
        BranchPlan::of([Step::square("branch3.0", three.0, 1), Step::square("branch3.1", three.1, 3)]),
        BranchPlan::pooled(Pool::Max, &[Step::square("branch4.1", four, 1)]),
    ])
}
