//! What is known of a model without making it, and the table of a model's parameters.

use crate::arch::{self, Resolved};
use crate::{Error, Model, ModelOptions, Preprocessing};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use tch::Tensor;

/// What the tables know about a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// `name` or `name.tag`, as asked for.
    pub name: String,
    /// The architecture: the name without a tag.
    pub architecture: &'static str,
    /// timm's tag whose preprocessing this is: the one asked for, or the default; none where timm has no weights.
    pub tag: Option<&'static str>,
    /// Every tag of the architecture, the default first.
    pub tags: Vec<&'static str>,
    /// Trainable values, classifier included.
    pub parameters: i64,
    /// The length of the pooled features.
    pub embed_dim: i64,
    /// Classes of the classifier; 0 without one.
    pub num_classes: i64,
    /// The evaluation transform.
    pub preprocessing: Preprocessing,
    /// The licence of the tag's published weights, as a lower-case SPDX identifier, where timm states one.
    pub licence: Option<&'static str>,
}

impl ModelInfo {
    pub(crate) fn new(
        name: &str,
        resolved: &Resolved,
        embed_dim: i64,
        parameters: i64,
        num_classes: i64,
    ) -> Self {
        let architecture = resolved.architecture;
        Self {
            name: name.into(),
            architecture: architecture.name,
            tag: resolved.pretrained.map(|row| row.tag),
            tags: architecture.pretrained().map(|row| row.tag).collect(),
            parameters,
            embed_dim,
            num_classes,
            preprocessing: resolved.preprocessing.clone(),
            licence: resolved.pretrained.and_then(|row| row.licence),
        }
    }
}

/// Every architecture's name, family by family; tags are in [`ModelInfo::tags`].
pub fn model_names() -> Vec<String> {
    arch::all().map(|row| row.name.to_owned()).collect()
}

/// What is known about `name` or `name.tag`, without making the model.
///
/// # Errors
/// An unknown name or tag; the nearest are listed.
pub fn model_info(name: &str) -> Result<ModelInfo, Error> {
    let resolved = arch::resolve(name)?;
    let num_classes = resolved.num_classes;
    let blank = resolved.architecture.blank(&ModelOptions::default(), num_classes)?;
    Ok(ModelInfo::new(name, &resolved, blank.embed_dim, blank.parameters(), num_classes))
}

/// The parameters and buffers of `name`, without making the model.
///
/// # Errors
/// An unknown name or tag; the nearest are listed.
pub fn parameter_table(name: &str) -> Result<ParameterTable, Error> {
    let resolved = arch::resolve(name)?;
    let blank = resolved.architecture.blank(&ModelOptions::default(), resolved.num_classes)?;
    Ok(ParameterTable::new(blank.tensors))
}

/// One row of a [`ParameterTable`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// timm's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Whether gradients flow to it: no for buffers and frozen parameters.
    pub trainable: bool,
}

/// A model's parameters and buffers, sorted by name; its `Display` is the table with the totals.
#[derive(Clone, Debug)]
pub struct ParameterTable(pub Vec<Parameter>);

impl ParameterTable {
    fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        let row = |(name, tensor): (String, Tensor)| Parameter {
            name,
            shape: tensor.size(),
            trainable: tensor.requires_grad(),
        };
        Self(tensors.into_iter().map(row).collect())
    }
}

impl Model {
    /// Every parameter and buffer with its shape.
    pub fn parameter_table(&self) -> ParameterTable {
        ParameterTable::new(self.variables())
    }
}

impl fmt::Display for ParameterTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let (mut trainable, mut fixed) = (0, 0);
        for row in &self.0 {
            let count: i64 = row.shape.iter().product();
            *(if row.trainable { &mut trainable } else { &mut fixed }) += count;
            let note = if row.trainable { "" } else { "  (fixed)" };
            writeln!(f, "{:width$}  {count:>10}  {:?}{note}", row.name, row.shape)?;
        }
        write!(f, "{trainable} trainable values, {fixed} fixed")
    }
}
