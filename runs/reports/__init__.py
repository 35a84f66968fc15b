"""The report of a run: the document and the page."""
