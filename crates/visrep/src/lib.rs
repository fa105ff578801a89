//! Learn visual representations and measure how good they are: facade and command line.
