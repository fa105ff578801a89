//! How long one core takes to decode whole images, their crops, and their crops at the scale that 224 pixels need.
//!
//! `cargo run -p visrep-decode --example decode_throughput -- CROPS [REPETITIONS [MODE]]`
//!
//! CROPS is a text file with a line `path x y width height flip` for each image. The files are read before the clock
//! starts. The CPU time of the fastest repetition of each mode is printed as a line of JSON; modes take turns. `benches/decode/peers.py`
//! measures Python's decoders on the same list.

use std::error::Error;
use std::time::Duration;
use visrep_decode::{DecodeOptions, Decoder, Region};

/// The output side that the scaled mode has in mind.
const SIDE: u32 = 224;

struct Crop {
    bytes: Vec<u8>,
    region: Region,
}

fn read(line: &str) -> Result<Crop, Box<dyn Error>> {
    let fields: Vec<&str> = line.rsplitn(6, ' ').collect();
    let [_flip, height, width, y, x, path] = fields[..] else {
        return Err(format!("`{line}` is not `path x y width height flip`").into());
    };
    let region = Region { x: x.parse()?, y: y.parse()?, width: width.parse()?, height: height.parse()? };
    Ok(Crop { bytes: std::fs::read(path)?, region })
}

/// The CPU time of this thread, which other programs on the machine do not add to (Linux only).
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?))
}

/// Decodes every crop; the images' memory is used again, as a loader does.
fn run(mode: &str, crops: &[Crop], decoder: &mut Decoder) -> Result<Duration, Box<dyn Error>> {
    let options = DecodeOptions::default();
    let start = cpu_time()?;
    for Crop { bytes, region } in crops {
        let image = match mode {
            "whole" => decoder.decode(bytes, &options)?,
            "region" => decoder.decode_region(bytes, *region, &options)?,
            _ => decoder.decode_scaled(bytes, *region, (SIDE, SIDE), &options)?.image,
        };
        decoder.recycle(image);
    }
    Ok(cpu_time()? - start)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let list = arguments.next().ok_or("which file lists the crops?")?;
    let repetitions: usize = arguments.next().map_or(Ok(5), |count| count.parse())?;
    let crops = std::fs::read_to_string(&list)?.lines().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut decoder = Decoder::new();
    let modes = ["whole", "region", "scaled"];
    let only = arguments.next();
    let chosen = modes.into_iter().filter(|mode| only.as_ref().is_none_or(|only| only == mode));
    let mut best: Vec<_> = chosen.map(|mode| (mode, Duration::MAX)).collect();
    for _ in 0..repetitions {
        for (mode, best) in &mut best {
            *best = run(mode, &crops, &mut decoder)?.min(*best);
        }
    }
    for (mode, time) in best {
        let each = time.as_secs_f64() * 1e3 / crops.len().max(1) as f64;
        println!(
            "{{\"library\": \"visrep\", \"mode\": \"{mode}\", \"images\": {}, \"ms_per_image\": {each:.4}}}",
            crops.len()
        );
    }
    Ok(())
}
