//! The program `ffmpeg`, which decodes videos.

use crate::Error;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use visrep_decode::RgbImage;

/// The program where nothing else is said, as it is found on `PATH`.
const PROGRAM: &str = "ffmpeg";

/// The bytes that a video may have, decoded: five times those of ImageNet-P's longest.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// The pixels of a frame that alone would have [`MAX_BYTES`], for the program's own decoder.
const MAX_PIXELS: &str = "11184810";

/// What is kept of what the program says of a fault.
const MAX_SAID: u64 = 16 << 10;

/// A longer line is none of a frame's head.
const MAX_LINE: u64 = 32;

/// Before the file. The first error ends it, where it would go on with what it makes up for the lost part; a playlist under a video's
/// name is not followed; timestamps drop and repeat no frame.
const BEFORE: &[&str] = &[
    "-v",
    "error",
    "-nostdin",
    "-xerror",
    "-filter_threads",
    "1",
    "-threads",
    "1",
    "-err_detect",
    "explode",
    "-protocol_whitelist",
    "file",
    "-max_pixels",
    MAX_PIXELS,
    "-f",
    "mov",
    "-r",
    "25",
    "-i",
];

/// After the file: frames that say their size, converted as OpenCV's `VideoCapture` does it.
const AFTER: &[&str] = &[
    "-map",
    "0:v:0",
    "-threads",
    "1",
    "-sws_flags",
    "bicubic",
    "-pix_fmt",
    "rgb24",
    "-c:v",
    "ppm",
    "-f",
    "image2pipe",
    "pipe:1",
];

/// The program `ffmpeg`, by which videos are decoded: any version from 4.2 on, whose pixels are the same.
///
/// Pixels equal those that OpenCV's `VideoCapture` gives on the same processor, as RGB; 8-bit H.264 without a colour matrix of its own or
/// with BT.601, which is what ImageNet-P is, has been compared (OpenCV 4.5, 4.10 and 5.0). The conversion from YUV is in both the
/// library swscale, which on x86 with SSSE3 rounds otherwise than elsewhere: by up to three of 255 levels.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    program: PathBuf,
    version: String,
}

/// Why a video has no frames.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The program cannot be run.
    Program(String),
    /// The video is at fault, as the rest of a sentence that begins with its name.
    Video(String),
}

impl Ffmpeg {
    /// The environment variable that names the program where it is not `ffmpeg` on `PATH`.
    pub const VARIABLE: &str = "VISREP_FFMPEG";

    /// The program that [`VARIABLE`](Self::VARIABLE) names, or else `ffmpeg` on `PATH`.
    ///
    /// # Errors
    /// [`Error::Program`] when it cannot be started or is another program; it says how to install it, and how to do without.
    pub fn find() -> Result<Self, Error> {
        Self::at(std::env::var_os(Self::VARIABLE).filter(|name| !name.is_empty()).unwrap_or(PROGRAM.into()))
    }

    /// The program at a path, or of a name on `PATH`.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn at(program: impl Into<PathBuf>) -> Result<Self, Error> {
        let program = program.into();
        let wrong = |problem: String| Error::Program {
            program: program.clone(),
            problem: format!(
                "{problem}: videos are decoded by ffmpeg; install it (Debian and Ubuntu: `apt install ffmpeg`, macOS: `brew install \
                 ffmpeg`, Windows: `winget install ffmpeg`), or name it in {}, or unpack the frames beside each video where there is one: \
                 `mkdir NAME; ffmpeg -i NAME.mp4 -sws_flags bicubic NAME/%02d.png`",
                Self::VARIABLE
            ),
        };
        let output = Command::new(&program).arg("-version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| wrong(format!("cannot be started ({error})")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.strip_prefix("ffmpeg version ").and_then(|rest| rest.split_whitespace().next());
        match version {
            Some(version) if output.status.success() => {
                Ok(Self { version: version.to_owned(), program: program.clone() })
            }
            _ => Err(wrong("is not ffmpeg, or does not run".into())),
        }
    }

    /// The version that it says it is, such as `7.1.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The error for a fault of the program itself.
    pub(super) fn error(&self, problem: String) -> Error {
        Error::Program { program: self.program.clone(), problem }
    }

    /// All frames of a video, of which there must be `expected`.
    pub(super) fn decode(&self, video: &Path, expected: usize) -> Result<Vec<RgbImage>, Fault> {
        // With its protocol said, a name with a colon is still a file's.
        let mut source = OsString::from("file:");
        source.push(video);
        let mut command = Command::new(&self.program);
        command.args(BEFORE).arg(source).args(AFTER);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started =
            command.spawn().map_err(|error| Fault::Program(format!("cannot be started ({error})")))?;
        let mut child = Running(started);
        let (Some(pixels), Some(said)) = (child.0.stdout.take(), child.0.stderr.take()) else {
            return Err(Fault::Program("was started without pipes".into()));
        };
        // Both pipes are read at once: a program that waits for one of them to be emptied would never end.
        let (frames, said) = std::thread::scope(|scope| {
            let said = std::thread::Builder::new().spawn_scoped(scope, move || last_words(said));
            let said = said.map_err(|error| Fault::Program(format!("cannot be listened to ({error})")))?;
            let frames = read_frames(&mut BufReader::new(pixels), expected);
            if frames.is_err() {
                child.stop();
            }
            Ok::<_, Fault>((frames, said.join().unwrap_or_default()))
        })?;
        let status = child.0.wait().map_err(|error| Fault::Program(format!("does not end ({error})")))?;
        let program = self.program.file_name().unwrap_or(OsStr::new(PROGRAM)).to_string_lossy().into_owned();
        let told = |how: String| {
            Err(Fault::Video(if said.is_empty() { how } else { format!("{how}; {program} says: {said}") }))
        };
        match frames {
            Err(Stop::Refused(problem)) => Err(Fault::Video(problem)),
            Err(Stop::Ended) => told("cannot be decoded".into()),
            Ok(_) if !status.success() => told(format!("cannot be decoded ({program}: {status})")),
            Ok(frames) if frames.len() == expected => Ok(frames),
            Ok(frames) => {
                told(format!("gave {} frames, where its index has {expected}: it is damaged", frames.len()))
            }
        }
    }
}

