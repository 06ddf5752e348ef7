"""What people look at: the report and the lineage of one record, from the store only.

Numbers are pure functions over records (`facts`, `summary`, `lineage`); `terminal`, `page` and plain JSON show them.
"""
