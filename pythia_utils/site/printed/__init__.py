"""The chapters as one PDF: the built site's pages in one document, printed by a browser.

Imports what `site` may, and of `site` the edition and how to cite."""
