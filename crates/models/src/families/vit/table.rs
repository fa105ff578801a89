//! The architectures, under timm's names; those that timm does not have come last.

use super::config::{BlockKind, Config};
use super::scheme::Scheme;
use super::sincos::Table;
use crate::arch::Architecture;

const TINY: Config = Config::new(192, 12, 3, 16);
const SMALL: Config = Config::new(384, 12, 6, 16);
const MEDIUM: Config = Config::new(512, 12, 8, 16);
const BETWIXT: Config = Config::new(640, 12, 10, 16);
const BASE: Config = Config::new(768, 12, 12, 16);
const PLUS: Config = Config::new(896, 12, 14, 16);
const LARGE: Config = Config::new(1024, 24, 16, 16);
const HUGE: Config = Config::new(1280, 32, 16, 16);
/// ViT-g and ViT-G: "Scaling vision transformers" (Zhai et al., 2021).
const GIANT: Config = Config::new(1408, 40, 16, 16).hidden(6144);
const GIGANTIC: Config = Config::new(1664, 48, 16, 16).hidden(8192);
/// DINOv2's giant.
const DINO_GIANT: Config = Config::new(1536, 40, 24, 16);
/// SigLIP 2's giant.
const GIANT_OPT: Config = Config::new(1536, 40, 16, 16);
/// The shape-optimised ones: "Getting ViT in shape" (Alabdulmohsin et al., 2023), and timm's smaller ones after it.
const SO400M: Config = Config::new(1152, 27, 16, 16).hidden(4304);
const SO150M: Config = Config::new(896, 18, 14, 16).hidden(2304);
const SO150M2: Config = Config::new(832, 21, 13, 16).hidden(2176);
const LITTLE: Config = Config::new(320, 14, 5, 16).hidden(1792);
const WEE: Config = Config::new(256, 14, 4, 16).hidden(1280);
const PWEE: Config = Config::new(256, 16, 4, 16).hidden(1280);
/// For tiny images.
const W96: Config = Config::new(96, 4, 3, 4).image(16);
/// The plain baseline: "Better plain ViT baselines for ImageNet-1k" (Beyer et al., 2022).
const BASELINE: Config =
    SMALL.mean_of_normed().fixed_positions(Table::BigVision).start(Scheme::BigVision).tanh();

const fn row(name: &'static str, config: &'static Config) -> Architecture {
    Architecture::new(name, config)
}

