//! Decodes every file under the folders given, from memory, and prints images per second on one core, and, for
//! comparison with another decoder, a checksum of all pixels.
//!
//! Usage: `cargo run -p visrep-decode --example decode_speed -- FOLDER [ROUNDS]`

use std::path::{Path, PathBuf};
use std::time::Instant;
use visrep_decode::{DecodeOptions, decode};

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: decode_speed FOLDER [ROUNDS]")?;
    let rounds = arguments.next().map_or(Ok(3), |text| text.parse::<u32>())?;
    let mut paths = Vec::new();
    files(Path::new(&folder), &mut paths)?;
    paths.sort();
    let contents: Vec<Vec<u8>> = paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    for _ in 0..rounds {
        let (start, mut sum, mut failed) = (Instant::now(), 0_u64, 0);
        for bytes in &contents {
            match decode(bytes, &DecodeOptions::default()) {
                Ok(image) => sum += image.data().iter().map(|&v| u64::from(v)).sum::<u64>(),
                Err(_) => failed += 1,
            }
        }
        let rate = contents.len() as f64 / start.elapsed().as_secs_f64();
        println!("{rate:.1} images/s; sum of all samples {sum}; {failed} failed");
    }
    Ok(())
}
