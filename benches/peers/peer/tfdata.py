"""TensorFlow's decode-and-crop and its tf.data, with `--tensorflow`: a strong peer, and a large one to install."""

import os

import numpy as np

from .corpus import SIDE
from .measure import Theirs

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf  # noqa: E402 - the variables must be set before

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WORKERS, BATCH = 2, 64


def crop(items, checked):
    """The list's crops on one thread."""
    buffers, crops, flips = zip(*items)
    windows = np.array([(y, x, h, w) for x, y, w, h in crops], np.int32)

    def view(data, window, flip):
        image = decoded(data, window)
        image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        return tf.cond(flip, lambda: image[:, ::-1], lambda: image)

    data = tf.data.Dataset.from_tensor_slices((list(buffers), windows, list(flips))).map(view)
    data = on_threads(data, 1)
    return Theirs(lambda: exhaust(data), lambda: values(data.take(checked)), len(items))


def loader(folder):
    paths = [str(path) for ending in ("jpg", "jpeg", "JPEG") for path in tf.io.gfile.glob(f"{folder}/*/*.{ending}")]

    def load(path):
        data = tf.io.read_file(path)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.io.extract_jpeg_shape(data), tf.zeros([0, 0, 4]), area_range=(0.08, 1.0), aspect_ratio_range=(3 / 4, 4 / 3),
            max_attempts=10, use_image_if_no_bounding_boxes=True,
        )  # fmt: skip
        window = tf.concat([begin[:2], size[:2]], 0)
        image = tf.image.random_flip_left_right(decoded(data, window))
        return (image / 255 - MEAN) / DEVIATION

    data = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).map(load, WORKERS).batch(BATCH).prefetch(2)
    data = on_threads(data, WORKERS)
    # Channels last, as TensorFlow's models take them: the numbers are the same, in another order.
    return Theirs(lambda: exhaust(data), lambda: values(data), len(paths))


def decoded(data, window):
    image = tf.io.decode_and_crop_jpeg(data, window, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.image.resize(image, [SIDE, SIDE], antialias=True)


def on_threads(data, count):
    options = tf.data.Options()
    options.threading.private_threadpool_size = count
    options.threading.max_intra_op_parallelism = 1
    return data.with_options(options)


def exhaust(data):
    for _ in data:
        pass


def values(data):
    return np.concatenate([result.numpy().ravel() for result in data])
