//! The names: which corruptions there are, how strong, and how their random numbers are keyed.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Scale, bar};

/// One of the 19 corruptions of ImageNet-C (Hendrycks & Dietterich, *Benchmarking Neural Network
/// Robustness to Common Corruptions and Perturbations*, 2019), or of the 15 of ImageNet-C-bar and CIFAR-10-C-bar
/// (Mintun, Kirillov & Xie, *On Interaction Between Augmentations and Corruptions in Natural Corruption
/// Robustness*, 2021).
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
    /// Black but for points of blue noise (both sets of C-bar).
    BlueNoiseSample,
    /// Noise whose amplitude falls with the square of the frequency (both sets of C-bar).
    BrownishNoise,
    /// The image through a lit, wavy surface (ImageNet-C-bar).
    CausticRefraction,
    /// Grey squares of a turned checkerboard (both sets of C-bar).
    CheckerboardCutout,
    /// The mean of the image turned either way (CIFAR-10-C-bar).
    CircularMotionBlur,
    /// A saw-tooth along wavy rings, spelt as published (ImageNet-C-bar).
    CocentricSineWaves,
    /// White but for a star (both sets of C-bar).
    InverseSparkles,
    /// Smooth grey lines across the image (CIFAR-10-C-bar).
    Lines,
    /// Grey turbulence (ImageNet-C-bar).
    PerlinNoise,
    /// Cells pinched and twirled (CIFAR-10-C-bar).
    PinchAndTwirl,
    /// Coloured plasma (ImageNet-C-bar).
    PlasmaNoise,
    /// Pixels moved along a sine (CIFAR-10-C-bar).
    Ripple,
    /// One plane wave (ImageNet-C-bar).
    SingleFrequencyGreyscale,
    /// Five stars of light (both sets of C-bar).
    Sparkles,
    /// Channels magnified differently, spelt as published (CIFAR-10-C-bar).
    TransverseChromaticAbberation,
}

/// The families that ImageNet-C groups its corruptions into, and one for those of C-bar, which are not grouped.
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
    /// Any of C-bar.
    Bar,
}

use Corruption::*;

impl Corruption {
    /// All 19 of ImageNet-C: the benchmark's 15 in the published order, then the 4 extras. [`Corruption::BAR`] has
    /// the others.
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

    /// The 10 of ImageNet-C-bar, in the published order.
    pub const IMAGENET_BAR: [Corruption; 10] = [
        CausticRefraction,
        InverseSparkles,
        Sparkles,
        PerlinNoise,
        BlueNoiseSample,
        PlasmaNoise,
        CheckerboardCutout,
        CocentricSineWaves,
        SingleFrequencyGreyscale,
        BrownishNoise,
    ];

    /// The 10 of CIFAR-10-C-bar, in the published order.
    pub const CIFAR_BAR: [Corruption; 10] = [
        BlueNoiseSample,
        CheckerboardCutout,
        InverseSparkles,
        PinchAndTwirl,
        Ripple,
        BrownishNoise,
        CircularMotionBlur,
        Lines,
        Sparkles,
        TransverseChromaticAbberation,
    ];

