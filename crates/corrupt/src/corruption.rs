//! The names: which corruptions there are, how strong, and how their random numbers are keyed.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// One of the 19 corruptions of ImageNet-C (Hendrycks & Dietterich, *Benchmarking Neural Network
/// Robustness to Common Corruptions and Perturbations*, 2019).
///
/// `Display` and `FromStr` use the names of the published folders, such as `gaussian_noise` or
/// `jpeg_compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Corruption {
    /// Normal noise of one strength everywhere.
    GaussianNoise,
    /// Poisson noise, as from few photons.
    ShotNoise,
    /// Salt and pepper, drawn per channel value.
    ImpulseNoise,
    /// Convolution with a disk.
    DefocusBlur,
    /// Pixels copied from random neighbours between two blurs.
    GlassBlur,
    /// A one-sided Gaussian smear in a random direction.
    MotionBlur,
    /// The mean of the image at growing magnifications.
    ZoomBlur,
    /// Smeared flakes over a whitened image.
    Snow,
    /// A blend with a photograph of frost.
    Frost,
    /// Plasma fog.
    Fog,
    /// A higher HSV value.
    Brightness,
    /// A lower contrast about each channel's mean.
    Contrast,
    /// A random affine map followed by a smooth random displacement.
    ElasticTransform,
    /// Box down-sampling and back.
    Pixelate,
    /// A JPEG round trip at low quality.
    JpegCompression,
    /// Normal noise in proportion to the value (extra).
    SpeckleNoise,
    /// Gaussian blur (extra).
    GaussianBlur,
    /// Splashes of water or mud (extra).
    Spatter,
    /// A changed HSV saturation (extra).
    Saturate,
}

/// The families that ImageNet-C groups its corruptions into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Independent per channel value.
    Noise,
    /// Loss of sharpness.
    Blur,
    /// Snow, frost, fog, brightness, and spatter among the extras.
    Weather,
    /// Contrast, geometry and coding.
    Digital,
}

use Corruption::*;

impl Corruption {
    /// All 19: the benchmark's 15 in the published order, then the 4 extras.
    pub const ALL: [Corruption; 19] = [
        GaussianNoise,
        ShotNoise,
        ImpulseNoise,
        DefocusBlur,
        GlassBlur,
        MotionBlur,
        ZoomBlur,
        Snow,
        Frost,
        Fog,
        Brightness,
        Contrast,
        ElasticTransform,
        Pixelate,
        JpegCompression,
        SpeckleNoise,
        GaussianBlur,
        Spatter,
        Saturate,
    ];

    /// The 15 that count towards mCE, in the published order.
    pub const BENCHMARK: [Corruption; 15] = {
        let mut benchmark = [GaussianNoise; 15];
        let mut i = 0;
        while i < 15 {
            benchmark[i] = Self::ALL[i];
            i += 1;
        }
        benchmark
    };

    /// The 4 published for validation, which do not count towards mCE.
    pub const EXTRA: [Corruption; 4] = [SpeckleNoise, GaussianBlur, Spatter, Saturate];

