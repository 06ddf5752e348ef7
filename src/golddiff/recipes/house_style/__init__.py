"""`make demo`: a simulated team with a house style on real code, through the whole loop. See README.md."""