    /// The 15 of [`Corruption::IMAGENET_BAR`] and [`Corruption::CIFAR_BAR`] together.
    pub const BAR: [Corruption; 15] = [
        BlueNoiseSample,
        BrownishNoise,
        CausticRefraction,
        CheckerboardCutout,
        CircularMotionBlur,
        CocentricSineWaves,
        InverseSparkles,
        Lines,
        PerlinNoise,
        PinchAndTwirl,
        PlasmaNoise,
        Ripple,
        SingleFrequencyGreyscale,
        Sparkles,
        TransverseChromaticAbberation,
    ];

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
            BlueNoiseSample => "blue_noise_sample",
            BrownishNoise => "brownish_noise",
            CausticRefraction => "caustic_refraction",
            CheckerboardCutout => "checkerboard_cutout",
            CircularMotionBlur => "circular_motion_blur",
            CocentricSineWaves => "cocentric_sine_waves",
            InverseSparkles => "inverse_sparkles",
            Lines => "lines",
            PerlinNoise => "perlin_noise",
            PinchAndTwirl => "pinch_and_twirl",
            PlasmaNoise => "plasma_noise",
            Ripple => "ripple",
            SingleFrequencyGreyscale => "single_frequency_greyscale",
            Sparkles => "sparkles",
            TransverseChromaticAbberation => "transverse_chromatic_abberation",
        }
    }

    /// The published folder of `severity`: `3`, or for C-bar its strength of a range of 10, `4.90`. Of C-bar, the two larger
    /// scales have ImageNet's strengths and the two smaller ones CIFAR's; a corruption that only one of the two sets has
    /// takes that one's at every scale.
    pub fn severity_folder(self, severity: Severity, scale: Scale) -> String {
        match bar::strength(self, severity, scale) {
            Some(strength) => format!("{strength:.2}"),
            None => severity.to_string(),
        }
    }

    /// The family. Each of ImageNet-C's four has one of the extras.
    pub fn category(self) -> Category {
        match self {
            GaussianNoise | ShotNoise | ImpulseNoise | SpeckleNoise => Category::Noise,
            DefocusBlur | GlassBlur | MotionBlur | ZoomBlur | GaussianBlur => Category::Blur,
            Snow | Frost | Fog | Brightness | Spatter => Category::Weather,
            Contrast | ElasticTransform | Pixelate | JpegCompression | Saturate => Category::Digital,
            BlueNoiseSample
            | BrownishNoise
            | CausticRefraction
            | CheckerboardCutout
            | CircularMotionBlur
            | CocentricSineWaves
            | InverseSparkles
            | Lines
            | PerlinNoise
            | PinchAndTwirl
            | PlasmaNoise
            | Ripple
            | SingleFrequencyGreyscale
            | Sparkles
            | TransverseChromaticAbberation => Category::Bar,
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
                | CircularMotionBlur
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
        let every = || Self::ALL.into_iter().chain(Self::BAR);
        match every().find(|c| c.name() == folded) {
            Some(found) => Ok(found),
            None => {
                let nearest = nearest(&folded, every().map(Self::name));
                Err(Error::UnknownCorruption { name: text.to_owned(), nearest })
            }
        }
    }
}

/// The three of `names` that are most like `text`, best first.
pub(crate) fn nearest(text: &str, names: impl Iterator<Item = &'static str>) -> String {
    let mut ranked: Vec<_> = names.map(|name| (strsim::jaro_winkler(text, name), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.iter().take(3).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Category::Noise => "noise",
            Category::Blur => "blur",
            Category::Weather => "weather",
            Category::Digital => "digital",
            Category::Bar => "bar",
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
    mixed(&[key.as_bytes(), &[0], corruption.name().as_bytes(), &[severity.get()]], seed)
}

/// A seed from some text and a number.
pub(crate) fn mixed(text: &[&[u8]], seed: u64) -> u64 {
    // FNV-1a over the text, then a SplitMix64 round per word, which spreads every bit.
    let hash = text
        .iter()
        .flat_map(|part| part.iter())
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
        for corruption in Corruption::ALL.into_iter().chain(Corruption::BAR) {
            assert_eq!(corruption.to_string().parse::<Corruption>().unwrap(), corruption);
        }
        assert_eq!("Gaussian-Noise".parse::<Corruption>().unwrap(), GaussianNoise);
        let message = "gausian_nois".parse::<Corruption>().unwrap_err().to_string();
        assert!(message.contains("gaussian_noise"), "{message}");
        let (benchmark, extra) = (Corruption::BENCHMARK.as_slice(), Corruption::EXTRA.as_slice());
        assert_eq!([benchmark, extra].concat(), Corruption::ALL);
        let of_sets = [Corruption::IMAGENET_BAR, Corruption::CIFAR_BAR].concat();
        assert_eq!(of_sets.into_iter().collect::<HashSet<_>>(), Corruption::BAR.into_iter().collect());
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
            for corruption in Corruption::ALL.into_iter().chain(Corruption::BAR) {
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