#[rustfmt::skip]
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    // The paper's, with a class token.
    row("vit_base_patch8_224", &BASE.patch(8)),
    row("vit_base_patch16_224", &BASE),
    row("vit_base_patch16_224_miil", &BASE.without_qkv_bias()),
    row("vit_base_patch16_384", &BASE.image(384)),
    row("vit_base_patch16_plus_240", &PLUS.image(240).layer_scale(1e-5)),
    row("vit_base_patch32_224", &BASE.patch(32)),
    row("vit_base_patch32_384", &BASE.patch(32).image(384)),
    row("vit_base_patch32_plus_256", &PLUS.patch(32).image(256).layer_scale(1e-5)),
    row("vit_giant_patch14_224", &GIANT.patch(14)),
    row("vit_gigantic_patch14_224", &GIGANTIC.patch(14)),
    row("vit_huge_patch14_224", &HUGE.patch(14)),
    row("vit_large_patch14_224", &LARGE.patch(14)),
    row("vit_large_patch16_224", &LARGE),
    row("vit_large_patch16_384", &LARGE.image(384)),
    row("vit_large_patch32_224", &LARGE.patch(32)),
    row("vit_large_patch32_384", &LARGE.patch(32).image(384)),
    row("vit_small_patch8_224", &SMALL.patch(8)),
    row("vit_small_patch16_224", &SMALL),
    row("vit_small_patch16_384", &SMALL.image(384)),
    row("vit_small_patch32_224", &SMALL.patch(32)),
    row("vit_small_patch32_384", &SMALL.patch(32).image(384)),
    row("vit_tiny_patch16_224", &TINY),
    row("vit_tiny_patch16_384", &TINY.image(384)),
    // Without class token: the mean or attention; registers.
    row("vit_base_patch16_gap_224", &Config::new(768, 12, 16, 16).mean_of_normed()),
    row("vit_base_patch16_reg4_gap_256", &BASE.image(256).mean().registers(4)),
    row("vit_betwixt_patch16_gap_256", &BETWIXT.image(256).mean_of_normed().layer_scale(1e-6).without_qkv_bias()),
    row("vit_betwixt_patch16_reg1_gap_256", &BETWIXT.image(256).mean().registers(1).layer_scale(1e-5)),
    row("vit_betwixt_patch16_reg4_gap_256", &BETWIXT.image(256).mean().registers(4).layer_scale(1e-5)),
    row("vit_betwixt_patch16_reg4_gap_384", &BETWIXT.image(384).mean().registers(4).layer_scale(1e-5)),
    row("vit_giant_patch16_gap_224", &GIANT.mean_of_normed()),
    row("vit_huge_patch14_gap_224", &HUGE.patch(14).mean_of_normed()),
    row("vit_huge_patch16_gap_448", &HUGE.image(448).mean_of_normed()),
    row("vit_little_patch16_reg1_gap_256", &LITTLE.image(256).mean().registers(1).layer_scale(1e-5)),
    row("vit_little_patch16_reg4_gap_256", &LITTLE.image(256).mean().registers(4).layer_scale(1e-5)),
    row("vit_medium_patch16_gap_240", &MEDIUM.image(240).mean_of_normed().layer_scale(1e-6).without_qkv_bias()),
    row("vit_medium_patch16_gap_256", &MEDIUM.image(256).mean_of_normed().layer_scale(1e-6).without_qkv_bias()),
    row("vit_medium_patch16_gap_384", &MEDIUM.image(384).mean_of_normed().layer_scale(1e-6).without_qkv_bias()),
    row("vit_medium_patch16_reg1_gap_256", &MEDIUM.image(256).mean().registers(1).layer_scale(1e-5)),
    row("vit_medium_patch16_reg4_gap_256", &MEDIUM.image(256).mean().registers(4).layer_scale(1e-5)),
    row("vit_mediumd_patch16_reg4_gap_256", &Config::new(512, 20, 8, 16).image(256).mean().registers(4).layer_scale(1e-5)),
    row("vit_mediumd_patch16_reg4_gap_384", &Config::new(512, 20, 8, 16).image(384).mean().registers(4).layer_scale(1e-5)),
    row("vit_so150m2_patch16_reg1_gap_256", &SO150M2.image(256).mean().placed_registers(1).layer_scale(1e-5).without_qkv_bias()),
    row("vit_so150m2_patch16_reg1_gap_384", &SO150M2.image(384).mean().placed_registers(1).layer_scale(1e-5).without_qkv_bias()),
    row("vit_so150m2_patch16_reg1_gap_448", &SO150M2.image(448).mean().placed_registers(1).layer_scale(1e-5).without_qkv_bias()),
    row("vit_so150m_patch16_reg4_gap_256", &SO150M.image(256).mean_of_normed().placed_registers(4)),
    row("vit_so150m_patch16_reg4_gap_384", &SO150M.image(384).mean_of_normed().placed_registers(4)),
    row("vit_so150m_patch16_reg4_map_256", &SO150M.image(256).attention_pool().placed_registers(4)),
    row("vit_wee_patch16_reg1_gap_256", &WEE.image(256).mean().registers(1).layer_scale(1e-5)),
    // Blocks of other shapes.
    row("vit_base_patch16_18x2_224", &Config::new(768, 18, 12, 16).layer_scale(1e-5).block(BlockKind::Many(2))),
    row("vit_base_patch16_rpn_224", &BASE.mean().layer_scale(1e-5).without_qkv_bias().block(BlockKind::PostNorm)),
    row("vit_base_patch16_xp_224", &BASE.xp()),
    row("vit_dlittle_patch16_reg1_gap_256", &LITTLE.image(256).mean().registers(1).layer_scale(1e-5).block(BlockKind::Differential)),
    row("vit_dpwee_patch16_reg1_gap_256", &PWEE.image(256).mean().registers(1).layer_scale(1e-5).block(BlockKind::ParallelDifferential)),
    row("vit_dwee_patch16_reg1_gap_256", &WEE.image(256).mean().registers(1).layer_scale(1e-5).block(BlockKind::Differential)),
    row("vit_huge_patch14_xp_224", &HUGE.patch(14).xp()),
    row("vit_large_patch14_xp_224", &LARGE.patch(14).xp()),
    row("vit_pwee_patch16_reg1_gap_256", &PWEE.image(256).mean().registers(1).layer_scale(1e-5).block(BlockKind::Parallel)),
    row("vit_small_patch16_18x2_224", &Config::new(384, 18, 6, 16).layer_scale(1e-5).block(BlockKind::Many(2))),
    row("vit_small_patch16_36x1_224", &Config::new(384, 36, 6, 16).layer_scale(1e-5)),
    // FlexiViT.
    row("flexivit_base", &BASE.image(240).flexible()),
    row("flexivit_large", &LARGE.image(240).flexible()),
    row("flexivit_small", &SMALL.image(240).flexible()),
    // CLIP's towers.
    row("vit_base_patch16_clip_224", &BASE.clip()),
    row("vit_base_patch16_clip_384", &BASE.image(384).clip()),
    row("vit_base_patch16_clip_quickgelu_224", &BASE.clip().quick()),
    row("vit_base_patch16_plus_clip_240", &PLUS.image(240).clip()),
    row("vit_base_patch32_clip_224", &BASE.patch(32).clip()),
    row("vit_base_patch32_clip_256", &BASE.patch(32).image(256).clip()),
    row("vit_base_patch32_clip_384", &BASE.patch(32).image(384).clip()),
    row("vit_base_patch32_clip_448", &BASE.patch(32).image(448).clip()),
    row("vit_base_patch32_clip_quickgelu_224", &BASE.patch(32).clip().quick()),
    row("vit_betwixt_patch32_clip_224", &BETWIXT.patch(32).clip()),
    row("vit_giant_patch14_clip_224", &GIANT.patch(14).clip()),
    row("vit_gigantic_patch14_clip_224", &GIGANTIC.patch(14).clip()),
    row("vit_gigantic_patch14_clip_378", &GIGANTIC.patch(14).image(378).clip()),
    row("vit_gigantic_patch14_clip_quickgelu_224", &GIGANTIC.patch(14).clip().quick()),
    row("vit_huge_patch14_clip_224", &HUGE.patch(14).clip()),
    row("vit_huge_patch14_clip_336", &HUGE.patch(14).image(336).clip()),
    row("vit_huge_patch14_clip_378", &HUGE.patch(14).image(378).clip()),
    row("vit_huge_patch14_clip_quickgelu_224", &HUGE.patch(14).clip().quick()),
    row("vit_huge_patch14_clip_quickgelu_378", &HUGE.patch(14).image(378).clip().quick()),
    row("vit_large_patch14_clip_224", &LARGE.patch(14).clip()),
    row("vit_large_patch14_clip_336", &LARGE.patch(14).image(336).clip()),
    row("vit_large_patch14_clip_quickgelu_224", &LARGE.patch(14).clip().quick()),
    row("vit_large_patch14_clip_quickgelu_336", &LARGE.patch(14).image(336).clip().quick()),
    row("vit_medium_patch16_clip_224", &MEDIUM.clip()),
    row("vit_medium_patch32_clip_224", &MEDIUM.patch(32).clip()),
    row("vit_xsmall_patch16_clip_224", &Config::new(256, 10, 4, 16).clip()),
    // SigLIP's towers.
    row("vit_base_patch16_siglip_224", &BASE.attention_pool()),
    row("vit_base_patch16_siglip_256", &BASE.image(256).attention_pool()),
    row("vit_base_patch16_siglip_384", &BASE.image(384).attention_pool()),
    row("vit_base_patch16_siglip_512", &BASE.image(512).attention_pool()),
    row("vit_base_patch16_siglip_gap_224", &BASE.mean_of_normed()),
    row("vit_base_patch16_siglip_gap_256", &BASE.image(256).mean_of_normed()),
    row("vit_base_patch16_siglip_gap_384", &BASE.image(384).mean_of_normed()),
    row("vit_base_patch16_siglip_gap_512", &BASE.image(512).mean_of_normed()),
    row("vit_base_patch32_siglip_256", &BASE.patch(32).image(256).attention_pool().tanh()),
    row("vit_base_patch32_siglip_gap_256", &BASE.patch(32).image(256).mean_of_normed().tanh()),
    row("vit_giantopt_patch16_siglip_256", &GIANT_OPT.image(256).attention_pool().tanh()),
    row("vit_giantopt_patch16_siglip_384", &GIANT_OPT.image(384).attention_pool().tanh()),
    row("vit_giantopt_patch16_siglip_gap_256", &GIANT_OPT.image(256).mean_of_normed().tanh()),
    row("vit_giantopt_patch16_siglip_gap_384", &GIANT_OPT.image(384).mean_of_normed().tanh()),
    row("vit_large_patch16_siglip_256", &LARGE.image(256).attention_pool()),
    row("vit_large_patch16_siglip_384", &LARGE.image(384).attention_pool()),
    row("vit_large_patch16_siglip_512", &LARGE.image(512).attention_pool().tanh()),
    row("vit_large_patch16_siglip_gap_256", &LARGE.image(256).mean_of_normed()),
    row("vit_large_patch16_siglip_gap_384", &LARGE.image(384).mean_of_normed()),
    row("vit_large_patch16_siglip_gap_512", &LARGE.image(512).mean_of_normed().tanh()),
    row("vit_so400m_patch14_siglip_224", &SO400M.patch(14).attention_pool()),
    row("vit_so400m_patch14_siglip_378", &SO400M.patch(14).image(378).attention_pool()),
    row("vit_so400m_patch14_siglip_384", &SO400M.patch(14).image(384).attention_pool()),
    row("vit_so400m_patch14_siglip_gap_224", &SO400M.patch(14).mean_of_normed()),
    row("vit_so400m_patch14_siglip_gap_378", &SO400M.patch(14).image(378).mean_of_normed()),
    row("vit_so400m_patch14_siglip_gap_384", &SO400M.patch(14).image(384).mean_of_normed()),
    row("vit_so400m_patch14_siglip_gap_448", &SO400M.patch(14).image(448).mean_of_normed()),
    row("vit_so400m_patch14_siglip_gap_896", &SO400M.patch(14).image(896).mean_of_normed()),
    row("vit_so400m_patch16_siglip_256", &SO400M.image(256).attention_pool().tanh()),
    row("vit_so400m_patch16_siglip_384", &SO400M.image(384).attention_pool().tanh()),
    row("vit_so400m_patch16_siglip_512", &SO400M.image(512).attention_pool().tanh()),
    row("vit_so400m_patch16_siglip_gap_256", &SO400M.image(256).mean_of_normed().tanh()),
    row("vit_so400m_patch16_siglip_gap_384", &SO400M.image(384).mean_of_normed().tanh()),
    row("vit_so400m_patch16_siglip_gap_512", &SO400M.image(512).mean_of_normed().tanh()),
    // DINOv2 and what was distilled from it and others.
    row("vit_base_patch14_dinov2", &BASE.patch(14).image(518).layer_scale(1e-5)),
    row("vit_base_patch14_reg1_tipsv2", &BASE.patch(14).image(448).registers(1).layer_scale(1.0)),
    row("vit_base_patch14_reg4_dinov2", &BASE.patch(14).image(518).registers(4).layer_scale(1e-5)),
    row("vit_base_patch16_radio_v3", &BASE.image(512).without_final_norm().registers(7).layer_scale(1e-5)),
    row("vit_giant_patch14_dinov2", &DINO_GIANT.swiglu(4096).patch(14).image(518).layer_scale(1e-5)),
    row("vit_giant_patch14_reg1_tipsv2", &DINO_GIANT.swiglu(4096).patch(14).image(448).registers(1).layer_scale(1.0)),
    row("vit_giant_patch14_reg4_dinov2", &DINO_GIANT.swiglu(4096).patch(14).image(518).registers(4).layer_scale(1e-5)),
    row("vit_giant_patch16_radio_v3", &DINO_GIANT.image(512).without_final_norm().registers(7)),
    row("vit_huge_patch16_radio_v3", &HUGE.image(512).without_final_norm().registers(7)),
    row("vit_huge_patch16_radio_v4", &HUGE.image(512).without_final_norm().registers(9)),
    row("vit_intern300m_patch14_448", &LARGE.patch(14).image(448).without_final_norm().layer_scale(0.1)),
    row("vit_large_patch14_dinov2", &LARGE.patch(14).image(518).layer_scale(1e-5)),
    row("vit_large_patch14_reg1_tipsv2", &LARGE.patch(14).image(448).registers(1).layer_scale(1.0)),
    row("vit_large_patch14_reg4_dinov2", &LARGE.patch(14).image(518).registers(4).layer_scale(1e-5)),
    row("vit_large_patch16_radio_v3", &LARGE.image(512).without_final_norm().registers(7).layer_scale(1e-5)),
    row("vit_small_patch14_dinov2", &SMALL.patch(14).image(518).layer_scale(1e-5)),
    row("vit_small_patch14_reg4_dinov2", &SMALL.patch(14).image(518).registers(4).layer_scale(1e-5)),
    row("vit_so400m_patch14_reg1_tipsv2", &SO400M.patch(14).image(448).registers(1).layer_scale(1.0)),
    row("vit_so400m_patch16_radio_v4", &SO400M.image(512).without_final_norm().registers(9)),
    // DeiT and DeiT III.
    row("deit3_base_patch16_224", &BASE.deit3()),
    row("deit3_base_patch16_384", &BASE.image(384).deit3()),
    row("deit3_huge_patch14_224", &HUGE.patch(14).deit3()),
    row("deit3_large_patch16_224", &LARGE.deit3()),
    row("deit3_large_patch16_384", &LARGE.image(384).deit3()),
    row("deit3_medium_patch16_224", &MEDIUM.deit3()),
    row("deit3_small_patch16_224", &SMALL.deit3()),
    row("deit3_small_patch16_384", &SMALL.image(384).deit3()),
    row("deit_base_distilled_patch16_224", &BASE.distilled()),
    row("deit_base_distilled_patch16_384", &BASE.image(384).distilled()),
    row("deit_base_patch16_224", &BASE),
    row("deit_base_patch16_384", &BASE.image(384)),
    row("deit_small_distilled_patch16_224", &SMALL.distilled()),
    row("deit_small_patch16_224", &SMALL),
    row("deit_tiny_distilled_patch16_224", &TINY.distilled()),
    row("deit_tiny_patch16_224", &TINY),
    // ViT-e of "PaLI" (Chen et al., 2022), and ViT-22B, whose kind of block comes at other sizes too.
    row("vit_e_patch14_224", &Config::new(1792, 56, 16, 14).hidden(15360).attention_pool()),
    row("vit_22b_patch14_224", &Config::new(6144, 48, 48, 14).parallel()),
    row("vit_small_parallel_patch16_224", &SMALL.parallel()),
    row("vit_base_parallel_patch16_224", &BASE.parallel()),
    row("vit_large_parallel_patch16_224", &LARGE.parallel()),
    // "Better plain ViT baselines": with a linear head, and with the earlier recipe's perceptron.
    row("vit_small_patch16_224_baseline", &BASELINE),
    row("vit_small_patch16_224_baseline_mlp_head", &BASELINE.representation()),
    // "Early convolutions help transformers see better": the stem in the place of one block.
    row("vit_tiny_conv_stem_224", &TINY.depth(11).convolutions()),
    row("vit_small_conv_stem_224", &SMALL.depth(11).convolutions()),
    row("vit_base_conv_stem_224", &BASE.depth(11).convolutions()),
    // Small enough to be trained in a test; those of other publications stand with them.
    row("vit_w96_patch4_16", &W96),
    // microsoft/ExtreMA: a class token after the last block.
    row("extrema_vit_base_patch16", &BASE.extrema(0.1)),
    row("extrema_vit_large_patch16", &LARGE.extrema(1e-5)),
    row("extrema_vit_w96_patch4_16", &W96.extrema(0.1)),
    // facebookresearch/mae, by its names.
    row("mae_vit_base_patch16", &BASE.mae()),
    row("mae_vit_large_patch16", &LARGE.mae()),
    row("mae_vit_huge_patch14", &HUGE.patch(14).mae()),
    // facebookresearch/moco-v3, whose small one has 12 heads.
    row("mocov3_vit_small_patch16_224", &Config::new(384, 12, 12, 16).moco_v3()),
    row("mocov3_vit_base_patch16_224", &BASE.moco_v3()),
    row("mocov3_vit_w96_patch4_16", &W96.moco_v3()),
    row("mocov3_vit_conv_small_224", &Config::new(384, 11, 12, 16).moco_v3().convolutions()),
    row("mocov3_vit_conv_base_224", &BASE.depth(11).moco_v3().convolutions()),
];
