//! visrep's side of `cargo xtask bench peers`: does work on request and says how long it took.
//!
//! A request is a line of words with tabs between them, an answer is a line that begins with `ok` or `error`:
//!
//! | request | does | answer |
//! |---|---|---|
//! | `open` NAME ARGUMENT… | gets the inputs of a workload into memory | `ok` UNITS of one pass |
//! | `run` PASSES | does the work so many times | `ok` SECONDS of CPU time, SECONDS of wall time |
//! | `save` FILE | does the work once and writes its results, one after the other, as raw bytes | `ok` |
//! | `ops` | | `ok` and the names that `open op` knows |
//!
//! The Python side (`benches/peers/run.py`) takes turns with the peers. What is timed and what is saved for the check
//! is the same code: [`Workload::pass`].
#![forbid(unsafe_code)]

mod corpus;
mod corruptions;
mod distances;
mod epoch;
mod evaluation;
mod jpeg;
mod loader;
mod networks;
mod ops;
mod optimizer;
mod probe;
mod sink;
mod views;

use anyhow::{Context, Result, bail};
use cpu_time::ProcessTime;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use sink::Sink;

/// Work on inputs that are in memory (or, for the loader, in the page cache).
trait Workload {
    /// Images, or steps, of one pass.
    fn units(&self) -> usize;

    /// Does all of it once and hands every result to `sink`.
    fn pass(&mut self, sink: &mut Sink) -> Result<()>;
}

fn open(words: &[&str]) -> Result<Box<dyn Workload>> {
    Ok(match words {
        ["decode", list] => Box::new(jpeg::Decode::open(Path::new(list))?),
        ["crop", list] => Box::new(jpeg::Crop::open(Path::new(list))?),
        ["resize", list] => Box::new(jpeg::Resize::open(Path::new(list))?),
        ["views", blur, list] => Box::new(views::TwoViews::open(blur, Path::new(list))?),
        ["loader", folder, workers, decode] => {
            Box::new(loader::Epochs::open(folder, workers.parse()?, decode)?)
        }
        ["op", name, images, width, height, parameters @ ..] => {
            let images = corpus::raw_images(Path::new(images), width.parse()?, height.parse()?)?;
            Box::new(ops::Op::open(name, images, parameters)?)
        }
        ["corruption", names, severities, quality, images, frost @ ..] => {
            let images = corpus::raw_images(Path::new(images), ops::SIDE, ops::SIDE)?;
            Box::new(corruptions::Corruptions::open(names, severities, quality, images, frost)?)
        }
        ["epoch", recipe, model, precision, file, workers] => {
            Box::new(epoch::Epoch::open(recipe, model, precision, file, workers.parse()?)?)
        }
        ["adamw", method, model] => optimizer::open(method, model)?,
        ["probe", words @ ..] => probe::open(words)?,
        ["distance", words @ ..] => distances::open(words)?,
        ["evaluation", words @ ..] => evaluation::open(words)?,
        ["network", words @ ..] => networks::open(words)?,
        _ => bail!("no such workload: {}", words.join(" ")),
    })
}

/// The answer to one request, without its `ok`.
fn answer(request: &str, current: &mut Option<Box<dyn Workload>>) -> Result<String> {
    let words: Vec<&str> = request.split('\t').collect();
    let workload = || "nothing is open: send an `open` first";
    match words.as_slice() {
        ["open", words @ ..] => {
            *current = None;
            Ok(current.insert(open(words)?).units().to_string())
        }
        ["run", passes] => {
            let workload = current.as_mut().with_context(workload)?;
            let passes: usize = passes.parse()?;
            let (wall, cpu) = (Instant::now(), ProcessTime::now());
            for _ in 0..passes {
                workload.pass(&mut Sink::Discard)?;
            }
            Ok(format!("{:.9}\t{:.9}", cpu.elapsed().as_secs_f64(), wall.elapsed().as_secs_f64()))
        }
        ["save", file] => {
            let mut sink = Sink::create(Path::new(file))?;
            current.as_mut().with_context(workload)?.pass(&mut sink)?;
            sink.finish()?;
            Ok(String::new())
        }
        ["ops"] => Ok(ops::names().collect::<Vec<_>>().join("\t")),
        _ => bail!("unknown request {request:?}"),
    }
}

fn main() -> Result<()> {
    // As the command line does.
    visrep_torch::keep_freed_memory();
    let mut current = None;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        match answer(&line?, &mut current) {
            Ok(text) => writeln!(output, "ok\t{text}")?,
            Err(error) => writeln!(output, "error\t{}", format!("{error:#}").replace('\n', " "))?,
        }
        output.flush()?;
    }
    Ok(())
}
