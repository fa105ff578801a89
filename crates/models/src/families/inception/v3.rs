//! Inception v3, layer by layer.

use super::mixed::{BranchPlan, Pool, Step};
use super::network::{LayerPlan, Plan};
use crate::layers::{ConvConfig, Padding};

/// `fid`: with the poolings of the network of the Fréchet inception distance.
pub(super) fn plan(fid: bool) -> Plan {
    let unpadded = |output, kernel| ConvConfig::new(0, output, kernel).padding(Padding::Fixed(0, 0));
    let pool = || LayerPlan::Pool { kernel: 3, ceil: false };
    let mean = Pool::Mean { zeros: !fid };
    Plan {
        network: "Inception v3",
        smallest: 75,
        std: 0.1,
        layers: vec![
            ("Conv2d_1a_3x3", LayerPlan::Conv(unpadded(32, 3).stride(2))),
            ("Conv2d_2a_3x3", LayerPlan::Conv(unpadded(32, 3))),
            ("Conv2d_2b_3x3", LayerPlan::Conv(ConvConfig::new(0, 64, 3))),
            ("Pool1", pool()),
            ("Conv2d_3b_1x1", LayerPlan::Conv(unpadded(80, 1))),
            ("Conv2d_4a_3x3", LayerPlan::Conv(unpadded(192, 3))),
            ("Pool2", pool()),
            ("Mixed_5b", a(32, mean)),
            ("Mixed_5c", a(64, mean)),
            ("Mixed_5d", a(64, mean)),
            ("Mixed_6a", b()),
            ("Mixed_6b", c(128, mean)),
            ("Mixed_6c", c(160, mean)),
            ("Mixed_6d", c(160, mean)),
            ("Mixed_6e", c(192, mean)),
            ("Mixed_7a", d()),
            ("Mixed_7b", e(mean)),
            ("Mixed_7c", e(if fid { Pool::Max } else { mean })),
        ],
        grouped: &[3, 6],
    }
}

/// The paper's figure 5: 5×5 kernels as two 3×3.
fn a(pooled: i64, mean: Pool) -> LayerPlan {
    LayerPlan::Mixed(vec![
        BranchPlan::of([Step::square("branch1x1", 64, 1)]),
        BranchPlan::of([Step::square("branch5x5_1", 48, 1), Step::square("branch5x5_2", 64, 5)]),
        BranchPlan::of([
            Step::square("branch3x3dbl_1", 64, 1),
            Step::square("branch3x3dbl_2", 96, 3),
            Step::square("branch3x3dbl_3", 96, 3),
        ]),
        BranchPlan::pooled(mean, &[Step::square("branch_pool", pooled, 1)]),
    ])
}

/// To half the side.
fn b() -> LayerPlan {
    LayerPlan::Mixed(vec![
        BranchPlan::of([Step("branch3x3", 384, (3, 3), 2)]),
        BranchPlan::of([
            Step::square("branch3x3dbl_1", 64, 1),
            Step::square("branch3x3dbl_2", 96, 3),
            Step("branch3x3dbl_3", 96, (3, 3), 2),
        ]),
        BranchPlan::pooled(Pool::Halve, &[]),
    ])
}

/// The paper's figure 6: 7×7 kernels as rows and columns.
fn c(width: i64, mean: Pool) -> LayerPlan {
    const ROW: (i64, i64) = (1, 7);
    const COLUMN: (i64, i64) = (7, 1);
    LayerPlan::Mixed(vec![
        BranchPlan::of([Step::square("branch1x1", 192, 1)]),
        BranchPlan::of([
            Step::square("branch7x7_1", width, 1),
            Step("branch7x7_2", width, ROW, 1),
            Step("branch7x7_3", 192, COLUMN, 1),
        ]),
        BranchPlan::of([
            Step::square("branch7x7dbl_1", width, 1),
            Step("branch7x7dbl_2", width, COLUMN, 1),
            Step("branch7x7dbl_3", width, ROW, 1),
            Step("branch7x7dbl_4", width, COLUMN, 1),
            Step("branch7x7dbl_5", 192, ROW, 1),
        ]),
        BranchPlan::pooled(mean, &[Step::square("branch_pool", 192, 1)]),
    ])
}

/// To half the side.
fn d() -> LayerPlan {
    LayerPlan::Mixed(vec![
        BranchPlan::of([Step::square("branch3x3_1", 192, 1), Step("branch3x3_2", 320, (3, 3), 2)]),
        BranchPlan::of([
            Step::square("branch7x7x3_1", 192, 1),
            Step("branch7x7x3_2", 192, (1, 7), 1),
            Step("branch7x7x3_3", 192, (7, 1), 1),
            Step("branch7x7x3_4", 192, (3, 3), 2),
        ]),
        BranchPlan::pooled(Pool::Halve, &[]),
    ])
}

/// The paper's figure 7: branches that end in a row and a column side by side.
fn e(pool: Pool) -> LayerPlan {
    const ROW: (i64, i64) = (1, 3);
    const COLUMN: (i64, i64) = (3, 1);
    LayerPlan::Mixed(vec![
        BranchPlan::of([Step::square("branch1x1", 320, 1)]),
        BranchPlan::of([Step::square("branch3x3_1", 384, 1)])
            .fork([Step("branch3x3_2a", 384, ROW, 1), Step("branch3x3_2b", 384, COLUMN, 1)]),
        BranchPlan::of([Step::square("branch3x3dbl_1", 448, 1), Step::square("branch3x3dbl_2", 384, 3)])
            .fork([Step("branch3x3dbl_3a", 384, ROW, 1), Step("branch3x3dbl_3b", 384, COLUMN, 1)]),
        BranchPlan::pooled(pool, &[Step::square("branch_pool", 192, 1)]),
    ])
}
