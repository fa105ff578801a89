//! Image folders: torchvision's order, and what is refused.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::Path;
use support::{hugging_face, png};
use visrep_data::{Dataset, Error, ImageFolder, decode_sample, open, open_splits};
use visrep_decode::DecodeOptions;

fn put(root: &Path, files: &[&str]) {
    for (index, file) in files.iter().enumerate() {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png(index)).unwrap();
    }
}

fn message<T>(result: Result<T, Error>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn files_come_in_torchvisions_order() {
    let dir = tempfile::tempdir().unwrap();
    put(
        dir.path(),
        &[
            "cat/b.PNG",
            "cat/a.jpeg",
            "cat/z/1.png",
            "cat/z-y/1.png",
            "cat/10.png",
            "cat/9.png",
            "Dog/x.WebP",
            "Dog/.hidden.png",
            "Dog/notes.txt",
            "Dog/.cache/c.png",
            ".git/d.png",
            "loose.png",
        ],
    );
    let data = ImageFolder::open(dir.path()).unwrap();
    assert_eq!(data.classes(), ["Dog", "cat"]);
    let keys: Vec<_> = (0..data.len()).map(|index| data.key(index)).collect();
    // torchvision sorts by the folder's whole path, in which `-` comes before `/`.
    let expected =
        ["Dog/x.WebP", "cat/10.png", "cat/9.png", "cat/a.jpeg", "cat/b.PNG", "cat/z/1.png", "cat/z-y/1.png"];
    assert_eq!(keys, expected);
    assert_eq!(data.labels().unwrap(), [0, 1, 1, 1, 1, 1, 1].map(Some));
    let sample = data.get(4).unwrap();
    assert_eq!((sample.key.as_str(), sample.label), ("cat/b.PNG", Some(1)));
    assert_eq!(decode_sample(&sample, &DecodeOptions::default()).unwrap(), support::image(0, 6, 5));
}

#[test]
fn what_is_no_image_folder_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    assert!(message(ImageFolder::open(root)).contains("has no folders"));
    put(root, &["a.png"]);
    assert!(message(ImageFolder::open(root)).contains("no class folders"));
    put(root, &["cat/a.png"]);
    std::fs::create_dir(root.join("dog")).unwrap();
    std::fs::write(root.join("dog/readme.txt"), "none yet").unwrap();
    let text = message(ImageFolder::open(root));
    assert!(text.contains("in class folder dog") && text.contains(&root.display().to_string()), "{text}");
    let missing = root.join("missing");
    assert!(message(ImageFolder::open(&missing)).contains("missing"));
    assert!(message(open(&missing)).contains("missing"));
    assert!(
        message(open(&root.join("a.png")))
            .contains("is no kind of dataset that is read here: Parquet, Arrow IPC, tar")
    );
}

#[test]
fn a_sample_that_is_no_image_or_is_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), &["cat/a.png", "cat/b.png", "cat/c.png"]);
    std::fs::write(dir.path().join("cat/a.png"), "").unwrap();
    std::fs::write(dir.path().join("cat/b.png"), "not an image").unwrap();
    let data = ImageFolder::open(dir.path()).unwrap();
    std::fs::remove_file(dir.path().join("cat/c.png")).unwrap();
    for index in [0, 1] {
        let error = decode_sample(&data.get(index).unwrap(), &DecodeOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with(&data.key(index)) && error.is_bad_sample(), "{error}");
    }
    assert!(message(data.get(2)).contains("c.png"));
    assert!(matches!(data.get(3), Err(Error::Index { index: 3, len: 3 })));
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_is_an_error_and_other_links_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), &["elsewhere/a.png", "set/cat/b.png"]);
    let root = dir.path().join("set");
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), root.join("linked")).unwrap();
    assert_eq!(ImageFolder::open(&root).unwrap().classes(), ["cat", "linked"]);
    std::os::unix::fs::symlink(&root, root.join("cat/loop")).unwrap();
    assert!(message(ImageFolder::open(&root)).contains("loop"));
}

