"""MOSI, MOSEI and CH-SIMS: reader and writer of the layout that they share."""
