"""The papers' tables over any set of cases: train or load, shift, segment, score, compare fairly, print."""
