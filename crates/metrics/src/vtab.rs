//! VTAB's two scores (Zhai et al. 2020): the mean over the 19 tasks, which is the benchmark's own, and the mean of its three
//! groups' means, which papers on adapters report. They differ by some three points for the same run.

use crate::error::check_fractions;
use crate::{Error, mean};
use serde::{Deserialize, Serialize};

/// A group of VTAB's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VtabGroup {
    /// Photographs.
    Natural,
    /// Remote sensing and medicine.
    Specialized,
    /// Rendered scenes, and questions about geometry.
    Structured,
}

/// The 19 tasks in the benchmark's order.
pub const VTAB_TASKS: [(&str, VtabGroup); 19] = {
    use VtabGroup::{Natural, Specialized, Structured};
    [
        ("caltech101", Natural),
        ("cifar100", Natural),
        ("dtd", Natural),
        ("flowers102", Natural),
        ("pets", Natural),
        ("svhn", Natural),
        ("sun397", Natural),
        ("patch_camelyon", Specialized),
        ("eurosat", Specialized),
        ("resisc45", Specialized),
        ("diabetic_retinopathy", Specialized),
        ("clevr_count", Structured),
        ("clevr_distance", Structured),
        ("dmlab", Structured),
        ("kitti_distance", Structured),
        ("dsprites_location", Structured),
        ("dsprites_orientation", Structured),
        ("smallnorb_azimuth", Structured),
        ("smallnorb_elevation", Structured),
    ]
};

/// VTAB's means; all in the unit of the accuracies, fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VtabMeans {
    /// Over the 19 tasks: the official score.
    pub mean_19: f64,
    /// Over the three groups' means.
    pub mean_of_groups: f64,
    /// Over the 7 natural tasks.
    pub natural: f64,
    /// Over the 4 specialized tasks.
    pub specialized: f64,
    /// Over the 8 structured tasks.
    pub structured: f64,
}

/// The means of accuracies (fractions) by task, in any order. All 19 tasks must be there, each once.
pub fn vtab_means<N: AsRef<str>>(accuracies: &[(N, f64)]) -> Result<VtabMeans, Error> {
    const TASKS: &[(&str, VtabGroup)] = &VTAB_TASKS;
    let mut found = [None; VTAB_TASKS.len()];
    for (name, accuracy) in accuracies {
        let name = name.as_ref();
        let Some(at) = TASKS.iter().position(|(task, _)| *task == name) else {
            let known = VTAB_TASKS.map(|(task, _)| task).join(", ");
            return Err(Error::Unknown { what: "VTAB task", name: name.into(), known });
        };
        check_fractions("accuracy", &[*accuracy])?;
        if found[at].replace(*accuracy).is_some() {
            return Err(Error::Duplicate { what: "VTAB task", name: name.into() });
        }
    }
    let missing: Vec<_> =
        TASKS.iter().zip(found).filter(|(_, found)| found.is_none()).map(|((task, _), _)| *task).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Error::Missing { what: "VTAB's score", of: "19 tasks", missing });
    }
    let mean_of = |group: Option<VtabGroup>| {
        let listed = TASKS.iter().zip(found).filter(|((_, of), _)| group.is_none_or(|group| *of == group));
        mean(&listed.filter_map(|(_, accuracy)| accuracy).collect::<Vec<_>>())
    };
    let natural = mean_of(Some(VtabGroup::Natural))?;
    let specialized = mean_of(Some(VtabGroup::Specialized))?;
    let structured = mean_of(Some(VtabGroup::Structured))?;
    let mean_of_groups = (natural + specialized + structured) / 3.0;
    Ok(VtabMeans { mean_19: mean_of(None)?, mean_of_groups, natural, specialized, structured })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of `docs/data/results.csv` of google-research/task_adaptation (1000 examples, in percent), and what they give.
    const PUBLISHED: [([f64; 19], f64); 3] = [
        (
            [
                90.95, 57.03, 66.01, 88.61, 89.87, 87.32, 34.41, 80.61, 95.31, 80.84, 73.20, 40.96, 56.11,
                36.29, 70.57, 85.73, 45.96, 45.74, 35.44,
            ],
            66.37,
        ),
        (
            [
                38.24, 13.17, 20.58, 40.22, 12.06, 66.07, 5.02, 75.62, 84.95, 42.63, 72.57, 38.85, 55.19,
                26.56, 42.71, 78.43, 39.15, 30.08, 37.61,
            ],
            43.14,
        ),
        (
            [
                77.63, 27.32, 51.44, 68.75, 48.31, 89.39, 12.85, 80.39, 93.50, 69.44, 70.93, 45.55, 60.93,
                40.42, 75.95, 89.62, 49.53, 52.19, 44.34,
            ],
            60.45,
        ),
    ];

    fn entries(percent: &[f64; 19]) -> Vec<(&'static str, f64)> {
        VTAB_TASKS.iter().zip(percent).map(|((task, _), accuracy)| (*task, accuracy / 100.0)).collect()
    }

    #[test]
    fn published_rows_have_their_published_means() {
        for (percent, mean_19) in &PUBLISHED {
            let means = vtab_means(&entries(percent)).unwrap();
            assert!((100.0 * means.mean_19 - mean_19).abs() < 0.005 + 1e-9, "{means:?}");
        }
        let means = vtab_means(&entries(&PUBLISHED[0].0)).unwrap();
        let percent = [means.natural, means.specialized, means.structured, means.mean_of_groups];
        for (found, published) in percent.into_iter().zip([73.46, 82.49, 52.10, 69.35]) {
            assert!((100.0 * found - published).abs() < 0.005 + 1e-9, "{found}");
        }
    }

    #[test]
    fn nineteen_tasks_each_once() {
        let mut tasks = entries(&PUBLISHED[0].0);
        tasks.reverse();
        assert_eq!(vtab_means(&tasks).unwrap(), vtab_means(&entries(&PUBLISHED[0].0)).unwrap());
        let removed = tasks.pop().unwrap();
        let missing = vtab_means(&tasks).unwrap_err().to_string();
        assert!(missing.contains("missing: caltech101"), "{missing}");
        tasks.extend([removed, removed]);
        assert!(matches!(vtab_means(&tasks), Err(Error::Duplicate { .. })));
        assert!(matches!(vtab_means(&[("imagenet", 0.5)]), Err(Error::Unknown { .. })));
        assert!(vtab_means(&[("pets", 90.0)]).is_err());
    }
}
