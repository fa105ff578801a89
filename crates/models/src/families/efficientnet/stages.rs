//! The stages of EfficientNet and the MobileNets as their papers' tables have them, and how width and depth scale them.

/// The form of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Depthwise, then pointwise: the first stage, which does not expand.
    Separable,
    /// MobileNetV2's inverted residual: pointwise expansion, depthwise, pointwise projection.
    Inverted,
    /// One 1×1 convolution: MobileNetV3's last stage.
    Pointwise,
}

/// A line of a paper's table: blocks of one kind, the first of which has the stride.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) form: Form,
    pub(super) repeats: usize,
    /// Of the depthwise convolution.
    pub(super) kernel: i64,
    pub(super) stride: i64,
    /// The depthwise convolution's width relative to the block's input.
    pub(super) expansion: f64,
    /// Of the output, at width 1.
    pub(super) channels: i64,
    /// Whether it has channel attention.
    pub(super) excite: bool,
    /// ReLU in the place of the network's own non-linearity.
    pub(super) relu: bool,
    /// Without a shortcut, even where the shapes would allow one.
    pub(super) no_skip: bool,
}

impl Row {
    const fn se(self) -> Self {
        Self { excite: true, ..self }
    }

    const fn re(self) -> Self {
        Self { relu: true, ..self }
    }

    const fn no_skip(self) -> Self {
        Self { no_skip: true, ..self }
    }
}

const fn ir(repeats: usize, kernel: i64, stride: i64, expansion: f64, channels: i64) -> Row {
    let (excite, relu, no_skip) = (false, false, false);
    Row { form: Form::Inverted, repeats, kernel, stride, expansion, channels, excite, relu, no_skip }
}

const fn ds(stride: i64, channels: i64) -> Row {
    Row { form: Form::Separable, ..ir(1, 3, stride, 1.0, channels) }
}

const fn pw(channels: i64) -> Row {
    Row { form: Form::Pointwise, ..ir(1, 1, 1, 1.0, channels) }
}

/// A network's stages; each becomes one `blocks.N`.
pub(super) type Stages = &'static [&'static [Row]];

/// Table 1 of "EfficientNet: Rethinking model scaling for convolutional neural networks" (Tan and Le, 2019).
pub(super) const EFFICIENTNET: Stages = &[
    &[ds(1, 16).se()],
    &[ir(2, 3, 2, 6.0, 24).se()],
    &[ir(2, 5, 2, 6.0, 40).se()],
    &[ir(3, 3, 2, 6.0, 80).se()],
    &[ir(3, 5, 1, 6.0, 112).se()],
    &[ir(4, 5, 2, 6.0, 192).se()],
    &[ir(1, 3, 1, 6.0, 320).se()],
];

/// Table 2 of "MobileNetV2: Inverted residuals and linear bottlenecks" (Sandler et al., 2018).
pub(super) const MOBILENET_V2: Stages = &[
    &[ds(1, 16)],
    &[ir(2, 3, 2, 6.0, 24)],
    &[ir(3, 3, 2, 6.0, 32)],
    &[ir(4, 3, 2, 6.0, 64)],
    &[ir(3, 3, 1, 6.0, 96)],
    &[ir(3, 3, 2, 6.0, 160)],
    &[ir(1, 3, 1, 6.0, 320)],
];

/// Table 1 of "Searching for MobileNetV3" (Howard et al., 2019); expansions are relative to the block's input.
pub(super) const V3_LARGE: Stages = &[
    &[ds(1, 16).re()],
    &[ir(1, 3, 2, 4.0, 24).re(), ir(1, 3, 1, 3.0, 24).re()],
    &[ir(3, 5, 2, 3.0, 40).se().re()],
    &[ir(1, 3, 2, 6.0, 80), ir(1, 3, 1, 2.5, 80), ir(2, 3, 1, 2.3, 80)],
    &[ir(2, 3, 1, 6.0, 112).se()],
    &[ir(3, 5, 2, 6.0, 160).se()],
    &[pw(960)],
];

/// [`V3_LARGE`] with a first block without its shortcut, as timm first trained it (`mobilenetv3_rw`).
pub(super) const V3_RW: Stages = &[
    &[ds(1, 16).re().no_skip()],
    V3_LARGE[1],
    V3_LARGE[2],
    V3_LARGE[3],
    V3_LARGE[4],
    V3_LARGE[5],
    V3_LARGE[6],
];

/// The authors' "minimalistic" large network: 3×3 kernels and ReLU throughout, no channel attention.
pub(super) const V3_LARGE_MINIMAL: Stages = &[
    &[ds(1, 16)],
    &[ir(1, 3, 2, 4.0, 24), ir(1, 3, 1, 3.0, 24)],
    &[ir(3, 3, 2, 3.0, 40)],
    V3_LARGE[3],
    &[ir(2, 3, 1, 6.0, 112)],
    &[ir(3, 3, 2, 6.0, 160)],
    &[pw(960)],
];

/// Table 2 of the same paper.
pub(super) const V3_SMALL: Stages = &[
    &[ds(2, 16).se().re()],
    &[ir(1, 3, 2, 4.5, 24).re(), ir(1, 3, 1, 3.67, 24).re()],
    &[ir(1, 5, 2, 4.0, 40).se(), ir(2, 5, 1, 6.0, 40).se()],
    &[ir(2, 5, 1, 3.0, 48).se()],
    &[ir(3, 5, 2, 6.0, 96).se()],
    &[pw(576)],
];

/// The authors' "minimalistic" small network.
pub(super) const V3_SMALL_MINIMAL: Stages = &[
    &[ds(2, 16)],
    &[ir(1, 3, 2, 4.5, 24), ir(1, 3, 1, 3.67, 24)],
    &[ir(1, 3, 2, 4.0, 40), ir(2, 3, 1, 6.0, 40)],
    &[ir(2, 3, 1, 3.0, 48)],
    &[ir(3, 3, 2, 6.0, 96)],
    &[pw(576)],
];

/// The nearest multiple of 8, at least 8, and not below nine tenths of `channels`.
pub(super) fn divisible(channels: f64) -> i64 {
    let rounded = (((channels + 4.0) as i64) / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * channels { rounded + 8 } else { rounded }
}

/// How often each row of a stage is repeated at a network's `depth`: the stage's total is scaled and rounded up, and shared
/// out from the last row to the first.
pub(super) fn repeats(rows: &[Row], depth: f64) -> Vec<usize> {
    let mut total: f64 = rows.iter().map(|row| row.repeats as f64).sum();
    let mut scaled = (total * depth).ceil();
    let mut shares: Vec<usize> = rows
        .iter()
        .rev()
        .map(|row| {
            let repeats = row.repeats as f64;
            let share = (repeats / total * scaled).round_ties_even().max(1.0);
            total -= repeats;
            scaled -= share;
            share as usize
        })
        .collect();
    shares.reverse();
    shares
}
