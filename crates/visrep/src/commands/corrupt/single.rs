//! One image, or the frames of one.

use super::Corrupt;
use crate::commands::output;
use anyhow::{Context, Result, bail};
use std::path::Path;
use visrep_corrupt::{Corruption, Corruptor, Scale, encode_jpeg, frames, jpeg_round_trip};
use visrep_decode::{DecodeOptions, RgbImage, decode, encode_png};

pub(super) fn run(args: Corrupt) -> Result<()> {
    let (Some(input), Some(out)) = (&args.input, &args.out) else {
        bail!("name the image to read and where to write the result")
    };
    let named = || input.display().to_string();
    let read = || -> Result<RgbImage> {
        let bytes = std::fs::read(input).with_context(named)?;
        decode(&bytes, &DecodeOptions::default()).with_context(named)
    };
    if !args.sequence.is_empty() {
        return sequence(&args, &read()?, out);
    }
    let ([corruption], [severity]) = (&args.corruption[..], &args.severity[..]) else {
        bail!(
            "one image takes one --corruption and one --severity; for several use --all --data SRC --output OUT"
        )
    };
    let as_jpeg = match (ending(out).as_str(), args.jpeg) {
        ("png", _) => false,
        ("jpg" | "jpeg", Some(_)) => true,
        ("jpg" | "jpeg", None) => {
            bail!(
                "{}: JPEG changes pixels; say with which quality by --jpeg 85, or write a .png",
                out.display()
            )
        }
        _ => bail!("{}: the result is a PNG; let its name end in .png", out.display()),
    };
    let image = read()?;
    let scale = args.scale.unwrap_or_else(|| Scale::for_size(image.width(), image.height()));
    let corruptor = Corruptor::new(scale).with_frost(args.frost()?);
    let made = corruptor.corrupt(&image, *corruption, *severity, args.seed).with_context(named)?;
    let bytes = match args.jpeg {
        Some(quality) if as_jpeg => encode_jpeg(&made, quality)?,
        Some(quality) => encode_png(&jpeg_round_trip(&made, quality)?)?,
        None => encode_png(&made)?,
    };
    output::replace(out, |path| Ok(std::fs::write(path, &bytes)?))?;
    let jpeg = args.jpeg.map_or("no JPEG step".to_owned(), |quality| format!("JPEG {quality}"));
    let frost = match corruption {
        Corruption::Frost => format!(", {} frost", corruptor.frost().source()),
        _ => String::new(),
    };
    let seed = args.seed;
    output::say(&format!(
        "{}: {corruption} at severity {severity}, {scale} constants, {jpeg}{frost}, seed {seed}\n",
        out.display()
    ))
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// The frames of one image at its largest central square, as `00.png`, `01.png` …
fn sequence(args: &Corrupt, image: &RgbImage, out: &Path) -> Result<()> {
    let [perturbation] = args.sequence[..] else {
        bail!("one image takes one --sequence; for several use --all --data SRC --output OUT")
    };
    if args.jpeg.is_some() || args.frost.is_some() {
        bail!("--sequence writes PNG frames, none of which has frost: leave out --jpeg and --frost");
    }
    let crop = image.width().min(image.height());
    let scale = args.scale.unwrap_or_else(|| Scale::for_size(crop, crop));
    let made = frames(image, crop, perturbation, args.difficulty, scale, args.seed)?;
    let count = made.len();
    for (i, frame) in made.enumerate() {
        let png = encode_png(&frame?)?;
        output::replace(&out.join(super::names::frame(i)), |path| Ok(std::fs::write(path, &png)?))?;
    }
    let (folder, difficulty, seed) = (out.display(), args.difficulty, args.seed);
    output::say(&format!(
        "{folder}: {count} frames of {perturbation}, {crop}x{crop} px, difficulty {difficulty}, {scale} constants, seed {seed}\n"
    ))
}
