//! Hue, turned in the 8-bit HSV of Pillow (`Convert.c`, after Python's `colorsys`).

use visrep_decode::RgbImage;

/// Turns the hue by `turns` of the colour circle, as torchvision's `adjust_hue` on PIL images.
///
/// The hue is one of 256 steps and wraps; the turn is truncated to whole steps of 1/255. At 0 the image still
/// goes through HSV and back, which is not exact.
pub fn adjust_hue(image: &mut RgbImage, turns: f64) {
    let shift = (turns * 255.0) as i32 as u8;
    for pixel in image.data_mut().as_chunks_mut::<3>().0 {
        let [h, s, v] = rgb_to_hsv(*pixel);
        *pixel = hsv_to_rgb([h.wrapping_add(shift), s, v]);
    }
}

fn rgb_to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    if max == min {
        return [0, 0, max];
    }
    let range = f32::from(max - min);
    let saturation = range / f32::from(max);
    let distance = |channel: u8| f32::from(max - channel) / range;
    let (rc, gc, bc) = (distance(r), distance(g), distance(b));
    let sixths = if r == max {
        bc - gc
    } else if g == max {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    let hue = ((f64::from(sixths) / 6.0 + 1.0) % 1.0) as f32;
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, max]
}

fn hsv_to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let sixths = f64::from(h) * 6.0 / 255.0;
    let sector = sixths.floor();
    let within = (sixths - sector) as f32;
    let saturation = (f64::from(s) / 255.0) as f32;
    let value = f64::from(v);
    let p = (value * (1.0 - f64::from(saturation))).round() as u8;
    let q = (value * (1.0 - f64::from(saturation * within))).round() as u8;
    let t = (value * (1.0 - f64::from(saturation) * (1.0 - f64::from(within)))).round() as u8;
    match sector as u8 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
