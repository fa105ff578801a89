//! Scores from plain numbers: accuracy, mCE, ECE, 2AFC, bootstrap intervals.