/// A process that ends with its owner.
struct Running(Child);

impl Running {
    /// Ends it, where it has not ended yet.
    fn stop(&mut self) {
        let _ = self.0.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        let _ = self.0.wait();
    }
}

/// What the program says, in one line. All of it is read, so that the program is never held up.
fn last_words(mut said: ChildStderr) -> String {
    let mut bytes = Vec::new();
    let _ = said.by_ref().take(MAX_SAID).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut said, &mut std::io::sink());
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // The first lines say what was found, those after it what came of that.
    let words = lines[..lines.len().min(4)].join("; ");
    words.chars().filter(|char| !char.is_control()).take(500).collect()
}

/// Why the frames were not read to their end.
#[derive(Debug, PartialEq)]
enum Stop {
    /// They end within a frame.
    Ended,
    /// They are too many, too large or no frames.
    Refused(String),
}

/// Frames in the format PPM, one after the other, as many as come but no more than `most`.
fn read_frames(from: &mut impl BufRead, most: usize) -> Result<Vec<RgbImage>, Stop> {
    let ended = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => Stop::Ended,
        _ => Stop::Refused(format!("cannot be decoded: {error}")),
    };
    let no_frames = || Stop::Refused("was decoded to no frames".into());
    let (mut frames, mut total) = (Vec::new(), 0usize);
    while !from.fill_buf().map_err(ended)?.is_empty() {
        if frames.len() == most {
            return Err(Stop::Refused(format!("has more frames than the {most} of its index")));
        }
        let mut head = Vec::new();
        for _ in 0..3 {
            let read = from.by_ref().take(MAX_LINE).read_until(b'\n', &mut head).map_err(ended)?;
            if read == 0 || !head.ends_with(b"\n") {
                return Err(if read as u64 == MAX_LINE { no_frames() } else { Stop::Ended });
            }
        }
        let (width, height) = size(&head).ok_or_else(no_frames)?;
        // Before anything is allocated.
        let bytes = (width as usize).saturating_mul(height as usize).saturating_mul(3);
        total = total.saturating_add(bytes);
        if total > MAX_BYTES {
            return Err(Stop::Refused(format!(
                "has frames of {width}x{height} px, of which number {} goes beyond the {MAX_BYTES} bytes that a video may have",
                frames.len()
            )));
        }
        let mut data = vec![0; bytes];
        from.read_exact(&mut data).map_err(ended)?;
        frames.push(RgbImage::new(width, height, data).map_err(|error| Stop::Refused(error.to_string()))?);
    }
    Ok(frames)
}

/// Width and height of a frame with this head: `P6`, width and height, 255, each on a line of its own.
fn size(head: &[u8]) -> Option<(u32, u32)> {
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let sides = lines.next().filter(|line| *line == "P6").and_then(|_| lines.next())?;
    let (width, height) = sides.split_once(' ')?;
    let side = |text: &str| text.parse().ok().filter(|side| *side > 0);
    lines.next().filter(|line| *line == "255")?;
    Some((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_say_their_size_and_are_bounded() {
        let two = [&b"P6\n2 1\n255\n"[..], b"abcdef", b"P6\n1 1\n255\n", b"\n\n\n"].concat();
        let read = |bytes: &[u8], most| read_frames(&mut &*bytes, most);
        let frames = read(&two, 2).unwrap();
        assert_eq!((frames.len(), frames[0].pixel(1, 0), frames[1].pixel(0, 0)), (2, *b"def", *b"\n\n\n"));
        assert_eq!(read(b"", 2), Ok(vec![]));
        assert!(
            matches!(read(&two, 1), Err(Stop::Refused(problem)) if problem.contains("more frames than the 1"))
        );
        for cut in [1, 5, 10, 12, 16, 20, 28, two.len() - 1] {
            assert_eq!(read(&two[..cut], 2), Err(Stop::Ended), "{cut}");
        }
        let large = ["P6\n4294967295 4294967295\n255\n", "P6\n3345 3345\n255\n"];
        for head in large {
            let problem = read(head.as_bytes(), 2).unwrap_err();
            assert!(
                matches!(problem, Stop::Refused(problem) if problem.contains("beyond the 33554432 bytes"))
            );
        }
        for head in
            ["P5\n1 1\n255\n", "P6\n1 0\n255\n", "P6\n1 1\n65535\n", "P6\n-1 1\n255\n", "P6\n# a\n1 1\n"]
        {
            assert!(matches!(read(head.as_bytes(), 2), Err(Stop::Refused(_))), "{head}");
        }
    }
}