#[test]
fn a_place_with_splits_is_opened_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(
        root,
        &["train/a/1.png", "train/b/2.png", "val/a/3.png", "val/b/4.png", "test/a/5.png", "test/b/6.png"],
    );
    let text = message(open(root));
    assert!(text.contains("train, val, test"), "{text}");
    assert_eq!(open(&root.join("train")).unwrap().key(1), "b/2.png");
    let splits = open_splits(root).unwrap();
    assert_eq!((splits.train.len(), splits.test.key(0).as_str()), (2, "a/3.png"));
    assert!(splits.description.starts_with("train and val of "), "{}", splits.description);

    std::fs::rename(root.join("val/b"), root.join("val/c")).unwrap();
    assert!(message(open_splits(root)).contains("different classes: `b`"));
}

#[test]
fn without_splits_the_division_is_by_class_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<String> = (0..40).map(|i| format!("{}/{i}.png", ["a", "b"][i % 2])).collect();
    put(dir.path(), &files.iter().map(String::as_str).collect::<Vec<_>>());
    let splits = open_splits(dir.path()).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (32, 8));
    assert_eq!(splits.test.labels().unwrap().iter().filter(|label| **label == Some(1)).count(), 4);
    assert!(splits.description.contains("not official"));
}

#[test]
fn shards_with_split_names_are_splits() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for (name, rows) in
        [("train-00000-of-00002", 5), ("train-00001-of-00002", 6), ("validation-00000-of-00001", 3)]
    {
        std::fs::write(data.join(format!("{name}.parquet")), hugging_face(rows, 4, &["x", "y"])).unwrap();
    }
    let splits = open_splits(dir.path()).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (11, 3));
    assert_eq!(splits.train.key(5), "train-00001-of-00002.parquet:0");
    assert_eq!(open(&dir.path().join("train")).unwrap().len(), 11);
    assert!(message(open(dir.path())).contains("train, validation"));
    std::fs::rename(data.join("validation-00000-of-00001.parquet"), data.join("more.parquet")).unwrap();
    assert_eq!(open(dir.path()).unwrap().len(), 14);
}

#[test]
fn folders_that_are_all_named_like_splits_are_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let files: Vec<String> = (0..40).map(|i| format!("train/{}/{i}.png", ["a", "b"][i % 2])).collect();
    put(root, &files.iter().map(String::as_str).collect::<Vec<_>>());
    std::fs::create_dir(root.join(".cache")).unwrap();
    assert_eq!(open(root).unwrap().classes(), ["a", "b"]);
    let splits = open_splits(root).unwrap();
    assert_eq!((splits.train.len(), splits.test.len(), splits.train.classes().len()), (32, 8, 2));
    let place = root.join("train").display().to_string();
    assert!(splits.description.contains(&place) && splits.description.contains("not official"));

    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, &["val/cat/1.png", "val/dog/2.png"]);
    assert_eq!(open(root).unwrap().classes(), ["cat", "dog"]);
    put(root, &["test/cat/3.png", "test/dog/4.png"]);
    for text in [message(open(root)), message(open_splits(root))] {
        assert!(text.contains("holds the splits val, test: name one, such as"), "{text}");
    }
    assert_eq!(open(&root.join("test")).unwrap().len(), 2);
    // Beside another name they are classes.
    put(root, &["bench/5.png"]);
    assert_eq!(open(root).unwrap().classes(), ["bench", "test", "val"]);
}

#[test]
fn shards_of_two_splits_for_evaluation_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["test-0", "validation-0"] {
        std::fs::write(dir.path().join(format!("{name}.parquet")), hugging_face(8, 4, &["x", "y"])).unwrap();
    }
    assert!(message(open(dir.path())).contains("holds the splits validation, test"));
    assert_eq!(open(&dir.path().join("test")).unwrap().len(), 8);
    // A folder beside shards is not what is read.
    std::fs::remove_file(dir.path().join("test-0.parquet")).unwrap();
    put(dir.path(), &["test/cat/1.png"]);
    assert_eq!(open(dir.path()).unwrap().len(), 8);
}
