//! `visrep embed`: a frozen backbone's features of many images, as Parquet.

use super::{ComputeArgs, output};
use crate::source::{self, Source};
use anyhow::{Context, Result};
use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use clap::Args;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_models::{Model, ModelOptions};
use visrep_probe::{ExtractOptions, FeatureSet, extract};

/// Write a frozen backbone's features to Parquet
///
/// Columns: key (what names the image), label (null where there is none) and features (the pooled
/// pre-logits as a fixed-size list of f32), in the order of the data. The file's key-value metadata say how they
/// were made: visrep.model, visrep.device, visrep.precision, visrep.memory_format.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    visrep embed --model resnet50 --weights resnet50.safetensors --data photos/ --output features.parquet\n  \
    python3 -c 'import pyarrow.parquet as pq; print(pq.read_table(\"features.parquet\"))'")]
pub struct Embed {
    /// Model name (see `visrep models`) [default: what the folder --weights says]
    #[arg(long, value_name = "M", required_unless_present = "weights")]
    model: Option<String>,
    /// Its weights: safetensors, .pth, .npz, a folder of the Hugging Face hub, or a compiled package (.pt2, which is a
    /// program; it needs --model) [default: a random initialisation, for comparison]
    #[arg(long, value_name = "W")]
    weights: Option<PathBuf>,
    #[arg(long, value_name = "SRC", help = source::HELP)]
    data: Source,
    /// Where to write the features
    #[arg(long, value_name = "F.parquet")]
    output: PathBuf,
    /// Images in one pass
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch_size: usize,
    /// Threads that decode and resize
    #[arg(long, value_name = "N", default_value_t = super::default_workers())]
    workers: usize,
    #[command(flatten)]
    compute: ComputeArgs,
}

impl Embed {
    pub fn run(self) -> Result<()> {
        output::check(&self.output)?;
        let compute = self.compute.resolve()?;
        let model = match (&self.weights, self.model.as_deref()) {
            (Some(weights), name) => super::open_model(name, weights, &compute)?,
            (None, name) => {
                eprintln!("no --weights: these are the features of a random initialisation, seed 0");
                let device = compute.device;
                let mut model = Model::create(
                    name.unwrap_or_default(),
                    &ModelOptions { num_classes: Some(0), device, seed: Some(0), ..Default::default() },
                )?;
                compute.prepare(&mut model)?;
                model
            }
        };
        let options = ExtractOptions {
            batch_size: self.batch_size,
            workers: self.workers,
            progress: true,
            precision: compute.precision,
            ..ExtractOptions::default()
        };
        let features = extract(&model, self.data.open()?, &options)?;
        let mut protocol = vec![("model", model.name().to_owned()), ("pooling", "pre-logits".to_owned())];
        protocol.extend(compute.protocol(&model));
        output::replace(&self.output, |path| write_parquet(path, &features, &protocol))
    }
}

fn write_parquet(path: &Path, set: &FeatureSet, protocol: &[(&str, String)]) -> Result<()> {
    const ROWS: usize = 4096;
    let width = set.features.size()[1] as usize;
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let schema = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("label", DataType::Int64, true),
        Field::new("features", DataType::FixedSizeList(item.clone(), width as i32), false),
    ]));
    let metadata =
        protocol.iter().map(|(key, value)| KeyValue::new(format!("visrep.{key}"), value.clone())).collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROWS))
        .set_key_value_metadata(Some(metadata))
        .build();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path)?, schema.clone(), Some(properties))?;
    for start in (0..set.keys.len()).step_by(ROWS) {
        let rows = start..set.keys.len().min(start + ROWS);
        let values = set.features.narrow(0, start as i64, rows.len() as i64).contiguous().view(-1);
        let values: Vec<f32> = values.try_into().context("features are not f32 on the CPU")?;
        let mut features =
            FixedSizeListBuilder::new(Float32Builder::new(), width as i32).with_field(item.clone());
        for row in values.chunks(width) {
            features.values().append_slice(row);
            features.append(true);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(&set.keys[rows.clone()])),
            Arc::new(Int64Array::from_iter(
                set.labels[rows].iter().map(|&label| (label >= 0).then_some(label)),
            )),
            Arc::new(features.finish()),
        ];
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    writer.close()?;
    Ok(())
}