    /// The name of the published folder.
    pub fn name(self) -> &'static str {
        match self {
            GaussianNoise => "gaussian_noise",
            ShotNoise => "shot_noise",
            ImpulseNoise => "impulse_noise",
            DefocusBlur => "defocus_blur",
            GlassBlur => "glass_blur",
            MotionBlur => "motion_blur",
            ZoomBlur => "zoom_blur",
            Snow => "snow",
            Frost => "frost",
            Fog => "fog",
            Brightness => "brightness",
            Contrast => "contrast",
            ElasticTransform => "elastic_transform",
            Pixelate => "pixelate",
            JpegCompression => "jpeg_compression",
            SpeckleNoise => "speckle_noise",
            GaussianBlur => "gaussian_blur",
            Spatter => "spatter",
            Saturate => "saturate",
        }
    }

    /// The family. Each of the four has one of the extras.
    pub fn category(self) -> Category {
        match self {
            GaussianNoise | ShotNoise | ImpulseNoise | SpeckleNoise => Category::Noise,
            DefocusBlur | GlassBlur | MotionBlur | ZoomBlur | GaussianBlur => Category::Blur,
            Snow | Frost | Fog | Brightness | Spatter => Category::Weather,
            Contrast | ElasticTransform | Pixelate | JpegCompression | Saturate => Category::Digital,
        }
    }

    /// Whether the result depends on the seed.
    pub fn is_random(self) -> bool {
        !matches!(
            self,
            DefocusBlur
                | ZoomBlur
                | Brightness
                | Contrast
                | Pixelate
                | JpegCompression
                | GaussianBlur
                | Saturate
        )
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Corruption {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let folded = text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        if let Some(found) = Self::ALL.into_iter().find(|c| c.name() == folded) {
            return Ok(found);
        }
        let mut ranked = Self::ALL.map(|c| (strsim::jaro_winkler(&folded, c.name()), c.name()));
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let nearest = ranked[..3].iter().map(|r| r.1).collect::<Vec<_>>().join(", ");
        Err(Error::UnknownCorruption { name: text.to_owned(), nearest })
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Category::Noise => "noise",
            Category::Blur => "blur",
            Category::Weather => "weather",
            Category::Digital => "digital",
        })
    }
}

/// How strong a corruption is: 1 (weakest) to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Severity(u8);

impl Severity {
    /// 1, 2, 3, 4, 5.
    pub const ALL: [Severity; 5] = [Severity(1), Severity(2), Severity(3), Severity(4), Severity(5)];

    /// Errs unless `value` is in 1..=5.
    pub fn try_new(value: u8) -> Result<Self, Error> {
        if (1..=5).contains(&value) {
            Ok(Self(value))
        } else {
            Err(Error::Severity { value: value.to_string() })
        }
    }

    /// The number, 1..=5.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The column of a table of constants.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0) - 1
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let value = text.trim().parse().map_err(|_| Error::Severity { value: text.to_owned() })?;
        Self::try_new(value)
    }
}

/// A seed for one image under one corruption at one severity: a pure function of its arguments, the
/// same on every machine and in every release. `key` is what names the image, such as its path
/// inside the data set.
pub fn keyed_seed(key: &str, corruption: Corruption, severity: Severity, seed: u64) -> u64 {
    // FNV-1a over the text, then a SplitMix64 round per word, which spreads every bit.
    let text = [key.as_bytes(), &[0], corruption.name().as_bytes(), &[severity.get()]].concat();
    let hash = text
        .iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    [hash, seed].into_iter().fold(0, |state, word| {
        let mut z = (state ^ word).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_round_trip_and_unknown_ones_list_the_nearest() {
        for corruption in Corruption::ALL {
            assert_eq!(corruption.to_string().parse::<Corruption>().unwrap(), corruption);
        }
        assert_eq!("Gaussian-Noise".parse::<Corruption>().unwrap(), GaussianNoise);
        let message = "gausian_nois".parse::<Corruption>().unwrap_err().to_string();
        assert!(message.contains("gaussian_noise"), "{message}");
        let (benchmark, extra) = (Corruption::BENCHMARK.as_slice(), Corruption::EXTRA.as_slice());
        assert_eq!([benchmark, extra].concat(), Corruption::ALL);
    }

    #[test]
    fn severities_outside_one_to_five_are_refused() {
        for bad in ["0", "6", "-1", "", "two", "256"] {
            assert!(matches!(bad.parse::<Severity>(), Err(Error::Severity { .. })), "{bad}");
        }
        assert_eq!("3".parse::<Severity>().unwrap().get(), 3);
    }

    #[test]
    fn keyed_seeds_differ_in_every_coordinate_and_never_change() {
        let mut seen = HashSet::new();
        for key in ["a", "b", "a/1"] {
            for corruption in Corruption::ALL {
                for severity in Severity::ALL {
                    for seed in 0..4 {
                        assert!(seen.insert(keyed_seed(key, corruption, severity, seed)));
                    }
                }
            }
        }
        assert_eq!(
            keyed_seed("n01440764/x.JPEG", Fog, Severity(3), 7),
            keyed_seed("n01440764/x.JPEG", Fog, Severity(3), 7)
        );
    }
}
