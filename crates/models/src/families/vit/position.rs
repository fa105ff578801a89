//! What tells tokens where they stand.

use super::config::{Config, Positions, Resampling};
use super::resample;
use super::sincos::Table;
use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::Param;
use tch::{Kind, TchError, Tensor};

/// `pos_embed` (1, prefix + rows · columns, C), added to the tokens; a fixed table is saved with the parameters and not
/// trained.
pub(super) struct PositionEmbedding {
    embedding: Param,
    /// How many tokens before those of the patches it has entries for.
    prefix: i64,
    /// The grid it is made for.
    grid: (i64, i64),
    width: i64,
    table: Option<Table>,
    resampling: Resampling,
}

impl PositionEmbedding {
    pub(super) fn new(builder: &Builder<'_>, config: &Config, grid: (i64, i64)) -> Result<Self, TchError> {
        let prefix = if config.prefix_positions { config.prefix_tokens() } else { 0 };
        let width = config.width;
        let shape = [1, prefix + grid.0 * grid.1, width];
        let (embedding, table) = match config.positions {
            Positions::Learned => (builder.parameter("pos_embed", &shape, Init::Normal(0.02))?, None),
            Positions::Fixed(table) => {
                let value = || -> Result<Tensor, TchError> {
                    let patches = table.make(grid, width)?;
                    let prefix = Tensor::f_zeros([1, prefix, width], (patches.kind(), patches.device()))?;
                    Tensor::f_cat(&[prefix, patches], 1)
                };
                (builder.computed("pos_embed", &shape, false, value)?, Some(table))
            }
        };
        Ok(Self { embedding, prefix, grid, width, table, resampling: config.resampling })
    }

    /// The kind of its values.
    pub(super) fn kind(&self) -> Kind {
        self.embedding.kind()
    }

    /// The entries of the patches on `grid`, (1, rows · columns, C).
    pub(super) fn patches(&self, grid: (i64, i64)) -> Result<Tensor, Error> {
        if let Some(table @ Table::BigVision) = self.table
            && grid != self.grid
        {
            let made = table.make(grid, self.width)?.f_to_device(self.embedding.device())?;
            return Ok(made.f_to_kind(self.embedding.kind())?);
        }
        let own = self.embedding.f_narrow(1, self.prefix, self.grid.0 * self.grid.1)?;
        Ok(resample::positions(&own, self.grid, grid, self.resampling)?)
    }

    /// The entries of the tokens before those of the patches, (1, prefix, C), where it has them.
    pub(super) fn prefix(&self) -> Result<Option<Tensor>, Error> {
        Ok(match self.prefix {
            0 => None,
            prefix => Some(self.embedding.f_narrow(1, 0, prefix)?),
        })
    }
}
