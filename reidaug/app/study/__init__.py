"""The blind preference study of the paper's section 5.7 and Table 6."""
