//! The published sets of corruptions.

use std::fmt;
use std::str::FromStr;

use crate::{Corruption, Error, Scale};

/// A published set of corruptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// The 15 of ImageNet-C, CIFAR-10-C, CIFAR-100-C and Tiny-ImageNet-C.
    ImageNetC,
    /// Those and the 4 for validation.
    ImageNetCExtra,
    /// The 10 of ImageNet-C-bar.
    ImageNetCBar,
    /// The 10 of CIFAR-10-C-bar.
    Cifar10CBar,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Suite; 4] =
        [Suite::ImageNetC, Suite::ImageNetCExtra, Suite::ImageNetCBar, Suite::Cifar10CBar];

    /// Its corruptions, in the published order.
    pub fn corruptions(self) -> &'static [Corruption] {
        match self {
            Suite::ImageNetC => &Corruption::BENCHMARK,
            Suite::ImageNetCExtra => &Corruption::ALL,
            Suite::ImageNetCBar => &Corruption::IMAGENET_BAR,
            Suite::Cifar10CBar => &Corruption::CIFAR_BAR,
        }
    }

    /// The table of constants that the suite was published with.
    pub fn scale(self) -> Scale {
        match self {
            Suite::Cifar10CBar => Scale::Cifar32,
            _ => Scale::ImageNet224,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Suite::ImageNetC => "imagenet-c",
            Suite::ImageNetCExtra => "imagenet-c-extra",
            Suite::ImageNetCBar => "imagenet-c-bar",
            Suite::Cifar10CBar => "cifar10-c-bar",
        })
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let folded = text.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        Self::ALL.into_iter().find(|suite| suite.to_string() == folded).ok_or_else(|| {
            let known = Self::ALL.map(|suite| suite.to_string()).join(", ");
            Error::UnknownSuite { name: text.to_owned(), known }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_list_all() {
        for suite in Suite::ALL {
            assert_eq!(suite.to_string().parse::<Suite>().unwrap(), suite);
        }
        let message = "imagenet-d".parse::<Suite>().unwrap_err().to_string();
        assert!(message.contains("imagenet-c-bar"), "{message}");
    }
}
