#![doc = include_str!("../../../README.md")]
#![forbid(unsafe_code)]

#[doc(inline)]
pub use visrep_augment as augment;
#[doc(inline)]
pub use visrep_corrupt as corrupt;
#[doc(inline)]
pub use visrep_data as data;
#[doc(inline)]
pub use visrep_decode as decode;
#[doc(inline)]
pub use visrep_losses as losses;
#[doc(inline)]
pub use visrep_methods as methods;
#[doc(inline)]
pub use visrep_metrics as metrics;
#[doc(inline)]
pub use visrep_models as models;
#[doc(inline)]
pub use visrep_perceptual as perceptual;
#[doc(inline)]
pub use visrep_probe as probe;
#[doc(inline)]
pub use visrep_robustness as robustness;
#[doc(inline)]
pub use visrep_torch as torch;
#[doc(inline)]
pub use visrep_train as train;
#[doc(inline)]
pub use visrep_transfer as transfer;
#[doc(inline)]
pub use visrep_vtab as vtab;
