"""The peers' side of `cargo xtask bench peers`: see ../../README.md."""
