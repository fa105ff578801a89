//! From `table.tsv` to rows.

use super::Pretrained;
use crate::Preprocessing;
use crate::preprocessing::{CLIP_MEAN, CLIP_STD, CropMode, IMAGENET_MEAN, IMAGENET_STD, Interpolation};
use std::str::FromStr;

const HEADER: &str = "architecture\ttag\tsize\tcrop_pct\tcrop_mode\tinterpolation\tstatistics\tclasses\ttop1\t\
    test_size\ttest_crop_pct\ttest_top1\tlicence\thub\tsha256\turl\turl_sha256\torigin";

/// Every row of `text`; errs with the line at fault.
pub(super) fn table(text: &'static str) -> Result<Vec<Pretrained>, String> {
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#'));
    match lines.next() {
        Some((HEADER, _)) => {}
        _ => return Err("its columns are not those that are read here".into()),
    }
    lines.map(|(line, number)| row(line).map_err(|fault| format!("line {number}: {fault}"))).collect()
}

fn row(line: &'static str) -> Result<Pretrained, String> {
    let cells: Vec<&'static str> = line.split('\t').collect();
    let cells: [&'static str; 18] = cells.try_into().map_err(|_| "has too few cells or too many")?;
    let [architecture, tag, size, crop_pct, crop_mode, interpolation, statistics, classes, top1, ..] = cells;
    let [.., test_size, test_crop_pct, test_top1, licence, hub, sha256, url, url_sha256, origin] = cells;
    let (mean, std) = match statistics {
        "imagenet" => (IMAGENET_MEAN, IMAGENET_STD),
        "half" => ([0.5; 3], [0.5; 3]),
        "clip" => (CLIP_MEAN, CLIP_STD),
        "unit" => ([0.0; 3], [1.0; 3]),
        _ => return Err(format!("no statistics are called {statistics:?}")),
    };
    let preprocessing = Preprocessing {
        input_size: number(size)?,
        crop_pct: number(crop_pct)?,
        crop_mode: match crop_mode {
            "center" => CropMode::Center,
            "squash" => CropMode::Squash,
            _ => return Err(format!("no crop mode is called {crop_mode:?}")),
        },
        interpolation: match interpolation {
            "bilinear" => Interpolation::Bilinear,
            "bicubic" => Interpolation::Bicubic,
            _ => return Err(format!("no interpolation is called {interpolation:?}")),
        },
        mean,
        std,
    };
    let test = match known(test_size) {
        None => None,
        Some(size) => {
            let (input_size, crop_pct) = (number(size)?, number(test_crop_pct)?);
            let preprocessing = Preprocessing { input_size, crop_pct, ..preprocessing.clone() };
            Some((preprocessing, known(test_top1).map(number).transpose()?))
        }
    };
    Ok(Pretrained {
        architecture,
        tag,
        preprocessing,
        num_classes: number(classes)?,
        top1: known(top1).map(number).transpose()?,
        test,
        licence: known(licence),
        hub: known(hub)
            .map(|hub| if hub.ends_with('/') { format!("{hub}{architecture}.{tag}") } else { hub.into() }),
        sha256: known(sha256),
        url: known(url),
        url_sha256: known(url_sha256),
        origin: known(origin),
    })
}

fn known(cell: &'static str) -> Option<&'static str> {
    Some(cell).filter(|cell| !cell.is_empty())
}

fn number<T: FromStr>(cell: &str) -> Result<T, String> {
    cell.parse().map_err(|_| format!("{cell:?} is not a number of its kind"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pretrained::TABLE;
    use std::collections::HashSet;

    #[test]
    fn a_row_that_is_damaged_is_named() {
        assert!(table("# only a comment\n").unwrap_err().contains("columns"));
        let line = "a\tb\t224\t0.9\tcenter\tbicubic\thalf\t10\t\t\t\t\tmit\ttimm/\t\t\t\t";
        let text = |line: &str| -> &'static str { format!("{HEADER}\n{line}\n").leak() };
        assert_eq!(table(text(line)).unwrap()[0].hub.as_deref(), Some("timm/a.b"));
        for (wrong, fault) in [
            (line.replace("224", "big"), "line 2: \"big\""),
            (line.replace("half", "third"), "third"),
            (line.replace("center", "border"), "border"),
            (line.replace("bicubic", "lanczos"), "lanczos"),
            (format!("{line}\t"), "too many"),
        ] {
            assert!(table(text(&wrong)).unwrap_err().contains(fault), "{wrong}");
        }
    }

    #[test]
    fn the_table_is_whole_and_agrees_with_itself() {
        let mut names = HashSet::new();
        let mut last = "";
        let mut seen = HashSet::new();
        for row in TABLE.iter() {
            let name = row.name();
            assert!(names.insert(name.clone()), "{name} stands twice");
            if row.architecture != last {
                assert!(seen.insert(row.architecture), "{name} stands apart from its other tags");
                last = row.architecture;
            }
            let p = &row.preprocessing;
            assert!((32..=1024).contains(&p.input_size) && (0.5..=1.0).contains(&p.crop_pct), "{name}");
            assert!(row.num_classes >= 0, "{name}");
            for top1 in [row.top1, row.test.as_ref().and_then(|(_, top1)| *top1)].into_iter().flatten() {
                assert!((30.0..92.0).contains(&top1) && row.num_classes == 1000, "{name}");
            }
            assert_eq!(
                row.hub.is_none() && row.url.is_none(),
                row.tag == "untrained" || UNPUBLISHED.contains(&&*name),
                "{name}"
            );
            for digest in [row.sha256, row.url_sha256].into_iter().flatten() {
                let hex = digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                assert!(hex && (8..=64).contains(&digest.len()), "{name}: {digest}");
            }
            assert!(row.sha256.is_none_or(|digest| digest.len() == 64 && row.hub.is_some()), "{name}");
            assert!(row.url_sha256.is_none() || row.url.is_some(), "{name}");
            assert!(row.hub.as_ref().is_none_or(|hub| hub.split('/').count() == 2), "{name}");
        }
    }

    /// Tags that timm has without weights.
    const UNPUBLISHED: &[&str] =
        &["vit_base_patch32_clip_224.openai_ft_in12k_in1k", "vit_huge_patch14_clip_336.laion2b_ft_in1k"];

    #[test]
    fn rows_are_as_timm_has_them() {
        let find = |name: &str| TABLE.iter().find(|row| row.name() == name).unwrap();
        let resnet = find("resnet50.a1_in1k");
        assert_eq!(
            (resnet.top1, resnet.num_classes, resnet.licence),
            (Some(80.382), 1000, Some("apache-2.0"))
        );
        let (test, top1) = resnet.test.as_ref().unwrap();
        assert_eq!((test.input_size, test.crop_pct, *top1), (288, 1.0, Some(81.24)));
        assert_eq!(resnet.hub.as_deref(), Some("timm/resnet50.a1_in1k"));
        assert_eq!(resnet.url_sha256, Some("14fe96d1"));
        let siglip = find("vit_so400m_patch14_siglip_378.webli_ft_in1k");
        assert_eq!(siglip.preprocessing.crop_mode, CropMode::Squash);
        let clip = find("vit_base_patch16_clip_quickgelu_224.openai");
        assert_eq!(clip.hub.as_deref(), Some("timm/vit_base_patch16_clip_224.openai"));
        let alexnet = find("alexnet.tv_in1k");
        assert_eq!((alexnet.hub.as_deref(), alexnet.top1), (None, Some(56.522)));
        assert_eq!(alexnet.preprocessing.resize_size(), 256);
    }
}
