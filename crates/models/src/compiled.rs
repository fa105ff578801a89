//! Networks that PyTorch compiled ahead of time, in the place of a backbone.

use crate::backbone::Collected;
use crate::{Backbone, Error, Features, Model, ModelOptions, Taps, arch};
use sha2::{Digest, Sha256};
use std::path::Path;
use tch::{Device, Tensor};
use visrep_torch::CompiledPackage;

/// The buffer with the SHA-256 of the package, by which two models of one name are told apart.
const DIGEST: &str = "package_sha256";

impl Model {
    /// A frozen model whose backbone is a `.pt2` package of AOTInductor: the network called `name`, compiled by
    /// `torch._inductor.aoti_compile_and_package` for the kind of `options.device`. It takes normalised images (N, 3, H, W) f32 and its first
    /// result are the pooled features (N, D) of that network, as timm's `forward_head(forward_features(x), pre_logits=True)`
    /// gives them; it should be exported with a dynamic number of images, since the last batch may be smaller than the others.
    /// It has no classifier, no taps and no parameters, and cannot be trained or saved.
    ///
    /// A package is a program and runs with all rights of this process: see [`CompiledPackage`].
    ///
    /// # Errors
    /// An unknown name; a package that cannot be opened, or not for this device.
    pub fn from_package(name: &str, path: impl AsRef<Path>, options: &ModelOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let architecture = arch::resolve(name)?.architecture;
        let embed_dim = architecture.blank(options, 0)?.embed_dim;
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
        let digest = Tensor::from_slice(&Sha256::digest(bytes)[..]);
        let package = CompiledPackage::open(path, CompiledPackage::MODEL, options.device)?;
        let backbone = Compiled { package, name: name.into(), embed_dim, device: options.device };
        Self::around(name, options, Box::new(backbone), (DIGEST, digest))
    }

    /// Whether this is a network from a compiled package, which runs in the precision and memory format that it was compiled for.
    pub fn is_compiled(&self) -> bool {
        self.own.iter().any(|name| name == DIGEST)
    }
}

/// A package as a backbone.
struct Compiled {
    package: CompiledPackage,
    name: String,
    embed_dim: i64,
    device: Device,
}

impl Backbone for Compiled {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let taps = Collected::new(taps, self.taps())?.into_taps();
        if train {
            let what = format!("way to train `{}` from a compiled package", self.name);
            return Err(Error::Unknown { what, known: "load its weights instead".into() });
        }
        let x = x.f_to_device(self.device)?.f_contiguous()?;
        let pooled = match (self.package.run(&[&x]), x.size()[0]) {
            // PyTorch exports a number that may vary as two or more, and the last batch may have one image.
            (Err(_), 1) => {
                let twice = self.package.run(&[&x.f_repeat([2, 1, 1, 1])?])?.into_iter().next();
                twice.map(|pooled| pooled.f_narrow(0, 0, 1)).transpose()?
            }
            (outputs, _) => outputs?.into_iter().next(),
        };
        match pooled {
            Some(pooled) if pooled.size() == [x.size()[0], self.embed_dim] => {
                Ok(Features { pooled, map: None, tokens: None, taps })
            }
            other => {
                let got = other.map(|tensor| tensor.size());
                let expected = format!(
                    "features of shape [{}, {}] are what `{}` gives: export its pooled features",
                    x.size()[0],
                    self.embed_dim,
                    self.name
                );
                Err(Error::Output { got, expected })
            }
        }
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &[]
    }

    fn layer_key(&self, _parameter: &str) -> Option<[u32; 2]> {
        None
    }
}
